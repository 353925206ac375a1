//! Reading a run folder, whatever became of the run.

use super::environment::Environment;
use super::names::{ENVIRONMENT, LOCK, METRICS, RESULT, SPEC};
use crate::fit::{EpochReport, Layer};
use crate::record::Record;
use crate::run::resolve;
use crate::spec::{DataFacts, RunSpec, Settings};
use reclra_data::files::{self, FileError};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// One logged step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRow {
    /// From 1.
    pub epoch: u64,
    /// Steps since the start of the run.
    pub step: u64,
    /// Mean loss of the batch, before its update.
    pub loss: f64,
    /// Share of the batch classified wrongly.
    pub error: f64,
    /// Total discrepancy.
    pub discrepancy: f64,
    /// Learning rate of the step.
    pub learning_rate: f64,
    /// Each region after the input.
    #[serde(default)]
    pub layers: Vec<Layer>,
}

/// A line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Line {
    /// An epoch.
    Epoch(EpochReport),
    /// A step.
    Step(StepRow),
}

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It came to its end.
    Finished,
    /// Its numbers were no longer finite.
    Diverged,
    /// A process works on it.
    Running,
    /// It can be resumed.
    Interrupted,
    /// It is no run: weights from elsewhere.
    Imported,
}

impl Standing {
    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Standing::Finished => "finished",
            Standing::Diverged => "diverged",
            Standing::Running => "running",
            Standing::Interrupted => "interrupted",
            Standing::Imported => "imported",
        }
    }
}

/// A run folder, read.
#[derive(Clone, Debug)]
pub struct View {
    /// The folder.
    pub folder: PathBuf,
    /// Its name.
    pub name: String,
    /// What became of it.
    pub standing: Standing,
    /// The spec.
    pub spec: RunSpec,
    /// The data it is for.
    pub facts: DataFacts,
    /// Its figures; of a run that is not over, those so far.
    pub record: Record,
    /// Logged steps.
    pub steps: Vec<StepRow>,
    /// Where it was made, if that was written down.
    pub environment: Option<Environment>,
}

const REMEDY: &str = "name a folder that `reclra train` has written";

fn bad(path: &Path, what: String) -> FileError {
    FileError { path: path.to_owned(), what, remedy: REMEDY }
}

/// Names of run folders by which they are told apart: of each path as many of its last parts as no other one ends in.
#[must_use]
pub fn distinct_names(folders: &[&Path]) -> Vec<String> {
    let parts: Vec<Vec<_>> = folders.iter().map(|f| f.components().map(|c| c.as_os_str()).collect()).collect();
    let name = |n: usize| {
        let own = &parts[n];
        let suffix = |n: usize| own[own.len() - n..].iter().collect::<PathBuf>().display().to_string();
        let alone = |length: &usize| {
            let end = &own[own.len() - length..];
            parts.iter().enumerate().all(|(other, p)| other == n || !p.ends_with(end))
        };
        let name = (1..=own.len()).find(alone).map_or_else(|| folders[n].display().to_string(), suffix);
        if name.is_empty() { folders[n].display().to_string() } else { name }
    };
    (0..folders.len()).map(name).collect()
}

/// Reads a run folder.
///
/// # Errors
/// Names the file that is missing or damaged. A last line of the metrics that was cut off is no damage.
pub fn read(folder: &Path) -> Result<View, FileError> {
    files::no_file(folder, REMEDY)?;
    let path = folder.join(SPEC);
    let text = text(&path)?.ok_or_else(|| FileError::io(&path, &ErrorKind::NotFound.into(), REMEDY))?;
    let environment: Option<Environment> = json(&folder.join(ENVIRONMENT))?;
    let settings = Settings::parse(&text, SPEC)
        .map_err(|e| {
            // The path names the file already.
            let line = e.to_string();
            bad(&path, line.strip_prefix(SPEC).unwrap_or(&line).trim_start_matches([',', ':', ' ']).to_owned())
        })?
        .kept();
    let (spec, facts) = match environment.as_ref().and_then(|e| e.facts.clone()) {
        Some(facts) if !facts.sound() => {
            return Err(bad(&folder.join(ENVIRONMENT), "is damaged (its data set cannot be)".to_owned()));
        }
        Some(facts) => (RunSpec::resolve(&settings, &facts).map_err(|e| bad(&path, e.to_string()))?, facts),
        None => resolve(&settings).map_err(|e| bad(&path, e.to_string()))?,
    };
    let (epochs, steps) = metrics(&folder.join(METRICS))?;
    let result: Option<Record> = json(&folder.join(RESULT))?;
    // One that was emptied or cut reads as a spec of defaults.
    if settings.keys().next().is_none() {
        return Err(bad(&path, "is empty".to_owned()));
    }
    if result.as_ref().is_some_and(|r| !spec.is_that_of(&r.spec, &facts)) {
        return Err(bad(&path, format!("is not the spec of {RESULT}: one of them was changed")));
    }
    let standing = match &result {
        Some(r) if r.failed.is_some() => Standing::Diverged,
        Some(_) => Standing::Finished,
        None if locked(folder) => Standing::Running,
        None if environment.is_none() && folder.join(crate::model::FILE).exists() => Standing::Imported,
        None => Standing::Interrupted,
    };
    let record = match result {
        Some(record) => record,
        None => Record::unfinished(&spec, epochs).map_err(|e| bad(&path, e.to_string()))?,
    };
    let name = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = name.file_name().map_or_else(|| folder.display().to_string(), |n| n.to_string_lossy().into_owned());
    Ok(View { folder: folder.to_owned(), name, standing, spec, facts, record, steps, environment })
}

/// Whether a process holds the folder.
#[must_use]
pub fn locked(folder: &Path) -> bool {
    let held = |file: fs::File| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock));
    fs::File::open(folder.join(LOCK)).is_ok_and(held)
}

/// A JSON file, if it is there.
fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, FileError> {
    let parsed = |text: String| serde_json::from_str(&text).map_err(|e| bad(path, format!("is damaged ({e})")));
    text(path)?.map(parsed).transpose()
}

/// The text of a file, if it is there.
fn text(path: &Path) -> Result<Option<String>, FileError> {
    match files::read(path, files::NUMBERS, REMEDY) {
        Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|_| bad(path, "is no text in UTF-8".to_owned())),
        Err(e) if e.missing() => Ok(None),
        Err(e) => Err(e),
    }
}

/// Epochs and steps of a metrics file; none if there is none.
fn metrics(path: &Path) -> Result<(Vec<EpochReport>, Vec<StepRow>), FileError> {
    let text = text(path)?.unwrap_or_default();
    let (mut epochs, mut steps) = (Vec::new(), Vec::new());
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    for (n, line) in whole.lines().enumerate() {
        match serde_json::from_str(line) {
            Ok(Line::Epoch(e)) => epochs.push(e),
            Ok(Line::Step(s)) => steps.push(s),
            Err(e) => return Err(bad(path, format!("line {} is damaged ({e})", n + 1))),
        }
    }
    Ok((epochs, steps))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_one_name_are_told_apart_by_the_fewest_parts_of_their_paths() {
        let names = |all: &[&str]| distinct_names(&all.iter().map(Path::new).collect::<Vec<_>>());
        assert_eq!(names(&["runs/a", "runs/b"]), ["a", "b"]);
        assert_eq!(
            names(&["runs/c/rec-lra/seed-0", "runs/c/backprop/seed-0", "runs/c/backprop/seed-1"]),
            ["rec-lra/seed-0", "backprop/seed-0", "seed-1"]
        );
        assert_eq!(
            names(&["x/c/a/seed-0", "y/c/a/seed-0", "y/c/b/seed-0"]),
            ["x/c/a/seed-0", "y/c/a/seed-0", "b/seed-0"]
        );
        // One path is the end of the other; the same folder named twice.
        assert_eq!(names(&["a/seed-0", "x/a/seed-0"]), ["a/seed-0", "x/a/seed-0"]);
        assert_eq!(names(&["a/s", "a/s"]), ["a/s", "a/s"]);
        assert_eq!(names(&[".", "a"]), [".", "a"]);
    }
}
