//! What a comparison is asked for, and one setting of one rule.

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
