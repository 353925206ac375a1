//! Feature maps: signals whose units lie in channels, rows and columns, and the phases of image layers.
//!
//! A signal stays what it is everywhere in this project, one row a unit and one column a sample. A feature map only says
//! where its units lie: unit (c, y, x) of an [`Extent`] is row (c H + y) W + x. So a dense region reads feature maps as they
//! are, a 1x1 convolution is the dense product with H W B "samples", the channels of a normalisation are stretches of memory,
//! and lanes of a vector run over samples, or over a row of the image, and never over what is summed.
//!
//! | phase | what it is |
//! |---|---|
//! | [`Device::convolve`], [`Device::convolve_back`], [`Device::correlate`] | a convolution, its transpose, its local update |
//! | [`Device::channel_moments`], [`Device::normalise`], [`Device::normalise_back`] | batch normalisation, per channel |
//! | [`Device::pool`], [`Device::pool_back`] | maxima and means of windows |
//! | [`Device::gather`], [`Device::spread`] | means over cells of the image, and back |
//! | [`Device::perturb_units`], [`Device::respond`] and others | unit by unit |

mod channels;
mod conv;
mod convolve;
mod correlate;
mod naive;
mod norm;
mod planes;
mod pool;
mod slide;
mod small;
mod turn;
mod units;
mod windows;
mod winograd;

pub use conv::{Convolution, Room};
pub(crate) use norm::Channel;
pub use norm::Norm;
pub use pool::{Pooling, Statistic};

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
