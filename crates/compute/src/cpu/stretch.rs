//! Walking along numbers, vector by vector, and sharing them out: what phases do that are no matrix products.

use crate::cpu::Cpu;
use crate::cpu::gemm::Place;
use crate::cpu::out::Out;
use pulp::{Simd, WithSimd};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// Shares at most: sums over them are made in their order, whoever computed them.
const SHARES: usize = 64;

/// Numbers of a share at least: below, threads are not worth their waking.
const SHARE: usize = 1 << 13;

/// Calls `f` at every vector of `len` numbers, the last of which may exist in part.
#[inline(always)]
pub(crate) fn along<S: Simd>(simd: S, len: usize, mut f: impl FnMut(Place<S>, usize)) {
    let mut at = 0;
    while at + S::F32_LANES <= len {
        f(Place::whole(), at);
        at += S::F32_LANES;
    }
    if at < len {
        f(Place::part(simd, len - at), at);
    }
}

/// Calls `task` for stretches that make up `len` numbers, and adds up what they return; stretches begin at multiples of `unit`.
pub(crate) fn share(cpu: &Cpu, len: usize, unit: usize, task: impl Fn(Range<usize>) -> f64 + Sync) -> f64 {
    let unit = unit.max(1);
    let size = len.div_ceil(SHARES).max(SHARE).div_ceil(unit) * unit;
    let count = len.div_ceil(size);
    let sums = [const { AtomicU64::new(0) }; SHARES];
    cpu.pool.for_each(count, &|t| {
        let sum = task(t * size..len.min((t + 1) * size));
        sums[t].store(sum.to_bits(), Ordering::Relaxed);
    });
    sums[..count].iter().map(|s| f64::from_bits(s.load(Ordering::Relaxed))).sum()
}

/// A function of the numbers at one place of several tensors.
pub(crate) trait Lanes<const N: usize>: Copy + Sync {
    /// The result, and what is added to a sum (see [`map`]).
    fn lanes<S: Simd>(self, simd: S, x: [S::f32s; N]) -> (S::f32s, Option<S::f32s>);
}

struct Stretch<F, const N: usize> {
    f: F,
    from: [*const f32; N],
    to: *mut f32,
    len: usize,
}

impl<F: Lanes<N>, const N: usize> WithSimd for Stretch<F, N> {
    type Output = f64;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let mut sum = 0.0;
        // What is summed goes on in float32 within a block, in float64 over blocks.
        for first in (0..self.len).step_by(BLOCK) {
            let mut block = [simd.splat_f32s(0.0); 2];
            along(
                simd,
                BLOCK.min(self.len - first),
                #[inline(always)]
                |place, at| {
                    // SAFETY: `map` has checked that all of them are as long; the stretch is this task's alone.
                    unsafe {
                        let (y, share) = self.f.lanes(simd, self.from.map(|x| place.load(simd, x, first + at)));
                        place.store(simd, self.to, first + at, y);
                        if let Some(share) = share {
                            // Two sums in turn: an addition need not wait for the one before it.
                            block = [block[1], simd.add_f32s(block[0], place.keep(simd, share))];
                        }
                    }
                },
            );
            sum += f64::from(simd.reduce_sum_f32s(simd.add_f32s(block[0], block[1])));
        }
        sum
    }
}

/// out = f(x, ...) number by number; returns the sum of what f adds.
pub(crate) fn map<const N: usize>(cpu: &Cpu, f: impl Lanes<N>, x: [&[f32]; N], out: &mut [f32]) -> f64 {
    let len = out.len();
    assert!(x.iter().all(|x| x.len() == len), "signals differ in length");
    let to = Out(out.as_mut_ptr());
    share(cpu, len, 16, |part| {
        let from = x.map(|x| x[part.clone()].as_ptr());
        cpu.arch.dispatch(Stretch { f, from, to: to.at(part.start), len: part.len() })
    })
}

/// out = f(out, x) number by number.
pub(crate) fn change(cpu: &Cpu, f: impl Lanes<2>, x: &[f32], out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "signals differ in length");
    let to = Out(out.as_mut_ptr());
    share(cpu, x.len(), 16, |part| {
        let own = to.at(part.start);
        let from = [own.cast_const(), x[part.clone()].as_ptr()];
        cpu.arch.dispatch(Stretch { f, from, to: own, len: part.len() })
    });
}

/// a x + b y.
#[derive(Clone, Copy)]
pub(crate) struct Blend(pub(crate) f32, pub(crate) f32);

impl Lanes<2> for Blend {
    #[inline(always)]
    fn lanes<S: Simd>(self, simd: S, [x, y]: [S::f32s; 2]) -> (S::f32s, Option<S::f32s>) {
        let [a, b] = [self.0, self.1].map(|v| simd.splat_f32s(v));
        (simd.add_f32s(simd.mul_f32s(a, x), simd.mul_f32s(b, y)), None)
    }
}

/// Numbers that are summed in float32 before the sum goes on in float64.
const BLOCK: usize = 1024;

/// The sums of some functions along a stretch: in float32 within blocks, in float64 over them.
#[inline(always)]
pub(crate) fn sums<S: Simd, const N: usize>(
    simd: S,
    len: usize,
    f: impl Fn(Place<S>, usize) -> [S::f32s; N],
) -> [f64; N] {
    let mut all = [0.0; N];
    let zero = simd.splat_f32s(0.0);
    for first in (0..len).step_by(BLOCK) {
        // Four sums side by side: an addition need not wait for the one before it.
        let mut lanes = [[zero; N]; 4];
        let mut turn = 0;
        along(
            simd,
            BLOCK.min(len - first),
            #[inline(always)]
            |place, at| {
                let new = f(place, first + at);
                for (sum, new) in lanes[turn % 4].iter_mut().zip(new) {
                    *sum = simd.add_f32s(*sum, place.keep(simd, new));
                }
                turn += 1;
            },
        );
        for (n, all) in all.iter_mut().enumerate() {
            let [a, b, c, d] = lanes.map(|l| l[n]);
            *all += f64::from(simd.reduce_sum_f32s(simd.add_f32s(simd.add_f32s(a, b), simd.add_f32s(c, d))));
        }
    }
    all
}
