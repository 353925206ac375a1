//! Data sets: where images and labels come from, how they are split, and how batches are drawn.
//!
//! A data set has two published parts, training and test. Validation samples are drawn from the training part with the
//! seed of the run ([`Split`]); a batch is a pure function of (seed, epoch, position) ([`Loader`]).

mod ahead;
mod cifar;
mod content;
mod decode;
mod digits;
mod error;
mod fetch;
mod folder;
mod idx;
mod idx_set;
mod info;
mod known;
mod loader;
mod memory;
mod moments;
mod photos;
mod pictures;
pub(crate) mod prepare;
mod prepared;
mod registry;
mod split;
mod tree;
mod view;

pub(crate) use ahead::{Gathering, each_batch};
pub(crate) use digits::EMBEDDED;
pub use digits::digits;
pub use error::{DataError, Result};
pub use fetch::{FetchError, FetchEvent, FetchOptions, fetch, fetch_folder};
pub use folder::Opening;
pub use info::{FileInfo, Info, Measured, info, info_with};
pub(crate) use loader::gather;
pub use loader::{Augment, Batch, Loader};
pub(crate) use memory::Labelled;
pub use memory::{MemoryImages, scale_to};
pub use moments::{Moments, drawn};
pub use pictures::{Picture, pictures, pictures_for, pictures_in};
pub use prepare::{Normalise, Prepare, cache_home};
pub use prepared::{Ready, ready, ready_shared, ready_shown, with_prepare};
pub use registry::{Entry, FileEntry, Form, canonical, data_home, entries, entry, open, open_with};
pub use split::{Fold, Split};
pub use view::Zoom;

/// The published parts of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What is trained on; validation samples are drawn from it.
    Train,
    /// What is reported.
    Test,
}

/// Pixels of one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ImageShape {
    /// 1 for grey, 3 for colour.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl ImageShape {
    /// Numbers in a sample.
    #[must_use]
    pub fn len(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Whether there is no pixel.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A data set for classification. Samples may be read lazily: reading one can fail.
pub trait Dataset: Send + Sync {
    /// Name, as after `--data`.
    fn name(&self) -> &str;
    /// Pixels of a sample.
    fn shape(&self) -> ImageShape;
    /// Names of the classes, by label.
    fn class_names(&self) -> &[String];
    /// Samples in a part.
    fn len(&self, part: Part) -> usize;
    /// Label of a sample, below the number of classes.
    fn label(&self, part: Part, index: usize) -> u32;
    /// Writes the pixels of a sample, scaled as the data set says, channel by channel, row by row.
    ///
    /// # Errors
    /// If the sample cannot be read.
    fn pixels(&self, part: Part, index: usize, out: &mut [f32]) -> Result<()>;

    /// The same of a random part of the picture, brought to the size of all: for training.
    ///
    /// # Errors
    /// If the sample cannot be read.
    fn zoomed(&self, part: Part, index: usize, zoom: Zoom, out: &mut [f32]) -> Result<()> {
        let _ = zoom;
        self.pixels(part, index, out)
    }

    /// Adds the pixels of a sample to the sums that mean and deviation come from.
    ///
    /// # Errors
    /// If the sample cannot be read.
    fn add_to(&self, part: Part, index: usize, moments: &mut Moments) -> Result<()> {
        let mut pixels = vec![0.0; self.shape().len()];
        self.pixels(part, index, &mut pixels)?;
        moments.add(&pixels);
        Ok(())
    }

    /// Value of a stored byte that stands for the pixel 1.
    fn white(&self) -> u8 {
        255
    }
    /// Samples drawn for validation unless told.
    fn validation(&self) -> usize {
        self.len(Part::Train) / 10
    }
    /// How many samples at the end of the training part were published for validation: they are never trained on, and
    /// validation samples are drawn from them alone. Mostly none.
    fn stored_validation(&self) -> usize {
        0
    }
    /// Whether reading a sample is work, such as decoding a photograph: then several threads read ahead.
    fn lazy(&self) -> bool {
        false
    }
    /// Whether the content is that of the published data set of its name; none where nothing is published under it.
    fn published(&self) -> Option<bool> {
        None
    }
    /// What a user should be told of how the files were read: a line each.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
    /// The images as bytes, if they are in memory.
    fn memory(&self) -> Option<&MemoryImages> {
        None
    }
    /// How samples were prepared after reading, if they were.
    fn prepared(&self) -> Option<&Prepare> {
        None
    }
    /// The data set before its samples were prepared, if they were.
    fn raw(&self) -> Option<&dyn Dataset> {
        None
    }
    /// Number of classes.
    fn classes(&self) -> usize {
        self.class_names().len()
    }
    /// Whether a part holds no sample.
    fn is_empty(&self, part: Part) -> bool {
        self.len(part) == 0
    }
}
