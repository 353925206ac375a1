//! What the tests of this crate share: toy data, toy graphs, and parameters as bits.

// Each test file uses a part of it.
#![allow(dead_code)]

use proptest::prelude::*;
use reclra::compute::rng::Key;
use reclra::graph::{Graph, GraphBuilder};
use reclra::optim::Optim;
use reclra::rule::Rule;
use reclra::rules::{Backprop, BackpropConfig, DirectFeedbackAlignment, EquilibriumProp, EquilibriumPropConfig};
use reclra::rules::{FeedbackAlignment, FeedbackConfig, HeadOnly, Hebbian, HebbianConfig, LraE, LraEConfig};
use reclra::rules::{RecLra, RecLraConfig, TargetProp, TargetPropConfig};
use reclra::{Device, Learner, Phi, Result, Wiring};

/// A batch of samples, one a row, and their classes.
pub(crate) struct Data {
    pub(crate) x: Vec<f32>,
    pub(crate) labels: Vec<u32>,
}

/// Clouds of points, one a class, around centres on the axes of a space of `inputs` dimensions.
pub(crate) fn clouds(samples: usize, inputs: usize, classes: usize, seed: u64) -> Data {
    let noise = Key::new(seed).normal(samples * inputs, 0.3);
    let labels: Vec<u32> = (0..samples).map(|s| (s % classes) as u32).collect();
    let centre = |s: usize, k: usize| {
        let class = s % classes;
        if k == class % inputs { if class < inputs { 1.0 } else { -1.0 } } else { 0.0 }
    };
    let at = |i: usize| (noise[i] + centre(i / inputs, i % inputs)) as f32;
    Data { x: (0..samples * inputs).map(at).collect(), labels }
}

/// A learner with these parts; panics where they do not fit, as a test should.
pub(crate) fn learner(graph: &Graph, rule: impl Rule + 'static, std: f64, optim: Optim, device: &Device) -> Learner {
    Learner::new(graph.clone(), Box::new(rule), std, optim, device.clone(), 1).expect("valid settings")
}

/// Every rule there is with its default settings, or why it refuses the graph; rec-LRA first.
pub(crate) fn rules(graph: &Graph) -> Vec<(&'static str, Result<Box<dyn Rule>>)> {
    fn made<R: Rule + 'static>(rule: Result<R>) -> Result<Box<dyn Rule>> {
        rule.map(|r| Box::new(r) as Box<dyn Rule>)
    }
    let feedback = FeedbackConfig::default;
    vec![
        ("rec-lra", made(RecLra::new(RecLraConfig::default(), graph))),
        ("backprop", made(Backprop::new(BackpropConfig::default(), graph))),
        ("feedback-alignment", made(FeedbackAlignment::new(feedback(), graph))),
        ("direct-feedback-alignment", made(DirectFeedbackAlignment::new(feedback(), graph))),
        ("lra-e", made(LraE::new(LraEConfig::default(), graph))),
        ("target-prop", made(TargetProp::new(TargetPropConfig::plain(), graph))),
        ("difference-target-prop", made(TargetProp::difference(TargetPropConfig::default(), graph))),
        ("equilibrium-prop", made(EquilibriumProp::new(EquilibriumPropConfig::default(), graph))),
        ("head-only", Ok(Box::new(HeadOnly))),
        ("hebbian", made(Hebbian::new(HebbianConfig::default(), graph))),
    ]
}

/// Small networks of every shape there is.
pub(crate) fn graphs() -> Vec<(&'static str, Graph)> {
    graphs_of(None)
}

/// The same, all hidden regions with one activation.
pub(crate) fn graphs_of(phi: Option<Phi>) -> Vec<(&'static str, Graph)> {
    let or = |own: Phi| phi.unwrap_or(own);
    let mlp = |widths: &[usize], own, gap| Graph::mlp(widths, or(own), gap).unwrap();
    let two_sources = GraphBuilder::new(4)
        .region("left", 9, or(Phi::Tanh))
        .region("right", 7, or(Phi::Elu))
        .region("top", 8, or(Phi::Tanh))
        .region("out", 3, Phi::Softmax)
        .synapse("in", "left")
        .synapse("in", "right")
        .synapse("left", "top")
        .synapse("right", "top")
        .synapse("top", "out")
        .synapse("left", "out");
    vec![
        ("single layer", mlp(&[4, 3], Phi::Tanh, None)),
        ("chain", mlp(&[4, 9, 8, 3], Phi::Tanh, None)),
        ("wide", mlp(&[4, 150, 3], Phi::LRelu { slope: 0.01 }, None)),
        ("residual gap", mlp(&[4, 9, 9, 9, 9, 3], Phi::Elu, Some(2))),
        ("two sources", two_sources.build().unwrap()),
        ("no biases", Graph::mlp_with(&[4, 9, 9, 3], or(Phi::Tanh), None, false).unwrap()),
    ]
}

/// Every parameter by name, to the bit.
pub(crate) fn bits(net: &Learner) -> Vec<(String, Vec<u64>)> {
    let bits = |v: Vec<f64>| v.into_iter().map(f64::to_bits).collect();
    net.parameters().into_iter().map(|p| (p.name.clone(), bits(p.to_vec()))).collect()
}

/// One parameter in float64, row by row.
pub(crate) fn parameter(net: &Learner, name: &str) -> Vec<f64> {
    let found = net.parameters().into_iter().find(|p| p.name == name);
    found.unwrap_or_else(|| panic!("no parameter {name}")).to_vec()
}

/// Loss before the first and after the last of `steps` steps on the whole of the data.
pub(crate) fn loss_over(net: &mut Learner, data: &Data, steps: usize) -> [f64; 2] {
    let samples = data.labels.len() as f64;
    let before = net.evaluate(&data.x, &data.labels).loss / samples;
    for _ in 0..steps {
        net.step(&data.x, &data.labels);
    }
    [before, net.evaluate(&data.x, &data.labels).loss / samples]
}

/// Runs of proptest, without files of former failures.
pub(crate) fn cases(n: u32) -> ProptestConfig {
    ProptestConfig { cases: n, failure_persistence: None, ..ProptestConfig::default() }
}

/// Inputs and classes of every random network.
pub(crate) const INPUTS: usize = 4;
/// Classes.
pub(crate) const CLASSES: usize = 3;

/// A random network and error graph before they are made valid: each pair of regions has a bit of its own.
#[derive(Clone, Debug)]
pub(crate) struct Sketch {
    pub(crate) widths: Vec<usize>,
    pub(crate) phi: Phi,
    forward: Vec<bool>,
    shortcut: Vec<bool>,
    error: Vec<bool>,
    /// Order in which hidden regions may send errors to each other; unrelated to that of the forward pass.
    order: Vec<usize>,
}

/// One to five hidden regions of at least `narrowest` units, any forward graph over them, any error graph.
pub(crate) fn sketch(narrowest: usize) -> impl Strategy<Value = Sketch> {
    let phi = prop::sample::select(vec![Phi::Tanh, Phi::Elu, Phi::LRelu { slope: 0.01 }, Phi::Sigmoid]);
    (1_usize..=5, phi).prop_flat_map(move |(hidden, phi)| {
        let bits = |share| prop::collection::vec(prop::bool::weighted(share), 49);
        let order = Just((1..=hidden).collect::<Vec<_>>()).prop_shuffle();
        let widths = prop::collection::vec(narrowest..narrowest + 4, hidden);
        (widths, bits(0.4), bits(0.3), bits(0.4), order).prop_map(move |(widths, forward, shortcut, error, order)| {
            Sketch { widths, phi, forward, shortcut, error, order }
        })
    })
}

impl Sketch {
    fn name(&self, i: usize) -> String {
        if i == 0 {
            "in".into()
        } else if i > self.widths.len() {
            "out".into()
        } else {
            format!("b{i}")
        }
    }

    /// The forward graph: the drawn synapses, and one from the region before and to the output where none was drawn.
    pub(crate) fn graph(&self) -> Graph {
        let out = self.widths.len() + 1;
        let mut b = GraphBuilder::new(INPUTS);
        for (i, &width) in (1..).zip(&self.widths) {
            b = b.region(&self.name(i), width, self.phi);
        }
        b = b.region("out", CLASSES, Phi::Softmax);
        let drawn = |i: usize, j: usize| self.forward[i * 7 + j];
        for j in 1..=out {
            for i in 0..j {
                let first = i == 0 && !(0..j).any(|i| drawn(i, j));
                let last = j == out && i > 0 && !(i + 1..=out).any(|j| drawn(i, j));
                if drawn(i, j) || first || last {
                    b = b.synapse(&self.name(i), &self.name(j));
                }
                if i > 0 && j < out && self.shortcut[i * 7 + j] && self.widths[i - 1] == self.widths[j - 1] {
                    b = b.shortcut(&self.name(i), &self.name(j));
                }
            }
        }
        b.build().expect("the sketch is a valid network")
    }

    /// The error synapses: those drawn along the order, and one from the output where none was drawn.
    pub(crate) fn synapses(&self) -> Vec<(String, String)> {
        let mut list = Vec::new();
        for (n, &to) in self.order.iter().enumerate() {
            let parents: Vec<usize> =
                self.order[..n].iter().copied().filter(|from| self.error[from * 7 + to]).collect();
            if parents.is_empty() || self.error[to] {
                list.push(("out".to_owned(), self.name(to)));
            }
            list.extend(parents.into_iter().map(|from| (self.name(from), self.name(to))));
        }
        list
    }

    /// The same as a wiring.
    pub(crate) fn wiring(&self) -> Wiring {
        Wiring::List(self.synapses())
    }
}
