//! Convolution: forward, its transpose (messages and pull-backs), its local update.

use super::{Extent, Window, convolve, correlate, naive};
use crate::device::{Backend, Device};
use crate::tensor::{Aligned, Tensor};

/// A convolution of feature maps: h[o, y, x] = sum over c, i, j of W[o, (c, i, j)] z[c, y s + i d - p, x s + j d - p].
///
/// W is kept as a matrix, `O x (C / groups * kernel rows * kernel columns)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Extent of z.
    pub from: Extent,
    /// Channels O of h.
    pub out: usize,
    /// The window.
    pub window: Window,
    /// Groups of channels that see only each other; divides C and O.
    pub groups: usize,
}

/// Room a convolution needs meanwhile: kept by the caller so that no step allocates.
#[derive(Clone, Debug)]
pub struct Room {
    /// A signal padded and split for windows, and error neurons likewise.
    pub(super) planes: Aligned<f32>,
    pub(super) errors: Aligned<f32>,
    /// A part of a signal in the forms of `winograd`, and sums of products of such.
    pub(super) forms: Aligned<f32>,
    pub(super) sums: Aligned<f32>,
    /// Weights as the inner loop reads them.
    pub(super) packed: Aligned<f32>,
    /// Error neurons, channels side by side.
    pub(super) turned: Aligned<f32>,
    /// Distances of taps in a signal, and of their weights.
    pub(super) offsets: Vec<usize>,
    pub(super) sources: Vec<usize>,
}

impl Default for Room {
    fn default() -> Self {
        let none = || Aligned::new(64);
        Room {
            planes: none(),
            errors: none(),
            forms: none(),
            sums: none(),
            packed: none(),
            turned: none(),
            offsets: Vec::new(),
            sources: Vec::new(),
        }
    }
}

impl Convolution {
    /// Extent of h.
    ///
    /// # Panics
    /// If the window does not fit: networks are validated before they come here.
    #[must_use]
    pub fn to(&self) -> Extent {
        let [height, width] = self.window.places(self.from.height, self.from.width).expect("the window fits");
        Extent { channels: self.out, height, width }
    }

    /// Shape of W.
    #[must_use]
    pub fn shape(&self) -> [usize; 2] {
        [self.out, self.from.channels / self.groups * self.window.taps()]
    }

    /// Multiplications of one forward pass of one sample, those with padding included.
    #[must_use]
    pub fn multiplications(&self) -> usize {
        self.to().places() * self.shape().iter().product::<usize>()
    }

    /// Whether it is a dense product at every place.
    #[must_use]
    pub fn is_pointwise(&self) -> bool {
        let w = self.window;
        self.groups == 1 && w.taps() == 1 && w.stride == [1; 2] && w.pad == [0; 2]
    }
}

impl Device {
    /// h = W z + b, `b` one number a channel.
    ///
    /// # Panics
    /// If shapes do not fit.
    pub fn convolve(
        &self,
        conv: &Convolution,
        weight: &Tensor,
        bias: Option<&Tensor>,
        z: &Tensor,
        h: &mut Tensor,
        room: &mut Room,
    ) {
        let to = conv.to();
        assert_eq!(weight.shape(), conv.shape(), "convolve: W does not fit");
        assert_eq!((z.rows(), h.rows()), (conv.from.units(), to.units()), "convolve: z or h does not fit");
        assert!(bias.is_none_or(|b| b.len() == conv.out), "convolve: b does not fit");
        let b = z.cols();
        h.set_cols(b);
        match &self.0 {
            Backend::Cpu(cpu) => {
                cpu.counter.convolve(conv, b);
                let bias = bias.map(Tensor::f32);
                convolve::convolve(cpu, conv, weight.f32(), bias, z.f32(), b, h.f32_mut(), room);
            }
            Backend::Oracle => {
                naive::convolve(conv, weight.f64(), bias.map(Tensor::f64), z.f64(), b, h.f64_mut());
            }
        }
    }

    /// d = W^T e: what every place of z gets back from the places of h it went into. With `add`, d += W^T e.
    ///
    /// # Panics
    /// If shapes do not fit.
    pub fn convolve_back(
        &self,
        conv: &Convolution,
        weight: &Tensor,
        e: &Tensor,
        d: &mut Tensor,
        add: bool,
        room: &mut Room,
    ) {
        assert_eq!(weight.shape(), conv.shape(), "convolve_back: W does not fit");
        assert_eq!((d.rows(), e.rows()), (conv.from.units(), conv.to().units()), "convolve_back: d or e does not fit");
        let b = e.cols();
        assert!(!add || d.cols() == b, "convolve_back: batches differ");
        d.set_cols(b);
        match &self.0 {
            Backend::Cpu(cpu) => {
                cpu.counter.convolve(conv, b);
                convolve::convolve_back(cpu, conv, weight.f32(), e.f32(), b, d.f32_mut(), add, room);
            }
            Backend::Oracle => naive::convolve_back(conv, weight.f64(), e.f64(), b, d.f64_mut(), add),
        }
    }

    /// D = `scale` sum over samples and places of e z^T, the local update of W, in W's shape.
    ///
    /// # Panics
    /// If shapes do not fit.
    pub fn correlate(
        &self,
        conv: &Convolution,
        e: &Tensor,
        z: &Tensor,
        scale: f64,
        delta: &mut Tensor,
        room: &mut Room,
    ) {
        assert_eq!((z.rows(), e.rows()), (conv.from.units(), conv.to().units()), "correlate: z or e does not fit");
        assert_eq!(z.cols(), e.cols(), "correlate: batches differ");
        let [rows, cols] = conv.shape();
        delta.reshape(rows, cols);
        let b = e.cols();
        match &self.0 {
            Backend::Cpu(cpu) => {
                cpu.counter.convolve(conv, b);
                correlate::correlate(cpu, conv, e.f32(), z.f32(), b, scale as f32, delta.f32_mut(), room);
            }
            Backend::Oracle => naive::correlate(conv, e.f64(), z.f64(), b, scale, delta.f64_mut()),
        }
    }
}
