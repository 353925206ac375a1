//! The results of a comparison in files: Markdown for people, CSV for spreadsheets, JSON for programs, plots.

use super::plan::Plan;
use super::rows::{Row, list, settings};
use super::store::CompareError;
use super::trial::Trial;
use crate::columns::Columns;
use crate::experiment::Machine;
use crate::record::{Record, Seeds, deviation, mean};
use crate::run::RunError;
use crate::spec::{DataFacts, RunSpec};
use reclra_data::files::{self, FileError, write_atomically};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What came of a comparison, and how it is shown.
#[derive(Clone, Copy, Debug)]
pub struct Results<'a> {
    /// The rows that are reported, the first of them the reference.
    pub rows: &'a [Row],
    /// The settings that were tried to choose them; none where nothing was chosen.
    pub tried: &'a [Row],
    /// The validation error, in percent, up to which time is counted.
    pub target: f64,
    /// Columns beside those that a table always has.
    pub columns: &'a Columns,
    /// Runs made at a time.
    pub jobs: usize,
}

/// What each line of the CSV is about.
const HEAD: &str = "rule,setting,chosen,seed,train_error_percent,validation_error_percent,test_error_percent,epochs,\
                    seconds_per_epoch,seconds_to_target,parameters,rule_parameters,test_top5_error_percent,test_f1_percent,\
                    test_precision_percent,test_recall_percent,peak_memory_bytes,stage,fold,p_value,note\n";

/// Keys of the spec that a table states of all rows.
const STATED: [&str; 5] = ["train.epochs", "train.batch", "optim.name", "optim.lr", "optim.schedule"];

impl Results<'_> {
    /// The number of folds, in cross-validation.
    #[must_use]
    pub fn folds(&self) -> Option<usize> {
        let folds = self.rows.iter().flat_map(|r| r.trial.runs()).find_map(|s| s.data.fold)?.of;
        // Not a single one that the settings of all runs name.
        let parts = |t: &Trial| t.runs().iter().map(|s| s.data.fold.map(|f| f.part)).collect::<Vec<_>>();
        let whole: Vec<Option<usize>> = (1..=folds).map(Some).collect();
        self.rows.iter().all(|r| r.trial.specs.is_err() || parts(&r.trial) == whole).then_some(folds)
    }

    /// Data, seeds and what the errors are, in sentences.
    #[must_use]
    pub fn heading(&self) -> String {
        let specs: Vec<&RunSpec> = self.rows.iter().flat_map(|r| r.trial.runs()).collect();
        let mut seeds: Vec<u64> = specs.iter().map(|s| s.seed).collect();
        seeds.sort_unstable();
        seeds.dedup();
        let data = specs.first().map_or("", |s| s.data.name.as_str());
        let runs = self.rows.iter().map(|r| r.trial.runs().len()).max().unwrap_or(0);
        let over = match (self.folds(), runs) {
            (Some(folds), _) => format!("over the {folds} folds that the training part is cut into"),
            (None, 0 | 1) => "of one run a row, so that there is no deviation".to_owned(),
            _ => "over the seeds".to_owned(),
        };
        let figures = match (self.folds(), runs) {
            (None, 0 | 1) => format!("Figures {over}."),
            _ => format!("Mean and standard deviation {over}."),
        };
        format!("Data {data}, {}. {figures}", list("seed", &seeds))
    }

    /// One line a run, with a heading. Of settings that were tried there is no test error.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut text = String::from(HEAD);
        let quoted = |s: &str| format!("\"{}\"", s.replace('"', "\"\""));
        let number = |v: Option<f64>| v.map_or(String::new(), |v| format!("{v:.4}"));
        for (stage, row) in self.staged() {
            let (rule, label, chosen) = (&row.trial.rule, quoted(&row.trial.label), row.chosen);
            let p = match stage {
                REPORT => self.against_first(row).ok().filter(|_| !self.is_first(row)),
                _ => None,
            };
            let p = p.map_or(String::new(), |t| format!("{:.6}", t.p));
            for (r, spec) in row.records.iter().zip(row.trial.runs()) {
                let tested =
                    |of: fn(&Record) -> Option<f64>| if stage == REPORT { number(of(r)) } else { String::new() };
                let _ = writeln!(
                    text,
                    "{rule},{label},{chosen},{},{},{},{},{},{:.4},{},{},{},{},{},{},{},{},{stage},{},{p},{}",
                    r.seed,
                    number(r.train_error()),
                    number(r.validation_error()),
                    tested(Record::test_error),
                    r.epochs.len(),
                    r.epoch_seconds(),
                    number(r.seconds_to(self.target)),
                    r.parameters,
                    r.own_parameters,
                    tested(Record::top5_error),
                    tested(Record::f1),
                    tested(Record::precision),
                    tested(Record::recall),
                    r.peak_memory.map_or(String::new(), |b| b.to_string()),
                    spec.data.fold.map_or(String::new(), |f| f.to_string()),
                    quoted(r.failed.as_deref().unwrap_or_default()),
                );
            }
            if row.records.is_empty() {
                let _ = writeln!(text, "{rule},{label},{chosen},,,,,0,,,,,,,,,,{stage},,{p},{}", quoted(&row.note()));
            }
        }
        text
    }

    fn staged(&self) -> impl Iterator<Item = (&'static str, &Row)> {
        let tried = self.tried.iter().map(|r| (TRIAL, r));
        self.rows.iter().map(|r| (REPORT, r)).chain(tried)
    }

    fn is_first(&self, row: &Row) -> bool {
        self.rows.first().is_some_and(|first| std::ptr::eq(first, row))
    }

    /// Everything, epochs included.
    #[must_use]
    pub fn json(&self) -> Value {
        let first = self.rows.first().filter(|_| self.rows.len() > 1).map(|r| r.trial.name());
        json!({
            "reference": first,
            "settings": settings(self.rows),
            "folds": self.folds(),
            "target_percent": self.target,
            "rows": self.rows.iter().map(|row| self.row(row)).collect::<Vec<_>>(),
            "trials": self.tried.iter().map(tried).collect::<Vec<_>>(),
        })
    }

    fn row(&self, row: &Row) -> Value {
        let against = match self.against_first(row) {
            _ if self.is_first(row) => Value::Null,
            Ok(t) => {
                json!({ "pairs": t.pairs, "difference_percent": t.difference, "t": t.t, "p": t.p, "why_not": null })
            }
            Err(why) => json!({ "p": null, "why_not": why.reason(self.unit()) }),
        };
        let (reached, why) = match row.seconds_to(self.target) {
            Ok(seconds) => (Some(seconds), None),
            Err(why) => (None, Some(if why.is_empty() { row.note() } else { why })),
        };
        let stated = row.trial.runs().first().map(|spec| {
            let mut all = serde_json::Map::new();
            all.insert("network".to_owned(), spec.network().into());
            all.extend(STATED.map(|k| (k.to_owned(), json!(spec.value(k)))));
            all
        });
        json!({
            "rule": row.trial.rule, "setting": row.trial.label, "chosen": row.chosen, "note": row.note(),
            "settings": stated, "against_reference": against,
            "train_error_percent": figures(row, Record::train_error),
            "validation_error_percent": figures(row, Record::validation_error),
            "test_error_percent": figures(row, Record::test_error),
            "test_top5_error_percent": figures(row, Record::top5_error), "test_f1_percent": figures(row, Record::f1),
            "test_precision_percent": figures(row, Record::precision), "test_recall_percent": figures(row, Record::recall),
            "peak_memory_bytes": mean(&row.values(|r| r.peak_memory.map(|b| b as f64))),
            "seconds_per_epoch": row.epoch_seconds(), "seconds_to_target": reached, "why_no_seconds_to_target": why,
            "runs": row.records,
        })
    }

    /// What the plots of the errors show: a line for each row that has runs.
    #[must_use]
    pub fn series(&self) -> Vec<Seeds<'_>> {
        let made = self.rows.iter().filter(|row| !row.records.is_empty());
        made.map(|row| (row.trial.name(), row.records.iter().collect())).collect()
    }

    /// Writes `compare.json`, `.md`, `.csv` and the plots, by epoch and by time, into `folder`. Their paths, in the order in which they were written.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(
        &self,
        folder: &Path,
        machine: &Machine,
        [by_epoch, by_time]: &[String; 2],
    ) -> Result<Vec<PathBuf>, CompareError> {
        let tried = self.tried();
        let trials = if tried.is_empty() { tried } else { format!("\n## Settings tried\n\n{tried}") };
        let text = format!(
            "# Comparison\n\n{} Made by reclra {}, on {}.\n\n{}\n![validation error by epoch](error-by-epoch.svg)\n\n\
             ![validation error by time](error-by-time.svg)\n{trials}",
            self.heading(),
            machine.version,
            machine.description,
            self.markdown()
        );
        let json = serde_json::to_vec_pretty(&self.json()).unwrap_or_default();
        let mut paths = Vec::new();
        let csv = self.csv();
        let contents = [text.as_bytes(), csv.as_bytes(), &json, by_epoch.as_bytes(), by_time.as_bytes()];
        // The one that says which runs all tell of comes first: else one who is killed in between finds them another's.
        let (told, others) = FILES.into_iter().zip(contents).partition::<Vec<_>, _>(|(name, _)| *name == TABLE);
        for (name, bytes) in told.into_iter().chain(others) {
            let path = folder.join(name);
            write_atomically(&path, bytes).map_err(RunError::from)?;
            paths.push(path);
        }
        Ok(paths)
    }
}

/// The stages of a run in the CSV: those that are reported, and those on which settings are tried.
const REPORT: &str = "report";
const TRIAL: &str = "trial";

fn figures(row: &Row, of: fn(&Record) -> Option<f64>) -> Value {
    json!({ "mean": mean(&row.values(of)), "deviation": deviation(&row.values(of)) })
}

/// A setting that was tried, without what its runs came to on the test part.
fn tried(row: &Row) -> Value {
    json!({
        "rule": row.trial.rule, "setting": row.trial.label, "chosen": row.chosen, "note": row.note(),
        "validation_error_percent": figures(row, Record::validation_error),
        "runs": row.records.iter().map(Record::untested).collect::<Vec<_>>(),
    })
}

/// The files of a comparison, beside the folders of its runs.
const FILES: [&str; 5] = ["compare.md", "compare.csv", "compare.json", "error-by-epoch.svg", "error-by-time.svg"];

/// The one of them that tells of the runs for a program to read.
pub const TABLE: &str = "compare.json";

/// What `compare.json` in a folder says; none if it is not there or is none.
pub(super) fn told(folder: &Path) -> Option<Value> {
    let bytes = files::read(&folder.join(TABLE), files::NUMBERS, "").ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Checks that the files of a plan may take the place of those in `folder`: nothing is lost where every run that these tell of
/// is one of the plan's, as after an interruption or with more seeds.
///
/// # Errors
/// Names the file that would be lost.
pub fn replaceable(folder: &Path, plan: &Plan, facts: &DataFacts) -> Result<(), FileError> {
    let Some(there) = FILES.iter().map(|f| folder.join(f)).find(|p| p.exists()) else { return Ok(()) };
    let told = told(folder);
    let parts = match &told {
        Some(all) if all["rows"].is_array() => vec![&all["rows"], &all["trials"]],
        _ => Vec::new(),
    };
    let rows = parts.iter().flat_map(|p| p.as_array().into_iter().flatten());
    let mut specs = rows.flat_map(|r| r["runs"].as_array().into_iter().flatten()).map(|run| run["spec"].as_str());
    let planned: Vec<(String, &RunSpec)> = plan.runs().map(|spec| (spec.to_toml(), spec)).collect();
    let ours = |there: &str| {
        planned.iter().any(|(text, _)| text == there) || planned.iter().any(|(_, spec)| spec.is_that_of(there, facts))
    };
    if !parts.is_empty() && specs.all(|there| there.is_some_and(ours)) {
        return Ok(());
    }
    let what = "is there and tells of other runs, which would be lost".to_owned();
    Err(FileError { path: there, what, remedy: "name another folder with --out or add --overwrite" })
}
