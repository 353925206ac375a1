//! How a map is made, and what it is.

use super::error::{EmbedError, FEWEST, MOST};
use super::matrix::Matrix;

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
    /// Leave-one-out error of the [`K`](super::K) nearest neighbours in the map, in [0, 1].
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

/// The largest perplexity that so many samples allow: each needs three times as many neighbours.
#[must_use]
pub fn largest_perplexity(samples: usize) -> f64 {
    samples.saturating_sub(1) as f64 / 3.0
}
