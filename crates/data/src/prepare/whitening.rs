//! [`Whitening`]: what a fitted whitening is, and how it is applied.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

/// Images that one thread whitens at a time.
const WHITENED: usize = 256;

/// A fitted whitening.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Whitening {
    /// Mean of the normalised training images.
    pub(super) centre: Vec<f32>,
    /// W, symmetric, row by row.
    pub(super) matrix: Vec<f32>,
}

impl Whitening {
    /// None if there are not as many numbers as there must be, or one is not finite.
    pub(super) fn new(centre: Vec<f32>, matrix: Vec<f32>) -> Option<Whitening> {
        let n = centre.len();
        let finite = centre.iter().chain(&matrix).all(|v| v.is_finite());
        (n > 0 && matrix.len() == n * n && finite).then_some(Whitening { centre, matrix })
    }

    /// Whitens images that lie one after the other.
    pub(super) fn apply(&self, images: &mut [f32]) {
        let n = self.centre.len();
        // W is symmetric: whether it is read by rows or columns is the same.
        let w = MatRef::from_column_major_slice(&self.matrix, n, n);
        images.par_chunks_mut(WHITENED * n).for_each(|rows| {
            for row in rows.chunks_exact_mut(n) {
                row.iter_mut().zip(&self.centre).for_each(|(v, c)| *v -= c);
            }
            let centred = rows.to_vec();
            let count = rows.len() / n;
            let x = MatRef::from_column_major_slice(&centred, n, count);
            matmul(MatMut::from_column_major_slice_mut(rows, n, count), Accum::Replace, w, x, 1.0, Par::Seq);
        });
    }
}
