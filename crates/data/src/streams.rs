//! The streams of randomness under a run's seed. Stream 0 is the core's: initial weights.

/// Which training samples are drawn for validation.
pub(crate) const VALIDATION: u64 = 1;
/// The order of an epoch.
pub(crate) const SHUFFLE: u64 = 2;
/// Shifts of training images.
pub(crate) const SHIFT: u64 = 3;
/// Which training images are mirrored.
pub(crate) const FLIP: u64 = 16;
/// Where training images are cut.
pub(crate) const CROP: u64 = 17;
/// Which part of a photograph is shown.
pub(crate) const ZOOM: u64 = 18;
