//! [`Keeping`]: what is kept of a run.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What is kept of a run, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keeping {
    /// Time between two checkpoints.
    pub every: Duration,
    /// Steps between two checkpoints, instead.
    pub every_steps: Option<u64>,
    /// Checkpoints kept.
    pub last: usize,
    /// Whether the best by validation error is kept beside them.
    pub best: bool,
    /// Whether the state at the end is kept, so that the run can be made longer.
    pub end: bool,
    /// Every so many steps leave a line in the metrics; 0 for none.
    pub log_steps: u64,
}

impl Default for Keeping {
    fn default() -> Self {
        Keeping { every: Duration::from_secs(60), every_steps: None, last: 2, best: true, end: true, log_steps: 0 }
    }
}

impl Keeping {
    /// For runs of which figures and network are wanted in the end: one checkpoint meanwhile.
    pub const OF_MANY: Keeping =
        Keeping { every: Duration::from_secs(60), every_steps: None, last: 1, best: false, end: false, log_steps: 0 };
}
