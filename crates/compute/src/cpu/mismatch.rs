//! Error neurons and the discrepancy on vectors, and of whole samples where a norm is taken over them.

use super::Cpu;
use super::out::Out;
use super::simd::sign;
use crate::op::activation::Phi;
use crate::op::mismatch::Mismatch;
use crate::tensor::Tensor;
use pulp::Simd;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

impl Mismatch {
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

/// Returns what v = z - y of one region adds to D, for either precision: v is read number by number, in float64.
pub(crate) fn discrepancy(mismatch: Mismatch, of: &Tensor, v: impl Fn(usize) -> f64) -> f64 {
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
