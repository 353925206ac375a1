//! What a network takes of memory in training, told before any of it is taken.

use crate::fit::ALIGNED;
#[cfg(test)]
use crate::judge::EVALUATED;
use crate::judge::evaluated;
use crate::spec::{DataFacts, RunSpec, SpecError};
use reclra::rule::{Increment, ParamSpec, Rule, Signal};
use reclra::{Graph, Optim, evaluation_numbers};
use reclra_data::system::{address_space, available};
use serde::Serialize;

/// Refuses a run that takes more memory than is to be had, before it is begun; its data set has been read, and is `prepared`
/// or not yet.
///
/// # Errors
/// Says what it takes, of what the most is, and what to set lower.
pub fn fits(spec: &RunSpec, facts: &DataFacts, prepared: bool) -> Result<(), SpecError> {
    let memory = Memory::of_spec(spec, facts.train)?;
    let mut peak = RunMemory::of(spec, facts, &memory, 0);
    if prepared {
        peak.whitened = 0;
    }
    let needs = peak.ahead();
    // Files are written tensor by tensor, each as bytes first. Where memory itself is short, pages of buffers that are done with
    // make room; addresses do not.
    let free = available().map(|free| free.min(address_space().saturating_sub(memory.largest)));
    match free {
        Some(free) if needs > free => {
            let own = memory.weights + memory.average + memory.rule + memory.moments;
            let image = spec.net.image.is_some();
            let remedy = match (memory.signals + memory.evaluation > own, image) {
                _ if memory.states > memory.total / 2 => "set rule.persistent = false",
                _ if peak.whitened > needs / 2 => "set data.zca = false",
                (true, _) => "lower train.batch, or widths",
                (false, true) => "lower net.width",
                (false, false) => "make net.arch narrower",
            };
            Err(SpecError::Memory { needs, free, remedy })
        }
        _ => Ok(()),
    }
}

/// Bytes of a number.
const FLOAT: u64 = 4;

/// Bytes that the program itself comes to hold: its pages, stacks, what the allocator keeps (release build, x86-64 Linux).
const PROGRAM: u64 = 11_000_000;

/// Bytes that a process holds at its height while it makes a run; a test (`crates/cli/tests/memory.rs`) holds it against what
/// the system says of the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RunMemory {
    /// What a learner holds: [`Memory::total`].
    pub network: u64,
    /// The copy of its state that is on its way to the disk.
    pub checkpoint: u64,
    /// Batches that are gathered and evaluated.
    pub batches: u64,
    /// The data set as it was read: a byte a pixel, none where pictures are decoded when their turn comes.
    pub data: u64,
    /// Its whitened copy.
    pub whitened: u64,
    /// The program.
    pub program: u64,
    /// All of it.
    pub total: u64,
}

impl RunMemory {
    /// Of a run with that network, whose data set holds so many bytes.
    #[must_use]
    pub fn of(spec: &RunSpec, facts: &DataFacts, memory: &Memory, data: u64) -> RunMemory {
        let pixels = facts.pixels() as u64;
        let Memory { weights, average, rule, moments, states, .. } = *memory;
        let mut peak = RunMemory {
            network: memory.total,
            checkpoint: [average, rule, moments, states].into_iter().fold(weights, u64::saturating_add),
            // One is filled while another is worked on; a third holds what is judged.
            batches: (FLOAT * pixels)
                .saturating_mul((spec.batch as u64).saturating_mul(2).saturating_add(memory.evaluated)),
            data,
            // A float for each byte that was read, of the training part at least.
            whitened: if spec.data.zca.is_some() {
                FLOAT.saturating_mul(data.max(pixels.saturating_mul(facts.train as u64)))
            } else {
                0
            },
            program: PROGRAM,
            total: 0,
        };
        peak.total = peak.ahead().saturating_add(data).saturating_add(PROGRAM);
        peak
    }

    /// What is still to be taken once program and data set are there.
    fn ahead(&self) -> u64 {
        [self.checkpoint, self.batches, self.whitened].into_iter().fold(self.network, u64::saturating_add)
    }
}

/// Bytes of float32 numbers that a learner holds while it trains.
///
/// What else a run holds is in [`RunMemory`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// W and b.
    pub weights: u64,
    /// Their moving average, if one is kept.
    pub average: u64,
    /// The rule's own synapses.
    pub rule: u64,
    /// The optimiser's moments of whatever is updated.
    pub moments: u64,
    /// h, z, e, d, y of every region and the rule's own signals, for one batch.
    pub signals: u64,
    /// Signals as kernels lay them out, and Gram matrices of a batch. Of image networks these are among the signals, but for
    /// what each task gathers.
    pub kernels: u64,
    /// Activities of evaluation, which come on top of those of training: few, as each is given up when it was last read.
    pub evaluation: u64,
    /// Samples evaluated at a time.
    #[serde(skip)]
    pub evaluated: u64,
    /// The largest tensor.
    #[serde(skip)]
    pub largest: u64,
    /// What measuring the alignment takes: its samples are more than a batch, and go through backprop besides.
    pub alignment: u64,
    /// States that a rule keeps of every training sample.
    pub states: u64,
    /// All of it.
    pub total: u64,
}

impl Memory {
    /// For steps of `batch` samples out of `samples`. Of multilayer perceptrons parameters, moments, signals and states are
    /// exact, and what kernels lay out is reckoned. Of image networks it is an estimate: what kernels take besides is reckoned
    /// in copies of the widest feature map.
    #[must_use]
    pub fn of(graph: &Graph, rule: &dyn Rule, optim: &Optim, batch: usize, samples: usize) -> Memory {
        let regions = graph.regions();
        let own = rule.params(graph);
        let sizes: Vec<usize> = graph.param_specs(0.0).iter().chain(&own).map(ParamSpec::len).collect();
        let own: usize = own.iter().map(ParamSpec::len).sum();
        let moments = optim.descent(0, 1.0).moments();
        let updates = rule.updates(graph);
        let updated: usize = updates.iter().map(|u| sizes[u.param.index()]).sum();
        let blocks = || regions.iter().filter_map(|r| r.inside.as_ref());
        let inside: Vec<(usize, usize)> =
            blocks().flat_map(|b| b.params().map(|(_, p)| (p.len(), p.len() * usize::from(p.is_trained())))).collect();
        let statistics = inside.iter().map(|i| i.0).sum::<usize>() - blocks().map(|b| b.parameters()).sum::<usize>();
        // What blocks leave, one block's signals on their way back, and what fast convolutions transform.
        let rooms = blocks().map(|b| b.room());
        let (back, transformed) = rooms.clone().fold((0, 0), |(b, t), r| (b.max(r[1]), t.max(r[2])));
        let left: usize = rooms.map(|r| r[0]).sum::<usize>() + back + 2 * transformed;
        let units: usize = regions.iter().skip(1).map(|r| r.width).sum();
        // The input has z alone; the others have h and z.
        let rows = regions[0].width + 2 * units + left + rule.held(graph);
        let kept: usize = rule.persistent(graph).iter().map(|&l| regions[l].width).sum();
        // Rules that settle keep all activities; those of training grow.
        let held = if rule.settles().is_some() {
            (regions[0].width + 2 * units) * evaluated(graph).saturating_sub(batch)
        } else {
            evaluation_numbers(graph, evaluated(graph)) + (back / 3 + 3 * transformed) * evaluated(graph)
        };
        let bytes = |numbers: usize| FLOAT * numbers as u64;
        // The local updates inside blocks are tensors of their own.
        let weights = bytes(graph.parameters() + statistics);
        let of_rule = updates.iter().filter(|u| u.increment == Increment::Summed && graph.region_of(u.param).is_none());
        let of_rule: usize = of_rule.map(|u| sizes[u.param.index()]).sum();
        let deltas: usize = inside.iter().map(|i| i.1).sum::<usize>() + of_rule;
        let largest = sizes.into_iter().max().unwrap_or(0);
        let mut memory = Memory {
            weights,
            average: if optim.average.is_some() { weights } else { 0 },
            rule: bytes(own),
            moments: bytes(moments * updated),
            signals: bytes(rows).saturating_mul(batch as u64) + bytes(deltas),
            kernels: if graph.has_blocks() { ROOMS } else { bytes(laid_out(graph, rule, optim, batch)) },
            evaluation: bytes(held),
            evaluated: evaluated(graph) as u64,
            states: bytes(kept).saturating_mul(samples as u64),
            largest: bytes(largest),
            alignment: 0,
            total: 0,
        };
        let Memory { weights, average, rule, moments, signals, kernels, evaluation, states, .. } = memory;
        memory.total = [average, rule, moments, signals, kernels, evaluation, states]
            .into_iter()
            .fold(weights, u64::saturating_add);
        memory
    }

    /// The same for a run on so many training samples.
    ///
    /// # Errors
    /// If the spec cannot be.
    pub fn of_spec(spec: &RunSpec, samples: usize) -> Result<Memory, SpecError> {
        let graph = spec.graph()?;
        let rule = spec.rule.build(&graph)?;
        let optim = spec.optim(1);
        let mut memory = Memory::of(&graph, &*rule, &optim, spec.batch, samples);
        if spec.alignment {
            let measured = if graph.has_blocks() { spec.batch } else { spec.batch.max(ALIGNED.min(samples)) };
            let larger = Memory::of(&graph, &*rule, &optim, measured, samples);
            let grown = (larger.signals + larger.kernels).saturating_sub(memory.signals + memory.kernels);
            // z, e, d and h once more for backprop; of blocks all they leave.
            let units: usize = graph.regions().iter().skip(1).map(|r| r.width).sum();
            let again = if graph.has_blocks() { memory.signals } else { 4 * FLOAT * (units * measured) as u64 };
            memory.alignment = grown.saturating_add(again);
            memory.total = memory.total.saturating_add(memory.alignment);
        }
        Ok(memory)
    }
}

/// Numbers that kernels of a perceptron keep besides the signals: what sums run over in panels, where a batch is wider than
/// one; what local updates read, turned; post^T post and pre^T pre where they are the cheaper way to a norm.
fn laid_out(graph: &Graph, rule: &dyn Rule, optim: &Optim, batch: usize) -> usize {
    let regions = graph.regions();
    let width = |l: usize| regions[l].width;
    // Each place in a wave has a room, as large as the largest product that stood there.
    let mut rooms: Vec<usize> = Vec::new();
    let mut wave = |depths: &mut dyn Iterator<Item = usize>, cols: usize| {
        for (place, depth) in depths.enumerate().filter(|_| cols > PANEL) {
            rooms.resize(rooms.len().max(place + 1), 0);
            rooms[place] = rooms[place].max(depth.saturating_mul(cols.next_multiple_of(PANEL)));
        }
    };
    let judged = batch.max(evaluated(graph));
    regions.iter().for_each(|r| wave(&mut r.sources.iter().map(|&k| width(k)), judged));
    let edges = rule.error_edges();
    for receivers in rule.waves(graph) {
        wave(&mut edges.iter().filter(|e| receivers.contains(&e.1)).map(|e| width(e.0)), batch);
    }
    // A message of a rule that draws none goes back through W.
    wave(&mut regions.iter().skip(1).map(|r| r.width).max().into_iter(), batch);
    let products: Vec<(Signal, Option<Signal>)> = rule
        .updates(graph)
        .into_iter()
        .filter_map(|u| if let Increment::Outer { post, pre } = u.increment { Some((post, pre)) } else { None })
        .collect();
    let distinct = |of: &dyn Fn((Signal, Option<Signal>)) -> Option<Signal>| {
        let mut all: Vec<Signal> = Vec::new();
        products.iter().filter_map(|&p| of(p)).for_each(|s| {
            if !all.contains(&s) {
                all.push(s)
            }
        });
        all
    };
    let units = |s: &Signal| match *s {
        Signal::H(l) | Signal::Z(l) | Signal::E(l) | Signal::D(l) => width(l),
        Signal::Buffer(n) => rule.buffers(graph).get(n).copied().unwrap_or(0),
    };
    let turned: usize =
        distinct(&|(_, pre)| pre).iter().map(|s| units(s).next_multiple_of(PANEL).saturating_mul(batch)).sum();
    let cheap = |(post, pre): (Signal, Option<Signal>)| {
        let (n, m) = (units(&post), units(&pre?));
        (batch.saturating_mul(n + m) <= n.saturating_mul(m)).then_some(())
    };
    let factors = distinct(&|p| cheap(p).map(|()| p.0)).len() + distinct(&|p| cheap(p).and(p.1)).len();
    let grams = if optim.radius.is_some() { factors.saturating_mul(batch * batch) } else { 0 };
    rooms.iter().sum::<usize>() + turned + grams
}

/// Bytes that tasks on feature maps gather, as measured over the models.
const ROOMS: u64 = 8_000_000;

/// Lanes of a panel: samples that kernels lay side by side.
const PANEL: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{DataFacts, Settings};
    use reclra::{Device, Learner};
    use reclra_data::{Batch, Loader, Split, digits};

    const BATCH: usize = 16;

    /// The estimate, and a learner after a step.
    fn both(set: &[&str]) -> (Memory, Learner) {
        let data = digits().unwrap();
        let mut settings = Settings::default();
        let batch = format!("train.batch={BATCH}");
        ["net.arch=64-3x12-10", batch.as_str()].iter().chain(set).for_each(|s| settings.assign(s).unwrap());
        let spec = RunSpec::resolve(&settings, &DataFacts::of(&data)).unwrap();
        let graph = spec.graph().unwrap();
        let rule = spec.rule.build(&graph).unwrap();
        let mut learner = Learner::new(graph, rule, spec.net.w_std, spec.optim(9), Device::cpu(1), spec.seed).unwrap();
        let split = Split::new(&data, 0, 0).unwrap();
        let mut batch = Batch::default();
        Loader::new(&data, &split, BATCH, 0, 0).fill(0, 0, &mut batch).unwrap();
        learner.step_of(&batch.x, &batch.labels, &batch.samples);
        (Memory::of_spec(&spec, 1000).unwrap(), learner)
    }

    /// Bytes of all that a learner keeps of a batch.
    fn signals(learner: &Learner) -> u64 {
        let (a, e) = (learner.activity(), learner.errors());
        let tensors = [&a.h, &a.z, &e.e, &e.d, &e.y, &e.buffers].into_iter().flatten();
        tensors.map(|t| t.bytes() as u64).sum()
    }

    /// Its signals are others where nothing settles, and others again where nothing is hidden.
    #[test]
    fn equilibrium_propagation_is_told_for_any_depth() {
        for arch in ["64-10", "64-12-10", "64-12-11-10"] {
            for symmetric in ["true", "false"] {
                let more = [format!("net.arch={arch}"), format!("rule.symmetric={symmetric}")];
                let (memory, learner) = both(&["rule.name=equilibrium-prop", &more[0], &more[1]]);
                assert_eq!(memory.signals, signals(&learner), "{more:?}");
            }
        }
    }

    #[test]
    fn the_estimate_is_what_a_learner_holds() {
        let rules: Vec<String> = reclra::rules::KNOWN.iter().map(|r| format!("rule.name={}", r.0)).collect();
        let more = ["optim.name=sgd", "optim.average=0.9", "rule.plasticity=fixed", "net.bias=false"];
        for set in rules.iter().map(String::as_str).chain(more) {
            let (memory, mut learner) = both(&[set]);
            let size = |p: &reclra::learner::Named<'_>| FLOAT * p.shape.iter().product::<usize>() as u64;
            let held = learner.parameters().iter().map(size).sum::<u64>() + learner.moment_bytes();
            assert_eq!(memory.weights + memory.rule + memory.moments, held, "{set}: {memory:?}");
            let average = learner.averaged().map_or(0, |a| a.iter().map(size).sum());
            assert_eq!(memory.average, average, "{set}");
            assert_eq!(memory.signals, signals(&learner), "{set}");
            if learner.rule().settles().is_none() {
                let x = vec![0.5; 64 * EVALUATED];
                (0..3).for_each(|_| drop(learner.evaluate(&x, &[3; EVALUATED]).loss.to_string()));
                assert_eq!(memory.evaluation, learner.evaluation_bytes(), "{set}");
            }
            let kept = learner.rule().persistent(learner.graph());
            let units: usize = kept.iter().map(|&l| learner.graph().regions()[l].width).sum();
            assert_eq!(memory.states, FLOAT * 1000 * units as u64, "{set}");
        }
    }
}
