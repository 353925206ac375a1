//! What happens at the output: the label as a target, the error neurons e_L = z_L - y_L, loss and hits; and the discrepancy.

use super::Device;
use crate::cpu::mismatch::discrepancy;
use crate::cpu::serial::judge;
use crate::op::mismatch::Mismatch;
use crate::op::output::Verdict;
use crate::tensor::{Storage, Tensor};

impl Device {
    /// Judges the output `z` of pre-activations `h` (each n x B) by the labels, B class numbers below n. `softmax` says that
    /// z = softmax(h).
    ///
    /// # Panics
    /// If a label is n or more, there are not B of them, or h and z differ in shape: data is validated before it comes here.
    #[must_use]
    pub fn judge(&self, [h, z]: [&Tensor; 2], labels: &[u32], softmax: bool) -> Verdict {
        match &z.storage {
            Storage::F32(_) => judge([h.f32(), z.f32()], z.rows(), labels, softmax, None),
            Storage::F64(_) => judge([h.f64(), z.f64()], z.rows(), labels, softmax, None),
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
            Storage::F32(_) => judge([h.f32(), z.f32()], n, labels, softmax, Some(out.map(|t| t.f32_mut()))),
            Storage::F64(_) => judge([h.f64(), z.f64()], n, labels, softmax, Some(out.map(|t| t.f64_mut()))),
        }
    }

    /// What v = z - y of one region (n x B) adds to D, summed over the samples.
    #[must_use]
    pub fn discrepancy(&self, mismatch: Mismatch, v: &Tensor) -> f64 {
        match &v.storage {
            Storage::F32(_) => discrepancy(mismatch, v, |i| f64::from(v.f32()[i])),
            Storage::F64(_) => discrepancy(mismatch, v, |i| v.f64()[i]),
        }
    }
}
