//! Columns that tables of results show when they are asked for: figures of the test part beside its error, and memory.

use crate::record::{Record, mean};
use reclra_data::hint::did_you_mean;
use serde::Deserialize;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Accuracy on the test part, in percent.
    Accuracy,
    /// Top-5 error on the test part, in percent.
    Top5,
    /// Macro F1 on the test part, in percent.
    F1,
    /// Macro precision on the test part, in percent.
    Precision,
    /// Macro recall on the test part, in percent.
    Recall,
    /// The most memory that the process held resident, in MB.
    Memory,
}

impl Column {
    /// All there are.
    pub const ALL: [Column; 6] =
        [Column::Accuracy, Column::Top5, Column::F1, Column::Precision, Column::Recall, Column::Memory];

    /// By which it is asked for.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Column::Accuracy => "accuracy",
            Column::Top5 => "top5",
            Column::F1 => "f1",
            Column::Precision => "precision",
            Column::Recall => "recall",
            Column::Memory => "memory",
        }
    }

    /// What stands above it, with its unit.
    #[must_use]
    pub fn heading(self) -> &'static str {
        match self {
            Column::Accuracy => "accuracy %",
            Column::Top5 => "top-5 error %",
            Column::F1 => "F1 %",
            Column::Precision => "precision %",
            Column::Recall => "recall %",
            Column::Memory => "memory MB",
        }
    }

    /// The figure of a run; none where the record has none.
    #[must_use]
    pub fn of(self, record: &Record) -> Option<f64> {
        match self {
            Column::Accuracy => record.test_error().map(|e| 100.0 - e),
            Column::Top5 => record.top5_error(),
            Column::F1 => record.f1(),
            Column::Precision => record.precision(),
            Column::Recall => record.recall(),
            Column::Memory => record.peak_megabytes(),
        }
    }

    /// Of memory the mean over the runs: how it differs from seed to seed is the allocator's affair. None for the others,
    /// which are written as errors are.
    #[must_use]
    pub(crate) fn plainly(self, records: &[&Record]) -> Option<String> {
        let values: Vec<Option<f64>> = records.iter().map(|r| self.of(r)).collect();
        (self == Column::Memory).then(|| mean(&values).map_or("-".to_owned(), |m| format!("{m:.0}")))
    }
}

/// Columns that are asked for, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Columns(Vec<Column>);

impl TryFrom<Vec<String>> for Columns {
    type Error = String;

    fn try_from(names: Vec<String>) -> Result<Columns, String> {
        let known = Column::ALL.map(Column::name);
        let mut columns = Vec::new();
        for name in names {
            let found = Column::ALL.into_iter().find(|c| c.name() == name).ok_or_else(|| {
                format!("unknown column `{name}`{}; there are {}", did_you_mean(&name, &known), known.join(", "))
            })?;
            if columns.contains(&found) {
                return Err(format!("column `{name}` is named twice; remove one"));
            }
            columns.push(found);
        }
        Ok(Columns(columns))
    }
}

impl Columns {
    /// One by one.
    pub fn iter(&self) -> impl Iterator<Item = Column> + '_ {
        self.0.iter().copied()
    }

    /// What those that need it mean, in sentences; nothing if none does.
    #[must_use]
    pub fn meaning(&self) -> String {
        let macros = [Column::F1, Column::Precision, Column::Recall];
        let mut text = Vec::new();
        if self.0.contains(&Column::Top5) {
            text.push("Top-5 error: the class is not among the five of the largest outputs, of equals the last.");
        }
        if self.iter().any(|c| macros.contains(&c)) {
            text.push(
                "F1, precision and recall of the test part are means over the classes, a class that was never said \
                 counting 0.",
            );
        }
        if self.0.contains(&Column::Memory) {
            text.push(
                "Memory: the most that the process held resident during a run, program and data included, \
                 MB = 10^6 bytes.",
            );
        }
        text.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[&str]) -> Result<Columns, String> {
        Columns::try_from(names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn columns_are_known_by_name() {
        let all = columns(&Column::ALL.map(Column::name)).unwrap();
        assert_eq!(all.iter().collect::<Vec<_>>(), Column::ALL);
        assert_eq!(all.meaning().matches(". ").count(), 2);
        assert_eq!(columns(&[]).unwrap().meaning(), "");
        let error = columns(&["f1", "presision"]).unwrap_err();
        assert_eq!(
            error,
            "unknown column `presision`, did you mean `precision`?; there are accuracy, top5, f1, precision, recall, memory"
        );
        assert!(columns(&["f1", "top5", "f1"]).unwrap_err().contains("`f1` is named twice"));
    }
}
