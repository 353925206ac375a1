//! Which samples are trained on and which validate: some drawn with the seed, or one of several parts whose sizes differ by one at most.

use super::dataset::Dataset;
use super::error::{DataError, Result};
use super::fold::Fold;
use super::shape::Part;
use crate::streams;
use reclra_compute::rng::Key;

/// Which samples of the training part are trained on and which validate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    train: Vec<u32>,
    validation: Vec<u32>,
}

impl Split {
    /// Draws `validation` samples of the training part with the seed; the rest is trained on, both in ascending order.
    /// Where samples were published for validation they are drawn from those, and all the others are trained on.
    ///
    /// # Errors
    /// If nothing would be left to train on, or more is asked for than was published.
    pub fn new(dataset: &dyn Dataset, validation: usize, seed: u64) -> Result<Split> {
        let there = dataset.len(Part::Train);
        let stored = dataset.stored_validation();
        if stored > 0 {
            let first = there.saturating_sub(stored);
            if validation > stored || first == 0 {
                return Err(DataError::Stored { asked: validation, there: stored });
            }
            let mut order = Key::new(seed).child(streams::VALIDATION).permutation(stored);
            order.truncate(validation);
            order.iter_mut().for_each(|s| *s += first as u32);
            order.sort_unstable();
            return Ok(Split { train: (0..first as u32).collect(), validation: order });
        }
        if validation >= there {
            return Err(DataError::Validation { asked: validation, there });
        }
        let mut order = Key::new(seed).child(streams::VALIDATION).permutation(there);
        let mut train = order.split_off(validation);
        order.sort_unstable();
        train.sort_unstable();
        Ok(Split { train, validation: order })
    }

    /// Shuffles the training part with the seed, cuts it into parts whose sizes differ by one at most, and validates on one of them.
    /// All parts of a seed together are the whole training part, samples that were published for validation included.
    ///
    /// # Errors
    /// If there are fewer samples than parts.
    pub fn fold(dataset: &dyn Dataset, fold: Fold, seed: u64) -> Result<Split> {
        let there = dataset.len(Part::Train);
        if fold.of < 2 || fold.of > there || !(1..=fold.of).contains(&fold.part) {
            return Err(DataError::Fold { fold, there });
        }
        let mut train = Key::new(seed).child(streams::VALIDATION).permutation(there);
        let mut validation: Vec<u32> = train.drain(fold.range(there)).collect();
        validation.sort_unstable();
        train.sort_unstable();
        Ok(Split { train, validation })
    }

    /// Samples trained on, as places in the training part.
    #[must_use]
    pub fn train(&self) -> &[u32] {
        &self.train
    }

    /// Samples that validate, as places in the training part.
    #[must_use]
    pub fn validation(&self) -> &[u32] {
        &self.validation
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Labelled;
    use crate::{ImageShape, MemoryImages, digits};

    #[test]
    fn folds_cover_the_training_part_once() {
        let d = digits().unwrap();
        let all = d.len(Part::Train);
        let folds: Vec<Split> = (1..=5).map(|part| Split::fold(&d, Fold { part, of: 5 }, 3).unwrap()).collect();
        let mut validated: Vec<u32> = folds.iter().flat_map(|f| f.validation().to_vec()).collect();
        validated.sort_unstable();
        assert_eq!(validated, (0..all as u32).collect::<Vec<_>>());
        for fold in &folds {
            assert!([287, 288].contains(&fold.validation().len()), "1438 in five parts");
            assert_eq!(fold.train().len() + fold.validation().len(), all);
            assert!(fold.validation().iter().all(|v| !fold.train().contains(v)));
        }
        assert_ne!(folds[0], Split::fold(&d, Fold { part: 1, of: 5 }, 4).unwrap(), "another seed, other parts");
        for (part, of) in [(1, all + 1), (0, 5), (6, 5), (1, 1)] {
            let error = Split::fold(&d, Fold { part, of }, 0).unwrap_err().to_string();
            assert!(error.starts_with("data.fold = "), "{error}");
        }
        assert_eq!(Fold::parse("2/5"), Some(Fold { part: 2, of: 5 }));
        assert!(
            ["", "2", "0/5", "6/5", "1/1", "+1/5", " 1/5", "1/-5", "1/5/5"].iter().all(|t| Fold::parse(t).is_none())
        );
    }

    #[test]
    fn too_many_validation_samples_are_refused() {
        let d = digits().unwrap();
        let error = Split::new(&d, d.len(Part::Train), 0).unwrap_err().to_string();
        assert!(error.starts_with("data.validation = "), "{error}");
    }

    #[test]
    fn published_validation_samples_are_the_last_and_never_trained_on() {
        let shape = ImageShape { channels: 1, height: 1, width: 1 };
        let part = |count: usize| Labelled { pixels: vec![0; count], labels: vec![0; count] };
        let mut d = MemoryImages::new("toy", shape, vec!["a".to_owned()], 255, [part(10), part(1)], 3);
        d.stored = 4;
        let of = |asked: usize| Split::new(&d, asked, 1).unwrap();
        assert_eq!((of(4).train(), of(4).validation()), (&[0, 1, 2, 3, 4, 5][..], &[6, 7, 8, 9][..]));
        assert_eq!((of(2).train().len(), of(2).validation().len()), (6, 2));
        assert!(of(2).validation().iter().all(|v| (6..10).contains(v)) && of(2).validation().is_sorted());
        let error = Split::new(&d, 5, 1).unwrap_err().to_string();
        assert!(matches!(Split::new(&d, 5, 1), Err(DataError::Stored { asked: 5, there: 4 })), "{error}");
        // Nothing would be left to train on.
        d.stored = 10;
        assert!(matches!(Split::new(&d, 3, 1), Err(DataError::Stored { asked: 3, there: 10 })));
    }
}
