//! Target propagation and Hebbian learning on image networks: learned inverses against finite differences, targets in cases that are
//! known, Oja's rule against loops.

use reclra::block::BlockSpec;
use reclra::compute::rng::Key;
use reclra::layers::LayerSpec;
use reclra::rule::{ParamId, Rule};
use reclra::rules::blocks::TargetPropBlocks;
use reclra::rules::{HebbianConfig, TargetPropConfig};
use reclra::{Device, Extent, Graph, Learner, Optim, Phi, Tensor};

const INPUT: Extent = Extent { channels: 2, height: 6, width: 5 };
const BATCH: usize = 4;

fn block(name: &str, path: Vec<LayerSpec>, shortcut: Option<Vec<LayerSpec>>, phi: Phi) -> BlockSpec {
    BlockSpec { name: name.into(), path, shortcut, phi }
}

/// A stem, a block that keeps the shape and one that halves it.
fn graph() -> Graph {
    let conv = |out: usize, stride: usize| LayerSpec::conv(out, 3, stride, 1);
    let (bn, act) = (LayerSpec::BATCH_NORM, LayerSpec::Act(Phi::Tanh));
    let blocks = vec![
        block("stem", vec![conv(4, 1), bn.clone()], None, Phi::Tanh),
        block("b1", vec![conv(4, 1), bn.clone(), act, conv(4, 1), bn.clone()], Some(vec![]), Phi::Tanh),
        block("b2", vec![conv(6, 2), bn], None, Phi::Tanh),
        block(
            "out",
            vec![LayerSpec::GlobalMean, LayerSpec::Dense { out: 3, bias: true, gain: 1.0 }],
            None,
            Phi::Softmax,
        ),
    ];
    Graph::of_blocks(INPUT, blocks).unwrap()
}

fn learner(rule: impl Rule + 'static) -> Learner {
    let mut net = Learner::new(graph(), Box::new(rule), 1.0, Optim::default(), Device::oracle(), 5).unwrap();
    let x: Vec<f32> = Key::new(3).normal(BATCH * INPUT.units(), 1.0).iter().map(|&v| v as f32).collect();
    net.errors_of(&x, &[0, 2, 1, 2]);
    net
}

fn again(net: &mut Learner) {
    let x: Vec<f32> = Key::new(3).normal(BATCH * INPUT.units(), 1.0).iter().map(|&v| v as f32).collect();
    net.errors_of(&x, &[0, 2, 1, 2]);
}

fn config(eta: f64, sigma: f64) -> TargetPropConfig {
    TargetPropConfig { eta, sigma, std: 1.0, rate: 1.0 }
}

fn update(net: &Learner, param: ParamId) -> Tensor {
    net.updates().into_iter().find(|(p, _)| *p == param).map(|(_, d)| d).unwrap()
}

fn close(a: &[f64], b: &[f64], to: f64) {
    let scale = a.iter().chain(b).fold(0.0_f64, |m, v| m.max(v.abs()));
    assert!(scale > 0.0 && a.len() == b.len());
    a.iter().zip(b).for_each(|(a, b)| assert!((a - b).abs() <= to * scale, "{a} against {b}, largest {scale}"));
}

#[test]
fn inverses_descend_what_they_miss() {
    // Without noise, f is z_l and the loss is 1/2 |g_l(z_l) - z_{l-1}|^2. As eta goes to 0 the target of the top block is its
    // activity, and what plain target propagation sends below it is z_{l-1} - g_l(z_l).
    let missed = |net: &mut Learner, l: usize| {
        again(net);
        net.errors().d[l - 1].to_vec().iter().map(|v| 0.5 * v * v).sum::<f64>() / BATCH as f64
    };
    let (l, own) = (3, 2);
    let mut net = learner(TargetPropBlocks::new(config(1e-12, 0.0), &graph()).unwrap());
    for n in [own, own + 1] {
        let delta = update(&net, net.graph().own(n)).to_vec();
        let start = net.parameters().iter().find(|p| p.param == net.graph().own(n)).unwrap().to_vec();
        let mut slopes = Vec::new();
        for k in 0..start.len().min(40) {
            let mut at = |step: f64| {
                let mut moved = start.clone();
                moved[k] += step;
                net.set(net.graph().own(n), &moved).unwrap();
                missed(&mut net, l)
            };
            slopes.push((at(1e-5) - at(-1e-5)) / 2e-5);
        }
        net.set(net.graph().own(n), &start).unwrap();
        close(&slopes, &delta[..slopes.len()], 1e-6);
    }
}

#[test]
fn the_top_block_is_updated_as_by_backprop_whatever_eta() {
    let exact = learner(reclra::Backprop::of(&graph()));
    for eta in [0.01, 3.0] {
        for net in [
            learner(TargetPropBlocks::new(config(eta, 0.1), &graph()).unwrap()),
            learner(TargetPropBlocks::difference(config(eta, 0.1), &graph()).unwrap()),
        ] {
            for region in [3, 4] {
                let w = net.graph().inside(region, 0);
                close(&update(&net, w).to_vec(), &update(&exact, w).to_vec(), 1e-12);
            }
        }
    }
}

#[test]
fn targets_of_an_inverse_that_is_constant() {
    let still = |rule: TargetPropBlocks| {
        let mut net = learner(rule);
        for n in [2, 3] {
            let len = net.parameters().iter().find(|p| p.param == net.graph().own(n)).unwrap().values().len();
            net.set(net.graph().own(n), &vec![if n == 2 { 0.0 } else { 0.5 }; len]).unwrap();
        }
        again(&mut net);
        net
    };
    let d = |net: &Learner| net.errors().d[2].to_vec();
    // The difference correction takes out all that the inverse gets wrong: here there is nothing left.
    let net = still(TargetPropBlocks::difference(config(0.3, 0.1), &graph()).unwrap());
    assert!(d(&net).iter().all(|&v| v == 0.0));
    // Without it the target is the constant.
    let net = still(TargetPropBlocks::new(config(0.3, 0.1), &graph()).unwrap());
    let wanted: Vec<f64> = net.activity().z[2].to_vec().iter().map(|z| z - 0.5_f64.tanh()).collect();
    close(&d(&net), &wanted, 1e-12);
}

#[test]
fn noise_moves_what_inverses_learn_and_nothing_else() {
    let of = |sigma: f64| learner(TargetPropBlocks::difference(config(0.3, sigma), &graph()).unwrap());
    let (quiet, noisy) = (of(0.0), of(0.5));
    assert_ne!(update(&quiet, quiet.graph().own(0)).to_vec(), update(&noisy, noisy.graph().own(0)).to_vec());
    for region in 1..=4 {
        let w = quiet.graph().inside(region, 0);
        assert_eq!(update(&quiet, w).to_vec(), update(&noisy, w).to_vec());
    }
}

#[test]
fn hebbian_convolutions_learn_by_ojas_rule_at_every_place() {
    for groups in [1, 2] {
        let conv = LayerSpec::Conv { out: 4, window: reclra::Window::square(3, 1, 1), groups, bias: true, gain: 1.0 };
        let head = graph().regions()[4].inside.as_ref().unwrap().spec().clone();
        let blocks = vec![block("b1", vec![conv], None, Phi::Tanh), head];
        let graph = Graph::of_blocks(INPUT, blocks).unwrap();
        let rule = reclra::Hebbian::new(HebbianConfig::default(), &graph).unwrap();
        let mut net = Learner::new(graph, Box::new(rule), 1.0, Optim::default(), Device::oracle(), 5).unwrap();
        again(&mut net);
        let w = net.parameters()[0].to_vec();
        let (x, h) = (net.activity().z[0].to_vec(), net.activity().h[1].to_vec());
        let Extent { channels, height, width } = INPUT;
        let (own, taps) = (channels / groups, channels / groups * 9);
        let mut naive = vec![0.0; 4 * taps];
        for s in 0..BATCH {
            for (y, c) in (0..height).flat_map(|y| (0..width).map(move |c| (y, c))) {
                for g in 0..groups {
                    // The window that this place sees, of the channels of its group.
                    let patch: Vec<f64> = (0..taps)
                        .map(|t| {
                            let (ch, dy, dx) = (g * own + t / 9, t % 9 / 3, t % 3);
                            let (Some(yy), Some(xx)) = ((y + dy).checked_sub(1), (c + dx).checked_sub(1)) else {
                                return 0.0;
                            };
                            if yy >= height || xx >= width {
                                0.0
                            } else {
                                x[((ch * height + yy) * width + xx) * BATCH + s]
                            }
                        })
                        .collect();
                    let of_group = g * 4 / groups..(g + 1) * 4 / groups;
                    let out = |o: usize| h[((o * height + y) * width + c) * BATCH + s];
                    for t in 0..taps {
                        let back: f64 = of_group.clone().map(|o| w[o * taps + t] * out(o)).sum();
                        for o in of_group.clone() {
                            naive[o * taps + t] += out(o) * (back - patch[t]) / BATCH as f64;
                        }
                    }
                }
            }
        }
        close(&update(&net, net.graph().inside(1, 0)).to_vec(), &naive, 1e-10);
    }
}

#[test]
fn what_cannot_be_inverted_or_associated_is_refused_with_the_block() {
    let head = || graph().regions()[4].inside.as_ref().unwrap().spec().clone();
    let conv = LayerSpec::conv(2, 3, 1, 1);
    let growing = block("b2", vec![LayerSpec::Pad(2)], None, Phi::Tanh);
    let first = || block("b1", vec![conv.clone()], None, Phi::Tanh);
    let graph = Graph::of_blocks(INPUT, vec![first(), growing, head()]).unwrap();
    let text = TargetPropBlocks::new(config(0.3, 0.1), &graph).unwrap_err().to_string();
    assert!(text.contains("b2") && text.contains("2x6x5") && text.contains("2x10x9"), "{text}");
    let beside = block("b1", vec![conv.clone()], Some(vec![]), Phi::Tanh);
    let graph = Graph::of_blocks(INPUT, vec![beside, head()]).unwrap();
    let text = reclra::Hebbian::new(HebbianConfig::default(), &graph).unwrap_err().to_string();
    assert!(text.contains("b1") && text.contains("conv1") && text.contains("batch norm"), "{text}");
    assert!(reclra::Hebbian::new(HebbianConfig { oja: false, rate: 0.3 }, &graph).is_ok());
}
