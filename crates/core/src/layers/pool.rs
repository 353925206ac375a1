//! Pools: maxima and means of windows, zeros around the image, the mean of a channel. What comes back goes to where the
//! maximum stood, or to all places in equal parts.

use crate::layer::{Back, Kept, Layer, Pass};
use reclra_compute::Tensor;
use reclra_compute::maps::{Extent, Pooling, Statistic};

#[derive(Debug)]
pub(super) struct Pool {
    kind: &'static str,
    pool: Pooling,
}

impl Pool {
    pub(super) fn new(kind: &'static str, pool: Pooling) -> Pool {
        Pool { kind, pool }
    }
}

impl Layer for Pool {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn from(&self) -> Extent {
        self.pool.from
    }

    fn to(&self) -> Extent {
        self.pool.to()
    }

    fn forward(&self, pass: &mut Pass<'_>, x: &Tensor, y: &mut Tensor, _: &mut Kept) {
        pass.device.pool(&self.pool, x, y);
    }

    fn passes_offsets(&self) -> bool {
        // A maximum is one of what is there; a mean over the border is also one of zeros.
        self.pool.statistic == Statistic::Max || self.pool.window.pad == [0, 0]
    }

    fn back(&self, back: Back<'_>) {
        if let Some(d) = back.d {
            back.device.pool_back(&self.pool, back.x, back.e, d);
        }
    }
}

#[derive(Debug)]
pub(super) struct GlobalMean {
    from: Extent,
}

impl GlobalMean {
    pub(super) fn new(from: Extent) -> GlobalMean {
        GlobalMean { from }
    }
}

impl Layer for GlobalMean {
    fn kind(&self) -> &'static str {
        "global-mean"
    }

    fn from(&self) -> Extent {
        self.from
    }

    fn to(&self) -> Extent {
        Extent::new(self.from.channels, 1, 1)
    }

    fn forward(&self, pass: &mut Pass<'_>, x: &Tensor, y: &mut Tensor, _: &mut Kept) {
        pass.device.gather(&self.from, 1, x, y);
    }

    fn passes_offsets(&self) -> bool {
        true
    }

    fn back(&self, back: Back<'_>) {
        if let Some(d) = back.d {
            back.device.spread(&self.from, 1, 1.0 / self.from.places() as f64, back.e, d);
        }
    }
}
