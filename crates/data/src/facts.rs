//! [`DataFacts`]: what a spec has to know of its data, kept in environments and models, where it may be damaged.

use super::dataset::Dataset;
use super::shape::{ImageShape, Part};
use serde::{Deserialize, Serialize};

/// Numbers in the largest training part: a petabyte of bytes.
const MOST: u64 = 1 << 50;

/// What a spec has to know of its data before it can be resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataFacts {
    /// Name of the data set.
    pub name: String,
    /// Names of the classes, by label.
    pub class_names: Vec<String>,
    /// Value of a stored byte that stands for the pixel 1.
    pub white: u8,
    /// Samples in the training part, before validation is drawn.
    pub train: usize,
    /// Samples drawn for validation unless told.
    pub validation: usize,
    /// Whether the content is that of the published data set of this name; none where nothing is published under it, and of runs
    /// made before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<bool>,
    /// Pixels of a sample.
    pub shape: ImageShape,
}

impl DataFacts {
    /// The facts of an opened data set.
    #[must_use]
    pub fn of(dataset: &dyn Dataset) -> DataFacts {
        DataFacts {
            name: dataset.name().to_owned(),
            class_names: dataset.class_names().to_vec(),
            white: dataset.white(),
            train: dataset.len(Part::Train),
            validation: dataset.validation(),
            published: dataset.published(),
            shape: dataset.shape(),
        }
    }

    /// True if these are the facts of the same data: of runs made before it was kept, whether the content is the published one is
    /// not known.
    #[must_use]
    pub fn same_data(&self, other: &DataFacts) -> bool {
        let known = self.published.is_some() && other.published.is_some();
        let with = |facts: &DataFacts| DataFacts { published: facts.published.filter(|_| known), ..facts.clone() };
        with(self) == with(other)
    }

    /// Numbers in a sample.
    #[must_use]
    pub fn pixels(&self) -> usize {
        self.shape.len()
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.class_names.len()
    }

    /// As TOML, for the metadata of a saved model.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }

    /// Back from [`DataFacts::to_toml`]; `None` if it is damaged.
    #[must_use]
    pub fn from_toml(text: &str) -> Option<DataFacts> {
        toml::from_str(text).ok().filter(DataFacts::sound)
    }

    /// Whether these can be the facts of a data set: a file may claim anything.
    #[must_use]
    pub fn sound(&self) -> bool {
        let ImageShape { channels, height, width } = self.shape;
        let numbers = [channels, height, width].into_iter().try_fold(self.train, usize::checked_mul);
        let plain = |name: &String| !name.contains(char::is_control);
        self.validation < self.train
            && numbers.is_some_and(|n| n > 0 && n as u64 <= MOST)
            && self.white > 0
            && self.classes() > 0
            && self.class_names.iter().chain([&self.name]).all(plain)
    }
}

/// Facts of a made-up data set of square grey images, for tests.
#[cfg(test)]
pub(crate) fn toy_facts(name: &str, side: usize, classes: usize, train: usize, validation: usize) -> DataFacts {
    DataFacts {
        name: name.to_owned(),
        class_names: (0..classes).map(|c| c.to_string()).collect(),
        white: 255,
        train,
        validation,
        published: None,
        shape: ImageShape { channels: 1, height: side, width: side },
    }
}
