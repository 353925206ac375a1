//! One run of many, in a folder of its own: read if it is over, gone on with if it was begun, else made.

use super::checkpoint;
use super::environment::{Environment, now};
use super::folder::RunFolder;
use super::keeping::Keeping;
use super::make::{End, Task, WriteReport, resume};
use super::names::{CHECKPOINTS, ENVIRONMENT, RESULT, SPEC};
use crate::fit::Observer;
use crate::record::Record;
use crate::run::RunError;
use crate::spec::{DataFacts, RunSpec};
use reclra::Device;
use reclra_data::Dataset;
use reclra_data::files;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// What the runs of a command share.
pub struct Shared<'a> {
    /// The data.
    pub dataset: &'a dyn Dataset,
    /// What the specs know of it.
    pub facts: &'a DataFacts,
    /// Where the runs are made.
    pub environment: &'a Environment,
    /// What is kept of each.
    pub keeping: Keeping,
    /// Set to end them.
    pub stop: &'a AtomicBool,
    /// Writes the report of each.
    pub report: WriteReport,
}

/// The folder of a run below that of its setting: `seed-N`, in cross-validation `seed-N-fold-2-of-5`, or the next one
/// (`seed-N.2`) where a run of another spec is: one that is not `is_it`.
#[must_use]
pub fn place(parent: &Path, spec: &RunSpec, is_it: impl Fn(&str) -> bool) -> PathBuf {
    let mut name = format!("seed-{}", spec.seed);
    if let Some(fold) = spec.data.fold {
        name.push_str(&format!("-fold-{}-of-{}", fold.part, fold.of));
    }
    let base = parent.join(&name);
    let numbered = (2..1000).map(|n| parent.join(format!("{name}.{n}")));
    let free = |p: &PathBuf| files::read_text(&p.join(SPEC), "").map_or(true, |there| is_it(&there));
    std::iter::once(base.clone()).chain(numbered).find(free).unwrap_or(base)
}

/// The record of a run that is over, if its folder has one of this spec.
#[must_use]
pub fn finished(folder: &Path, spec: &RunSpec, facts: &DataFacts) -> Option<Record> {
    let bytes = files::read(&folder.join(RESULT), files::NUMBERS, "").ok()?;
    serde_json::from_slice::<Record>(&bytes).ok().filter(|r| spec.is_that_of(&r.spec, facts))
}

/// What the run in a folder was made with, if that is written there.
#[must_use]
pub fn environment(folder: &Path) -> Option<Environment> {
    serde_json::from_slice(&files::read(&folder.join(ENVIRONMENT), files::TEXT, "").ok()?).ok()
}

/// Makes a run in `folder`, from its newest checkpoint if that is of the same spec. None if it was stopped. `warn` hears of
/// what could not be kept.
///
/// # Errors
/// If data cannot be read, the spec cannot be, or the results cannot be written.
pub fn once(
    folder: &Path,
    spec: &RunSpec,
    shared: &Shared<'_>,
    device: Device,
    observer: &mut dyn Observer,
    warn: &mut dyn FnMut(&str),
) -> Result<Option<Record>, RunError> {
    let folder = RunFolder::hold(folder)?;
    let text = spec.to_toml();
    let begun = checkpoint::newest(&folder.file(CHECKPOINTS), warn)?.filter(|(m, _)| m.spec == text);
    let mut environment = Environment { threads: device.threads(), ..shared.environment.clone() };
    match &begun {
        Some((_, left)) => {
            folder.log(&format!("goes on after step {}", left.steps));
            environment.resumed.push(now());
        }
        // States of other settings must not stand beside the metrics of these.
        None => checkpoint::prune(&folder.file(CHECKPOINTS), 0),
    }
    folder.begin(spec, &environment)?;
    let Shared { dataset, facts, keeping, report, .. } = *shared;
    let task = Task { folder: &folder, spec, facts, dataset, device, keeping, report };
    match resume(&task, begun, observer, shared.stop, warn)? {
        End::Finished { record, .. } | End::Diverged { record } => Ok(Some(record)),
        End::Interrupted { .. } => Ok(None),
    }
}
