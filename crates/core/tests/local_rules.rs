//! What the local rules promise, each by a property of its own: LRA-E is a rec-LRA, Oja's rule finds principal
//! directions, target propagation steps along Gauss and Newton, equilibrium propagation estimates the gradient.

mod common;

use common::{clouds, learner, parameter};
use reclra::compute::rng::Key;
use reclra::graph::GraphBuilder;
use reclra::optim::{Method, Optim};
use reclra::rule::{ParamId, Rule};
use reclra::rules::{EquilibriumProp, EquilibriumPropConfig, Hebbian, HebbianConfig, LraE, LraEConfig};
use reclra::rules::{TargetProp, TargetPropConfig};
use reclra::{Device, Graph, Learner, Phi, RecLra, RecLraConfig};

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    dot(a, b) / (norm(a) * norm(b))
}

/// A x for A row by row.
fn times(a: &[f64], x: &[f64]) -> Vec<f64> {
    a.chunks(x.len()).map(|row| dot(row, x)).collect()
}

/// Column `s` of a signal with `batch` columns.
fn column(signal: &[f64], s: usize, batch: usize) -> Vec<f64> {
    signal.iter().skip(s).step_by(batch).copied().collect()
}

/// So many steps on one batch.
fn run(net: &mut Learner, steps: usize, x: &[f32], labels: &[u32]) {
    for _ in 0..steps {
        net.step(x, labels);
    }
}

// LRA-E

fn trained(rule: impl Rule + 'static, graph: &Graph, optim: Optim) -> Learner {
    let data = clouds(20, 4, 3, 6);
    let mut net = learner(graph, rule, 0.3, optim, &Device::oracle());
    run(&mut net, 25, &data.x, &data.labels);
    net
}

fn far(a: &Learner, b: &Learner) -> f64 {
    let all = |net: &Learner| net.parameters().iter().flat_map(|p| p.to_vec()).collect::<Vec<f64>>();
    all(a).iter().zip(all(b)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn lra_e_at_gamma_1_is_rec_lra_on_a_chain() {
    let graph = Graph::mlp(&[4, 9, 8, 3], Phi::Tanh, None).unwrap();
    let sgd = Method::Sgd { momentum: 0.5, nesterov: false };
    for optim in [Optim { rate: 5e-3, ..Optim::default() }, Optim { rate: 0.1, method: sgd, ..Optim::default() }] {
        let rec_lra = || trained(RecLra::new(RecLraConfig::default(), &graph).unwrap(), &graph, optim);
        let lra_e = |gamma, rate| {
            let config = LraEConfig { gamma, rate, ..LraEConfig::default() };
            trained(LraE::new(config, &graph).unwrap(), &graph, optim)
        };
        assert!(far(&rec_lra(), &lra_e(1.0, 1.0)) < 1e-12);
        assert!(far(&rec_lra(), &lra_e(1.0, 0.5)) > 1e-4, "the learning rate of E is its own");
        // Adam cancels a constant factor.
        let inert = far(&lra_e(1.0, 1.0), &lra_e(0.5, 1.0));
        assert!(if optim.method == sgd { inert > 1e-4 } else { inert < 1e-4 }, "{inert}");
    }
}

// Oja's subspace rule

/// Samples of four dimensions with variances 4, 1.5, 0.3 and 0.1 along directions that are no axes, one a row.
fn ellipsoid(samples: usize) -> Vec<f32> {
    let drawn = Key::new(5).normal(samples * 4, 1.0);
    let v = [0.5, -0.8, 0.3, 0.6];
    let mut x = Vec::new();
    for c in drawn.chunks(4) {
        let c: Vec<f64> = c.iter().zip([2.0, 1.22, 0.55, 0.32]).map(|(c, std)| c * std).collect();
        let along = 2.0 * dot(&v, &c) / dot(&v, &v); // a reflection turns the axes
        x.extend(c.iter().zip(v).map(|(c, v)| (c - along * v) as f32));
    }
    x
}

/// The `k` leading eigenvectors of the second moment of samples of four dimensions, by power iteration.
fn principal(x: &[f32], k: usize) -> Vec<Vec<f64>> {
    let mut m = vec![0.0; 16];
    for row in x.chunks(4) {
        (0..16).for_each(|i| m[i] += f64::from(row[i / 4]) * f64::from(row[i % 4]));
    }
    let mut found: Vec<Vec<f64>> = Vec::new();
    for _ in 0..k {
        let mut v = vec![1.0, 0.7, -0.4, 0.2];
        for _ in 0..500 {
            v = times(&m, &v);
            for u in &found {
                let along = dot(u, &v);
                v.iter_mut().zip(u).for_each(|(v, u)| *v -= along * u);
            }
            let length = norm(&v);
            v.iter_mut().for_each(|v| *v /= length);
        }
        found.push(v);
    }
    found
}

#[test]
fn hebbian_units_span_the_principal_directions() {
    let (x, labels) = (ellipsoid(200), vec![0; 200]);
    for units in [1, 2, 3] {
        let graph = Graph::mlp(&[4, units, 2], Phi::Tanh, None).unwrap();
        let rule = Hebbian::new(HebbianConfig { rate: 1.0, ..HebbianConfig::default() }, &graph).unwrap();
        let method = Method::Sgd { momentum: 0.0, nesterov: false };
        let optim = Optim { rate: 0.05, method, radius: None, ..Optim::default() };
        let mut net = learner(&graph, rule, 0.2, optim, &Device::cpu(1));
        run(&mut net, 2000, &x, &labels);
        let (w, directions) = (parameter(&net, "W.in->b1"), principal(&x, units));
        for row in w.chunks(4) {
            let within: Vec<f64> = directions.iter().map(|u| dot(u, row)).collect();
            assert!(norm(&within) / norm(row) > 0.99, "{units} units: {row:?} leaves the span of {directions:?}");
        }
        // The rows are orthonormal.
        for (i, a) in w.chunks(4).enumerate() {
            for (j, b) in w.chunks(4).enumerate() {
                assert!((dot(a, b) - f64::from(u8::from(i == j))).abs() < 1e-2, "{units} units: {w:?}");
            }
        }
        assert_eq!(parameter(&net, "b.b1"), vec![0.0; units]);
    }
}

#[test]
fn random_features_stay_random_and_the_readout_learns() {
    let data = clouds(20, 4, 3, 6);
    let graph = Graph::mlp(&[4, 9, 9, 9, 9, 3], Phi::Tanh, Some(2)).unwrap();
    let rule = Hebbian::new(HebbianConfig { oja: false, ..HebbianConfig::default() }, &graph).unwrap();
    let mut net = learner(&graph, rule, 0.3, Optim::default(), &Device::cpu(1));
    let before = common::bits(&net);
    net.step(&data.x, &data.labels);
    for ((name, old), (_, new)) in before.into_iter().zip(common::bits(&net)) {
        assert_eq!(old != new, name.ends_with("out"), "{name}");
    }
}

// Target propagation

/// W = D (I - 2 v v^T / v^T v), and its inverse, n x n.
fn invertible(n: usize, key: Key) -> [Vec<f64>; 2] {
    let v = key.child(0).normal(n, 1.0);
    let d: Vec<f64> = key.child(1).normal(n, 0.2).iter().map(|x| 1.0 + x).collect();
    let mirror = |i: usize, j: usize| f64::from(u8::from(i == j)) - 2.0 * v[i] * v[j] / dot(&v, &v);
    let w = (0..n * n).map(|p| d[p / n] * mirror(p / n, p % n)).collect();
    [w, (0..n * n).map(|p| mirror(p / n, p % n) / d[p % n]).collect()]
}

/// In a linear square network with exact inverses, the targets are those that carry the top one down: with every region
/// at its target, the region above is exactly at its own. That is the step of Gauss and Newton.
#[test]
fn targets_through_exact_inverses_are_gauss_newton() {
    let (graph, data, eta) = (Graph::mlp(&[5, 5, 5, 5, 3], Phi::Identity, None).unwrap(), clouds(7, 5, 3, 6), 1e-3);
    for difference in [true, false] {
        let config = TargetPropConfig { eta, ..TargetPropConfig::default() };
        let rule = if difference { TargetProp::difference } else { TargetProp::new };
        let mut net = learner(&graph, rule(config, &graph).unwrap(), 0.4, Optim::default(), &Device::oracle());
        let names: Vec<(String, ParamId)> = net.parameters().iter().map(|p| (p.name.clone(), p.param)).collect();
        let param = |name: &str| names.iter().find(|n| n.0 == name).expect("a parameter").1;
        for (l, [from, to]) in [(2, ["b1", "b2"]), (3, ["b2", "b3"])] {
            let [w, inverse] = invertible(5, Key::new(l));
            let b = Key::new(l).child(2).normal(5, 0.3);
            net.set(param(&format!("W.{from}->{to}")), &w).unwrap();
            net.set(param(&format!("b.{to}")), &b).unwrap();
            net.set(param(&format!("V.{to}->{from}")), &inverse).unwrap();
            let c: Vec<f64> = times(&inverse, &b).iter().map(|c| -c).collect();
            net.set(param(&format!("c.{to}->{from}")), &c).unwrap();
        }
        net.errors_of(&data.x, &data.labels);
        let (z, y, e) = (&net.activity().z, &net.errors().y, &net.errors().e);
        let moves: Vec<Vec<f64>> =
            (1..=3).map(|l| y[l].to_vec().iter().zip(z[l].to_vec()).map(|(y, z)| y - z).collect()).collect();
        let out = parameter(&net, "W.b3->out");
        for s in 0..7 {
            // The top target lies along the gradient, W_L^T e_L.
            let e_out = column(&e[4].to_vec(), s, 7);
            let back: Vec<f64> =
                (0..5).map(|i| -eta * (0..3).map(|j| out[j * 5 + i] * e_out[j]).sum::<f64>()).collect();
            let top = column(&moves[2], s, 7);
            assert!(top.iter().zip(&back).all(|(a, b)| (a - b).abs() < 1e-12), "{top:?} {back:?}");
            for (l, w) in [(1, "W.b1->b2"), (2, "W.b2->b3")] {
                let (below, above) = (column(&moves[l - 1], s, 7), column(&moves[l], s, 7));
                let carried = times(&parameter(&net, w), &below);
                assert!(carried.iter().zip(&above).all(|(a, b)| (a - b).abs() < 1e-12), "{carried:?} {above:?}");
                // The gradient is another direction: W^T is not the inverse of W.
                let w = parameter(&net, w);
                let gradient: Vec<f64> = (0..5).map(|i| (0..5).map(|j| w[j * 5 + i] * above[j]).sum()).collect();
                assert!(cosine(&gradient, &below) < 0.999);
            }
        }
        // e_l = z_l - y_l in a linear network, and the update of the top hidden region is the gradient whatever eta.
        assert!(net.errors().e[1].to_vec().iter().zip(&moves[0]).all(|(e, m)| (e + m).abs() < 1e-12));
        let angle = net.alignment()[2];
        assert!(angle.0 == 3 && angle.1 < 1e-4, "{angle:?}");
        let of = |list: Vec<(ParamId, reclra::Tensor)>| {
            let w3 = graph.weight(3, 0);
            norm(&list.into_iter().find(|u| u.0 == w3).expect("W_3 learns").1.to_vec())
        };
        assert!((of(net.updates()) / of(net.gradient()) - 1.0).abs() < 1e-9);
    }
}

/// g_l(u) = phi_{l-1}(V_l u + c_l), with the activation of the region below: sigmoid here, under tanh.
#[test]
fn inverses_have_the_activation_of_the_region_they_lead_to() {
    let graph = GraphBuilder::new(4).region("b1", 6, Phi::Sigmoid).region("b2", 5, Phi::Tanh);
    let graph = graph.region("out", 3, Phi::Softmax).synapse("in", "b1").synapse("b1", "b2").synapse("b2", "out");
    let (graph, data) = (graph.build().unwrap(), clouds(7, 4, 3, 6));
    let config = TargetPropConfig { sigma: 0.0, std: 0.5, ..TargetPropConfig::default() };
    let rule = TargetProp::difference(config, &graph).unwrap();
    let mut net = learner(&graph, rule, 0.6, Optim::default(), &Device::oracle());
    net.errors_of(&data.x, &data.labels);
    let v = parameter(&net, "V.b2->b1");
    let g = |u: &[f64]| times(&v, u).iter().map(|a| 1.0 / (1.0 + (-a).exp())).collect::<Vec<f64>>();
    let [z1, z2] = [1, 2].map(|l| net.activity().z[l].to_vec());
    let [y1, y2] = [1, 2].map(|l| net.errors().y[l].to_vec());
    let mut update = vec![0.0; v.len()];
    for s in 0..7 {
        let [z1, z2, y1, y2] = [&z1, &z2, &y1, &y2].map(|signal| column(signal, s, 7));
        let (of_target, of_activity) = (g(&y2), g(&z2));
        for i in 0..6 {
            assert!((y1[i] - (z1[i] + of_target[i] - of_activity[i])).abs() < 1e-12, "target of unit {i}, sample {s}");
            // Without noise the inverse learns from z_2 itself.
            let r = (of_activity[i] - z1[i]) * of_activity[i] * (1.0 - of_activity[i]);
            (0..5).for_each(|j| update[i * 5 + j] += r * z2[j] / 7.0);
        }
    }
    let found = net.parameters().into_iter().find(|p| p.name == "V.b2->b1").unwrap().param;
    let (_, d) = net.updates().into_iter().find(|(param, _)| *param == found).unwrap();
    assert!(d.to_vec().iter().zip(&update).all(|(a, b)| (a - b).abs() < 1e-12), "{:?} {update:?}", d.to_vec());
}

#[test]
fn inverses_learn_to_reconstruct() {
    let (graph, data) = (Graph::mlp(&[4, 12, 12, 12, 3], Phi::Tanh, None).unwrap(), clouds(40, 4, 3, 6));
    let difference = TargetProp::difference(TargetPropConfig::default(), &graph).unwrap();
    for rule in [difference, TargetProp::new(TargetPropConfig::plain(), &graph).unwrap()] {
        let mut net = learner(&graph, rule, 0.3, Optim { rate: 3e-3, ..Optim::default() }, &Device::cpu(1));
        // Of each inverse's eight signals the first is what was to be reconstructed, the fifth the reconstruction.
        let missed = |net: &Learner| -> Vec<f64> {
            let b = &net.errors().buffers;
            [2, 10].iter().map(|&n| net.device().distance(&b[n], &b[n + 4]) / 40.0).collect()
        };
        net.step(&data.x, &data.labels);
        let first = missed(&net);
        run(&mut net, 400, &data.x, &data.labels);
        let last = missed(&net);
        assert!(last.iter().zip(&first).all(|(a, b)| *a < 0.5 * b), "{}: {first:?} -> {last:?}", net.rule().name());
        assert!(net.errors().discrepancy.iter().skip(1).all(|&d| d > 0.0));
    }
}

// Equilibrium propagation

fn equilibrium(graph: &Graph, beta: f64, symmetric: bool) -> Learner {
    let config = EquilibriumPropConfig { beta, symmetric, free: 200, nudged: 200, ..EquilibriumPropConfig::default() };
    learner(graph, EquilibriumProp::new(config, graph).unwrap(), 0.6, Optim::default(), &Device::oracle())
}

/// The estimates of dW and db of all regions, and the derivatives of the settled network's loss by central differences.
fn estimate(net: &mut Learner, differences: bool) -> [Vec<f64>; 2] {
    let data = clouds(6, 4, 3, 6);
    net.errors_of(&data.x, &data.labels);
    let (mut got, mut want) = (Vec::new(), Vec::new());
    for (param, d) in net.updates() {
        got.extend(d.to_vec());
        let values = net.parameters().into_iter().find(|p| p.param == param).expect("a parameter").to_vec();
        for i in 0..if differences { values.len() } else { 0 } {
            let mut at = |x: f64| {
                let mut moved = values.clone();
                moved[i] += x;
                net.set(param, &moved).unwrap();
                net.evaluate(&data.x, &data.labels).loss / 6.0
            };
            want.push((at(1e-5) - at(-1e-5)) / 2e-5);
        }
        net.set(param, &values).unwrap();
    }
    [got, want]
}

#[test]
fn equilibrium_propagation_estimates_the_gradient_of_the_settled_loss() {
    for (widths, phi) in [(&[4, 6, 5, 3][..], Phi::Tanh), (&[4, 5, 5, 4, 3], Phi::Sigmoid), (&[4, 7, 3], Phi::Tanh)] {
        let graph = Graph::mlp(widths, phi, None).unwrap();
        let [exact_at_small, want] = estimate(&mut equilibrium(&graph, 1e-3, true), true);
        assert!(cosine(&exact_at_small, &want) > 1.0 - 1e-6, "{widths:?}");
        assert!((norm(&exact_at_small) / norm(&want) - 1.0).abs() < 1e-4, "{widths:?}: not even a factor is missing");
        // How far from the gradient, as a share of it.
        let miss = |beta, symmetric| {
            let [got, _] = estimate(&mut equilibrium(&graph, beta, symmetric), false);
            norm(&got.iter().zip(&want).map(|(g, w)| g - w).collect::<Vec<_>>()) / norm(&want)
        };
        let [symmetric, one_sided] = [true, false].map(|s| [0.3, 0.1, 0.03].map(|beta| miss(beta, s)));
        assert!(
            symmetric.is_sorted_by(|a, b| a > b) && one_sided.is_sorted_by(|a, b| a > b),
            "{symmetric:?} {one_sided:?}"
        );
        assert!(symmetric.iter().zip(one_sided).all(|(s, o)| *s < o), "{symmetric:?} {one_sided:?}");
        // Errors of second and of first order in beta.
        assert!(
            symmetric[2] < 0.02 * symmetric[0] && one_sided[2] > 0.05 * one_sided[0],
            "{symmetric:?} {one_sided:?}"
        );
    }
}

/// What is judged in use is the settled state: another sweep does not move it, and it is not the forward pass.
#[test]
fn evaluation_settles_too() {
    let (graph, data) = (Graph::mlp(&[4, 8, 7, 3], Phi::Tanh, None).unwrap(), clouds(6, 4, 3, 6));
    let predicted = |free| {
        let config = EquilibriumPropConfig { free, ..EquilibriumPropConfig::default() };
        let rule = EquilibriumProp::new(config, &graph).unwrap();
        let mut net = learner(&graph, rule, 0.6, Optim::default(), &Device::cpu(1));
        net.errors_of(&data.x, &data.labels);
        let training: Vec<f64> = net.activity().z[3].to_vec();
        let used = net.predict(&data.x);
        assert_eq!(net.activity().z[3].to_vec(), training, "{free}");
        used
    };
    let far = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(far(&predicted(200), &predicted(201)) < 1e-6);
    let rule = RecLra::new(RecLraConfig::default(), &graph).unwrap();
    let forward = learner(&graph, rule, 0.6, Optim::default(), &Device::cpu(1)).predict(&data.x);
    assert!(far(&predicted(200), &forward) > 1e-3);
}

/// The state of a sample does not depend on its neighbours in the batch.
#[test]
fn samples_settle_each_for_itself() {
    let (graph, data) = (Graph::mlp(&[4, 8, 7, 3], Phi::Tanh, None).unwrap(), clouds(6, 4, 3, 6));
    let rule = EquilibriumProp::new(EquilibriumPropConfig::default(), &graph).unwrap();
    let mut net = learner(&graph, rule, 0.6, Optim::default(), &Device::cpu(1));
    let all = net.predict(&data.x);
    for (s, x) in data.x.chunks(4).enumerate() {
        assert_eq!(net.predict(x), all[3 * s..3 * s + 3]);
    }
}

/// With persistent particles a sample settles on from where it was: n visits of one sweep are one of n sweeps, while
/// samples that have not been seen, and evaluation, begin at the forward pass.
#[test]
fn persistent_particles_settle_on() {
    let (graph, data) = (Graph::mlp(&[4, 8, 7, 3], Phi::Tanh, None).unwrap(), clouds(6, 4, 3, 6));
    let net = |free, persistent| {
        let config = EquilibriumPropConfig { free, persistent, ..EquilibriumPropConfig::default() };
        let still = Optim { rate: 1e-30, ..Optim::default() }; // so small that no weight moves
        learner(&graph, EquilibriumProp::new(config, &graph).unwrap(), 0.6, still, &Device::cpu(1))
    };
    let state = |net: &Learner| net.activity().z[1..].iter().map(|z| z.to_vec()).collect::<Vec<_>>();
    let after = |net: &mut Learner, visits: usize, samples: &[u32]| {
        for _ in 0..visits {
            net.step_of(&data.x, &data.labels, samples);
        }
        state(net)
    };
    let samples = [7, 0, 3, 12, 1, 2];
    let settled = after(&mut net(5, false), 1, &samples);
    let mut particles = net(1, true);
    assert_eq!(after(&mut particles, 5, &samples), settled);
    let fresh = after(&mut net(1, false), 5, &samples);
    assert_ne!(fresh, settled, "another five sweeps each time from the forward pass");
    assert_eq!(after(&mut particles, 1, &[20, 21, 22, 23, 24, 25]), fresh, "samples not seen before");
    assert_eq!(after(&mut particles, 1, &[]), fresh, "samples without a number");
    // In any order, each sample has its own.
    let mut mixed = net(1, true);
    after(&mut mixed, 4, &samples);
    let reversed: Vec<f32> = data.x.chunks(4).rev().flatten().copied().collect();
    let back: Vec<u32> = samples.iter().rev().copied().collect();
    mixed.step_of(&reversed, &[0; 6], &back);
    for (a, b) in state(&mixed).iter().zip(&settled) {
        let flipped: Vec<f64> = a.chunks(6).flat_map(|row| row.iter().rev().copied()).collect();
        assert_eq!(&flipped, b);
    }
}
