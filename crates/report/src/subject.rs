//! [`Subject`]: a run with what was found out for its report.

use crate::findings::Findings;
use reclra::{Device, Learner};
use reclra_data::{DataError, Dataset};
use reclra_train::bench::{self, Ceiling, StepTimes};
use reclra_train::model;
use reclra_train::run::{self, RunError};
use reclra_train::runs::{REPORT, View, load_model};
use reclra_train::spec::DataFacts;
use std::path::PathBuf;
use std::time::Duration;

/// How a report is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to compute.
    pub device: Device,
    /// Folder of the data set's files, if not where the run found them.
    pub data_dir: Option<PathBuf>,
    /// How long to time training steps on this machine; not at all without it.
    pub timing: Option<Duration>,
}

/// A run with what was found out for its report.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// What its folder says.
    pub view: &'a View,
    /// What it is called on the page.
    pub title: String,
    /// What the network and the data say, or why they could not be asked.
    pub findings: Result<Findings, String>,
    /// Steps timed on the machine that made the report.
    pub times: Option<StepTimes>,
}

impl<'a> Subject<'a> {
    /// The contents of the folder alone; its network, if there is one, is not loaded.
    #[must_use]
    pub fn bare(view: &'a View) -> Subject<'a> {
        let findings = Err(match view.folder.join(model::FILE).exists() {
            true => format!(
                "no network was loaded for this page. {REPORT} in the folder of each run shows them, and so does a page \
                 made with \u{201c}reclra report RUN RUN\u{201d}."
            ),
            false => format!("{} is not in the folder; the run is {}.", model::FILE, view.standing.name()),
        });
        Subject { view, title: view.name.clone(), findings, times: None }
    }

    /// With the network and the data a caller has at hand: nothing is loaded.
    ///
    /// # Errors
    /// If a sample cannot be read.
    pub fn with(view: &'a View, learner: &mut Learner, dataset: &dyn Dataset) -> Result<Subject<'a>, DataError> {
        Ok(Subject { findings: Ok(Findings::find(learner, dataset)?), ..Subject::bare(view) })
    }

    /// Loads the network and opens the data, if they are there; the report says what is not.
    ///
    /// # Errors
    /// If the network or the data is there and cannot be read.
    pub fn gather(view: &'a View, options: &Options) -> Result<Subject<'a>, RunError> {
        let mut subject = Subject::bare(view);
        if let Some(budget) = options.timing {
            let ceiling = Ceiling::measure(&options.device);
            subject.times = Some(bench::step(&view.spec, &options.device, &ceiling, budget)?);
        }
        if view.folder.join(model::FILE).exists() {
            subject.findings = found(view, options)?;
        }
        Ok(subject)
    }
}

/// What the saved network makes of the test part, or why it cannot be asked.
fn found(view: &View, options: &Options) -> Result<Result<Findings, String>, RunError> {
    let mut model = load_model(&view.folder, options.device.clone())?;
    if model.spec != view.spec {
        return Ok(Err(format!("{} was trained with another spec than {}.", model::FILE, model::SPEC_FILE)));
    }
    let dataset = match run::dataset_of(&view.spec, options.data_dir.as_deref()) {
        Ok(dataset) => dataset,
        Err(e @ DataError::Missing { .. }) => return Ok(Err(format!("{e}."))),
        Err(e) => return Err(e.into()),
    };
    if !DataFacts::of(&*dataset).same_data(&model.facts) {
        let line = "The data found are not those the network was made for; name their folder with --data-dir.";
        return Ok(Err(line.to_owned()));
    }
    Ok(Ok(Findings::find(&mut model.learner, &*dataset)?))
}
