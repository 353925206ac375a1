//! A long run of many steps, kept as any run is, and what becomes of its memory, its speed and its files.

use crate::fit::{Observer, Progress};
use crate::run::RunError;
use crate::runs::{self, Environment, Keeping, LOG, METRICS, Shared, WriteReport};
use crate::spec::{DataFacts, RunSpec, Settings};
use reclra::Device;
use reclra_data::Dataset;
use serde::Serialize;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Stretches of the run that are looked at one by one.
const STRETCHES: u64 = 100;
/// The first of them warm up: buffers grow to their size, pages of the program are read.
const WARM: usize = 10;

/// One stretch of the run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Stretch {
    /// Steps of the run at its end.
    pub step: u64,
    /// Microseconds a step, with all that lies between the steps: batches, judging, files.
    pub step_us: f64,
    /// Bytes that the process holds resident at its end; none where the system does not tell.
    pub resident: Option<u64>,
}

/// What a long run came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Soak {
    /// Steps that were done.
    pub steps: u64,
    /// Epochs that were done.
    pub epochs: u64,
    /// All stretches, in order.
    pub stretches: Vec<Stretch>,
    /// Resident bytes after the warm-up and at the end.
    pub resident: Option<(u64, u64)>,
    /// The most of them over what was resident after the warm-up, less 1.
    pub growth: Option<f64>,
    /// Median time of a step over the last fifth of the stretches, over that of the first fifth after the warm-up.
    pub drift: f64,
    /// How far stretches of one run lie apart: the 90th percentile of their times over the 10th.
    pub noise: f64,
    /// Bytes of the run's log.
    pub log_bytes: u64,
    /// Bytes of the lines of its epochs.
    pub metrics_bytes: u64,
}

/// Looks at a run while it goes, and ends it after so many steps.
struct Watcher<'a> {
    steps: u64,
    each: u64,
    done: u64,
    began: Instant,
    stretches: Vec<Stretch>,
    told: &'a mut dyn FnMut(&Stretch, u64),
    stop: &'a AtomicBool,
}

impl Observer for Watcher<'_> {
    fn step(&mut self, _: &Progress<'_>) {
        self.done += 1;
        if self.done.is_multiple_of(self.each) || self.done == self.steps {
            let steps = self.done - self.stretches.last().map_or(0, |s| s.step);
            let step_us = self.began.elapsed().as_secs_f64() * 1e6 / steps as f64;
            let stretch = Stretch { step: self.done, step_us, resident: resident() };
            (self.told)(&stretch, self.steps);
            self.stretches.push(stretch);
            self.began = Instant::now();
        }
        if self.done == self.steps {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

/// Resident bytes of this process.
fn resident() -> Option<u64> {
    let pid = sysinfo::get_current_pid().ok()?;
    let mut system = sysinfo::System::new();
    let what = sysinfo::ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(sysinfo::ProcessesToUpdate::Some(&[pid]), false, what);
    system.process(pid).map(sysinfo::Process::memory)
}

/// Makes a run of `steps` steps in `folder`, of as many epochs as that takes, and looks at it a hundred times. `told` hears of
/// each stretch, and of all steps there will be. None if `stop` was set meanwhile; a run that diverges gets its `report`.
///
/// # Errors
/// As those of any run.
pub fn soak(
    (spec, dataset, facts): (&RunSpec, &dyn Dataset, &DataFacts),
    (folder, environment, device): (&Path, &Environment, &Device),
    steps: u64,
    (stop, report): (&AtomicBool, WriteReport),
    told: &mut dyn FnMut(&Stretch, u64),
) -> Result<Option<Soak>, RunError> {
    let steps = steps.max(STRETCHES);
    let batches = (facts.train.saturating_sub(spec.data.validation).max(1) as u64).div_ceil(spec.batch as u64);
    // One more than it takes: the run is stopped, and not judged.
    let spec = RunSpec::resolve(&Settings::with_epochs(&spec.to_toml(), steps.div_ceil(batches) + 1)?, facts)?;
    let shared = Shared { dataset, facts, environment, keeping: Keeping::default(), stop, report };
    let (each, began, stretches) = (steps / STRETCHES, Instant::now(), Vec::with_capacity(STRETCHES as usize + 1));
    let mut watcher = Watcher { steps, each, done: 0, began, stretches, told, stop };
    runs::once(folder, &spec, &shared, device.clone(), &mut watcher, &mut |_| {})?;
    let Watcher { done, stretches, .. } = watcher;
    if done < steps {
        return Ok(None);
    }
    let bytes = |name: &str| std::fs::metadata(folder.join(name)).map_or(0, |m| m.len());
    let (log_bytes, metrics_bytes) = (bytes(LOG), bytes(METRICS));
    Ok(Some(Soak { epochs: done / batches, log_bytes, metrics_bytes, ..figures(stretches) }))
}

/// What the stretches say.
fn figures(stretches: Vec<Stretch>) -> Soak {
    let warm = &stretches[WARM.min(stretches.len() - 1)..];
    let fifth = (warm.len() / 5).max(1);
    let quantile = |of: &[Stretch], share: f64| {
        let mut all: Vec<f64> = of.iter().map(|s| s.step_us).collect();
        all.sort_by(f64::total_cmp);
        all[((all.len() - 1) as f64 * share).round() as usize]
    };
    let drift = quantile(&warm[warm.len() - fifth..], 0.5) / quantile(&warm[..fifth], 0.5);
    let noise = quantile(warm, 0.9) / quantile(warm, 0.1);
    let held: Option<Vec<u64>> = warm.iter().map(|s| s.resident).collect();
    let ends = held.as_ref().and_then(|h| Some((*h.first()?, *h.last()?)));
    let growth = held.and_then(|h| Some(*h.iter().max()? as f64 / *h.first()?.max(&1) as f64 - 1.0));
    let steps = stretches.last().map_or(0, |s| s.step);
    Soak { steps, epochs: 0, resident: ends, growth, drift, noise, log_bytes: 0, metrics_bytes: 0, stretches }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_and_drift_are_those_after_the_warm_up() {
        let stretch = |n: u64| Stretch {
            step: n * 10,
            // Slow and growing at first, then flat, then a tenth slower in the last fifth.
            step_us: if n < 10 { 50.0 } else { 10.0 + f64::from(n >= 82) },
            resident: Some(if n < 10 { n } else { 100 + u64::from(n == 60) * 3 }),
        };
        let soak = figures((0..100).map(stretch).collect());
        assert_eq!((soak.steps, soak.resident), (990, Some((100, 100))));
        assert!((soak.growth.unwrap() - 0.03).abs() < 1e-12 && (soak.drift - 1.1).abs() < 1e-12, "{soak:?}");
        assert!((soak.noise - 1.1).abs() < 1e-12, "{soak:?}");
    }
}
