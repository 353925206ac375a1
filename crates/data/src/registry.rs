//! Opening a data set by its entry.

use super::dataset::Dataset;
use super::digits::digits;
use super::entry::{Entry, Form, entry};
use super::error::Result;
use super::facts::DataFacts;
use super::opening::Opening;
use super::shape::ImageShape;
use super::{cifar, folder, idx_set};
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl Entry {
    /// What is published of a data set of files, as [`DataFacts::of`] finds it in them, and how many samples it has in all; none if
    /// it is embedded.
    #[must_use]
    pub fn published(&self) -> Option<(DataFacts, usize)> {
        if self.form == Form::Cifar10 {
            let train = 5 * cifar::RECORDS;
            return Some((self.facts(train, cifar::validation(train), cifar::SHAPE), 6 * cifar::RECORDS));
        }
        let [images, labels, _, test] = self.files else { return None };
        // An idx file is its header, 16 or 8 bytes, and a byte a pixel or label.
        let train = (labels.size - 8) as usize;
        let side = ((images.size - 16) as usize / train).isqrt();
        let shape = ImageShape { channels: 1, height: side, width: side };
        Some((self.facts(train, idx_set::validation(train), shape), train + (test.size - 8) as usize))
    }

    fn facts(&self, train: usize, validation: usize, shape: ImageShape) -> DataFacts {
        let class_names = self.classes.iter().map(|&c| c.to_owned()).collect();
        let published = Some(true);
        DataFacts { name: self.name.to_owned(), class_names, white: 255, train, validation, published, shape }
    }

    /// Reads the data set, from its files or from the program.
    pub(super) fn load(&self, dir: Option<&Path>, opening: &Opening) -> Result<Arc<dyn Dataset>> {
        Ok(match self.form {
            Form::Embedded => Arc::new(digits()?),
            Form::Cifar10 => Arc::new(cifar::load(self, dir, cifar::RECORDS)?),
            Form::Folder => folder::open(dir, opening)?,
            Form::IdxFolder => Arc::new(idx_set::own(dir)?),
            Form::Idx => Arc::new(idx_set::load(self, dir)?),
        })
    }

    /// The files it is read from, where they are.
    ///
    /// # Errors
    /// If one is missing.
    pub fn sources(&self, dir: Option<&Path>) -> Result<Vec<PathBuf>> {
        match self.form {
            Form::Cifar10 => Ok(match cifar::place(self, dir)? {
                cifar::Place::Unpacked(folder) => cifar::FILES.iter().map(|f| folder.join(f)).collect(),
                cifar::Place::Archive(path) => vec![path],
            }),
            Form::Folder => folder::sources(dir),
            Form::IdxFolder => idx_set::files(dir),
            // What is embedded has none.
            Form::Embedded | Form::Idx => self.files.iter().map(|f| self.find(f.name, dir)).collect(),
        }
    }
}

/// Opens a data set as it is by default; `dir` is the folder of its files, or one that has a folder of its name.
///
/// # Errors
/// Names the file that is missing or wrong, and the remedy.
pub fn open(name: &str, dir: Option<&Path>) -> Result<Arc<dyn Dataset>> {
    open_with(name, dir, &Opening::default())
}

/// Opens a data set as told.
///
/// # Errors
/// Names the file that is missing or wrong, and the remedy.
pub fn open_with(name: &str, dir: Option<&Path>, opening: &Opening) -> Result<Arc<dyn Dataset>> {
    entry(name)?.load(dir, opening)
}
