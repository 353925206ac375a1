//! What happens at the output: the label as a target, the error neurons e_L = z_L - y_L, loss and hits.

use crate::device::Device;
use crate::tensor::{Storage, Tensor};

/// How far a batch's output is from its labels, summed over the batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Verdict {
    /// Cross-entropy ln(sum exp h) - h_label where z = softmax(h), else half the squared distance to the one-hot label.
    pub loss: f64,
    /// Samples whose largest output is not that of the label. An output that is not a number is wrong.
    pub wrong: usize,
    /// Squared distance |z - y|^2.
    pub distance: f64,
}

impl Device {
    /// Judges the output `z` of pre-activations `h` (each n x B) by the labels, B class numbers below n. `softmax` says that
    /// z = softmax(h).
    ///
    /// # Panics
    /// If a label is n or more, there are not B of them, or h and z differ in shape: data is validated before it comes here.
    #[must_use]
    pub fn judge(&self, [h, z]: [&Tensor; 2], labels: &[u32], softmax: bool) -> Verdict {
        match &z.storage {
            Storage::F32(_) => pass([h.f32(), z.f32()], z.rows(), labels, softmax, None),
            Storage::F64(_) => pass([h.f64(), z.f64()], z.rows(), labels, softmax, None),
        }
    }

    /// The same, and y = one-hot labels, e = d = z - y, each n x B, in one pass over z.
    ///
    /// # Panics
    /// As [`Device::judge`].
    pub fn output_error(
        &self,
        [h, z]: [&Tensor; 2],
        labels: &[u32],
        softmax: bool,
        mut out: [&mut Tensor; 3],
    ) -> Verdict {
        out.iter_mut().for_each(|t| t.set_cols(z.cols()));
        let n = z.rows();
        match &z.storage {
            Storage::F32(_) => pass([h.f32(), z.f32()], n, labels, softmax, Some(out.map(|t| t.f32_mut()))),
            Storage::F64(_) => pass([h.f64(), z.f64()], n, labels, softmax, Some(out.map(|t| t.f64_mut()))),
        }
    }
}

/// Samples that are judged side by side.
const STRIP: usize = 32;

/// A number of either precision.
trait Number: Copy + PartialOrd + Into<f64> + From<u8> + std::ops::Sub<Output = Self> {}
impl Number for f32 {}
impl Number for f64 {}

/// One pass over the output, row by row: `out` are y, e and d.
fn pass<T: Number>(
    [h, z]: [&[T]; 2],
    n: usize,
    labels: &[u32],
    softmax: bool,
    mut out: Option<[&mut [T]; 3]>,
) -> Verdict {
    let b = labels.len();
    assert!(z.len() == n * b && h.len() == z.len(), "judge: one label a sample, and as many h as z");
    let mut verdict = Verdict::default();
    let [zero, one] = [0, 1].map(T::from);
    for first in (0..b).step_by(STRIP) {
        let labels = &labels[first..b.min(first + STRIP)];
        let count = labels.len();
        // Each sample's output for its label, squared distance, and whether another output is larger.
        let (mut own, mut distance, mut beaten) = ([zero; STRIP], [0.0_f64; STRIP], [false; STRIP]);
        // Where each sample's largest h stands, the label's unless another is larger.
        let mut top = [0; STRIP];
        for (s, &label) in labels.iter().enumerate() {
            assert!((label as usize) < n, "judge: label {label} of {n} classes");
            top[s] = label as usize * b + first + s;
            own[s] = z[top[s]];
        }
        for i in 0..n {
            let at = i * b + first..i * b + first + count;
            let row = &z[at.clone()];
            if let Some([y, e, d]) = &mut out {
                let (y, e, d) = (&mut y[at.clone()], &mut e[at.clone()], &mut d[at.clone()]);
                for s in 0..count {
                    y[s] = if labels[s] as usize == i { one } else { zero };
                    e[s] = row[s] - y[s];
                    d[s] = e[s];
                }
            }
            for s in 0..count {
                let (value, label) = (row[s], labels[s] as usize);
                if h[at.start + s] > h[top[s]] {
                    top[s] = at.start + s;
                }
                // Ties go to the smaller class, as in a search for the largest.
                beaten[s] |= value > own[s] || (value == own[s] && i < label);
                let value: f64 = value.into();
                distance[s] += (value - if i == label { 1.0 } else { 0.0 }).powi(2);
            }
        }
        for s in 0..count {
            let own: f64 = own[s].into();
            verdict.wrong += usize::from(beaten[s] || own.is_nan() || distance[s].is_nan());
            verdict.loss += if softmax {
                // ln(sum exp h) = h_top + ln(sum exp(h - h_top)), and that sum is 1 / z_top: z_label itself may be 0 to the last bit.
                let [largest, label]: [f64; 2] = [h[top[s]].into(), h[labels[s] as usize * b + first + s].into()];
                let largest_z: f64 = z[top[s]].into();
                (largest - label) - largest_z.ln()
            } else {
                0.5 * distance[s]
            };
            verdict.distance += distance[s];
        }
    }
    verdict
}
