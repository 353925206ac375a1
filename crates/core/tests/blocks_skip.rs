//! What teaches blocks under skip: a message of the block's own readout, and a stem that counts as part of the first block, each
//! against backprop in a network where that is the same.

use reclra::block::BlockSpec;
use reclra::compute::rng::Key;
use reclra::layers::LayerSpec;
use reclra::rule::{ParamId, Rule};
use reclra::rules::blocks::{Message, RecLraBlocks, RecLraBlocksConfig};
use reclra::{Device, Extent, Graph, Learner, Optim, Phi};

const INPUT: Extent = Extent { channels: 2, height: 6, width: 5 };
const CLASSES: usize = 3;
const CHANNELS: usize = 4;
const BATCH: usize = 4;

/// A stem, one residual block, a head that sees the mean of each channel.
fn graph() -> Graph {
    let (conv, bn) = (|| LayerSpec::conv(CHANNELS, 3, 1, 1), || LayerSpec::BATCH_NORM);
    let block = |name: &str, path: Vec<LayerSpec>, shortcut: Option<Vec<LayerSpec>>, phi: Phi| BlockSpec {
        name: name.into(),
        path,
        shortcut,
        phi,
    };
    let path = vec![conv(), bn(), LayerSpec::Act(Phi::Tanh), conv(), bn()];
    let dense = LayerSpec::Dense { out: CLASSES, bias: true, gain: 1.0 };
    let blocks = vec![
        block("stem", vec![conv(), bn()], None, Phi::Tanh),
        block("b1", path, Some(vec![]), Phi::Tanh),
        block("out", vec![LayerSpec::GlobalMean, dense], None, Phi::Softmax),
    ];
    Graph::of_blocks(INPUT, blocks).unwrap()
}

fn learner(rule: Box<dyn Rule>) -> Learner {
    Learner::new(graph(), rule, 1.0, Optim::default(), Device::oracle(), 5).unwrap()
}

fn rec_lra(config: RecLraBlocksConfig) -> Learner {
    // With a small beta, errors are proportional to messages.
    learner(Box::new(RecLraBlocks::new(RecLraBlocksConfig { beta: 1e-5, ..config }, &graph()).unwrap()))
}

fn step(net: &mut Learner) {
    let x: Vec<f32> = Key::new(3).normal(BATCH * INPUT.units(), 1.0).iter().map(|&v| v as f32).collect();
    net.errors_of(&x, &[0, 2, 1, 2]);
}

fn find(net: &Learner, name: &str) -> (ParamId, Vec<f64>) {
    net.parameters().into_iter().find(|n| n.name == name).map(|n| (n.param, n.to_vec())).unwrap()
}

fn update(net: &Learner, name: &str) -> Vec<f64> {
    let (param, _) = find(net, name);
    net.updates().into_iter().find(|(p, _)| *p == param).unwrap().1.to_vec()
}

/// Y x C as C x Y, and back with the sizes exchanged.
fn transposed(w: &[f64], rows: usize, cols: usize) -> Vec<f64> {
    (0..w.len()).map(|i| w[(i % rows) * cols + i / rows]).collect()
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

const OF_BLOCKS: [&str; 6] =
    ["stem.conv1.W", "stem.norm1.shift", "b1.conv1.W", "b1.norm1.scale", "b1.conv2.W", "b1.norm2.shift"];

#[test]
fn a_message_of_the_blocks_own_readout_descends_the_loss_of_that_readout() {
    let updates = |message: Message, head: f64| {
        let mut net = rec_lra(RecLraBlocksConfig { message, ..RecLraBlocksConfig::default() });
        let (w, values) = find(&net, "out.dense1.W");
        net.set(w, &values.iter().map(|v| head * v).collect::<Vec<_>>()).unwrap();
        step(&mut net);
        (OF_BLOCKS.map(|name| update(&net, name)), find(&net, "E.out->b1").1)
    };
    // What the output says is nothing to it.
    let (own, e) = updates(Message::Readout, 1.0);
    assert_eq!(own, updates(Message::Readout, -2.0).0);
    let output = updates(Message::Output, 1.0).0;
    assert_ne!(output, updates(Message::Output, -2.0).0);
    let both = updates(Message::Both, 1.0).0;
    for (both, (own, output)) in both.iter().zip(own.iter().zip(&output)) {
        let sum: Vec<f64> = own.iter().zip(output).map(|(a, b)| a + b).collect();
        let size = sum.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        assert!(both.iter().zip(&sum).all(|(a, b)| (a - b).abs() < 1e-4 * size));
    }
    // A network whose output is that readout.
    let mut exact = learner(Box::new(reclra::Backprop::of(&graph())));
    let (head, _) = find(&exact, "out.dense1.W");
    exact.set(head, &transposed(&e, CHANNELS, CLASSES)).unwrap();
    step(&mut exact);
    for (name, own) in OF_BLOCKS.iter().zip(&own).skip(2) {
        let c = cosine(own, &update(&exact, name));
        assert!(c > 0.9999, "{name}: cosine {c}");
    }
}

#[test]
fn a_stem_inside_the_first_block_is_taught_by_backprop_within_the_two() {
    let cosines = |stem_inside: bool| {
        let mut net = rec_lra(RecLraBlocksConfig { stem_inside, ..RecLraBlocksConfig::default() });
        // What backprop sends to b1.
        let (_, w) = find(&net, "out.dense1.W");
        let (e, _) = find(&net, "E.out->b1");
        net.set(e, &transposed(&w, CLASSES, CHANNELS)).unwrap();
        step(&mut net);
        let mut exact = learner(Box::new(reclra::Backprop::of(&graph())));
        step(&mut exact);
        OF_BLOCKS.map(|name| cosine(&update(&net, name), &update(&exact, name)))
    };
    let inside = cosines(true);
    assert!(inside.iter().all(|c| *c > 0.9999), "{inside:?}");
    let own = cosines(false);
    assert!(own[2..].iter().all(|c| *c > 0.9999) && own[0] < 0.9, "{own:?}");
}
