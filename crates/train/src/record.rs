//! [`Record`]: what came of one run, in a form that files keep and tables, plots and comparisons read.

use crate::fit::EpochReport;
use crate::metrics::{Chosen, Evaluation, Scores};
use crate::spec::{RunSpec, SpecError};
use serde::{Deserialize, Serialize};

/// What one line of a plot shows: its name, and one record a seed.
pub type Seeds<'a> = (String, Vec<&'a Record>);

/// What came of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its seed.
    pub seed: u64,
    /// Its resolved spec: another spec is another run.
    pub spec: String,
    /// Its rule.
    pub rule: String,
    /// Trainable numbers of the network.
    pub parameters: usize,
    /// Numbers of the rule's own synapses.
    pub own_parameters: usize,
    /// What a user should know of these settings.
    pub warnings: Vec<String>,
    /// All epochs; those before the end if it diverged.
    pub epochs: Vec<EpochReport>,
    /// The test part, judged after the last epoch; none if it diverged.
    pub test: Option<Evaluation>,
    /// Its top-5 error, precision, recall and F1; none if the run diverged or was made before these were kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scores: Option<Scores>,
    /// Share of the test part that is classified wrongly where the most frequent class is named every time: chance level. None if
    /// there is one class only, if the run diverged or was made before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constant_error: Option<f64>,
    /// The test part judged by the network of the epoch with the lowest validation error; none without a validation part, or if
    /// the run diverged or was made before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Chosen>,
    /// Seconds of the whole run.
    pub seconds: f64,
    /// Bytes: the most memory that the process held resident from the beginning of the run, or from where it was last gone on
    /// with, until the test part was judged; program and data included, memory of other devices not. None where the system
    /// does not tell, if runs shared the process, or if the run was made before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory: Option<u64>,
    /// Why it did not come to its end, if it did not.
    pub failed: Option<String>,
}

impl Record {
    /// The record of a run that is not over.
    ///
    /// # Errors
    /// None for a resolved spec.
    pub fn unfinished(spec: &RunSpec, epochs: Vec<EpochReport>) -> Result<Record, SpecError> {
        let graph = spec.graph()?;
        let rule = spec.rule.build(&graph)?;
        Ok(Record {
            seed: spec.seed,
            spec: spec.to_toml(),
            rule: rule.name().to_owned(),
            parameters: graph.parameters(),
            own_parameters: rule.params(&graph).iter().map(|p| p.len()).sum(),
            warnings: rule.warnings(&graph),
            // A sum of nothing is -0.0.
            seconds: epochs.iter().map(|e| e.seconds).sum::<f64>() + 0.0,
            epochs,
            test: None,
            scores: None,
            constant_error: None,
            chosen: None,
            peak_memory: None,
            failed: None,
        })
    }

    /// Error on the training samples during the last epoch, in percent; none if it diverged.
    #[must_use]
    pub fn train_error(&self) -> Option<f64> {
        self.finished()?.epochs.last().map(|e| 100.0 * e.train_error)
    }

    /// Error on the validation part after the last epoch, in percent; none if it diverged or there is no such part.
    #[must_use]
    pub fn validation_error(&self) -> Option<f64> {
        self.finished()?.epochs.last()?.validation_error.map(|v| 100.0 * v)
    }

    /// Error on the test part, in percent; none if it diverged.
    #[must_use]
    pub fn test_error(&self) -> Option<f64> {
        self.test.map(|t| 100.0 * t.error())
    }

    /// Error on the test part of the network of the epoch with the lowest validation error, in percent.
    #[must_use]
    pub fn test_error_chosen(&self) -> Option<f64> {
        self.chosen.map(|c| 100.0 * c.test.error())
    }

    /// Top-5 error on the test part, in percent; none if it diverged or there are five classes or fewer.
    #[must_use]
    pub fn top5_error(&self) -> Option<f64> {
        self.scores.and_then(|s| s.top5_error).map(|v| 100.0 * v)
    }

    /// Macro precision on the test part, in percent: the mean over the classes, a class that was never said counting 0.
    #[must_use]
    pub fn precision(&self) -> Option<f64> {
        self.scores.map(|s| 100.0 * s.precision)
    }

    /// Macro recall on the test part, in percent: the mean over the classes.
    #[must_use]
    pub fn recall(&self) -> Option<f64> {
        self.scores.map(|s| 100.0 * s.recall)
    }

    /// Macro F1 on the test part, in percent: the mean over the classes.
    #[must_use]
    pub fn f1(&self) -> Option<f64> {
        self.scores.map(|s| 100.0 * s.f1)
    }

    /// The most memory that the process held resident, in MB (10^6 bytes).
    #[must_use]
    pub fn peak_megabytes(&self) -> Option<f64> {
        self.peak_memory.map(|bytes| bytes as f64 * 1e-6)
    }

    /// The same without what it came to on the test part: for a setting that is judged by its validation error.
    #[must_use]
    pub fn untested(&self) -> Record {
        let told = self.at_chance();
        let warnings = self.warnings.iter().filter(|&w| Some(w) != told.as_ref()).cloned().collect();
        Record { test: None, scores: None, chosen: None, constant_error: None, warnings, ..self.clone() }
    }

    /// The warning that the error on the test part is no better than that of a constant answer; none if it is better.
    pub(crate) fn at_chance(&self) -> Option<String> {
        let (test, constant) = (self.test?.error(), self.constant_error?);
        (test >= constant).then(|| {
            format!(
                "test error {:.2} %: no better than chance, always naming the most frequent class errs in {:.2} %; lower \
                 optim.lr, or train for longer",
                100.0 * test,
                100.0 * constant,
            )
        })
    }

    fn finished(&self) -> Option<&Record> {
        self.failed.is_none().then_some(self)
    }

    /// Seconds an epoch took, in the median.
    #[must_use]
    pub fn epoch_seconds(&self) -> f64 {
        let mut seconds: Vec<f64> = self.epochs.iter().map(|e| e.seconds).collect();
        seconds.sort_by(f64::total_cmp);
        seconds.get(seconds.len() / 2).copied().unwrap_or(0.0)
    }

    /// Seconds of training until the validation error was first at most so many percent; none if it never was.
    #[must_use]
    pub fn seconds_to(&self, percent: f64) -> Option<f64> {
        let reached = |e: &EpochReport| e.validation_error.is_some_and(|v| 100.0 * v <= percent);
        let n = self.epochs.iter().position(reached)?;
        Some(self.epochs[..=n].iter().map(|e| e.seconds).sum())
    }
}

/// Mean of some figures; none if one is missing.
#[must_use]
pub fn mean(values: &[Option<f64>]) -> Option<f64> {
    let all: Option<Vec<f64>> = values.iter().copied().collect();
    all.filter(|v| !v.is_empty()).map(|v| v.iter().sum::<f64>() / v.len() as f64)
}

/// Standard deviation over runs (n - 1); none for a single run or if a figure is missing.
#[must_use]
pub fn deviation(values: &[Option<f64>]) -> Option<f64> {
    let m = mean(values)?;
    let squares: f64 = values.iter().flatten().map(|v| (v - m) * (v - m)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_over_runs() {
        assert_eq!(mean(&[Some(1.0), Some(3.0)]), Some(2.0));
        assert_eq!(deviation(&[Some(1.0), Some(3.0)]), Some(2.0_f64.sqrt()));
        assert_eq!((mean(&[Some(1.0), None]), mean(&[]), deviation(&[Some(1.0)])), (None, None, None));
    }

    #[test]
    fn time_to_an_error_counts_the_epochs_before_it() {
        let epoch = |validation_error, seconds| EpochReport { validation_error, seconds, ..EpochReport::default() };
        let epochs = vec![epoch(Some(0.5), 1.0), epoch(Some(0.05), 2.0), epoch(Some(0.07), 4.0)];
        let record = Record {
            seed: 0,
            spec: String::new(),
            rule: String::new(),
            parameters: 0,
            own_parameters: 0,
            warnings: Vec::new(),
            epochs,
            test: None,
            scores: None,
            constant_error: None,
            chosen: None,
            seconds: 0.0,
            peak_memory: None,
            failed: None,
        };
        assert_eq!((record.seconds_to(5.0), record.seconds_to(4.0)), (Some(3.0), None));
        assert_eq!(record.epoch_seconds(), 2.0);
        assert_eq!(record.validation_error().map(f64::round), Some(7.0));
        assert_eq!(Record { failed: Some("diverged".into()), ..record }.validation_error(), None);
    }

    #[test]
    fn records_from_before_are_read() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/results");
        let text = std::fs::read_to_string(format!("{folder}/rules.json")).unwrap();
        let old: Vec<Record> = serde_json::from_str(&text).unwrap();
        assert!(old.len() > 5 && old.iter().all(|r| (r.scores, r.peak_memory) == (None, None)));
        assert_eq!((old[0].f1(), old[0].top5_error(), old[0].peak_megabytes()), (None, None, None));
        let read_again = |r: &Record| serde_json::from_str::<Record>(&serde_json::to_string(r).unwrap()).unwrap();
        assert_eq!(read_again(&old[0]), old[0]);
        let scores = Scores { top5_error: Some(0.0123), precision: 0.9, recall: 0.8, f1: 0.85 };
        let new = Record { scores: Some(scores), peak_memory: Some(64_000_000), ..old[0].clone() };
        assert_eq!(read_again(&new), new);
        assert_eq!([new.top5_error(), new.f1(), new.peak_megabytes()], [1.23, 85.0, 64.0].map(Some));
    }
}
