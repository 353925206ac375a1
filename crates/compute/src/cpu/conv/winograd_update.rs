//! The local update of a 3x3 convolution in the same sixteen forms: D = G^T (sum over tiles of (A e A^T) (B^T z B)) G.
//!
//! It is the transpose of what `winograd` does, with respect to the weights: tiles of z take the forms that they take there,
//! tiles of e those that come of the way results are made of products; over tiles and samples that is sixteen outer products,
//! and nine weights are made of their sums. Tiles are gone through in blocks, each of which first takes its forms, then is
//! summed while those are in the cache; a form is a task, and the blocks are summed in their order.

use super::planes::{Planes, grow};
use super::products::{BLOCK, Stretches, WIDTH, add_products};
use super::room::Room;
use super::turn::{SQUARE, turn_square};
use super::winograd::image;
use crate::cpu::Cpu;
use crate::cpu::gemm::Place;
use crate::cpu::out::Out;
use crate::cpu::simd::Level;
use crate::cpu::stretch::along;
use crate::op::maps::Convolution;
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Channels whose forms one task makes.
const CHANNELS: usize = 8;

/// Channels times tiles and samples of a block.
const SIZE: usize = 16384;

/// Sizes of everything.
#[derive(Clone, Copy)]
struct Sizes {
    /// Channels of z and of h.
    depth: usize,
    out: usize,
    /// Channels of h that lie side by side, and how many such panels there are.
    width: usize,
    panels: usize,
    /// Rows of tiles; tiles and samples in each.
    lines: usize,
    cols: usize,
    /// Tiles and samples of a block, and from a channel to the next in the forms of z.
    block: usize,
    row: usize,
}

impl Sizes {
    fn stretches(&self, part: &Range<usize>) -> Stretches {
        Stretches {
            line: part.start / self.cols,
            first: part.start % self.cols,
            lines: self.lines,
            cols: self.cols,
            left: part.len(),
        }
    }
}

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
    let (from, to) = (conv.from, conv.to());
    let (depth, out) = (from.channels, conv.out);
    let tiles = [to.height.div_ceil(2), to.width.div_ceil(2)];
    let width = if out <= WIDTH / 2 { WIDTH / 2 } else { WIDTH };
    let block = (SIZE / depth.max(out)).clamp(BLOCK, 8 * BLOCK) / BLOCK * BLOCK;
    let panels = out.div_ceil(width);
    let (lines, cols, row) = (tiles[0], tiles[1] * b, block + SQUARE);
    let s = Sizes { depth, out, width, panels, lines, cols, block, row };
    let Room { planes, errors, forms, turned, sums, .. } = room;
    let (z_planes, e_planes) = (Planes::tiles(from, conv.window.pad, tiles, b), Planes::tiles(to, [0; 2], tiles, b));
    z_planes.fill(cpu, z, planes);
    e_planes.fill(cpu, e, errors);
    grow(forms, 16 * depth * row);
    grow(turned, 16 * panels * block * width);
    grow(sums, 16 * panels * depth * width);
    let (to_forms, to_turned, to_sums) = (Out(forms.as_mut_ptr()), Out(turned.as_mut_ptr()), Out(sums.as_mut_ptr()));
    let (images, groups) = (depth.div_ceil(CHANNELS), panels * width / SQUARE);
    let wide = cpu.level == Level::Avx512;
    for first in (0..lines * cols).step_by(block) {
        let part = first..(first + block).min(lines * cols);
        cpu.pool.for_each(images + groups, &|t| {
            if t < images {
                let channels = t * CHANNELS..depth.min((t + 1) * CHANNELS);
                let (planes, from) = (&z_planes, &planes[..]);
                cpu.arch.dispatch(Images { s, planes, from, channels, part: part.clone(), to: to_forms });
            } else {
                let channel = (t - images) * SQUARE;
                let (planes, from) = (&e_planes, &errors[..]);
                cpu.arch.dispatch(Errors { s, planes, from, channel, part: part.clone(), wide, to: to_turned });
            }
        });
        cpu.pool.for_each(16 * panels, &|t| {
            let (form, panel) = (t / panels, t % panels);
            cpu.arch.dispatch(Products {
                s,
                forms: to_forms.at(form * depth * row),
                turned: to_turned.at((form * panels + panel) * block * width),
                len: part.len(),
                begin: first == 0,
                sums: Out(to_sums.at(t * depth * width)),
            });
        });
    }
    let (sums, to) = (&sums[..], Out(delta.as_mut_ptr()));
    cpu.pool.for_each(depth, &|c| {
        for o in 0..out {
            let at = |form: usize| sums[((form * panels + o / width) * depth + c) * width + o % width];
            let half: [[f32; 3]; 4] = std::array::from_fn(|j| three([at(j), at(4 + j), at(8 + j), at(12 + j)]));
            // SAFETY: nine weights of a row and channel, this task's alone.
            let to = unsafe { std::slice::from_raw_parts_mut(to.at((o * depth + c) * 9), 9) };
            for (i, to) in to.chunks_exact_mut(3).enumerate() {
                let row = three([half[0][i], half[1][i], half[2][i], half[3][i]]);
                to.iter_mut().zip(row).for_each(|(to, v)| *to = scale * v);
            }
        }
    });
}

/// Three weights from four forms.
fn three([a, b, c, d]: [f32; 4]) -> [f32; 3] {
    let (sum, difference) = (0.5 * (b + c), 0.5 * (b - c));
    [a + sum, difference, sum + d]
}

/// The forms of some channels of z.
struct Images<'a> {
    s: Sizes,
    planes: &'a Planes,
    from: &'a [f32],
    channels: Range<usize>,
    part: Range<usize>,
    to: Out,
}

impl WithSimd for Images<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (planes, s) = (self.planes, self.s);
        let bases = [0, 1, 2, 3].map(|j| planes.offset([0, j]));
        for c in self.channels {
            let mut done = 0;
            for (line, col, len) in s.stretches(&self.part) {
                let mut from = [[std::ptr::null(); 4]; 4];
                for (i, row) in from.iter_mut().enumerate() {
                    for (x, base) in row.iter_mut().zip(bases) {
                        let at = c * planes.channel() + base + (2 * line + i) * planes.line + col;
                        *x = self.from[at..at + len].as_ptr();
                    }
                }
                let to = self.to.at(c * s.row + done);
                along(
                    simd,
                    len,
                    #[inline(always)]
                    |place, i| {
                        // SAFETY: `len` numbers can be read in each row; the block's part of each form of this channel is
                        // this task's alone.
                        unsafe { image(simd, place, from, to.wrapping_add(i), i, s.depth * s.row) };
                    },
                );
                done += len;
            }
        }
    }
}

/// The forms of sixteen channels of e, turned.
struct Errors<'a> {
    s: Sizes,
    planes: &'a Planes,
    from: &'a [f32],
    channel: usize,
    part: Range<usize>,
    wide: bool,
    to: Out,
}

impl WithSimd for Errors<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (planes, s) = (self.planes, self.s);
        let bases = [0, 1].map(|j| planes.offset([0, j]));
        let rows = s.out.saturating_sub(self.channel).min(SQUARE);
        let (panel, within) = (self.channel / s.width, self.channel % s.width);
        let mut squares = [[0.0_f32; SQUARE * SQUARE]; 16];
        let mut done = 0;
        for (line, col, len) in s.stretches(&self.part) {
            for first in (0..len).step_by(SQUARE) {
                let n = SQUARE.min(len - first);
                for r in 0..rows {
                    let mut from = [[std::ptr::null(); 2]; 2];
                    for (i, row) in from.iter_mut().enumerate() {
                        for (x, base) in row.iter_mut().zip(bases) {
                            let channel = (self.channel + r) * planes.channel();
                            let at = channel + base + (2 * line + i) * planes.line + col + first;
                            *x = self.from[at..at + n].as_ptr();
                        }
                    }
                    let to = squares.as_mut_ptr().cast::<f32>().wrapping_add(r * SQUARE);
                    along(
                        simd,
                        n,
                        #[inline(always)]
                        |place, i| {
                            // SAFETY: `n` numbers in each row, and in row r of each square.
                            unsafe { errors(simd, place, from, to.wrapping_add(i), i) };
                        },
                    );
                }
                for (form, square) in squares.iter().enumerate() {
                    let at = ((form * s.panels + panel) * s.block + done + first) * s.width + within;
                    // SAFETY: these channels of these places are this task's alone, within the panel of the form.
                    unsafe { turn_square(square, [SQUARE, rows], n, self.to.at(at), s.width, self.wide) };
                }
            }
            done += len;
        }
    }
}

/// Two by two places of e in sixteen forms, a square apart.
///
/// # Safety
/// The place lies in all of them.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // columns of a square
unsafe fn errors<S: Simd>(simd: S, place: Place<S>, from: [[*const f32; 2]; 2], to: *mut f32, at: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut rows = [[simd.splat_f32s(0.0); 4]; 2];
        for (row, from) in rows.iter_mut().zip(from) {
            *row = four(simd, [place.load(simd, from[0], at), place.load(simd, from[1], at)]);
        }
        for j in 0..4 {
            for (i, v) in four(simd, [rows[0][j], rows[1][j]]).into_iter().enumerate() {
                place.store(simd, to, (4 * i + j) * SQUARE * SQUARE, v);
            }
        }
    }
}

/// Two error neurons in four forms.
#[inline(always)]
fn four<S: Simd>(simd: S, [a, b]: [S::f32s; 2]) -> [S::f32s; 4] {
    [a, simd.add_f32s(a, b), simd.sub_f32s(a, b), simd.neg_f32s(b)]
}

/// One form of a block, for one panel: outer products are added to its sums.
struct Products {
    s: Sizes,
    forms: *const f32,
    turned: *const f32,
    len: usize,
    begin: bool,
    sums: Out,
}

impl WithSimd for Products {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let s = self.s;
        // SAFETY: the sums of this form and panel are this task's alone.
        let sums = unsafe { std::slice::from_raw_parts_mut(self.sums.0, s.depth * s.width) };
        if self.begin {
            sums.fill(0.0);
        }
        for first in (0..self.len).step_by(BLOCK) {
            let len = BLOCK.min(self.len - first);
            let (x, e) = (self.forms.wrapping_add(first), self.turned.wrapping_add(first * s.width));
            let stride = |c: usize| c * s.row;
            // SAFETY: the block holds `len` more numbers of each channel's form, and `width` of each place's.
            unsafe {
                add_products(simd, s.depth, stride, x, std::iter::once((0, 0, len)), 0, e, s.width, sums);
            }
        }
    }
}
