//! Forward and message of a dense layer by our kernels, by `gemm` (the one under faer and candle) and by
//! `matrixmultiply` (the one under ndarray), on one thread: medians in microseconds.
//!
//! `cargo run --release --manifest-path bench/library/Cargo.toml`
//!
//! Ours also write h and z (or d, y, e); the libraries write the bare product.

use reclra_compute::Device;
use reclra_compute::dense::{Afferent, Forward, Message, Receive, Response, Sources};
use reclra_compute::pointwise::Phi;
use std::time::{Duration, Instant};

/// Medians of each function's time, taken in turn.
fn medians(mut work: [&mut dyn FnMut(); 3]) -> [f64; 3] {
    let mut times: [Vec<f64>; 3] = Default::default();
    work.iter_mut().for_each(|f| f());
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(600) || times[0].len() < 7 {
        for (f, times) in work.iter_mut().zip(&mut times) {
            let start = Instant::now();
            (0..3).for_each(|_| f());
            times.push(start.elapsed().as_secs_f64() * 1e6 / 3.0);
        }
    }
    times.map(|mut t| {
        t.sort_by(f64::total_cmp);
        t[t.len() / 2]
    })
}

fn main() {
    let device = Device::cpu(1);
    println!("| product | width | batch | ours us | gemm us | matrixmultiply us | gemm / ours | matrixmultiply / ours |");
    println!("|---|---|---|---|---|---|---|---|");
    for transposed in [false, true] {
        for n in [64, 256, 1024, 4096] {
            for b in [1, 4, 32, 256] {
                let numbers = |len: usize| -> Vec<f64> { (0..len).map(|i| (i % 17) as f64 * 0.1 - 0.8).collect() };
                let single = |len: usize| -> Vec<f32> { numbers(len).into_iter().map(|v| v as f32).collect() };
                let w = device.tensor(&[n, n], &numbers(n * n));
                let x = device.tensor(&[n, b], &numbers(n * b));
                let (mut h, mut z) = (device.zeros(&[n, b]), device.zeros(&[n, b]));
                let [d, y, e] = [(); 3].map(|()| device.zeros(&[n, b]));
                let mut wave = [Receive {
                    messages: Sources::from_slice(&[Message { synapse: &w, e: &x }]),
                    shortcuts: Sources::new(),
                    h: &x,
                    z: &x,
                    phi: Phi::Identity,
                    response: Response::Plain,
                    d,
                    y,
                    e,
                    discrepancy: 0.0,
                }];
                let (a, v) = (single(n * n), single(n * b));
                let (mut c1, mut c2) = (vec![0.0_f32; n * b], vec![0.0_f32; n * b]);
                let (row, col) = if transposed { (1, n as isize) } else { (n as isize, 1) };
                let step = b as isize;
                let times = medians([
                    &mut || {
                        if transposed {
                            device.receive(&mut wave);
                        } else {
                            device.forward(Forward {
                                afferents: Sources::from_slice(&[Afferent { weight: &w, z: &x }]),
                                messages: Sources::new(),
                                bias: None,
                                shortcuts: Sources::new(),
                                phi: Phi::Identity,
                                h: &mut h,
                                z: &mut z,
                            });
                        }
                    },
                    // SAFETY (both): n x n times n x b in slices of these lengths, row-major with the strides given.
                    &mut || unsafe {
                        let (to, from, by) = (c1.as_mut_ptr(), a.as_ptr(), v.as_ptr());
                        let serial = gemm::Parallelism::None;
                        gemm::gemm(
                            n, b, n, to, 1, step, false, from, col, row, by, 1, step, 0.0, 1.0, false, false, false, serial,
                        );
                    },
                    &mut || unsafe {
                        let (to, from, by) = (c2.as_mut_ptr(), a.as_ptr(), v.as_ptr());
                        matrixmultiply::sgemm(n, n, b, 1.0, from, row, col, by, step, 1, 0.0, to, step, 1);
                    },
                ]);
                let name = if transposed { "M^T e" } else { "W z" };
                let [ours, gemm, other] = times;
                println!(
                    "| {name} | {n} | {b} | {ours:.1} | {gemm:.1} | {other:.1} | {:.2} | {:.2} |",
                    gemm / ours,
                    other / ours
                );
            }
        }
    }
}
