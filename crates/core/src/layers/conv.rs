//! Convolution: h = W z + b at every place; back: d = W^T e (or another matrix in place of W), dW = sum over places of e z^T.

use crate::layer::{Associate, Back, Init, Kept, Layer, ParamSpec, Pass, Role};
use reclra_compute::Tensor;
use reclra_compute::maps::{Convolution, Extent, Window};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Conv {
    conv: Convolution,
    bias: Option<Role>,
    gain: f64,
}

impl Conv {
    pub(super) fn new(conv: Convolution, bias: bool, gain: f64) -> Conv {
        Conv { conv, bias: bias.then_some(Role::Trained), gain }
    }
}

impl Layer for Conv {
    fn kind(&self) -> &'static str {
        "conv"
    }

    fn from(&self) -> Extent {
        self.conv.from
    }

    fn to(&self) -> Extent {
        self.conv.to()
    }

    fn params(&self) -> Vec<ParamSpec> {
        weights(self.conv.shape(), self.bias, self.gain * 2.0_f64.sqrt())
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
        // The border would see less of them.
        self.conv.window.pad == [0, 0]
    }

    fn with_held_offset(&self) -> Option<Arc<dyn Layer>> {
        self.bias.map(|_| Arc::new(Conv { bias: Some(Role::Held), ..*self }) as Arc<dyn Layer>)
    }

    fn window(&self) -> Option<[usize; 2]> {
        (self.conv.groups == 1).then_some(self.conv.window.kernel)
    }

    fn kernel(&self) -> Option<[usize; 4]> {
        let [rows, columns] = self.conv.window.kernel;
        Some([self.conv.out, self.conv.from.channels / self.conv.groups, rows, columns])
    }

    fn multiplications(&self) -> usize {
        self.conv.multiplications()
    }
}

/// W drawn from N(0, gain^2 / inputs), gain^2 = 2 as He et al. 2015 have it; b zero.
pub(super) fn weights(shape: [usize; 2], bias: Option<Role>, gain: f64) -> Vec<ParamSpec> {
    let init = Init::Normal(gain / (shape[1] as f64).sqrt());
    let mut list = vec![ParamSpec::new("W", shape, init)];
    list.extend(bias.map(|role| ParamSpec::vector("b", shape[0], 0.0, role)));
    list
}

pub(super) fn convolution_back(conv: &Convolution, bias: Option<Role>, back: Back<'_>) {
    let Back { device, params, feedback, x, e, room, deltas, d, .. } = back;
    device.correlate(conv, e, x, 1.0, &mut deltas[0], room);
    if bias == Some(Role::Trained) {
        device.channel_sums(e, &mut deltas[1]);
    }
    if let Some(d) = d {
        device.convolve_back(conv, feedback.unwrap_or(&params[0]), e, d, false, room);
    }
}

/// -dW = (sum over places of y y^T) W - sum over places of y x^T.
pub(super) fn oja(conv: &Convolution, at: Associate<'_>) {
    let Associate { device, params, x, y, room, deltas } = at;
    let (to, groups) = (conv.to(), conv.groups);
    let combine = |from: Extent| Convolution { from, out: to.channels, window: Window::square(1, 1, 0), groups };
    let mut gram = device.zeros(&[to.channels, to.channels / groups]);
    device.correlate(&combine(to), y, y, 1.0, &mut gram, room);
    device.correlate(conv, y, x, 1.0, &mut deltas[0], room);
    let mut delta = device.zeros(params[0].shape());
    device.convolve(&combine(Extent::new(to.channels, 1, 1)), &gram, None, &params[0], &mut delta, room);
    device.add(-1.0, &deltas[0], &mut delta);
    deltas[0] = delta;
}
