//! The local update of a convolution on the processor: D[o, (c, i, j)] = sum over places and samples of e[o, p] z[c, p + tap].
//!
//! e is turned, so that the channels of h lie side by side at every place and sample, and lanes run over them; what they are
//! multiplied with is read where it lies in the padded signal, one distance a tap, and broadcast. So a stem of three channels
//! is as fast as any other layer, and no copy is made per tap. Places are summed block by block, the blocks in their order,
//! which is faster, and more accurate than one long sum.

use super::conv::{Convolution, Room};
use super::convolve::distances;
use super::planes::{Planes, grow};
use super::turn::turn;
use super::winograd::{self, pays};
use crate::cpu::Cpu;
use crate::cpu::out::Out;
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Channels of h that lie side by side, where there are so many; else half of them.
pub(super) const WIDTH: usize = 32;

/// Places and samples of a block: those of e stay in the nearest cache.
pub(super) const BLOCK: usize = 128;

/// Columns of D that one task makes: whole tiles of eight and of six rows.
const TASK_COLS: usize = 48;

/// D = `scale` sum of e z^T.
#[allow(clippy::too_many_arguments)] // the operands of one product
pub(super) fn correlate(
    cpu: &Cpu,
    conv: &Convolution,
    e: &[f32],
    z: &[f32],
    b: usize,
    scale: f32,
    delta: &mut [f32],
    room: &mut Room,
) {
    // Of few channels, turning the forms of e costs what the products save.
    if pays(conv, b) && conv.from.channels.min(conv.out) >= 24 {
        return winograd::correlate(cpu, conv, e, z, b, scale, delta, room);
    }
    let Room { planes: padded, turned, offsets, .. } = room;
    let (to, groups, out) = (conv.to(), conv.groups, conv.out / conv.groups);
    let [_, depth] = conv.shape();
    let places = to.places() * b;
    let (mut x, mut x_group, mut x_line, mut lines, mut cols) = (z, 0, 0, 1, places);
    if conv.is_pointwise() {
        offsets.clear();
        offsets.extend((0..depth).map(|c| c * places));
    } else {
        let planes = Planes::of(conv.from, &conv.window, [to.height, to.width], b);
        planes.fill(cpu, z, padded);
        distances(conv, &planes, offsets);
        x = padded;
        (x_group, x_line) = (conv.from.channels / groups * planes.channel(), planes.line);
        (lines, cols) = (to.height, to.width * b);
    }
    let width = if out <= WIDTH / 2 { WIDTH / 2 } else { WIDTH };
    let panels = out.div_ceil(width);
    grow(turned, groups * panels * places * width);
    turn(cpu, e, [groups, out, places, width], Out(turned.as_mut_ptr()));
    if let (Some(last), true) = (offsets.iter().max(), places > 0) {
        let end = (groups - 1) * x_group + (lines - 1) * x_line + last + cols;
        assert!(end <= x.len(), "correlate: z is too small");
    }
    let parts = depth.div_ceil(TASK_COLS);
    let to = Out(delta.as_mut_ptr());
    cpu.pool.for_each(groups * panels * parts, &|t| {
        let (part, panel) = (t % parts, t / parts);
        let (group, first) = (panel / panels, panel % panels * width);
        let mut sums = SUMS.take();
        cpu.arch.dispatch(Task {
            offsets: &offsets[part * TASK_COLS..depth.min((part + 1) * TASK_COLS)],
            x: &x[group * x_group..],
            x_line,
            lines,
            cols,
            turned: &turned[panel * places * width..(panel + 1) * places * width],
            width,
            rows: group * out + first..group * out + out.min(first + width),
            depth,
            scale,
            to: Out(to.at(part * TASK_COLS)),
            sums: &mut sums,
        });
        SUMS.set(sums);
    });
}

thread_local! {
    /// D of a task, turned.
    static SUMS: std::cell::RefCell<Vec<f32>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Some columns of D for the channels of one panel.
struct Task<'a> {
    /// Where those columns are read.
    offsets: &'a [usize],
    x: &'a [f32],
    x_line: usize,
    lines: usize,
    cols: usize,
    /// e, `width` channels side by side.
    turned: &'a [f32],
    width: usize,
    /// Rows of D.
    rows: Range<usize>,
    depth: usize,
    scale: f32,
    to: Out,
    sums: &'a mut Vec<f32>,
}

/// Stretches of places: (line, first, how many).
#[derive(Clone)]
pub(super) struct Stretches {
    pub(super) line: usize,
    pub(super) first: usize,
    pub(super) lines: usize,
    pub(super) cols: usize,
    pub(super) left: usize,
}

impl Iterator for Stretches {
    type Item = (usize, usize, usize);
    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 || self.line == self.lines {
            return None;
        }
        let (line, first, len) = (self.line, self.first, self.left.min(self.cols - self.first));
        self.left -= len;
        self.first += len;
        if self.first == self.cols {
            (self.line, self.first) = (line + 1, 0);
        }
        Some((line, first, len))
    }
}

impl WithSimd for Task<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (n, width) = (self.offsets.len(), self.width);
        self.sums.clear();
        self.sums.resize(n * width, 0.0);
        let places = self.lines * self.cols;
        for first in (0..places).step_by(BLOCK) {
            let (line, at, left) = (first / self.cols, first % self.cols, BLOCK.min(places - first));
            let stretches = Stretches { line, first: at, lines: self.lines, cols: self.cols, left };
            let e = self.turned[first * width..].as_ptr();
            let (offsets, x) = (self.offsets, self.x.as_ptr());
            // SAFETY: `correlate` has checked that every line lies within z at every distance; the panel holds `width`
            // channels of every place.
            unsafe { add_products(simd, n, |c| offsets[c], x, stretches, self.x_line, e, width, self.sums) };
        }
        for (r, row) in self.rows.clone().enumerate() {
            // SAFETY: these columns of these rows are this task's alone.
            let to = unsafe { std::slice::from_raw_parts_mut(self.to.at(row * self.depth), n) };
            for (to, sums) in to.iter_mut().zip(self.sums.chunks_exact(width)) {
                *to = self.scale * sums[r];
            }
        }
    }
}

/// Adds to `sums`, `n` rows of `width`, the products of z[offset(row) + p] and the channels of e at p, summed over the places p
/// of some stretches, of lines that lie `x_line` apart; e holds `width` channels of each of those places.
///
/// # Safety
/// Those numbers of z and of e can be read.
#[inline(always)]
#[allow(clippy::too_many_arguments)] // the operands of one product
pub(super) unsafe fn add_products<S: Simd>(
    simd: S,
    n: usize,
    offset: impl Fn(usize) -> usize + Copy,
    x: *const f32,
    stretches: impl Iterator<Item = (usize, usize, usize)> + Clone,
    x_line: usize,
    e: *const f32,
    width: usize,
    sums: &mut [f32],
) {
    // SAFETY: the caller's promise. 32 registers hold the sums of eight rows, 16 those of six.
    unsafe {
        if S::F32_LANES < 16 {
            block::<S, 6, 2>(simd, n, offset, x, stretches, x_line, e, width, sums);
        } else if width > S::F32_LANES {
            block::<S, 8, 2>(simd, n, offset, x, stretches, x_line, e, width, sums);
        } else {
            block::<S, 12, 1>(simd, n, offset, x, stretches, x_line, e, width, sums);
        }
    }
}

/// The same, `R` rows and `V` vectors of channels at a time.
///
/// # Safety
/// As [`add_products`].
#[inline(always)]
#[allow(clippy::too_many_arguments)] // the operands of one product
unsafe fn block<S: Simd, const R: usize, const V: usize>(
    simd: S,
    n: usize,
    offset: impl Fn(usize) -> usize + Copy,
    x: *const f32,
    stretches: impl Iterator<Item = (usize, usize, usize)> + Clone,
    x_line: usize,
    e: *const f32,
    width: usize,
    sums: &mut [f32],
) {
    let lanes = S::F32_LANES;
    for channel in (0..width).step_by(V * lanes) {
        for first in (0..n).step_by(R) {
            let mut tile = [[simd.splat_f32s(0.0); V]; R];
            // Rows that do not exist are made from the last one, and dropped.
            let mut rows = [x; R];
            for (r, row) in rows.iter_mut().enumerate() {
                *row = x.wrapping_add(offset((first + r).min(n - 1)));
            }
            let mut e = e.wrapping_add(channel);
            for (line, at, len) in stretches.clone() {
                let z = rows.map(|z| z.wrapping_add(line * x_line + at));
                for k in 0..len {
                    // SAFETY: the caller's promise; vectors end within the channels of a place.
                    unsafe {
                        let mut es = [simd.splat_f32s(0.0); V];
                        for (v, es) in es.iter_mut().enumerate() {
                            *es = e.wrapping_add(v * lanes).cast::<S::f32s>().read_unaligned();
                        }
                        for (row, z) in tile.iter_mut().zip(z) {
                            let z = simd.splat_f32s(*z.wrapping_add(k));
                            for (sum, e) in row.iter_mut().zip(es) {
                                *sum = simd.mul_add_e_f32s(z, e, *sum);
                            }
                        }
                    }
                    e = e.wrapping_add(width);
                }
            }
            for (r, row) in tile.into_iter().enumerate().take(n - first) {
                for (v, sum) in row.into_iter().enumerate() {
                    let to = &mut sums[(first + r) * width + channel + v * lanes..][..lanes];
                    let so_far = simd.partial_load_f32s(to);
                    simd.partial_store_f32s(to, simd.add_f32s(so_far, sum));
                }
            }
        }
    }
}
