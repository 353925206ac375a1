//! Where a network starts: every parameter is the draw of its own key, with the deviation that its header names; and what
//! evaluation sees of it.

mod common;

use common::{learner, parameter};
use reclra::block::BlockSpec;
use reclra::compute::rng::Key;
use reclra::graph::GraphBuilder;
use reclra::layer::Noise;
use reclra::layers::LayerSpec;
use reclra::optim::Method;
use reclra::rule::Rule;
use reclra::rules::blocks::{
    BlockWiring, MapPlasticity, MapSynapse, RecLraBlocks, RecLraBlocksConfig, TargetPropBlocks,
};
use reclra::{
    Device, Extent, FeedbackConfig, Graph, Learner, LraE, LraEConfig, Optim, Phi, RecLra, RecLraConfig, TargetProp,
    TargetPropConfig, Window, evaluation_numbers,
};

/// The seed of `common::learner`.
const SEED: u64 = 1;

/// Whether a parameter is the draw of its name with this deviation.
#[track_caller]
fn drawn(net: &Learner, name: &str, std: f64) {
    let values = parameter(net, name);
    let key = Key::new(SEED).child(0).child_named(name);
    let near = values.iter().zip(key.normal(values.len(), std)).all(|(a, b)| (a - b).abs() < 1e-14);
    assert!(near && !values.is_empty(), "{name} is not drawn from N(0, {std}^2)");
}

#[track_caller]
fn constant(net: &Learner, name: &str, value: f64) {
    assert!(parameter(net, name).iter().all(|&v| v == value), "{name} does not start at {value}");
}

fn perceptron(rule: impl Rule + 'static) -> Learner {
    learner(&Graph::mlp(&[4, 6, 5, 3], Phi::Tanh, None).unwrap(), rule, 0.4, Optim::default(), &Device::oracle())
}

#[test]
fn perceptrons_start_from_the_draws_of_their_names() {
    let graph = Graph::mlp(&[4, 6, 5, 3], Phi::Tanh, None).unwrap();
    let net = perceptron(RecLra::new(RecLraConfig { std: 0.7, ..RecLraConfig::default() }, &graph).unwrap());
    ["W.in->b1", "W.b1->b2", "W.b2->out"].iter().for_each(|name| drawn(&net, name, 0.4));
    ["b.b1", "b.b2", "b.out"].iter().for_each(|name| constant(&net, name, 0.0));
    ["E.b2->b1", "E.out->b2"].iter().for_each(|name| drawn(&net, name, 0.7));
    let net = perceptron(LraE::new(LraEConfig { std: 0.3, ..LraEConfig::default() }, &graph).unwrap());
    drawn(&net, "E.b2->b1", 0.3);
    let net = perceptron(reclra::FeedbackAlignment::new(FeedbackConfig { std: 0.2 }, &graph).unwrap());
    drawn(&net, "B.out->b2", 0.2);
    let net = perceptron(reclra::DirectFeedbackAlignment::new(FeedbackConfig { std: 0.2 }, &graph).unwrap());
    drawn(&net, "B.out->b1", 0.2);
    let config = TargetPropConfig { std: 0.6, ..TargetPropConfig::default() };
    let net = perceptron(TargetProp::difference(config, &graph).unwrap());
    drawn(&net, "V.b2->b1", 0.6);
    constant(&net, "c.b2->b1", 0.0);
}

const INPUT: Extent = Extent { channels: 2, height: 6, width: 6 };

/// A stem of three channels, a block that halves the image to five, the output; and a convolution of two groups with a gain.
fn images() -> Graph {
    let block = |name: &str, path: Vec<LayerSpec>, shortcut: Option<Vec<LayerSpec>>, phi: Phi| BlockSpec {
        name: name.into(),
        path,
        shortcut,
        phi,
    };
    let bn = || LayerSpec::BATCH_NORM;
    let conv =
        |out: usize, gain: f64| LayerSpec::Conv { out, window: Window::square(3, 1, 1), groups: 1, bias: true, gain };
    let map = LayerSpec::NoiseMap { out: 5, noise: Noise::Gaussian(0.1), gain: 0.5 };
    let halved = vec![LayerSpec::conv(5, 3, 2, 1), bn(), LayerSpec::Act(Phi::Relu), map];
    let dense = LayerSpec::Dense { out: 3, bias: true, gain: 0.7 };
    let blocks = vec![
        block("stem", vec![conv(3, 2.0), LayerSpec::Act(Phi::Tanh), bn()], None, Phi::Relu),
        block("b1", halved, Some(vec![LayerSpec::conv(5, 1, 2, 0), bn()]), Phi::Relu),
        block("out", vec![LayerSpec::GlobalMean, dense], None, Phi::Softmax),
    ];
    Graph::of_blocks(INPUT, blocks).unwrap()
}

fn image_net(rule: impl Rule + 'static) -> Learner {
    learner(&images(), rule, 0.4, Optim::default(), &Device::oracle())
}

#[test]
fn image_networks_start_from_the_draws_of_their_names() {
    let he = |inputs: f64| (2.0 / inputs).sqrt();
    let config = RecLraBlocksConfig {
        wiring: BlockWiring::Layer,
        inner: reclra::rules::blocks::Inner::RecLra,
        std: 0.3,
        twin_std: 0.25,
        ..RecLraBlocksConfig::default()
    };
    let net = image_net(RecLraBlocks::new(config.clone(), &images()).unwrap());
    // He et al. 2015 times the gain; dense layers without the factor of two.
    drawn(&net, "stem.conv1.W", 2.0 * he(18.0));
    drawn(&net, "b1.conv1.W", he(27.0));
    drawn(&net, "b1.conv2.W", 0.5 * he(5.0));
    drawn(&net, "b1.shortcut.conv1.W", he(3.0));
    drawn(&net, "out.dense1.W", 0.7 / 5.0_f64.sqrt());
    for name in ["stem.conv1.b", "b1.conv2.b", "out.dense1.b", "b1.norm1.shift", "b1.norm1.mean"] {
        constant(&net, name, 0.0);
    }
    ["b1.norm1.scale", "b1.norm1.variance", "b1.norm2.scale"].iter().for_each(|name| constant(&net, name, 1.0));
    drawn(&net, "E.out->b1", 0.3);
    // Of an operation's shape: He's deviation times the factor.
    drawn(&net, "E.b1.conv1", 0.25 * he(27.0));
    drawn(&net, "E.b1.conv2", 0.25 * he(5.0));
    drawn(&net, "E.b1.shortcut.conv1", 0.25 * he(3.0));
    let (synapse, plasticity) = (MapSynapse::LowRank(4), MapPlasticity::Mirror);
    let config = RecLraBlocksConfig { synapse, plasticity, std: 0.3, ..RecLraBlocksConfig::default() };
    let net = image_net(RecLraBlocks::new(config, &images()).unwrap());
    // The product of both has the deviation of U.
    drawn(&net, "E.out->b1.V", 0.5);
    drawn(&net, "E.out->b1.U", 0.3);
    let net = image_net(reclra::FeedbackAlignment::new(FeedbackConfig { std: 0.8 }, &images()).unwrap());
    drawn(&net, "B.b1.conv1", 0.8 * he(27.0));
    let net = image_net(reclra::DirectFeedbackAlignment::new(FeedbackConfig { std: 0.8 }, &images()).unwrap());
    drawn(&net, "B.out->b1.act1", 0.8);
    let config = TargetPropConfig { std: 0.6, ..TargetPropConfig::default() };
    let net = image_net(TargetPropBlocks::new(config, &images()).unwrap());
    // 4x4 windows two apart: each unit is seen by four places of each of five channels.
    drawn(&net, "V.b1->stem", 0.6 / 20.0_f64.sqrt());
    constant(&net, "c.b1->stem", 0.0);
}

#[test]
fn masks_have_the_level_of_their_noise() {
    let masks = |noise: Noise| {
        let path = vec![LayerSpec::NoiseMap { out: 3, noise, gain: 1.0 }];
        let blocks = vec![
            BlockSpec { name: "b1".into(), path, shortcut: None, phi: Phi::Relu },
            BlockSpec {
                name: "out".into(),
                path: vec![LayerSpec::Dense { out: 3, bias: true, gain: 1.0 }],
                shortcut: None,
                phi: Phi::Softmax,
            },
        ];
        let graph = Graph::of_blocks(Extent::new(8, 16, 16), blocks).unwrap();
        let net = learner(&graph, reclra::HeadOnly, 0.4, Optim::default(), &Device::oracle());
        net.masks().into_iter().flat_map(|(_, mask)| mask).map(f64::from).collect::<Vec<_>>()
    };
    let deviation = |v: &[f64]| (v.iter().map(|v| v * v).sum::<f64>() / v.len() as f64).sqrt();
    assert!((deviation(&masks(Noise::Gaussian(0.3))) / 0.3 - 1.0).abs() < 0.05);
    let uniform = masks(Noise::Uniform(0.3));
    let largest = uniform.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    assert!(largest <= 0.3 && largest > 0.299 && (deviation(&uniform) / (0.3 / 3.0_f64.sqrt()) - 1.0).abs() < 0.05);
    assert!(masks(Noise::None).is_empty());
}

#[test]
fn activities_for_looking_are_those_of_evaluation() {
    let mut net = image_net(RecLraBlocks::new(RecLraBlocksConfig::default(), &images()).unwrap());
    let x: Vec<f32> = (0..4 * INPUT.units()).map(|i| (i as f32 * 0.7).sin()).collect();
    net.step(&x, &[0, 1, 2, 1]);
    let predicted = net.predict(&x);
    let out = net.graph().output();
    let seen = net.activate_evaluated(&x).z[out].to_f32();
    let seen: Vec<f32> = (0..12).map(|i| seen[(i % 3) * 4 + i / 3]).collect();
    assert!(predicted.iter().zip(&seen).all(|(a, b)| (a - b).abs() < 1e-6), "{predicted:?} against {seen:?}");
    let alone = net.predict(&x[..INPUT.units()]);
    assert!(alone.iter().zip(&predicted).all(|(a, b)| (a - b).abs() < 1e-6), "a sample depends on its neighbors");
}

#[test]
fn a_resumed_run_draws_what_the_whole_run_draws() {
    let path = vec![LayerSpec::Flatten, LayerSpec::Dense { out: 40, bias: true, gain: 1.0 }, LayerSpec::Dropout(0.5)];
    let blocks = vec![
        BlockSpec { name: "b1".into(), path, shortcut: None, phi: Phi::Tanh },
        BlockSpec {
            name: "out".into(),
            path: vec![LayerSpec::Dense { out: 3, bias: true, gain: 1.0 }],
            shortcut: None,
            phi: Phi::Softmax,
        },
    ];
    let graph = Graph::of_blocks(INPUT, blocks).unwrap();
    let net = || {
        // So slow that activities change with what is dropped alone.
        let optim = Optim { rate: 1e-12, ..Optim::default() };
        learner(&graph, reclra::Backprop::of(&graph), 1.0, optim, &Device::cpu(1))
    };
    let x: Vec<f32> = (0..2 * INPUT.units()).map(|i| (i as f32 * 0.3).cos()).collect();
    let dropped = |net: &mut Learner| {
        net.step(&x, &[0, 2]);
        net.activity().z[1].to_f32().iter().map(|&v| v == 0.0).collect::<Vec<_>>()
    };
    let mut whole = net();
    let first = dropped(&mut whole);
    let kept = whole.state();
    let second = dropped(&mut whole);
    assert_ne!(first, second, "each step drops units of its own");
    let mut resumed = net();
    resumed.restore(1, &kept).unwrap();
    assert_eq!(dropped(&mut resumed), second);
    assert_eq!(dropped(&mut net()), first);
}

#[test]
fn a_learner_counts_what_it_holds() {
    let graph = Graph::mlp(&[4, 6, 5, 3], Phi::Tanh, None).unwrap();
    let with = |optim: Optim| learner(&graph, reclra::HeadOnly, 0.4, optim, &Device::cpu(1));
    // 15 weights and 3 biases that learn; two moments of each, one, none.
    let sgd = |momentum: f64| Optim { method: Method::Sgd { momentum, nesterov: false }, ..Optim::default() };
    let bytes = |optim: Optim| with(optim).moment_bytes();
    assert_eq!((bytes(Optim::default()), bytes(sgd(0.9)), bytes(sgd(0.0))), (2 * 4 * 18, 4 * 18, 0));
    let optim = Optim { rate: 0.25, average: Some(0.5), ..sgd(0.9) };
    assert_eq!(with(optim).optim(), &optim);
}

#[test]
fn evaluation_holds_what_is_read_later() {
    let held_after = |batches: &[usize], graph: &Graph| {
        let mut net = learner(graph, reclra::HeadOnly, 0.4, Optim::default(), &Device::cpu(1));
        for samples in batches {
            net.predict(&vec![0.5; graph.regions()[0].width * samples]);
        }
        assert_eq!(net.evaluation_bytes(), 4 * evaluation_numbers(graph, 10) as u64);
        evaluation_numbers(graph, 10)
    };
    // On a chain a smaller batch takes what is there, and the next one too.
    let held = |graph: &Graph| held_after(&[10, 3, 10], graph);
    // One h of 6 units; z of 6 units, then of 5 in place of the input's 4, then of 3 in the storage of 6.
    assert_eq!(held(&Graph::mlp(&[4, 6, 5, 3], Phi::Tanh, None).unwrap()), 10 * (6 + 6 + 5));
    assert_eq!(held(&Graph::mlp(&[6, 4, 5, 3], Phi::Tanh, None).unwrap()), 10 * (5 + 6 + 4));
    // h; z of the shortcut's source, of the region between, and of the one that reads both.
    assert_eq!(held(&Graph::mlp(&[4, 6, 6, 6, 6, 3], Phi::Tanh, Some(2)).unwrap()), 10 * (6 + 6 + 6 + 6));
    // Of what `left` and `right` leave, `a` takes the 5, so that the 8 is there for `b`; `top` has the input's 4 and 2 more.
    let regions = [("left", 8), ("right", 5), ("top", 6), ("a", 3), ("b", 8)];
    let graph = regions.iter().fold(GraphBuilder::new(4), |g, (name, width)| g.region(name, *width, Phi::Tanh));
    let synapses = [("in", "left"), ("in", "right"), ("left", "top"), ("right", "top"), ("top", "a"), ("a", "b")];
    let graph = synapses.iter().fold(graph.region("out", 3, Phi::Softmax), |g, (from, to)| g.synapse(from, to));
    assert_eq!(held_after(&[10], &graph.synapse("b", "out").build().unwrap()), 10 * (8 + 8 + 5 + 6));
}
