//! What a trained layer sees: activities of one region, sample by sample, and a map of them in the plane.
//!
//! The map is t-SNE (van der Maaten and Hinton 2008, with the Barnes-Hut forces of van der Maaten 2014) or the first two principal
//! components. How well classes separate is said by a number, in the map and in the layer itself: the share of samples
//! that the majority of their five nearest neighbours gives another class ([`neighbour_error`]).

mod draw;
mod error;
mod matrix;
mod method;
mod neighbours;
mod pca;
mod store;
#[cfg(test)]
mod tests;
mod tsne;

pub use error::{EmbedError, FEWEST, MOST};
pub use matrix::Matrix;
pub use method::{Map, Method, Panel, largest_perplexity};
pub use neighbours::{K, Neighbours, nearest, neighbour_error};
pub use pca::{Pca, pca};
use reclra::{Graph, Learner};
use reclra_data::{Dataset, Part, gather};
use reclra_train::judge::evaluated;
pub use store::{FILES, write};
pub use tsne::tsne;

/// The region that `name` means: `top` is the last hidden one.
///
/// # Errors
/// If there is none of that name.
pub fn layer(graph: &Graph, name: &str) -> Result<usize, EmbedError> {
    match graph.find(name) {
        Err(_) if name == "top" => graph.hidden().next_back().ok_or(EmbedError::NoHidden),
        found => Ok(found?),
    }
}

/// Activities z of one region for the given samples of a part, in order and without augmentation, as evaluation has
/// them: with the averaged weights if the run kept them, settled if the rule settles. One sample a row; those whose picture is
/// broken are taken from the list.
///
/// # Errors
/// If a sample cannot be read, or an activity is no finite number.
pub fn activities(
    learner: &mut Learner,
    dataset: &dyn Dataset,
    part: Part,
    samples: &mut Vec<u32>,
    layer: usize,
) -> Result<Matrix, EmbedError> {
    let (mut x, mut labels) = (Vec::new(), Vec::new());
    let (mut z, mut left) = (Matrix::default(), Vec::with_capacity(samples.len()));
    for chunk in samples.chunks(evaluated(learner.graph())) {
        let kept = gather(dataset, part, chunk, &mut x, &mut labels)?;
        if kept.is_empty() {
            continue;
        }
        left.extend(kept);
        let activity = &learner.activate_evaluated(&x).z[layer];
        let (units, batch, values) = (activity.rows(), activity.cols(), activity.to_f32());
        z.cols = units;
        z.values.extend((0..batch).flat_map(|b| (0..units).map(move |u| (u, b))).map(|(u, b)| values[u * batch + b]));
    }
    *samples = left;
    if z.values.iter().any(|v| !v.is_finite()) {
        return Err(EmbedError::NotFinite { layer: learner.graph().regions()[layer].name.clone() });
    }
    Ok(z)
}

/// Maps activities into the plane and says how well classes separate. `labels` holds a class for each row of `z`; `step` is
/// told the iterations done. The same input gives the same map for any number of threads.
///
/// # Errors
/// If there are too few or too many samples, or the perplexity is out of its range.
pub fn map(
    z: &Matrix,
    labels: &[u32],
    method: Method,
    threads: usize,
    step: &mut (dyn FnMut(usize) + Send),
) -> Result<Map, EmbedError> {
    method.check(z.rows())?;
    let wanted = match method {
        Method::Tsne { perplexity, .. } => tsne::neighbours_for(perplexity).max(K),
        Method::Pca => K,
    };
    let near = nearest(z, wanted, threads)?;
    let main = pca(z)?;
    let (points, explained) = match method {
        Method::Tsne { perplexity, iterations, seed } => {
            (tsne(&near, &main.scores, perplexity, iterations, seed, step)?, None)
        }
        Method::Pca => (main.scores, Some(main.explained)),
    };
    let layer_error = neighbour_error(&near, labels);
    let map_error = neighbour_error(&nearest(&points, K, threads)?, labels);
    Ok(Map { points, map_error, layer_error, explained })
}
