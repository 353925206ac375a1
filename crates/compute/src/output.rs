//! What happens at the output: the label as a target, the error neurons e_L = z_L - y_L, loss and hits.

use crate::device::Device;
use crate::tensor::{Storage, Tensor};

/// How far a batch's output is from its labels, summed over the batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Verdict {
    /// Cross-entropy -ln z_label where z is a distribution, else half the squared distance to the one-hot label.
    pub loss: f64,
    /// Samples whose largest output is not that of the label. An output that is not a number is wrong.
    pub wrong: usize,
    /// Squared distance |z - y|^2.
    pub distance: f64,
}

impl Device {
    /// Judges the output `z` (n x B) by the labels, B class numbers below n. `softmax` says that columns of z are
    /// distributions.
    ///
    /// # Panics
    /// If a label is n or more, or there are not B of them: data is validated before it comes here.
    #[must_use]
    pub fn judge(&self, z: &Tensor, labels: &[u32], softmax: bool) -> Verdict {
        match &z.storage {
            Storage::F32(_) => judge(z.f32(), z.rows(), labels, softmax),
            Storage::F64(_) => judge(z.f64(), z.rows(), labels, softmax),
        }
    }

    /// y = one-hot labels, e = d = z - y, each n x B.
    ///
    /// # Panics
    /// As [`Device::judge`].
    pub fn output_error(&self, z: &Tensor, labels: &[u32], [y, e, d]: [&mut Tensor; 3]) {
        assert_eq!(labels.len(), z.cols(), "output_error: one label a sample");
        let b = z.cols();
        y.set_cols(b);
        y.fill(0.0);
        for (s, &label) in labels.iter().enumerate() {
            assert!((label as usize) < z.rows(), "output_error: label {label} of {} classes", z.rows());
            match &mut y.storage {
                Storage::F32(v) => v[label as usize * b + s] = 1.0,
                Storage::F64(v) => v[label as usize * b + s] = 1.0,
            }
        }
        for out in [e, d] {
            out.set_cols(b);
            match &z.storage {
                Storage::F32(_) => {
                    out.f32_mut().iter_mut().zip(z.f32().iter().zip(y.f32())).for_each(|(e, (z, y))| *e = z - y);
                }
                Storage::F64(_) => {
                    out.f64_mut().iter_mut().zip(z.f64().iter().zip(y.f64())).for_each(|(e, (z, y))| *e = z - y);
                }
            }
        }
    }
}

fn judge<T: Copy + Into<f64>>(z: &[T], n: usize, labels: &[u32], softmax: bool) -> Verdict {
    let b = labels.len();
    assert_eq!(z.len(), n * b, "judge: one label a sample");
    let mut verdict = Verdict::default();
    for (s, &label) in labels.iter().enumerate() {
        assert!((label as usize) < n, "judge: label {label} of {n} classes");
        let at = |i: usize| -> f64 { z[i * b + s].into() };
        let own = at(label as usize);
        let distance: f64 = (0..n).map(|i| (at(i) - if i == label as usize { 1.0 } else { 0.0 }).powi(2)).sum();
        // Ties go to the smaller class, as in a search for the largest.
        let beaten = (0..n).any(|i| at(i) > own || (at(i) == own && i < label as usize));
        verdict.wrong += usize::from(beaten || own.is_nan() || distance.is_nan());
        // A float32 softmax can be 0 to the last bit: the loss is then large, not infinite. NaN stays NaN.
        let floored = if own < 1e-30 { 1e-30 } else { own };
        verdict.loss += if softmax { -floored.ln() } else { 0.5 * distance };
        verdict.distance += distance;
    }
    verdict
}
