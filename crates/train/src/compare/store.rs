//! Making the runs of a comparison, some at a time, and keeping each in a folder of its own.

use super::trial::Trial;
use crate::fit::Observer;
use crate::record::Record;
use crate::run::RunError;
use crate::runs::{self, Shared};
use crate::spec::RunSpec;
use reclra::Device;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Why a comparison did not come to its end. What is finished is kept in any case.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// A run that cannot be made, or results that cannot be written.
    #[error(transparent)]
    Run(#[from] RunError),
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
    fn ended(&self, trial: &Trial, spec: &RunSpec, record: &Record, kept: bool);
    /// Something could not be kept; the runs go on.
    fn warn(&self, line: &str);
}

/// Makes all runs that are not in `folder` yet, `jobs` at a time on `threads` threads each. The records of each trial,
/// seed by seed; none for what a rule refuses.
///
/// # Errors
/// If data or results cannot be read or written, or `stop` was set.
pub fn run(
    trials: &[Trial],
    shared: &Shared<'_>,
    folder: &Path,
    (jobs, threads): (usize, usize),
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
            if shared.stop.load(Ordering::Relaxed) || halt.load(Ordering::Relaxed) {
                break;
            }
            let place =
                runs::place(&folder.join(trials[n].folder()), spec, |there| spec.is_that_of(there, shared.facts));
            match one(&trials[n], spec, shared, &device, &place, watch) {
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
    shared: &Shared<'_>,
    device: &Device,
    folder: &Path,
    watch: &dyn Watch,
) -> Result<Option<Record>, CompareError> {
    if let Some(record) = runs::finished(folder, spec, shared.facts) {
        watch.ended(trial, spec, &record, true);
        return Ok(Some(record));
    }
    let mut observer = watch.begins(trial, spec);
    let mut warn = |line: &str| watch.warn(line);
    let record = runs::once(folder, spec, shared, device.clone(), &mut *observer, &mut warn)?;
    drop(observer);
    if let Some(record) = &record {
        watch.ended(trial, spec, record, false);
    }
    Ok(record)
}
