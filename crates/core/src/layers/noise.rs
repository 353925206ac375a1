//! The noise of a noise map (Juefei-Xu et al. 2018): y = relu(x + N), N one fixed mask C x H x W that no learning touches and
//! all samples share. It is kept as its seed: the mask is drawn anew, by name, whenever the network is made.

use crate::layer::{Back, Kept, Layer, Noise, Pass};
use crate::phi::Phi;
use reclra_compute::dense::Response;
use reclra_compute::maps::Extent;
use reclra_compute::rng::Key;
use reclra_compute::{Device, Tensor};

#[derive(Debug)]
pub(super) struct NoiseLayer {
    extent: Extent,
    noise: Noise,
}

impl NoiseLayer {
    pub(super) fn new(extent: Extent, noise: Noise) -> NoiseLayer {
        NoiseLayer { extent, noise }
    }
}

impl Layer for NoiseLayer {
    fn kind(&self) -> &'static str {
        "noise"
    }

    fn from(&self) -> Extent {
        self.extent
    }

    fn to(&self) -> Extent {
        self.extent
    }

    fn fixed(&self, device: &Device, key: Key) -> Option<Tensor> {
        let units = self.extent.units();
        let mask = match self.noise {
            Noise::Gaussian(level) => key.normal(units, level),
            Noise::Uniform(level) => key.uniform(units, level),
            Noise::None => return None,
        };
        Some(device.tensor(&[units], &mask))
    }

    fn kept(&self, device: &Device) -> Kept {
        Kept { tensors: vec![device.zeros(&[self.extent.units(), 0])] }
    }

    fn forward(&self, pass: &mut Pass<'_>, x: &Tensor, y: &mut Tensor, _: &mut Kept) {
        pass.device.perturb_units(x, pass.fixed, Phi::Relu, y);
    }

    fn back(&self, back: Back<'_>) {
        let Back { device, fixed, response, x, y, e, kept, d, .. } = back;
        let Some(d) = d else { return };
        match fixed {
            None => device.respond(response, Phi::Relu, [x, y, e], d),
            // relu' can be told from y, which is 0 just where h is not above 0.
            Some(_) if response == Response::Derivative => device.respond(response, Phi::Relu, [y, y, e], d),
            Some(_) => {
                let h = &mut kept.tensors[0];
                device.perturb_units(x, fixed, Phi::Identity, h);
                device.respond(response, Phi::Relu, [h, y, e], d)
            }
        };
    }

    fn phi(&self) -> Option<Phi> {
        Some(Phi::Relu)
    }
}
