//! Images held in memory as bytes: what the small data sets have in common.

mod dataset;

use super::error::{DataError, Result};
use super::shape::{ImageShape, Part};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Images held in memory as bytes, with their labels.
#[derive(Clone, Debug)]
pub struct MemoryImages {
    name: String,
    shape: ImageShape,
    class_names: Vec<String>,
    /// The byte that stands for the pixel 1.
    white: u8,
    /// Each byte as a pixel.
    scale: Box<[f32; 256]>,
    /// Training part, test part.
    parts: [Labelled; 2],
    validation: usize,
    /// Samples at the end of the training part that were published for validation.
    pub(super) stored: usize,
    /// Samples whose picture is broken, for each part: which, and why. Their bytes are of no account.
    pub(super) broken: [BTreeMap<u32, (PathBuf, String)>; 2],
    pub(super) notes: Vec<String>,
    /// Whether the content is the published one, if something is published under the name.
    pub(super) published: Option<bool>,
}

/// Bytes of images, one after the other, with their labels.
#[derive(Clone, Debug, Default)]
pub(crate) struct Labelled {
    pub(crate) pixels: Vec<u8>,
    pub(crate) labels: Vec<u16>,
}

impl MemoryImages {
    /// Images of the training and the test part, channel by channel, row by row; `white` stands for the pixel 1.
    pub(super) fn new(
        name: &str,
        shape: ImageShape,
        class_names: Vec<String>,
        white: u8,
        parts: [Labelled; 2],
        validation: usize,
    ) -> MemoryImages {
        let scale = scale_to(white);
        MemoryImages {
            name: name.to_owned(),
            shape,
            class_names,
            white,
            scale,
            parts,
            validation,
            stored: 0,
            broken: Default::default(),
            notes: Vec::new(),
            published: None,
        }
    }

    fn part(&self, part: Part) -> &Labelled {
        &self.parts[usize::from(part == Part::Test)]
    }

    /// Refuses a sample whose picture is broken.
    pub(super) fn whole(&self, part: Part, index: usize) -> Result<()> {
        match self.broken[usize::from(part == Part::Test)].get(&(index as u32)) {
            None => Ok(()),
            Some((path, why)) => Err(DataError::Broken { path: path.clone(), why: why.clone() }),
        }
    }

    /// Bytes held.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.parts.iter().map(|p| (p.pixels.len() + 2 * p.labels.len()) as u64).sum()
    }

    /// The bytes of a sample.
    #[must_use]
    pub fn bytes(&self, part: Part, index: usize) -> &[u8] {
        let n = self.shape.len();
        &self.part(part).pixels[index * n..(index + 1) * n]
    }

    /// The bytes of all samples of a part, one after the other.
    #[must_use]
    pub fn all_bytes(&self, part: Part) -> &[u8] {
        &self.part(part).pixels
    }
}

/// byte / white for each byte: how pixels are scaled, in data sets and in images to be classified.
#[must_use]
pub fn scale_to(white: u8) -> Box<[f32; 256]> {
    Box::new(std::array::from_fn(|v| v as f32 / f32::from(white)))
}
