//! Arithmetic on whole signals (units x samples): what rules do with activities and targets between the phases of a
//! layer.

use crate::cpu::stretch::{self, Blend, Lanes};
use crate::device::{Backend, Device};
use crate::pointwise::Phi;
use crate::rng::Key;
use crate::tensor::Tensor;
use pulp::Simd;
use rand_distr::{Distribution, StandardNormal};
use std::ops::Mul;

/// A signal and the factor it is taken with.
pub type Scaled<'a> = (f64, &'a Tensor);

impl Device {
    /// out = a x + b y.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn blend(&self, (a, x): Scaled<'_>, (b, y): Scaled<'_>, out: &mut Tensor) {
        assert!(x.shape() == y.shape() && x.rows() == out.rows(), "blend: shapes differ");
        out.set_cols(x.cols());
        match &self.0 {
            Backend::Cpu(cpu) => {
                stretch::map(cpu, Blend(a as f32, b as f32), [x.f32(), y.f32()], out.f32_mut());
            }
            Backend::Oracle => {
                let from = x.f64().iter().zip(y.f64());
                out.f64_mut().iter_mut().zip(from).for_each(|(o, (&x, &y))| *o = a * x + b * y);
            }
        }
    }

    /// out = [a x, b y, ...]: side by side along the batch, so that one outer product serves several phases.
    ///
    /// # Panics
    /// If the signals have different numbers of units.
    pub fn lay(&self, parts: &[Scaled<'_>], out: &mut Tensor) {
        assert!(parts.iter().all(|(_, x)| x.rows() == out.rows()), "lay: numbers of units differ");
        let (rows, all) = (out.rows(), parts.iter().map(|(_, x)| x.cols()).sum());
        out.set_cols(all);
        let mut first = 0;
        for &(a, x) in parts {
            let cols = x.cols();
            match &self.0 {
                Backend::Cpu(_) => place(a as f32, x.f32(), cols, out.f32_mut(), (rows, all, first)),
                Backend::Oracle => place(a, x.f64(), cols, out.f64_mut(), (rows, all, first)),
            }
            first += cols;
        }
    }

    /// out = x + noise, each number of it drawn from N(0, `std`^2) in the order of rows under `key`.
    ///
    /// # Panics
    /// If the numbers of units differ.
    pub fn perturb(&self, x: &Tensor, std: f64, key: Key, out: &mut Tensor) {
        assert_eq!(x.rows(), out.rows(), "perturb: shapes differ");
        out.set_cols(x.cols());
        let mut rng = key.rng();
        let mut noise = || {
            let n: f64 = StandardNormal.sample(&mut rng);
            std * n
        };
        match &self.0 {
            Backend::Cpu(_) => out.f32_mut().iter_mut().zip(x.f32()).for_each(|(o, x)| *o = x + noise() as f32),
            Backend::Oracle => out.f64_mut().iter_mut().zip(x.f64()).for_each(|(o, x)| *o = x + noise()),
        }
    }

    /// out = x * phi'(h).
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn slope(&self, x: &Tensor, phi: Phi, h: &Tensor, out: &mut Tensor) {
        assert!(x.shape() == h.shape() && x.rows() == out.rows(), "slope: shapes differ");
        out.set_cols(x.cols());
        match &self.0 {
            Backend::Cpu(cpu) => {
                stretch::map(cpu, Slope(phi), [x.f32(), h.f32()], out.f32_mut());
            }
            Backend::Oracle => {
                out.f64_mut().iter_mut().zip(x.f64().iter().zip(h.f64())).for_each(|(o, (x, &h))| *o = x * phi.df(h));
            }
        }
    }

    /// |x - y|^2, summed over units and samples.
    ///
    /// # Panics
    /// If the shapes differ.
    #[must_use]
    pub fn distance(&self, x: &Tensor, y: &Tensor) -> f64 {
        assert_eq!(x.shape(), y.shape(), "distance: shapes differ");
        match &self.0 {
            Backend::Cpu(_) => x.f32().iter().zip(y.f32()).map(|(x, y)| f64::from(x - y).powi(2)).sum(),
            Backend::Oracle => x.f64().iter().zip(y.f64()).map(|(x, y)| (x - y).powi(2)).sum(),
        }
    }
}

/// x phi'(h).
#[derive(Clone, Copy)]
struct Slope(Phi);

impl Lanes<2> for Slope {
    #[inline(always)]
    fn lanes<S: Simd>(self, simd: S, [x, h]: [S::f32s; 2]) -> (S::f32s, Option<S::f32s>) {
        (simd.mul_f32s(x, self.0.vector_df(simd, h)), None)
    }
}

/// Writes a x, `cols` columns wide, from column `first` of `out`, `all` columns wide.
fn place<T: Copy + Mul<Output = T>>(
    a: T,
    x: &[T],
    cols: usize,
    out: &mut [T],
    (rows, all, first): (usize, usize, usize),
) {
    for i in 0..rows {
        let (from, to) = (&x[i * cols..(i + 1) * cols], &mut out[i * all + first..i * all + first + cols]);
        to.iter_mut().zip(from).for_each(|(o, &x)| *o = a * x);
    }
}
