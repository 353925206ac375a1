//! A [`Learner`] on batches that it does not learn from.

use super::Learner;
use crate::forward::Network;
use crate::params::transposed;
use reclra_compute::{Device, Tensor, Verdict};

impl Learner {
    /// Runs the network forward, with the averaged weights if there are any, and judges it: sums over the samples.
    ///
    /// # Panics
    /// If `x` and `labels` do not fit the network.
    pub fn evaluate(&mut self, x: &[f32], labels: &[u32]) -> Verdict {
        self.evaluated(x, |device, output, softmax| device.judge(output, labels, softmax))
    }

    /// The outputs for a batch, one sample a row (B x n_L): class probabilities where the output is a softmax.
    ///
    /// # Panics
    /// If `x` is not a whole number of samples.
    pub fn predict(&mut self, x: &[f32]) -> Vec<f32> {
        self.evaluated(x, |_, [_, z], _| rows(z))
    }

    /// What [`Learner::evaluate`] and [`Learner::predict`] say, of one forward pass.
    ///
    /// # Panics
    /// As [`Learner::evaluate`].
    pub fn judge(&mut self, x: &[f32], labels: &[u32]) -> (Verdict, Vec<f32>) {
        self.evaluated(x, |device, [h, z], softmax| (device.judge([h, z], labels, softmax), rows(z)))
    }

    /// h and z of the output for a batch, shown to `of` with whether it is a softmax.
    fn evaluated<T>(&mut self, x: &[f32], of: impl FnOnce(&Device, [&Tensor; 2], bool) -> T) -> T {
        let output = if self.rule.settles().is_none() {
            let params = self.average.as_ref().unwrap_or(&self.params);
            let (device, graph, key) = (&self.device, &self.graph, self.key);
            Network { device, graph, params, training: false, key }.free(x, &mut self.passing)
        } else {
            self.activate_evaluated(x);
            let out = self.graph.output();
            [&self.activity.h[out], &self.activity.z[out]]
        };
        of(&self.device, output, self.graph.is_classifier())
    }
}

/// One sample a row.
fn rows(z: &Tensor) -> Vec<f32> {
    transposed(&z.to_f32(), z.rows(), z.cols())
}
