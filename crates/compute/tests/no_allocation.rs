//! In the steady state no phase of feature maps allocates.

use reclra_compute::dense::Response;
use reclra_compute::maps::{Convolution, Extent, Norm, Pooling, Room, Statistic, Window};
use reclra_compute::pointwise::{Mismatch, Phi};
use reclra_compute::update::{Descend, Descent, Moments};
use reclra_compute::{Device, Tensor};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The only test of this file: whatever another one allocated meanwhile would be counted.
#[test]
fn no_phase_of_feature_maps_allocates_once_buffers_have_grown() {
    for threads in [1, 2] {
        let device = Device::cpu(threads);
        let ones = |shape: &[usize]| -> Tensor { device.tensor(shape, &vec![1.0; shape.iter().product()]) };
        for (window, side, b) in [
            (Window::square(3, 1, 1), 12, 10),
            (Window::square(3, 2, 1), 9, 5),
            (Window::square(1, 1, 0), 8, 6),
            (Window::square(3, 1, 1), 4, 3),
        ] {
            let conv = Convolution { from: Extent::new(32, side, side), out: 32, window, groups: 1 };
            let (from, to) = (conv.from.units(), conv.to().units());
            let (mut w, z, e, noise) = (ones(&conv.shape()), ones(&[from, b]), ones(&[to, b]), ones(&[from]));
            let [mut h, mut fired, mut normal, mut back] = [(); 4].map(|()| device.zeros(&[to, 0]));
            let [mut d, mut noisy, mut undone] = [(); 3].map(|()| device.zeros(&[from, 0]));
            let [mut mean, mut variance, scale, shift, mut along, mut sum] = [(); 6].map(|()| ones(&[32]));
            let pool = Pooling { from: conv.from, window: Window::square(2, 2, 0), statistic: Statistic::Max };
            let [mut pooled, mut cells] = [pool.to().units(), 32].map(|n| device.zeros(&[n, 0]));
            let mut delta = device.zeros(&[0, 0]);
            let descent = Descent::Adam { rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, step: 1 };
            let mut moments = Moments::new(&device, &conv.shape(), &descent);
            let mut room = Room::default();
            let mut step = || {
                device.perturb_units(&z, Some(&noise), Phi::Relu, &mut noisy);
                device.convolve(&conv, &w, None, &noisy, &mut h, &mut room);
                device.channel_moments(&h, &mut mean, &mut variance);
                let norm = Norm { mean: &mean, variance: &variance, scale: &scale, shift: &shift, epsilon: 1e-5 };
                device.normalise(&h, &norm, &mut normal);
                let target = Response::Target { beta: 0.1, mismatch: Mismatch::L2 };
                device.respond(target, Phi::Relu, [&h, &normal, &e], &mut fired);
                device.normalise_back(&fired, &h, &norm, &mut back, [&mut along, &mut sum]);
                device.convolve_back(&conv, &w, &back, &mut d, false, &mut room);
                device.correlate(&conv, &back, &noisy, 1.0, &mut delta, &mut room);
                device.pool(&pool, &z, &mut pooled);
                device.pool_back(&pool, &z, &pooled, &mut undone);
                device.gather(&conv.from, 1, &z, &mut cells);
                device.spread(&conv.from, 1, 1.0, &cells, &mut undone);
                device.slope(&e, Phi::Relu, &h, &mut normal);
                device.descend(Descend {
                    param: &mut w,
                    mirror: None,
                    moments: &mut moments,
                    delta: &delta,
                    scale: 1.0,
                    radius: Some(1.0),
                    descent,
                    decay: 0.0,
                });
            };
            (0..5).for_each(|_| step());
            // A worker that was late so far may still meet its first task, and make room for it.
            let quiet = (0..10).any(|_| {
                let region = Region::new(COUNTED);
                (0..5).for_each(|_| step());
                let change = region.change();
                change.allocations + change.reallocations == 0
            });
            assert!(quiet, "{window:?}, {threads} threads");
        }
    }
}
