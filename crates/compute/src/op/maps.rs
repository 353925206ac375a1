//! Feature maps: where the units of a signal lie, and what convolutions, normalisations and pools of them are.

use crate::tally::Tally;
use crate::tensor::Tensor;

/// Extent of feature maps: where the units of a signal lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Extent {
    /// Channels C.
    pub channels: usize,
    /// Rows H.
    pub height: usize,
    /// Columns W.
    pub width: usize,
}

impl Extent {
    /// C channels of H x W places.
    #[must_use]
    pub fn new(channels: usize, height: usize, width: usize) -> Extent {
        Extent { channels, height, width }
    }

    /// Places of a channel, H W.
    #[must_use]
    pub fn places(&self) -> usize {
        self.height * self.width
    }

    /// Units, C H W.
    #[must_use]
    pub fn units(&self) -> usize {
        self.channels * self.places()
    }
}

impl std::fmt::Display for Extent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}x{}", self.channels, self.height, self.width)
    }
}

/// A window that moves over an image: of a convolution or a pool. Each pair is (down, across).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Rows and columns of the window.
    pub kernel: [usize; 2],
    /// Steps between two windows.
    pub stride: [usize; 2],
    /// Rows above and below, columns left and right, that are taken to be zero (to be absent, in a pool).
    pub pad: [usize; 2],
    /// Distance of neighbouring taps.
    pub dilation: [usize; 2],
}

impl Window {
    /// A square window.
    #[must_use]
    pub fn square(kernel: usize, stride: usize, pad: usize) -> Window {
        Window { kernel: [kernel; 2], stride: [stride; 2], pad: [pad; 2], dilation: [1; 2] }
    }

    /// Taps of the window.
    #[must_use]
    pub fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Rows and columns of the result on an image of `height` x `width`: floor((H + 2 pad - dilation (kernel - 1) - 1) / stride)
    /// + 1; none if the window does not fit once.
    #[must_use]
    pub fn places(&self, height: usize, width: usize) -> Option<[usize; 2]> {
        let one = |a: usize, side: usize| {
            let reach = self.dilation[a] * self.kernel[a].checked_sub(1)? + 1;
            let there = (side + 2 * self.pad[a]).checked_sub(reach)?;
            Some(there / self.stride[a].max(1) + 1)
        };
        Some([one(0, height)?, one(1, width)?])
    }

    /// Where tap `t` of the window at `place` lies on axis `a` of an image that is `side` long; none in the padding.
    pub(crate) fn at(&self, a: usize, place: usize, t: usize, side: usize) -> Option<usize> {
        (place * self.stride[a] + t * self.dilation[a]).checked_sub(self.pad[a]).filter(|&p| p < side)
    }
}

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

    /// Its work on so many samples: W and the two signals are moved once. Multiplications are counted as the plain loop does
    /// them, so that a kernel that needs fewer is seen above what multiplying takes.
    pub(crate) fn work(&self, batch: usize) -> Tally {
        let numbers = self.shape().iter().product::<usize>() + (self.from.units() + self.to().units()) * batch;
        Tally { flops: 2 * (self.multiplications() * batch) as u64, bytes: 4 * numbers as u64 }
    }
}

/// What a normalisation knows of its channels: C numbers of each kind.
#[derive(Clone, Copy, Debug)]
pub struct Norm<'a> {
    /// Mean of h.
    pub mean: &'a Tensor,
    /// Variance of h, of the population.
    pub variance: &'a Tensor,
    /// Factor after the normalisation (gamma of its authors).
    pub scale: &'a Tensor,
    /// Added at the end (their beta).
    pub shift: &'a Tensor,
    /// Added to the variance.
    pub epsilon: f64,
}

/// The same as slices.
#[derive(Clone, Copy)]
pub(crate) struct Channel<'a, T> {
    pub(crate) mean: &'a [T],
    pub(crate) variance: &'a [T],
    pub(crate) scale: &'a [T],
    pub(crate) shift: &'a [T],
    pub(crate) epsilon: f64,
}

impl<'a> Norm<'a> {
    pub(crate) fn check(&self, h: &Tensor) {
        let channels = self.mean.len();
        let fits = [self.variance, self.scale, self.shift].iter().all(|t| t.len() == channels);
        assert!(fits && h.rows().is_multiple_of(channels.max(1)), "normalise: channels do not fit");
    }

    pub(crate) fn channel<T>(&self, of: impl Fn(&'a Tensor) -> &'a [T]) -> Channel<'a, T> {
        let (mean, variance, scale, shift) = (of(self.mean), of(self.variance), of(self.scale), of(self.shift));
        Channel { mean, variance, scale, shift, epsilon: self.epsilon }
    }
}

/// What a pool takes of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// The largest number; padding is absent.
    Max,
    /// The mean; padding counts as zeros.
    Mean,
}

/// A pool over windows of each channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pooling {
    /// Extent of what is pooled.
    pub from: Extent,
    /// The window.
    pub window: Window,
    /// Of each window.
    pub statistic: Statistic,
}

impl Pooling {
    /// Extent of the result.
    ///
    /// # Panics
    /// If the window does not fit: networks are validated before they come here.
    #[must_use]
    pub fn to(&self) -> Extent {
        let [height, width] = self.window.places(self.from.height, self.from.width).expect("the window fits");
        Extent { height, width, ..self.from }
    }
}
