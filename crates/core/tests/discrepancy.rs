//! The total discrepancy of Equation 2, D = sum over regions of kappa (|z - y|_p)^q, and the error neurons that follow from it: by
//! values worked out by hand, by finite differences, and over whole networks, the output included.

mod common;

use common::{clouds, learner};
use reclra::compute::dense::Response;
use reclra::models::{self, Plan};
use reclra::rule::{Rule, Step};
use reclra::rules::blocks::{Inner, RecLraBlocks, RecLraBlocksConfig};
use reclra::{
    BlockSpec, Device, Extent, Graph, LayerSpec, Learner, Mismatch, Optim, Phi, RecLra, RecLraConfig, Wiring,
};

/// Error neurons and D of v = z - y, one sample a row.
fn respond(device: &Device, mismatch: Mismatch, samples: &[&[f64]]) -> (Vec<Vec<f64>>, f64) {
    let (n, b) = (samples[0].len(), samples.len());
    let turned: Vec<f64> = (0..n * b).map(|i| samples[i % b][i / b]).collect();
    // With phi the identity and h = z, y = h - d.
    let (z, d, mut e) = (device.zeros(&[n, b]), device.tensor(&[n, b], &turned), device.zeros(&[n, 0]));
    let response = Response::Target { beta: 1.0, mismatch };
    let discrepancy = device.respond(response, Phi::Identity, [&z, &z, &d], &mut e);
    let e = e.to_vec();
    ((0..b).map(|s| (0..n).map(|i| e[i * b + s]).collect()).collect(), discrepancy)
}

#[test]
fn hand_values_of_several_norms() {
    let zero = [0.0; 3];
    for device in [Device::cpu(1), Device::cpu(2), Device::oracle()] {
        for (p, q, want, sum) in [
            (2.0, 2.0, [3.0, -4.0, 0.0], 25.0),
            (1.0, 1.0, [1.0, -1.0, 0.0], 7.0),
            (2.0, 1.0, [0.6, -0.8, 0.0], 5.0),
            (1.0, 2.0, [7.0, -7.0, 0.0], 49.0),
            (3.0, 3.0, [9.0, -16.0, 0.0], 91.0),
            (2.0, 4.0, [75.0, -100.0, 0.0], 625.0),
        ] {
            // Beside a sample that meets its target, which sends nothing.
            let (e, discrepancy) = respond(&device, Mismatch::lp(p, q), &[&zero, &[3.0, -4.0, 0.0]]);
            let near = |a: f64, b: f64| (a - b).abs() <= 1e-5 * (1.0 + b.abs());
            assert!(e[0] == zero && e[1].iter().zip(want).all(|(&e, w)| near(e, w)), "{device} {p} {q}: {e:?}");
            assert!(near(discrepancy, sum), "{device} {p} {q}: {discrepancy}");
        }
    }
}

/// Small numbers are not lost where they are raised to a power: 1e-6^10 is no float32.
#[test]
fn tiny_mismatches_keep_their_proportion() {
    for device in [Device::cpu(1), Device::oracle()] {
        let (e, _) = respond(&device, Mismatch::lp(10.0, 2.0), &[&[1e-6, 0.5e-6]]);
        let want = [1e-6 * 1.000_976_6_f64.powf(-0.8), 1e-6 * 1.000_976_6_f64.powf(-0.8) / 512.0];
        assert!(e[0].iter().zip(want).all(|(e, w)| (e / w - 1.0).abs() < 1e-4), "{device}: {e:?}, should be {want:?}");
    }
}

#[test]
fn error_neurons_are_the_derivative_of_the_discrepancy_without_its_power() {
    let v = [0.7, -0.2, 1.3, 0.05];
    for (p, q) in [(2.0, 2.0), (1.5, 1.5), (3.0, 2.0), (2.0, 1.0), (1.0, 3.0), (4.0, 1.0)] {
        let (e, _) = Mismatch::lp(p, q).of_sample(&v);
        for i in 0..v.len() {
            let at = |step: f64| {
                let mut v = v;
                v[i] += step;
                Mismatch::lp(p, q).of_sample(&v).1
            };
            let slope = (at(1e-6) - at(-1e-6)) / 2e-6;
            assert!((e[i] - slope / q).abs() < 1e-7, "p {p}, q {q}: e[{i}] is {}, the slope {slope}", e[i]);
        }
    }
}

/// (|v|_p)^q of each sample (a column), as a mean.
fn mean_of_norms(v: &[f64], b: usize, p: f64, q: f64) -> f64 {
    let one = |s: usize| v.iter().skip(s).step_by(b).map(|v| v.abs().powf(p)).sum::<f64>().powf(q / p);
    (0..b).map(one).sum::<f64>() / b as f64
}

const NORMS: [(f64, f64); 5] = [(2.0, 2.0), (1.0, 1.0), (3.0, 3.0), (2.0, 1.0), (1.5, 3.0)];

/// One and the same p and q in every region, the output included: with p = q = 1, |z_L - y_L| is what the output adds.
#[test]
fn the_total_discrepancy_is_that_of_equation_2_in_every_region() {
    let (graph, data) = (Graph::mlp(&[4, 9, 8, 3], Phi::Tanh, None).unwrap(), clouds(6, 4, 3, 8));
    for (p, q) in NORMS {
        let kappa = vec![0.5, 2.0, 3.0];
        for (device, near) in [(Device::oracle(), 1e-12), (Device::cpu(1), 1e-5)] {
            let config = RecLraConfig { mismatch: Mismatch::lp(p, q), kappa: kappa.clone(), ..RecLraConfig::default() };
            let rule = RecLra::new(RecLraConfig { wiring: Wiring::Full, ..config }, &graph).unwrap();
            let mut net = learner(&graph, rule, 0.6, Optim::default(), &device);
            let report = net.step(&data.x, &data.labels);
            let share = |i: usize| {
                let [z, y] = [&net.activity().z[i], &net.errors().y[i]].map(|t| t.to_vec());
                let v: Vec<f64> = z.iter().zip(y).map(|(z, y)| z - y).collect();
                kappa[i - 1] * mean_of_norms(&v, 6, p, q)
            };
            let want: f64 = (1..=3).map(share).sum();
            assert!((report.discrepancy - want).abs() < near * want, "{p} {q}: {} for {want}", report.discrepancy);
            // The output's error neurons are those of the softmax likelihood whatever p and q.
            let [z, y, e] = [&net.activity().z[3], &net.errors().y[3], &net.errors().e[3]].map(|t| t.to_vec());
            assert!(z.iter().zip(y).zip(e).all(|((z, y), e)| (z - y - e).abs() < 1e-7));
        }
    }
}

#[test]
fn the_same_holds_on_image_networks() {
    let input = Extent::new(1, 8, 8);
    let blocks = models::by_name("resnet8", &Plan { width: 2, ..Plan::new(input, 3) }).unwrap().unwrap();
    let graph = Graph::of_blocks(input, blocks).unwrap();
    let data = clouds(6, 64, 3, 8);
    for inner in [Inner::Backprop, Inner::RecLra] {
        for (p, q) in NORMS {
            let config = RecLraBlocksConfig { mismatch: Mismatch::lp(p, q), inner, ..RecLraBlocksConfig::default() };
            let rule = Box::new(RecLraBlocks::new(config, &graph).unwrap());
            let optim = Optim::default();
            let mut net = Learner::new(graph.clone(), rule, 0.1, optim, Device::oracle(), 1).unwrap();
            let report = net.step(&data.x, &data.labels);
            let (activity, errors) = (net.activity(), net.errors());
            let share = |i: usize| {
                let [h, z, d, y] = [&activity.h[i], &activity.z[i], &errors.d[i], &errors.y[i]].map(|t| t.to_vec());
                // The targets of blocks are not kept; beta is in d.
                let target = |k: usize| if i == graph.output() { y[k] } else { (h[k] - d[k]).max(0.0) };
                let v: Vec<f64> = z.iter().enumerate().map(|(k, z)| z - target(k)).collect();
                mean_of_norms(&v, 6, p, q)
            };
            let want: f64 = (1..=graph.output()).map(share).sum();
            let near = (report.discrepancy - want).abs() < 1e-12 * want;
            assert!(near && want > 0.0, "{inner:?} {p} {q}: {} for {want}", report.discrepancy);
        }
    }
}

/// A rule that gives each block its own activity as what it has received.
#[derive(Debug)]
struct Inward;

impl Rule for Inward {
    fn name(&self) -> &'static str {
        "inward"
    }

    fn error_neurons(&self, step: &mut Step<'_>) {
        for i in step.graph.hidden() {
            step.errors.d[i].clone_from(&step.activity.z[i]);
            step.respond(i, Response::Target { beta: 0.5, mismatch: Mismatch::L2 });
        }
    }
}

/// With identity units z - y is z / 2: the discrepancy is the mean of |z / 2|^2 over the samples.
#[test]
fn the_discrepancy_of_a_block_is_a_mean_over_the_samples() {
    let block = |name: &str, path, phi| BlockSpec { name: name.to_owned(), path, shortcut: None, phi };
    let dense = |out| LayerSpec::Dense { out, bias: true, gain: 1.0 };
    let blocks = vec![block("b1", vec![dense(5)], Phi::Identity), block("out", vec![dense(3)], Phi::Softmax)];
    let graph = Graph::of_blocks(Extent::new(1, 2, 2), blocks).unwrap();
    let data = clouds(7, 4, 3, 8);
    let mut net = learner(&graph, Inward, 0.4, Optim::default(), &Device::oracle());
    net.errors_of(&data.x, &data.labels);
    let want = net.activity().z[1].to_vec().iter().map(|z| z * z / 4.0).sum::<f64>() / 7.0;
    assert!((net.errors().discrepancy[1] - want).abs() < 1e-12 && want > 0.1, "{want}");
}
