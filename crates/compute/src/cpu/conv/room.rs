//! [`Room`]: what convolutions need meanwhile.

use crate::tensor::Aligned;

/// Room a convolution needs meanwhile: kept by the caller so that no step allocates.
#[derive(Clone, Debug)]
pub struct Room {
    /// A signal padded and split for windows, and error neurons likewise.
    pub(super) planes: Aligned<f32>,
    pub(super) errors: Aligned<f32>,
    /// A part of a signal in the forms of `winograd`, and sums of products of such.
    pub(super) forms: Aligned<f32>,
    pub(super) sums: Aligned<f32>,
    /// Weights as the inner loop reads them.
    pub(super) packed: Aligned<f32>,
    /// Error neurons, channels side by side.
    pub(super) turned: Aligned<f32>,
    /// Distances of taps in a signal, and of their weights.
    pub(super) offsets: Vec<usize>,
    pub(super) sources: Vec<usize>,
}

impl Default for Room {
    fn default() -> Self {
        let none = || Aligned::new(64);
        Room {
            planes: none(),
            errors: none(),
            forms: none(),
            sums: none(),
            packed: none(),
            turned: none(),
            offsets: Vec::new(),
            sources: Vec::new(),
        }
    }
}
