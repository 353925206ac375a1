//! One row of an experiment: its spec, the paper's figures for it, its goal.

use super::error::ExperimentError;
use crate::columns::Column;
use crate::paper::{self, Claim, Measure};
use crate::record::{Record, mean};
use crate::spec::{DataFacts, RunSpec, Settings};
use reclra_data::hint::did_you_mean;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use std::collections::BTreeMap;

/// One row of the results.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// First column.
    pub name: String,
    /// The figures it is compared with.
    pub claimed: Option<Claimed>,
    /// What is expected, in words.
    #[serde(default)]
    pub goal: String,
    /// Which error the goal is about.
    #[serde(default)]
    pub metric: Metric,
    /// The mean over the seeds should be at most this, in percent.
    pub at_most: Option<f64>,
    /// The mean over the seeds should be at least this, in percent: for what is shown to fail.
    pub at_least: Option<f64>,
    /// Why this run's protocol is not the paper's; in what it differs is found from the spec.
    #[serde(default)]
    pub differs: String,
    /// The spec: keys and values; the rest are defaults.
    pub set: BTreeMap<String, toml::Value>,
}

/// What was reported elsewhere: a row of the paper by its id, or figures of another source. Those of a column are shown where
/// the experiment has that column.
#[derive(Clone, Debug, PartialEq)]
pub enum Claimed {
    /// A row of the paper (`reclra list claims`).
    Row(Claim),
    /// Figures by measure.
    Figures(BTreeMap<Measure, f64>),
}

impl Claimed {
    /// A figure, if it is reported.
    #[must_use]
    pub fn value(&self, measure: Measure) -> Option<f64> {
        match self {
            Claimed::Row(claim) => claim.value(measure),
            Claimed::Figures(all) => all.get(&measure).copied(),
        }
    }

    /// What is reported of that column.
    #[must_use]
    pub fn of(&self, column: Column) -> Option<f64> {
        self.value(match column {
            Column::Accuracy => Measure::Accuracy,
            Column::Top5 => Measure::Top5,
            Column::F1 => Measure::F1,
            Column::Precision => Measure::Precision,
            Column::Recall => Measure::Recall,
            Column::Memory => return None,
        })
    }

    /// The row of the paper, if it is one.
    #[must_use]
    pub fn row(&self) -> Option<Claim> {
        match self {
            Claimed::Row(claim) => Some(*claim),
            Claimed::Figures(_) => None,
        }
    }
}

impl<'de> Deserialize<'de> for Claimed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Claimed, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Claimed;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the id of a row of the paper (`reclra list claims`) or a table of figures")
            }

            fn visit_str<E: de::Error>(self, id: &str) -> Result<Claimed, E> {
                paper::claim(id).map(Claimed::Row).ok_or_else(|| {
                    let ids: Vec<String> = paper::claims().map(|c| c.id()).collect();
                    let hint = did_you_mean(id, &ids.iter().map(String::as_str).collect::<Vec<_>>());
                    E::custom(format!(
                        "the paper has no row `{}`{hint}; see `reclra list claims`",
                        reclra_data::files::plain(id)
                    ))
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Claimed, A::Error> {
                BTreeMap::deserialize(de::value::MapAccessDeserializer::new(map)).map(Claimed::Figures)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// An error that a goal can be about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// On the test part.
    #[default]
    Test,
    /// On the validation part.
    Validation,
}

/// The network whose test part a table shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Choose {
    /// That of the last epoch.
    #[default]
    Last,
    /// That of the epoch with the lowest validation error.
    Validation,
}

impl Choose {
    /// The record with the figures of that network as those of the test part.
    #[must_use]
    pub fn of(self, record: &Record) -> Record {
        match self {
            Choose::Last => record.clone(),
            Choose::Validation => {
                let (test, scores) = record.chosen.map_or((None, None), |c| (Some(c.test), Some(c.scores)));
                Record { test, scores, ..record.clone() }
            }
        }
    }
}

impl Run {
    /// The spec of this run with a seed.
    ///
    /// # Errors
    /// If it cannot be.
    pub fn spec(&self, seed: u64, facts: &DataFacts) -> Result<RunSpec, ExperimentError> {
        let wrong = |error| ExperimentError::Spec { run: self.name.clone(), error };
        let mut settings = Settings::default();
        for (key, value) in &self.set {
            settings.put(key, value.clone(), "experiment").map_err(wrong)?;
        }
        settings.put("seed", seed as i64, "experiment").map_err(wrong)?;
        RunSpec::resolve(&settings, facts).map_err(wrong)
    }

    /// Whether the goal is reached: `yes`, `no`, or nothing where there is none.
    #[must_use]
    pub fn reached(&self, records: &[&Record]) -> &'static str {
        let of = match self.metric {
            Metric::Test => Record::test_error,
            Metric::Validation => Record::validation_error,
        };
        let values: Vec<Option<f64>> = records.iter().map(|r| of(r)).collect();
        match (self.at_most, self.at_least, mean(&values)) {
            (None, None, _) => "",
            (Some(_), _, None) | (None, Some(_), Some(0.0)) => "no",
            (None, Some(_), None) => "yes",
            (most, least, Some(m)) => {
                if most.is_none_or(|x| m <= x) && least.is_none_or(|x| m >= x) {
                    "yes"
                } else {
                    "no"
                }
            }
        }
    }
}
