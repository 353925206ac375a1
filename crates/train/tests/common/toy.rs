//! A data set of a few made-up images, of any shape and number of classes.

use reclra_data::{Dataset, ImageShape, Part, Result};

/// Images that are a function of their label and number.
pub(crate) struct Toy {
    shape: ImageShape,
    classes: Vec<String>,
    train: usize,
    /// What a pixel is, given what it would be.
    pixel: fn(usize, f32) -> f32,
}

impl Toy {
    pub(crate) fn new(channels: usize, height: usize, width: usize, classes: usize, train: usize) -> Toy {
        let classes = (0..classes).map(|c| c.to_string()).collect();
        Toy { shape: ImageShape { channels, height, width }, classes, train, pixel: |_, x| x }
    }

    /// The same with other pixels.
    #[allow(dead_code)] // not by every test
    pub(crate) fn with(self, pixel: fn(usize, f32) -> f32) -> Toy {
        Toy { pixel, ..self }
    }
}

impl Dataset for Toy {
    fn name(&self) -> &str {
        "toy"
    }
    fn shape(&self) -> ImageShape {
        self.shape
    }
    fn class_names(&self) -> &[String] {
        &self.classes
    }
    fn len(&self, part: Part) -> usize {
        if part == Part::Train { self.train } else { 5 }
    }
    fn label(&self, _: Part, index: usize) -> u32 {
        (index % self.classes.len()) as u32
    }
    fn pixels(&self, part: Part, index: usize, out: &mut [f32]) -> Result<()> {
        let label = self.label(part, index) as usize;
        for (i, x) in out.iter_mut().enumerate() {
            let own = if (i + label).is_multiple_of(3) { 1.0 } else { ((i * 7 + index) % 5) as f32 / 10.0 };
            *x = (self.pixel)(i, own);
        }
        Ok(())
    }
    fn validation(&self) -> usize {
        2
    }
}
