//! The table of a comparison for people, and that of the settings that were tried before.

use super::Trial;
use super::results::Results;
use crate::columns::Column;
use crate::paired::{Paired, Untested, paired, shown};
use crate::record::{Record, deviation, mean};
use crate::spec::RunSpec;
use crate::spec::keys::KEYS;
use std::fmt::Write as _;
use toml::Value;

/// A trial with what came of it.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was tried.
    pub trial: Trial,
    /// One record a seed and fold; none if the rule refused.
    pub records: Vec<Record>,
    /// True if it has the lowest mean validation error of its rule's trials.
    pub chosen: bool,
}

impl Row {
    /// One figure of each run.
    pub(super) fn values(&self, of: impl Fn(&Record) -> Option<f64>) -> Vec<Option<f64>> {
        self.records.iter().map(of).collect()
    }

    /// Mean validation error in percent; none if there is none, or a run did not come to its end.
    #[must_use]
    pub fn validation(&self) -> Option<f64> {
        mean(&self.values(Record::validation_error))
    }

    /// Seconds an epoch, mean over the runs.
    pub(super) fn epoch_seconds(&self) -> Option<f64> {
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
        // Each once, with the runs that it is about if it is not about all.
        let mut warnings: Vec<&String> = Vec::new();
        for warning in self.records.iter().flat_map(|r| &r.warnings) {
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
        for warning in warnings {
            let warned = |r: &&Record| r.warnings.contains(warning);
            let of: Vec<String> =
                self.records.iter().zip(self.trial.runs()).filter(|(r, _)| warned(r)).map(|(_, s)| part(s)).collect();
            notes.push(if of.len() == self.records.len() {
                warning.clone()
            } else {
                format!("{}: {warning}", of.join(", "))
            });
        }
        notes.join("; ")
    }

    /// Seconds until the validation error was at most `target` percent, mean over the runs, or the reason why there is no such
    /// figure; an empty reason where the row's own note gives it.
    pub(super) fn seconds_to(&self, target: f64) -> Result<f64, String> {
        let seconds = self.values(|r| r.seconds_to(target));
        if let Some(mean) = mean(&seconds) {
            return Ok(mean);
        }
        let judged = |r: &Record| r.epochs.iter().any(|e| e.validation_error.is_some());
        let missed = self.records.iter().zip(&seconds).filter(|(r, s)| r.failed.is_none() && s.is_none());
        Err(match missed.count() {
            0 => String::new(),
            _ if !self.records.iter().any(judged) => "no time: there is no validation part".to_owned(),
            n if n == self.records.len() => format!("the validation error did not reach {target} %"),
            n => format!("the validation error did not reach {target} % in {n} of {} runs", self.records.len()),
        })
    }
}

/// [`rows`] of settings that are tried, without what they came to on the test part.
#[must_use]
pub fn tried_rows(trials: Vec<Trial>, records: &[Vec<Record>]) -> Vec<Row> {
    rows(trials, records.iter().map(|all| all.iter().map(Record::untested).collect()).collect())
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

/// Footnotes, each once.
#[derive(Default)]
struct Notes(Vec<String>);

impl Notes {
    /// The mark of a note, ` [1]`; nothing for an empty one.
    fn mark(&mut self, note: &str) -> String {
        if note.is_empty() {
            return String::new();
        }
        let n = self.0.iter().position(|n| n == note).unwrap_or_else(|| {
            self.0.push(note.to_owned());
            self.0.len() - 1
        });
        format!(" [{}]", n + 1)
    }

    fn text(&self) -> String {
        self.0.iter().enumerate().map(|(n, note)| format!("\n[{}] {note}\n", n + 1)).collect()
    }
}

/// What sets the rows apart beside rule and label: keys of all rules that the rule at hand has another default for, as
/// `key = value` for each row.
fn own_defaults(rows: &[Row]) -> Vec<Vec<String>> {
    let specs: Vec<_> = rows.iter().map(|r| r.trial.runs().first()).collect();
    let varied = |key: &str| rows.iter().any(|r| labelled(r, key));
    let shared = KEYS.iter().filter(|k| k.rules.is_empty() && k.path != "rule.name" && !varied(k.path));
    let mut notes = vec![Vec::new(); rows.len()];
    for key in shared {
        let values: Vec<Option<&Value>> = specs.iter().map(|s| s.and_then(|s| s.value(key.path))).collect();
        let count = |v: &Option<&Value>| values.iter().filter(|o| *o == v).count();
        // Of equals that of the first row.
        let usual = values.iter().rev().flatten().max_by_key(|v| count(&Some(**v)));
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

/// True if the label of a row gives the value of a key.
fn labelled(row: &Row, key: &str) -> bool {
    row.trial.label.split(' ').any(|part| part.split('=').next() == Some(key))
}

/// Seed or fold of a run.
fn part(spec: &RunSpec) -> String {
    spec.data.fold.map_or_else(|| format!("seed {}", spec.seed), |fold| format!("fold {fold}"))
}

/// A mean with its deviation over the runs.
fn spread(values: &[Option<f64>], digits: usize) -> String {
    match (mean(values), deviation(values)) {
        (Some(m), Some(d)) => format!("{m:.digits$} ± {d:.digits$}"),
        (Some(m), None) => format!("{m:.digits$}"),
        _ => "-".to_owned(),
    }
}

/// Network, epochs, batch, optimizer, rate and schedule of all rows in a line; where rows differ, each value with its rows.
pub(super) fn settings(rows: &[Row]) -> String {
    let specs: Vec<(String, &RunSpec)> =
        rows.iter().filter_map(|r| Some((r.trial.rule.clone(), r.trial.runs().first()?))).collect();
    let field = |of: &dyn Fn(&RunSpec) -> String| {
        let mut values: Vec<(String, Vec<&str>)> = Vec::new();
        for (rule, spec) in &specs {
            let value = of(spec);
            match values.iter_mut().find(|v| v.0 == value) {
                Some(v) => v.1.push(rule),
                None => values.push((value, vec![rule])),
            }
        }
        // That of most rows first; of equals the first named.
        values.sort_by_key(|v| std::cmp::Reverse(v.1.len()));
        let Some(((usual, _), others)) = values.split_first() else { return String::new() };
        let others: Vec<String> =
            others.iter().map(|(value, rules)| format!("{}: {value}", rules.join(", "))).collect();
        if others.is_empty() { usual.clone() } else { format!("{usual} ({})", others.join("; ")) }
    };
    let value = |key: &'static str| {
        field(&move |spec| match spec.value(key) {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => "-".to_owned(),
        })
    };
    if specs.is_empty() {
        return String::new();
    }
    format!(
        "Network {}; epochs {}; batch {}; optimizer {}, learning rate {}, schedule {}.",
        field(&RunSpec::network),
        value("train.epochs"),
        value("train.batch"),
        value("optim.name"),
        value("optim.lr"),
        value("optim.schedule"),
    )
}

impl Results<'_> {
    /// The test of a row against the first: of the test error over seeds, of the validation error over folds.
    ///
    /// # Errors
    /// The reason why there is none.
    pub fn against_first(&self, row: &Row) -> Result<Paired, Untested> {
        let of = if self.folds().is_some() { Record::validation_error } else { Record::test_error };
        match self.rows.first() {
            Some(first) => paired(&row.values(of), &first.values(of)),
            None => Err(Untested::Missing),
        }
    }

    /// What figures are paired by.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        if self.folds().is_some() { "fold" } else { "seed" }
    }

    /// Settings and table, as they are printed.
    #[must_use]
    pub fn markdown(&self) -> String {
        let (rows, target) = (self.rows, self.target);
        let more: String = self.columns.iter().map(|c| format!("{} | ", c.heading())).collect();
        let first = rows.first().filter(|_| rows.len() > 1).map(|r| r.trial.name().replace('|', "\\|"));
        let test = first.as_ref().map_or(String::new(), |first| format!("p against {first} | "));
        let mut text = format!(
            "{}\n\n| rule | train error % | validation error % | test error % | {test}{more}s / epoch | s to {target} % | parameters | of the rule |\n",
            settings(rows)
        );
        text.push_str(&("|---".repeat(8 + usize::from(first.is_some()) + self.columns.iter().count()) + "|\n"));
        let mut notes = Notes::default();
        for (n, (row, own)) in rows.iter().zip(own_defaults(rows)).enumerate() {
            let note = [own, vec![row.note()]].concat().into_iter().filter(|n| !n.is_empty()).collect::<Vec<_>>();
            let mark = notes.mark(&note.join("; "));
            let name = row.trial.name().replace('|', "\\|");
            let cell = |of: fn(&Record) -> Option<f64>| spread(&row.values(of), 2);
            let records: Vec<&Record> = row.records.iter().collect();
            let asked = |c: Column| c.plainly(&records).unwrap_or_else(|| spread(&row.values(|r| c.of(r)), 2));
            let more: String = self.columns.iter().map(|c| format!("{} | ", asked(c))).collect();
            let count = |of: fn(&Record) -> usize| row.records.first().map_or("-".to_owned(), |r| of(r).to_string());
            let test = match (n, self.against_first(row)) {
                _ if first.is_none() => String::new(),
                (0, _) => "reference | ".to_owned(),
                (_, Ok(test)) => format!("{} | ", shown(test.p)),
                (_, Err(why)) => format!("-{} | ", notes.mark(&why.reason(self.unit()))),
            };
            let reached = row.seconds_to(target);
            let reached = reached.map_or_else(|why| format!("-{}", notes.mark(&why)), |s| format!("{s:.2}"));
            let _ = writeln!(
                text,
                "| {name}{mark} | {} | {} | {} | {test}{more}{} | {reached} | {} | {} |",
                cell(Record::train_error),
                cell(Record::validation_error),
                cell(Record::test_error),
                row.epoch_seconds().map_or("-".to_owned(), |s| format!("{s:.3}")),
                count(|r| r.parameters),
                count(|r| r.own_parameters),
            );
        }
        text.push_str(&notes.text());
        if let Some(first) = &first {
            let _ = write!(text, "\n{}\n", self.meaning_of_p(first));
        }
        let _ = write!(text, "\n{}\n", self.meaning());
        text + &self.by_fold()
    }

    /// What the columns are.
    fn meaning(&self) -> String {
        let mut text = "Train error: mean over the batches of the last epoch, each as it was trained on and before its update. Validation \
                        and test error: of the network after the last epoch. s / epoch: median over the epochs. Of the rule: parameters \
                        that the rule has beside those of the network."
            .to_owned();
        if self.jobs > 1 {
            let _ = write!(
                text,
                " Times are of {} runs at a time, which slow each other down; `--jobs 1` times them one by one.",
                self.jobs
            );
        }
        let measured = self.rows.iter().flat_map(|r| &r.records).any(|r| r.peak_memory.is_some());
        if self.columns.iter().any(|c| c == Column::Memory) && !measured {
            text.push_str(
                " Memory is known only of runs made one at a time: add `--jobs 1` and name a new folder with --out.",
            );
        }
        let columns = self.columns.meaning();
        if columns.is_empty() { text } else { format!("{text} {columns}") }
    }

    /// What the column of p is; nothing where it is empty.
    fn meaning_of_p(&self, first: &str) -> String {
        let tests: Vec<Paired> = self.rows[1..].iter().filter_map(|r| self.against_first(r).ok()).collect();
        let Some(pairs) = tests.first().map(|t| t.pairs) else {
            return "No difference between rows is shown: there is no paired test.".to_owned();
        };
        let (error, unit, count) = match self.folds() {
            Some(_) => ("validation error", "fold", tests.len()),
            None => ("test error", "seed", tests.len()),
        };
        let several =
            if count == 1 { String::new() } else { format!("; {count} comparisons, p not corrected for their number") };
        let overlap = match self.folds() {
            Some(_) => " Training parts of folds overlap, so that p is rather too small.",
            None => "",
        };
        format!("p: paired two-sided t-test of the {error} against {first} over {pairs} {unit}s{several}.{overlap}")
    }

    /// The validation error of each fold, in cross-validation.
    fn by_fold(&self) -> String {
        let Some(folds) = self.folds() else { return String::new() };
        let heads: String = (1..=folds).map(|n| format!(" fold {n} |")).collect();
        let mut text =
            format!("\nValidation error in percent, fold by fold:\n\n| rule |{heads}\n{}|\n", "|---".repeat(folds + 1));
        for row in self.rows {
            let of = |n: usize| row.records.get(n).and_then(Record::validation_error);
            let cells: String =
                (0..folds).map(|n| format!(" {} |", of(n).map_or("-".to_owned(), |v| format!("{v:.2}")))).collect();
            let _ = writeln!(text, "| {} |{cells}", row.trial.name().replace('|', "\\|"));
        }
        text
    }

    /// The settings that were tried, with their validation error alone; nothing if none were.
    #[must_use]
    pub fn tried(&self) -> String {
        let Some(first) = self.tried.iter().flat_map(|r| r.trial.runs()).next() else { return String::new() };
        let mut seeds: Vec<u64> = self.tried.iter().flat_map(|r| r.trial.runs()).map(|s| s.seed).collect();
        seeds.sort_unstable();
        seeds.dedup();
        let folds = first.data.fold.map_or(String::new(), |f| format!("{} folds of ", f.of));
        let mut text = format!(
            "Settings tried on {folds}{}, none of which is reported. In bold the setting of each rule with the lowest mean \
             validation error, which is then run with the seeds that are reported.\n\n| rule, setting | validation error % |\n|---|---|\n",
            list("seed", &seeds)
        );
        let mut notes = Notes::default();
        for row in self.tried {
            let mark = notes.mark(&row.note());
            let name = row.trial.name().replace('|', "\\|");
            let name = if row.chosen { format!("**{name}**") } else { name };
            let _ = writeln!(text, "| {name}{mark} | {} |", spread(&row.values(Record::validation_error), 2));
        }
        text + &notes.text()
    }
}

/// `seed 3`, `seeds 0, 1, 2`.
pub(super) fn list(unit: &str, numbers: &[u64]) -> String {
    let all: Vec<String> = numbers.iter().map(u64::to_string).collect();
    format!("{unit}{} {}", if all.len() == 1 { "" } else { "s" }, all.join(", "))
}
