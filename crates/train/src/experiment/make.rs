//! Making the runs of an experiment that are not there yet, and writing what came of them.

use super::done::{Done, Machine};
use super::error::ExperimentError;
use super::file::Experiment;
use super::markdown::markdown;
use super::run::Run;
use crate::fit::Observer;
use crate::record::Seeds;
use crate::run::RunError;
use crate::runs::{self, Environment, Keeping, Shared, WriteReport, data_files};
use crate::spec::{DataFacts, RunSpec};
use crate::warnings;
use reclra::Device;
use reclra_data::files::{self, write_atomically};
use reclra_data::{self as data, Dataset};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

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
