//! The one inner loop of all dense phases: C[i, c] = sum over k of A(i, k) X[k, c].
//!
//! A value of A is broadcast and multiplied with a piece of a row of X, so that lanes run over outputs and never over
//! the summed index: the sum of an output is taken in the order of k whatever the vector width, the number of threads
//! or the way outputs are cut into tasks. At the small batches of online learning this beats packing matrix libraries,
//! whose copies cost as much as the product. The same loop serves
//!
//! | phase | A(i, k) | X | columns |
//! |---|---|---|---|
//! | forward h = W z | W, row-major | z, n x B | samples |
//! | message d = M^T e | M read down its columns | e, n x B | samples |
//! | Gram z^T z | z read down its columns | z, n x B | samples |
//! | local update e z^T | e, row-major | z^T, B x n | weights of a unit |
//!
//! What becomes of a sum (activation, target, optimiser) is the [`Epilogue`]'s, while it is still in registers.

use pulp::{MemMask, Simd};
use std::ops::Range;

/// Rows of C that one task computes. Divisible by the tile heights in use, and independent of the thread count.
pub(crate) const TASK_ROWS: usize = 24;

/// One product of the sum: `depth` values of A(i, k) = a[i * row + k * col] against rows of `x`, `stride` apart.
#[derive(Clone, Copy)]
pub(crate) struct Product<'a> {
    pub(crate) a: &'a [f32],
    pub(crate) row: usize,
    pub(crate) col: usize,
    pub(crate) x: &'a [f32],
    pub(crate) stride: usize,
    pub(crate) depth: usize,
}

impl<'a> Product<'a> {
    /// A z: `a` is n x m row-major, `z` is m x B.
    pub(crate) fn plain(a: &'a [f32], z: &'a [f32], depth: usize, cols: usize) -> Self {
        Product { a, row: depth, col: 1, x: z, stride: cols, depth }
    }

    /// A^T e: `a` is m x n row-major, `e` is m x B.
    pub(crate) fn transposed(a: &'a [f32], rows: usize, e: &'a [f32], depth: usize, cols: usize) -> Self {
        Product { a, row: 1, col: rows, x: e, stride: cols, depth }
    }

    fn check(&self, rows: usize, cols: usize) {
        if self.depth > 0 && rows > 0 && cols > 0 {
            assert!((rows - 1) * self.row + (self.depth - 1) * self.col < self.a.len(), "product: A is too small");
            assert!((self.depth - 1) * self.stride + cols <= self.x.len(), "product: X is too small");
        }
    }
}

/// A vector's place in C and which of its lanes exist.
#[derive(Clone, Copy)]
pub(crate) struct Place<S: Simd> {
    pub(crate) row: usize,
    pub(crate) col: usize,
    mask: Option<MemMask<S::m32s>>,
}

impl<S: Simd> Place<S> {
    /// Reads the vector at `offset` of `from`.
    ///
    /// # Safety
    /// The lanes that exist lie within `from`'s allocation.
    #[inline(always)]
    pub(crate) unsafe fn load(&self, simd: S, from: *const f32, offset: usize) -> S::f32s {
        // SAFETY: the caller's promise; no alignment is assumed.
        unsafe {
            match self.mask {
                None => from.add(offset).cast::<S::f32s>().read_unaligned(),
                Some(mask) => simd.mask_load_ptr_f32s(mask, from.wrapping_add(offset)),
            }
        }
    }

    /// Writes the vector at `offset` of `to`.
    ///
    /// # Safety
    /// The lanes that exist lie within `to`'s allocation, and no other thread touches them.
    #[inline(always)]
    pub(crate) unsafe fn store(&self, simd: S, to: *mut f32, offset: usize, value: S::f32s) {
        // SAFETY: the caller's promise; no alignment is assumed.
        unsafe {
            match self.mask {
                None => to.add(offset).cast::<S::f32s>().write_unaligned(value),
                Some(mask) => simd.mask_store_ptr_f32s(mask, to.wrapping_add(offset), value),
            }
        }
    }

    /// Sum of the lanes that exist.
    #[inline(always)]
    pub(crate) fn sum(&self, simd: S, value: S::f32s) -> f32 {
        let kept = match self.mask {
            None => value,
            Some(mask) => simd.select_f32s(mask.mask(), value, simd.splat_f32s(0.0)),
        };
        simd.reduce_sum_f32s(kept)
    }
}

/// What is done with a vector of finished sums.
pub(crate) trait Epilogue<S: Simd> {
    fn finish(&mut self, simd: S, at: Place<S>, sum: S::f32s);
}

/// Computes rows `rows` and columns `0..cols` of the sum of `products`, and hands each vector to `epilogue`.
#[inline(always)]
pub(crate) fn sweep<S: Simd, E: Epilogue<S>>(
    simd: S,
    products: &[Product<'_>],
    rows: Range<usize>,
    cols: usize,
    epilogue: &mut E,
) {
    for p in products {
        p.check(rows.end, cols);
    }
    let mut i = rows.start;
    // Tile heights that keep the sums, a row piece of X and a broadcast in registers: 32 of 512 bits, else 16.
    if S::F32_LANES >= 16 {
        while i + 8 <= rows.end {
            band::<S, E, 8>(simd, products, i, cols, epilogue);
            i += 8;
        }
    } else {
        while i + 6 <= rows.end {
            band::<S, E, 6>(simd, products, i, cols, epilogue);
            i += 6;
        }
    }
    while i + 4 <= rows.end {
        band::<S, E, 4>(simd, products, i, cols, epilogue);
        i += 4;
    }
    while i < rows.end {
        band::<S, E, 1>(simd, products, i, cols, epilogue);
        i += 1;
    }
}

/// `R` rows of C over all columns.
#[inline(always)]
fn band<S: Simd, E: Epilogue<S>, const R: usize>(
    simd: S,
    products: &[Product<'_>],
    i: usize,
    cols: usize,
    epilogue: &mut E,
) {
    let lanes = S::F32_LANES;
    let mut c = 0;
    while c + 2 * lanes <= cols {
        tile::<S, E, R, 2>(simd, products, i, c, None, epilogue);
        c += 2 * lanes;
    }
    while c + lanes <= cols {
        tile::<S, E, R, 1>(simd, products, i, c, None, epilogue);
        c += lanes;
    }
    if c < cols {
        let mask = simd.mask_between_m32s(0, (cols - c) as u32);
        tile::<S, E, R, 1>(simd, products, i, c, Some(mask), epilogue);
    }
}

/// `R` rows and `V` vectors of C.
#[inline(always)]
fn tile<S: Simd, E: Epilogue<S>, const R: usize, const V: usize>(
    simd: S,
    products: &[Product<'_>],
    i: usize,
    c: usize,
    mask: Option<MemMask<S::m32s>>,
    epilogue: &mut E,
) {
    let lanes = S::F32_LANES;
    let place = |row: usize, v: usize| Place { row, col: c + v * lanes, mask };
    let mut sums = [[simd.splat_f32s(0.0); V]; R];
    for p in products {
        let (mut a, mut x) = (p.a.as_ptr().wrapping_add(i * p.row), p.x.as_ptr().wrapping_add(c));
        for _ in 0..p.depth {
            // SAFETY: `sweep` has checked that rows i..i + R of A and columns c..c + V * lanes of X (of which the
            // mask keeps those below `cols`) lie within the slices for every k < depth.
            unsafe {
                let xs: [S::f32s; V] = std::array::from_fn(|v| place(0, v).load(simd, x, v * lanes));
                for (r, row) in sums.iter_mut().enumerate() {
                    let w = simd.splat_f32s(*a.wrapping_add(r * p.row));
                    for (sum, x) in row.iter_mut().zip(xs) {
                        *sum = simd.mul_add_e_f32s(w, x, *sum);
                    }
                }
            }
            a = a.wrapping_add(p.col);
            x = x.wrapping_add(p.stride);
        }
    }
    for (r, row) in sums.into_iter().enumerate() {
        for (v, sum) in row.into_iter().enumerate() {
            epilogue.finish(simd, place(i + r, v), sum);
        }
    }
}
