//! Kinds of noise by name.

use reclra::Noise;

/// A kind of noise, of a level.
pub(super) type NoiseKind = fn(f64) -> Noise;

/// The kinds of noise by name.
pub(super) const NOISES: &[(&str, NoiseKind)] =
    &[("gaussian", Noise::Gaussian), ("uniform", Noise::Uniform), ("none", |_| Noise::None)];
