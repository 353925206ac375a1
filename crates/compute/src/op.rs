//! Phases of layers as plain data: structs that name inputs and outputs, check their shapes, and count their work.

pub(crate) mod activation;
pub(crate) mod dense;
pub(crate) mod maps;
pub(crate) mod mismatch;
pub(crate) mod output;
pub(crate) mod update;
