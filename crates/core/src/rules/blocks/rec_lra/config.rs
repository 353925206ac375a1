//! The settings of rec-LRA on image networks.

use reclra_compute::pointwise::Mismatch;

/// How error neurons reach the blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockWiring {
    /// The output to every block: blocks are independent of each other.
    Skip,
    /// The output to the last block, and every block to the one below, through error synapses of the shape of its operations.
    Layer,
    /// Skip to every g-th block, counted from the last; layer in between.
    Gap(usize),
    /// Written out: (from, to).
    List(Vec<(String, String)>),
}

/// How a block's inside learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inner {
    /// Backprop within the block, the default: it takes derivatives and transposed weights there, and nothing leaves the block.
    Backprop,
    /// Targets within the block: no derivative, no transposed weight.
    RecLra,
    /// Three factors: pre, post and the channel's error.
    Hebbian,
}

/// The form of a skip-error synapse onto feature maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapSynapse {
    /// C x Y, the same at every place.
    Channel,
    /// C g^2 x Y, the same within each cell of a g x g division, at most as fine as the image.
    Grid(usize),
    /// C H W x Y.
    Full,
    /// C H W x Y, the product of C H W x r and r x Y.
    LowRank(usize),
    /// C x Y, drawn from the seed, fixed, and part of no file.
    Seeded,
}

/// How skip-error synapses learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapPlasticity {
    /// dE = z_i e_L^T, z_i averaged over a channel's places (or a cell's).
    Mirror,
    /// dE = z_i q^T, q = softmax(E^T z_i) - y: the block's own readout of the label.
    Readout,
    /// dE = 0
    Fixed,
}

/// Which error a skip-error synapse carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// e_L, the output's error: the paper's.
    Output,
    /// q = softmax(E^T z_i) - y, the error of the block's own readout: the block then learns from nothing but its input and the
    /// label, as in decoupled greedy learning.
    Readout,
    /// e_L + q
    Both,
}

/// Settings.
#[derive(Clone, Debug, PartialEq)]
pub struct RecLraBlocksConfig {
    /// Which block sends to which.
    pub wiring: BlockWiring,
    /// Under skip, whether the stem (the first block) is entered from the block above it, as if it were a part of it, in place
    /// of being sent an error of its own.
    pub stem_inside: bool,
    /// What happens inside.
    pub inner: Inner,
    /// The form of skip-error synapses.
    pub synapse: MapSynapse,
    /// How they learn.
    pub plasticity: MapPlasticity,
    /// Which error skip-error synapses carry.
    pub message: Message,
    /// Target modulation beta.
    pub beta: f64,
    /// Standard deviation of skip-error synapses at the start.
    pub std: f64,
    /// Deviation of error synapses of an operation's shape at the start, in units of He's; 0 with `layer`.
    pub twin_std: f64,
    /// Whether error synapses of an operation's shape mirror W; else they are fixed.
    pub twins_learn: bool,
    /// Factor on the learning rate of skip-error synapses.
    pub rate: f64,
    /// How error neurons follow from z - y, those of activations inside blocks under inner rec-LRA included, and what every
    /// region adds to the total discrepancy. The output's error neurons are z_L - y_L always.
    pub mismatch: Mismatch,
}

impl Default for RecLraBlocksConfig {
    fn default() -> Self {
        RecLraBlocksConfig {
            wiring: BlockWiring::Skip,
            stem_inside: false,
            inner: Inner::Backprop,
            synapse: MapSynapse::Channel,
            plasticity: MapPlasticity::Readout,
            message: Message::Output,
            beta: 0.1,
            std: 0.1,
            twin_std: 0.0,
            twins_learn: true,
            rate: 1.0,
            mismatch: Mismatch::L2,
        }
    }
}
