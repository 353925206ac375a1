//! Numbers on a device. This room knows nothing of learning, and has all the `unsafe` of the libraries.
//!
//! A phase of a layer is a struct that names its inputs and outputs (`op`). A [`Device`] checks it, counts it, and hands it to
//! the kernels of this processor (`cpu`) or to naive float64 (`reference`), against which everything else is tested.

pub mod alloc;
mod cpu;
mod device;
mod op;
mod reference;
pub mod rng;
mod tally;
mod tensor;

pub use cpu::simd::Level;
pub use device::Device;
pub use op::output::Verdict;
pub use tally::Tally;
pub use tensor::{Scaled, Tensor};

/// The two phases of a dense network before the update: activities go up, errors come down.
pub mod dense {
    pub use crate::op::dense::*;
}

/// Feature maps: signals whose units lie in channels, rows and columns, and the phases of image layers.
///
/// A signal stays what it is everywhere in this project, one row a unit and one column a sample. A feature map only says
/// where its units lie: unit (c, y, x) of an [`maps::Extent`] is row (c H + y) W + x. So a dense region reads feature maps as they
/// are, a 1x1 convolution is the dense product with H W B "samples", the channels of a normalisation are stretches of memory,
/// and lanes of a vector run over samples, or over a row of the image, and never over what is summed.
///
/// | phase | what it is |
/// |---|---|
/// | [`Device::convolve`], [`Device::convolve_back`], [`Device::correlate`] | a convolution, its transpose, its local update |
/// | [`Device::channel_moments`], [`Device::normalise`], [`Device::normalise_back`] | batch normalisation, per channel |
/// | [`Device::pool`], [`Device::pool_back`] | maxima and means of windows |
/// | [`Device::gather`], [`Device::spread`] | means over cells of the image, and back |
/// | [`Device::perturb_units`], [`Device::respond`] and others | unit by unit |
pub mod maps {
    pub use crate::cpu::conv::room::Room;
    pub use crate::op::maps::*;
}

/// Activations and error neurons unit by unit.
pub mod pointwise {
    pub use crate::op::activation::*;
    pub use crate::op::mismatch::*;
}

/// The fused local update: outer product, re-projection and optimiser in one pass over the weights.
pub mod update {
    pub use crate::cpu::update::plan::Scratch;
    pub use crate::op::update::*;
}
