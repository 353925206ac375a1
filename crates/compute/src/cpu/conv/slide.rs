//! The inner loop of convolutions: C[r, c] = sum over k of A(r, k) X[offset(k) + c].
//!
//! As in `gemm`, a weight is broadcast and multiplied with a piece of a row, and lanes run over outputs, here over (column,
//! sample) of one row of the image. What is gathered there by a fixed stride is found here by a table of distances, one a tap
//! and channel: no copy of the image per tap is ever made. Weights are packed, the rows of a tile side by side.

use super::planes::grow;
use crate::cpu::Cpu;
use crate::cpu::out::Out;
use crate::tensor::Aligned;
use pulp::{MemMask, Simd, WithSimd};
use std::ops::Range;

/// Rows of A that are packed side by side.
pub(super) const BAND: usize = 8;

/// Columns of a task: whole tiles, and few enough that what they read stays in the cache.
const CHUNK: usize = 480;

/// The same where a task copies what it reads.
const LOCAL_CHUNK: usize = 96;

/// Tasks that are enough to keep threads busy.
const TASKS: usize = 32;

/// A sum of products for every channel and place of an image.
pub(super) struct Slide<'a> {
    /// Weights of all groups, see [`pack`].
    pub(super) packed: &'a [f32],
    /// Distance of each term within a group's part of a line of X.
    pub(super) offsets: &'a [usize],
    pub(super) x: &'a [f32],
    /// From a group to the next, and from a line to the next, in X.
    pub(super) x_group: usize,
    pub(super) x_line: usize,
    /// Groups, rows of C in each, lines of the image, columns in each.
    pub(super) groups: usize,
    pub(super) rows: usize,
    pub(super) lines: usize,
    pub(super) cols: usize,
    /// Where the first line of the first row begins; from a row to the next, and from a line to the next.
    pub(super) out: Out,
    pub(super) out_row: usize,
    pub(super) out_line: usize,
    /// Stretches of so many columns that lie so far apart in the output; none where columns lie side by side.
    pub(super) apart: Option<[usize; 2]>,
    pub(super) bias: Option<&'a [f32]>,
    /// Whether sums are added to what is there.
    pub(super) add: bool,
    /// Whether X is copied together first: where its rows are so long that they fall upon the same places of the cache.
    pub(super) local: bool,
}

/// Packs rows of A, `weights`[base + r * row + sources[k]] for k, for all groups: bands of [`BAND`] rows, term by term.
pub(super) fn pack(
    cpu: &Cpu,
    weights: &[f32],
    sources: &[usize],
    [groups, rows]: [usize; 2],
    [group, row]: [usize; 2],
    room: &mut Aligned<f32>,
) {
    let (bands, depth) = (rows.div_ceil(BAND), sources.len());
    grow(room, groups * bands * depth * BAND);
    let to = Out(room.as_mut_ptr());
    cpu.pool.for_each(groups * bands, &|t| {
        let (g, first) = (t / bands, t % bands * BAND);
        let from = &weights[g * group + first * row..];
        // SAFETY: one band a task, within the room.
        let to = unsafe { std::slice::from_raw_parts_mut(to.at(t * depth * BAND), depth * BAND) };
        let there = BAND.min(rows - first);
        for (to, &k) in to.as_chunks_mut::<BAND>().0.iter_mut().zip(sources) {
            to.iter_mut().enumerate().for_each(|(r, to)| *to = if r < there { from[r * row + k] } else { 0.0 });
        }
    });
}

/// What each thread keeps: X copied together with the distances there, and sums that are to be scattered.
#[derive(Default)]
struct Local {
    x: Vec<f32>,
    offsets: Vec<usize>,
    sums: Vec<f32>,
}

thread_local! {
    static LOCAL: std::cell::RefCell<Local> = std::cell::RefCell::default();
}

impl Slide<'_> {
    /// Computes all of it.
    pub(super) fn run(&self, cpu: &Cpu) {
        let chunk = if self.local { LOCAL_CHUNK } else { CHUNK };
        let (chunks, bands) = (self.cols.div_ceil(chunk), self.rows.div_ceil(BAND));
        let places = self.groups * self.lines * chunks;
        if places == 0 || bands == 0 {
            return;
        }
        if let (Some(last), false) = (self.offsets.iter().max(), self.x.is_empty()) {
            let group = (self.groups - 1) * self.x_group;
            assert!(group + (self.lines - 1) * self.x_line + last + self.cols <= self.x.len(), "slide: X is too small");
        }
        assert!(self.packed.len() >= self.groups * bands * BAND * self.offsets.len(), "slide: A is too small");
        assert!(self.bias.is_none_or(|b| b.len() == self.groups * self.rows), "slide: b does not fit");
        // Where places are few, rows are shared out as well.
        let share = bands.div_ceil(TASKS.div_ceil(places).min(bands));
        let shares = bands.div_ceil(share);
        cpu.pool.for_each(places * shares, &|t| {
            let (place, part) = (t / shares, t % shares);
            let (line, first) = (place / chunks, place % chunks * chunk);
            let mut local = LOCAL.take();
            cpu.arch.dispatch(Task {
                slide: self,
                group: line / self.lines,
                line: line % self.lines,
                cols: first..self.cols.min(first + chunk),
                bands: part * share..bands.min((part + 1) * share),
                local: &mut local,
            });
            LOCAL.set(local);
        });
    }
}

/// Some columns of one line, some bands of one group.
struct Task<'a> {
    slide: &'a Slide<'a>,
    group: usize,
    line: usize,
    cols: Range<usize>,
    bands: Range<usize>,
    local: &'a mut Local,
}

impl WithSimd for Task<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Task { slide, group, line, cols, bands, local } = self;
        let n = cols.len();
        let begin = group * slide.x_group + line * slide.x_line + cols.start;
        let (mut x, mut offsets) = (slide.x.as_ptr().wrapping_add(begin), slide.offsets);
        if slide.local {
            // An odd number of cache lines, as planes have.
            let row = (n.div_ceil(16) | 1) * 16;
            local.x.resize(offsets.len() * row, 0.0);
            local.offsets.clear();
            for (k, (to, from)) in local.x.chunks_exact_mut(row).zip(offsets).enumerate() {
                to[..n].copy_from_slice(&slide.x[begin + from..begin + from + n]);
                local.offsets.push(k * row);
            }
            (x, offsets) = (local.x.as_ptr(), &local.offsets);
        }
        let first = bands.start * BAND;
        let rows = slide.rows.min(bands.end * BAND) - first;
        let channel = group * slide.rows + first;
        let out = slide.out.at(channel * slide.out_row + line * slide.out_line);
        // Sums that are to be scattered are kept together first.
        let mut to = Target { out: out.wrapping_add(cols.start), row: slide.out_row, bias: None, add: slide.add };
        to.bias = slide.bias.map(|b| &b[channel..channel + rows]);
        if slide.apart.is_some() {
            local.sums.resize(rows * n, 0.0);
            (to.out, to.row, to.add) = (local.sums.as_mut_ptr(), n, false);
        }
        let packed = &slide.packed[(group * slide.rows.div_ceil(BAND) + bands.start) * BAND * offsets.len()..];
        // SAFETY: `Slide::run` has checked that these columns lie within X at every distance (a copy has as many), and that
        // there are weights for all bands; the rows and columns of the output are this task's alone.
        unsafe { columns(simd, packed, offsets, x, [rows, n], &to) };
        if let Some([stretch, apart]) = slide.apart {
            for (r, row) in local.sums.chunks_exact(n.max(1)).take(rows).enumerate() {
                let mut at = cols.start;
                while at < cols.end {
                    let (number, within) = (at / stretch, at % stretch);
                    let len = (stretch - within).min(cols.end - at);
                    // SAFETY: a stretch of this task's output, which overlaps no other.
                    let to = unsafe {
                        let to = out.wrapping_add(r * slide.out_row + number * apart + within);
                        std::slice::from_raw_parts_mut(to, len)
                    };
                    let from = &row[at - cols.start..][..len];
                    if slide.add {
                        to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
                    } else {
                        to.copy_from_slice(from);
                    }
                    at += len;
                }
            }
        }
    }
}

/// Where sums go.
pub(super) struct Target<'a> {
    pub(super) out: *mut f32,
    pub(super) row: usize,
    pub(super) bias: Option<&'a [f32]>,
    pub(super) add: bool,
}

/// All columns, tile by tile; all rows pass over a tile's columns while those are in the cache.
///
/// # Safety
/// `cols` numbers lie in X at every distance; the output has `rows` rows of so many, nobody else's; weights of all bands.
#[inline(always)]
pub(super) unsafe fn columns<S: Simd>(
    simd: S,
    packed: &[f32],
    offsets: &[usize],
    x: *const f32,
    [rows, cols]: [usize; 2],
    to: &Target<'_>,
) {
    let lanes = S::F32_LANES;
    let (vectors, tail) = (cols.div_ceil(lanes), cols % lanes);
    let mask = simd.mask_between_m32s(0, if tail == 0 { lanes } else { tail } as u32);
    let mut v = 0;
    while v < vectors {
        // Four are two twos: a tile of one vector waits for its broadcasts.
        let width = match vectors - v {
            1 => 1,
            2 | 4 => 2,
            _ => 3,
        };
        let part = v + width == vectors && tail > 0;
        let at = v * lanes;
        // SAFETY: the caller's promise; the mask keeps the columns that exist.
        unsafe {
            match (width, part) {
                (1, false) => bands::<S, 1, false>(simd, packed, offsets, x, at, mask, rows, to),
                (1, true) => bands::<S, 1, true>(simd, packed, offsets, x, at, mask, rows, to),
                (2, false) => bands::<S, 2, false>(simd, packed, offsets, x, at, mask, rows, to),
                (2, true) => bands::<S, 2, true>(simd, packed, offsets, x, at, mask, rows, to),
                (_, false) => bands::<S, 3, false>(simd, packed, offsets, x, at, mask, rows, to),
                (_, true) => bands::<S, 3, true>(simd, packed, offsets, x, at, mask, rows, to),
            }
        }
        v += width;
    }
}

/// All rows of `V` vectors of columns, of which the last exists in part if `PART`.
///
/// # Safety
/// As [`columns`].
#[inline(always)]
#[allow(clippy::too_many_arguments)] // the operands of one product
unsafe fn bands<S: Simd, const V: usize, const PART: bool>(
    simd: S,
    packed: &[f32],
    offsets: &[usize],
    x: *const f32,
    at: usize,
    mask: MemMask<S::m32s>,
    rows: usize,
    to: &Target<'_>,
) {
    for first in (0..rows).step_by(BAND) {
        let weights = packed[first * offsets.len()..].as_ptr();
        // SAFETY: the caller's promise.
        unsafe {
            // 32 registers hold the sums of eight rows, 16 those of four.
            if S::F32_LANES >= 16 {
                tile::<S, 8, V, PART>(simd, weights, offsets, x, at, mask, [first, rows], to);
            } else {
                tile::<S, 4, V, PART>(simd, weights, offsets, x, at, mask, [first, rows], to);
                if first + 4 < rows {
                    tile::<S, 4, V, PART>(simd, weights.add(4), offsets, x, at, mask, [first + 4, rows], to);
                }
            }
        }
    }
}

/// `R` rows of `V` vectors.
///
/// # Safety
/// As [`columns`].
#[inline(always)]
#[allow(clippy::too_many_arguments)] // the operands of one product
unsafe fn tile<S: Simd, const R: usize, const V: usize, const PART: bool>(
    simd: S,
    mut weights: *const f32,
    offsets: &[usize],
    x: *const f32,
    at: usize,
    mask: MemMask<S::m32s>,
    [first, rows]: [usize; 2],
    to: &Target<'_>,
) {
    let lanes = S::F32_LANES;
    let x = x.wrapping_add(at);
    let mut sums = [[simd.splat_f32s(0.0); V]; R];
    for &offset in offsets {
        let from = x.wrapping_add(offset);
        // SAFETY: the caller's promise: columns at every distance, `BAND` weights a term.
        unsafe {
            let xs: [S::f32s; V] = std::array::from_fn(|v| {
                let from = from.wrapping_add(v * lanes);
                if PART && v + 1 == V {
                    simd.mask_load_ptr_f32s(mask, from)
                } else {
                    from.cast::<S::f32s>().read_unaligned()
                }
            });
            for (r, row) in sums.iter_mut().enumerate() {
                let w = simd.splat_f32s(*weights.add(r));
                for (sum, x) in row.iter_mut().zip(xs) {
                    *sum = simd.mul_add_e_f32s(w, x, *sum);
                }
            }
        }
        weights = weights.wrapping_add(BAND);
    }
    for (r, row) in sums.into_iter().enumerate().take(rows - first) {
        let bias = simd.splat_f32s(to.bias.map_or(0.0, |b| b[first + r]));
        for (v, sum) in row.into_iter().enumerate() {
            let out = to.out.wrapping_add((first + r) * to.row + at + v * lanes);
            let mut sum = simd.add_f32s(sum, bias);
            // SAFETY: the caller's promise: rows and columns of the output.
            unsafe {
                if PART && v + 1 == V {
                    if to.add {
                        sum = simd.add_f32s(sum, simd.mask_load_ptr_f32s(mask, out));
                    }
                    simd.mask_store_ptr_f32s(mask, out, sum);
                } else {
                    let out = out.cast::<S::f32s>();
                    if to.add {
                        sum = simd.add_f32s(sum, out.read_unaligned());
                    }
                    out.write_unaligned(sum);
                }
            }
        }
    }
}
