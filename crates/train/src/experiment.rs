//! Experiments: one TOML file a published table, figure or set of runs, from which a command makes a results file.
//!
//! Every figure in the documentation comes from such a file. Each run has a folder of its own and goes on where it was
//! left; finished runs are kept beside the table and made again only if their spec has changed.

mod estimate;
mod known;
mod markdown;
mod read;
mod run;

pub use estimate::{Estimate, estimate, rough};
pub use known::{KNOWN, about};
pub use markdown::markdown;
pub use run::{Choose, Claimed, Metric, Run};

use crate::columns::Columns;
use crate::fit::Observer;
use crate::record::{Record, Seeds};
use crate::run::RunError;
use crate::runs::{self, Environment, Keeping, Shared, WriteReport, data_files};
use crate::spec::{DataFacts, RunSpec, SpecError};
use crate::warnings;
use reclra::Device;
use reclra_data::files::{self, FileError, write_atomically};
use reclra_data::{self as data, Dataset};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What an experiment's file says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Heading of the results.
    pub title: String,
    /// What it shows.
    pub about: String,
    /// Where the protocol is not the paper's, and why.
    #[serde(default)]
    pub differs: String,
    /// What this program lacks for it, if it cannot be made yet.
    #[serde(default)]
    pub needs: String,
    /// Each run is made with each of these.
    #[serde(default)]
    pub seeds: Vec<u64>,
    /// Whether the validation error by epoch is drawn, all runs in one picture.
    #[serde(default)]
    pub plot: bool,
    /// Columns of the table beside errors: `accuracy`, `top5`, `f1`, `precision`, `recall`, `memory`.
    #[serde(default)]
    pub columns: Columns,
    /// The preset of all runs that name none themselves.
    #[serde(default)]
    pub preset: String,
    /// The network whose test part is shown: that of the last epoch, or that of the epoch chosen on the validation part.
    #[serde(default)]
    pub choose: Choose,
    /// The run to which the time of the others is compared; without one the table has no times.
    #[serde(default)]
    pub relative_to: String,
    /// Whether the top hidden region of all networks is drawn as a map by t-SNE.
    #[serde(default)]
    pub embed: bool,
    /// Settings over those of the runs with `--quick`.
    #[serde(default)]
    pub quick: BTreeMap<String, toml::Value>,
    /// The runs.
    #[serde(default)]
    pub run: Vec<Run>,
}

/// What came of one run with one seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// Name of the run.
    pub name: String,
    /// Program and machine that made it; none of what was made before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<String>,
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
    /// Parts that are missing.
    #[error("{title}: cannot be made yet: it needs {needs}")]
    Needs {
        /// Title of the experiment.
        title: String,
        /// What is missing.
        needs: String,
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

/// Is told how the runs of an experiment go.
pub trait Witness {
    /// A run of that spec comes next: kept from before, or made now and watched.
    fn next(&mut self, run: &Run, spec: &RunSpec, kept: bool) -> Box<dyn Observer + '_>;
    /// Something could not be kept; the run goes on.
    fn warn(&mut self, line: &str);
}

/// How an experiment is made.
pub struct Work<'a> {
    /// Its name, and that of its files.
    pub name: &'a str,
    /// Folder for the results.
    pub out: &'a Path,
    /// Folder for the folders of the runs.
    pub runs: &'a Path,
    /// Folder of the data.
    pub data_dir: Option<&'a Path>,
    /// On what.
    pub machine: &'a Machine,
    /// Where the runs are made; data and threads are filled in.
    pub environment: &'a Environment,
    /// What is kept of each run while it goes.
    pub keeping: Keeping,
    /// Set to end it.
    pub stop: &'a AtomicBool,
    /// Writes the report of each run.
    pub report: WriteReport,
    /// Draws the errors by epoch, of one line or several over their seeds.
    pub plot: Plot,
}

/// Makes a picture of lines; the second argument says what each is a mean over.
pub type Plot = fn(&[Seeds<'_>], &str) -> Result<String, String>;

/// A run with a seed, ready to be made.
#[derive(Clone)]
pub struct Planned {
    /// Place of the run in the experiment.
    pub run: usize,
    /// Its spec.
    pub spec: RunSpec,
    /// Its data.
    pub dataset: Arc<dyn Dataset>,
    /// What the spec knows of it.
    pub facts: DataFacts,
}

impl Experiment {
    /// Leaves out what the paper claims of runs on images that are not the published ones. True if there are such runs.
    pub fn without_claims(&mut self, plan: &[Planned]) -> bool {
        let other = |n: usize| plan.iter().any(|p| p.run == n && p.facts.published == Some(false));
        let mut found = false;
        for (_, run) in self.run.iter_mut().enumerate().filter(|(n, _)| other(*n)) {
            run.claimed = None;
            found = true;
        }
        found
    }

    /// The same in minutes: one seed, and the settings meant for it, which are no reproduction of anything.
    #[must_use]
    pub fn quickly(mut self) -> Experiment {
        self.title = format!("{} (quick: the same pipeline in little time; no reproduction)", self.title);
        let quick: Vec<String> = self.quick.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        let settings = [quick, vec!["one seed".to_owned()]].concat().join(", ");
        self.about = format!("{} Not so here, where all runs have {settings}.", self.about);
        self.seeds.truncate(1);
        // What the experiment says of its own settings is not true of these.
        self.differs.clear();
        for run in &mut self.run {
            run.set.extend(self.quick.clone());
            (run.claimed, run.at_most, run.at_least) = (None, None, None);
            run.goal.clear();
            run.differs = format!("made with --quick: {settings}; it is compared with no figure of the paper");
        }
        self
    }

    /// Every run with every seed, its data opened.
    ///
    /// # Errors
    /// If something is missing, data cannot be read, or a spec is wrong.
    pub fn plan(&self, data_dir: Option<&Path>) -> Result<Vec<Planned>, ExperimentError> {
        if !self.needs.is_empty() {
            return Err(ExperimentError::Needs { title: self.title.clone(), needs: self.needs.clone() });
        }
        let mut opened: Vec<(String, Arc<dyn Dataset>)> = Vec::new();
        let mut all = Vec::new();
        for (n, run) in self.run.iter().enumerate() {
            let name = run.set.get("data.name").and_then(toml::Value::as_str).unwrap_or("digits");
            let dataset = match opened.iter().find(|(known, _)| known == name) {
                Some((_, dataset)) => dataset.clone(),
                None => {
                    opened.push((name.to_owned(), data::open(name, data_dir)?));
                    opened[opened.len() - 1].1.clone()
                }
            };
            let facts = DataFacts::of(&*dataset);
            for &seed in &self.seeds {
                let spec = run.spec(seed, &facts)?;
                all.push(Planned { run: n, spec, dataset: dataset.clone(), facts: facts.clone() });
            }
        }
        Ok(all)
    }

    /// The results that a table in that folder was made of.
    #[must_use]
    pub fn kept(&self, out: &Path, name: &str) -> Vec<Done> {
        let bytes = files::read(&out.join(format!("{name}.json")), files::NUMBERS, "").unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// A planned run that was made before.
    #[must_use]
    pub fn found(&self, planned: &Planned, kept: &[Done], runs: &Path) -> Option<Done> {
        let (name, Planned { spec, facts, .. }) = (&self.run[planned.run].name, planned);
        let is_it = |d: &&Done| &d.name == name && d.record.seed == spec.seed && spec.is_that_of(&d.record.spec, facts);
        // For a map of its layers the network must be there too.
        let old = kept.iter().find(is_it).filter(|_| !self.embed).cloned();
        old.or_else(|| {
            let folder = self.folder(planned, runs);
            let record = runs::finished(&folder, spec, facts)?;
            let made = runs::environment(&folder).map(|e| Machine::of(&e).origin());
            Some(Done { name: name.clone(), made, record })
        })
    }

    /// The folder of a planned run.
    #[must_use]
    pub fn folder(&self, planned: &Planned, runs: &Path) -> PathBuf {
        let kept = |c: char| if c.is_ascii_alphanumeric() || "-_.=".contains(c) { c } else { '_' };
        let name: String = self.run[planned.run].name.chars().map(kept).collect();
        let Planned { spec, facts, .. } = planned;
        runs::place(&runs.join(name), spec, |there| spec.is_that_of(there, facts))
    }

    /// Makes all runs that are not made yet, and writes `NAME.json` and `NAME.md` after each.
    ///
    /// # Errors
    /// If data or results cannot be read or written, a spec is wrong, or the work was stopped.
    pub fn make(
        &self,
        plan: &[Planned],
        work: &Work<'_>,
        witness: &mut dyn Witness,
    ) -> Result<Vec<Done>, ExperimentError> {
        let kept = self.kept(work.out, work.name);
        let mut done: Vec<Done> = Vec::new();
        let mut environment = work.environment.clone();
        let mut described = String::new();
        for planned in plan {
            let (run, spec) = (&self.run[planned.run], &planned.spec);
            if let Some(old) = self.found(planned, &kept, work.runs) {
                drop(witness.next(run, spec, true));
                done.push(old);
                continue;
            }
            if work.stop.load(std::sync::atomic::Ordering::Relaxed) {
                return Err(ExperimentError::Interrupted);
            }
            if described != spec.data.name {
                environment.data = data_files(&spec.data, work.data_dir)?;
                environment.facts = Some(planned.facts.clone());
                described.clone_from(&spec.data.name);
            }
            let shared = Shared {
                dataset: &*planned.dataset,
                facts: &planned.facts,
                environment: &environment,
                keeping: work.keeping,
                stop: work.stop,
                report: work.report,
            };
            let (device, folder) = (Device::cpu(work.machine.threads), self.folder(planned, work.runs));
            let mut lines = Vec::new();
            let made = {
                let mut observer = witness.next(run, spec, false);
                runs::once(&folder, spec, &shared, device, &mut *observer, &mut |w| lines.push(w.to_owned()))
            };
            if let Ok(Some(record)) = &made {
                let of_run = |w: String| format!("{}, seed {}: {w}", run.name, spec.seed);
                lines.extend(warnings::after(record, spec).into_iter().map(of_run));
            }
            lines.iter().for_each(|w| witness.warn(w));
            let record = match made {
                Ok(Some(record)) => record,
                Ok(None) => return Err(ExperimentError::Interrupted),
                Err(RunError::Data(e)) => return Err(e.into()),
                Err(RunError::File(e)) => return Err(e.into()),
                Err(RunError::Spec(error)) => return Err(ExperimentError::Spec { run: run.name.clone(), error }),
            };
            done.push(Done { name: run.name.clone(), made: Some(work.machine.origin()), record });
            self.write(work, plan, &done, &kept)?;
        }
        self.write(work, plan, &done, &[])?;
        Ok(done)
    }

    fn write(&self, work: &Work<'_>, plan: &[Planned], done: &[Done], kept: &[Done]) -> Result<(), ExperimentError> {
        let later = kept.iter().filter(|k| !done.iter().any(|d| (&d.name, d.record.seed) == (&k.name, k.record.seed)));
        let all: Vec<&Done> = done.iter().chain(later).collect();
        let json = serde_json::to_vec_pretty(&all).unwrap_or_default();
        let file = |ending: &str| work.out.join(format!("{}.{ending}", work.name));
        write_atomically(&file("json"), &json)?;
        let records = |run: &Run| done.iter().filter(|d| d.name == run.name).map(|d| &d.record).collect();
        if self.plot {
            let lines: Vec<_> = self.run.iter().map(|run| (run.name.clone(), records(run))).collect();
            let (path, svg) = (file("svg"), (work.plot)(&lines, "seeds"));
            write_atomically(&path, svg.map_err(|e| ExperimentError::Plot(path.clone(), e))?.as_bytes())?;
        }
        let specs: Vec<(usize, &RunSpec)> = plan.iter().map(|p| (p.run, &p.spec)).collect();
        Ok(write_atomically(&file("md"), markdown(self, work.name, work.machine, &specs, done).as_bytes())?)
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

impl Machine {
    /// That of a run's folder.
    fn of(environment: &Environment) -> Machine {
        let Environment { version, commit, threads, .. } = environment;
        let version = if commit.is_empty() { version.clone() } else { format!("{version} ({commit})") };
        Machine { version, description: environment.machine(), threads: *threads }
    }

    /// Program and machine in a line.
    fn origin(&self) -> String {
        format!("reclra {}, on {}", self.version, self.description)
    }
}

#[cfg(test)]
mod tests;
