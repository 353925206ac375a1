//! Metrics of a classifier: error, top-k error, loss, and the confusion matrix from which precision, recall and F1 follow.
//!
//! Macro means are over all classes of the data set; a class whose figure is undefined counts 0. scikit-learn computes the
//! same with `labels=range(classes), average="macro", zero_division=0`; without `labels` it leaves out classes that
//! neither occur nor are predicted.

/// Judgement of a set of samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Evaluation {
    /// Samples judged.
    pub samples: usize,
    /// Samples classified wrongly.
    pub wrong: usize,
    /// Mean cross-entropy.
    pub loss: f64,
}

impl Evaluation {
    /// Share of samples classified wrongly, in [0, 1].
    #[must_use]
    pub fn error(&self) -> f64 {
        self.wrong as f64 / self.samples.max(1) as f64
    }
}

/// Figures of a set of samples beside its error, each a share in [0, 1].
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Scores {
    /// Share of samples whose class is not among the five of the largest outputs ([`in_top`]); none for five classes or fewer,
    /// of which it says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top5_error: Option<f64>,
    /// Macro precision: the mean over the classes of (samples of the class said to be of it) / (samples said to be of it);
    /// 0 for a class that was never said.
    pub precision: f64,
    /// Macro recall: the mean over the classes of (samples of the class said to be of it) / (samples of it); 0 for a class
    /// without samples.
    pub recall: f64,
    /// Macro F1: the mean over the classes of 2 precision recall / (precision + recall); 0 where both are. It is no function of
    /// the two means.
    pub f1: f64,
}

/// The test part judged by the network of the epoch with the lowest validation error, the first of equals.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Chosen {
    /// That epoch, from 1.
    pub epoch: u64,
    /// The test part.
    pub test: Evaluation,
    /// Its other figures.
    pub scores: Scores,
}

/// Whether the output of class `label` is one of the `k` largest. Of outputs that are equal all others come first: a network
/// that says the same of every class knows none of them. What is not a number is in no top.
#[must_use]
pub fn in_top(outputs: &[f32], label: usize, k: usize) -> bool {
    let Some(&own) = outputs.get(label) else { return false };
    let behind = |other: &f32| other.partial_cmp(&own).is_some_and(std::cmp::Ordering::is_lt);
    let before = outputs.iter().enumerate().filter(|&(class, other)| class != label && !behind(other)).count();
    !own.is_nan() && before < k
}

/// Whether people are told the top-5 error of so many classes unasked: of ten, five guesses are half.
#[must_use]
pub fn top5_tells(classes: usize) -> bool {
    classes > 10
}

/// Counts of (true class, predicted class).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Confusion {
    classes: usize,
    /// Row: true class; column: predicted class.
    counts: Vec<u64>,
}

impl Confusion {
    /// No counts yet.
    #[must_use]
    pub fn new(classes: usize) -> Confusion {
        Confusion { classes, counts: vec![0; classes * classes] }
    }

    /// Counts one sample.
    pub fn add(&mut self, truth: usize, predicted: usize) {
        self.counts[truth * self.classes + predicted] += 1;
    }

    /// Samples of class `truth` taken for class `predicted`.
    #[must_use]
    pub fn count(&self, truth: usize, predicted: usize) -> u64 {
        self.counts[truth * self.classes + predicted]
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Precision, recall and F1 of a class, each in [0, 1]. Precision is undefined for a class that is never predicted,
    /// recall for one without samples, F1 for one that is neither.
    #[must_use]
    pub fn defined_scores(&self, class: usize) -> [Option<f64>; 3] {
        let hits = self.count(class, class) as f64;
        let predicted: u64 = (0..self.classes).map(|t| self.count(t, class)).sum();
        let there: u64 = (0..self.classes).map(|p| self.count(class, p)).sum();
        let ratio = |a: f64, b: f64| if b == 0.0 { 0.0 } else { a / b };
        let (precision, recall) = (ratio(hits, predicted as f64), ratio(hits, there as f64));
        let f1 = ratio(2.0 * precision * recall, precision + recall);
        let of = |defined: bool, value: f64| defined.then_some(value);
        [of(predicted > 0, precision), of(there > 0, recall), of(predicted + there > 0, f1)]
    }

    /// (precision, recall, F1) of a class, each in [0, 1]; 0 where it is undefined.
    #[must_use]
    pub fn scores(&self, class: usize) -> (f64, f64, f64) {
        let [precision, recall, f1] = self.defined_scores(class).map(Option::unwrap_or_default);
        (precision, recall, f1)
    }

    /// True if a figure of a class is undefined, and so counts 0 in the macro means.
    #[must_use]
    pub fn undefined(&self) -> bool {
        (0..self.classes).any(|c| self.defined_scores(c).contains(&None))
    }

    /// Means over the classes of (precision, recall, F1): the macro averages.
    #[must_use]
    pub fn macro_scores(&self) -> (f64, f64, f64) {
        let sum =
            (0..self.classes).map(|c| self.scores(c)).fold((0.0, 0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2));
        let n = self.classes.max(1) as f64;
        (sum.0 / n, sum.1 / n, sum.2 / n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_in_the_top_by_its_rank() {
        let outputs = [0.05, 0.3, 0.1, 0.2, 0.05, 0.3];
        let rank = |label| (1..=6).find(|&k| in_top(&outputs, label, k));
        // Of equals each is last: the two of 0.3 are second, the two of 0.05 sixth.
        assert_eq!((0..6).map(rank).collect::<Vec<_>>(), [6, 2, 4, 3, 6, 2].map(Some));
        assert!(!in_top(&[0.0; 6], 0, 5) && in_top(&[0.0; 6], 0, 6));
        assert!(!in_top(&[f32::NAN, 0.5], 0, 2) && !in_top(&[f32::NAN, 0.5], 1, 1) && !in_top(&[0.5], 3, 5));
    }

    #[test]
    fn scores_of_a_known_matrix() {
        // Truth 0: 3 right, 1 taken for 1. Truth 1: 2 right, 2 taken for 0. Truth 2 never occurs.
        let mut c = Confusion::new(3);
        for (t, p, n) in [(0, 0, 3), (0, 1, 1), (1, 1, 2), (1, 0, 2)] {
            (0..n).for_each(|_| c.add(t, p));
        }
        let (precision, recall, f1) = c.scores(0);
        assert_eq!((precision, recall), (0.6, 0.75));
        // Of the first two classes alone every figure is defined.
        let mut two = Confusion::new(2);
        (0..2).for_each(|class| two.add(class, class));
        assert!(c.undefined() && !two.undefined());
        assert!((f1 - 2.0 * 0.6 * 0.75 / 1.35).abs() < 1e-12);
        assert_eq!(c.scores(2), (0.0, 0.0, 0.0));
        assert!((c.macro_scores().1 - (0.75 + 0.5) / 3.0).abs() < 1e-12);
    }

    #[test]
    fn macro_means_are_those_of_scikit_learn_over_all_classes() {
        // As sklearn.metrics.precision_recall_fscore_support(y, p, labels=range(5), zero_division=0) has it.
        let (y, p) = ([0, 0, 1, 1, 1, 1, 1, 3], [0, 0, 1, 1, 0, 0, 2, 1]);
        let mut c = Confusion::new(5);
        y.iter().zip(p).for_each(|(&t, p)| c.add(t, p));
        // Rows are true classes, columns predictions.
        assert_eq!((c.count(1, 0), c.count(0, 1), c.count(3, 1)), (2, 0, 1));
        let near = |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
        let of = |class| c.defined_scores(class).map(Option::unwrap);
        assert!(near(of(0), [0.5, 1.0, 2.0 / 3.0]) && near(of(1), [2.0 / 3.0, 0.4, 0.5]), "{:?} {:?}", of(0), of(1));
        // Predicted and never there; there and never predicted; neither.
        assert_eq!(c.defined_scores(2), [Some(0.0), None, Some(0.0)]);
        assert_eq!(c.defined_scores(3), [None, Some(0.0), Some(0.0)]);
        assert_eq!(c.defined_scores(4), [None; 3]);
        let (precision, recall, f1) = c.macro_scores();
        assert!(near([precision, recall, f1], [7.0 / 30.0, 0.28, 7.0 / 30.0]), "{precision} {recall} {f1}");
        assert!(c.undefined());
    }

    #[test]
    fn top_five_of_twelve_classes_with_ties() {
        let outputs = [0.20, 0.05, 0.05, 0.30, 0.05, 0.10, 0.05, 0.05, 0.05, 0.05, 0.05, 0.0];
        // 0.30, 0.20 and 0.10 are the first three; eight share the places 4 to 11, of which none is certain of the top five.
        let top: Vec<usize> = (0..12).filter(|&c| in_top(&outputs, c, 5)).collect();
        assert_eq!(top, [0, 3, 5]);
        let rising: Vec<f32> = (0..12).map(|i| i as f32).collect();
        assert_eq!((0..12).filter(|&c| in_top(&rising, c, 5)).collect::<Vec<_>>(), [7, 8, 9, 10, 11]);
    }
}
