//! The table of a comparison for people, and that of the settings that were tried before.

use super::results::Results;
use super::rows::{Row, list, settings};
use crate::columns::Column;
use crate::paired::{Paired, Untested, paired, shown};
use crate::record::{Record, deviation, mean};
use crate::spec::keys::KEYS;
use std::fmt::Write as _;
use toml::Value;

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

/// A mean with its deviation over the runs.
fn spread(values: &[Option<f64>], digits: usize) -> String {
    match (mean(values), deviation(values)) {
        (Some(m), Some(d)) => format!("{m:.digits$} ± {d:.digits$}"),
        (Some(m), None) => format!("{m:.digits$}"),
        _ => "-".to_owned(),
    }
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
