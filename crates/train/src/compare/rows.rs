//! Trials with what came of them.

use super::trial::Trial;
use crate::record::{Record, mean};
use crate::spec::RunSpec;
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

/// Seed or fold of a run.
fn part(spec: &RunSpec) -> String {
    spec.data.fold.map_or_else(|| format!("seed {}", spec.seed), |fold| format!("fold {fold}"))
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

/// `seed 3`, `seeds 0, 1, 2`.
pub(super) fn list(unit: &str, numbers: &[u64]) -> String {
    let all: Vec<String> = numbers.iter().map(u64::to_string).collect();
    format!("{unit}{} {}", if all.len() == 1 { "" } else { "s" }, all.join(", "))
}
