//! Run folders: all that one needs of a run, in files that a person and a program can read.
//!
//! | file | what it holds |
//! |---|---|
//! | `spec.toml` | the resolved spec; `reclra train spec.toml` makes the same run again |
//! | `metrics.jsonl` | one object an epoch and, if asked for, every so many steps |
//! | `metrics.csv` | the epochs again, as a table |
//! | `environment.json` | program, commit, machine, command, hashes of the data |
//! | `log.txt` | what was said, with times |
//! | `init.safetensors` | the weights it began with, if they were not drawn from the seed |
//! | `checkpoints/` | states to go on from, the last ones and the best |
//! | `result.json` | the whole record, written last: a run that has it is over |
//! | `model.safetensors` | the trained network |
//! | `report.html` | all of it for a person |
//! | `lock` | held by the process that works in the folder |

pub mod checkpoint;
pub mod environment;
mod folder;
mod keeper;
mod load;
mod make;
mod once;
pub mod view;

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

pub use environment::{DataFile, Environment, cpu, data_files, now, sha256};
pub use folder::{RunFolder, fresh};
pub use keeper::Keeping;
pub use load::load_model;
pub use make::{End, Task, WriteReport, make, resume};
pub use once::{Shared, environment, finished, once, place};
pub use view::{StepRow, View};

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
