//! Batch normalisation (Ioffe and Szegedy 2015): each channel to mean 0 and variance 1 over samples and places, then scale
//! and shift. In training the statistics are those of the batch, and running ones follow; evaluation uses the latter.

use crate::layer::{Back, Kept, Layer, ParamSpec, Pass, Role};
use reclra_compute::maps::{Extent, Norm};
use reclra_compute::{Device, Tensor};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct BatchNorm {
    extent: Extent,
    epsilon: f64,
    momentum: f64,
    shift: Role,
}

impl BatchNorm {
    pub(super) fn new(extent: Extent, epsilon: f64, momentum: f64) -> BatchNorm {
        BatchNorm { extent, epsilon, momentum, shift: Role::Trained }
    }

    fn norm<'a>(&self, params: &'a [Tensor], [mean, variance]: [&'a Tensor; 2]) -> Norm<'a> {
        Norm { mean, variance, scale: &params[0], shift: &params[1], epsilon: self.epsilon }
    }
}

impl Layer for BatchNorm {
    fn kind(&self) -> &'static str {
        "norm"
    }

    fn from(&self) -> Extent {
        self.extent
    }

    fn to(&self) -> Extent {
        self.extent
    }

    fn params(&self) -> Vec<ParamSpec> {
        let c = self.extent.channels;
        vec![
            ParamSpec::vector("scale", c, 1.0, Role::Trained),
            ParamSpec::vector("shift", c, 0.0, self.shift),
            ParamSpec::vector("mean", c, 0.0, Role::Statistic),
            ParamSpec::vector("variance", c, 1.0, Role::Statistic),
        ]
    }

    fn kept(&self, device: &Device) -> Kept {
        let one = || device.zeros(&[self.extent.channels]);
        Kept { tensors: vec![one(), one()] }
    }

    fn forward(&self, pass: &mut Pass<'_>, x: &Tensor, y: &mut Tensor, kept: &mut Kept) {
        let statistics = if pass.training {
            let [mean, variance] = &mut kept.tensors[..] else { return };
            pass.device.channel_moments(x, mean, variance);
            [&*mean, &*variance]
        } else {
            [&pass.params[2], &pass.params[3]]
        };
        pass.device.normalise(x, &self.norm(pass.params, statistics), y);
    }

    fn back(&self, back: Back<'_>) {
        let Back { device, params, x, e, kept, deltas, d, .. } = back;
        let norm = self.norm(params, [&kept.tensors[0], &kept.tensors[1]]);
        let [along, sum, ..] = deltas else { return };
        match d {
            Some(d) => device.normalise_back(e, x, &norm, d, [along, sum]),
            None => {
                let mut d = device.zeros(&[x.rows(), 0]);
                device.normalise_back(e, x, &norm, &mut d, [along, sum]);
            }
        }
    }

    fn removes_offsets(&self) -> bool {
        true
    }

    fn with_held_offset(&self) -> Option<Arc<dyn Layer>> {
        Some(Arc::new(BatchNorm { shift: Role::Held, ..*self }))
    }

    fn follow(&self, params: &mut [Tensor], kept: &Kept, device: &Device, batch: usize) {
        let n = (batch * self.extent.places()) as f64;
        if n < 2.0 {
            return; // one number has no variance
        }
        // The running variance is that of the population the batch was drawn from.
        let unbiased = n / (n - 1.0);
        for (running, (of_batch, factor)) in params[2..].iter_mut().zip(kept.tensors.iter().zip([1.0, unbiased])) {
            device.follow(1.0 - self.momentum, self.momentum * factor, of_batch, running);
        }
    }
}
