//! Whitening: x' = (x - c) W with W = U diag((v + epsilon)^-1/2) U^T, where c is the mean of the training images and U, v
//! are eigenvectors and eigenvalues of their covariance. W is the symmetric root, so that images stay images (ZCA).
//!
//! Sums are split by what they result in, never along the sum, so that the number of threads changes no bit.

use crate::dataset::Dataset;
use crate::error::{DataError, Result};
use crate::files::{self, write_atomically_by};
use crate::format;
use crate::memory::MemoryImages;
use crate::prepare::Prepare;
use crate::prepare::whitening::Whitening;
use crate::shape::Part;
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par, Side};
use rayon::prelude::*;
use reclra::state::Kept;
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

/// Numbers in an image beyond which the covariance would not fit a memory of usual size.
const LARGEST: usize = 8192;
/// Images that are summed over at a time.
const CHUNK: usize = 1024;
/// Rows and columns of the covariance that one thread sums at a time.
const BLOCK: usize = 512;
/// Images smaller than this many numbers are whitened in a moment: nothing is kept of them.
const KEPT: usize = 256;

/// Fits a whitening on normalised training images, or finds it in the cache.
///
/// # Errors
/// If the images are not in memory, are too large, or a sample cannot be read.
pub(super) fn fit(
    dataset: &dyn Dataset,
    samples: &[u32],
    prepare: &Prepare,
    epsilon: f64,
    cache: Option<&Path>,
) -> Result<Whitening> {
    let n = dataset.shape().len();
    let refused = |want: String| DataError::Setting { key: "data.zca", value: "true".into(), want };
    let Some(images) = dataset.memory() else {
        let want = "whitening is for images in memory; raise data.memory, or set data.zca = false";
        return Err(refused(want.into()));
    };
    if n > LARGEST {
        let want =
            format!("whitening is for images of at most {LARGEST} numbers, these have {n}; set data.zca = false");
        return Err(refused(want));
    }
    let cached = cache
        .filter(|_| n >= KEPT)
        .map(|folder| folder.join(format!("zca-{}.safetensors", key(images, samples, prepare, epsilon))));
    if let Some(found) = cached.as_deref().and_then(|path| read(path, n)) {
        return Ok(found);
    }
    let failed = || refused("the eigenvalues of these images did not converge; set data.zca = false".into());
    let centre = centre(dataset, samples, prepare)?;
    let covariance = covariance(dataset, samples, prepare, &centre)?;
    let matrix = root(&covariance, epsilon).ok_or_else(failed)?;
    let whitening = Whitening::new(centre.iter().map(|&c| c as f32).collect(), matrix).ok_or_else(failed)?;
    if let Some(path) = cached {
        // A cache that cannot be written to costs time, nothing else.
        let _ = write(&path, &whitening);
    }
    Ok(whitening)
}

/// Name of a whitening by all that it follows from.
fn key(images: &MemoryImages, samples: &[u32], prepare: &Prepare, epsilon: f64) -> String {
    let mut hasher = Sha256::new();
    hasher.update(format!("reclra zca 1 {} {} {epsilon:e}", prepare.line(), images.white()));
    samples.iter().for_each(|&s| hasher.update(images.bytes(Part::Train, s as usize)));
    hasher.finalize().iter().take(16).map(|b| format!("{b:02x}")).collect()
}

/// Mean of the normalised images.
fn centre(dataset: &dyn Dataset, samples: &[u32], prepare: &Prepare) -> Result<Vec<f64>> {
    let n = dataset.shape().len();
    let (mut sum, mut row) = (vec![0.0_f64; n], vec![0.0; n]);
    for sample in samples {
        normalised(dataset, std::slice::from_ref(sample), prepare, &mut row)?;
        sum.iter_mut().zip(&row).for_each(|(s, &v)| *s += f64::from(v));
    }
    sum.iter_mut().for_each(|s| *s /= samples.len().max(1) as f64);
    Ok(sum)
}

/// Covariance of the normalised images: sums of (x - c)^T (x - c) over their number, both triangles.
fn covariance(dataset: &dyn Dataset, samples: &[u32], prepare: &Prepare, centre: &[f64]) -> Result<Mat<f64>> {
    let n = centre.len();
    let starts: Vec<usize> = (0..n).step_by(BLOCK).collect();
    let size = |start: usize| BLOCK.min(n - start);
    // The lower triangle in blocks, each summed by one thread.
    let pairs = starts.iter().flat_map(|&i| starts.iter().filter(move |&&j| j <= i).map(move |&j| (i, j)));
    let mut blocks: Vec<(usize, usize, Mat<f64>)> = pairs.map(|(i, j)| (i, j, Mat::zeros(size(i), size(j)))).collect();
    let (mut rows, mut centred) = (vec![0.0_f32; CHUNK * n], vec![0.0_f64; CHUNK * n]);
    for chunk in samples.chunks(CHUNK) {
        let rows = &mut rows[..chunk.len() * n];
        let parts = rows.par_chunks_mut(n).zip(chunk.par_iter());
        parts.try_for_each(|(row, sample)| normalised(dataset, std::slice::from_ref(sample), prepare, row))?;
        let centred = &mut centred[..chunk.len() * n];
        for (to, from) in centred.chunks_exact_mut(n).zip(rows.chunks_exact(n)) {
            to.iter_mut().zip(from).zip(centre).for_each(|((t, &v), c)| *t = f64::from(v) - c);
        }
        // An image a column.
        let x = MatRef::from_column_major_slice(centred, n, chunk.len());
        blocks.par_iter_mut().for_each(|(i, j, block)| {
            let (left, right) = (x.subrows(*i, block.nrows()), x.subrows(*j, block.ncols()));
            matmul(block.as_mut(), Accum::Add, left, right.transpose(), 1.0, Par::Seq);
        });
    }
    let count = samples.len().max(1) as f64;
    let mut all = Mat::zeros(n, n);
    for (i, j, block) in blocks {
        for c in 0..block.ncols() {
            for r in 0..block.nrows() {
                let v = block[(r, c)] / count;
                all[(i + r, j + c)] = v;
                all[(j + c, i + r)] = v;
            }
        }
    }
    Ok(all)
}

/// (C + epsilon)^-1/2 of a covariance C, symmetric to the bit.
fn root(covariance: &Mat<f64>, epsilon: f64) -> Option<Vec<f32>> {
    let n = covariance.nrows();
    let eigen = covariance.self_adjoint_eigen(Side::Lower).ok()?;
    let values = eigen.S().column_vector();
    // Half of the root on each side: W = V V^T. What is rounding alone may be a little below 0.
    let scales: Vec<f64> = (0..n).map(|i| (values[i].max(0.0) + epsilon).powf(-0.25)).collect();
    let half = Mat::from_fn(n, n, |r, c| eigen.U()[(r, c)] * scales[c]);
    let mut columns = vec![0.0_f64; n * n];
    columns.par_chunks_mut(BLOCK * n).enumerate().for_each(|(at, block)| {
        let count = block.len() / n;
        let right = half.as_ref().subrows(at * BLOCK, count).transpose();
        matmul(
            MatMut::from_column_major_slice_mut(block, n, count),
            Accum::Replace,
            half.as_ref(),
            right,
            1.0,
            Par::Seq,
        );
    });
    let one = |i: usize| (0.5 * (columns[i] + columns[(i % n) * n + i / n])) as f32;
    Some((0..n * n).map(one).collect())
}

/// Keeps a whitening in a file.
fn write(path: &Path, whitening: &Whitening) -> Option<()> {
    std::fs::create_dir_all(path.parent()?).ok()?;
    let n = whitening.centre.len();
    let kept =
        |name: &str, shape: Vec<usize>, values: &[f32]| Kept { name: name.into(), shape, values: values.to_vec() };
    let tensors = [kept("centre", vec![n], &whitening.centre), kept("zca", vec![n, n], &whitening.matrix)];
    write_atomically_by(path, |file| format::safetensors::write(file, &tensors, &BTreeMap::new())).ok()
}

/// A whitening that was kept, if it is there and whole.
fn read(path: &Path, n: usize) -> Option<Whitening> {
    let bytes = files::read(path, files::NUMBERS, "").ok()?;
    let file = SafeTensors::deserialize(&bytes).ok()?;
    let values = |name: &str, shape: &[usize]| {
        let view = file.tensor(name).ok().filter(|v| v.dtype() == Dtype::F32 && v.shape() == shape)?;
        Some(view.data().as_chunks::<4>().0.iter().map(|&c| f32::from_le_bytes(c)).collect::<Vec<f32>>())
    };
    Whitening::new(values("centre", &[n])?, values("zca", &[n, n])?)
}

/// Images of the training part normalised, not whitened, one a row.
fn normalised(dataset: &dyn Dataset, samples: &[u32], prepare: &Prepare, rows: &mut [f32]) -> Result<(), DataError> {
    for (&sample, row) in samples.iter().zip(rows.chunks_exact_mut(prepare.shape().len())) {
        dataset.pixels(Part::Train, sample as usize, row)?;
        prepare.normalise(row);
    }
    Ok(())
}
