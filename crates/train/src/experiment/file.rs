//! [`Experiment`]: what an experiment's file says.

use super::run::{Choose, Run};
use crate::columns::Columns;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What an experiment's file says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Heading of the results.
    pub title: String,
    /// What it shows.
    pub about: String,
    /// Where the protocol is not the paper's, and why.
    #[serde(default)]
    pub differs: String,
    /// What this program lacks for it, if it cannot be made yet.
    #[serde(default)]
    pub needs: String,
    /// Each run is made with each of these.
    #[serde(default)]
    pub seeds: Vec<u64>,
    /// Whether the validation error by epoch is drawn, all runs in one picture.
    #[serde(default)]
    pub plot: bool,
    /// Columns of the table beside errors: `accuracy`, `top5`, `f1`, `precision`, `recall`, `memory`.
    #[serde(default)]
    pub columns: Columns,
    /// The preset of all runs that name none themselves.
    #[serde(default)]
    pub preset: String,
    /// The network whose test part is shown: that of the last epoch, or that of the epoch chosen on the validation part.
    #[serde(default)]
    pub choose: Choose,
    /// The run to which the time of the others is compared; without one the table has no times.
    #[serde(default)]
    pub relative_to: String,
    /// Whether the top hidden region of all networks is drawn as a map by t-SNE.
    #[serde(default)]
    pub embed: bool,
    /// Settings over those of the runs with `--quick`.
    #[serde(default)]
    pub quick: BTreeMap<String, toml::Value>,
    /// The runs.
    #[serde(default)]
    pub run: Vec<Run>,
}

impl Experiment {
    /// The same in minutes: one seed, and the settings meant for it, which are no reproduction of anything.
    #[must_use]
    pub fn quickly(mut self) -> Experiment {
        self.title = format!("{} (quick: the same pipeline in little time; no reproduction)", self.title);
        let quick: Vec<String> = self.quick.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        let settings = [quick, vec!["one seed".to_owned()]].concat().join(", ");
        self.about = format!("{} Not so here, where all runs have {settings}.", self.about);
        self.seeds.truncate(1);
        // What the experiment says of its own settings is not true of these.
        self.differs.clear();
        for run in &mut self.run {
            run.set.extend(self.quick.clone());
            (run.claimed, run.at_most, run.at_least) = (None, None, None);
            run.goal.clear();
            run.differs = format!("made with --quick: {settings}; it is compared with no figure of the paper");
        }
        self
    }
}
