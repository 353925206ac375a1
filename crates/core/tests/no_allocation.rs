//! In the steady state no step allocates, under any rule, on any thread; of an image network none allocates a feature map.

mod common;

use common::{clouds, rules};
use reclra::rule::Rule;
use reclra::rules::blocks::{BlockWiring, Inner, RecLraBlocks, RecLraBlocksConfig, TargetPropBlocks};
use reclra::rules::{HeadOnly, TargetPropConfig};
use reclra::{BlockSpec, Device, Extent, Graph, LayerSpec, Learner, Optim, Phi};
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
    for threads in [1, 2] {
        image_networks_take_turns_in_their_storage(threads);
    }
    // The count counts.
    let region = Region::new(COUNTED);
    let kept = std::hint::black_box(vec![0_u8; 100]);
    assert!(region.change().allocations > 0, "{}", kept.len());
}

/// A step of an image network makes lists of a few words, and takes every feature map from those that are free.
fn image_networks_take_turns_in_their_storage(threads: usize) {
    // Three blocks of equal cost and one of half, which threads can work on side by side.
    let block = |n: usize| BlockSpec {
        name: if n < 4 { format!("b{n}") } else { "out".to_owned() },
        path: match n {
            0 => vec![LayerSpec::conv(8, 3, 1, 1), LayerSpec::BATCH_NORM],
            1..4 => {
                let conv = || LayerSpec::conv(8, 3, 1, 1);
                vec![conv(), LayerSpec::BATCH_NORM, LayerSpec::Act(Phi::Relu), conv(), LayerSpec::BATCH_NORM]
            }
            _ => vec![LayerSpec::GlobalMean, LayerSpec::Dense { out: 3, bias: true, gain: 1.0 }],
        },
        shortcut: (1..4).contains(&n).then(Vec::new),
        phi: if n < 4 { Phi::Relu } else { Phi::Softmax },
    };
    let input = Extent::new(8, 8, 8);
    let graph = Graph::of_blocks(input, (0..5).map(block).collect()).unwrap();
    let rec_lra = |wiring, inner| {
        let config = RecLraBlocksConfig { wiring, inner, ..RecLraBlocksConfig::default() };
        Box::new(RecLraBlocks::new(config, &graph).unwrap()) as Box<dyn Rule>
    };
    let inverses = TargetPropBlocks::difference(TargetPropConfig::default(), &graph).unwrap();
    let rules: [Box<dyn Rule>; 6] = [
        Box::new(HeadOnly),
        Box::new(inverses),
        Box::new(reclra::Backprop::of(&graph)),
        rec_lra(BlockWiring::Skip, Inner::Backprop),
        rec_lra(BlockWiring::Layer, Inner::RecLra),
        rec_lra(BlockWiring::Layer, Inner::Hebbian),
    ];
    let data = clouds(16, input.units(), 3, 1);
    for (n, rule) in rules.into_iter().enumerate() {
        let mut net = Learner::new(graph.clone(), rule, 0.1, Optim::default(), Device::cpu(threads), 1).unwrap();
        for _ in 0..10 {
            net.step(&data.x, &data.labels);
        }
        let least = (0..5).map(|_| {
            let region = Region::new(COUNTED);
            net.step(&data.x, &data.labels);
            region.change().bytes_allocated
        });
        let least = least.min().unwrap();
        // One map has 8 channels of 8x8 places.
        assert!(least < 4 * 16 * 8 * 64, "rule {n}, {threads} threads: {least} bytes");
    }
}
