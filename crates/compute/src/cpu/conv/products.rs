//! The inner loop of local updates of convolutions: outer products of z and e, summed over places and samples.

use pulp::Simd;

/// Channels of h that lie side by side, where there are so many; else half of them.
pub(super) const WIDTH: usize = 32;

/// Places and samples of a block: those of e stay in the nearest cache.
pub(super) const BLOCK: usize = 128;

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
