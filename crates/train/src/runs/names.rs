//! Names of the files of a run.

/// The resolved spec.
pub const SPEC: &str = crate::model::SPEC_FILE;
/// One object an epoch, and some steps.
pub const METRICS: &str = "metrics.jsonl";
/// The epochs as a table.
pub const TABLE: &str = "metrics.csv";
/// Where the run was made.
pub const ENVIRONMENT: &str = "environment.json";
/// What was said.
pub const LOG: &str = "log.txt";
/// States to go on from.
pub const CHECKPOINTS: &str = "checkpoints";
/// The weights a run began with that were not drawn from its seed.
pub const INIT: &str = "init.safetensors";
/// The record, written last.
pub const RESULT: &str = "result.json";
/// All of it for a person.
pub const REPORT: &str = "report.html";
/// Held by the process that works in the folder.
pub const LOCK: &str = "lock";

/// Whether a path leads, through links if need be, to a file that a run keeps: what is written for people or other programs must
/// not take its place.
#[must_use]
pub fn is_kept(path: &std::path::Path) -> bool {
    let Ok(path) = path.canonicalize() else { return false };
    let Some(folder) = path.parent() else { return false };
    let name = path.file_name().unwrap_or_default();
    let known = [SPEC, RESULT, METRICS, TABLE, LOG, INIT, ENVIRONMENT, LOCK, crate::model::FILE];
    let a_run = |at: &std::path::Path| at.join(SPEC).is_file() || at.join(crate::model::FILE).is_file();
    let checkpoint = folder.ancestors().take(2).find(|at| at.file_name().is_some_and(|n| n == CHECKPOINTS));
    (known.iter().any(|k| name == *k) && a_run(folder)) || checkpoint.and_then(|at| at.parent()).is_some_and(a_run)
}
