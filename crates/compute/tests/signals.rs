//! Arithmetic on signals: every device against the oracle, and what the formulas promise.

mod common;

use common::{batch, cases, check_everywhere, devices, normal, width};
use proptest::prelude::*;
use reclra_compute::pointwise::Phi;
use reclra_compute::rng::Key;
use reclra_compute::{Device, Tensor};

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn signals_agree_with_the_oracle(n in width(), b in batch(), a in -2.0..2.0_f64, c in -2.0..2.0_f64, seed: u64) {
        let key = Key::new(seed);
        let [x, y] = [0, 1].map(|i| normal(key.child(i), n * b, 1.0));
        check_everywhere(
            |device| {
                let [x, y] = [&x, &y].map(|v| device.tensor(&[n, b], v));
                // Wider than needed: tensors of an earlier, larger batch are reused.
                let [mut mixed, mut side, mut noisy] = [(); 3].map(|()| device.zeros(&[n, 3 * b + 1]));
                device.blend((a, &x), (c, &y), &mut mixed);
                device.lay(&[(a, &x), (c, &y), (1.0, &x)], &mut side);
                device.perturb(&x, 0.3, key.child(2), &mut noisy);
                assert_eq!([&mixed, &side, &noisy].map(Tensor::shape), [[n, b], [n, 3 * b], [n, b]]);
                let mean = device.distance(&x, &y) / (n * b) as f64;
                vec![("blend", mixed.to_vec()), ("lay", side.to_vec()), ("perturb", noisy.to_vec()), ("|x - y|^2", vec![mean])]
            },
            1e-6,
            |_, _, _| true,
        );
    }

    #[test]
    fn slopes_agree_with_the_oracle(
        n in width(), b in batch(), seed: u64,
        phi in prop::sample::select(vec![
            Phi::Tanh, Phi::Sigmoid, Phi::Relu, Phi::LRelu { slope: 0.01 }, Phi::Elu, Phi::Sign, Phi::Identity,
        ]),
    ) {
        let key = Key::new(seed);
        let [x, h] = [0, 1].map(|i| normal(key.child(i), n * b, 1.0));
        check_everywhere(
            |device| {
                let [x, h] = [&x, &h].map(|v| device.tensor(&[n, b], v));
                let mut out = device.zeros(&[n, b + 1]);
                device.slope(&x, phi, &h, &mut out);
                assert_eq!(out.shape(), [n, b]);
                vec![("slope", out.to_vec())]
            },
            5e-6,
            |_, _, _| true,
        );
    }

    /// Column s of the first part is column s, column s of the second is column B + s.
    #[test]
    fn parts_lie_side_by_side(n in 1_usize..20, b in 1_usize..9, c in 1_usize..9, seed: u64) {
        let key = Key::new(seed);
        for device in devices().iter().map(|d| &d.1[0]).chain([&Device::oracle()]) {
            let (x, y) = (normal(key.child(0), n * b, 1.0), normal(key.child(1), n * c, 1.0));
            let mut out = device.zeros(&[n, 0]);
            device.lay(&[(1.0, &device.tensor(&[n, b], &x)), (-1.0, &device.tensor(&[n, c], &y))], &mut out);
            for (i, row) in out.to_vec().chunks(b + c).enumerate() {
                prop_assert_eq!(&row[..b], &x[i * b..(i + 1) * b]);
                prop_assert!(row[b..].iter().zip(&y[i * c..]).all(|(o, y)| *o == -y));
            }
        }
    }
}

#[test]
fn noise_has_the_asked_spread_and_depends_on_its_key_alone() {
    let device = Device::oracle();
    let x = device.tensor(&[100, 200], &vec![2.0; 20_000]);
    let drawn = |key| {
        let mut out = device.zeros(&[100, 0]);
        device.perturb(&x, 0.5, key, &mut out);
        out.to_vec()
    };
    let noisy = drawn(Key::new(1));
    let mean = noisy.iter().sum::<f64>() / 20_000.0;
    let std = (noisy.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 20_000.0).sqrt();
    assert!((mean - 2.0).abs() < 0.02 && (std - 0.5).abs() < 0.02, "{mean} {std}");
    assert_eq!(noisy, drawn(Key::new(1)));
    assert_ne!(noisy, drawn(Key::new(2)));
}
