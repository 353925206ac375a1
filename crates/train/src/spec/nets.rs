//! The network of a run.

use reclra::{BlockSpec, Extent, Phi};

/// The network of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct NetSpec {
    /// The blocks of an image network; then the settings of a multilayer perceptron below are of no account.
    pub image: Option<ImageNet>,
    /// Widths from input to output; of an image network those two alone.
    pub widths: Vec<usize>,
    /// Activation of hidden regions.
    pub act: Phi,
    /// Residual gap.
    pub residual: Option<usize>,
    /// Whether there are biases.
    pub bias: bool,
    /// Standard deviation of W at the start.
    pub w_std: f64,
}

/// The blocks of an image network.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageNet {
    /// As in `net.model`.
    pub model: String,
    /// The blocks, each on the output of the one before it.
    pub blocks: Vec<BlockSpec>,
    /// Extent of an image.
    pub input: Extent,
}
