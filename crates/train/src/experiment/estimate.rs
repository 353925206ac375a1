//! How long an experiment will take on this machine, from a few measured steps, and how much disk it needs.

use super::done::Done;
use super::error::ExperimentError;
use super::file::Experiment;
use super::make::Planned;
use crate::memory::Memory;
use crate::spec::{DataFacts, SpecError};
use reclra::{Device, Learner};
use reclra_data::{self as data, Batch, ready};
use std::path::Path;
use std::time::{Duration, Instant};

/// Steps measured of each kind of run, and the time after which fewer do.
const STEPS: u64 = 20;
const PATIENCE: Duration = Duration::from_millis(400);

/// What is left to do.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Runs to be made.
    pub runs: usize,
    /// Runs that are there already.
    pub kept: usize,
    /// Seconds, evaluation not counted.
    pub seconds: f64,
    /// Bytes of the networks that will be kept, and of one checkpoint meanwhile.
    pub bytes: u64,
}

/// Measures some steps of every run that is not made yet. Seeds of one run take the same.
///
/// # Errors
/// If data cannot be read or a spec cannot be.
pub fn estimate(
    experiment: &Experiment,
    plan: &[Planned],
    (kept, runs): (&[Done], &Path),
    device: &Device,
) -> Result<Estimate, ExperimentError> {
    let mut sum = Estimate::default();
    let mut checkpoint = 0;
    let mut measured: Option<(usize, f64)> = None;
    for planned in plan {
        if experiment.found(planned, kept, runs).is_some() {
            sum.kept += 1;
            continue;
        }
        let wrong = |error| ExperimentError::Spec { run: experiment.run[planned.run].name.clone(), error };
        let seconds = match measured {
            Some((run, seconds)) if run == planned.run => seconds,
            _ => step_seconds(planned, device, &wrong)?,
        };
        measured = Some((planned.run, seconds));
        let spec = &planned.spec;
        let images = planned.facts.train - spec.data.validation;
        sum.runs += 1;
        sum.seconds += seconds * (spec.epochs * images.div_ceil(spec.batch) as u64) as f64;
        let memory = Memory::of_spec(spec, planned.facts.train).map_err(wrong)?;
        let model = memory.weights + memory.average + memory.rule;
        sum.bytes += model;
        checkpoint = checkpoint.max(2 * (model + memory.moments + memory.states));
    }
    sum.bytes += checkpoint;
    Ok(sum)
}

/// Multiplications and additions a second, evaluation and all else included, that one core of today has been seen to make.
const PACE: f64 = 5e10;
/// Passes of a rule that settles over its synapses, against three of the others.
const SETTLING: f64 = 6.0;

/// Seconds that all runs may take on one core, in order of magnitude: nothing is measured and no data need be there. None if
/// the runs are not known.
#[must_use]
pub fn rough(experiment: &Experiment) -> Option<f64> {
    let mut sum = 0.0;
    for run in &experiment.run {
        let facts = published(run.set.get("data.name").and_then(toml::Value::as_str).unwrap_or("digits"))?;
        let spec = run.spec(0, &facts).ok()?;
        let graph = spec.graph().ok()?;
        let passes = if spec.rule.build(&graph).ok()?.settles().is_some() { SETTLING } else { 1.0 };
        // A multiplication and an addition for each weight and sample, and in convolutions each place: forward, back, into the
        // update.
        let inside: usize = graph.regions().iter().filter_map(|r| r.inside.as_ref()).map(|b| b.multiplications()).sum();
        let of_epoch =
            6.0 * passes * graph.parameters().max(inside) as f64 * (facts.train - spec.data.validation) as f64;
        sum += of_epoch * spec.epochs as f64 / PACE;
    }
    (!experiment.run.is_empty()).then_some(sum * experiment.seeds.len() as f64)
}

/// What a data set is known to be without its files.
fn published(name: &str) -> Option<DataFacts> {
    let entry = data::entry(name).ok()?;
    entry.published().map(|p| p.0).or_else(|| Some(DataFacts::of(&*data::open(name, None).ok()?)))
}

/// Seconds of a step, in the median.
fn step_seconds(
    planned: &Planned,
    device: &Device,
    wrong: &dyn Fn(SpecError) -> ExperimentError,
) -> Result<f64, ExperimentError> {
    let Planned { spec, dataset, .. } = planned;
    let split = spec.split(&**dataset)?;
    let ready = ready(&**dataset, &split, &spec.data)?;
    let loader = spec.loader(ready.dataset(), &split);
    crate::memory::fits(spec, &planned.facts, true).map_err(wrong)?;
    let graph = spec.graph().map_err(wrong)?;
    let rule = spec.rule.build(&graph).map_err(wrong)?;
    let optim = spec.optim(loader.batches());
    let mut learner = Learner::new(graph, rule, spec.net.w_std, optim, device.clone(), spec.seed)
        .map_err(|e| wrong(SpecError::from(e)))?;
    let (mut batch, mut times, begun) = (Batch::default(), Vec::new(), Instant::now());
    for position in 0..STEPS.min(loader.batches()) {
        let at = Instant::now();
        loader.fill(0, position, &mut batch)?;
        learner.step_of(&batch.x, &batch.labels, &batch.samples);
        times.push(at.elapsed().as_secs_f64());
        if begun.elapsed() > PATIENCE && times.len() > 3 {
            break;
        }
    }
    times.sort_by(f64::total_cmp);
    Ok(times.get(times.len() / 2).copied().unwrap_or(0.0))
}
