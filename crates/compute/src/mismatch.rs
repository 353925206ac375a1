//! [`Mismatch`]: the error neurons and the discrepancy of v = z - y, activity and target of one region.
//!
//! Equation 2 of the paper: D = sum over regions of kappa (|v|_p)^q, the norm taken over the units of one sample. The error
//! neurons are its derivative by z without the constant q: e = (1/q) dD/dz. For p = q = 2 that is z - y, the paper's choice.

use crate::cpu::Cpu;
use crate::cpu::out::Out;
use crate::cpu::simd::sign;
use crate::device::Device;
use crate::pointwise::Phi;
use crate::tensor::{Storage, Tensor};
use pulp::Simd;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// How error neurons e follow from v = z - y, and what v adds to the discrepancy D.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Mismatch {
    /// e = v; D counts the squares v^2. p = q = 2, the paper's choice.
    L2,
    /// e = sign(v); D counts |v|. p = q = 1.
    L1,
    /// e = a v + (1 - a) sign(v); D counts both in the same proportion.
    Mixed {
        /// Share of L2, in [0, 1].
        a: f64,
    },
    /// e = (|v|_p)^(q - p) |v|^(p - 1) sign(v), and 0 where v is; D counts (|v|_p)^q. The norm is that of one sample. Made by
    /// [`Mismatch::lp`].
    Lp {
        /// The norm, at least 1.
        p: f64,
        /// Its power, at least 1.
        q: f64,
    },
}

impl Mismatch {
    /// That of any p and q; [`Mismatch::L2`] for p = q = 2 and [`Mismatch::L1`] for p = q = 1.
    #[must_use]
    pub fn lp(p: f64, q: f64) -> Mismatch {
        match (p, q) {
            (2.0, 2.0) => Mismatch::L2,
            (1.0, 1.0) => Mismatch::L1,
            _ => Mismatch::Lp { p, q },
        }
    }

    /// The error neurons of one sample from its v, and what it adds to D: the formulas as they are written, in float64.
    #[must_use]
    pub fn of_sample(self, v: &[f64]) -> (Vec<f64>, f64) {
        let mixed = |a: f64| {
            let e = |&v: &f64| a * v + (1.0 - a) * Phi::Sign.f(v);
            (v.iter().map(e).collect(), v.iter().map(|v| a * v * v + (1.0 - a) * v.abs()).sum())
        };
        match self {
            Mismatch::L2 => (v.to_vec(), v.iter().map(|v| v * v).sum()),
            Mismatch::L1 => mixed(0.0),
            Mismatch::Mixed { a } => mixed(a),
            Mismatch::Lp { p, q } => {
                let norm = v.iter().map(|v| v.abs().powf(p)).sum::<f64>().powf(1.0 / p);
                let e = |&v: &f64| {
                    if v == 0.0 { v } else { norm.powf(q - p) * v.abs().powf(p - 1.0) * Phi::Sign.f(v) }
                };
                (v.iter().map(e).collect(), norm.powf(q))
            }
        }
    }

    /// The error neurons of a vector of units, and what they add to D. For [`Mismatch::Lp`] v itself, of which
    /// [`Mismatch::finish`] makes the error neurons once the region is whole.
    #[inline(always)]
    pub(crate) fn vector<S: Simd>(self, simd: S, v: S::f32s) -> (S::f32s, S::f32s) {
        let square = simd.mul_f32s(v, v);
        let a = match self {
            Mismatch::L2 | Mismatch::Lp { .. } => return (v, square),
            Mismatch::L1 => 0.0,
            Mismatch::Mixed { a } => a,
        };
        let (own, other) = (simd.splat_f32s(a as f32), simd.splat_f32s((1.0 - a) as f32));
        let magnitude = simd.abs_f32s(v);
        // sign(0) is 0, as in `Phi::Sign`: a unit that meets its target sends nothing.
        let e = simd.mul_add_e_f32s(own, v, simd.mul_f32s(other, sign(simd, v)));
        (e, simd.mul_add_e_f32s(own, square, simd.mul_f32s(other, magnitude)))
    }

    /// Turns v of a whole region into error neurons where that takes all units of a sample, and returns D; else D is
    /// `counted` and `e` is there.
    pub(crate) fn finish(self, cpu: &Cpu, e: &mut Tensor, counted: f64) -> f64 {
        let Mismatch::Lp { p, q } = self else { return counted };
        let (n, b) = (e.rows(), e.cols());
        let size = b.div_ceil(SHARES).next_multiple_of(STRIP);
        let count = b.div_ceil(size.max(1));
        let sums = [const { AtomicU64::new(0) }; SHARES];
        let at = Out(e.f32_mut().as_mut_ptr());
        cpu.pool.for_each(count, &|t| {
            // SAFETY: tasks touch columns of their own, within n rows of b.
            let v = |i: usize, s: usize| f64::from(unsafe { *at.at(i * b + s) });
            // SAFETY: as above.
            let set = |i: usize, s: usize, e: f64| unsafe { *at.at(i * b + s) = e as f32 };
            let sum = lp_columns((p, q), n, t * size..b.min((t + 1) * size), v, set);
            sums[t].store(sum.to_bits(), Ordering::Relaxed);
        });
        // In the order of the tasks, whoever computed them.
        sums[..count].iter().map(|s| f64::from_bits(s.load(Ordering::Relaxed))).sum()
    }
}

/// Tasks at most.
const SHARES: usize = 64;

/// Samples that are worked on side by side.
const STRIP: usize = 16;

/// Sets e = N^(q - 1) (|v| / N)^(p - 1) sign(v) of some samples, N = |v|_p, and returns the sum of N^q. Numbers are divided by
/// the largest of their sample before they are raised to a power, so that none is lost.
fn lp_columns(
    (p, q): (f64, f64),
    n: usize,
    samples: Range<usize>,
    v: impl Fn(usize, usize) -> f64,
    mut set: impl FnMut(usize, usize, f64),
) -> f64 {
    let mut total = 0.0;
    for first in samples.clone().step_by(STRIP) {
        let strip = first..samples.end.min(first + STRIP);
        let (mut largest, mut sums) = ([0.0_f64; STRIP], [0.0_f64; STRIP]);
        for i in 0..n {
            strip.clone().zip(&mut largest).for_each(|(s, m)| *m = m.max(v(i, s).abs()));
        }
        largest.iter_mut().filter(|m| **m == 0.0).for_each(|m| *m = 1.0);
        for i in 0..n {
            let sums = sums.iter_mut().zip(&largest);
            strip.clone().zip(sums).for_each(|(s, (sum, m))| *sum += power(v(i, s).abs() / m, p));
        }
        let norms: [f64; STRIP] = std::array::from_fn(|s| largest[s] * sums[s].powf(1.0 / p));
        let scales = norms.map(|norm| power(norm, q - 1.0));
        for i in 0..n {
            for (k, s) in strip.clone().enumerate() {
                let v = v(i, s);
                let e = power(v.abs() / norms[k], p - 1.0) * scales[k] * Phi::Sign.f(v);
                set(i, s, if v == 0.0 { 0.0 } else { e });
            }
        }
        total += norms[..strip.len()].iter().map(|norm| power(*norm, q)).sum::<f64>();
    }
    total
}

/// x^k for x of 0 or more; the usual powers without a logarithm.
fn power(x: f64, k: f64) -> f64 {
    match k {
        0.0 => 1.0,
        1.0 => x,
        2.0 => x * x,
        _ => x.powf(k),
    }
}

impl Device {
    /// What v = z - y of one region (n x B) adds to D, summed over the samples.
    #[must_use]
    pub fn discrepancy(&self, mismatch: Mismatch, v: &Tensor) -> f64 {
        match &v.storage {
            Storage::F32(_) => discrepancy(mismatch, v, |i| f64::from(v.f32()[i])),
            Storage::F64(_) => discrepancy(mismatch, v, |i| v.f64()[i]),
        }
    }
}

fn discrepancy(mismatch: Mismatch, of: &Tensor, v: impl Fn(usize) -> f64) -> f64 {
    let counted = |a: f64| {
        let one = |i: usize| a * v(i) * v(i) + (1.0 - a) * v(i).abs();
        (0..of.len()).map(one).sum()
    };
    match mismatch {
        Mismatch::L2 => counted(1.0),
        Mismatch::L1 => counted(0.0),
        Mismatch::Mixed { a } => counted(a),
        Mismatch::Lp { p, q } => {
            let b = of.cols();
            lp_columns((p, q), of.rows(), 0..b, |i, s| v(i * b + s), |_, _, _| {})
        }
    }
}
