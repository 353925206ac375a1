//! The visible loop: batches in, steps counted, observers told.
//!
//! Everything random is a pure function of (seed, epoch, position), so that the loop itself holds two integers.

use crate::data::{DataError, Dataset, Gathering, Loader, Part, Split, each_batch, gather};
use crate::metrics::{Confusion, Evaluation};
use crate::spec::{RunSpec, SpecError};
use reclra::{Device, Learner};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Samples evaluated at a time: enough to keep the kernels busy, few enough to stay in the cache.
pub(crate) const EVALUATED: usize = 256;

/// Samples the alignment is measured on: the mean update of so many hardly differs from that of all.
const ALIGNED: usize = 1000;

/// Why a run did not reach its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// A spec that cannot be.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// Data that cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Numbers that are no longer finite.
    #[error("step {step} of epoch {epoch}: {what} is not a finite number; {remedy}")]
    Diverged {
        /// Epoch, from 1.
        epoch: u64,
        /// Step within the run, from 1.
        step: u64,
        /// The loss, or the first parameter.
        what: String,
        /// What to try.
        remedy: String,
    },
}

/// Where a run stands, told after every step.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Epoch, from 1.
    pub epoch: u64,
    /// Steps done in it.
    pub step: u64,
    /// Steps in an epoch.
    pub steps: u64,
    /// Samples done in it.
    pub samples: u64,
    /// Mean loss of its steps so far.
    pub loss: f64,
    /// Mean total discrepancy of its steps so far.
    pub discrepancy: f64,
}

/// One epoch in figures.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct EpochReport {
    /// From 1.
    pub epoch: u64,
    /// Steps done since the start of the run.
    pub step: u64,
    /// Mean training loss over the epoch, each batch before its update.
    pub train_loss: f64,
    /// Share of training samples classified wrongly, each batch before its update.
    pub train_error: f64,
    /// Mean loss on the validation part.
    pub validation_loss: f64,
    /// Share of the validation part classified wrongly; none if there is no validation part.
    pub validation_error: Option<f64>,
    /// Mean total discrepancy D over the epoch.
    pub discrepancy: f64,
    /// Angle between the rule's update of W and the gradient, region by region, if tracked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alignment: Vec<Angle>,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Training samples a second, evaluation not counted.
    pub samples_per_second: f64,
    /// Seconds the epoch took, evaluation included.
    pub seconds: f64,
}

/// How well one region's update of W is aligned with the gradient.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Angle {
    /// Name of the region.
    pub region: String,
    /// 0 is the gradient's direction, below 90 descends.
    pub degrees: f64,
}

/// Is told how a run goes. All methods may be left as they are.
pub trait Observer {
    /// After every step.
    fn step(&mut self, _: &Progress) {}
    /// After every epoch.
    fn epoch(&mut self, _: &EpochReport) {}
}

impl Observer for () {}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// The trained network.
    pub learner: Learner,
    /// All epochs.
    pub epochs: Vec<EpochReport>,
    /// The test part, judged after the last epoch; none if the run was interrupted.
    pub test: Option<Evaluation>,
    /// Whether it was stopped from outside.
    pub interrupted: bool,
    /// Time of the run.
    pub took: Duration,
}

/// Trains as `spec` says. `stop` ends the run after the step in flight.
///
/// # Errors
/// If data cannot be read, or numbers are no longer finite.
pub fn fit(
    spec: &RunSpec,
    dataset: &dyn Dataset,
    device: Device,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
) -> Result<Outcome, FitError> {
    let begun = Instant::now();
    let split = Split::new(dataset, spec.data.validation, spec.seed)?;
    let loader = Loader::new(dataset, &split, spec.batch, spec.data.shift, spec.seed);
    let steps = loader.batches();
    let gathering = Gathering::beside(device.threads());
    let graph = spec.graph()?;
    let rule = spec.rule.build(&graph)?;
    let mut learner =
        Learner::new(graph, rule, spec.net.w_std, spec.optim(steps), device, spec.seed).map_err(SpecError::from)?;
    let mut epochs = Vec::new();
    let outcome =
        |learner, epochs, test, interrupted| Ok(Outcome { learner, epochs, test, interrupted, took: begun.elapsed() });
    for epoch in 0..spec.epochs {
        let started = Instant::now();
        let (mut loss, mut wrong, mut discrepancy, mut samples) = (0.0, 0.0, 0.0, 0_u64);
        let ended = each_batch(&loader, epoch, gathering, &mut |position, batch| {
            if stop.load(Ordering::Relaxed) {
                return Err(Halt::Stopped);
            }
            let report = learner.step_of(&batch.x, &batch.labels, &batch.samples);
            let n = batch.labels.len() as f64;
            (loss, wrong, discrepancy) =
                (loss + n * report.loss, wrong + n * report.error, discrepancy + n * report.discrepancy);
            samples += batch.labels.len() as u64;
            if !report.loss.is_finite() {
                return Err(Halt::Failed(diverged(spec, &learner, epoch + 1)));
            }
            let mean = |sum: f64| sum / samples as f64;
            observer.step(&Progress {
                epoch: epoch + 1,
                step: position + 1,
                steps,
                samples,
                loss: mean(loss),
                discrepancy: mean(discrepancy),
            });
            Ok(())
        });
        match ended {
            Ok(()) => {}
            Err(Halt::Stopped) => return outcome(learner, epochs, None, true),
            Err(Halt::Failed(error)) => return Err(error),
        }
        if learner.check_finite().is_err() {
            return Err(diverged(spec, &learner, epoch + 1));
        }
        let trained = started.elapsed().as_secs_f64();
        let alignment = if spec.alignment { alignment(&mut learner, dataset, &split)? } else { Vec::new() };
        let validation = evaluate(&mut learner, dataset, Part::Train, split.validation())?;
        let mean = |sum: f64| sum / samples.max(1) as f64;
        let report = EpochReport {
            epoch: epoch + 1,
            step: learner.steps(),
            train_loss: mean(loss),
            train_error: mean(wrong),
            validation_loss: validation.loss,
            validation_error: (validation.samples > 0).then(|| validation.error()),
            discrepancy: mean(discrepancy),
            alignment,
            learning_rate: learner.optim().rate_at(learner.steps().saturating_sub(1)),
            samples_per_second: samples as f64 / trained.max(1e-9),
            seconds: started.elapsed().as_secs_f64(),
        };
        observer.epoch(&report);
        epochs.push(report);
    }
    let all: Vec<u32> = (0..dataset.len(Part::Test) as u32).collect();
    let test = evaluate(&mut learner, dataset, Part::Test, &all)?;
    outcome(learner, epochs, Some(test), false)
}

/// Why an epoch ended before its last batch.
enum Halt {
    /// From outside.
    Stopped,
    /// By an error.
    Failed(FitError),
}

impl From<DataError> for Halt {
    fn from(error: DataError) -> Halt {
        Halt::Failed(error.into())
    }
}

fn diverged(spec: &RunSpec, learner: &Learner, epoch: u64) -> FitError {
    let what = learner.check_finite().err().map_or("the loss".to_owned(), |name| format!("parameter {name}"));
    let printed = spec.rule.diverges();
    let remedy = match printed {
        Some(name) => format!("{name} is known to diverge, take rule.plasticity = \"mirror\""),
        None => format!("lower the learning rate (optim.lr = {}) or add a warm-up", learner.optim().rate),
    };
    FitError::Diverged { epoch, step: learner.steps(), what, remedy }
}

/// The angles of all regions on the first training samples, unshifted, with the weights as they are; nothing is learnt.
/// It costs a step on so many samples, without its update, and one of backprop.
///
/// # Errors
/// If a sample cannot be read.
fn alignment(learner: &mut Learner, dataset: &dyn Dataset, split: &Split) -> Result<Vec<Angle>, DataError> {
    let samples = &split.train()[..ALIGNED.min(split.train().len())];
    let (mut x, mut labels) = (Vec::new(), Vec::new());
    gather(dataset, Part::Train, samples, &mut x, &mut labels)?;
    learner.errors_of(&x, &labels);
    let name = |i: usize| learner.graph().regions()[i].name.clone();
    Ok(learner.alignment().into_iter().map(|(i, degrees)| Angle { region: name(i), degrees }).collect())
}

/// Judges the given samples of a part, in order, without augmentation.
///
/// # Errors
/// If a sample cannot be read.
pub fn evaluate(
    learner: &mut Learner,
    dataset: &dyn Dataset,
    part: Part,
    samples: &[u32],
) -> Result<Evaluation, DataError> {
    let mut sum = Evaluation { samples: samples.len(), ..Evaluation::default() };
    each_chunk(dataset, part, samples, |x, labels| {
        let verdict = learner.evaluate(x, labels);
        sum.wrong += verdict.wrong;
        sum.loss += verdict.loss / samples.len().max(1) as f64;
    })?;
    Ok(sum)
}

/// Who is taken for whom among the given samples of a part.
///
/// # Errors
/// If a sample cannot be read.
pub fn confusion(
    learner: &mut Learner,
    dataset: &dyn Dataset,
    part: Part,
    samples: &[u32],
) -> Result<Confusion, DataError> {
    let classes = dataset.classes();
    let mut counts = Confusion::new(classes);
    each_chunk(dataset, part, samples, |x, labels| {
        for (p, &label) in learner.predict(x).chunks_exact(classes).zip(labels) {
            counts.add(label as usize, best(p));
        }
    })?;
    Ok(counts)
}

/// The largest of some outputs; the first of equals.
#[must_use]
pub fn best(outputs: &[f32]) -> usize {
    (0..outputs.len()).rev().max_by(|&a, &b| outputs[a].total_cmp(&outputs[b])).unwrap_or(0)
}

fn each_chunk(
    dataset: &dyn Dataset,
    part: Part,
    samples: &[u32],
    mut judge: impl FnMut(&[f32], &[u32]),
) -> Result<(), DataError> {
    let (mut x, mut labels) = (Vec::new(), Vec::new());
    for chunk in samples.chunks(EVALUATED) {
        gather(dataset, part, chunk, &mut x, &mut labels)?;
        judge(&x, &labels);
    }
    Ok(())
}
