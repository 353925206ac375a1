//! Principal components: the two directions in which samples differ most.

use super::error::EmbedError;
use super::matrix::Matrix;
use faer::{Mat, Side};

/// The first two principal components of some samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Pca {
    /// Coordinates of every sample along them; the largest in size of each is positive.
    pub scores: Matrix,
    /// Share of the variance along each, in [0, 1].
    pub explained: [f64; 2],
}

/// The first two principal components of the rows of `z`, in float64, from the covariance of the columns or, where there
/// are fewer rows than columns, from the inner products of the rows.
///
/// # Errors
/// If the eigenvalues do not converge.
pub fn pca(z: &Matrix) -> Result<Pca, EmbedError> {
    let (n, d) = (z.rows(), z.cols);
    let means: Vec<f64> =
        (0..d).map(|c| (0..n).map(|r| f64::from(z.row(r)[c])).sum::<f64>() / n.max(1) as f64).collect();
    let x = Mat::from_fn(n, d, |r, c| f64::from(z.row(r)[c]) - means[c]);
    let by_columns = d <= n;
    let products = if by_columns { x.transpose() * &x } else { &x * x.transpose() };
    let size = products.nrows();
    let trace: f64 = (0..size).map(|i| products[(i, i)]).sum();
    let failed = |_| EmbedError::Failed { what: "the principal components did not converge".into(), other: "tsne" };
    let eigen = products.self_adjoint_eigen(Side::Lower).map_err(failed)?;
    let mut columns = [vec![0.0; n], vec![0.0; n]];
    let mut explained = [0.0; 2];
    // Eigenvalues come in ascending order. What is rounding alone is no component.
    for (place, (column, share)) in columns.iter_mut().zip(&mut explained).enumerate().take(size) {
        let at = size - 1 - place;
        let value = eigen.S().column_vector()[at];
        if value <= 1e-12 * trace || trace <= 0.0 {
            continue;
        }
        let vector = eigen.U().col(at);
        for (r, score) in column.iter_mut().enumerate() {
            *score = if by_columns { x.row(r) * vector } else { vector[r] * value.sqrt() };
        }
        let largest = column.iter().copied().fold(0.0_f64, |a, v| if v.abs() > a.abs() { v } else { a });
        column.iter_mut().for_each(|v| *v *= largest.signum());
        *share = value / trace;
    }
    let values = (0..n).flat_map(|r| [columns[0][r] as f32, columns[1][r] as f32]).collect();
    Ok(Pca { scores: Matrix { cols: 2, values }, explained })
}
