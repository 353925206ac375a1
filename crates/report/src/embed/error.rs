//! Why there is no map.

use reclra_data::DataError;
use reclra_data::files::FileError;

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
