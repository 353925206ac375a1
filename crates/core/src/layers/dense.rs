//! A dense synapse from all units of a feature map: a 1x1 convolution of an image of one place.

use super::conv::{convolution_back, oja, weights};
use crate::layer::{Associate, Back, Kept, Layer, ParamSpec, Pass, Role};
use reclra_compute::Tensor;
use reclra_compute::maps::{Convolution, Extent, Window};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Dense {
    from: Extent,
    conv: Convolution,
    bias: Option<Role>,
    gain: f64,
}

impl Dense {
    pub(super) fn new(from: Extent, out: usize, bias: bool, gain: f64) -> Dense {
        let row = Extent::new(from.units(), 1, 1);
        let conv = Convolution { from: row, out, window: Window::square(1, 1, 0), groups: 1 };
        Dense { from, conv, bias: bias.then_some(Role::Trained), gain }
    }
}

impl Layer for Dense {
    fn kind(&self) -> &'static str {
        "dense"
    }

    fn from(&self) -> Extent {
        self.from
    }

    fn to(&self) -> Extent {
        self.conv.to()
    }

    fn params(&self) -> Vec<ParamSpec> {
        weights(self.conv.shape(), self.bias, self.gain)
    }

    fn forward(&self, pass: &mut Pass<'_>, x: &Tensor, y: &mut Tensor, _: &mut Kept) {
        let bias = self.bias.map(|_| &pass.params[1]);
        pass.device.convolve(&self.conv, &pass.params[0], bias, x, y, pass.room);
    }

    fn back(&self, back: Back<'_>) {
        convolution_back(&self.conv, self.bias, back);
    }

    fn associate(&self, at: Associate<'_>) {
        oja(&self.conv, at);
    }

    fn passes_offsets(&self) -> bool {
        true
    }

    fn with_held_offset(&self) -> Option<Arc<dyn Layer>> {
        self.bias.map(|_| Arc::new(Dense { bias: Some(Role::Held), ..*self }) as Arc<dyn Layer>)
    }

    fn multiplications(&self) -> usize {
        self.conv.multiplications()
    }
}
