//! Phases of feature maps: checked, counted, carried out.

use super::{Backend, Device};
use crate::cpu::conv::room::Room;
use crate::op::maps::{Convolution, Extent, Norm, Pooling};
use crate::tally::Tally;
use crate::tensor::Tensor;
use crate::{cpu, reference};

impl Device {
    /// h = W z + b, `b` one number a channel.
    ///
    /// # Panics
    /// If shapes do not fit.
    pub fn convolve(
        &self,
        conv: &Convolution,
        weight: &Tensor,
        bias: Option<&Tensor>,
        z: &Tensor,
        h: &mut Tensor,
        room: &mut Room,
    ) {
        let to = conv.to();
        assert_eq!(weight.shape(), conv.shape(), "convolve: W does not fit");
        assert_eq!((z.rows(), h.rows()), (conv.from.units(), to.units()), "convolve: z or h does not fit");
        assert!(bias.is_none_or(|b| b.len() == conv.out), "convolve: b does not fit");
        let b = z.cols();
        h.set_cols(b);
        self.count(conv.work(b));
        match &self.0 {
            Backend::Cpu(cpu) => {
                let bias = bias.map(Tensor::f32);
                cpu::conv::convolve(cpu, conv, weight.f32(), bias, z.f32(), b, h.f32_mut(), room);
            }
            Backend::Oracle => {
                reference::maps::convolve(conv, weight.f64(), bias.map(Tensor::f64), z.f64(), b, h.f64_mut());
            }
        }
    }

    /// d = W^T e: what every place of z gets back from the places of h it went into. With `add`, d += W^T e.
    ///
    /// # Panics
    /// If shapes do not fit.
    pub fn convolve_back(
        &self,
        conv: &Convolution,
        weight: &Tensor,
        e: &Tensor,
        d: &mut Tensor,
        add: bool,
        room: &mut Room,
    ) {
        assert_eq!(weight.shape(), conv.shape(), "convolve_back: W does not fit");
        assert_eq!((d.rows(), e.rows()), (conv.from.units(), conv.to().units()), "convolve_back: d or e does not fit");
        let b = e.cols();
        assert!(!add || d.cols() == b, "convolve_back: batches differ");
        d.set_cols(b);
        self.count(conv.work(b));
        match &self.0 {
            Backend::Cpu(cpu) => {
                cpu::conv::convolve_back(cpu, conv, weight.f32(), e.f32(), b, d.f32_mut(), add, room);
            }
            Backend::Oracle => reference::maps::convolve_back(conv, weight.f64(), e.f64(), b, d.f64_mut(), add),
        }
    }

    /// D = `scale` sum over samples and places of e z^T, the local update of W, in W's shape.
    ///
    /// # Panics
    /// If shapes do not fit.
    pub fn correlate(
        &self,
        conv: &Convolution,
        e: &Tensor,
        z: &Tensor,
        scale: f64,
        delta: &mut Tensor,
        room: &mut Room,
    ) {
        assert_eq!((z.rows(), e.rows()), (conv.from.units(), conv.to().units()), "correlate: z or e does not fit");
        assert_eq!(z.cols(), e.cols(), "correlate: batches differ");
        let [rows, cols] = conv.shape();
        delta.reshape(rows, cols);
        let b = e.cols();
        self.count(conv.work(b));
        match &self.0 {
            Backend::Cpu(cpu) => {
                cpu::conv::correlate::correlate(cpu, conv, e.f32(), z.f32(), b, scale as f32, delta.f32_mut(), room);
            }
            Backend::Oracle => reference::maps::correlate(conv, e.f64(), z.f64(), b, scale, delta.f64_mut()),
        }
    }

    /// Mean and variance (of the population) of each channel of h, over samples and places; `mean` and `variance` are C long.
    ///
    /// # Panics
    /// If shapes do not fit.
    pub fn channel_moments(&self, h: &Tensor, mean: &mut Tensor, variance: &mut Tensor) {
        let channels = mean.len();
        let fits = variance.len() == channels && h.rows().is_multiple_of(channels.max(1));
        assert!(fits, "channel_moments: channels do not fit");
        self.count(Tally::passes(1, h));
        match &self.0 {
            Backend::Cpu(cpu) => cpu::norm::moments(cpu, h.f32(), [mean.f32_mut(), variance.f32_mut()]),
            Backend::Oracle => reference::maps::moments(h.f64(), channels, mean.f64_mut(), variance.f64_mut()),
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
        self.count(Tally::passes(2, h));
        match &self.0 {
            Backend::Cpu(cpu) => cpu::norm::normalise(cpu, h.f32(), &norm.channel(Tensor::f32), z.f32_mut()),
            Backend::Oracle => reference::maps::normalise(h.f64(), &norm.channel(Tensor::f64), z.f64_mut()),
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
        self.count(Tally::passes(3, h));
        match &self.0 {
            Backend::Cpu(cpu) => {
                let channel = norm.channel(Tensor::f32);
                cpu::norm::normalise_back(cpu, [e.f32(), h.f32()], &channel, d.f32_mut(), sums.map(Tensor::f32_mut));
            }
            Backend::Oracle => {
                let channel = norm.channel(Tensor::f64);
                reference::maps::normalise_back(e.f64(), h.f64(), &channel, d.f64_mut(), sums.map(Tensor::f64_mut));
            }
        }
    }

    /// z = the statistic of every window of x.
    ///
    /// # Panics
    /// If shapes do not fit.
    pub fn pool(&self, pool: &Pooling, x: &Tensor, z: &mut Tensor) {
        assert_eq!((x.rows(), z.rows()), (pool.from.units(), pool.to().units()), "pool: shapes do not fit");
        let b = x.cols();
        z.set_cols(b);
        self.count(Tally::passes(1, x));
        match &self.0 {
            Backend::Cpu(cpu) => cpu::pooling::pool(cpu, pool, x.f32(), b, z.f32_mut()),
            Backend::Oracle => reference::maps::pool(pool, x.f64(), b, z.f64_mut()),
        }
    }

    /// The pull-back of [`Device::pool`]: e goes to the first largest number of its window, or to all of it in equal parts.
    ///
    /// # Panics
    /// If shapes do not fit.
    pub fn pool_back(&self, pool: &Pooling, x: &Tensor, e: &Tensor, d: &mut Tensor) {
        assert_eq!((d.rows(), e.rows()), (pool.from.units(), pool.to().units()), "pool_back: shapes do not fit");
        assert!(x.rows() == d.rows() && x.cols() == e.cols(), "pool_back: batches differ");
        let b = e.cols();
        d.set_cols(b);
        self.count(Tally::passes(2, x));
        match &self.0 {
            Backend::Cpu(cpu) => cpu::pooling::pool_back(cpu, pool, [x.f32(), e.f32()], b, d.f32_mut()),
            Backend::Oracle => reference::maps::pool_back(pool, x.f64(), e.f64(), b, d.f64_mut()),
        }
    }

    /// out = mean of x over each cell of a `grid` x `grid` division of the image, C grid^2 units: the global average with
    /// `grid` 1. Place (y, x) lies in cell (y grid / H, x grid / W), rounded down.
    ///
    /// # Panics
    /// If shapes do not fit, or the grid is finer than the image.
    pub fn gather(&self, extent: &Extent, grid: usize, x: &Tensor, out: &mut Tensor) {
        assert!(grid >= 1 && grid <= extent.height.min(extent.width), "gather: the grid does not fit");
        let cells = extent.channels * grid * grid;
        assert_eq!((x.rows(), out.rows()), (extent.units(), cells), "gather: shapes do not fit");
        let b = x.cols();
        out.set_cols(b);
        match &self.0 {
            Backend::Cpu(cpu) => cpu::pooling::gather(cpu, extent, grid, x.f32(), b, out.f32_mut()),
            Backend::Oracle => reference::maps::gather(extent, grid, x.f64(), b, out.f64_mut()),
        }
    }

    /// out = `scale` d of the cell, at every place of the cell: with `scale` 1 / places of a cell, the pull-back of
    /// [`Device::gather`] where all cells are of one size.
    ///
    /// # Panics
    /// As [`Device::gather`].
    pub fn spread(&self, extent: &Extent, grid: usize, scale: f64, d: &Tensor, out: &mut Tensor) {
        assert!(grid >= 1 && grid <= extent.height.min(extent.width), "spread: the grid does not fit");
        let cells = extent.channels * grid * grid;
        assert_eq!((out.rows(), d.rows()), (extent.units(), cells), "spread: shapes do not fit");
        let b = d.cols();
        out.set_cols(b);
        match &self.0 {
            Backend::Cpu(cpu) => cpu::pooling::spread(cpu, extent, grid, scale as f32, d.f32(), b, out.f32_mut()),
            Backend::Oracle => reference::maps::spread(extent, grid, scale, d.f64(), b, out.f64_mut()),
        }
    }
}
