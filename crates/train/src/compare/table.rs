//! The results of a comparison as a table for people (Markdown), for spreadsheets (CSV) and for programs (JSON).

use super::Trial;
use super::store::CompareError;
use crate::columns::{Column, Columns};
use crate::experiment::Machine;
use crate::files::{self, FileError, write_atomically};
use crate::plot;
use crate::record::{Record, deviation, mean};
use crate::run::RunError;
use crate::spec::RunSpec;
use crate::spec::keys::KEYS;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A trial with what came of it.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was tried.
    pub trial: Trial,
    /// One record a seed; none if the rule refused.
    pub records: Vec<Record>,
    /// Whether it has the lowest mean validation error of its rule's trials.
    pub chosen: bool,
}

impl Row {
    /// One figure of each seed.
    fn values(&self, of: impl Fn(&Record) -> Option<f64>) -> Vec<Option<f64>> {
        self.records.iter().map(of).collect()
    }

    /// Mean validation error in percent; none if there is none, or a seed did not come to its end.
    #[must_use]
    pub fn validation(&self) -> Option<f64> {
        mean(&self.values(Record::validation_error))
    }

    /// Seconds an epoch, mean over the seeds.
    fn epoch_seconds(&self) -> Option<f64> {
        mean(&self.values(|r| (!r.epochs.is_empty()).then(|| r.epoch_seconds())))
    }

    /// Why figures are missing, and what is to be known of those that are there.
    #[must_use]
    pub fn note(&self) -> String {
        if let Err(why) = &self.trial.specs {
            return format!("refused: {why}");
        }
        let failed: Vec<&Record> = self.records.iter().filter(|r| r.failed.is_some()).collect();
        let mut notes = Vec::new();
        if let [first, ..] = failed[..] {
            let why = first.failed.as_deref().unwrap_or_default();
            notes.push(format!("diverged ({} of {}): {why}", failed.len(), self.records.len()));
        }
        notes.extend(self.records.first().into_iter().flat_map(|r| r.warnings.clone()));
        notes.join("; ")
    }
}

/// Puts trials and records together, and marks the best of each rule by mean validation error.
#[must_use]
pub fn rows(trials: Vec<Trial>, records: Vec<Vec<Record>>) -> Vec<Row> {
    let mut rows: Vec<Row> =
        trials.into_iter().zip(records).map(|(trial, records)| Row { trial, records, chosen: false }).collect();
    for n in 0..rows.len() {
        let rivals = rows.iter().filter(|r| r.trial.rule == rows[n].trial.rule);
        let best = rivals.filter_map(Row::validation).fold(f64::INFINITY, f64::min);
        // Of equals the first.
        let earlier = rows[..n].iter().any(|r| r.chosen && r.trial.rule == rows[n].trial.rule);
        rows[n].chosen = !earlier && rows[n].validation() == Some(best);
    }
    rows
}

/// The chosen trial of each rule: all of them in one picture would hide each other.
fn shown(rows: &[Row]) -> Vec<plot::Seeds<'_>> {
    let alone = |row: &Row| rows.iter().filter(|o| o.trial.rule == row.trial.rule).count() == 1;
    let picked = rows.iter().filter(|row| (alone(row) || row.chosen) && !row.records.is_empty());
    picked.map(|row| (row.trial.name(), row.records.iter().collect())).collect()
}

/// What sets the rows apart beside rule and label: keys of all rules that the rule at hand has another default for, as
/// `key = value` for each row.
fn own_defaults(rows: &[Row]) -> Vec<Vec<String>> {
    let specs: Vec<_> = rows.iter().map(|r| r.trial.specs.as_ref().ok().and_then(|s| s.first())).collect();
    let varied = |key: &str| rows.iter().any(|r| r.trial.label.contains(&format!("{key}=")));
    let shared = KEYS.iter().filter(|k| k.rules.is_empty() && k.path != "rule.name" && !varied(k.path));
    let mut notes = vec![Vec::new(); rows.len()];
    for key in shared {
        let values: Vec<Option<&toml::Value>> = specs.iter().map(|s| s.and_then(|s| s.value(key.path))).collect();
        let count = |v: &Option<&toml::Value>| values.iter().filter(|o| *o == v).count();
        let usual = values.iter().flatten().max_by_key(|v| count(&Some(**v)));
        for (note, value) in notes.iter_mut().zip(&values) {
            if let (Some(value), Some(usual)) = (value, usual)
                && value != usual
            {
                note.push(format!("{} = {value}, not {usual}, by this rule's default", key.path));
            }
        }
    }
    notes
}

/// A mean with its deviation over the seeds.
fn spread(values: &[Option<f64>], digits: usize) -> String {
    match (mean(values), deviation(values)) {
        (Some(m), Some(d)) => format!("{m:.digits$} ± {d:.digits$}"),
        (Some(m), None) => format!("{m:.digits$}"),
        _ => "-".to_owned(),
    }
}

/// The table, with the columns that are asked for. `target` is the validation error, in percent, up to which time is counted.
#[must_use]
pub fn markdown(rows: &[Row], target: f64, columns: &Columns) -> String {
    let several = rows.iter().any(|r| rows.iter().filter(|o| o.trial.rule == r.trial.rule).count() > 1);
    let more: String = columns.iter().map(|c| format!("{} | ", c.heading())).collect();
    let mut text = format!(
        "| rule | train error % | validation error % | test error % | {more}s / epoch | s to {target} % | parameters | of the rule |\n"
    );
    text.push_str(&("|---".repeat(8 + columns.iter().count()) + "|\n"));
    let mut notes: Vec<String> = Vec::new();
    for (row, own) in rows.iter().zip(own_defaults(rows)) {
        let note =
            [own, vec![row.note()]].concat().into_iter().filter(|n| !n.is_empty()).collect::<Vec<_>>().join("; ");
        let mut mark = String::new();
        if !note.is_empty() {
            let n = notes.iter().position(|n| *n == note).unwrap_or_else(|| {
                notes.push(note.clone());
                notes.len() - 1
            });
            mark = format!(" [{}]", n + 1);
        }
        let name = row.trial.name().replace('|', "\\|");
        let name = if several && row.chosen { format!("**{name}**") } else { name };
        let cell = |of: fn(&Record) -> Option<f64>| spread(&row.values(of), 2);
        let records: Vec<&Record> = row.records.iter().collect();
        let asked = |c: Column| c.plainly(&records).unwrap_or_else(|| spread(&row.values(|r| c.of(r)), 2));
        let more: String = columns.iter().map(|c| format!("{} | ", asked(c))).collect();
        let count = |of: fn(&Record) -> usize| row.records.first().map_or("-".to_owned(), |r| of(r).to_string());
        let _ = writeln!(
            text,
            "| {name}{mark} | {} | {} | {} | {more}{} | {} | {} | {} |",
            cell(Record::train_error),
            cell(Record::validation_error),
            cell(Record::test_error),
            row.epoch_seconds().map_or("-".to_owned(), |s| format!("{s:.3}")),
            mean(&row.values(|r| r.seconds_to(target))).map_or("-".to_owned(), |s| format!("{s:.2}")),
            count(|r| r.parameters),
            count(|r| r.own_parameters),
        );
    }
    if several {
        text.push_str(
            "\nIn bold the trial of each rule with the lowest validation error; its test error is the rule's.\n",
        );
    }
    let meaning = columns.meaning();
    if !meaning.is_empty() {
        let _ = write!(text, "\n{meaning}\n");
    }
    for (n, note) in notes.iter().enumerate() {
        let _ = write!(text, "\n[{}] {note}\n", n + 1);
    }
    text
}

/// One line a run, with a heading.
#[must_use]
pub fn csv(rows: &[Row], target: f64) -> String {
    let mut text = String::from(
        "rule,setting,chosen,seed,train_error_percent,validation_error_percent,test_error_percent,epochs,\
         seconds_per_epoch,seconds_to_target,parameters,rule_parameters,test_top5_error_percent,test_f1_percent,\
         test_precision_percent,test_recall_percent,peak_memory_bytes,note\n",
    );
    let quoted = |s: &str| format!("\"{}\"", s.replace('"', "\"\""));
    for row in rows {
        let (rule, label, chosen) = (&row.trial.rule, quoted(&row.trial.label), row.chosen);
        let number = |v: Option<f64>| v.map_or(String::new(), |v| format!("{v:.4}"));
        for r in &row.records {
            let _ = writeln!(
                text,
                "{rule},{label},{chosen},{},{},{},{},{},{:.4},{},{},{},{},{},{},{},{},{}",
                r.seed,
                number(r.train_error()),
                number(r.validation_error()),
                number(r.test_error()),
                r.epochs.len(),
                r.epoch_seconds(),
                number(r.seconds_to(target)),
                r.parameters,
                r.own_parameters,
                number(r.top5_error()),
                number(r.f1()),
                number(r.precision()),
                number(r.recall()),
                r.peak_memory.map_or(String::new(), |b| b.to_string()),
                quoted(r.failed.as_deref().unwrap_or_default()),
            );
        }
        if row.records.is_empty() {
            let _ = writeln!(text, "{rule},{label},{chosen},,,,,0,,,,,,,,,,{}", quoted(&row.note()));
        }
    }
    text
}

/// Everything, epochs included.
#[must_use]
pub fn json(rows: &[Row]) -> serde_json::Value {
    let row = |row: &Row| {
        let figures = |of: fn(&Record) -> Option<f64>| serde_json::json!({ "mean": mean(&row.values(of)), "deviation": deviation(&row.values(of)) });
        serde_json::json!({
            "rule": row.trial.rule, "setting": row.trial.label, "chosen": row.chosen, "note": row.note(),
            "train_error_percent": figures(Record::train_error),
            "validation_error_percent": figures(Record::validation_error),
            "test_error_percent": figures(Record::test_error),
            "test_top5_error_percent": figures(Record::top5_error), "test_f1_percent": figures(Record::f1),
            "test_precision_percent": figures(Record::precision), "test_recall_percent": figures(Record::recall),
            "peak_memory_bytes": mean(&row.values(|r| r.peak_memory.map(|b| b as f64))),
            "seconds_per_epoch": row.epoch_seconds(), "runs": row.records,
        })
    };
    rows.iter().map(row).collect()
}

/// The files of a comparison, beside the folders of its runs.
const FILES: [&str; 5] = ["compare.md", "compare.csv", "compare.json", "error-by-epoch.svg", "error-by-time.svg"];

/// The one of them that tells of the runs for a program to read.
const TOLD: &str = "compare.json";

/// Whether those of `trials` may take the place of the files in `folder`: nothing is lost where every run that these tell of
/// is one of the trials, as after an interruption or with more seeds.
///
/// # Errors
/// Names the file that would be lost.
pub fn replaceable(folder: &Path, trials: &[Trial]) -> Result<(), FileError> {
    let Some(there) = FILES.iter().map(|f| folder.join(f)).find(|p| p.exists()) else { return Ok(()) };
    let planned: Vec<String> = trials.iter().flat_map(|t| t.specs.iter().flatten()).map(RunSpec::to_toml).collect();
    let told = files::read(&folder.join(TOLD), files::NUMBERS, "").ok();
    let told: Option<Vec<serde_json::Value>> = told.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let ours = |run: &serde_json::Value| run["spec"].as_str().is_some_and(|spec| planned.iter().any(|p| p == spec));
    if told.is_some_and(|rows| rows.iter().flat_map(|r| r["runs"].as_array().into_iter().flatten()).all(ours)) {
        return Ok(());
    }
    let what = "is there and tells of other runs, which would be lost".to_owned();
    Err(FileError { path: there, what, remedy: "name another folder with --out or add --overwrite" })
}

/// Writes `compare.json`, `.md`, `.csv` and the plots into `folder`, with the trials of tuning if there were any. Their paths,
/// in the order in which they were written.
///
/// # Errors
/// If a file cannot be written.
pub fn written(
    rows: &[Row],
    tuned: Option<&[Row]>,
    folder: &Path,
    machine: &Machine,
    heading: &str,
    (target, columns): (f64, &Columns),
) -> Result<Vec<PathBuf>, CompareError> {
    let series = shown(rows);
    let by_epoch = plot::by_epoch(&series).map_err(|e| CompareError::Plot(folder.join("error-by-epoch.svg"), e))?;
    let by_time = plot::by_time(&series).map_err(|e| CompareError::Plot(folder.join("error-by-time.svg"), e))?;
    let trials =
        tuned.map_or(String::new(), |t| format!("\n## Trials of tuning, one seed\n\n{}", markdown(t, target, columns)));
    let text = format!(
        "# Comparison\n\n{heading} reclra {}, on {}.\n\n{}\n![validation error by epoch](error-by-epoch.svg)\n\n\
         ![validation error by time](error-by-time.svg)\n{trials}",
        machine.version,
        machine.description,
        markdown(rows, target, columns)
    );
    let json = serde_json::to_vec_pretty(&json(rows)).unwrap_or_default();
    let mut paths = Vec::new();
    let csv = csv(rows, target);
    let contents = [text.as_bytes(), csv.as_bytes(), &json, by_epoch.as_bytes(), by_time.as_bytes()];
    // The one that says which runs all tell of comes first: else one who is killed in between finds them another's.
    let (told, others) = FILES.into_iter().zip(contents).partition::<Vec<_>, _>(|(name, _)| *name == TOLD);
    for (name, bytes) in told.into_iter().chain(others) {
        let path = folder.join(name);
        write_atomically(&path, bytes).map_err(RunError::from)?;
        paths.push(path);
    }
    Ok(paths)
}
