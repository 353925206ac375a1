//! One run of many, in a folder of its own: read if it is over, gone on with if it was begun, else made.

use super::checkpoint;
use super::make::{End, MakeError, Task, make_from};
use super::{CHECKPOINTS, Environment, Keeping, RESULT, RunFolder};
use crate::data::Dataset;
use crate::fit::{Observer, Start};
use crate::record::Record;
use crate::spec::{DataFacts, RunSpec};
use reclra::Device;
use std::path::Path;
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
}

impl Keeping {
    /// For runs of which figures and network are wanted in the end: one checkpoint meanwhile.
    pub const OF_MANY: Keeping = Keeping {
        every: std::time::Duration::from_secs(60),
        every_steps: None,
        last: 1,
        best: false,
        end: false,
        log_steps: 0,
    };
}

/// The record of a run that is over, if its folder has one of this spec.
#[must_use]
pub fn finished(folder: &Path, spec: &RunSpec) -> Option<Record> {
    let bytes = std::fs::read(folder.join(RESULT)).ok()?;
    serde_json::from_slice::<Record>(&bytes).ok().filter(|r| r.spec == spec.to_toml())
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
) -> Result<Option<Record>, MakeError> {
    let folder = RunFolder::hold(folder)?;
    let text = spec.to_toml();
    let begun = checkpoint::newest(&folder.file(CHECKPOINTS), warn).filter(|(_, m, _)| m.spec == text);
    let mut environment = Environment { threads: device.threads(), ..shared.environment.clone() };
    let (start, bytes) = match begun {
        Some((_, manifest, left)) => {
            folder.log(&format!("goes on after step {}", left.steps));
            environment.resumed.push(super::now());
            (Start::Kept(Box::new(left)), manifest.metrics_bytes)
        }
        None => {
            // States of other settings must not stand beside the metrics of these.
            checkpoint::prune(&folder.file(CHECKPOINTS), 0);
            (Start::Fresh, 0)
        }
    };
    folder.begin(spec, &environment)?;
    let Shared { dataset, facts, keeping, .. } = *shared;
    let task = Task { folder: &folder, spec, facts, dataset, device, keeping };
    match make_from(&task, start, bytes, observer, shared.stop, warn)? {
        End::Finished { record, .. } | End::Diverged { record } => Ok(Some(record)),
        End::Interrupted { .. } => Ok(None),
    }
}
