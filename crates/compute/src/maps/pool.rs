//! Pools: maxima and means of windows, and of cells of the whole image.

use super::{Extent, Window, naive, windows};
use crate::device::{Backend, Device};
use crate::tensor::Tensor;

/// What a pool takes of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// The largest number; padding is absent.
    Max,
    /// The mean; padding counts as zeros.
    Mean,
}

/// A pool over windows of each channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pooling {
    /// Extent of what is pooled.
    pub from: Extent,
    /// The window.
    pub window: Window,
    /// Of each window.
    pub statistic: Statistic,
}

impl Pooling {
    /// Extent of the result.
    ///
    /// # Panics
    /// If the window does not fit: networks are validated before they come here.
    #[must_use]
    pub fn to(&self) -> Extent {
        let [height, width] = self.window.places(self.from.height, self.from.width).expect("the window fits");
        Extent { height, width, ..self.from }
    }
}

impl Device {
    /// z = the statistic of every window of x.
    ///
    /// # Panics
    /// If shapes do not fit.
    pub fn pool(&self, pool: &Pooling, x: &Tensor, z: &mut Tensor) {
        assert_eq!((x.rows(), z.rows()), (pool.from.units(), pool.to().units()), "pool: shapes do not fit");
        let b = x.cols();
        z.set_cols(b);
        self.count(1, x);
        match &self.0 {
            Backend::Cpu(cpu) => windows::pool(cpu, pool, x.f32(), b, z.f32_mut()),
            Backend::Oracle => naive::pool(pool, x.f64(), b, z.f64_mut()),
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
        self.count(2, x);
        match &self.0 {
            Backend::Cpu(cpu) => windows::pool_back(cpu, pool, [x.f32(), e.f32()], b, d.f32_mut()),
            Backend::Oracle => naive::pool_back(pool, x.f64(), e.f64(), b, d.f64_mut()),
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
            Backend::Cpu(cpu) => windows::gather(cpu, extent, grid, x.f32(), b, out.f32_mut()),
            Backend::Oracle => naive::gather(extent, grid, x.f64(), b, out.f64_mut()),
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
            Backend::Cpu(cpu) => windows::spread(cpu, extent, grid, scale as f32, d.f32(), b, out.f32_mut()),
            Backend::Oracle => naive::spread(extent, grid, scale, d.f64(), b, out.f64_mut()),
        }
    }
}
