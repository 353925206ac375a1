//! Biases and shifts that a batch norm takes out again: which they are, that no loss depends on them and on every other one, and that
//! training leaves them as they are.

mod common;

use common::{clouds, parameter};
use reclra::layer::Role;
use reclra::models::{self, Plan};
use reclra::optim::Method;
use reclra::rule::Rule;
use reclra::rules::blocks::{Inner, RecLraBlocks, RecLraBlocksConfig, TargetPropBlocks};
use reclra::state::Kept;
use reclra::{
    BlockSpec, Device, Extent, Graph, LayerSpec, Learner, Noise, Optim, Phi, TargetPropConfig, Window, rules,
};

const BN: LayerSpec = LayerSpec::BATCH_NORM;
const RELU: LayerSpec = LayerSpec::Act(Phi::Relu);

fn conv(out: usize, kernel: usize, pad: usize) -> LayerSpec {
    LayerSpec::Conv { out, window: Window::square(kernel, 1, pad), groups: 1, bias: true, gain: 1.0 }
}

fn dense(out: usize) -> LayerSpec {
    LayerSpec::Dense { out, bias: true, gain: 1.0 }
}

fn pool(pad: usize) -> Window {
    Window::square(2, 2, pad)
}

fn network(body: Vec<LayerSpec>, shortcut: Option<Vec<LayerSpec>>) -> Graph {
    let block = |name: &str, path, shortcut, phi| BlockSpec { name: name.to_owned(), path, shortcut, phi };
    let out = vec![LayerSpec::Flatten, dense(3)];
    let blocks = vec![block("b1", body, shortcut, Phi::Tanh), block("out", out, None, Phi::Softmax)];
    Graph::of_blocks(Extent::new(2, 6, 6), blocks).unwrap()
}

/// Names of the parameters that are held.
fn held(graph: &Graph) -> Vec<String> {
    let inside = graph.regions().iter().filter_map(|r| r.inside.as_ref().map(|b| (r, b)));
    let of =
        inside.flat_map(|(r, b)| b.params().map(|(name, p)| (format!("{}.{name}", r.name), p)).collect::<Vec<_>>());
    of.filter(|(_, p)| p.role == Role::Held).map(|(name, _)| name).collect()
}

/// Networks with offsets before a batch norm, and what of them is held.
fn cases() -> Vec<(Graph, Vec<&'static str>)> {
    let map = |out| LayerSpec::NoiseMap { out, noise: Noise::Gaussian(0.1), gain: 1.0 };
    vec![
        (network(vec![conv(4, 3, 1), BN], None), vec!["b1.conv1.b"]),
        (network(vec![conv(4, 3, 1)], None), vec![]),
        (network(vec![conv(4, 3, 1), RELU, BN], None), vec![]),
        (network(vec![conv(4, 3, 1), LayerSpec::Act(Phi::Identity), BN], None), vec!["b1.conv1.b"]),
        (network(vec![conv(4, 3, 1), LayerSpec::MaxPool(pool(1)), BN], None), vec!["b1.conv1.b"]),
        (network(vec![conv(4, 3, 1), LayerSpec::MeanPool(pool(0)), BN], None), vec!["b1.conv1.b"]),
        // Means over the border have a zero among them.
        (network(vec![conv(4, 3, 1), LayerSpec::MeanPool(pool(1)), BN], None), vec![]),
        (network(vec![conv(4, 3, 1), LayerSpec::Pad(1), BN], None), vec![]),
        (network(vec![conv(4, 3, 1), LayerSpec::Dropout(0.3), BN], None), vec![]),
        (network(vec![conv(4, 3, 1), LayerSpec::GlobalMean, dense(5), BN], None), vec!["b1.conv1.b", "b1.dense1.b"]),
        (network(vec![conv(4, 3, 1), LayerSpec::Flatten, BN], None), vec!["b1.conv1.b"]),
        // A shift, through a combination without a border and through one with it.
        (network(vec![BN, conv(4, 1, 0), BN], None), vec!["b1.norm1.shift", "b1.conv1.b"]),
        (network(vec![BN, conv(4, 3, 0), conv(4, 3, 1), BN], None), vec!["b1.conv2.b"]),
        (network(vec![map(4), LayerSpec::MaxPool(pool(0)), BN, RELU], None), vec!["b1.norm1.shift", "b1.conv1.b"]),
        (network(vec![map(4)], Some(vec![conv(4, 1, 0), BN])), vec!["b1.shortcut.conv1.b"]),
        (network(vec![conv(4, 1, 0), RELU, conv(4, 1, 0), BN], Some(vec![conv(4, 1, 0)])), vec!["b1.conv2.b"]),
    ]
}

fn learner(graph: &Graph, rule: Box<dyn Rule>, device: Device) -> Learner {
    let optim = Optim { rate: 1e-2, ..Optim::default() };
    assert!(matches!(optim.method, Method::Adam { .. }), "which moves what has the least of gradients");
    Learner::new(graph.clone(), rule, 0.1, optim, device, 3).unwrap()
}

#[test]
fn no_loss_depends_on_what_is_held_and_every_one_on_the_rest() {
    let data = clouds(5, 72, 3, 8);
    for (graph, want) in cases() {
        assert_eq!(held(&graph), want);
        let mut net = learner(&graph, Box::new(reclra::Backprop::of(&graph)), Device::oracle());
        let offsets: Vec<_> = net.parameters().iter().map(|n| (n.param, n.name.clone(), n.to_vec())).collect();
        let before = net.errors_of(&data.x, &data.labels).loss;
        for (param, name, values) in offsets.iter().filter(|(_, n, _)| n.ends_with(".b") || n.ends_with(".shift")) {
            let mut moved = values.clone();
            moved[0] += 0.5;
            net.set(*param, &moved).unwrap();
            let change = (net.errors_of(&data.x, &data.labels).loss - before).abs();
            let inert = want.contains(&name.as_str());
            assert!(
                if inert { change < 1e-12 } else { change > 1e-6 },
                "{name} of {want:?}: the loss moves by {change}"
            );
            net.set(*param, values).unwrap();
        }
    }
}

#[test]
fn no_rule_moves_what_is_held() {
    let input = Extent::new(1, 8, 8);
    let plan = Plan { width: 3, ..Plan::new(input, 3) };
    let graph = Graph::of_blocks(input, models::by_name("noise-resnet8", &plan).unwrap().unwrap()).unwrap();
    let (names, data) = (held(&graph), clouds(6, 64, 3, 8));
    assert_eq!(names.len(), 12, "two noise maps in each of three blocks: {names:?}");
    let rec_lra = |inner| {
        let config = RecLraBlocksConfig { inner, ..RecLraBlocksConfig::default() };
        Box::new(RecLraBlocks::new(config, &graph).unwrap()) as Box<dyn Rule>
    };
    let targets = TargetPropConfig { std: 1.0, ..TargetPropConfig::default() };
    let all: Vec<Box<dyn Rule>> = vec![
        Box::new(reclra::Backprop::of(&graph)),
        rec_lra(Inner::Backprop),
        rec_lra(Inner::RecLra),
        rec_lra(Inner::Hebbian),
        Box::new(reclra::FeedbackAlignment::new(reclra::FeedbackConfig { std: 1.0 }, &graph).unwrap()),
        Box::new(reclra::DirectFeedbackAlignment::new(reclra::FeedbackConfig { std: 0.3 }, &graph).unwrap()),
        Box::new(TargetPropBlocks::difference(targets, &graph).unwrap()),
        Box::new(rules::HeadOnly),
    ];
    for rule in all {
        let mut net = learner(&graph, rule, Device::cpu(1));
        for _ in 0..3 {
            net.step(&data.x, &data.labels);
        }
        for name in &names {
            assert!(parameter(&net, name).iter().all(|&v| v == 0.0), "{} moves {name}", net.rule().name());
        }
    }
}

/// A state of before, when they were trained, has moments of them, and values.
#[test]
fn a_state_with_moments_of_what_is_held_now_is_restored() {
    let graph = network(vec![conv(4, 3, 1), BN], None);
    let mut net = learner(&graph, Box::new(reclra::Backprop::of(&graph)), Device::cpu(1));
    let mut state = net.state();
    for prefix in ["first.", "second."] {
        state.push(Kept { name: format!("{prefix}b1.conv1.b"), shape: vec![4], values: vec![0.5; 4] });
    }
    let bias = state.iter_mut().find(|k| k.name == "b1.conv1.b").unwrap();
    bias.values = vec![0.25; 4];
    net.restore(7, &state).unwrap();
    assert_eq!((net.steps(), parameter(&net, "b1.conv1.b")), (7, vec![0.25; 4]));
    state.push(Kept { name: "first.b1.conv9.b".into(), shape: vec![4], values: vec![0.5; 4] });
    let error = net.restore(7, &state).unwrap_err().to_string();
    assert!(error.contains("first.b1.conv9.b is no part of this network"), "{error}");
}
