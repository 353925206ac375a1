//! Two full training steps of every rule and setting against a second computation: a script in NumPy, written from the equations
//! (`reference/compute.py`), whose numbers are committed. To 1e-12 on the float64 reference device, and to float32's accuracy
//! on the fast path of every instruction set, with one thread and with two.
//!
//! Compared are h, z, d, y, e and the updates of both steps, their reports, then weights, biases, error synapses, inverses, running
//! statistics, moments, the moving average and an evaluation.

mod build;
mod compare;
mod images;
mod script;

use compare::{FLOAT32, FLOAT64, Numbers, check};
use reclra::{Device, Level};

/// Devices whose arithmetic is float32.
fn fast() -> Vec<Device> {
    let of = |level: Level| [1, 2].map(|threads| Device::cpu_at(threads, level).expect("the level is available"));
    Level::available().into_iter().flat_map(of).collect()
}

#[test]
fn perceptrons_in_float64() {
    check(&Numbers::perceptrons(), &[Device::oracle()], FLOAT64, false);
}

#[test]
fn perceptrons_in_float32_on_every_instruction_set() {
    check(&Numbers::perceptrons(), &fast(), FLOAT32, false);
}

#[test]
fn image_networks_in_float64() {
    check(&Numbers::images(), &[Device::oracle()], FLOAT64, false);
}

#[test]
fn image_networks_in_float32_on_every_instruction_set() {
    check(&Numbers::images(), &fast(), FLOAT32, false);
}

#[test]
fn other_norms_than_the_squared_one() {
    for numbers in [Numbers::perceptrons(), Numbers::images()] {
        check(&numbers, &[Device::oracle()], FLOAT64, true);
        check(&numbers, &fast(), FLOAT32, true);
    }
}
