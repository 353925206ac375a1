//! Units in a row: signals lie that way already, so only the extent changes.

use crate::layer::{Back, Kept, Layer, Pass};
use reclra_compute::Tensor;
use reclra_compute::maps::Extent;

#[derive(Debug)]
pub(super) struct Flatten {
    from: Extent,
}

impl Flatten {
    pub(super) fn new(from: Extent) -> Flatten {
        Flatten { from }
    }
}

impl Layer for Flatten {
    fn kind(&self) -> &'static str {
        "flatten"
    }

    fn from(&self) -> Extent {
        self.from
    }

    fn to(&self) -> Extent {
        Extent::new(self.from.units(), 1, 1)
    }

    fn forward(&self, _: &mut Pass<'_>, x: &Tensor, y: &mut Tensor, _: &mut Kept) {
        y.clone_from(x);
    }

    fn passes_offsets(&self) -> bool {
        true
    }

    fn back(&self, back: Back<'_>) {
        if let Some(d) = back.d {
            d.clone_from(back.e);
        }
    }
}
