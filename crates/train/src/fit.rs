//! The visible loop: batches in, steps counted, observers told.
//!
//! Everything random is a pure function of (seed, epoch, position), so that the loop itself holds two integers, and the
//! figures of the epoch it is in: its [`Place`].

use crate::judge::alignment;
use crate::metrics::{Chosen, Evaluation, Scores};
use crate::spec::{RunSpec, SpecError};
use reclra::rule::ParamId;
use reclra::state::Kept;
use reclra::{Device, Learner, StepReport};
use reclra_data::{DataError, Dataset, Gathering, Part, each_batch, ready};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub(crate) use crate::judge::ALIGNED;
pub use crate::judge::{Angle, Judged, best, evaluate, judge};

/// Mean |e| is measured at every so many steps: it reads all error neurons once more.
const SAMPLED: u64 = 16;

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
    #[error("step {step} of epoch {epoch}, region {region}: {what} is not a finite number; {remedy}")]
    Diverged {
        /// Epoch, from 1.
        epoch: u64,
        /// Step within the run, from 1.
        step: u64,
        /// The first region, from the input, in which it shows.
        region: String,
        /// The loss, or the first parameter.
        what: String,
        /// What to try.
        remedy: String,
    },
}

/// Where a run stands, told after every step.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
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
    /// The figures of this step alone.
    pub report: StepReport,
    /// The network, its error neurons as this step made them.
    pub learner: &'a Learner,
}

/// One epoch in figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// What each region after the input contributed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<Layer>,
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

/// A region's error neurons over an epoch, or in a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Name of the region.
    pub region: String,
    /// Its part of the total discrepancy, a mean over the samples.
    pub discrepancy: f64,
    /// Mean |e| over its units and the samples; over an epoch, those of every 16th step.
    pub mean_error: f64,
}

/// Where a run stands between two steps: with the learner's state, all that is needed to go on to the same bits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// Epochs that are over, the validation part judged.
    pub epochs: Vec<EpochReport>,
    /// Batches done in the epoch after them.
    pub position: u64,
    /// Sums over these.
    pub sums: Sums,
    /// Seconds of the run so far.
    pub seconds: f64,
    /// The test part judged by the network of the epoch with the lowest validation error so far; none without a validation
    /// part, or of a run that was begun before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Chosen>,
}

impl Place {
    /// The epoch with the lowest validation error, from 1, the first of equals.
    fn lowest(&self) -> Option<u64> {
        let errors = self.epochs.iter().filter_map(|e| Some((e.validation_error?, e.epoch)));
        errors.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, epoch)| epoch)
    }
}

/// Sums over the samples of an epoch so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sums {
    /// Samples.
    pub samples: u64,
    /// Loss.
    pub loss: f64,
    /// Samples classified wrongly.
    pub wrong: f64,
    /// Total discrepancy.
    pub discrepancy: f64,
    /// Each region's part of it.
    pub regions: Vec<f64>,
    /// Mean |e| of each region, over the steps that measured it, and how many did.
    pub errors: (Vec<f64>, u64),
    /// Seconds of training.
    pub seconds: f64,
}

impl Sums {
    fn add(&mut self, report: &StepReport, n: usize, learner: &Learner, measured: bool) {
        let weight = n as f64;
        self.samples += n as u64;
        self.loss += weight * report.loss;
        self.wrong += weight * report.error;
        self.discrepancy += weight * report.discrepancy;
        let parts = &learner.errors().discrepancy;
        self.regions.resize(parts.len(), 0.0);
        self.regions.iter_mut().zip(parts).for_each(|(sum, part)| *sum += weight * part);
        if measured {
            let errors = learner.mean_errors();
            self.errors.0.resize(errors.len(), 0.0);
            self.errors.0.iter_mut().zip(errors).for_each(|(sum, e)| *sum += e);
            self.errors.1 += 1;
        }
    }

    fn mean(&self, sum: f64) -> f64 {
        sum / self.samples.max(1) as f64
    }

    fn layers(&self, learner: &Learner) -> Vec<Layer> {
        let regions = learner.graph().regions().iter().zip(&self.regions).zip(&self.errors.0).skip(1);
        let layer = |((r, &d), &e): ((&reclra::graph::Region, &f64), &f64)| Layer {
            region: r.name.clone(),
            discrepancy: self.mean(d),
            mean_error: tame(e / self.errors.1.max(1) as f64),
        };
        regions.map(layer).collect()
    }
}

/// A number that JSON can hold: error neurons may overflow where the loss does not.
fn tame(x: f64) -> f64 {
    if x.is_finite() { x } else { f64::MAX }
}

/// The error neurons of the step just made, region by region.
#[must_use]
pub fn layers(learner: &Learner) -> Vec<Layer> {
    let errors = learner.mean_errors();
    let regions = learner.graph().regions().iter().zip(&learner.errors().discrepancy).zip(errors).skip(1);
    regions.map(|((r, &d), e)| Layer { region: r.name.clone(), discrepancy: d, mean_error: tame(e) }).collect()
}

/// What a run may be kept as, offered after every step and epoch.
#[derive(Clone, Copy, Debug)]
pub struct State<'a> {
    /// The network.
    pub learner: &'a Learner,
    /// Where it stands.
    pub place: &'a Place,
    /// What has just happened.
    pub occasion: Occasion,
}

/// When a state is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// After a step.
    Step,
    /// After an epoch and its report.
    Epoch,
    /// As the run is stopped from outside.
    Stopped,
}

/// Is told how a run goes. All methods may be left as they are.
pub trait Observer {
    /// After every step.
    fn step(&mut self, _: &Progress<'_>) {}
    /// After every epoch.
    fn epoch(&mut self, _: &EpochReport) {}
    /// After both, and when the run is stopped: the time to keep a state.
    fn state(&mut self, _: &State<'_>) {}
}

impl Observer for () {}

/// How a run begins.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Start {
    /// With weights drawn from the seed.
    #[default]
    Fresh,
    /// With these, and those not named drawn from the seed.
    Weights(Vec<(ParamId, Vec<f64>)>),
    /// Where it was left.
    Kept(Box<Left>),
}

/// A run as it was left.
#[derive(Clone, Debug)]
pub struct Left {
    /// Where it stood.
    pub place: Place,
    /// Steps of the learner.
    pub steps: u64,
    /// Its state.
    pub state: Vec<Kept>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// The trained network.
    pub learner: Learner,
    /// All epochs.
    pub epochs: Vec<EpochReport>,
    /// The test part, judged after the last epoch; none if the run was interrupted.
    pub test: Option<Evaluation>,
    /// Its top-5 error, precision, recall and F1.
    pub scores: Option<Scores>,
    /// Its error where the most frequent class is named every time ([`Judged::constant_error`]).
    pub constant_error: Option<f64>,
    /// The test part judged by the network of the epoch with the lowest validation error.
    pub chosen: Option<Chosen>,
    /// Whether it was stopped from outside.
    pub interrupted: bool,
    /// Time of the run.
    pub took: Duration,
}

/// Trains as `spec` says, from the beginning. `stop` ends the run after the step in flight.
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
    fit_from(Start::Fresh, spec, dataset, device, observer, stop)
}

/// The same from some other start.
///
/// # Errors
/// As [`fit`], and if the start does not fit the spec.
pub fn fit_from(
    start: Start,
    spec: &RunSpec,
    dataset: &dyn Dataset,
    device: Device,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
) -> Result<Outcome, FitError> {
    let begun = Instant::now();
    let split = spec.split(dataset)?;
    let ready = ready(dataset, &split, &spec.data)?;
    let dataset = ready.dataset();
    let loader = spec.loader(dataset, &split);
    let steps = loader.batches();
    let gathering = Gathering::beside(device.threads());
    let (mut learner, mut place) = begin(start, spec, steps, device)?;
    let before = place.seconds;
    let outcome = |learner, place: Place, judged: Option<Judged>| {
        let took = Duration::from_secs_f64(before) + begun.elapsed();
        let (test, scores) = (judged.as_ref().map(|j| j.evaluation), judged.as_ref().map(Judged::scores));
        let constant_error = judged.as_ref().and_then(Judged::constant_error);
        let chosen = place.chosen.filter(|c| Some(c.epoch) == place.lowest());
        let interrupted = judged.is_none();
        Ok(Outcome { learner, epochs: place.epochs, test, scores, constant_error, chosen, interrupted, took })
    };
    let all: Vec<u32> = (0..dataset.len(Part::Test) as u32).collect();
    while (place.epochs.len() as u64) < spec.epochs {
        let epoch = place.epochs.len() as u64;
        let (started, spent) = (Instant::now(), place.sums.seconds);
        let ended = each_batch(&loader, (epoch, place.position), gathering, &mut |position, batch| {
            if stop.load(Ordering::Relaxed) {
                return Err(Halt::Stopped);
            }
            let report = learner.step_of(&batch.x, &batch.labels, &batch.samples);
            if !(report.loss.is_finite() && report.discrepancy.is_finite()) {
                return Err(Halt::Failed(diverged(spec, &learner, epoch + 1)));
            }
            place.sums.add(&report, batch.labels.len(), &learner, position.is_multiple_of(SAMPLED));
            place.position = position + 1;
            place.sums.seconds = spent + started.elapsed().as_secs_f64();
            place.seconds = before + begun.elapsed().as_secs_f64();
            let sums = &place.sums;
            observer.step(&Progress {
                epoch: epoch + 1,
                step: position + 1,
                steps,
                samples: sums.samples,
                loss: sums.mean(sums.loss),
                discrepancy: sums.mean(sums.discrepancy),
                report,
                learner: &learner,
            });
            observer.state(&State { learner: &learner, place: &place, occasion: Occasion::Step });
            Ok(())
        });
        match ended {
            Ok(()) => {}
            Err(Halt::Stopped) => {
                observer.state(&State { learner: &learner, place: &place, occasion: Occasion::Stopped });
                return outcome(learner, place, None);
            }
            Err(Halt::Failed(error)) => return Err(error),
        }
        if learner.check_finite().is_err() {
            return Err(diverged(spec, &learner, epoch + 1));
        }
        let trained = place.sums.seconds;
        let judging = Instant::now();
        let alignment = if spec.alignment { alignment(&mut learner, dataset, &split, spec.batch)? } else { Vec::new() };
        let validation = evaluate(&mut learner, dataset, Part::Train, split.validation())?;
        if !validation.loss.is_finite() {
            return Err(diverged(spec, &learner, epoch + 1));
        }
        let sums = std::mem::take(&mut place.sums);
        let report = EpochReport {
            epoch: epoch + 1,
            step: learner.steps(),
            train_loss: sums.mean(sums.loss),
            train_error: sums.mean(sums.wrong),
            validation_loss: validation.loss,
            validation_error: (validation.samples > 0).then(|| validation.error()),
            discrepancy: sums.mean(sums.discrepancy),
            layers: sums.layers(&learner),
            alignment,
            learning_rate: learner.optim().rate_at(learner.steps().saturating_sub(1)),
            samples_per_second: sums.samples as f64 / trained.max(1e-9),
            seconds: trained + judging.elapsed().as_secs_f64(),
        };
        observer.epoch(&report);
        place.epochs.push(report);
        if place.lowest() == Some(epoch + 1) {
            // Judged while the network is there; training hears nothing of it.
            let judged = judge(&mut learner, dataset, Part::Test, &all)?;
            let (test, scores) = (judged.evaluation, judged.scores());
            place.chosen = test.loss.is_finite().then_some(Chosen { epoch: epoch + 1, test, scores });
        }
        (place.position, place.seconds) = (0, before + begun.elapsed().as_secs_f64());
        observer.state(&State { learner: &learner, place: &place, occasion: Occasion::Epoch });
    }
    let test = judge(&mut learner, dataset, Part::Test, &all)?;
    if !test.evaluation.loss.is_finite() {
        return Err(diverged(spec, &learner, spec.epochs));
    }
    outcome(learner, place, Some(test))
}

/// The network and its place at the start.
fn begin(start: Start, spec: &RunSpec, steps: u64, device: Device) -> Result<(Learner, Place), FitError> {
    let graph = spec.graph()?;
    let rule = spec.rule.build(&graph)?;
    let mut learner =
        Learner::new(graph, rule, spec.net.w_std, spec.optim(steps), device, spec.seed).map_err(SpecError::from)?;
    let mut place = Place::default();
    match start {
        Start::Fresh => {}
        Start::Weights(all) => {
            all.iter().try_for_each(|(param, values)| learner.set(*param, values)).map_err(SpecError::from)?;
        }
        Start::Kept(left) => {
            learner.restore(left.steps, &left.state).map_err(SpecError::from)?;
            place = left.place;
        }
    }
    Ok((learner, place))
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
    let parameter = learner.check_finite().err();
    let (regions, activity) = (learner.graph().regions(), learner.activity());
    let broken = |i: &usize| !activity.z[*i].is_finite();
    let region = match &parameter {
        // W.in->b1, b.b1, E.out->b1: the region it leads into.
        Some(name) => name.rsplit(['>', '.']).next().unwrap_or(name).to_owned(),
        None => (1..regions.len()).find(broken).map_or_else(|| "out".to_owned(), |i| regions[i].name.clone()),
    };
    let what = parameter.map_or("the loss".to_owned(), |name| format!("parameter {name}"));
    let remedy = match spec.rule.diverges() {
        Some(name) => format!("{name} is known to diverge, take rule.plasticity = \"mirror\""),
        None => format!("lower the learning rate (optim.lr = {}) or add a warm-up", learner.optim().rate),
    };
    FitError::Diverged { epoch, step: learner.steps(), region, what, remedy }
}
