//! Images in memory as a data set.

use super::MemoryImages;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::moments::Moments;
use crate::shape::{ImageShape, Part};
use crate::view::{Source, Window, Zoom, show};

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
        self.whole(part, index)?;
        let scale = &self.scale;
        out.iter_mut().zip(self.bytes(part, index)).for_each(|(o, &v)| *o = scale[usize::from(v)]);
        Ok(())
    }

    fn zoomed(&self, part: Part, index: usize, zoom: Zoom, out: &mut [f32]) -> Result<()> {
        self.whole(part, index)?;
        let (height, width) = (self.shape.height, self.shape.width);
        let source = Source { bytes: self.bytes(part, index), height, width, interleaved: false };
        show(source, Window::random(height, width, zoom), self.shape, self.white, out);
        Ok(())
    }

    fn add_to(&self, part: Part, index: usize, moments: &mut Moments) -> Result<()> {
        self.whole(part, index)?;
        moments.add_planes(self.bytes(part, index));
        Ok(())
    }

    fn white(&self) -> u8 {
        self.white
    }

    fn validation(&self) -> usize {
        self.validation
    }

    fn stored_validation(&self) -> usize {
        self.stored
    }

    fn published(&self) -> Option<bool> {
        self.published
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn memory(&self) -> Option<&MemoryImages> {
        Some(self)
    }
}
