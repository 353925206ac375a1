//! What a trained layer sees: activities of one region, sample by sample, and a map of them in the plane.
//!
//! The map is t-SNE (van der Maaten and Hinton 2008, with the Barnes-Hut forces of van der Maaten 2014) or the first two principal
//! components. How well classes separate is said by a number, in the map and in the layer itself: the share of samples
//! that the majority of their five nearest neighbours gives another class ([`neighbour_error`]).

mod draw;
mod neighbours;
mod pca;
mod store;
#[cfg(test)]
mod tests;
mod tsne;

use crate::judge::evaluated;
pub use neighbours::{K, Neighbours, nearest, neighbour_error};
pub use pca::{Pca, pca};
use reclra::{Graph, Learner};
use reclra_data::files::FileError;
use reclra_data::{DataError, Dataset, Part, gather};
pub use store::{FILES, write};
pub use tsne::{largest_perplexity, tsne};

/// Fewest samples that make a map.
pub const FEWEST: usize = 10;
/// Most samples that make a map: pairs are compared one by one.
pub const MOST: usize = 20_000;

/// Why there is no map.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbedError {
    /// A region that does not exist.
    #[error("--layer: {0}")]
    Layer(#[from] reclra::Error),
    /// A network of input and output alone.
    #[error("--layer top: the network has no hidden region; name `in` or `out`")]
    NoHidden,
    /// Too few samples for a map.
    #[error("{there} samples are too few for a map; take at least {FEWEST}, of another part perhaps (--part)")]
    Few {
        /// Samples there are.
        there: usize,
    },
    /// Too many samples for a map.
    #[error("{there} samples are too many for a map; take at most {MOST} with --samples")]
    Many {
        /// Samples asked for.
        there: usize,
    },
    /// A perplexity that t-SNE cannot reach with so few samples, or none at all.
    #[error("--perplexity {perplexity}: {samples} samples allow 1 to {most}; lower it or take more samples")]
    Perplexity {
        /// As asked for.
        perplexity: f64,
        /// Samples there are.
        samples: usize,
        /// The largest for so many.
        most: f64,
    },
    /// Activities that are no finite numbers.
    #[error("activities of {layer} are not finite numbers; train again with a lower learning rate")]
    NotFinite {
        /// The region.
        layer: String,
    },
    /// A computation that did not come to an end.
    #[error("{what}; try --method {other}")]
    Failed {
        /// What happened.
        what: String,
        /// The other method.
        other: &'static str,
    },
    /// Threads that the system does not give.
    #[error("--threads: {0}; take fewer")]
    Threads(String),
    /// A picture that could not be drawn.
    #[error("the picture could not be drawn ({0}); embed fewer runs at a time")]
    Picture(String),
    /// Data that cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A file that cannot be written.
    #[error(transparent)]
    Write(#[from] FileError),
}

/// Numbers row by row: one sample a row, one unit a column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    /// Numbers in a row.
    pub cols: usize,
    /// All rows, one after the other.
    pub values: Vec<f32>,
}

impl Matrix {
    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.values.len() / self.cols.max(1)
    }

    /// Row `i`, counted from 0.
    #[must_use]
    pub fn row(&self, i: usize) -> &[f32] {
        &self.values[i * self.cols..(i + 1) * self.cols]
    }
}

/// How activities come into the plane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// Neighbours stay neighbours; distances between clusters say little.
    Tsne {
        /// About how many neighbours a sample attends to.
        perplexity: f64,
        /// Steps of gradient descent.
        iterations: usize,
        /// Jitters the initial map.
        seed: u64,
    },
    /// The two directions of largest variance.
    Pca,
}

impl Method {
    /// As after `--method`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Method::Tsne { .. } => "tsne",
            Method::Pca => "pca",
        }
    }

    /// Whether a map of so many samples can be made.
    ///
    /// # Errors
    /// Names the setting that is out of its range.
    pub fn check(&self, samples: usize) -> Result<(), EmbedError> {
        if samples < FEWEST {
            return Err(EmbedError::Few { there: samples });
        }
        if samples > MOST {
            return Err(EmbedError::Many { there: samples });
        }
        let most = largest_perplexity(samples);
        match *self {
            Method::Tsne { perplexity, .. } if !(1.0..=most).contains(&perplexity) => {
                Err(EmbedError::Perplexity { perplexity, samples, most: (most * 10.0).floor() / 10.0 })
            }
            _ => Ok(()),
        }
    }
}

/// A map of one layer of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// x and y of every sample.
    pub points: Matrix,
    /// Leave-one-out error of the [`K`] nearest neighbours in the map, in [0, 1].
    pub map_error: f64,
    /// The same in the layer itself.
    pub layer_error: f64,
    /// Share of the variance that x and y hold; of principal components only.
    pub explained: Option<[f64; 2]>,
}

/// One panel of a picture.
#[derive(Clone, Debug)]
pub struct Panel {
    /// Name of the run.
    pub run: String,
    /// Name of the region.
    pub layer: String,
    /// How the map was made.
    pub method: Method,
    /// Place of every sample in its part.
    pub samples: Vec<u32>,
    /// Class of every sample.
    pub labels: Vec<u32>,
    /// The map.
    pub map: Map,
}

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
