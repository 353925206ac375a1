//! [`DataSpec`]: which images a run is made with, how they are read, prepared and varied.

use super::facts::DataFacts;
use super::fold::Fold;
use super::loader::Augment;
use super::opening::Opening;
use super::prepare::Normalise;

/// The data of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSpec {
    /// Name of the data set.
    pub name: String,
    /// Folder of its files, if one was named.
    pub dir: Option<String>,
    /// How it is opened.
    pub opening: Opening,
    /// Samples drawn for validation.
    pub validation: usize,
    /// Part of the training part that validates, in cross-validation; then `validation` is its size.
    pub fold: Option<Fold>,
    /// Largest shift of a training image, pixels.
    pub shift: usize,
    /// How training images are varied besides.
    pub augment: Augment,
    /// What is taken out of every image.
    pub normalise: Normalise,
    /// Epsilon of the whitening, if there is one.
    pub zca: Option<f64>,
}

impl Default for DataSpec {
    /// The embedded digits, as they are stored.
    fn default() -> DataSpec {
        DataSpec {
            name: "digits".to_owned(),
            dir: None,
            opening: Opening::default(),
            validation: 0,
            fold: None,
            shift: 0,
            augment: Augment::default(),
            normalise: Normalise::None,
            zca: None,
        }
    }
}

impl DataSpec {
    /// What a user should know before training on such data, if anything.
    #[must_use]
    pub fn warning(&self, facts: &DataFacts) -> Option<String> {
        let (trained, pixels) = (facts.train.saturating_sub(self.validation), facts.pixels());
        self.zca.filter(|_| trained <= pixels).map(|epsilon| {
            format!(
                "data.zca: {trained} training images of {pixels} pixels leave a whitening of rank {} at most, data.zca_epsilon = \
                 {epsilon} decides the rest; take more images, a larger data.zca_epsilon or data.zca = false",
                trained.saturating_sub(1)
            )
        })
    }
}
