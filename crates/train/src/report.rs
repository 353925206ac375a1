//! A report: one HTML file about one run or several that a person reads without anything else, on paper too. Nothing in it
//! comes from elsewhere: styles, script and pictures are inside.
//!
//! A section is one file of `report/`; it is given the runs and gives the markup, and knows nothing of the others.

mod chart;
mod claims;
mod confusion;
mod curves;
mod drawing;
mod findings;
mod groups;
mod layers;
mod means;
mod network;
mod page;
mod pictures;
mod png;
mod preparation;
mod scale;
mod spec;
mod summary;
mod timing;
mod words;

pub use drawing::picture;
pub use findings::{Findings, Mistake};

use crate::bench::{self, Ceiling, StepTimes};
use crate::model;
use crate::run::{self, RunError};
use crate::runs::view::{self, distinct_names};
use crate::runs::{REPORT, View, load_model};
use crate::spec::DataFacts;
use reclra::{Device, Learner};
use reclra_data::files::{FileError, write_atomically};
use reclra_data::{DataError, Dataset};
use std::path::{Path, PathBuf};
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

/// The report of one run or several.
///
/// # Errors
/// As [`Subject::gather`].
pub fn html(views: &[View], options: &Options) -> Result<String, RunError> {
    let subjects: Result<Vec<_>, _> = views.iter().map(|v| Subject::gather(v, options)).collect();
    Ok(render(&subjects?))
}

/// The page about runs that have been looked into.
#[must_use]
pub fn render(subjects: &[Subject<'_>]) -> String {
    let mut subjects = subjects.to_vec();
    let titles: Vec<String> = subjects.iter().map(|s| s.title.clone()).collect();
    let paths: Vec<&Path> = subjects.iter().map(|s| s.view.folder.as_path()).collect();
    let names = distinct_names(&paths);
    for (subject, name) in subjects.iter_mut().zip(names) {
        // Folders of one name are told apart by their paths.
        if titles.iter().filter(|t| **t == subject.title).count() > 1 {
            subject.title = name;
        }
    }
    page::page(&subjects).into_string()
}

/// Writes the report of a run into its folder, with the network and the data at hand: nothing is loaded twice.
///
/// # Errors
/// If a sample cannot be read or the file cannot be written.
pub fn write(view: &View, learner: &mut Learner, dataset: &dyn Dataset) -> Result<PathBuf, RunError> {
    let path = view.folder.join(REPORT);
    save(&path, &render(&[Subject::with(view, learner, dataset)?]), false)?;
    Ok(path)
}

/// Writes the report of a run that is over into its folder: what [`crate::runs::WriteReport`] asks for.
///
/// # Errors
/// If the folder or a sample cannot be read, or the file cannot be written.
pub fn write_at_end(folder: &Path, judged: Option<(&mut Learner, &dyn Dataset)>) -> Result<PathBuf, RunError> {
    let view = view::read(folder)?;
    match judged {
        Some((learner, dataset)) => write(&view, learner, dataset),
        None => {
            let path = folder.join(REPORT);
            save(&path, &render(&[Subject::bare(&view)]), true)?;
            Ok(path)
        }
    }
}

/// Writes a report. A file that is there must be a report too, unless `overwrite` says that it may go.
///
/// # Errors
/// Names the file.
pub fn save(path: &Path, html: &str, overwrite: bool) -> Result<(), FileError> {
    replaceable(path, overwrite)?;
    write_atomically(path, html.as_bytes())
}

/// Whether a report may be written there.
///
/// # Errors
/// Names the file that is no report and would be lost.
pub fn replaceable(path: &Path, overwrite: bool) -> Result<(), FileError> {
    let bad = |what: &str, remedy| Err(FileError { path: path.to_owned(), what: what.to_owned(), remedy });
    if path.is_dir() {
        return bad("is a folder", "name a file with --out");
    }
    if crate::runs::is_kept(path) {
        return bad("is a file that a run keeps", "name another file with --out");
    }
    if path.parent().is_some_and(|p| !p.as_os_str().is_empty() && !p.is_dir()) {
        return bad("its folder is not there", "make it, or name another file with --out");
    }
    if std::fs::metadata(path).is_ok_and(|m| !m.is_file()) {
        return bad("is a device, a pipe or a socket, where a file belongs", "name another file with --out");
    }
    let there = match std::fs::read(path) {
        Ok(bytes) => bytes,
        // Nothing there; what cannot be read is left to the writing to report.
        Err(_) => return Ok(()),
    };
    let head = String::from_utf8_lossy(&there[..there.len().min(1024)]).into_owned();
    if overwrite || head.contains(page::MARK) {
        return Ok(());
    }
    bad("is there and is no report of reclra", "name another file with --out, or add --overwrite")
}

#[cfg(test)]
pub(crate) mod tests;
