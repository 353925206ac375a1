//! 3x3 convolutions of stride 1 with fewer multiplications: F(2x2, 3x3) of Winograd, as Lavin and Gray (2015) use it.
//!
//! Two by two places of the result are made from four by four places of the image. Both, and the nine weights, are turned into
//! sixteen numbers by sums, and in these the convolution is a product number by number: 16 multiplications instead of 36. Over
//! channels that is sixteen matrix products. With samples innermost and columns split into even and odd ones, (tile, sample)
//! is one contiguous axis, and all of it runs on whole vectors. Sums of four numbers cost no accuracy to speak of.

use super::planes::{Planes, grow};
use super::room::Room;
use super::slide::{BAND, Target, columns};
use crate::cpu::Cpu;
use crate::cpu::gemm::Place;
use crate::cpu::out::Out;
use crate::cpu::stretch::along;
use crate::op::maps::{Convolution, Extent};
use crate::tensor::Aligned;
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Numbers of an image's part, in sixteen forms: it stays in the cache of a core, beside weights.
const PART: usize = 96 << 10;

/// A 3x3 convolution of stride 1.
pub(super) struct Winograd<'a> {
    pub(super) image: Extent,
    /// Zeros around the image.
    pub(super) pad: [usize; 2],
    /// Channels of the result.
    pub(super) rows: usize,
    /// Weight (i, j) of row r and channel c is w[r rows + c cols + 3 i + j], or the taps from the last on.
    pub(super) w: &'a [f32],
    pub(super) strides: [usize; 2],
    pub(super) flipped: bool,
}

/// Whether it pays for a convolution: there are enough channels and places for what is done before and after the products.
pub(super) fn pays(conv: &Convolution, b: usize) -> bool {
    let (w, to) = (conv.window, conv.to());
    w.kernel == [3; 2]
        && w.stride == [1; 2]
        && w.dilation == [1; 2]
        && w.pad.iter().all(|&p| p <= 2)
        && conv.groups == 1
        && conv.from.channels.min(conv.out) >= 16
        && to.height.min(to.width) >= 4
        && to.places() * b >= 1024
}

/// What each thread keeps: parts of the image in sixteen forms, and their products.
#[derive(Default)]
struct Local {
    forms: Vec<f32>,
    products: Vec<f32>,
    offsets: Vec<usize>,
}

thread_local! {
    static LOCAL: std::cell::RefCell<Local> = std::cell::RefCell::default();
}

impl Winograd<'_> {
    /// h = W x + b, or h += W x.
    #[allow(clippy::too_many_arguments)] // the operands of one product
    pub(super) fn run(
        &self,
        cpu: &Cpu,
        x: &[f32],
        b: usize,
        bias: Option<&[f32]>,
        h: &mut [f32],
        add: bool,
        room: &mut Room,
    ) {
        let Room { planes: padded, packed, .. } = room;
        let side = |a: usize, side: usize| side + 2 * self.pad[a] - 2;
        let to = Extent::new(self.rows, side(0, self.image.height), side(1, self.image.width));
        let tiles = [to.height.div_ceil(2), to.width.div_ceil(2)];
        let planes = Planes::tiles(self.image, self.pad, tiles, b);
        planes.fill(cpu, x, padded);
        self.weights(cpu, packed);
        let (depth, cols) = (self.image.channels, tiles[1] * b);
        assert!(h.len() == to.units() * b, "winograd: h does not fit");
        let most = (PART / (16 * depth)).clamp(48, 480);
        let chunk = cols.div_ceil(cols.div_ceil(most)).next_multiple_of(16);
        let chunks = cols.div_ceil(chunk);
        let out = Out(h.as_mut_ptr());
        cpu.pool.for_each(tiles[0] * chunks, &|t| {
            let (tile, first) = (t / chunks, t % chunks * chunk);
            let mut local = LOCAL.take();
            cpu.arch.dispatch(Task {
                to,
                depth,
                b,
                planes: &planes,
                padded,
                packed,
                bias,
                out,
                add,
                tile,
                cols: first..cols.min(first + chunk),
                local: &mut local,
            });
            LOCAL.set(local);
        });
    }

    #[allow(clippy::needless_range_loop)] // forms of a row are a column here
    /// The sixteen forms of the weights, packed: form by form, band by band, channel by channel, the rows of a band.
    fn weights(&self, cpu: &Cpu, room: &mut Aligned<f32>) {
        let (depth, bands) = (self.image.channels, self.rows.div_ceil(BAND));
        let form = bands * depth * BAND;
        grow(room, 16 * form);
        let to = Out(room.as_mut_ptr());
        cpu.pool.for_each(bands, &|band| {
            for c in 0..depth {
                let mut forms = [[0.0_f32; BAND]; 16];
                for r in 0..BAND.min(self.rows - band * BAND) {
                    let from = (band * BAND + r) * self.strides[0] + c * self.strides[1];
                    let g: &[f32; 9] = self.w[from..].first_chunk().expect("nine weights");
                    let g = |i: usize, j: usize| g[if self.flipped { 8 - 3 * i - j } else { 3 * i + j }];
                    let half: [[f32; 4]; 3] = std::array::from_fn(|j| form_of([g(0, j), g(1, j), g(2, j)]));
                    for i in 0..4 {
                        for (j, v) in form_of([half[0][i], half[1][i], half[2][i]]).into_iter().enumerate() {
                            forms[4 * i + j][r] = v;
                        }
                    }
                }
                for (f, values) in forms.iter().enumerate() {
                    // SAFETY: this channel of this band, of each form, is this task's alone, within the room.
                    let to =
                        unsafe { std::slice::from_raw_parts_mut(to.at(f * form + (band * depth + c) * BAND), BAND) };
                    to.copy_from_slice(values);
                }
            }
        });
    }
}

/// Three weights as four.
#[inline(always)]
fn form_of([a, b, c]: [f32; 3]) -> [f32; 4] {
    [a, 0.5 * (a + b + c), 0.5 * (a - b + c), c]
}

/// Some columns of one row of tiles, for all channels.
struct Task<'a> {
    to: Extent,
    depth: usize,
    b: usize,
    planes: &'a Planes,
    padded: &'a [f32],
    packed: &'a [f32],
    bias: Option<&'a [f32]>,
    out: Out,
    add: bool,
    tile: usize,
    cols: Range<usize>,
    local: &'a mut Local,
}

impl WithSimd for Task<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (n, depth, rows) = (self.cols.len(), self.depth, self.to.channels);
        // An odd number of cache lines from a channel to the next.
        let row = (n.div_ceil(16) | 1) * 16;
        let (to, b, tile, cols) = (self.to, self.b, self.tile, self.cols.clone());
        let places = Places { to, b, tile, cols, out: self.out, add: self.add };
        let Local { forms, products, offsets } = self.local;
        forms.resize(16 * depth * row, 0.0);
        products.resize((16 * BAND + 4) * row, 0.0);
        offsets.clear();
        offsets.extend((0..depth).map(|c| c * row));
        for c in 0..depth {
            let at = |i: usize, j: usize| {
                let from = c * self.planes.channel() + self.planes.offset([2 * self.tile + i, j]) + self.cols.start;
                self.padded[from..from + n].as_ptr()
            };
            let from: [[*const f32; 4]; 4] = std::array::from_fn(|i| std::array::from_fn(|j| at(i, j)));
            let to = forms[c * row..].as_mut_ptr();
            along(
                simd,
                n,
                #[inline(always)]
                |place, i| {
                    // SAFETY: `n` numbers can be read in each row, and written in each form, of `row` numbers a channel.
                    unsafe { image(simd, place, from, to.wrapping_add(i), i, depth * row) };
                },
            );
        }
        let (bands, form) = (rows.div_ceil(BAND), rows.div_ceil(BAND) * depth * BAND);
        assert!(self.packed.len() >= 16 * form);
        let (made, results) = products.split_at_mut(16 * BAND * row);
        for band in 0..bands {
            let here = BAND.min(rows - band * BAND);
            for f in 0..16 {
                let weights = &self.packed[f * form + band * depth * BAND..];
                let out = made[f * BAND * row..(f + 1) * BAND * row].as_mut_ptr();
                let target = Target { out, row, bias: None, add: false };
                // SAFETY: `n` of `row` numbers of each channel of this form, and of each of the band's products.
                unsafe { columns(simd, weights, offsets, forms[f * depth * row..].as_ptr(), [here, n], &target) };
            }
            for r in 0..here {
                let (from, to) = (made[r * row..].as_ptr(), results.as_mut_ptr());
                let bias = simd.splat_f32s(self.bias.map_or(0.0, |b| b[band * BAND + r]));
                along(
                    simd,
                    n,
                    #[inline(always)]
                    |place, i| {
                        // SAFETY: `n` of `row` numbers of each form's product, and of four results.
                        unsafe { result(simd, place, from.wrapping_add(i), BAND * row, bias, to.wrapping_add(i), row) };
                    },
                );
                // SAFETY: places of these tiles are this task's alone.
                unsafe { scatter(simd, &places, band * BAND + r, results, row) };
            }
        }
    }
}

/// Four places of an image in four forms.
#[inline(always)]
fn four<S: Simd>(simd: S, [a, b, c, d]: [S::f32s; 4]) -> [S::f32s; 4] {
    [simd.sub_f32s(a, c), simd.add_f32s(b, c), simd.sub_f32s(c, b), simd.sub_f32s(b, d)]
}

/// Two places of the result from four products.
#[inline(always)]
fn two<S: Simd>(simd: S, [a, b, c, d]: [S::f32s; 4]) -> [S::f32s; 2] {
    let (sum, difference) = (simd.add_f32s(b, c), simd.sub_f32s(b, c));
    [simd.add_f32s(a, sum), simd.sub_f32s(difference, d)]
}

/// Four by four places of an image, in sixteen forms which lie `form` apart.
///
/// # Safety
/// The place lies in all of them.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // columns of a square
pub(super) unsafe fn image<S: Simd>(
    simd: S,
    place: Place<S>,
    from: [[*const f32; 4]; 4],
    to: *mut f32,
    at: usize,
    form: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        // Loops, as what is called in a closure is not always compiled for the vectors at hand.
        let mut rows = [[simd.splat_f32s(0.0); 4]; 4];
        for (row, from) in rows.iter_mut().zip(from) {
            for (x, from) in row.iter_mut().zip(from) {
                *x = place.load(simd, from, at);
            }
            *row = four(simd, *row);
        }
        for j in 0..4 {
            for (i, v) in four(simd, [rows[0][j], rows[1][j], rows[2][j], rows[3][j]]).into_iter().enumerate() {
                place.store(simd, to, (4 * i + j) * form, v);
            }
        }
    }
}

/// Two by two places of the result, `row` apart, from sixteen products, which lie `form` apart.
///
/// # Safety
/// The place lies in all of them.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // columns of a square
unsafe fn result<S: Simd>(
    simd: S,
    place: Place<S>,
    from: *const f32,
    form: usize,
    bias: S::f32s,
    to: *mut f32,
    row: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut rows = [[simd.splat_f32s(0.0); 2]; 4];
        for (i, row) in rows.iter_mut().enumerate() {
            let mut four = [simd.splat_f32s(0.0); 4];
            for (j, x) in four.iter_mut().enumerate() {
                *x = place.load(simd, from, (4 * i + j) * form);
            }
            *row = two(simd, four);
        }
        for j in 0..2 {
            for (i, v) in two(simd, [rows[0][j], rows[1][j], rows[2][j], rows[3][j]]).into_iter().enumerate() {
                place.store(simd, to, (2 * i + j) * row, simd.add_f32s(v, bias));
            }
        }
    }
}

/// Where a task writes.
struct Places {
    to: Extent,
    b: usize,
    tile: usize,
    cols: Range<usize>,
    out: Out,
    add: bool,
}

/// Puts the results of a channel where they belong: even and odd columns in turn.
///
/// # Safety
/// The task's columns exist, and their places in the output are its alone.
#[inline(always)]
unsafe fn scatter<S: Simd>(simd: S, task: &Places, channel: usize, results: &[f32], row: usize) {
    let (to, b) = (task.to, task.b);
    for i in 0..2.min(to.height - 2 * task.tile) {
        let line = task.out.at((channel * to.height + 2 * task.tile + i) * to.width * b);
        let mut at = task.cols.start;
        while at < task.cols.end {
            let (tile, sample) = (at / b, at % b);
            let len = (b - sample).min(task.cols.end - at);
            for j in 0..2.min(to.width - 2 * tile) {
                let from = results[(2 * i + j) * row + at - task.cols.start..][..len].as_ptr();
                let to = line.wrapping_add((2 * tile + j) * b + sample);
                along(
                    simd,
                    len,
                    #[inline(always)]
                    |place, k| {
                        // SAFETY: `len` samples of a place, the caller's promise.
                        unsafe {
                            let mut v = place.load(simd, from, k);
                            if task.add {
                                v = simd.add_f32s(v, place.load(simd, to.cast_const(), k));
                            }
                            place.store(simd, to, k, v);
                        }
                    },
                );
            }
            at += len;
        }
    }
}
