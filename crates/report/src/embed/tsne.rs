//! t-SNE by the crate `bhtsne`, fed so that nothing in it depends on chance or on threads.
//!
//! The crate finds neighbours with a tree that it builds at random, and begins at random; here it is given exact neighbours and an
//! initial map. Some of its sums are split over threads as they happen to be free: it runs on one.

use super::error::EmbedError;
use super::matrix::Matrix;
use super::method::Method;
use super::neighbours::Neighbours;
use bhtsne::{Neighbor, tSNE};
use reclra_compute::rng::Key;

/// Accuracy of the Barnes-Hut forces; van der Maaten's value.
const THETA: f32 = 0.5;
/// Standard deviation of the initial map, small so that gradients are not (Kobak and Berens 2019).
const SPREAD: f64 = 1e-4;
/// Jitter of the initial map, as a share of its spread: samples that agree in both components part.
const JITTER: f64 = 0.1;
/// Steps in which attraction is exaggerated, unless there are few in all.
const EXAGGERATED: usize = 250;

/// Neighbours that t-SNE looks at.
pub(super) fn neighbours_for(perplexity: f64) -> usize {
    (3.0 * perplexity) as usize
}

/// A map of samples of which the neighbours are known (at least three times the perplexity of each) and the principal
/// components (n x 2), from which it begins. `step` is told the iterations done.
///
/// # Errors
/// If the perplexity is out of its range, or the map is not finite.
pub fn tsne(
    near: &Neighbours,
    components: &Matrix,
    perplexity: f64,
    iterations: usize,
    seed: u64,
    step: &mut (dyn FnMut(usize) + Send),
) -> Result<Matrix, EmbedError> {
    Method::Tsne { perplexity, iterations, seed }.check(near.len())?;
    let table = table(near, neighbours_for(perplexity));
    let start = initial(components, seed);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let pool = pool.map_err(|e| EmbedError::Threads(e.to_string()))?;
    let values = pool.install(|| {
        // Distances are given; all it asks of the samples is how many there are.
        let samples = vec![(); near.len()];
        let early = EXAGGERATED.min(iterations / 4);
        let mut run: tSNE<'_, f32, (), 2> = tSNE::new(&samples);
        run.perplexity(perplexity as f32).epochs(iterations).stop_lying_epoch(early).momentum_switch_epoch(early);
        run.initial_embedding(start).epoch_callback(|done, _| step(done + 1));
        run.barnes_hut_with_neighbors(THETA, &table);
        run.embedding()
    });
    if values.iter().any(|v| !v.is_finite()) {
        let what = "t-SNE came to numbers that are not finite".into();
        return Err(EmbedError::Failed { what, other: "pca" });
    }
    Ok(Matrix { cols: 2, values })
}

/// Neighbours as the crate wants them, in units of their mean distance: the search for bandwidths begins at one unit.
fn table(near: &Neighbours, count: usize) -> Vec<Vec<Neighbor<f32>>> {
    let rows = || near.iter().map(|row| &row[..count.min(row.len())]);
    let all: usize = rows().map(<[_]>::len).sum();
    let mean = rows().flatten().map(|n| f64::from(n.1)).sum::<f64>() / all.max(1) as f64;
    let unit = if mean > 0.0 { mean as f32 } else { 1.0 };
    let neighbour = |&(j, d): &(u32, f32)| Neighbor { index: j as usize, distance: d / unit };
    rows().map(|row| row.iter().map(neighbour).collect()).collect()
}

/// The components, scaled, with jitter drawn from the seed.
fn initial(components: &Matrix, seed: u64) -> Vec<f32> {
    let n = components.rows().max(1) as f64;
    let square: f64 = components.values.iter().step_by(2).map(|&x| f64::from(x).powi(2)).sum();
    let std = (square / n).sqrt();
    let scale = if std > 0.0 { SPREAD / std } else { 0.0 };
    let jitter = Key::new(seed).child_named("embedding").normal(components.values.len(), JITTER * SPREAD);
    components.values.iter().zip(jitter).map(|(&x, j)| (scale * f64::from(x) + j) as f32).collect()
}
