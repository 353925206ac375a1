//! Making the runs of a comparison, some at a time, and keeping each in a folder of its own.

use super::Trial;
use crate::data::{DataError, Dataset};
use crate::files::{FileError, write_atomically};
use crate::fit::{EpochReport, Observer, Progress};
use crate::record::{Record, RecordError, make};
use crate::spec::{RunSpec, SpecError};
use reclra::Device;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Spec of a run.
const SPEC: &str = "spec.toml";
/// One object an epoch.
const METRICS: &str = "metrics.jsonl";
/// The whole record, written last: a run that has it is finished.
const RESULT: &str = "result.json";

/// Why a comparison did not come to its end. What is finished is kept in any case.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// Data that cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A spec that cannot be.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// Results that cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A plot that could not be drawn.
    #[error("{0}: the plot could not be drawn: {1}; please report it")]
    Plot(PathBuf, String),
    /// Stopped from outside.
    #[error("interrupted; the same command goes on where it stopped")]
    Interrupted,
}

/// Is told how the runs go, from several threads.
pub trait Watch: Sync {
    /// A run begins: its trial, its spec.
    fn begins(&self, trial: &Trial, spec: &RunSpec) -> Box<dyn Observer + '_>;
    /// A run is over; `kept` if it was there already.
    fn ended(&self, trial: &Trial, record: &Record, kept: bool);
}

/// Makes all runs that are not in `folder` yet, `jobs` at a time on `threads` threads each. The records of each trial,
/// seed by seed; none for what a rule refuses.
///
/// # Errors
/// If data or results cannot be read or written, or `stop` was set.
pub fn run(
    trials: &[Trial],
    dataset: &dyn Dataset,
    folder: &Path,
    (jobs, threads): (usize, usize),
    stop: &AtomicBool,
    watch: &dyn Watch,
) -> Result<Vec<Vec<Record>>, CompareError> {
    let runs: Vec<(usize, &RunSpec)> = trials
        .iter()
        .enumerate()
        .flat_map(|(n, t)| t.specs.as_ref().map_or(&[][..], Vec::as_slice).iter().map(move |s| (n, s)))
        .collect();
    let next = AtomicUsize::new(0);
    let done: Vec<Mutex<Option<Record>>> = runs.iter().map(|_| Mutex::new(None)).collect();
    let failure: Mutex<Option<CompareError>> = Mutex::new(None);
    // One failing run ends the others too, at their next step.
    let halt = AtomicBool::new(false);
    let work = || {
        let device = Device::cpu(threads);
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(&(n, spec)) = runs.get(at) else { break };
            if stop.load(Ordering::Relaxed) || halt.load(Ordering::Relaxed) {
                break;
            }
            let place = folder.join(trials[n].folder()).join(format!("seed-{}", spec.seed));
            match one(&trials[n], spec, dataset, &device, &place, stop, watch) {
                Ok(record) => set(&done[at], record),
                Err(e) => {
                    set(&failure, Some(e));
                    halt.store(true, Ordering::Relaxed);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..jobs.min(runs.len()).max(1) {
            scope.spawn(work);
        }
        work();
    });
    if let Some(e) = take(&failure) {
        return Err(e);
    }
    let mut records: Vec<Vec<Record>> = trials.iter().map(|_| Vec::new()).collect();
    for (&(n, _), slot) in runs.iter().zip(&done) {
        records[n].push(take(slot).ok_or(CompareError::Interrupted)?);
    }
    Ok(records)
}

fn set<T>(slot: &Mutex<Option<T>>, value: Option<T>) {
    if let Ok(mut slot) = slot.lock() {
        *slot = value;
    }
}

fn take<T>(slot: &Mutex<Option<T>>) -> Option<T> {
    slot.lock().ok().and_then(|mut s| s.take())
}

/// One run: read if it is there, else made and kept. None if it was stopped.
fn one(
    trial: &Trial,
    spec: &RunSpec,
    dataset: &dyn Dataset,
    device: &Device,
    folder: &Path,
    stop: &AtomicBool,
    watch: &dyn Watch,
) -> Result<Option<Record>, CompareError> {
    let text = spec.to_toml();
    let kept = fs::read(folder.join(RESULT)).ok().and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok());
    if let Some(record) = kept.filter(|r| r.spec == text) {
        watch.ended(trial, &record, true);
        return Ok(Some(record));
    }
    let remedy = "choose a folder you may write to with --out";
    let io = |path: &Path, e: &std::io::Error| FileError::io(path, e, remedy);
    fs::create_dir_all(folder).map_err(|e| io(folder, &e))?;
    // A result of other settings must not stand beside the metrics of these.
    let _ = fs::remove_file(folder.join(RESULT));
    write_atomically(&folder.join(SPEC), text.as_bytes())?;
    let path = folder.join(METRICS);
    let file = fs::File::create(&path).map_err(|e| io(&path, &e))?;
    let mut observer = Logged { inner: watch.begins(trial, spec), file, failed: None };
    let record = make(spec, dataset, device.clone(), &mut observer, stop);
    if let Some(e) = observer.failed.take() {
        return Err(io(&path, &e).into());
    }
    drop(observer);
    let record = record.map_err(|e| match e {
        RecordError::Data(e) => CompareError::Data(e),
        RecordError::Spec(e) => CompareError::Spec(e),
    })?;
    if let Some(record) = &record {
        let json = serde_json::to_vec_pretty(record).unwrap_or_default();
        write_atomically(&folder.join(RESULT), &json)?;
        watch.ended(trial, record, false);
    }
    Ok(record)
}

/// Writes each epoch down as it comes.
struct Logged<'a> {
    inner: Box<dyn Observer + 'a>,
    file: fs::File,
    failed: Option<std::io::Error>,
}

impl Observer for Logged<'_> {
    fn step(&mut self, progress: &Progress<'_>) {
        self.inner.step(progress);
    }

    fn epoch(&mut self, report: &EpochReport) {
        let line = serde_json::to_string(report).unwrap_or_default() + "\n";
        if let Err(e) = self.file.write_all(line.as_bytes()) {
            self.failed.get_or_insert(e);
        }
        self.inner.epoch(report);
    }
}
