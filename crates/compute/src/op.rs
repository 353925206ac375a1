//! What a phase is: plain structs that name inputs and outputs, check their shapes, and know how much work they are.

pub(crate) mod activation;
pub(crate) mod dense;
pub(crate) mod maps;
pub(crate) mod mismatch;
pub(crate) mod output;
pub(crate) mod update;
