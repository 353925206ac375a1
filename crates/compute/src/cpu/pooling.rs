//! Pools on the processor: a channel is a task, lanes run over samples.

use crate::cpu::Cpu;
use crate::cpu::out::Out;
use crate::cpu::stretch::along;
use crate::op::maps::{Extent, Pooling, Statistic};
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Calls `task` with every channel and its stretch of `to`.
fn channels<'a>(cpu: &Cpu, count: usize, to: &'a mut [f32], task: impl Fn(usize, &'a mut [f32]) + Sync) {
    let n = to.len() / count.max(1);
    if n == 0 {
        return;
    }
    let to = Out(to.as_mut_ptr());
    cpu.pool.for_each(count, &|c| {
        // SAFETY: one channel a task, within the tensor.
        task(c, unsafe { std::slice::from_raw_parts_mut(to.at(c * n), n) });
    });
}

/// The part of `x` that belongs to a channel.
fn part(x: &[f32], count: usize, c: usize) -> &[f32] {
    let n = x.len() / count.max(1);
    &x[c * n..(c + 1) * n]
}

/// Taps and their places, see [`Pooling::taps`].
type Taps = Vec<(usize, usize)>;

thread_local! {
    /// Room of a thread for them.
    static TAPS: std::cell::Cell<Taps> = const { std::cell::Cell::new(Vec::new()) };
}

impl Pooling {
    /// The window at (y, x) of the result: its taps that lie in the image, each with its place there. They are listed before any
    /// lanes are loaded: a closure called from within would be a function of its own, compiled without vector instructions.
    fn taps(&self, place: usize, list: &mut Taps) {
        let (w, across) = (&self.window, self.to().width);
        let (y, x) = (place / across, place % across);
        list.clear();
        for i in 0..w.kernel[0] {
            let Some(zy) = w.at(0, y, i, self.from.height) else { continue };
            let row = |j| w.at(1, x, j, self.from.width).map(|zx| (i * w.kernel[1] + j, zy * self.from.width + zx));
            list.extend((0..w.kernel[1]).filter_map(row));
        }
    }
}

struct Pool<'a> {
    pool: &'a Pooling,
    x: &'a [f32],
    b: usize,
    z: &'a mut [f32],
}

impl WithSimd for Pool<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Pool { pool, x, b, z } = self;
        let c = |v: f32| simd.splat_f32s(v);
        let share = c((1.0 / pool.window.taps() as f64) as f32);
        let mut taps = TAPS.take();
        for (place, z) in z.chunks_exact_mut(b).enumerate() {
            pool.taps(place, &mut taps);
            along(
                simd,
                b,
                #[inline(always)]
                |lanes, at| {
                    let mut best = c(if pool.statistic == Statistic::Max { f32::NEG_INFINITY } else { 0.0 });
                    for &(_, from) in &taps {
                        // SAFETY: samples of a place of this channel.
                        let v = unsafe { lanes.load(simd, x[from * b..(from + 1) * b].as_ptr(), at) };
                        best = match pool.statistic {
                            Statistic::Max => {
                                // Whatever is not a number stays visible.
                                let broken = simd.not_m32s(simd.equal_f32s(v, v));
                                simd.select_f32s(simd.or_m32s(simd.greater_than_f32s(v, best), broken), v, best)
                            }
                            Statistic::Mean => simd.mul_add_e_f32s(share, v, best),
                        };
                    }
                    // SAFETY: samples of a place of the result.
                    unsafe { lanes.store(simd, z.as_mut_ptr(), at, best) };
                },
            );
        }
        TAPS.set(taps);
    }
}

pub(crate) fn pool(cpu: &Cpu, pool: &Pooling, x: &[f32], b: usize, z: &mut [f32]) {
    let count = pool.from.channels;
    channels(cpu, count, z, |c, z| cpu.arch.dispatch(Pool { pool, x: part(x, count, c), b, z }));
}

struct PoolBack<'a> {
    pool: &'a Pooling,
    x: &'a [f32],
    e: &'a [f32],
    b: usize,
    d: &'a mut [f32],
}

impl WithSimd for PoolBack<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let PoolBack { pool, x, e, b, d } = self;
        d.fill(0.0);
        let c = |v: f32| simd.splat_f32s(v);
        let share = c((1.0 / pool.window.taps() as f64) as f32);
        let mut taps = TAPS.take();
        for (place, e) in e.chunks_exact(b).enumerate() {
            pool.taps(place, &mut taps);
            along(
                simd,
                b,
                #[inline(always)]
                |lanes, at| {
                    // SAFETY: samples of a place of the result.
                    let e = unsafe { lanes.load(simd, e.as_ptr(), at) };
                    // The tap of the first largest number, taps counted in float32: windows are small.
                    let (mut best, mut tap) = (c(0.0), c(-1.0));
                    if pool.statistic == Statistic::Max {
                        for &(t, from) in &taps {
                            // SAFETY: samples of a place of this channel, here and below.
                            let v = unsafe { lanes.load(simd, x[from * b..(from + 1) * b].as_ptr(), at) };
                            let first = simd.less_than_f32s(tap, c(0.0));
                            let better = simd.or_m32s(first, simd.greater_than_f32s(v, best));
                            best = simd.select_f32s(better, v, best);
                            tap = simd.select_f32s(better, c(t as f32), tap);
                        }
                    }
                    for &(t, from) in &taps {
                        let part = match pool.statistic {
                            Statistic::Max => simd.select_f32s(simd.equal_f32s(tap, c(t as f32)), e, c(0.0)),
                            Statistic::Mean => simd.mul_f32s(share, e),
                        };
                        let d = d[from * b..(from + 1) * b].as_mut_ptr();
                        // SAFETY: as above.
                        unsafe { lanes.store(simd, d, at, simd.add_f32s(lanes.load(simd, d, at), part)) };
                    }
                },
            );
        }
        TAPS.set(taps);
    }
}

pub(crate) fn pool_back(cpu: &Cpu, pool: &Pooling, [x, e]: [&[f32]; 2], b: usize, d: &mut [f32]) {
    let count = pool.from.channels;
    channels(cpu, count, d, |c, d| {
        cpu.arch.dispatch(PoolBack { pool, x: part(x, count, c), e: part(e, count, c), b, d });
    });
}

/// Rows (or columns) of the image that lie in cell `cell` of `grid`.
fn cell(grid: usize, side: usize, cell: usize) -> Range<usize> {
    (cell * side).div_ceil(grid)..((cell + 1) * side).div_ceil(grid)
}

/// Means over cells (rows of the image are summed, then their sums), or a factor times the cell at every place.
struct Cells<'a> {
    extent: &'a Extent,
    grid: usize,
    b: usize,
    from: &'a [f32],
    to: &'a mut [f32],
}

struct Gather<'a>(Cells<'a>);

impl WithSimd for Gather<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Cells { extent, grid, b, from, to } = self.0;
        for (number, to) in to.chunks_exact_mut(b).enumerate() {
            let rows = cell(grid, extent.height, number / grid);
            let cols = cell(grid, extent.width, number % grid);
            let share = simd.splat_f32s((1.0 / (rows.len() * cols.len()) as f64) as f32);
            along(
                simd,
                b,
                #[inline(always)]
                |lanes, at| {
                    let mut sum = simd.splat_f32s(0.0);
                    for y in rows.clone() {
                        let mut row = simd.splat_f32s(0.0);
                        for x in cols.clone() {
                            let place = &from[(y * extent.width + x) * b..][..b];
                            // SAFETY: samples of a place.
                            row = simd.add_f32s(row, unsafe { lanes.load(simd, place.as_ptr(), at) });
                        }
                        sum = simd.add_f32s(sum, row);
                    }
                    // SAFETY: samples of a cell.
                    unsafe { lanes.store(simd, to.as_mut_ptr(), at, simd.mul_f32s(sum, share)) };
                },
            );
        }
    }
}

pub(crate) fn gather(cpu: &Cpu, extent: &Extent, grid: usize, x: &[f32], b: usize, out: &mut [f32]) {
    let count = extent.channels;
    channels(cpu, count, out, |c, to| {
        cpu.arch.dispatch(Gather(Cells { extent, grid, b, from: part(x, count, c), to }));
    });
}

struct Spread<'a>(Cells<'a>, f32);

impl WithSimd for Spread<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (Cells { extent, grid, b, from, to }, scale) = (self.0, simd.splat_f32s(self.1));
        for (place, to) in to.chunks_exact_mut(b).enumerate() {
            let (y, x) = (place / extent.width, place % extent.width);
            let cell = y * grid / extent.height * grid + x * grid / extent.width;
            let from = &from[cell * b..(cell + 1) * b];
            along(
                simd,
                b,
                #[inline(always)]
                |lanes, at| {
                    // SAFETY: samples of a place, and of its cell.
                    unsafe {
                        let d = lanes.load(simd, from.as_ptr(), at);
                        lanes.store(simd, to.as_mut_ptr(), at, simd.mul_f32s(scale, d));
                    }
                },
            );
        }
    }
}

pub(crate) fn spread(cpu: &Cpu, extent: &Extent, grid: usize, scale: f32, d: &[f32], b: usize, out: &mut [f32]) {
    let count = extent.channels;
    channels(cpu, count, out, |c, to| {
        cpu.arch.dispatch(Spread(Cells { extent, grid, b, from: part(d, count, c), to }, scale));
    });
}
