//! The rules of credit assignment, one file each, in the letters of their sources.

mod backprop;
mod rec_lra;

pub use backprop::{Backprop, BackpropConfig};
pub use rec_lra::{Plasticity, RecLra, RecLraConfig};

/// (name, one line) of each rule.
pub const KNOWN: &[(&str, &str)] = &[
    ("rec-lra", "recursive local representation alignment (Ororbia et al. 2020); no derivatives, no backward pass"),
    ("backprop", "backpropagation of errors: the exact gradient, through phi' and W^T"),
];

/// (name, one line) of each plasticity of the error synapses of rec-LRA.
pub const PLASTICITIES: &[(&str, &str)] = &[
    ("mirror", "dE = gamma z_i e_j^T; what the authors' code does"),
    ("fixed", "dE = 0"),
    ("algorithm1", "dE = -gamma e_i d_j^T, as printed; diverges"),
    ("algorithm2", "dE = -gamma d_i e_j^T, as printed, index repaired; diverges"),
];
