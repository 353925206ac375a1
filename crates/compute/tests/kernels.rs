//! Forward and receiving phase, outer product, average: every instruction set of this processor against the float64
//! oracle over random shapes, and the same bits on 1 to 4 threads.

mod common;

use common::{batch, cases, check_everywhere, devices, matrix, normal, width};
use proptest::prelude::*;
use reclra_compute::dense::{Afferent, Forward, Message, Receive, Response, Sources};
use reclra_compute::pointwise::{CustomPhi, Mismatch, Phi};
use reclra_compute::rng::Key;
use reclra_compute::{Device, Tensor};

const SQUASH: CustomPhi = CustomPhi { name: "squash", f: |h| h / (1.0 + h.abs()), df: |h| (1.0 + h.abs()).powi(-2) };

/// Every activation a hidden region can have.
const HIDDEN: [Phi; 8] = [
    Phi::Tanh,
    Phi::Sigmoid,
    Phi::Relu,
    Phi::LRelu { slope: 0.01 },
    Phi::Elu,
    Phi::Sign,
    Phi::Identity,
    Phi::Custom(SQUASH),
];

const RESPONSES: [Response; 8] = [
    Response::Target { beta: 0.1, mismatch: Mismatch::L2 },
    Response::Target { beta: 0.7, mismatch: Mismatch::L1 },
    Response::Target { beta: 0.3, mismatch: Mismatch::Mixed { a: 0.25 } },
    Response::Target { beta: 0.7, mismatch: Mismatch::Lp { p: 3.0, q: 3.0 } },
    Response::Target { beta: 0.7, mismatch: Mismatch::Lp { p: 2.0, q: 1.5 } },
    Response::Target { beta: 0.7, mismatch: Mismatch::Lp { p: 2.5, q: 1.5 } },
    Response::Derivative,
    Response::Plain,
];

/// A forward phase as random numbers: several synapses, a bias or none, shortcuts or none.
fn forward(
    device: &Device,
    (n, b): (usize, usize),
    (sources, above): (&[usize], &[usize]),
    [bias, shortcut]: [bool; 2],
    phi: Phi,
    key: Key,
) -> Vec<(&'static str, Vec<f64>)> {
    let one = |(i, &m): (usize, &usize)| {
        let key = key.child(i as u64);
        (matrix(device, key.child(0), n, m), device.tensor(&[m, b], &normal(key.child(1), m * b, 1.0)))
    };
    let pairs: Vec<(Tensor, Tensor)> = sources.iter().enumerate().map(one).collect();
    let down = |(i, &m): (usize, &usize)| {
        let key = key.child_named("above").child(i as u64);
        (matrix(device, key.child(0), m, n), device.tensor(&[m, b], &normal(key.child(1), m * b, 1.0)))
    };
    let top_down: Vec<(Tensor, Tensor)> = above.iter().enumerate().map(down).collect();
    let b_vec = device.tensor(&[n], &normal(key.child_named("b"), n, 0.5));
    let gap = device.tensor(&[n, b], &normal(key.child_named("gap"), n * b, 1.0));
    // One column more than needed: tensors of an earlier, larger batch are reused.
    let (mut h, mut z) = (device.zeros(&[n, b + 1]), device.zeros(&[n, b + 1]));
    device.forward(Forward {
        afferents: pairs.iter().map(|(weight, z)| Afferent { weight, z }).collect(),
        messages: top_down.iter().map(|(synapse, e)| Message { synapse, e }).collect(),
        bias: bias.then_some(&b_vec),
        shortcuts: if shortcut { Sources::from_slice(&[&gap]) } else { Sources::new() },
        phi,
        h: &mut h,
        z: &mut z,
    });
    vec![("h", h.to_vec()), ("z", z.to_vec())]
}

/// A receiving phase of two regions of one wave, of different widths, with random messages.
fn receive(
    device: &Device,
    (n, b): (usize, usize),
    senders: &[usize],
    shortcut: bool,
    (phi, response): (Phi, Response),
    key: Key,
) -> Vec<(&'static str, Vec<f64>)> {
    let widths = [n, n / 2 + 1];
    let messages: Vec<Vec<(Tensor, Tensor)>> = widths
        .iter()
        .enumerate()
        .map(|(r, &n)| {
            let one = |(i, &m): (usize, &usize)| {
                let key = key.child(r as u64).child(i as u64);
                (matrix(device, key.child(0), m, n), device.tensor(&[m, b], &normal(key.child(1), m * b, 1.0)))
            };
            senders.iter().enumerate().map(one).collect()
        })
        .collect();
    let activities: Vec<[Tensor; 3]> = widths
        .iter()
        .zip(0..)
        .map(|(&n, r)| {
            let h = normal(key.child(r).child_named("h"), n * b, 1.0);
            let z: Vec<f64> = h.iter().map(|&h| f64::from(phi.f(h) as f32)).collect();
            [h, z, normal(key.child(r).child_named("gap"), n * b, 1.0)].map(|v| device.tensor(&[n, b], &v))
        })
        .collect();
    let mut wave: Vec<Receive<'_>> = widths
        .iter()
        .zip(messages.iter().zip(&activities))
        .map(|(&n, (messages, [h, z, gap]))| Receive {
            messages: messages.iter().map(|(synapse, e)| Message { synapse, e }).collect(),
            shortcuts: if shortcut { Sources::from_slice(&[gap]) } else { Sources::new() },
            h,
            z,
            phi,
            response,
            d: device.zeros(&[n, b]),
            y: device.zeros(&[n, b]),
            e: device.zeros(&[n, b]),
            discrepancy: f64::NAN, // must be overwritten
        })
        .collect();
    device.receive(&mut wave);
    let mut results = Vec::new();
    for (r, [d, y, e, share]) in wave.iter().zip([["d0", "y0", "e0", "D0"], ["d1", "y1", "e1", "D1"]]) {
        // The discrepancy is a sum over units and samples: compared as a mean.
        let mean = r.discrepancy / r.h.len() as f64;
        results.extend([(d, r.d.to_vec()), (y, r.y.to_vec()), (e, r.e.to_vec()), (share, vec![mean])]);
    }
    results
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn forward_agrees_with_the_oracle(
        n in width(), b in batch(), sources in prop::collection::vec(width(), 0..4),
        above in prop::collection::vec(width(), 0..3), bias: bool, shortcut: bool,
        phi in prop::sample::select(HIDDEN.to_vec()), softmax in prop::bool::weighted(0.2), seed: u64,
    ) {
        // A region without any source has no batch to take its size from.
        let shortcut = shortcut || (sources.is_empty() && above.is_empty());
        let phi = if softmax { Phi::Softmax } else { phi };
        check_everywhere(
            |device| forward(device, (n, b), (&sources, &above), [bias, shortcut], phi, Key::new(seed)),
            2e-5,
            // The sign of a sum near zero is open.
            |name, i, want| name == "h" || phi != Phi::Sign || want[0].1[i].abs() > 1e-4,
        );
    }

    #[test]
    fn receive_agrees_with_the_oracle(
        n in width(), b in batch(), senders in prop::collection::vec(width(), 0..4), shortcut: bool,
        phi in prop::sample::select(HIDDEN.to_vec()), response in prop::sample::select(RESPONSES.to_vec()), seed: u64,
    ) {
        // Where a difference near zero is turned into a sign, the sign is open: such places are left out, and with
        // them the discrepancy of units that sit on the jump of phi itself.
        let jump = phi == Phi::Sign && matches!(response, Response::Target { .. });
        let key = Key::new(seed);
        let (h0, h1) = (normal(key.child(0).child_named("h"), n * b, 1.0), normal(key.child(1).child_named("h"), (n / 2 + 1) * b, 1.0));
        check_everywhere(
            |device| receive(device, (n, b), &senders, shortcut, (phi, response), key),
            5e-5,
            |name, i, want| {
                let (region, h) = if name.ends_with('0') { (0, &h0) } else { (4, &h1) };
                let Response::Target { beta, mismatch } = response else { return true };
                let (d, y) = (&want[region].1, &want[region + 1].1);
                let on_jump = |i: usize| jump && (h[i] - beta * d[i]).abs() < 1e-3;
                match &name[..1] {
                    "d" => true,
                    "y" => !on_jump(i),
                    "D" => !(0..d.len()).any(on_jump),
                    // The norm is that of all units.
                    _ if matches!(mismatch, Mismatch::Lp { .. }) && (0..d.len()).any(on_jump) => false,
                    _ => !on_jump(i) && (mismatch == Mismatch::L2 || (phi.f(h[i]) - y[i]).abs() > 1e-5),
                }
            },
        );
    }

    #[test]
    fn outer_agrees_with_the_oracle(n in width(), m in width(), b in batch(), seed: u64, scale in -2.0..2.0_f64) {
        let key = Key::new(seed);
        let (post, pre) = (normal(key.child(0), n * b, 1.0), normal(key.child(1), m * b, 1.0));
        check_everywhere(
            |device| {
                let d = device.outer(&device.tensor(&[n, b], &post), &device.tensor(&[m, b], &pre), scale / b as f64);
                assert_eq!(d.shape(), [n, m]);
                vec![("outer", d.to_vec())]
            },
            1e-5,
            |_, _, _| true,
        );
    }

    #[test]
    fn average_and_judgement_agree_with_the_oracle(n in 1_usize..40, b in batch(), decay in 0.0..1.0_f64, seed: u64) {
        let key = Key::new(seed);
        let [old, new, z] = [0, 1, 2].map(|i| normal(key.child(i), n * b, 1.0));
        let labels: Vec<u32> = key.child(3).permutation(n * b)[..b].iter().map(|l| l % n as u32).collect();
        check_everywhere(
            |device| {
                let mut average = device.tensor(&[n, b], &old);
                device.average(&mut average, &device.tensor(&[n, b], &new), decay);
                let z = device.tensor(&[n, b], &z);
                let [mut y, mut e, mut d] = [(); 3].map(|()| device.zeros(&[n, 0]));
                // Not distributions: the loss is half the squared distance.
                let v = device.output_error([&z, &z], &labels, false, [&mut y, &mut e, &mut d]);
                assert_eq!(v, device.judge([&z, &z], &labels, false));
                assert_eq!(bits_of(&e), bits_of(&d));
                vec![
                    ("average", average.to_vec()),
                    ("y", y.to_vec()),
                    ("e", e.to_vec()),
                    ("verdict", vec![v.loss, v.wrong as f64, v.distance]),
                ]
            },
            1e-6,
            |_, _, _| true,
        );
    }

    /// A sample gets the bits alone that it gets in company, though lanes then run over rows, not samples.
    #[test]
    fn a_sample_does_not_depend_on_its_batch(
        n in width(), m in width(), b in batch(), at: prop::sample::Index, seed: u64,
        phi in prop::sample::select(HIDDEN.to_vec()),
    ) {
        let (key, at) = (Key::new(seed), at.index(b));
        let x = normal(key.child(0), m * b, 1.0);
        let own: Vec<f64> = x.iter().skip(at).step_by(b).copied().collect();
        for device in devices().iter().map(|d| &d.1[1]) {
            let weight = matrix(device, key.child(1), n, m);
            let bias = device.tensor(&[n], &normal(key.child(2), n, 0.5));
            let z = |x: &[f64], b: usize| {
                let x = device.tensor(&[m, b], x);
                let (mut h, mut z) = (device.zeros(&[n, b]), device.zeros(&[n, b]));
                let afferents = Sources::from_slice(&[Afferent { weight: &weight, z: &x }]);
                let (messages, shortcuts) = (Sources::new(), Sources::new());
                device.forward(Forward { afferents, messages, bias: Some(&bias), shortcuts, phi, h: &mut h, z: &mut z });
                z.to_vec()
            };
            let company: Vec<f64> = z(&x, b).into_iter().skip(at).step_by(b).collect();
            prop_assert_eq!(common::bits(&z(&own, 1)), common::bits(&company), "{}", device);
        }
    }

    /// No silent NaN: an element is NaN exactly where the oracle's is (`close` insists on that), and one poisoned
    /// sample leaves the others alone.
    #[test]
    fn nan_passes_through_every_phase(
        n in 1_usize..50, m in 1_usize..50, b in batch(), at: prop::sample::Index, seed: u64,
        phi in prop::sample::select([&HIDDEN[..], &[Phi::Softmax]].concat()),
        response in prop::sample::select(RESPONSES.to_vec()),
    ) {
        let (key, at) = (Key::new(seed), at.index(m * b));
        let mut poisoned = normal(key.child(0), m * b, 1.0);
        poisoned[at] = f64::NAN;
        let phase = |device: &Device| {
            let x = device.tensor(&[m, b], &poisoned);
            let (mut h, mut z) = (device.zeros(&[n, b]), device.zeros(&[n, b]));
            let weight = matrix(device, key.child(1), n, m);
            let afferents = Sources::from_slice(&[Afferent { weight: &weight, z: &x }]);
            device.forward(Forward { afferents, messages: Sources::new(), bias: None, shortcuts: Sources::new(), phi, h: &mut h, z: &mut z });
            let clean = device.tensor(&[n, b], &normal(key.child(2), n * b, 1.0));
            let synapse = matrix(device, key.child(3), m, n);
            let [d, y, e] = [(); 3].map(|()| device.zeros(&[n, b]));
            let mut wave = [Receive {
                messages: Sources::from_slice(&[Message { synapse: &synapse, e: &x }]),
                shortcuts: Sources::new(),
                h: &clean,
                z: &clean,
                phi: if phi == Phi::Softmax { Phi::Identity } else { phi },
                response,
                d,
                y,
                e,
                discrepancy: 0.0,
            }];
            device.receive(&mut wave);
            [&h, &z, &wave[0].d, &wave[0].e].map(Tensor::to_vec)
        };
        for device in devices().iter().map(|d| &d.1[1]).chain([&Device::oracle()]) {
            for (values, name) in phase(device).iter().zip(["h", "z", "d", "e"]) {
                for (i, v) in values.iter().enumerate() {
                    prop_assert_eq!(v.is_nan(), i % b == at % b, "{} {}[{}] = {}", device, name, i, v);
                }
            }
        }
    }

    #[test]
    fn softmax_of_huge_numbers_is_a_distribution(n in 1_usize..40, b in batch(), exponent in 0..38_i32, seed: u64) {
        let x = normal(Key::new(seed), n * b, 10.0_f64.powi(exponent));
        for (_, threads) in devices() {
            let (mut h, mut z) = (threads[0].zeros(&[n, 0]), threads[0].zeros(&[n, 0]));
            let x = threads[0].tensor(&[n, b], &x);
            let shortcuts = Sources::from_slice(&[&x]);
            let (afferents, phi) = (Sources::new(), Phi::Softmax);
            threads[0].forward(Forward { afferents, messages: Sources::new(), bias: None, shortcuts, phi, h: &mut h, z: &mut z });
            let (h, z) = (h.to_vec(), z.to_vec());
            for s in 0..b {
                let column = || (0..n).map(|i| z[i * b + s]);
                let sum: f64 = column().sum();
                prop_assert!((sum - 1.0).abs() < 1e-5 && column().all(|p| (0.0..=1.0).contains(&p)), "sum {sum}");
                let largest = |v: &[f64]| (0..n).max_by(|&i, &j| v[i * b + s].total_cmp(&v[j * b + s]));
                prop_assert_eq!(z[largest(&h).unwrap() * b + s], z[largest(&z).unwrap() * b + s]);
            }
        }
    }
}

fn bits_of(t: &Tensor) -> Vec<u64> {
    common::bits(&t.to_vec())
}

#[test]
fn a_nan_output_is_wrong_and_its_loss_is_nan() {
    for device in [Device::cpu(1), Device::oracle()] {
        let z = device.tensor(&[2, 3], &[0.9, f64::NAN, 0.2, 0.1, 0.5, f64::NAN]);
        let v = device.judge([&z, &z], &[0, 1, 0], true);
        // Sample 0 is right; samples 1 and 2 hold a NaN in the other unit, which cannot be compared with.
        assert_eq!((v.wrong, v.distance.is_nan()), (2, true), "{device}");
        assert!(device.judge([&z, &z], &[0, 0, 0], true).loss.is_nan(), "{device}: the label's own output is NaN");
    }
}

/// Of pre-activations of any size: ln(sum exp h) - h_label, not the logarithm of a probability that float32 cannot hold.
#[test]
fn the_loss_is_that_of_the_logits() {
    let columns: [([f64; 4], u32); 6] = [
        ([200.0, 200.0, 0.0, 0.0], 2),    // 200 + ln 2
        ([200.0, 200.0, 0.0, 0.0], 1),    // ln 2
        ([1000.0, -1000.0, 3.0, 3.0], 1), // 2000
        ([-500.0, -501.0, -500.5, -503.0], 3),
        ([0.3, -0.2, 0.1, 0.4], 0),
        ([90.0, 0.0, 1.0, 2.0], 0),
    ];
    let (n, b) = (4, columns.len());
    let logits: Vec<f64> = (0..n * b).map(|i| columns[i % b].0[i / b]).collect();
    let labels: Vec<u32> = columns.iter().map(|c| c.1).collect();
    let naive = |s: usize| {
        let (h, label) = columns[s];
        let largest = h.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
        h.iter().map(|v| (v - largest).exp()).sum::<f64>().ln() + largest - h[label as usize]
    };
    assert!((naive(0) - (200.0 + 2.0_f64.ln())).abs() < 1e-12);
    let cpus = devices().iter().map(|(_, threads)| (threads[0].clone(), 1e-6));
    for (device, near) in cpus.chain([(Device::oracle(), 1e-14)]) {
        let (x, mut h, mut z) = (device.tensor(&[n, b], &logits), device.zeros(&[n, b]), device.zeros(&[n, b]));
        let (afferents, messages, shortcuts) = (Sources::new(), Sources::new(), Sources::from_slice(&[&x]));
        device.forward(Forward { afferents, messages, bias: None, shortcuts, phi: Phi::Softmax, h: &mut h, z: &mut z });
        for (s, &label) in labels.iter().enumerate() {
            let one =
                |t: &Tensor| device.tensor(&[n, 1], &t.to_vec().into_iter().skip(s).step_by(b).collect::<Vec<_>>());
            let got = device.judge([&one(&h), &one(&z)], &[label], true).loss;
            assert!((got - naive(s)).abs() <= near * (1.0 + naive(s)), "{device}, sample {s}: {got} for {}", naive(s));
        }
        let [mut y, mut e, mut d] = [(); 3].map(|()| device.zeros(&[n, 0]));
        let all = device.output_error([&h, &z], &labels, true, [&mut y, &mut e, &mut d]);
        let sum: f64 = (0..b).map(naive).sum();
        assert!((all.loss - sum).abs() <= near * sum, "{device}: {} for {sum}", all.loss);
    }
}

#[test]
fn a_batch_is_turned_into_columns() {
    for device in [Device::cpu(1), Device::oracle()] {
        let mut z = device.zeros(&[3, 7]);
        device.load_batch(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &mut z);
        assert_eq!((z.shape(), z.to_vec()), (&[3, 2][..], vec![1.0, 4.0, 2.0, 5.0, 3.0, 6.0]), "{device}");
    }
}

/// The kernels write through pointers, so a shape that does not fit must stop before them.
#[test]
#[should_panic(expected = "forward: h and z differ")]
fn h_and_z_of_different_widths_are_refused() {
    let device = Device::cpu(1);
    let x = device.zeros(&[2, 3]);
    let (mut h, mut z) = (device.zeros(&[50, 3]), device.zeros(&[2, 3]));
    let (afferents, shortcuts) = (Sources::new(), Sources::from_slice(&[&x]));
    device.forward(Forward {
        afferents,
        messages: Sources::new(),
        bias: None,
        shortcuts,
        phi: Phi::Tanh,
        h: &mut h,
        z: &mut z,
    });
}

/// The kernels would take it for the identity, the oracle has no answer.
#[test]
#[should_panic(expected = "receive: a softmax region takes no target or derivative")]
fn a_softmax_region_takes_no_target() {
    let device = Device::cpu(1);
    let x = device.zeros(&[2, 3]);
    let [d, y, e] = [(); 3].map(|()| device.zeros(&[2, 3]));
    let (messages, shortcuts) = (Sources::new(), Sources::new());
    let (phi, response) = (Phi::Softmax, RESPONSES[0]);
    device.receive(&mut [Receive { messages, shortcuts, h: &x, z: &x, phi, response, d, y, e, discrepancy: 0.0 }]);
}

/// Shapes at which messages are gathered, their sums cut into parts and signals packed, each with a remainder.
#[test]
fn large_messages_agree_with_the_oracle() {
    for (n, b, senders) in [(520, 33, &[300, 7][..]), (519, 3, &[600]), (530, 1, &[270, 9]), (70, 70, &[700])] {
        let response = Response::Target { beta: 0.3, mismatch: Mismatch::L2 };
        check_everywhere(
            |device| receive(device, (n, b), senders, true, (Phi::Tanh, response), Key::new(3)),
            2e-5,
            |_, _, _| true,
        );
    }
}
