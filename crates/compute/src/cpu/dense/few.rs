//! The forward phase h = W z of few samples, in which lanes have too few samples to run over.
//!
//! They run over rows of W instead: eight rows by eight columns are turned about in registers, so that a lane sums its row in
//! the order of k, as [`crate::cpu::gemm::sweep`] does. A sample gets the same bits alone as it gets in a batch, several times as
//! fast as in a vector that is nearly empty.

use crate::cpu::gemm::{Epilogue, Place, Product, prefetch};
use pulp::Simd;
use std::ops::Range;

/// Rows, and terms, that are turned about together.
pub(super) const BLOCK: usize = 8;

/// Terms between asking for a piece of W and turning it about: four cache lines.
const AHEAD: usize = 64;

/// Sums whole blocks of rows of the products for `samples` samples, and hands them to `epilogue`, a vector of rows at a
/// time: its row is the sample, its column the row of W less `origin`.
#[inline(always)]
pub(super) fn by_rows<S: Simd>(
    simd: S,
    products: &[Product<'_>],
    rows: Range<usize>,
    samples: usize,
    origin: usize,
    epilogue: &mut impl Epilogue<S>,
) {
    assert!(turns::<S>() && rows.len().is_multiple_of(BLOCK) && origin <= rows.start, "whole blocks of rows");
    for p in products {
        // Row-major W, which lies as it was made, against a few columns.
        assert!(p.col == 1 && p.first == 0 && p.row == p.depth && p.stride == samples, "few samples against W");
        assert!(p.depth * rows.end <= p.a.len() && p.depth * samples <= p.x.len(), "product: A or X is too small");
    }
    let mut s = 0;
    while s < samples {
        let mut i = rows.start;
        let at = |i: usize| (i, origin, s);
        // Samples and blocks of rows side by side: eight sums hide each other's latency.
        if samples - s >= 4 {
            while i + 2 * BLOCK <= rows.end {
                bands::<S, 2, 4>(simd, products, at(i), epilogue);
                i += 2 * BLOCK;
            }
            while i < rows.end {
                bands::<S, 1, 4>(simd, products, at(i), epilogue);
                i += BLOCK;
            }
            s += 4;
        } else {
            while i + 4 * BLOCK <= rows.end {
                bands::<S, 4, 1>(simd, products, at(i), epilogue);
                i += 4 * BLOCK;
            }
            while i < rows.end {
                bands::<S, 1, 1>(simd, products, at(i), epilogue);
                i += BLOCK;
            }
            s += 1;
        }
    }
}

/// Adds term k to the sums of samples from `first` on.
#[inline(always)]
fn add<S: Simd, const C: usize>(
    simd: S,
    p: &Product<'_>,
    k: usize,
    first: usize,
    column: S::f32s,
    sums: &mut [S::f32s; C],
) {
    let x = &p.x[k * p.stride + first..][..C];
    for (sum, &x) in sums.iter_mut().zip(x) {
        *sum = simd.mul_add_e_f32s(column, simd.splat_f32s(x), *sum);
    }
}

/// `N` blocks of rows from row i on, for `C` samples.
#[inline(always)]
fn bands<S: Simd, const N: usize, const C: usize>(
    simd: S,
    products: &[Product<'_>],
    (i, origin, first): (usize, usize, usize),
    epilogue: &mut impl Epilogue<S>,
) {
    let mut sums = [[simd.splat_f32s(0.0); C]; N];
    for p in products {
        let mut k = 0;
        // Two blocks of terms make a cache line, which is used up at once: rows that lie a power of two apart would push each
        // other out of the cache before the second half is read.
        while k < p.depth {
            for (n, sums) in sums.iter_mut().enumerate() {
                let from = p.a[(i + n * BLOCK) * p.depth..].as_ptr();
                for half in [k, k + BLOCK] {
                    let terms = p.depth.saturating_sub(half).min(BLOCK);
                    if terms == BLOCK {
                        // SAFETY: rows and terms of the product, checked by `by_rows`.
                        let turned = turn::<S>(std::array::from_fn(|r| unsafe {
                            let at = from.wrapping_add(r * p.depth + half);
                            if half == k {
                                prefetch(at.wrapping_add(AHEAD));
                            }
                            at.cast::<S::f32s>().read_unaligned()
                        }));
                        for (j, column) in turned.into_iter().enumerate() {
                            add(simd, p, half + j, first, column, sums);
                        }
                    } else {
                        for j in 0..terms {
                            let term = |r: usize| p.a[(i + n * BLOCK + r) * p.depth + half + j];
                            let column: [f32; BLOCK] = std::array::from_fn(term);
                            add(simd, p, half + j, first, simd.partial_load_f32s(&column), sums);
                        }
                    }
                }
            }
            k += 2 * BLOCK;
        }
    }
    for (n, sums) in sums.into_iter().enumerate() {
        for (c, sum) in sums.into_iter().enumerate() {
            let mut at = Place::whole();
            (at.row, at.col) = (first + c, i + n * BLOCK - origin);
            epilogue.finish(simd, at, sum);
        }
    }
}

/// Whether vectors of this kind can be turned about.
#[inline(always)]
pub(super) fn turns<S: Simd>() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::any::TypeId::of::<S>() == std::any::TypeId::of::<pulp::x86::V3>();
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// Column j of the block whose rows are given, for j from 0 to 7.
#[inline(always)]
fn turn<S: Simd>(rows: [S::f32s; BLOCK]) -> [S::f32s; BLOCK] {
    #[cfg(target_arch = "x86_64")]
    if turns::<S>() {
        use std::arch::x86_64::*;
        // SAFETY: S is V3, whose vectors are of 256 bits and whose being there shows that the processor has AVX.
        unsafe {
            let r: [__m256; BLOCK] = rows.map(|row| std::mem::transmute_copy(&row));
            // Pairs of rows, then fours, then all eight.
            let pairs: [__m256; BLOCK] = std::array::from_fn(|i| {
                let (a, b) = (r[i / 2 * 2], r[i / 2 * 2 + 1]);
                if i % 2 == 0 { _mm256_unpacklo_ps(a, b) } else { _mm256_unpackhi_ps(a, b) }
            });
            let fours: [__m256; BLOCK] = std::array::from_fn(|i| {
                let (half, which) = (i / 4 * 4, i % 4);
                let (a, b) = (pairs[half + which / 2], pairs[half + 2 + which / 2]);
                if which % 2 == 0 { _mm256_shuffle_ps::<0x44>(a, b) } else { _mm256_shuffle_ps::<0xee>(a, b) }
            });
            let columns: [__m256; BLOCK] = std::array::from_fn(|i| {
                let (a, b) = (fours[i % 4], fours[4 + i % 4]);
                if i < 4 { _mm256_permute2f128_ps::<0x20>(a, b) } else { _mm256_permute2f128_ps::<0x31>(a, b) }
            });
            return columns.map(|column| std::mem::transmute_copy(&column));
        }
    }
    rows
}
