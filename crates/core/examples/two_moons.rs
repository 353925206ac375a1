//! A network trained with rec-LRA through the library: two half-moons of points, to be told apart.
//!
//! `cargo run --release --example two_moons`

use reclra::compute::rng::Key;
use reclra::optim::{Optim, Schedule};
use reclra::{Device, Graph, Learner, Phi, RecLra, RecLraConfig, Result};

const EPOCHS: u64 = 30;
const BATCH: usize = 20;

/// `samples` points, one a row, and their moons: an upper arc, and a lower one that reaches into it.
fn moons(samples: usize, key: Key) -> (Vec<f32>, Vec<u32>) {
    let noise = key.normal(2 * samples, 0.1);
    let labels: Vec<u32> = (0..samples).map(|s| (s % 2) as u32).collect();
    let x = (0..samples).flat_map(|s| {
        let angle = std::f64::consts::PI * s as f64 / samples as f64;
        let (x, y) = if s % 2 == 0 { (angle.cos(), angle.sin()) } else { (1.0 - angle.cos(), 0.5 - angle.sin()) };
        [(x + noise[2 * s]) as f32, (y + noise[2 * s + 1]) as f32]
    });
    (x.collect(), labels)
}

/// Trains, prints the error on fresh points after each epoch, and returns the last.
pub(crate) fn run() -> Result<f64> {
    let key = Key::new(7);
    let (x, labels) = moons(1000, key.child(0));
    let (test_x, test_labels) = moons(1000, key.child(1));

    // 1. A graph of regions: two inputs, two hidden regions of 32 tanh units, two classes.
    let graph = Graph::mlp(&[2, 32, 32, 2], Phi::Tanh, None)?;
    // 2. A rule made for it: error synapses wired as a chain, mirroring the forward weights as they learn.
    let rule = RecLra::new(RecLraConfig::default(), &graph)?;
    // 3. An optimiser: Adam, its rate brought down linearly over the run.
    let steps = EPOCHS * (labels.len() / BATCH) as u64;
    let optim = Optim { rate: 1e-2, schedule: Schedule::Linear, total: steps, ..Optim::default() };
    // 4. All of it with numbers in it: weights from N(0, 0.3^2) under seed 1, on two threads.
    let mut net = Learner::new(graph, Box::new(rule), 0.3, optim, Device::cpu(2), 1)?;

    let mut error = 1.0;
    for epoch in 0..EPOCHS {
        // The order is a pure function of the epoch: nothing remembers a generator.
        let order = key.child(2).child(epoch).permutation(labels.len());
        for batch in order.chunks(BATCH) {
            let at = |&s: &u32| [x[2 * s as usize], x[2 * s as usize + 1]];
            let samples: Vec<f32> = batch.iter().flat_map(at).collect();
            let classes: Vec<u32> = batch.iter().map(|&s| labels[s as usize]).collect();
            net.step(&samples, &classes);
        }
        error = net.evaluate(&test_x, &test_labels).wrong as f64 / test_labels.len() as f64;
        println!("epoch {:2}  test error {:5.2} %", epoch + 1, 100.0 * error);
    }
    Ok(error)
}

#[allow(dead_code)] // a test includes this file and calls `run`
fn main() -> Result<()> {
    run().map(drop)
}
