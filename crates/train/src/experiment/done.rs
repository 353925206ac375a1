//! What came of a run of an experiment, and where it was made.

use crate::record::Record;
use crate::runs::Environment;
use serde::{Deserialize, Serialize};

/// What came of one run with one seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// Name of the run.
    pub name: String,
    /// Program and machine that made it; none of what was made before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<String>,
    /// The figures.
    #[serde(flatten)]
    pub record: Record,
}

/// Where results come from, for their heading.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Version and commit of the program.
    pub version: String,
    /// Processor, threads, instruction set.
    pub description: String,
    /// Threads to compute with.
    pub threads: usize,
}

impl Machine {
    /// That of a run's folder.
    pub(super) fn of(environment: &Environment) -> Machine {
        let Environment { version, commit, threads, .. } = environment;
        let version = if commit.is_empty() { version.clone() } else { format!("{version} ({commit})") };
        Machine { version, description: environment.machine(), threads: *threads }
    }

    /// Program and machine in a line.
    pub(super) fn origin(&self) -> String {
        format!("reclra {}, on {}", self.version, self.description)
    }
}
