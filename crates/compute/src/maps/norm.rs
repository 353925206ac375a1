//! Batch normalisation, channel by channel: z = scale (h - mean) / sqrt(variance + epsilon) + shift.

use super::{channels, naive};
use crate::device::{Backend, Device};
use crate::tensor::Tensor;

/// What a normalisation knows of its channels: C numbers of each kind.
#[derive(Clone, Copy, Debug)]
pub struct Norm<'a> {
    /// Mean of h.
    pub mean: &'a Tensor,
    /// Variance of h, of the population.
    pub variance: &'a Tensor,
    /// Factor after the normalisation (gamma of its authors).
    pub scale: &'a Tensor,
    /// Added at the end (their beta).
    pub shift: &'a Tensor,
    /// Added to the variance.
    pub epsilon: f64,
}

/// The same as slices.
#[derive(Clone, Copy)]
pub(crate) struct Channel<'a, T> {
    pub(crate) mean: &'a [T],
    pub(crate) variance: &'a [T],
    pub(crate) scale: &'a [T],
    pub(crate) shift: &'a [T],
    pub(crate) epsilon: f64,
}

impl<'a> Norm<'a> {
    fn check(&self, h: &Tensor) {
        let channels = self.mean.len();
        let fits = [self.variance, self.scale, self.shift].iter().all(|t| t.len() == channels);
        assert!(fits && h.rows().is_multiple_of(channels.max(1)), "normalise: channels do not fit");
    }

    fn channel<T>(&self, of: impl Fn(&'a Tensor) -> &'a [T]) -> Channel<'a, T> {
        let (mean, variance, scale, shift) = (of(self.mean), of(self.variance), of(self.scale), of(self.shift));
        Channel { mean, variance, scale, shift, epsilon: self.epsilon }
    }
}

impl Device {
    /// Mean and variance (of the population) of each channel of h, over samples and places; `mean` and `variance` are C long.
    ///
    /// # Panics
    /// If shapes do not fit.
    pub fn channel_moments(&self, h: &Tensor, mean: &mut Tensor, variance: &mut Tensor) {
        let channels = mean.len();
        let fits = variance.len() == channels && h.rows().is_multiple_of(channels.max(1));
        assert!(fits, "channel_moments: channels do not fit");
        self.count(1, h);
        match &self.0 {
            Backend::Cpu(cpu) => channels::moments(cpu, h.f32(), [mean.f32_mut(), variance.f32_mut()]),
            Backend::Oracle => naive::moments(h.f64(), channels, mean.f64_mut(), variance.f64_mut()),
        }
    }

    /// z = scale (h - mean) / sqrt(variance + epsilon) + shift, with statistics of the batch or running ones.
    ///
    /// # Panics
    /// If shapes do not fit.
    pub fn normalise(&self, h: &Tensor, norm: &Norm<'_>, z: &mut Tensor) {
        norm.check(h);
        assert_eq!(h.rows(), z.rows(), "normalise: h and z differ");
        z.set_cols(h.cols());
        self.count(2, h);
        match &self.0 {
            Backend::Cpu(cpu) => channels::normalise(cpu, h.f32(), &norm.channel(Tensor::f32), z.f32_mut()),
            Backend::Oracle => naive::normalise(h.f64(), &norm.channel(Tensor::f64), z.f64_mut()),
        }
    }

    /// The pull-back through [`Device::normalise`] with the statistics of the batch, which move with it:
    /// d = scale / sqrt(variance + epsilon) (e - mean(e) - hat mean(e hat)), hat the normalised h. `along` and `sum` are set to
    /// the sums over samples and places of e hat, which is the local update of scale, and of e, that of shift.
    ///
    /// # Panics
    /// If shapes do not fit.
    pub fn normalise_back(&self, e: &Tensor, h: &Tensor, norm: &Norm<'_>, d: &mut Tensor, sums: [&mut Tensor; 2]) {
        norm.check(h);
        let channels = norm.mean.len();
        assert!(sums.iter().all(|s| s.len() == channels), "normalise_back: channels do not fit");
        assert!(e.shape() == h.shape() && d.rows() == h.rows(), "normalise_back: shapes differ");
        d.set_cols(h.cols());
        self.count(3, h);
        match &self.0 {
            Backend::Cpu(cpu) => {
                let channel = norm.channel(Tensor::f32);
                channels::normalise_back(cpu, [e.f32(), h.f32()], &channel, d.f32_mut(), sums.map(Tensor::f32_mut));
            }
            Backend::Oracle => {
                let channel = norm.channel(Tensor::f64);
                naive::normalise_back(e.f64(), h.f64(), &channel, d.f64_mut(), sums.map(Tensor::f64_mut));
            }
        }
    }
}
