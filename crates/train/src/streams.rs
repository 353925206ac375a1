//! The streams of randomness under a run's seed. Stream 0 is the core's: initial weights.

/// Which training samples are drawn for validation.
pub(crate) const VALIDATION: u64 = 1;
/// The order of an epoch.
pub(crate) const SHUFFLE: u64 = 2;
/// Shifts of training images.
pub(crate) const SHIFT: u64 = 3;
