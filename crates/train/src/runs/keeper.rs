//! The observer that keeps a run: metrics as they come, checkpoints when they are due. Where the disk is full it says so
//! once, holds back what it could not write, and lets the run go on.

use super::checkpoint::{Snapshot, prune};
use super::folder::RunFolder;
use super::keeping::Keeping;
use super::names::{CHECKPOINTS, METRICS};
use super::view::{Line, StepRow};
use crate::fit::{EpochReport, Observer, Occasion, Progress, State, layers};
use crate::spec::{DataFacts, RunSpec};
use reclra_data::files::FileError;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::time::Instant;

/// Epochs of a run that leave a line in its log, so that this stays what a person can read.
const LOGGED: u64 = 1000;

/// Keeps a run while another observer watches it.
pub(super) struct Keeper<'a> {
    folder: &'a RunFolder,
    spec: &'a RunSpec,
    facts: &'a DataFacts,
    keeping: Keeping,
    inner: &'a mut dyn Observer,
    metrics: File,
    /// Bytes of whole lines in the file.
    written: u64,
    /// Lines that found no room yet.
    unwritten: String,
    /// Lowest validation error so far.
    lowest: Option<f64>,
    /// The best state, if it is not on disk yet.
    best: Option<Snapshot>,
    saved_at: Instant,
    /// Where the last checkpoint is, and at which step.
    pub(super) saved: Option<(u64, PathBuf)>,
    /// What went wrong on the disk and was said.
    trouble: Vec<String>,
    /// The last thing that could not be written; none once all is.
    pub(super) unkept: Option<FileError>,
    warn: &'a mut dyn FnMut(&str),
}

impl<'a> Keeper<'a> {
    /// Opens the metrics of a run of which `kept` bytes and `epochs` are there; what stands behind them is cut off.
    pub(super) fn new(
        folder: &'a RunFolder,
        (spec, facts): (&'a RunSpec, &'a DataFacts),
        keeping: Keeping,
        (kept, unwritten, epochs): (u64, String, &[EpochReport]),
        inner: &'a mut dyn Observer,
        warn: &'a mut dyn FnMut(&str),
    ) -> Result<Keeper<'a>, FileError> {
        let path = folder.file(METRICS);
        let io = |e: std::io::Error| FileError::io(&path, &e, "free some space or choose another folder with --out");
        let open = || OpenOptions::new().create(true).write(true).truncate(false).open(&path);
        let metrics = open().map_err(io)?;
        let there = metrics.metadata().map_err(io)?.len();
        let lowest = epochs.iter().filter_map(|e| e.validation_error).min_by(f64::total_cmp);
        let mut keeper = Keeper {
            folder,
            spec,
            facts,
            keeping,
            inner,
            metrics,
            written: kept,
            unwritten,
            lowest,
            best: None,
            saved_at: Instant::now(),
            saved: None,
            trouble: Vec::new(),
            unkept: None,
            warn,
        };
        if there < kept {
            (keeper.warn)(&format!("{}: is shorter than it was; the epochs are written again", path.display()));
            keeper.written = 0;
            keeper.unwritten = epochs.iter().cloned().map(|e| line(&Line::Epoch(e))).collect();
        }
        keeper.flush();
        match keeper.unkept.take() {
            Some(e) => Err(e),
            None => Ok(keeper),
        }
    }

    /// Writes what is to be written behind the last whole line. A line that found room only in part is cut off again.
    fn flush(&mut self) {
        let bytes = self.unwritten.as_bytes();
        let write = |file: &mut File, at: u64| -> std::io::Result<()> {
            file.set_len(at)?;
            file.seek(SeekFrom::Start(at))?;
            file.write_all(bytes)
        };
        match write(&mut self.metrics, self.written) {
            Ok(()) => {
                self.written += bytes.len() as u64;
                self.unwritten.clear();
                self.unkept = None;
            }
            Err(e) => {
                let _ = self.metrics.set_len(self.written);
                let path = self.folder.file(METRICS);
                let error = FileError::io(&path, &e, "free some space; what is missing is written as soon as there is");
                self.failed(&error);
                self.unkept = Some(error);
            }
        }
    }

    fn failed(&mut self, error: &FileError) {
        let line = format!("{error}; training goes on");
        if !self.trouble.contains(&error.what) {
            self.trouble.push(error.what.clone());
            (self.warn)(&line);
            self.folder.log(&line);
        }
    }

    fn save(&mut self, snapshot: &Snapshot, epochs: &[EpochReport]) -> Option<PathBuf> {
        let folder = self.folder.file(CHECKPOINTS);
        self.saved_at = Instant::now();
        match snapshot.save(&folder, (self.spec, self.facts), epochs) {
            Ok(path) => {
                prune(&folder, self.keeping.last);
                Some(path)
            }
            Err(e) => {
                self.failed(&e);
                None
            }
        }
    }

    /// Keeps this state, and the best if it waits.
    pub(super) fn checkpoint(&mut self, state: &State<'_>) {
        // A state must not stand before the metrics it counts on.
        self.flush();
        if self.unwritten.is_empty()
            && let Err(e) = self.metrics.sync_data()
        {
            let path = self.folder.file(METRICS);
            self.failed(&FileError::io(&path, &e, "free some space; what is missing is written as soon as there is"));
        }
        let steps = state.learner.steps();
        if let Some(best) = self.best.take() {
            let path = self.save(&best, &state.place.epochs);
            if path.is_none() {
                // Kept for the next time there is room.
                self.best = Some(best);
            } else if best.steps() == steps {
                self.saved = path.map(|p| (steps, p));
                return;
            }
        }
        // Weights that are no longer finite are no state to go on from: the checkpoint before stays.
        let Some(snapshot) = Snapshot::of(state, (self.written, &self.unwritten), false) else { return };
        if let Some(path) = self.save(&snapshot, &state.place.epochs) {
            self.saved = Some((steps, path));
        }
    }

    fn due(&self, steps: u64) -> bool {
        match self.keeping.every_steps {
            Some(n) => steps.is_multiple_of(n.max(1)),
            None => self.saved_at.elapsed() >= self.keeping.every,
        }
    }

    /// The last words of a run.
    pub(super) fn close(&mut self) {
        self.flush();
        let _ = self.metrics.sync_data();
    }
}

fn line(line: &Line) -> String {
    serde_json::to_string(line).unwrap_or_default() + "\n"
}

impl Observer for Keeper<'_> {
    fn step(&mut self, p: &Progress<'_>) {
        self.inner.step(p);
        let step = p.learner.steps();
        if self.keeping.log_steps > 0 && step.is_multiple_of(self.keeping.log_steps) {
            let row = StepRow {
                epoch: p.epoch,
                step,
                loss: p.report.loss,
                error: p.report.error,
                discrepancy: p.report.discrepancy,
                learning_rate: p.learner.optim().rate_at(step - 1),
                layers: layers(p.learner),
            };
            self.unwritten.push_str(&line(&Line::Step(row)));
            self.flush();
        }
    }

    fn epoch(&mut self, report: &EpochReport) {
        self.inner.epoch(report);
        self.unwritten.push_str(&line(&Line::Epoch(report.clone())));
        self.flush();
        // The log is for people; every epoch stands in the metrics.
        let every = self.spec.epochs.div_ceil(LOGGED);
        if !report.epoch.is_multiple_of(every.max(1)) && report.epoch != 1 && report.epoch != self.spec.epochs {
            return;
        }
        let share = |v: Option<f64>| v.map_or("-".to_owned(), |v| format!("{:.2} %", 100.0 * v));
        self.folder.log(&format!(
            "epoch {}: step {}, loss {:.4}, train error {}, validation error {}, discrepancy {:.4}, {:.2} s",
            report.epoch,
            report.step,
            report.train_loss,
            share(Some(report.train_error)),
            share(report.validation_error),
            report.discrepancy,
            report.seconds
        ));
    }

    fn state(&mut self, state: &State<'_>) {
        self.inner.state(state);
        let steps = state.learner.steps();
        if state.occasion == Occasion::Epoch {
            let error = state.place.epochs.last().and_then(|e| e.validation_error);
            if let Some(error) = error.filter(|&e| self.lowest.is_none_or(|l| e < l)) {
                self.lowest = Some(error);
                if self.keeping.best {
                    // Written with the next checkpoint: short epochs would else be spent on the disk.
                    // The one before goes first, as two would take twice the room.
                    self.best = None;
                    self.best = Snapshot::of(state, (self.written, &self.unwritten), true);
                }
            }
        }
        let over = state.occasion == Occasion::Epoch && state.place.epochs.len() as u64 >= self.spec.epochs;
        let wanted = match state.occasion {
            Occasion::Stopped => true,
            // With a checkpoint every so many steps, the one after an epoch's last step stands before its report.
            Occasion::Step | Occasion::Epoch if self.due(steps) => true,
            // The first epoch of a run is not lost, however short it is.
            Occasion::Epoch if self.keeping.end && state.place.epochs.len() == 1 => true,
            _ => over && (self.keeping.end || self.best.is_some()),
        };
        if wanted {
            self.checkpoint(state);
        }
    }
}
