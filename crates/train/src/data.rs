//! Data sets: where images and labels come from, how they are split, and how batches are drawn.
//!
//! A data set has two published parts, training and test. Validation samples are drawn from the training part with the
//! seed of the run ([`Split`]); a batch is a pure function of (seed, epoch, position) ([`Loader`]).

mod ahead;
mod content;
mod digits;
mod error;
mod fetch;
mod idx;
mod info;
mod loader;
mod pictures;
mod registry;

pub(crate) use ahead::{Gathering, each_batch};
pub(crate) use digits::EMBEDDED;
pub use digits::digits;
pub use error::{DataError, Result};
pub use fetch::{FetchError, FetchEvent, FetchOptions, fetch, fetch_folder};
pub use info::{FileInfo, Info, Measured, info};
pub(crate) use loader::gather;
pub use loader::{Batch, Loader, Split};
pub use pictures::{Picture, pictures};
pub use registry::{Entry, FileEntry, data_home, entries, entry, open};

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

    /// Value of a stored byte that stands for the pixel 1.
    fn white(&self) -> u8 {
        255
    }
    /// Samples drawn for validation unless told.
    fn validation(&self) -> usize {
        self.len(Part::Train) / 10
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

/// Images held in memory as bytes: what the small data sets have in common.
#[derive(Clone, Debug)]
pub struct MemoryImages {
    pub(crate) name: String,
    pub(crate) shape: ImageShape,
    pub(crate) class_names: Vec<String>,
    /// The byte that stands for the pixel 1.
    pub(crate) white: u8,
    /// Each byte as a pixel.
    pub(crate) scale: Box<[f32; 256]>,
    /// Training part, test part.
    pub(crate) parts: [Labelled; 2],
    pub(crate) validation: usize,
}

/// Bytes of images, one after the other, with their labels.
#[derive(Clone, Debug, Default)]
pub(crate) struct Labelled {
    pub(crate) pixels: Vec<u8>,
    pub(crate) labels: Vec<u8>,
}

impl MemoryImages {
    fn part(&self, part: Part) -> &Labelled {
        &self.parts[usize::from(part == Part::Test)]
    }

    /// The bytes of a sample.
    #[must_use]
    pub fn bytes(&self, part: Part, index: usize) -> &[u8] {
        let n = self.shape.len();
        &self.part(part).pixels[index * n..(index + 1) * n]
    }
}

/// byte / white for each byte: how pixels are scaled, in data sets and in images to be classified.
#[must_use]
pub fn scale_to(white: u8) -> Box<[f32; 256]> {
    Box::new(std::array::from_fn(|v| v as f32 / f32::from(white)))
}

impl Dataset for MemoryImages {
    fn name(&self) -> &str {
        &self.name
    }

    fn shape(&self) -> ImageShape {
        self.shape
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn len(&self, part: Part) -> usize {
        self.part(part).labels.len()
    }

    fn label(&self, part: Part, index: usize) -> u32 {
        u32::from(self.part(part).labels[index])
    }

    fn pixels(&self, part: Part, index: usize, out: &mut [f32]) -> Result<()> {
        let scale = &self.scale;
        out.iter_mut().zip(self.bytes(part, index)).for_each(|(o, &v)| *o = scale[usize::from(v)]);
        Ok(())
    }

    fn white(&self) -> u8 {
        self.white
    }

    fn validation(&self) -> usize {
        self.validation
    }
}
