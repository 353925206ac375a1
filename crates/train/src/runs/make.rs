//! Making a run in its folder, from the beginning or from where it was left.

use super::checkpoint::{Manifest, prune};
use super::folder::RunFolder;
use super::keeper::Keeper;
use super::keeping::Keeping;
use super::names::{CHECKPOINTS, INIT, RESULT, TABLE};
use crate::fit::{EpochReport, FitError, Left, Observer, Outcome, Start, fit_from};
use crate::model;
use crate::peak::Peak;
use crate::record::Record;
use crate::run::RunError;
use crate::spec::{DataFacts, RunSpec};
use crate::warnings;
use reclra::{Device, Learner};
use reclra_data::files::{FileError, write_atomically};
use reclra_data::{Dataset, ready};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// A run to be made.
pub struct Task<'a> {
    /// Where.
    pub folder: &'a RunFolder,
    /// What.
    pub spec: &'a RunSpec,
    /// What the spec knows of the data.
    pub facts: &'a DataFacts,
    /// The data.
    pub dataset: &'a dyn Dataset,
    /// On what.
    pub device: Device,
    /// What is kept.
    pub keeping: Keeping,
    /// Writes the report at the end.
    pub report: WriteReport,
}

/// Writes the report of a run that is over into its folder: with its network and its data, unless it diverged. Pages are made
/// by the program that makes the run, not here.
pub type WriteReport = fn(&Path, Option<(&mut Learner, &dyn Dataset)>) -> Result<PathBuf, RunError>;

/// How a run ended.
#[derive(Debug)]
pub enum End {
    /// It came to its end.
    Finished {
        /// The figures.
        record: Record,
        /// The network.
        learner: Box<Learner>,
    },
    /// Its numbers were no longer finite; the last good checkpoint is kept.
    Diverged {
        /// The figures up to there, and why.
        record: Record,
    },
    /// It was stopped from outside.
    Interrupted {
        /// Steps done.
        steps: u64,
        /// Its checkpoint; none if it could not be written.
        saved: Option<PathBuf>,
    },
}

/// Makes a run from its beginning. `warn` hears of what could not be kept. That its memory is to be had is asked before its
/// folder is made ([`crate::run::prepare`]).
///
/// # Errors
/// If data cannot be read, the spec cannot be, or the results cannot be written.
pub fn make(
    task: &Task<'_>,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
    warn: &mut dyn FnMut(&str),
) -> Result<End, RunError> {
    make_from(task, beginning(task)?, (0, String::new()), observer, stop, warn)
}

/// Goes on with a run from what [`checkpoint::newest`] has found, from its beginning without. `warn` hears of what could not
/// be kept.
///
/// # Errors
/// As [`make`].
pub fn resume(
    task: &Task<'_>,
    found: Option<(Manifest, Left)>,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
    warn: &mut dyn FnMut(&str),
) -> Result<End, RunError> {
    let Task { spec, facts, dataset, .. } = task;
    crate::memory::fits(spec, facts, dataset.prepared().is_some())?;
    match found {
        None => make_from(task, beginning(task)?, (0, String::new()), observer, stop, warn),
        Some((manifest, left)) => {
            let metrics = (manifest.metrics_bytes, manifest.unwritten);
            make_from(task, Start::Kept(Box::new(left)), metrics, observer, stop, warn)
        }
    }
}

/// How a run begins in its folder: with the weights that lie there for it, else drawn from the seed.
///
/// # Errors
/// If there are some and they do not fit.
pub(super) fn beginning(task: &Task<'_>) -> Result<Start, RunError> {
    let path = task.folder.file(INIT);
    if !path.exists() {
        return Ok(Start::Fresh);
    }
    Ok(Start::Weights(crate::import::weights_of(&path, task.spec)?))
}

pub(super) fn make_from(
    task: &Task<'_>,
    start: Start,
    (written, unwritten): (u64, String),
    observer: &mut dyn Observer,
    stop: &AtomicBool,
    warn: &mut dyn FnMut(&str),
) -> Result<End, RunError> {
    let peak = Peak::begin();
    let Task { folder, spec, facts, dataset, device, keeping, report } = task;
    let warnings = warnings::before(spec, facts, *dataset)?;
    let epochs = match &start {
        Start::Kept(left) => left.place.epochs.clone(),
        _ => Vec::new(),
    };
    let mut kept = Kept { inner: observer, epochs };
    let before = kept.epochs.clone();
    let mut keeper = Keeper::new(folder, (spec, facts), *keeping, (written, unwritten, &before), &mut kept, warn)?;
    let split = spec.split(*dataset)?;
    let ready = ready(*dataset, &split, &spec.data)?;
    let dataset = ready.dataset();
    let ended = fit_from(start, spec, dataset, device.clone(), &mut keeper, stop);
    let peak_memory = peak.bytes();
    keeper.close();
    let (saved, unkept) = (keeper.saved.take(), keeper.unkept.take());
    let finished = |record: &Record| -> Result<(), FileError> {
        write_atomically(&folder.file(TABLE), &table(&record.epochs))?;
        let json = serde_json::to_vec_pretty(record).unwrap_or_default();
        write_atomically(&folder.file(RESULT), &json)
    };
    match ended {
        Ok(Outcome { learner, interrupted: true, .. }) => {
            let steps = learner.steps();
            // What cannot be written here has been said; the table is made again in the end.
            let _ = write_atomically(&folder.file(TABLE), &table(&kept.epochs));
            folder.log(&format!("interrupted after step {steps}"));
            let saved = saved.filter(|(at, _)| *at == steps).map(|(_, path)| path);
            Ok(End::Interrupted { steps, saved })
        }
        Ok(Outcome { mut learner, test, scores, constant_error, chosen, took, .. }) => {
            if let Some(error) = unkept {
                return Err(error.into());
            }
            let seconds = took.as_secs_f64();
            let record = Record::unfinished(spec, kept.epochs)?;
            let mut record = Record { test, scores, constant_error, chosen, seconds, peak_memory, warnings, ..record };
            let found = warnings::after(&record, spec);
            found.iter().for_each(|w| folder.log(&format!("warning: {w}")));
            record.warnings.extend(found);
            model::save_with(folder.path(), spec, facts, &learner, dataset.prepared())?;
            finished(&record)?;
            if !keeping.end {
                prune(&folder.file(CHECKPOINTS), 0);
                let _ = std::fs::remove_dir(folder.file(CHECKPOINTS));
            }
            let error = record.test_error().map_or("-".to_owned(), |e| format!("{e:.2} %"));
            folder.log(&format!("finished after step {}: test error {error}", learner.steps()));
            told(report(folder.path(), Some((&mut learner, dataset))), warn);
            Ok(End::Finished { record, learner: Box::new(learner) })
        }
        Err(FitError::Data(e)) => Err(e.into()),
        Err(FitError::Spec(e)) => Err(e.into()),
        Err(e @ FitError::Diverged { .. }) => {
            let record = Record::unfinished(spec, kept.epochs)?;
            let record = Record { failed: Some(e.to_string()), peak_memory, warnings, ..record };
            folder.log(&e.to_string());
            finished(&record)?;
            told(report(folder.path(), None), warn);
            Ok(End::Diverged { record })
        }
    }
}

/// Warns of a report that could not be written. It can be made again at any time: without it the run is no less over.
fn told(report: Result<PathBuf, RunError>, warn: &mut dyn FnMut(&str)) {
    if let Err(e) = report {
        warn(&format!("{e}; the run itself is kept"));
    }
}

/// Keeps the epochs on their way to an observer, so that a run that diverges leaves them too.
struct Kept<'a> {
    inner: &'a mut dyn Observer,
    epochs: Vec<EpochReport>,
}

impl Observer for Kept<'_> {
    fn step(&mut self, progress: &crate::fit::Progress<'_>) {
        self.inner.step(progress);
    }

    fn epoch(&mut self, report: &EpochReport) {
        self.epochs.push(report.clone());
        self.inner.epoch(report);
    }

    fn state(&mut self, state: &crate::fit::State<'_>) {
        self.inner.state(state);
    }
}

/// The epochs as a table with a heading, one row each.
fn table(epochs: &[EpochReport]) -> Vec<u8> {
    let mut out = csv::Writer::from_writer(Vec::new());
    let mut head: Vec<String> = [
        "epoch",
        "step",
        "train_loss",
        "train_error",
        "validation_loss",
        "validation_error",
        "discrepancy",
        "learning_rate",
        "samples_per_second",
        "seconds",
    ]
    .map(str::to_owned)
    .into();
    if let Some(first) = epochs.first() {
        head.extend(first.layers.iter().map(|l| format!("discrepancy.{}", l.region)));
        head.extend(first.layers.iter().map(|l| format!("mean_error.{}", l.region)));
        head.extend(first.alignment.iter().map(|a| format!("alignment.{}", a.region)));
    }
    let _ = out.write_record(&head);
    for e in epochs {
        let validation = e.validation_error.map_or(String::new(), |v| v.to_string());
        let numbers = [e.validation_loss].map(|v| v.to_string());
        let mut row =
            vec![e.epoch.to_string(), e.step.to_string(), e.train_loss.to_string(), e.train_error.to_string()];
        row.extend(numbers);
        row.push(validation);
        row.extend([e.discrepancy, e.learning_rate, e.samples_per_second, e.seconds].map(|v| v.to_string()));
        row.extend(e.layers.iter().map(|l| l.discrepancy.to_string()));
        row.extend(e.layers.iter().map(|l| l.mean_error.to_string()));
        row.extend(e.alignment.iter().map(|a| a.degrees.to_string()));
        let _ = out.write_record(&row);
    }
    out.into_inner().unwrap_or_default()
}
