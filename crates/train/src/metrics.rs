//! What is measured of a classifier: error, loss, and the confusion matrix from which precision, recall and F1 follow.

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

    /// (precision, recall, F1) of a class, each in [0, 1]; 0 where nothing was predicted or nothing is there.
    #[must_use]
    pub fn scores(&self, class: usize) -> (f64, f64, f64) {
        let hits = self.count(class, class) as f64;
        let predicted: u64 = (0..self.classes).map(|t| self.count(t, class)).sum();
        let there: u64 = (0..self.classes).map(|p| self.count(class, p)).sum();
        let ratio = |a: f64, b: f64| if b == 0.0 { 0.0 } else { a / b };
        let (precision, recall) = (ratio(hits, predicted as f64), ratio(hits, there as f64));
        (precision, recall, ratio(2.0 * precision * recall, precision + recall))
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
    fn scores_of_a_known_matrix() {
        // Truth 0: 3 right, 1 taken for 1. Truth 1: 2 right, 2 taken for 0. Truth 2 never occurs.
        let mut c = Confusion::new(3);
        for (t, p, n) in [(0, 0, 3), (0, 1, 1), (1, 1, 2), (1, 0, 2)] {
            (0..n).for_each(|_| c.add(t, p));
        }
        let (precision, recall, f1) = c.scores(0);
        assert_eq!((precision, recall), (0.6, 0.75));
        assert!((f1 - 2.0 * 0.6 * 0.75 / 1.35).abs() < 1e-12);
        assert_eq!(c.scores(2), (0.0, 0.0, 0.0));
        assert!((c.macro_scores().1 - (0.75 + 0.5) / 3.0).abs() < 1e-12);
    }
}
