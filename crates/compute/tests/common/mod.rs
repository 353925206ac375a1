//! What the kernel tests share: every device of this machine, random tensors, and two ways to compare.

// Each test file uses a part of it.
#![allow(dead_code)]

use proptest::prelude::*;
use reclra_compute::rng::Key;
use reclra_compute::{Device, Level, Tensor};
use std::sync::OnceLock;

/// Every instruction set of this processor on 1, 2, 3 and 4 threads, more than a small machine has cores; the single
/// thread stands first in each row.
pub(crate) fn devices() -> &'static [(Level, Vec<Device>)] {
    static DEVICES: OnceLock<Vec<(Level, Vec<Device>)>> = OnceLock::new();
    DEVICES.get_or_init(|| {
        let at = |level| (1..=4).map(|t| Device::cpu_at(t, level).expect("the level is available")).collect();
        Level::available().into_iter().map(|level| (level, at(level))).collect()
    })
}

/// Around and across the vector widths (4, 8, 16), pairs of them, and the height of a task.
pub(crate) fn batch() -> impl Strategy<Value = usize> {
    prop::sample::select(vec![1_usize, 2, 5, 8, 9, 16, 17, 32, 33, 70])
}

/// Mostly small and odd, sometimes above 300.
pub(crate) fn width() -> impl Strategy<Value = usize> {
    prop_oneof![9 => 1_usize..100, 1 => 300_usize..340]
}

/// Cases of each property: the oracle is slow by intent.
pub(crate) fn cases(n: u32) -> ProptestConfig {
    ProptestConfig { cases: n, failure_persistence: None, ..ProptestConfig::default() }
}

/// Random numbers that float32 holds exactly, so that both devices start from the same ones.
pub(crate) fn normal(key: Key, len: usize, std: f64) -> Vec<f64> {
    key.normal(len, std).into_iter().map(|v| f64::from(v as f32)).collect()
}

/// A matrix whose product with numbers of size one has size one.
pub(crate) fn matrix(device: &Device, key: Key, n: usize, m: usize) -> Tensor {
    device.tensor(&[n, m], &normal(key, n * m, 1.0 / (m as f64).sqrt()))
}

/// The bits of every element: equal bits are stricter than equal numbers, and NaN equals itself.
pub(crate) fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// Asserts |got - want| <= tolerance * (1 + |want|) wherever `compared`, and NaN exactly where the oracle has it.
pub(crate) fn close(what: &str, got: &[f64], want: &[f64], tolerance: f64, compared: impl Fn(usize) -> bool) {
    assert_eq!(got.len(), want.len(), "{what}: lengths differ");
    for (i, (&g, &w)) in got.iter().zip(want).enumerate().filter(|(i, _)| compared(*i)) {
        assert_eq!(g.is_nan(), w.is_nan(), "{what}[{i}]: got {g}, the oracle has {w}");
        let far = (g - w).abs() > tolerance * (1.0 + w.abs());
        assert!(!far, "{what}[{i}]: got {g}, the oracle has {w}");
    }
}

/// Runs `phase` on every device: bits must be equal over thread counts, numbers close to the oracle's.
///
/// A phase returns named results; `tolerance` and `compared` (by name, place and the oracle's results) say how close.
pub(crate) fn check_everywhere(
    phase: impl Fn(&Device) -> Vec<(&'static str, Vec<f64>)>,
    tolerance: f64,
    compared: impl Fn(&str, usize, &[(&'static str, Vec<f64>)]) -> bool,
) {
    let want = phase(&Device::oracle());
    for (level, threads) in devices() {
        let first = phase(&threads[0]);
        for ((name, got), (_, want_one)) in first.iter().zip(&want) {
            close(&format!("{level} {name}"), got, want_one, tolerance, |i| compared(name, i, &want));
        }
        for device in &threads[1..] {
            for ((name, a), (_, b)) in first.iter().zip(phase(device)) {
                assert!(bits(a) == bits(&b), "{device}: the bits of {name} differ from those of one thread");
            }
        }
    }
}
