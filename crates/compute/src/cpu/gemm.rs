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

/// Rows of C that one task computes: independent of the thread count, and a power of two, as widths mostly are, so that
/// tasks are of one size.
pub(crate) const TASK_ROWS: usize = 32;

/// Columns of X that lie side by side where X is kept in panels: the columns of the widest tile.
pub(crate) const PANEL: usize = 32;

/// One product of the sum: `depth` values of A(i, k) = a[(i - first) * row + k * col] against rows of `x`, `stride` apart.
/// Column c of X begins at (c / PANEL) * panel + c % PANEL.
#[derive(Clone, Copy)]
pub(crate) struct Product<'a> {
    pub(crate) a: &'a [f32],
    pub(crate) first: usize,
    pub(crate) row: usize,
    pub(crate) col: usize,
    pub(crate) x: &'a [f32],
    pub(crate) stride: usize,
    pub(crate) panel: usize,
    pub(crate) depth: usize,
}

impl<'a> Product<'a> {
    /// A z: `a` is n x m row-major, `z` is m x B.
    pub(crate) fn plain(a: &'a [f32], z: &'a [f32], depth: usize, cols: usize) -> Self {
        Product { a, first: 0, row: depth, col: 1, x: z, stride: cols, panel: PANEL, depth }
    }

    /// A^T e: `a` is m x n row-major, `e` is m x B.
    pub(crate) fn transposed(a: &'a [f32], rows: usize, e: &'a [f32], depth: usize, cols: usize) -> Self {
        Product { a, first: 0, row: 1, col: rows, x: e, stride: cols, panel: PANEL, depth }
    }

    /// The same against an X whose columns have been put into panels.
    pub(crate) fn against_panels(self, x: &'a [f32]) -> Self {
        Product { x, stride: PANEL, panel: self.depth * PANEL, ..self }
    }

    /// For A^T e, its transpose e^T A: one row a sample, whose columns are the given rows of A^T.
    pub(crate) fn across(&self, rows: &Range<usize>) -> Product<'a> {
        let (a, x) = (self.x, &self.a[rows.start - self.first..]);
        Product { a, first: 0, row: 1, col: self.stride, x, stride: self.col, panel: PANEL, depth: self.depth }
    }

    /// The part of the sum from k = `from` on, at most `depth` terms of it.
    pub(crate) fn part(self, from: usize, depth: usize) -> Self {
        let depth = depth.min(self.depth - from);
        Product { a: &self.a[from * self.col..], x: &self.x[from * self.stride..], depth, ..self }
    }

    /// The same with rows `rows` of A^T copied together, k by k, into `room`: rows of A that lie a power of two apart
    /// fall upon the same places of the cache, and half of each line is read in vain.
    #[inline(always)]
    pub(crate) fn gathered<'b>(self, rows: &Range<usize>, room: &'b mut Vec<f32>) -> Product<'b>
    where
        'a: 'b,
    {
        let n = rows.len();
        debug_assert_eq!(self.row, 1, "rows of A^T lie side by side");
        if self.col < GATHERED_FROM && self.panel == PANEL {
            return self;
        }
        room.resize(n * self.depth, 0.0);
        let from = &self.a[rows.start - self.first..];
        // Asked for in time: the rows lie on pages of their own, which no processor foresees.
        let ahead = |k: usize| {
            let later = from.as_ptr().wrapping_add((k + GATHER_AHEAD) * self.col);
            (0..n).step_by(16).for_each(|line| prefetch(later.wrapping_add(line)));
        };
        if n == GATHERED_ROWS {
            // Of a known length a copy is a few moves.
            for (k, to) in room.as_chunks_mut::<GATHERED_ROWS>().0.iter_mut().enumerate() {
                ahead(k);
                *to = *from[k * self.col..].first_chunk().expect("rows within A");
            }
        } else {
            for (k, to) in room.chunks_exact_mut(n.max(1)).enumerate() {
                ahead(k);
                to.copy_from_slice(&from[k * self.col..k * self.col + n]);
            }
        }
        Product { a: room, first: rows.start, row: 1, col: n, ..self }
    }

    /// Where column c of X begins.
    #[inline(always)]
    fn column(&self, c: usize) -> usize {
        (c / PANEL) * self.panel + c % PANEL
    }

    fn check(&self, rows: &Range<usize>, cols: usize) {
        if self.depth > 0 && !rows.is_empty() && cols > 0 {
            assert!(self.first <= rows.start, "product: A begins too late");
            let last = (rows.end - 1 - self.first) * self.row + (self.depth - 1) * self.col;
            assert!(last < self.a.len(), "product: A is too small");
            assert!((self.depth - 1) * self.stride + self.column(cols - 1) < self.x.len(), "product: X is too small");
        }
    }
}

/// Rows of A^T that are best gathered together: whole cache lines.
pub(crate) const GATHERED_ROWS: usize = 64;

/// Length of the rows of A from which gathering pays: shorter ones share pages, and places of the cache suffice.
const GATHERED_FROM: usize = 512;

/// Terms between asking for a piece of A and copying it.
const GATHER_AHEAD: usize = 12;

/// Asks for the cache line of an address, which need not be one.
#[inline(always)]
pub(crate) fn prefetch(address: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint; SSE is part of x86-64, and no address faults.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Numbers that X (depth x cols) takes up in panels.
pub(crate) fn panels_len(depth: usize, cols: usize) -> usize {
    cols.div_ceil(PANEL) * PANEL * depth
}

/// A vector's place in C and which of its lanes exist.
#[derive(Clone, Copy)]
pub(crate) struct Place<S: Simd> {
    pub(crate) row: usize,
    pub(crate) col: usize,
    mask: Option<MemMask<S::m32s>>,
}

impl<S: Simd> Place<S> {
    /// A whole vector, wherever.
    #[inline(always)]
    pub(crate) fn whole() -> Self {
        Place { row: 0, col: 0, mask: None }
    }

    /// The first `len` lanes of a vector, wherever.
    #[inline(always)]
    pub(crate) fn part(simd: S, len: usize) -> Self {
        Place { row: 0, col: 0, mask: Some(simd.mask_between_m32s(0, len as u32)) }
    }

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

    /// The lanes that exist, and zeros.
    #[inline(always)]
    pub(crate) fn keep(&self, simd: S, value: S::f32s) -> S::f32s {
        match self.mask {
            None => value,
            Some(mask) => simd.select_f32s(mask.mask(), value, simd.splat_f32s(0.0)),
        }
    }

    /// Sum of the lanes that exist.
    #[inline(always)]
    pub(crate) fn sum(&self, simd: S, value: S::f32s) -> f32 {
        simd.reduce_sum_f32s(self.keep(simd, value))
    }
}

/// What is done with a vector of finished sums.
pub(crate) trait Epilogue<S: Simd> {
    fn finish(&mut self, simd: S, at: Place<S>, sum: S::f32s);

    /// What a sum begins with.
    #[inline(always)]
    fn begin(&self, simd: S, _: Place<S>) -> S::f32s {
        simd.splat_f32s(0.0)
    }
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
        p.check(&rows, cols);
    }
    let mut i = rows.start;
    // Tiles keep the sums, a row piece of X and a broadcast in registers: 32 of 512 bits, else 16.
    if S::F32_LANES >= 16 {
        while i + 8 <= rows.end {
            band::<S, E, 8, 2>(simd, products, i, cols, epilogue);
            i += 8;
        }
    } else {
        // Eight rows that are left are two fours: single rows would cost more.
        while i + 6 <= rows.end && i + 8 != rows.end {
            band::<S, E, 6, 2>(simd, products, i, cols, epilogue);
            i += 6;
        }
    }
    while i + 4 <= rows.end {
        band::<S, E, 4, 2>(simd, products, i, cols, epilogue);
        i += 4;
    }
    while i < rows.end {
        band::<S, E, 1, 2>(simd, products, i, cols, epilogue);
        i += 1;
    }
}

/// `R` rows of C over all columns.
#[inline(always)]
fn band<S: Simd, E: Epilogue<S>, const R: usize, const V: usize>(
    simd: S,
    products: &[Product<'_>],
    i: usize,
    cols: usize,
    epilogue: &mut E,
) {
    let lanes = S::F32_LANES;
    let mut c = 0;
    while c + V * lanes <= cols {
        tile::<S, E, R, V>(simd, products, i, c, None, epilogue);
        c += V * lanes;
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
    let mut sums: [[S::f32s; V]; R] =
        std::array::from_fn(|r| std::array::from_fn(|v| epilogue.begin(simd, place(i + r, v))));
    for p in products {
        let mut a = p.a.as_ptr().wrapping_add((i - p.first) * p.row);
        let mut x: [*const f32; V] = std::array::from_fn(|v| p.x.as_ptr().wrapping_add(p.column(c + v * lanes)));
        for _ in 0..p.depth {
            // SAFETY: `sweep` has checked that rows i..i + R of A and columns c..c + V * lanes of X (of which the
            // mask keeps those below `cols`) lie within the slices for every k < depth.
            unsafe {
                let xs: [S::f32s; V] = std::array::from_fn(|v| place(0, v).load(simd, x[v], 0));
                for (r, row) in sums.iter_mut().enumerate() {
                    let w = simd.splat_f32s(*a.wrapping_add(r * p.row));
                    for (sum, x) in row.iter_mut().zip(xs) {
                        *sum = simd.mul_add_e_f32s(w, x, *sum);
                    }
                }
            }
            a = a.wrapping_add(p.col);
            x.iter_mut().for_each(|x| *x = x.wrapping_add(p.stride));
        }
    }
    for (r, row) in sums.into_iter().enumerate() {
        for (v, sum) in row.into_iter().enumerate() {
            epilogue.finish(simd, place(i + r, v), sum);
        }
    }
}
