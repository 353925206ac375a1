//! The rules that have another form on image networks, whose regions are blocks of layers: how the error neurons at each block's output
//! appear, and how the block is then entered.
//!
//! | rule | e_i at the output of block i | inside |
//! |---|---|---|
//! | [`RecLraBlocks`] | target, from the output (skip) or the block above (layer) | backprop, rec-LRA or Hebbian, alone |
//! | [`TargetPropBlocks`] | phi' times what the activity exceeds its target by, from a learned inverse of the block above | backprop, alone |

mod rec_lra;
mod target_prop;

pub use rec_lra::{BlockWiring, Inner, MapPlasticity, MapSynapse, Message, RecLraBlocks, RecLraBlocksConfig};
pub use target_prop::TargetPropBlocks;

/// (name, one line) of each wiring of image networks that others do not have.
pub const WIRINGS: &[(&str, &str)] = &[
    ("skip", "image networks: the output to every block; blocks are independent of each other"),
    ("layer", "image networks: block to block, through error synapses of each convolution's shape"),
];

/// (name, one line) of each plasticity of image networks that others do not have.
pub const PLASTICITIES: &[(&str, &str)] =
    &[("readout", "image networks: dE = z_i q^T, q the error of the block's own readout of the label")];
