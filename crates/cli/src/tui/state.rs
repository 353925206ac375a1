//! What the view knows of a run: figures, no screen.

use reclra_train::fit::{Angle, EpochReport, Layer, Progress};
use std::time::Instant;

/// Points kept of the epoch in flight; past that every other one is dropped.
const POINTS: usize = 512;

/// All that a frame shows.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) title: String,
    pub(super) epochs: u64,
    /// The step made last.
    pub(super) at: Option<At>,
    /// Running mean of the training error within the epoch: (epochs done, share).
    pub(super) within: Vec<(f64, f64)>,
    /// Training and validation error by epoch, as shares.
    pub(super) train: Vec<(f64, f64)>,
    pub(super) validation: Vec<(f64, f64)>,
    /// The same of the loss: within the epoch, training, validation.
    pub(super) within_loss: Vec<(f64, f64)>,
    pub(super) train_loss: Vec<(f64, f64)>,
    pub(super) validation_loss: Vec<(f64, f64)>,
    /// The step drawn last.
    pub(super) layers: Vec<Layer>,
    /// The last epoch.
    pub(super) alignment: Vec<Angle>,
    /// Whether the run was asked to stop.
    pub(super) stopping: bool,
    /// Seconds the view has been there.
    pub(super) elapsed: f64,
    /// Where the view began, in epochs, and when.
    start: Option<(f64, Instant)>,
    /// Samples of the epoch when its first step was told, and when that was.
    pace: Option<(u64, u64, Instant)>,
}

/// Where the run stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct At {
    pub(super) epoch: u64,
    pub(super) step: u64,
    pub(super) steps: u64,
    pub(super) loss: f64,
    pub(super) discrepancy: f64,
    pub(super) rate: f64,
    /// Training samples a second, in this epoch or the one before, if known yet.
    pub(super) speed: Option<f64>,
    /// Seconds until the end, if the rest goes as the part so far.
    pub(super) left: Option<f64>,
}

impl At {
    /// Epochs done, with the part of the present one.
    pub(super) fn done(&self) -> f64 {
        self.epoch.saturating_sub(1) as f64 + self.step as f64 / self.steps.max(1) as f64
    }
}

impl State {
    pub(super) fn new(title: &str, epochs: u64) -> State {
        State { title: title.to_owned(), epochs, ..State::default() }
    }

    /// `error`: running mean of the epoch. `rate`: learning rate. `layers`: those of this step, if measured.
    pub(super) fn step(&mut self, p: &Progress<'_>, error: f64, rate: f64, layers: Option<Vec<Layer>>) {
        let known = self.at.and_then(|at| at.speed);
        let mut at = At {
            epoch: p.epoch,
            step: p.step,
            steps: p.steps,
            loss: p.loss,
            discrepancy: p.discrepancy,
            rate,
            speed: known,
            left: None,
        };
        let now = Instant::now();
        if self.pace.is_none_or(|(epoch, ..)| epoch != p.epoch) {
            self.pace = Some((p.epoch, p.samples, now));
            self.within.clear();
            self.within_loss.clear();
        }
        let (begun, since) = *self.start.get_or_insert((at.done(), now));
        if let Some((_, samples, since)) = self.pace {
            let seconds = (now - since).as_secs_f64();
            if seconds > 0.2 && p.samples > samples {
                at.speed = Some((p.samples - samples) as f64 / seconds);
            }
        }
        let done = at.done() - begun;
        if done > 0.0 {
            at.left = Some((now - since).as_secs_f64() * (self.epochs as f64 - at.done()).max(0.0) / done);
        }
        for (points, value) in [(&mut self.within, error), (&mut self.within_loss, p.loss)] {
            if points.len() >= POINTS {
                *points = points.iter().copied().step_by(2).collect();
            }
            points.push((at.done(), value));
        }
        self.at = Some(at);
        if let Some(layers) = layers {
            self.layers = layers;
        }
    }

    pub(super) fn epoch(&mut self, r: &EpochReport) {
        let x = r.epoch as f64;
        self.train.push((x, r.train_error));
        self.validation.extend(r.validation_error.map(|e| (x, e)));
        self.train_loss.push((x, r.train_loss));
        self.validation_loss.extend(r.validation_error.map(|_| (x, r.validation_loss)));
        self.alignment.clone_from(&r.alignment);
        if self.layers.is_empty() {
            self.layers.clone_from(&r.layers);
        }
        if let Some(at) = self.at.as_mut().filter(|at| at.epoch == r.epoch) {
            at.speed = Some(r.samples_per_second);
        }
    }

    /// Lowest validation error, and its epoch.
    pub(super) fn best(&self) -> Option<(f64, f64)> {
        self.validation.iter().copied().filter(|(_, e)| e.is_finite()).min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// Whether the steps of an epoch are done and its report is not there yet.
    pub(super) fn judging(&self) -> bool {
        let reported = self.train.last().map_or(0.0, |t| t.0);
        self.at.is_some_and(|at| at.step == at.steps && at.epoch as f64 > reported)
    }
}
