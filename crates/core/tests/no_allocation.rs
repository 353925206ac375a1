//! In the steady state no step allocates, under any rule, on any thread.

mod common;

use common::{clouds, rules};
use reclra::{Device, Graph, Learner, Optim, Phi};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The only test of this file: whatever another one allocated meanwhile would be counted.
#[test]
fn no_step_allocates_once_buffers_have_grown() {
    let graph = Graph::mlp(&[20, 70, 70, 40, 5], Phi::Tanh, None).unwrap();
    let (small, large) = (clouds(32, 20, 5, 1), clouds(150, 20, 5, 2));
    for threads in [1, 2] {
        for (name, rule) in rules(&graph) {
            let optim = Optim { radius: Some(0.01), average: Some(0.9), ..Optim::default() };
            let mut net = Learner::new(graph.clone(), rule.unwrap(), 0.1, optim, Device::cpu(threads), 1).unwrap();
            for data in [&small, &large] {
                (0..5).for_each(|_| drop(net.step(&data.x, &data.labels).loss.to_string()));
                // A worker that was late so far may still meet its first task, and make room for it.
                let quiet = (0..5).any(|_| {
                    let region = Region::new(COUNTED);
                    for _ in 0..10 {
                        net.step(&data.x, &data.labels);
                    }
                    let change = region.change();
                    change.allocations + change.reallocations == 0
                });
                assert!(quiet, "{name}, {threads} threads, batch {}", data.labels.len());
            }
        }
    }
    // The count counts.
    let region = Region::new(COUNTED);
    let kept = std::hint::black_box(vec![0_u8; 100]);
    assert!(region.change().allocations > 0, "{}", kept.len());
}
