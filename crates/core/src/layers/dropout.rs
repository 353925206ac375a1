//! Dropout (Srivastava et al. 2014): in training each unit of each sample is 0 with probability p, else divided by 1 - p. Which
//! ones is a function of the step's key, so that the way back drops the same, and a resumed run too.

use crate::layer::{Back, Kept, Layer, Pass};
use reclra_compute::Tensor;
use reclra_compute::maps::Extent;

#[derive(Debug)]
pub(super) struct Dropout {
    extent: Extent,
    share: f64,
}

impl Dropout {
    pub(super) fn new(extent: Extent, share: f64) -> Dropout {
        Dropout { extent, share }
    }
}

impl Layer for Dropout {
    fn kind(&self) -> &'static str {
        "dropout"
    }

    fn from(&self) -> Extent {
        self.extent
    }

    fn to(&self) -> Extent {
        self.extent
    }

    fn forward(&self, pass: &mut Pass<'_>, x: &Tensor, y: &mut Tensor, _: &mut Kept) {
        if pass.training {
            pass.device.drop_units(x, self.share, pass.key, y);
        } else {
            y.clone_from(x);
        }
    }

    fn back(&self, back: Back<'_>) {
        if let Some(d) = back.d {
            back.device.drop_units(back.e, self.share, back.key, d);
        }
    }
}
