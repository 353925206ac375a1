//! How fast a step is, and how fast it could be: steps on random samples, timed phase by phase and held against the
//! floor that this machine's arithmetic and memory set.

mod machine;
mod soak;

pub use machine::{Cache, Ceiling};
pub use soak::{Soak, Stretch, soak};

use crate::fit::FitError;
use crate::spec::{DataFacts, RunSpec, Settings, SpecError};
use rand::RngExt;
use reclra::compute::Tally;
use reclra::compute::rng::Key;
use reclra::{Device, Learner};
use reclra_data::{Batch, Dataset, Gathering, ImageShape, each_batch, ready};
use serde::Serialize;
use std::time::{Duration, Instant};

/// Random batches that are taken in turn.
const BATCHES: usize = 8;

/// What is known of data that is made up for a network's widths: as large as MNIST, so that defaults are those of MNIST.
///
/// # Errors
/// If the settings name no `net.arch` that can be read.
pub fn random_facts(settings: &Settings) -> Result<DataFacts, SpecError> {
    let image = settings.get("net.model").and_then(toml::Value::as_str).is_some_and(|m| m != "mlp");
    if image {
        // As CIFAR-10, or as ImageNet where a size is given.
        let side = settings.get("data.size").and_then(toml::Value::as_integer).unwrap_or(0).clamp(0, 2048) as usize;
        let (side, classes) = if side == 0 { (32, 10) } else { (side, 1000) };
        return Ok(DataFacts {
            name: "random".to_owned(),
            class_names: (0..classes).map(|c| c.to_string()).collect(),
            white: 255,
            train: 50_000,
            validation: 5_000,
            published: None,
            shape: ImageShape { channels: 3, height: side, width: side },
        });
    }
    let arch = settings.get("net.arch").and_then(toml::Value::as_str).unwrap_or("784-3x256-10");
    let (inputs, classes) = crate::spec::ends(arch).unwrap_or((784, 10));
    Ok(DataFacts {
        name: "random".to_owned(),
        class_names: (0..classes).map(|c| c.to_string()).collect(),
        white: 255,
        train: 60_000,
        validation: 2_000,
        published: None,
        shape: ImageShape { channels: 1, height: 1, width: inputs },
    })
}

/// One phase of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Phase {
    /// Microseconds in the median.
    pub median_us: f64,
    /// Operations of its matrix products.
    pub flops: u64,
    /// Bytes it must move at least.
    pub bytes: u64,
    /// The time this machine needs for the one or the other, whichever is longer, in microseconds.
    pub floor_us: f64,
    /// Time over floor.
    pub over_floor: f64,
    /// 1e9 operations of matrix products a second.
    pub gflops: f64,
    /// 1e9 bytes a second, if every tensor is moved once.
    pub gigabytes_per_second: f64,
}

/// How long steps took.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepTimes {
    /// The rule.
    pub rule: String,
    /// Widths from input to output.
    pub widths: Vec<usize>,
    /// The model of an image network, and its width.
    pub model: Option<String>,
    /// Samples a step.
    pub batch: usize,
    /// Threads that computed.
    pub threads: usize,
    /// Instruction set.
    pub level: String,
    /// Steps measured.
    pub steps: usize,
    /// Microseconds of a step in the median.
    pub median_us: f64,
    /// A tenth of the steps were faster.
    pub p10_us: f64,
    /// A tenth of the steps were slower.
    pub p90_us: f64,
    /// Activities.
    pub forward: Phase,
    /// Output error, messages, targets.
    pub messages: Phase,
    /// Outer products, norms, optimiser.
    pub update: Phase,
    /// Microseconds in the median to evaluate such a batch: forward and verdict.
    pub evaluate_us: f64,
    /// Samples a second.
    pub samples_per_second: f64,
    /// 1e9 operations of matrix products a second.
    pub gflops: f64,
    /// 1e9 bytes a second, if every tensor of a phase is moved once.
    pub gigabytes_per_second: f64,
    /// Sum of the phases' floors, microseconds.
    pub floor_us: f64,
    /// Time over floor.
    pub over_floor: f64,
    /// Where the weights and moments fit: the level whose bandwidth sets the floor.
    pub level_of_memory: String,
    /// Bytes of weights, moments and the rule's synapses.
    pub parameter_bytes: u64,
}

impl StepTimes {
    /// The model, or the widths as in `net.arch`, none of them gathered: 784-256-256-10.
    #[must_use]
    pub fn arch(&self) -> String {
        if let Some(model) = &self.model {
            return model.clone();
        }
        self.widths.iter().map(usize::to_string).collect::<Vec<_>>().join("-")
    }
}

/// Times training steps on random samples for about `budget`, after a warm-up of a quarter of it.
///
/// # Errors
/// If the spec cannot be.
pub fn step(spec: &RunSpec, device: &Device, ceiling: &Ceiling, budget: Duration) -> Result<StepTimes, SpecError> {
    let mut learner = learner(spec, device)?;
    let (n, classes) = (spec.net.widths[0], spec.net.widths[spec.net.widths.len() - 1]);
    let mut rng = Key::new(spec.seed).child_named("bench").rng();
    let batches: Vec<Batch> = (0..BATCHES)
        .map(|_| Batch {
            x: (0..n * spec.batch).map(|_| rng.random::<f32>()).collect(),
            labels: (0..spec.batch).map(|_| rng.random_range(0..classes as u32)).collect(),
            samples: Vec::new(),
        })
        .collect();
    let mut times: Vec<[f64; 4]> = Vec::new();
    let mut work = [Tally::default(); 3];
    let begun = Instant::now();
    let warm = budget / 4;
    let mut warmed = 0;
    // At least some steps, however slow; at most so many that looking at them costs nothing.
    while (begun.elapsed() < warm + budget || times.len() < 5) && times.len() < 200_000 {
        let batch = &batches[(warmed + times.len()) % BATCHES];
        let (mut clock, mut tally) = ([Instant::now(); 4], [Tally::default(); 4]);
        tally[0] = device.tally();
        learner.activate(&batch.x, &batch.samples);
        (clock[1], tally[1]) = (Instant::now(), device.tally());
        learner.assign(&batch.labels);
        (clock[2], tally[2]) = (Instant::now(), device.tally());
        learner.update();
        (clock[3], tally[3]) = (Instant::now(), device.tally());
        if begun.elapsed() < warm || warmed < 2 {
            warmed += 1;
            continue;
        }
        let us = |a: usize, b: usize| clock[b].duration_since(clock[a]).as_secs_f64() * 1e6;
        times.push([us(0, 3), us(0, 1), us(1, 2), us(2, 3)]);
        work = [0, 1, 2].map(|p| tally[p + 1] - tally[p]);
    }
    let mut evaluations = Vec::new();
    let begun = Instant::now();
    while (begun.elapsed() < warm || evaluations.len() < 5) && evaluations.len() < 200_000 {
        let batch = &batches[evaluations.len() % BATCHES];
        let from = Instant::now();
        std::hint::black_box(learner.evaluate(&batch.x, &batch.labels));
        evaluations.push([from.elapsed().as_secs_f64() * 1e6]);
    }
    let bytes = parameter_bytes(&learner);
    let cache = ceiling.holds(bytes);
    let median = |column: usize| quantile(&times, column, 0.5);
    let phase = |p: usize| {
        let (median_us, Tally { flops, bytes }) = (median(p + 1).max(1e-3), work[p]);
        let floor_us = 1e6 * (flops as f64 / ceiling.flops).max(bytes as f64 / cache.bytes_per_second);
        Phase {
            median_us,
            flops,
            bytes,
            floor_us,
            // A phase may have nothing to do: the messages of a network without hidden regions.
            over_floor: median_us / floor_us.max(1e-6),
            gflops: flops as f64 / (median_us * 1e3),
            gigabytes_per_second: bytes as f64 / (median_us * 1e3),
        }
    };
    let [forward, messages, update] = [0, 1, 2].map(phase);
    let all = |of: fn(&Phase) -> f64| of(&forward) + of(&messages) + of(&update);
    let (median_us, floor_us) = (median(0), all(|p| p.floor_us));
    Ok(StepTimes {
        rule: spec.rule.name().to_owned(),
        widths: spec.net.widths.clone(),
        model: spec.net.image.is_some().then(|| spec.network()),
        batch: spec.batch,
        threads: device.threads(),
        level: device.level().to_string(),
        steps: times.len(),
        median_us,
        p10_us: quantile(&times, 0, 0.1),
        p90_us: quantile(&times, 0, 0.9),
        evaluate_us: quantile(&evaluations, 0, 0.5),
        samples_per_second: spec.batch as f64 / (median_us * 1e-6),
        gflops: all(|p| p.flops as f64) / (median_us * 1e3),
        gigabytes_per_second: all(|p| p.bytes as f64) / (median_us * 1e3),
        floor_us,
        over_floor: median_us / floor_us,
        level_of_memory: cache.name.clone(),
        parameter_bytes: bytes,
        forward,
        messages,
        update,
    })
}

/// A real epoch against its steps on the same batches, made beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct EpochTimes {
    /// Steps of an epoch.
    pub steps: u64,
    /// Seconds of an epoch's training: shuffling, reading, scaling, shifting, steps.
    pub epoch_seconds: f64,
    /// Seconds of the same steps alone.
    pub steps_seconds: f64,
    /// The one over the other.
    pub over_steps: f64,
}

/// Times whole epochs and bare steps in turn, `rounds` times each, and compares medians.
///
/// # Errors
/// If data cannot be read or the spec cannot be.
pub fn epoch(spec: &RunSpec, dataset: &dyn Dataset, device: &Device, rounds: usize) -> Result<EpochTimes, FitError> {
    let split = spec.split(dataset)?;
    let ready = ready(dataset, &split, &spec.data)?;
    let loader = spec.loader(ready.dataset(), &split);
    let mut learner = learner(spec, device)?;
    let gathering = Gathering::beside(device.threads());
    let mut whole = Vec::new();
    let mut bare = Vec::new();
    for round in 0..rounds as u64 + 1 {
        let begun = Instant::now();
        each_batch::<FitError>(&loader, (round, 0), gathering, &mut |_, batch| {
            learner.step_of(&batch.x, &batch.labels, &batch.samples);
            Ok(())
        })?;
        let epoch = begun.elapsed().as_secs_f64();
        // The bare steps: the batches of one stretch are made beforehand, which is not counted.
        let (mut made, mut seconds) = (Vec::new(), 0.0);
        let mut at = 0;
        while at < loader.batches() {
            made.clear();
            for position in at..(at + 64).min(loader.batches()) {
                let mut batch = Batch::default();
                loader.fill(round, position, &mut batch)?;
                made.push(batch);
            }
            let begun = Instant::now();
            for b in &made {
                learner.step_of(&b.x, &b.labels, &b.samples);
            }
            seconds += begun.elapsed().as_secs_f64();
            at += 64;
        }
        // The first round warms up.
        if round > 0 {
            whole.push([epoch]);
            bare.push([seconds]);
        }
    }
    let (epoch_seconds, steps_seconds) = (quantile(&whole, 0, 0.5), quantile(&bare, 0, 0.5));
    let over_steps = epoch_seconds / steps_seconds;
    Ok(EpochTimes { steps: loader.batches(), epoch_seconds, steps_seconds, over_steps })
}

fn learner(spec: &RunSpec, device: &Device) -> Result<Learner, SpecError> {
    let graph = spec.graph()?;
    let rule = spec.rule.build(&graph)?;
    Ok(Learner::new(graph, rule, spec.net.w_std, spec.optim(1000), device.clone(), spec.seed)?)
}

/// Weights, biases, the rule's synapses, and the moments of what is updated.
fn parameter_bytes(learner: &Learner) -> u64 {
    let size = |p: &reclra::learner::Named<'_>| 4 * p.shape.iter().product::<usize>() as u64;
    learner.parameters().iter().map(size).sum::<u64>() + learner.moment_bytes()
}

/// The value of a column below which that share of the rows lies.
fn quantile<const N: usize>(rows: &[[f64; N]], column: usize, share: f64) -> f64 {
    let mut values: Vec<f64> = rows.iter().map(|r| r[column]).collect();
    values.sort_by(f64::total_cmp);
    values.get(((values.len() as f64 - 1.0) * share).round().max(0.0) as usize).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timed(set: &[&str]) -> StepTimes {
        let mut settings = Settings::default();
        set.iter().for_each(|s| settings.assign(s).unwrap());
        let spec = RunSpec::resolve(&settings, &random_facts(&settings).unwrap()).unwrap();
        let ceiling =
            Ceiling { flops: 1e9, caches: vec![Cache { name: "all".into(), bytes: u64::MAX, bytes_per_second: 1e9 }] };
        step(&spec, &Device::cpu(1), &ceiling, Duration::from_millis(40)).unwrap()
    }

    #[test]
    fn work_is_counted_as_the_formulas_have_it() {
        let t = timed(&["net.arch=12-8-6-4", "train.batch=5", "optim.radius=0"]);
        let b = 5;
        let (w, e) = (12 * 8 + 8 * 6 + 6 * 4, 8 * 6 + 6 * 4);
        assert_eq!(t.forward.flops, 2 * b * w);
        assert_eq!(t.messages.flops, 2 * b * e, "chain: E from each region to the one below, none to the input");
        assert_eq!(t.update.flops, 2 * b * (w + 18), "an outer product of all W and a sum for each bias");
        // W, m and v of all, E of those that mirror.
        assert_eq!(t.parameter_bytes, 4 * (3 * (w + 18) + e));
        assert!(t.steps >= 5 && t.p10_us <= t.median_us && t.median_us <= t.p90_us);
        let phases = t.forward.median_us + t.messages.median_us + t.update.median_us;
        assert!(phases < 1.5 * t.median_us && t.median_us < 1.5 * phases, "{t:?}");
        assert!((t.floor_us - t.forward.floor_us - t.messages.floor_us - t.update.floor_us).abs() < 1e-9);
        let half = timed(&["net.arch=12-8-6-4", "train.batch=5", "optim.radius=0", "rule.name=backprop"]);
        assert_eq!((half.messages.flops, half.update.flops), (t.messages.flops, t.update.flops));
        assert_eq!(half.parameter_bytes, 4 * 3 * (w + 18));
        assert!(half.update.bytes < t.update.bytes);
    }

    #[test]
    fn quantiles_are_values_that_occur() {
        let rows: Vec<[f64; 1]> = [5.0, 1.0, 4.0, 2.0, 3.0].map(|v| [v]).into();
        assert_eq!([0.0, 0.1, 0.5, 0.9, 1.0].map(|q| quantile(&rows, 0, q)), [1.0, 1.0, 3.0, 5.0, 5.0]);
    }

    #[test]
    fn an_epoch_is_its_steps_and_little_else() {
        let data = reclra_data::digits().unwrap();
        let mut settings = Settings::default();
        settings.assign("net.arch=64-64-10").unwrap();
        let spec = RunSpec::resolve(&settings, &DataFacts::of(&data)).unwrap();
        let t = epoch(&spec, &data, &Device::cpu(1), 3).unwrap();
        assert_eq!(t.steps, 41);
        assert!(t.over_steps > 0.3 && t.over_steps < 20.0, "{t:?}");
    }
}
