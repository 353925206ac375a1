//! Nearest neighbours, exactly and in a fixed order, and the error of a classifier that asks them.

use super::error::EmbedError;
use super::matrix::Matrix;
use rayon::prelude::*;

/// Neighbours that vote on a sample's class.
pub const K: usize = 5;

/// Numbers of the other rows nearest to a row, the nearest first, with their Euclidean distances.
pub type Neighbours = Vec<Vec<(u32, f32)>>;

/// The `k` nearest neighbours of every row, all the others if there are fewer; equals in the order of their numbers. Every
/// pair is compared: n^2 distances.
///
/// # Errors
/// If the system does not give the threads.
pub fn nearest(z: &Matrix, k: usize, threads: usize) -> Result<Neighbours, EmbedError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|e| EmbedError::Threads(e.to_string()))?;
    Ok(pool.install(|| (0..z.rows()).into_par_iter().map(|i| nearest_of(z, i, k)).collect()))
}

fn nearest_of(z: &Matrix, i: usize, k: usize) -> Vec<(u32, f32)> {
    let others = (0..z.rows()).filter(|&j| j != i);
    let mut all: Vec<(u32, f32)> = others.map(|j| (j as u32, distance(z.row(i), z.row(j)))).collect();
    let order = |a: &(u32, f32), b: &(u32, f32)| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0));
    if k < all.len() {
        all.select_nth_unstable_by(k, order);
        all.truncate(k);
    }
    all.sort_unstable_by(order);
    all
}

/// Euclidean distance; eight partial sums, so that it runs on vectors.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    let (a, b) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0_f32; 8];
    for (x, y) in a.0.iter().zip(b.0) {
        for lane in 0..8 {
            let d = x[lane] - y[lane];
            sums[lane] += d * d;
        }
    }
    let rest: f32 = a.1.iter().zip(b.1).map(|(x, y)| (x - y) * (x - y)).sum();
    (sums.iter().sum::<f32>() + rest).sqrt()
}

/// Share of samples whose class is not that of most of their first [`K`] neighbours, in [0, 1]: leave-one-out, since no
/// sample is its own neighbour. Of classes with equal votes that of the nearest wins.
#[must_use]
pub fn neighbour_error(near: &[Vec<(u32, f32)>], labels: &[u32]) -> f64 {
    let voted = |row: &[(u32, f32)]| {
        let classes: Vec<u32> = row.iter().take(K).map(|&(j, _)| labels[j as usize]).collect();
        let votes = |c: u32| classes.iter().filter(|&&o| o == c).count();
        // Of equals `max_by_key` takes the last: from the back that is the nearest.
        classes.iter().rev().copied().max_by_key(|&c| votes(c))
    };
    let wrong = near.iter().zip(labels).filter(|(row, label)| voted(row) != Some(**label)).count();
    wrong as f64 / labels.len().max(1) as f64
}
