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
mod keeping;
mod load;
mod make;
mod names;
mod once;
pub mod view;

pub use environment::{DataFile, Environment, cpu, data_files, now, sha256};
pub use folder::{RunFolder, fresh};
pub use keeping::Keeping;
pub use load::load_model;
pub use make::{End, Task, WriteReport, make, resume};
pub use names::{CHECKPOINTS, ENVIRONMENT, INIT, LOCK, LOG, METRICS, REPORT, RESULT, SPEC, TABLE, is_kept};
pub use once::{Shared, environment, finished, once, place};
pub use view::{StepRow, View};
