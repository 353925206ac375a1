//! Phases of feature maps: the kernels against the naive float64 oracle over random shapes, and pull-backs against finite
//! differences.

use proptest::prelude::*;
use reclra_compute::dense::Response;
use reclra_compute::maps::{Convolution, Extent, Norm, Pooling, Room, Statistic, Window};
use reclra_compute::pointwise::{Mismatch, Phi};
use reclra_compute::rng::Key;
use reclra_compute::update::{Descend, Descent, Moments};
use reclra_compute::{Device, Level, Tensor};

fn numbers(seed: u64, name: &str, len: usize) -> Vec<f64> {
    // What float32 can hold, so that both devices begin with the same numbers.
    Key::new(seed).child_named(name).normal(len, 1.0).iter().map(|&v| f64::from(v as f32)).collect()
}

fn close(fast: &Tensor, exact: &Tensor, of: f64) -> Result<(), TestCaseError> {
    prop_assert_eq!(fast.shape(), exact.shape());
    for (i, (a, b)) in fast.to_vec().iter().zip(exact.to_vec()).enumerate() {
        prop_assert!((a - b).abs() <= of * (1.0 + b.abs()), "at {}: {} against {}", i, a, b);
    }
    Ok(())
}

prop_compose! {
    fn convolutions()(
        groups in 1_usize..3,
        per_group in 1_usize..5,
        out_group in 1_usize..10,
        kernel in [1_usize..4, 1_usize..4],
        stride in [1_usize..3, 1_usize..3],
        pad in [0_usize..3, 0_usize..3],
        dilation in [1_usize..3, 1_usize..3],
        more in [0_usize..7, 0_usize..7],
    ) -> Convolution {
        let reach = |a: usize| dilation[a] * (kernel[a] - 1) + 1;
        let side = |a: usize| reach(a).saturating_sub(2 * pad[a]).max(1) + more[a];
        let from = Extent::new(groups * per_group, side(0), side(1));
        Convolution { from, out: groups * out_group, window: Window { kernel, stride, pad, dilation }, groups }
    }
}

/// What networks are made of: square, stride 1 or 2, as many rows as columns.
fn usual() -> impl Strategy<Value = Convolution> {
    (
        1_usize..40,
        1_usize..40,
        prop_oneof![Just((1, 0)), Just((3, 1)), Just((5, 2)), Just((7, 3))],
        1_usize..3,
        4_usize..18,
    )
        .prop_map(|(c, out, (kernel, pad), stride, side)| Convolution {
            from: Extent::new(c, side, side),
            out,
            window: Window::square(kernel, stride, pad),
            groups: 1,
        })
}

fn check_convolution(conv: Convolution, b: usize, fast: Device, seed: u64) -> Result<(), TestCaseError> {
    let run = |device: Device| {
        let tensor = |name: &str, shape: &[usize]| device.tensor(shape, &numbers(seed, name, shape.iter().product()));
        let (w, bias) = (tensor("w", &conv.shape()), tensor("b", &[conv.out]));
        let z = tensor("z", &[conv.from.units(), b]);
        let e = tensor("e", &[conv.to().units(), b]);
        let mut h = device.zeros(&[conv.to().units(), 0]);
        let mut plain = device.zeros(&[conv.to().units(), 0]);
        let mut d = device.zeros(&[conv.from.units(), 0]);
        let mut added = tensor("added", &[conv.from.units(), b]);
        let mut delta = device.zeros(&[0, 0]);
        let mut room = Room::default();
        device.convolve(&conv, &w, Some(&bias), &z, &mut h, &mut room);
        device.convolve(&conv, &w, None, &z, &mut plain, &mut room);
        device.convolve_back(&conv, &w, &e, &mut d, false, &mut room);
        device.convolve_back(&conv, &w, &e, &mut added, true, &mut room);
        device.correlate(&conv, &e, &z, 0.5, &mut delta, &mut room);
        [h, plain, d, added, delta]
    };
    let exact = run(Device::oracle());
    for (fast, exact) in run(fast).iter().zip(&exact) {
        // float32 sums of some thousand products.
        close(fast, exact, 2e-4)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn convolutions_of_any_shape_agree_with_the_oracle(conv in convolutions(), b in 1_usize..20, threads in 1_usize..4, seed: u64) {
        check_convolution(conv, b, Device::cpu(threads), seed)?;
    }

    #[test]
    fn the_usual_convolutions_agree_with_the_oracle(conv in usual(), b in 1_usize..36, threads in 1_usize..4, seed: u64) {
        check_convolution(conv, b, Device::cpu(threads), seed)?;
    }

    #[test]
    fn normalisation_agrees_with_the_oracle(channels in 1_usize..5, places in 1_usize..40, b in 2_usize..20, seed: u64) {
        let run = |device: Device| {
            let tensor = |name: &str, shape: &[usize]| device.tensor(shape, &numbers(seed, name, shape.iter().product()));
            let units = [channels * places, b];
            let (h, e) = (tensor("h", &units), tensor("e", &units));
            let (scale, shift) = (tensor("scale", &[channels]), tensor("shift", &[channels]));
            let [mut mean, mut variance, mut along, mut sum] = [(); 4].map(|()| device.zeros(&[channels]));
            let [mut z, mut d] = [(); 2].map(|()| device.zeros(&[units[0], 0]));
            device.channel_moments(&h, &mut mean, &mut variance);
            let norm = Norm { mean: &mean, variance: &variance, scale: &scale, shift: &shift, epsilon: 1e-5 };
            device.normalise(&h, &norm, &mut z);
            device.normalise_back(&e, &h, &norm, &mut d, [&mut along, &mut sum]);
            [mean, variance, z, d, along, sum]
        };
        for (fast, exact) in run(Device::cpu(2)).iter().zip(&run(Device::oracle())) {
            close(fast, exact, 2e-3)?;
        }
    }

    #[test]
    fn pools_agree_with_the_oracle(
        channels in 1_usize..4, side in [3_usize..9, 3_usize..9], kernel in 1_usize..4, stride in 1_usize..4,
        pad in 0_usize..2, max: bool, grid in 1_usize..4, b in 1_usize..20, seed: u64,
    ) {
        prop_assume!(pad < kernel);
        let from = Extent::new(channels, side[0], side[1]);
        let statistic = if max { Statistic::Max } else { Statistic::Mean };
        let pool = Pooling { from, window: Window::square(kernel, stride, pad), statistic };
        let run = |device: Device| {
            let tensor = |name: &str, shape: &[usize]| device.tensor(shape, &numbers(seed, name, shape.iter().product()));
            let x = tensor("x", &[from.units(), b]);
            let e = tensor("e", &[pool.to().units(), b]);
            let cells = channels * grid * grid;
            let c = tensor("c", &[cells, b]);
            let [mut z, mut d] = [pool.to(), from].map(|e| device.zeros(&[e.units(), 0]));
            let [mut gathered, mut spread] = [cells, from.units()].map(|n| device.zeros(&[n, 0]));
            device.pool(&pool, &x, &mut z);
            device.pool_back(&pool, &x, &e, &mut d);
            device.gather(&from, grid, &x, &mut gathered);
            device.spread(&from, grid, 0.25, &c, &mut spread);
            [z, d, gathered, spread]
        };
        for (fast, exact) in run(Device::cpu(2)).iter().zip(&run(Device::oracle())) {
            close(fast, exact, 1e-5)?;
        }
    }

    #[test]
    fn units_agree_with_the_oracle(n in 1_usize..40, b in 1_usize..20, which in 0_usize..5, noisy: bool, seed: u64) {
        let phi = [Phi::Relu, Phi::Tanh, Phi::Sign, Phi::Identity, Phi::LRelu { slope: 0.01 }][which];
        for response in [Response::Target { beta: 0.1, mismatch: Mismatch::L2 }, Response::Derivative, Response::Plain] {
            let run = |device: Device| {
                let tensor = |name: &str, shape: &[usize]| device.tensor(shape, &numbers(seed, name, shape.iter().product()));
                let (h, d, noise) = (tensor("h", &[n, b]), tensor("d", &[n, b]), tensor("n", &[n]));
                let [mut z, mut e] = [(); 2].map(|()| device.zeros(&[n, 0]));
                device.perturb_units(&h, noisy.then_some(&noise), phi, &mut z);
                let mut plain = device.zeros(&[n, 0]);
                device.perturb_units(&h, None, phi, &mut plain);
                let discrepancy = device.respond(response, phi, [&h, &plain, &d], &mut e);
                device.add(0.5, &d, &mut z);
                ([z, e], discrepancy)
            };
            let (fast, exact) = (run(Device::cpu(2)), run(Device::oracle()));
            for (fast, exact) in fast.0.iter().zip(&exact.0) {
                close(fast, exact, 2e-6)?;
            }
            prop_assert!((fast.1 - exact.1).abs() <= 1e-4 * (1.0 + exact.1));
        }
    }

    #[test]
    fn descent_agrees_with_the_oracle(n in 1_usize..3000, adam: bool, clipped: bool, mirrored: bool, seed: u64) {
        let run = |device: Device| {
            let tensor = |name: &str| device.tensor(&[n], &numbers(seed, name, n));
            let (mut w, mut m) = (tensor("w"), tensor("m"));
            let mut moments: Option<Moments> = None;
            for step in 1..=3 {
                let descent = if adam {
                    Descent::Adam { rate: 1e-2, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, step }
                } else {
                    Descent::Sgd { rate: 1e-2, momentum: 0.9, nesterov: false }
                };
                let moments = moments.get_or_insert_with(|| Moments::new(&device, &[n], &descent));
                let delta = tensor(&format!("d{step}"));
                let mirror = mirrored.then_some(&mut m);
                let radius = clipped.then_some(1.0);
                device.descend(Descend { param: &mut w, mirror, moments, delta: &delta, scale: 0.5, radius, descent, decay: 0.1 });
            }
            [w, m]
        };
        for (fast, exact) in run(Device::cpu(2)).iter().zip(&run(Device::oracle())) {
            close(fast, exact, 1e-4)?;
        }
    }
}

/// d<e, f(x)>/dx by central differences against the pull-back.
fn check_pull_back(x: &[f64], e: &[f64], f: impl Fn(&[f64]) -> Vec<f64>, pulled: &[f64]) {
    let dot = |x: &[f64]| f(x).iter().zip(e).map(|(a, b)| a * b).sum::<f64>();
    for i in 0..x.len() {
        let [mut up, mut down] = [x.to_vec(), x.to_vec()];
        up[i] += 1e-5;
        down[i] -= 1e-5;
        let slope = (dot(&up) - dot(&down)) / 2e-5;
        assert!((slope - pulled[i]).abs() < 1e-6 * (1.0 + slope.abs()), "at {i}: {slope} against {}", pulled[i]);
    }
}

#[test]
fn pull_backs_are_the_slopes_of_what_they_pull_back_through() {
    let device = Device::oracle();
    let b = 3;
    let conv = Convolution {
        from: Extent::new(4, 5, 4),
        out: 6,
        window: Window { kernel: [3, 2], stride: [2, 1], pad: [1, 0], dilation: [1, 2] },
        groups: 2,
    };
    let (units, outs) = (conv.from.units() * b, conv.to().units() * b);
    let (w, z, e) = (numbers(1, "w", conv.shape().iter().product()), numbers(1, "z", units), numbers(1, "e", outs));
    let tensor = |shape: &[usize], v: &[f64]| device.tensor(shape, v);
    let forward = |w: &[f64], z: &[f64]| {
        let mut h = device.zeros(&[conv.to().units(), 0]);
        let (w, z) = (tensor(&conv.shape(), w), tensor(&[conv.from.units(), b], z));
        device.convolve(&conv, &w, None, &z, &mut h, &mut Room::default());
        h.to_vec()
    };
    let (wt, zt, et) =
        (tensor(&conv.shape(), &w), tensor(&[conv.from.units(), b], &z), tensor(&[conv.to().units(), b], &e));
    let (mut d, mut delta) = (device.zeros(&[conv.from.units(), 0]), device.zeros(&[0, 0]));
    device.convolve_back(&conv, &wt, &et, &mut d, false, &mut Room::default());
    device.correlate(&conv, &et, &zt, 1.0, &mut delta, &mut Room::default());
    check_pull_back(&z, &e, |z| forward(&w, z), &d.to_vec());
    check_pull_back(&w, &e, |w| forward(w, &z), &delta.to_vec());

    // Normalisation, through its statistics; and its own parameters.
    let (channels, n) = (2, 2 * 6);
    let (h, e) = (numbers(2, "h", n * b), numbers(2, "e", n * b));
    let (scale, shift) = (numbers(2, "scale", channels), numbers(2, "shift", channels));
    let normal = |h: &[f64], scale: &[f64], shift: &[f64], back: Option<&[f64]>| {
        let h = tensor(&[n, b], h);
        let [mut mean, mut variance, mut along, mut sum] = [(); 4].map(|()| device.zeros(&[channels]));
        device.channel_moments(&h, &mut mean, &mut variance);
        let (scale, shift) = (tensor(&[channels], scale), tensor(&[channels], shift));
        let norm = Norm { mean: &mean, variance: &variance, scale: &scale, shift: &shift, epsilon: 1e-3 };
        let [mut z, mut d] = [(); 2].map(|()| device.zeros(&[n, 0]));
        device.normalise(&h, &norm, &mut z);
        if let Some(e) = back {
            device.normalise_back(&tensor(&[n, b], e), &h, &norm, &mut d, [&mut along, &mut sum]);
        }
        [z, d, along, sum].map(|t| t.to_vec())
    };
    let [_, d, along, sum] = normal(&h, &scale, &shift, Some(&e));
    let z = |h: &[f64], scale: &[f64], shift: &[f64]| normal(h, scale, shift, None)[0].clone();
    check_pull_back(&h, &e, |h| z(h, &scale, &shift), &d);
    check_pull_back(&scale, &e, |s| z(&h, s, &shift), &along);
    check_pull_back(&shift, &e, |s| z(&h, &scale, s), &sum);

    // Pools, with windows that overlap and padding.
    for statistic in [Statistic::Max, Statistic::Mean] {
        let pool = Pooling { from: Extent::new(2, 5, 4), window: Window::square(3, 2, 1), statistic };
        let (x, e) = (numbers(3, "x", pool.from.units() * b), numbers(3, "e", pool.to().units() * b));
        let forward = |x: &[f64]| {
            let mut z = device.zeros(&[pool.to().units(), 0]);
            device.pool(&pool, &tensor(&[pool.from.units(), b], x), &mut z);
            z.to_vec()
        };
        let mut d = device.zeros(&[pool.from.units(), 0]);
        let (xt, et) = (tensor(&[pool.from.units(), b], &x), tensor(&[pool.to().units(), b], &e));
        device.pool_back(&pool, &xt, &et, &mut d);
        check_pull_back(&x, &e, forward, &d.to_vec());
    }
    let extent = Extent::new(2, 4, 4);
    let (x, e) = (numbers(4, "x", extent.units() * b), numbers(4, "e", 8 * b));
    let forward = |x: &[f64]| {
        let mut out = device.zeros(&[8, 0]);
        device.gather(&extent, 2, &tensor(&[extent.units(), b], x), &mut out);
        out.to_vec()
    };
    let mut d = device.zeros(&[extent.units(), 0]);
    device.spread(&extent, 2, 1.0 / 4.0, &tensor(&[8, b], &e), &mut d);
    check_pull_back(&x, &e, forward, &d.to_vec());
}

/// Every path of the kernels: odd sizes, batches that fill no vector, few and many channels, strides of odd sizes, groups.
fn corners() -> Vec<(Convolution, usize)> {
    let of = |c: usize, side: [usize; 2], out: usize, window: Window, groups: usize| Convolution {
        from: Extent::new(c, side[0], side[1]),
        out,
        window,
        groups,
    };
    let square = Window::square;
    let uneven = Window { kernel: [2, 3], stride: [2, 3], pad: [1, 2], dilation: [2, 1] };
    vec![
        (of(64, [9, 7], 64, square(3, 1, 1), 1), 10),
        (of(3, [13, 11], 48, square(7, 2, 3), 1), 5),
        (of(33, [7, 7], 17, square(3, 2, 1), 1), 13),
        (of(70, [5, 5], 90, square(1, 1, 0), 1), 9),
        (of(40, [9, 9], 24, square(1, 2, 0), 1), 6),
        (of(12, [8, 10], 36, uneven, 2), 7),
        (of(24, [6, 6], 24, square(3, 1, 1), 24), 4),
        (of(16, [40, 37], 16, square(3, 1, 1), 1), 33),
        (of(20, [4, 4], 130, square(3, 1, 1), 1), 1),
        (of(5, [6, 6], 9, square(5, 1, 0), 1), 3),
        (of(32, [1, 9], 32, Window { kernel: [1, 3], stride: [1; 2], pad: [0, 1], dilation: [1; 2] }, 1), 16),
        (of(6, [5, 5], 4, square(1, 1, 1), 1), 3),
        (of(20, [9, 11], 27, square(3, 1, 1), 1), 13),
        (of(30, [9, 11], 40, square(3, 1, 1), 1), 13),
        (of(25, [21, 50], 24, square(3, 1, 0), 1), 3),
        (of(17, [10, 9], 16, square(3, 1, 2), 1), 10),
        (of(16, [36, 35], 18, square(3, 1, 0), 1), 1),
    ]
}

#[test]
fn convolutions_of_every_path_agree_with_the_oracle() {
    for (i, (conv, b)) in corners().into_iter().enumerate() {
        for level in Level::available() {
            let fast = Device::cpu_at(1 + i % 3, level).expect("a level that is available");
            let result = check_convolution(conv, b, fast, i as u64);
            assert!(result.is_ok(), "{level}, {conv:?}, {b} samples: {result:?}");
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for (conv, b) in corners() {
        let run = |threads: usize| {
            let device = Device::cpu(threads);
            let tensor = |name: &str, shape: &[usize]| device.tensor(shape, &numbers(5, name, shape.iter().product()));
            let (from, to) = (conv.from.units(), conv.to().units());
            let (w, z, e) = (tensor("w", &conv.shape()), tensor("z", &[from, b]), tensor("e", &[to, b]));
            let mut room = Room::default();
            let [mut h, mut d, mut fired, mut back, mut delta] = [to, from, to, to, 0].map(|n| device.zeros(&[n, 0]));
            device.convolve(&conv, &w, None, &z, &mut h, &mut room);
            device.convolve_back(&conv, &w, &e, &mut d, false, &mut room);
            device.correlate(&conv, &e, &z, 1.0, &mut delta, &mut room);
            let [mut mean, mut variance, scale, shift, mut along, mut sum] =
                [(); 6].map(|()| device.zeros(&[conv.out]));
            device.channel_moments(&h, &mut mean, &mut variance);
            let norm = Norm { mean: &mean, variance: &variance, scale: &scale, shift: &shift, epsilon: 1e-5 };
            device.normalise_back(&e, &h, &norm, &mut back, [&mut along, &mut sum]);
            let target = Response::Target { beta: 0.1, mismatch: Mismatch::L2 };
            let discrepancy = device.respond(target, Phi::Tanh, [&h, &e, &e], &mut fired);
            let mut w = w;
            let descent = Descent::Sgd { rate: 0.1, momentum: 0.0, nesterov: false };
            let mut moments = Moments::new(&device, &conv.shape(), &descent);
            device.descend(Descend {
                param: &mut w,
                mirror: None,
                moments: &mut moments,
                delta: &delta,
                scale: 1.0,
                radius: Some(0.1),
                descent,
                decay: 0.0,
            });
            ([h, d, delta, mean, variance, back, along, sum, fired, w].map(|t| t.to_f32()), discrepancy.to_bits())
        };
        assert!(run(1) == run(2) && run(2) == run(5), "{conv:?}");
    }
}
