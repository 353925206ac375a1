//! Times convolutions, the other half of `bench/conv_peer.py`: reads lines of `threads channels out side batch kernel seconds`
//! and answers each with the least and the median time of each phase, in microseconds, as one line of JSON.

use reclra_compute::dense::Response;
use reclra_compute::maps::{Convolution, Extent, Norm, Room, Window};
use reclra_compute::pointwise::{Mismatch, Phi};
use reclra_compute::rng::Key;
use reclra_compute::{Device, Tensor};
use std::time::{Duration, Instant};

/// Least and median time of a call, in microseconds.
fn median(seconds: f64, mut call: impl FnMut()) -> [f64; 2] {
    (0..2).for_each(|_| call());
    let (mut times, begun) = (Vec::new(), Instant::now());
    while times.len() < 5 || begun.elapsed() < Duration::from_secs_f64(seconds) {
        let one = Instant::now();
        call();
        times.push(one.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    [times[0], times[times.len() / 2]]
}

fn main() {
    let floor = std::env::args().any(|a| a == "--floor");
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let numbers: Vec<f64> = line.split_whitespace().filter_map(|w| w.parse().ok()).collect();
        let [threads, channels, out, side, batch, kernel, seconds] = numbers[..] else {
            eprintln!("error: threads channels out side batch kernel seconds");
            continue;
        };
        let [threads, channels, out, side, b, kernel] =
            [threads, channels, out, side, batch, kernel].map(|v| v as usize);
        let device = Device::cpu(threads);
        if floor {
            println!("{{\"peak\": {:.3e}, \"bandwidth\": {:.3e}}}", device.peak_flops(), device.bandwidth(4 << 20));
        }
        let key = Key::new(1);
        let tensor = |name: &str, shape: &[usize]| -> Tensor {
            device.tensor(shape, &key.child_named(name).normal(shape.iter().product(), 1.0))
        };
        let conv = |kernel: usize| Convolution {
            from: Extent::new(channels, side, side),
            out,
            window: Window::square(kernel, 1, kernel / 2),
            groups: 1,
        };
        let (square, point) = (conv(kernel), conv(1));
        let units = square.from.units();
        let (w, w1, n) = (tensor("w", &square.shape()), tensor("w1", &point.shape()), tensor("n", &[units]));
        let (z, e) = (tensor("z", &[units, b]), tensor("e", &[square.to().units(), b]));
        let [mut h, mut h1] = [(); 2].map(|()| device.zeros(&[square.to().units(), 0]));
        let [mut d, mut noisy, mut hat, mut pulled] = [(); 4].map(|()| device.zeros(&[units, 0]));
        let [mut delta, mut delta1] = [(); 2].map(|()| device.zeros(&[0, 0]));
        let [mut mean, mut variance, mut along, mut sum] = [(); 4].map(|()| device.zeros(&[channels]));
        let (scale, shift) = (tensor("scale", &[channels]), tensor("shift", &[channels]));
        let mut room = Room::default();
        let times = [
            ("forward", median(seconds, || device.convolve(&square, &w, None, &z, &mut h, &mut room))),
            ("update", median(seconds, || device.correlate(&square, &e, &z, 1.0, &mut delta, &mut room))),
            ("back", median(seconds, || device.convolve_back(&square, &w, &e, &mut d, false, &mut room))),
            (
                "noise_forward",
                median(seconds, || {
                    device.perturb_units(&z, Some(&n), Phi::Relu, &mut noisy);
                    device.convolve(&point, &w1, None, &noisy, &mut h1, &mut room);
                }),
            ),
            ("noise_update", median(seconds, || device.correlate(&point, &e, &noisy, 1.0, &mut delta1, &mut room))),
            ("moments", median(seconds, || device.channel_moments(&z, &mut mean, &mut variance))),
        ];
        let norm = Norm { mean: &mean, variance: &variance, scale: &scale, shift: &shift, epsilon: 1e-5 };
        let target = Response::Target { beta: 0.1, mismatch: Mismatch::L2 };
        let more = [
            ("normalise", median(seconds, || device.normalise(&z, &norm, &mut hat))),
            (
                "normalise_back",
                median(seconds, || device.normalise_back(&d, &z, &norm, &mut pulled, [&mut along, &mut sum])),
            ),
            (
                "respond",
                median(seconds, || {
                    std::hint::black_box(device.respond(target, Phi::Relu, [&z, &noisy, &d], &mut hat));
                }),
            ),
        ];
        let all: Vec<String> = times.iter().chain(&more).map(|(name, t)| format!("\"{name}\": {t:.1?}")).collect();
        println!("{{{}}}", all.join(", "));
    }
}
