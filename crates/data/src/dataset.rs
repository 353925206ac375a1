//! [`Dataset`]: what every data set can be asked.

use super::error::Result;
use super::memory::MemoryImages;
use super::moments::Moments;
use super::prepare::Prepare;
use super::shape::{ImageShape, Part};
use super::view::Zoom;

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
