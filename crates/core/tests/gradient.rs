//! Backprop is the gradient; feedback alignment is backprop where its feedback is W^T; the angle between an update and
//! the gradient is what it should be.

mod common;

use common::{bits, clouds, graphs, graphs_of, learner};
use reclra::optim::Optim;
use reclra::rule::{ParamId, ParamSpec, Rule, Step, Update};
use reclra::rules::{Backprop, BackpropConfig, DirectFeedbackAlignment, FeedbackAlignment, FeedbackConfig};
use reclra::{BlockSpec, Device, Extent, Graph, Hebbian, HebbianConfig, LayerSpec, Learner, Phi};

/// Asserts that the updates of `net` are the derivatives of its loss, parameter by parameter, by central differences.
#[track_caller]
fn assert_gradient(what: &str, net: &mut Learner) {
    let data = clouds(6, 4, 3, 6);
    net.errors_of(&data.x, &data.labels);
    let updates = net.updates();
    let exact = net.gradient();
    assert_eq!(updates.len(), net.parameters().iter().filter(|p| net.graph().region_of(p.param).is_some()).count());
    for ((param, d), (same, g)) in updates.into_iter().zip(exact) {
        assert!(param == same && d.to_vec() == g.to_vec(), "{what}: `gradient` is another than backprop's");
        let values = net.parameters().into_iter().find(|p| p.param == param).expect("a parameter").to_vec();
        for (i, g) in d.to_vec().into_iter().enumerate() {
            let mut at = |x: f64| {
                let mut moved = values.clone();
                moved[i] += x;
                net.set(param, &moved).unwrap();
                net.evaluate(&data.x, &data.labels).loss / 6.0
            };
            let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!(
                (g - slope).abs() <= 1e-6 * g.abs() + 2e-10,
                "{what}, {param:?}[{i}]: {g}, differences give {slope}"
            );
        }
        net.set(param, &values).unwrap();
    }
}

fn backprop(graph: &Graph) -> Backprop {
    Backprop::new(BackpropConfig::default(), graph).unwrap()
}

#[test]
fn backprop_is_the_gradient_of_the_loss() {
    let lrelu = Phi::LRelu { slope: 0.01 };
    for phi in [Phi::Tanh, Phi::Sigmoid, Phi::Relu, lrelu, Phi::Elu, Phi::Identity] {
        for (name, graph) in graphs_of(Some(phi)) {
            let mut net = learner(&graph, backprop(&graph), 0.4, Optim::default(), &Device::oracle());
            assert_gradient(&format!("{phi:?} on `{name}`"), &mut net);
        }
    }
}

/// x^T for x rows x cols.
fn transposed(x: &[f64], rows: usize, cols: usize) -> Vec<f64> {
    (0..rows * cols).map(|i| x[(i % rows) * cols + i / rows]).collect()
}

/// Sets every B of `net` to `factor` times the transpose of the W it stands for, where there is such a W.
fn feed_back_weights(net: &mut Learner, factor: f64) {
    let list: Vec<(String, Vec<usize>, ParamId, Vec<f64>)> =
        net.parameters().iter().map(|p| (p.name.clone(), p.shape.clone(), p.param, p.to_vec())).collect();
    for (name, shape, param, _) in list.iter().filter(|p| p.0.starts_with("B.")) {
        let (j, i) = name[2..].split_once("->").unwrap();
        let w = list.iter().find(|p| p.0 == format!("W.{i}->{j}")).expect("B stands for a W");
        assert_eq!([shape[1], shape[0]], w.1[..], "B has the shape of W^T");
        let values: Vec<f64> = transposed(&w.3, w.1[0], w.1[1]).iter().map(|v| factor * v).collect();
        net.set(*param, &values).unwrap();
    }
}

fn updates_of(net: &mut Learner) -> Vec<(ParamId, Vec<f64>)> {
    let data = clouds(9, 4, 3, 6);
    net.errors_of(&data.x, &data.labels);
    net.updates().into_iter().map(|(p, d)| (p, d.to_vec())).collect()
}

#[test]
fn feedback_alignment_through_w_is_backprop() {
    for (name, graph) in graphs() {
        let fa = FeedbackAlignment::new(FeedbackConfig::default(), &graph).unwrap();
        let mut fa = learner(&graph, fa, 0.4, Optim::default(), &Device::cpu(2));
        let mut bp = learner(&graph, backprop(&graph), 0.4, Optim::default(), &Device::cpu(2));
        let hidden = graph.output() > 1;
        assert_eq!(updates_of(&mut fa) != updates_of(&mut bp), hidden, "{name}: random feedback is not the gradient");
        feed_back_weights(&mut fa, 1.0);
        assert_eq!(updates_of(&mut fa), updates_of(&mut bp), "{name}");
    }
}

#[test]
fn direct_feedback_alignment_through_w_is_backprop_below_one_hidden_layer() {
    let graph = Graph::mlp(&[4, 11, 3], Phi::Sigmoid, None).unwrap();
    let dfa = DirectFeedbackAlignment::new(FeedbackConfig::default(), &graph).unwrap();
    let mut dfa = learner(&graph, dfa, 0.4, Optim::default(), &Device::cpu(2));
    let mut bp = learner(&graph, backprop(&graph), 0.4, Optim::default(), &Device::cpu(2));
    feed_back_weights(&mut dfa, 1.0);
    assert_eq!(updates_of(&mut dfa), updates_of(&mut bp));
}

/// The feedback is fixed: training moves W alone, and W comes to agree with B (Lillicrap et al. 2016).
#[test]
fn weights_align_with_fixed_feedback() {
    let (graph, data) = (Graph::mlp(&[4, 20, 20, 3], Phi::Tanh, None).unwrap(), clouds(60, 4, 3, 6));
    let rule = FeedbackAlignment::new(FeedbackConfig::default(), &graph).unwrap();
    let mut net = learner(&graph, rule, 0.05, Optim { rate: 3e-3, ..Optim::default() }, &Device::cpu(1));
    let feedback = |net: &Learner| bits(net).into_iter().filter(|p| p.0.starts_with("B.")).collect::<Vec<_>>();
    let before = feedback(&net);
    net.errors_of(&data.x, &data.labels);
    let first = net.alignment();
    common::loss_over(&mut net, &data, 300);
    net.errors_of(&data.x, &data.labels);
    let last = net.alignment();
    assert!(before == feedback(&net) && before.len() == 2);
    for i in [0, 1] {
        assert!(last[i].1 < first[i].1 && last[i].1 < 60.0, "region {}: {} -> {}", last[i].0, first[i].1, last[i].1);
    }
}

#[test]
fn angles_to_the_gradient() {
    let (graph, data) = (Graph::mlp(&[4, 8, 3], Phi::Tanh, None).unwrap(), clouds(9, 4, 3, 6));
    let angles = |rule: Box<dyn Rule>, feedback: Option<f64>| {
        let mut net = Learner::new(graph.clone(), rule, 0.4, Optim::default(), Device::oracle(), 1).unwrap();
        feedback.into_iter().for_each(|factor| feed_back_weights(&mut net, factor));
        net.errors_of(&data.x, &data.labels);
        net.alignment()
    };
    let close = |got: Vec<(usize, f64)>, want: [f64; 2]| {
        assert_eq!((got[0].0, got[1].0, got.len()), (1, 2, 2));
        assert!((got[0].1 - want[0]).abs() < 1e-4 && (got[1].1 - want[1]).abs() < 1e-4, "{got:?}, wanted {want:?}");
    };
    let fa = || Box::new(FeedbackAlignment::new(FeedbackConfig::default(), &graph).unwrap());
    close(angles(Box::new(backprop(&graph)), None), [0.0, 0.0]);
    close(angles(fa(), Some(3.0)), [0.0, 0.0]);
    close(angles(fa(), Some(-1.0)), [180.0, 0.0]);
    // No update at all is at right angles to everything, not a NaN.
    let random = Hebbian::new(HebbianConfig { oja: false, ..HebbianConfig::default() }, &graph).unwrap();
    close(angles(Box::new(random), None), [90.0, 0.0]);
}

/// Backprop that leaves W from the first source of every region as it is.
#[derive(Debug)]
struct LaterSources(Backprop);

impl Rule for LaterSources {
    fn name(&self) -> &'static str {
        "later-sources"
    }

    fn params(&self, graph: &Graph) -> Vec<ParamSpec> {
        self.0.params(graph)
    }

    fn updates(&self, graph: &Graph) -> Vec<Update> {
        let later = |u: &Update| (1..=graph.output()).all(|i| u.param != graph.weight(i, 0));
        self.0.updates(graph).into_iter().filter(later).collect()
    }

    fn error_neurons(&self, step: &mut Step<'_>) {
        self.0.error_neurons(step);
    }
}

/// W from a source that is not updated counts as an update of zero, in its place.
#[test]
fn an_angle_is_over_all_sources_of_a_region() {
    let (_, graph) = graphs().into_iter().find(|(name, _)| *name == "two sources").unwrap();
    let data = clouds(9, 4, 3, 6);
    let mut net = learner(&graph, LaterSources(backprop(&graph)), 0.4, Optim::default(), &Device::oracle());
    net.errors_of(&data.x, &data.labels);
    let gradient = net.gradient();
    let square = |region: usize, source: usize| {
        let (_, g) = gradient.iter().find(|(p, _)| *p == graph.weight(region, source)).unwrap();
        g.to_vec().iter().map(|v| v * v).sum::<f64>()
    };
    let want = |i: usize| (square(i, 1) / (square(i, 0) + square(i, 1))).sqrt().acos().to_degrees();
    for (region, angle) in net.alignment() {
        let want = if region < 3 { 90.0 } else { want(region) };
        assert!((angle - want).abs() < 1e-4, "region {region}: {angle}, wanted {want}");
    }
}

/// Rules that take derivatives train sign units through hard tanh's slope, and say so.
#[test]
fn sign_units_have_a_surrogate_and_a_warning() {
    let data = clouds(30, 4, 3, 6);
    let graph = Graph::mlp(&[4, 20, 20, 3], Phi::Sign, None).unwrap();
    for (name, rule) in common::rules(&graph) {
        let Ok(rule) = rule else { continue };
        let warned = rule.warnings(&graph).iter().any(|w| w.contains("straight-through surrogate"));
        assert_eq!(warned, rule.uses_derivative(), "{name}: {:?}", rule.warnings(&graph));
    }
    // Inside a block too.
    let warned = |phi: Phi| {
        let block = |name: &str, path, phi| BlockSpec { name: name.to_owned(), path, shortcut: None, phi };
        let dense = LayerSpec::Dense { out: 3, bias: true, gain: 1.0 };
        let body = block("b1", vec![LayerSpec::conv(2, 1, 1, 0), LayerSpec::Act(phi)], Phi::Tanh);
        let blocks = vec![body, block("out", vec![dense], Phi::Softmax)];
        let graph = Graph::of_blocks(Extent::new(1, 2, 2), blocks).unwrap();
        backprop(&graph).warnings(&graph).len()
    };
    assert_eq!((warned(Phi::Sign), warned(Phi::Tanh)), (1, 0));
    let mut net = learner(&graph, backprop(&graph), 0.3, Optim { rate: 5e-3, ..Optim::default() }, &Device::cpu(1));
    net.errors_of(&data.x, &data.labels);
    assert!(net.alignment().iter().all(|a| a.1 < 1e-2));
    let [before, after] = common::loss_over(&mut net, &data, 200);
    assert!(after < 0.6 * before, "{before} -> {after}");
}
