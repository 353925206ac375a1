//! Every phase once more, naive and obvious, in float64: what the fast kernels are tested against.
//!
//! Nothing here is clever. A loop a sum, one index a letter, in the order of the formula.

pub(crate) mod dense;
pub(crate) mod maps;
pub(crate) mod units;
pub(crate) mod update;
