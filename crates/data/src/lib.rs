//! Where samples come from: data sets, what is done to their images, splits, and how batches are drawn.
//!
//! A data set has two published parts, training and test. Validation samples are drawn from the training part with the
//! seed of the run ([`Split`]); a batch is a pure function of (seed, epoch, position) ([`Loader`]).
//!
//! Below that lies what every crate above reads and writes files with: [`files`], [`format`](mod@format), [`text`], [`hint`], [`system`].

mod ahead;
mod channel_moments;
mod cifar;
mod config;
mod content;
mod dataset;
mod decode;
mod digits;
mod entry;
mod error;
mod facts;
mod fetch;
pub mod files;
mod fold;
mod folder;
pub mod format;
pub mod hint;
mod idx;
mod idx_names;
mod idx_set;
mod info;
mod known;
mod loader;
mod memory;
mod moments;
mod opening;
mod photos;
mod pictures;
pub mod prepare;
mod prepared;
mod registry;
mod shape;
mod split;
mod streams;
pub mod system;
pub mod text;
mod tree;
mod view;

pub use ahead::{Gathering, each_batch};
pub use channel_moments::drawn;
pub use config::DataSpec;
pub use dataset::Dataset;
pub use digits::{EMBEDDED, digits};
pub use entry::{Entry, FileEntry, Form, canonical, data_home, entries, entry};
pub use error::{DataError, Result};
pub use facts::DataFacts;
pub use fetch::{FetchError, FetchEvent, FetchOptions, fetch, fetch_folder};
pub use fold::Fold;
pub use info::{FileInfo, Info, Measured, info, info_with};
pub use loader::{Augment, Batch, Loader, gather};
pub use memory::{MemoryImages, scale_to};
pub use moments::Moments;
pub use opening::Opening;
pub use pictures::{Picture, pictures, pictures_for, pictures_in};
pub use prepare::fit::cache_home;
pub use prepare::{Normalise, Prepare};
pub use prepared::{Ready, ready, ready_shared, ready_shown, with_prepare};
pub use registry::{open, open_with};
pub use shape::{ImageShape, Part};
pub use split::Split;
pub use view::Zoom;
