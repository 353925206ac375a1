//! An activation inside a block: where error neurons of the block's own may appear.

use crate::layer::{Back, Kept, Layer, Pass};
use crate::phi::Phi;
use reclra_compute::Tensor;
use reclra_compute::maps::Extent;

#[derive(Debug)]
pub(super) struct Act {
    extent: Extent,
    phi: Phi,
}

impl Act {
    pub(super) fn new(extent: Extent, phi: Phi) -> Act {
        Act { extent, phi }
    }
}

impl Layer for Act {
    fn kind(&self) -> &'static str {
        "act"
    }

    fn from(&self) -> Extent {
        self.extent
    }

    fn to(&self) -> Extent {
        self.extent
    }

    fn forward(&self, pass: &mut Pass<'_>, x: &Tensor, y: &mut Tensor, _: &mut Kept) {
        pass.device.perturb_units(x, None, self.phi, y);
    }

    fn passes_offsets(&self) -> bool {
        self.phi == Phi::Identity
    }

    fn back(&self, back: Back<'_>) {
        let Back { device, response, x, y, e, d, .. } = back;
        if let Some(d) = d {
            device.respond(response, self.phi, [x, y, e], d);
        }
    }

    fn phi(&self) -> Option<Phi> {
        Some(self.phi)
    }
}
