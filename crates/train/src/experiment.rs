//! Experiments: one TOML file a published table or set of runs, from which a command makes a results file.
//!
//! Every figure in the documentation comes from such a file. Finished runs are kept beside the table, so that an
//! interrupted experiment goes on where it was, and are run again only if their spec has changed.

use crate::data;
use crate::files::{FileError, write_atomically};
use crate::fit::Observer;
use crate::plot;
use crate::record::{self, Record, RecordError, mean};
use crate::spec::{DataFacts, RunSpec, Settings, SpecError};
use reclra::Device;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// The experiments that come with the program, by name.
pub const KNOWN: &[(&str, &str)] = &[
    ("foundation", include_str!("../../../experiments/foundation.toml")),
    ("rules", include_str!("../../../experiments/rules.toml")),
    ("figure4", include_str!("../../../experiments/figure4.toml")),
];

/// The title of an experiment that comes with the program.
#[must_use]
pub fn about(text: &str) -> String {
    Experiment::parse(text, "experiment").map_or(String::new(), |e| e.title)
}

/// What an experiment's file says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Heading of the results.
    pub title: String,
    /// What it shows.
    pub about: String,
    /// Each run is made with each of these.
    pub seeds: Vec<u64>,
    /// Whether the validation error by epoch is drawn, all runs in one picture.
    #[serde(default)]
    pub plot: bool,
    /// The runs.
    pub run: Vec<Run>,
}

/// One row of the results.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// First column.
    pub name: String,
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
    /// The spec: keys and values; the rest are defaults.
    pub set: BTreeMap<String, toml::Value>,
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

/// What came of one run with one seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// Name of the run.
    pub name: String,
    /// The figures.
    #[serde(flatten)]
    pub record: Record,
}

/// Why an experiment did not come to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExperimentError {
    /// No such experiment.
    #[error("unknown experiment `{name}`{hint}; name a file or one of: {known}")]
    Unknown {
        /// As written.
        name: String,
        /// `, did you mean ...?` or nothing.
        hint: String,
        /// All there are.
        known: String,
    },
    /// A file that says nothing sensible.
    #[error("{origin}: {what}; mend that line")]
    File {
        /// The file.
        origin: String,
        /// What is wrong.
        what: String,
    },
    /// A spec that cannot be.
    #[error("run `{run}`: {error}")]
    Spec {
        /// Name of the run.
        run: String,
        /// What is wrong.
        error: SpecError,
    },
    /// Data that cannot be read.
    #[error(transparent)]
    Data(#[from] data::DataError),
    /// Results that cannot be written.
    #[error(transparent)]
    Write(#[from] FileError),
    /// A plot that could not be drawn.
    #[error("{0}: the plot could not be drawn: {1}; please report it")]
    Plot(PathBuf, String),
    /// Stopped from outside; what is finished is kept.
    #[error("interrupted; the same command goes on where it stopped")]
    Interrupted,
}

/// Hears of a run before it starts (the run, its seed, its epochs, whether its result is kept from before), and may watch it.
pub type Told<'a> = dyn FnMut(&Run, u64, u64, bool) -> Box<dyn Observer> + 'a;

impl Experiment {
    /// Reads an experiment: the name of one that comes with the program, or a file.
    ///
    /// # Errors
    /// If there is none, or the file is wrong.
    pub fn read(name: &str) -> Result<Experiment, ExperimentError> {
        let known = KNOWN.iter().find(|k| k.0 == name);
        let text = match known {
            Some(k) => k.1.to_owned(),
            None => std::fs::read_to_string(name).map_err(|_| {
                let names: Vec<&str> = KNOWN.iter().map(|k| k.0).collect();
                let hint = crate::spec::did_you_mean(name, &names);
                ExperimentError::Unknown { name: name.to_owned(), hint, known: names.join(", ") }
            })?,
        };
        Experiment::parse(&text, name)
    }

    /// Reads an experiment from TOML.
    ///
    /// # Errors
    /// If it is wrong.
    pub fn parse(text: &str, origin: &str) -> Result<Experiment, ExperimentError> {
        toml::from_str(text).map_err(|e: toml::de::Error| {
            let line = crate::spec::line_of(text, &e);
            let what = format!("line {line}: {}", e.message().lines().next().unwrap_or("not TOML"));
            ExperimentError::File { origin: origin.to_owned(), what }
        })
    }

    /// Makes all runs that are not among the results in `folder` yet, and writes `NAME.json` and `NAME.md` there after
    /// each.
    ///
    /// # Errors
    /// If data or results cannot be read or written, a spec is wrong, or `stop` was set.
    pub fn make(
        &self,
        name: &str,
        folder: &Path,
        machine: &Machine,
        data_dir: Option<&Path>,
        stop: &AtomicBool,
        told: &mut Told<'_>,
    ) -> Result<Vec<Done>, ExperimentError> {
        let json = folder.join(format!("{name}.json"));
        let kept: Vec<Done> = match std::fs::read(&json) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        let mut done: Vec<Done> = Vec::new();
        for run in &self.run {
            let dataset_name = run.set.get("data.name").and_then(toml::Value::as_str).unwrap_or("digits");
            let dataset = data::open(dataset_name, data_dir)?;
            for &seed in &self.seeds {
                let spec = run.spec(seed, &DataFacts::of(&*dataset))?;
                let text = spec.to_toml();
                let old = |d: &&Done| (&d.name, d.record.seed, &d.record.spec) == (&run.name, seed, &text);
                if let Some(old) = kept.iter().find(old) {
                    told(run, seed, spec.epochs, true);
                    done.push(old.clone());
                    continue;
                }
                let mut observer = told(run, seed, spec.epochs, false);
                let device = Device::cpu(machine.threads);
                let record = match record::make(&spec, &*dataset, device, &mut *observer, stop) {
                    Ok(Some(record)) => record,
                    Ok(None) => return Err(ExperimentError::Interrupted),
                    Err(RecordError::Data(e)) => return Err(e.into()),
                    Err(RecordError::Spec(error)) => {
                        return Err(ExperimentError::Spec { run: run.name.clone(), error });
                    }
                };
                done.push(Done { name: run.name.clone(), record });
                self.write(name, folder, machine, &done, &kept)?;
            }
        }
        self.write(name, folder, machine, &done, &[])?;
        Ok(done)
    }

    fn write(
        &self,
        name: &str,
        folder: &Path,
        machine: &Machine,
        done: &[Done],
        kept: &[Done],
    ) -> Result<(), ExperimentError> {
        let later = kept.iter().filter(|k| !done.iter().any(|d| (&d.name, d.record.seed) == (&k.name, k.record.seed)));
        let all: Vec<&Done> = done.iter().chain(later).collect();
        let json = serde_json::to_vec_pretty(&all).unwrap_or_default();
        write_atomically(&folder.join(format!("{name}.json")), &json)?;
        let lines = self
            .run
            .iter()
            .map(|run| (run.name.clone(), done.iter().filter(|d| d.name == run.name).map(|d| &d.record).collect()));
        if self.plot {
            let path = folder.join(format!("{name}.svg"));
            let svg = plot::by_epoch(&lines.collect::<Vec<_>>());
            write_atomically(&path, svg.map_err(|e| ExperimentError::Plot(path.clone(), e))?.as_bytes())?;
        }
        Ok(write_atomically(&folder.join(format!("{name}.md")), self.markdown(name, machine, done).as_bytes())?)
    }

    /// The results as a Markdown table.
    #[must_use]
    pub fn markdown(&self, name: &str, machine: &Machine, done: &[Done]) -> String {
        let mut text = format!("# {}\n\n{}\n\n", self.title, self.about);
        let seeds: Vec<String> = self.seeds.iter().map(u64::to_string).collect();
        let _ = writeln!(
            text,
            "Made by `reclra reproduce {name}` with reclra {}, seeds {}, on {}. Errors in percent, each seed and their mean; \
             the training error is that of the last epoch, each batch before its update.\n",
            machine.version,
            seeds.join(" and "),
            machine.description
        );
        text.push_str(
            "| run | train | validation | test | goal | reached | s / epoch |\n|---|---|---|---|---|---|---|\n",
        );
        let mut notes: Vec<String> = Vec::new();
        for run in &self.run {
            let mine: Vec<&Record> = done.iter().filter(|d| d.name == run.name).map(|d| &d.record).collect();
            if mine.is_empty() {
                continue;
            }
            let column = |of: fn(&Record) -> Option<f64>| {
                let values: Vec<Option<f64>> = mine.iter().map(|r| of(r)).collect();
                let each: Vec<String> =
                    values.iter().map(|v| v.map_or("diverged".into(), |v| format!("{v:.2}"))).collect();
                mean(&values).map_or(each.join(", "), |m| format!("{} (**{m:.2}**)", each.join(", ")))
            };
            let mut mark = String::new();
            for warning in mine.iter().flat_map(|r| &r.warnings) {
                let n = notes.iter().position(|n| n == warning).unwrap_or_else(|| {
                    notes.push(warning.clone());
                    notes.len() - 1
                });
                let number = format!(" [{}]", n + 1);
                if !mark.contains(&number) {
                    mark.push_str(&number);
                }
            }
            let seconds = mine.iter().map(|r| r.epoch_seconds()).sum::<f64>() / mine.len() as f64;
            let _ = writeln!(
                text,
                "| {}{mark} | {} | {} | {} | {} | {} | {seconds:.2} |",
                run.name,
                column(Record::train_error),
                column(Record::validation_error),
                column(Record::test_error),
                run.goal,
                run.reached(&mine)
            );
        }
        for (n, note) in notes.iter().enumerate() {
            let _ = write!(text, "\n[{}] {note}\n", n + 1);
        }
        if self.plot {
            let _ = write!(text, "\n![validation error by epoch]({name}.svg)\n");
        }
        text
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

    fn reached(&self, records: &[&Record]) -> &'static str {
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

/// Where results come from, for their heading.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Version and commit of the program.
    pub version: String,
    /// Processor, threads, instruction set.
    pub description: String,
    /// Threads to compute with.
    pub threads: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOY: &str = r#"
        title = "Toy"
        about = "Two runs."
        seeds = [0, 1]
        [[run]]
        name = "short"
        goal = "test error <= 60 %"
        at_most = 60.0
        set = { "train.epochs" = 2, "net.arch" = "64-64-10", "data.shift" = 0 }
        [[run]]
        name = "hopeless"
        goal = "test error <= 0.001 %"
        at_most = 0.001
        set = { "train.epochs" = 1, "net.arch" = "64-16-10" }
    "#;

    #[test]
    fn results_are_written_and_finished_runs_are_not_run_again() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine { version: "test".into(), description: "a machine".into(), threads: 1 };
        let (never, toy) = (AtomicBool::new(false), Experiment::parse(TOY, "toy").unwrap());
        let mut started = 0;
        let make = |e: &Experiment, started: &mut u32| {
            e.make("toy", folder.path(), &machine, None, &never, &mut |_, _, _, kept| {
                *started += u32::from(!kept);
                Box::new(())
            })
            .unwrap()
        };
        let first = make(&toy, &mut started);
        assert_eq!((first.len(), started), (4, 4));
        assert_eq!(make(&toy, &mut started), first);
        assert_eq!(started, 4, "nothing was run again");
        let text = std::fs::read_to_string(folder.path().join("toy.md")).unwrap();
        assert!(text.contains("| short |") && text.contains("| yes |") && text.contains("| no |"), "{text}");
        // Another spec under the same name is another run.
        let changed = Experiment::parse(&TOY.replace("\"train.epochs\" = 2", "\"train.epochs\" = 3"), "toy").unwrap();
        make(&changed, &mut started);
        assert_eq!(started, 6);
    }

    #[test]
    fn the_experiments_of_the_program_are_sound() {
        let facts = crate::spec::toy_facts("mnist", 28, 10, 60_000, 2_000);
        for (name, _) in KNOWN {
            let e = Experiment::read(name).unwrap();
            for run in &e.run {
                let dataset = run.set.get("data.name").and_then(toml::Value::as_str).unwrap_or("digits");
                run.spec(0, &DataFacts { name: dataset.into(), ..facts.clone() }).unwrap();
            }
        }
    }

    #[test]
    fn mistakes_are_one_line() {
        let error = Experiment::read("fondation").unwrap_err().to_string();
        assert!(error.contains("did you mean `foundation`?"), "{error}");
        let error = Experiment::parse("title = 3", "x.toml").unwrap_err().to_string();
        assert!(error.starts_with("x.toml: line 1: ") && !error.contains('\n'), "{error}");
        let e = Experiment::parse(&TOY.replace("train.epochs", "train.epoch"), "toy").unwrap();
        let facts = crate::spec::toy_facts("digits", 8, 10, 1000, 100);
        let error = e.run[0].spec(0, &facts).unwrap_err().to_string();
        assert_eq!(error, "run `short`: experiment: unknown key `train.epoch`, did you mean `train.epochs`?");
    }
}
