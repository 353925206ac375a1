//! Comparisons: rules times settings times seeds or folds, each run in a folder of its own, with tables and plots.
//!
//! A comparison is planned before anything runs ([`plan`]): settings that belong to one rule go to that rule alone, and
//! what a rule refuses is a row that says so. Where a rule has several settings, they are first tried on seeds of their own
//! and judged by validation error alone; the best of each rule is then run with the seeds that are reported. Finished runs are
//! found again by their spec, so that an interrupted comparison goes on where it was.

mod plan;
mod results;
mod store;
mod table;

pub use plan::{MOST_SEEDS, Plan, plan};
pub use results::{Results, TABLE, replaceable};
pub use store::{CompareError, Watch, run};
pub use table::{Row, rows, tried_rows};

use crate::runs;
use crate::spec::{DataFacts, RunSpec, Settings};
use std::path::{Path, PathBuf};
use toml::Value;

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Settings of all runs.
    pub base: Settings,
    /// The rules; the others are tested against the first.
    pub rules: Vec<String>,
    /// Keys and the values each takes, for every rule that has the key.
    pub grid: Vec<(String, Vec<Value>)>,
    /// Number of settings of each rule to be tried from the values that are worth trying; none without tuning.
    pub tune: Option<usize>,
    /// Number of seeds that are reported: the one of the settings and those after it.
    pub seeds: u64,
    /// Number of folds of each seed, for cross-validation.
    pub folds: Option<usize>,
    /// Number of seeds on which settings are tried. None of them is reported.
    pub tuning_seeds: u64,
}

impl Request {
    /// The first seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.base.get("seed").and_then(Value::as_integer).map_or(0, |s| s.max(0) as u64)
    }
}

/// The folder, in that of a comparison, of the runs on which settings were tried.
pub const TRIED: &str = "settings-tried";

/// True of the folder of a run on which a comparison tried a setting: no result of it is reported.
#[must_use]
pub fn is_tried(run: &Path) -> bool {
    run.ancestors().nth(2).and_then(Path::file_name).is_some_and(|name| name == TRIED)
}

/// The specs of the runs that a comparison in a folder reports, in the order of its table; none where there is no table.
#[must_use]
pub fn reported(folder: &Path) -> Vec<String> {
    let told = results::told(folder).unwrap_or_default();
    let runs =
        told["rows"].as_array().into_iter().flatten().flat_map(|row| row["runs"].as_array().into_iter().flatten());
    runs.filter_map(|run| run["spec"].as_str().map(str::to_owned)).collect()
}

/// One setting of one rule: a row of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The rule.
    pub rule: String,
    /// What sets it apart from the rule's other trials, `optim.lr=1e-3` say; empty if there is one only.
    pub label: String,
    /// The resolved spec of each seed and fold, or why the rule refuses.
    pub specs: Result<Vec<RunSpec>, String>,
}

impl Trial {
    /// Rule and label.
    #[must_use]
    pub fn name(&self) -> String {
        if self.label.is_empty() { self.rule.clone() } else { format!("{} {}", self.rule, self.label) }
    }

    /// Name of its folder.
    #[must_use]
    pub fn folder(&self) -> String {
        let kept = |c: char| if c.is_ascii_alphanumeric() || "-_.=".contains(c) { c } else { '_' };
        self.name().chars().map(kept).collect()
    }

    /// The specs of its runs; none if the rule refuses.
    #[must_use]
    pub fn runs(&self) -> &[RunSpec] {
        self.specs.as_deref().unwrap_or_default()
    }

    /// The folders of its runs, below that of the comparison.
    #[must_use]
    pub fn folders(&self, comparison: &Path, facts: &DataFacts) -> Vec<PathBuf> {
        let parent = comparison.join(self.folder());
        self.runs().iter().map(|spec| runs::place(&parent, spec, |there| spec.is_that_of(there, facts))).collect()
    }
}

#[cfg(test)]
mod tests;
