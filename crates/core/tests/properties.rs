//! Properties over random networks: any forward graph, any acyclic error graph.

mod common;

use common::{CLASSES, INPUTS, Sketch, bits, cases, clouds, learner, loss_over, parameter, sketch};
use proptest::prelude::*;
use reclra::optim::Optim;
use reclra::rule::{ParamId, Rule};
use reclra::rules::{EquilibriumProp, EquilibriumPropConfig};
use reclra::wiring::ErrorGraph;
use reclra::{Device, Graph, Learner, Mismatch, Phi, Plasticity, RecLra, RecLraConfig, Wiring};

fn net(sketch: &Sketch, config: RecLraConfig, device: &Device) -> Learner {
    let graph = sketch.graph();
    let optim = Optim { rate: 5e-3, ..Optim::default() };
    learner(&graph, RecLra::new(config, &graph).unwrap(), 0.4, optim, device)
}

fn config(sketch: &Sketch) -> RecLraConfig {
    RecLraConfig { wiring: sketch.wiring(), ..RecLraConfig::default() }
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn waves_respect_parents(sketch in sketch(1), depth in prop::option::of(1_usize..4)) {
        let graph = sketch.graph();
        let full = ErrorGraph::new(&graph, &sketch.wiring(), None).unwrap();
        let wave = |i: usize| full.waves().iter().position(|w| w.contains(&i));
        // Every hidden region fires, once.
        let mut fired: Vec<usize> = full.waves().concat();
        fired.sort_unstable();
        prop_assert_eq!(&fired, &graph.hidden().collect::<Vec<_>>());
        for i in graph.hidden() {
            let parents: Vec<usize> = full.into_region(i).map(|n| full.synapses()[n].from).collect();
            prop_assert!(!parents.is_empty());
            // As late as its latest parent asks, and no later: the output counts as the wave before the first.
            let latest = parents.iter().map(|&p| if p == graph.output() { 0 } else { wave(p).unwrap() + 1 }).max();
            prop_assert_eq!(wave(i), latest, "region {} of {:?}", i, full);
        }
        // A recursion depth keeps the upper waves as they are, and only synapses into them.
        if let Some(depth) = depth {
            let cut = ErrorGraph::new(&graph, &sketch.wiring(), Some(depth)).unwrap();
            prop_assert_eq!(cut.waves(), &full.waves()[..depth.min(full.waves().len())]);
            let kept: Vec<_> = full.synapses().iter().filter(|s| cut.reaches(s.to)).copied().collect();
            prop_assert_eq!(cut.synapses(), &kept[..]);
        }
    }

    #[test]
    fn regions_stand_after_their_sources(sketch in sketch(1)) {
        let graph = sketch.graph();
        prop_assert_eq!((&graph.regions()[0].name[..], &graph.regions()[graph.output()].name[..]), ("in", "out"));
        for (i, r) in graph.regions().iter().enumerate() {
            prop_assert!(r.sources.iter().chain(&r.shortcuts).all(|&k| k < i), "{:?}", graph);
        }
    }

    /// The initial numbers go by name, so shuffled synapses are the same network with its messages summed in another
    /// order.
    #[test]
    fn message_sums_do_not_depend_on_declaration_order(sketch in sketch(1), seed: u64) {
        let mut shuffled = sketch.synapses();
        let order = reclra::compute::rng::Key::new(seed).permutation(shuffled.len());
        shuffled = order.iter().map(|&i| shuffled[i as usize].clone()).collect();
        let data = clouds(7, INPUTS, CLASSES, seed % 100);
        for (device, rounding) in [(Device::cpu(1), 2e-6), (Device::oracle(), 1e-14)] {
            let errors = |wiring| {
                let mut net = net(&sketch, RecLraConfig { wiring, ..RecLraConfig::default() }, &device);
                net.errors_of(&data.x, &data.labels);
                net.errors().d.iter().flat_map(|d| d.to_vec()).collect::<Vec<f64>>()
            };
            let (a, b) = (errors(sketch.wiring()), errors(Wiring::List(shuffled.clone())));
            prop_assert_eq!(a.len(), b.len());
            for (a, b) in a.iter().zip(b) {
                prop_assert!((a - b).abs() <= rounding * (1.0 + a.abs()), "{}: {} and {}", device, a, b);
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn threads_do_not_change_a_bit(sketch in sketch(20), plasticity in prop::sample::select(ALL.to_vec()), seed in 0..99_u64) {
        let data = clouds(19, INPUTS, CLASSES, seed);
        let trained = |threads| {
            let mut net = net(&sketch, RecLraConfig { plasticity, ..config(&sketch) }, &Device::cpu(threads));
            let reports: Vec<_> = (0..6).map(|_| net.step(&data.x, &data.labels)).collect();
            (bits(&net), reports)
        };
        let one = trained(1);
        prop_assert!(one == trained(2) && one == trained(4), "{:?}", sketch);
    }

    #[test]
    fn loss_falls_on_any_wiring(sketch in sketch(3), mirror: bool, seed in 0..99_u64) {
        let plasticity = if mirror { Plasticity::Mirror } else { Plasticity::Fixed };
        let data = clouds(24, INPUTS, CLASSES, seed);
        let mut net = net(&sketch, RecLraConfig { plasticity, ..config(&sketch) }, &Device::cpu(1));
        let [before, after] = loss_over(&mut net, &data, 400);
        prop_assert!(after < 0.6 * before, "{before} -> {after}");
        prop_assert_eq!(net.check_finite(), Ok(()));
    }

    /// Regions below the recursion depth keep every bit; those above it learn.
    #[test]
    fn recursion_depth_leaves_deeper_regions_untouched(sketch in sketch(3), depth in 1_usize..4, seed in 0..99_u64) {
        let (graph, data) = (sketch.graph(), clouds(10, INPUTS, CLASSES, seed));
        let errors = ErrorGraph::new(&graph, &sketch.wiring(), Some(depth)).unwrap();
        let mut net = net(&sketch, RecLraConfig { depth: Some(depth), ..config(&sketch) }, &Device::cpu(1));
        let before = bits(&net);
        for _ in 0..5 {
            net.step(&data.x, &data.labels);
        }
        let params: Vec<ParamId> = net.parameters().iter().map(|p| p.param).collect();
        for (((name, old), (_, new)), param) in before.iter().zip(bits(&net)).zip(params) {
            let learns = graph.region_of(param).is_none_or(|region| region == graph.output() || errors.reaches(region));
            prop_assert_eq!(*old != new, learns, "{} at depth {} of {:?}", name, depth, errors);
        }
    }

    /// kappa_l scales the update of W_l and b_l and what layer l adds to the discrepancy, and nothing else.
    #[test]
    fn kappa_scales_updates(sketch in sketch(1), l in 0_usize..6, seed in 0..99_u64) {
        let graph = sketch.graph();
        let l = l % graph.output();
        let data = clouds(10, INPUTS, CLASSES, seed);
        let run = |kappa: Vec<f64>| {
            let mut net = net(&sketch, RecLraConfig { kappa, ..config(&sketch) }, &Device::cpu(1));
            net.errors_of(&data.x, &data.labels);
            let mut updates: Vec<_> = net.updates().iter().map(|(p, d)| (*p, d.to_vec())).collect();
            updates.sort_by_key(|(p, _)| format!("{p:?}"));
            (updates, net.errors().discrepancy.clone())
        };
        let mut kappa = vec![1.0; graph.output()];
        kappa[l] = 4.0; // a power of two, so that not even rounding differs
        let ((plain, d_plain), (scaled, d_scaled)) = (run(Vec::new()), run(kappa));
        prop_assert_eq!(plain.len(), scaled.len());
        for ((param, a), (other, b)) in plain.iter().zip(&scaled) {
            prop_assert_eq!(param, other);
            let own = graph.region_of(*param) == Some(l + 1);
            let factor = if own { 4.0 } else { 1.0 };
            prop_assert!(a.iter().zip(b).all(|(a, b)| factor * a == *b), "{:?} by {}", param, factor);
        }
        for (i, (a, b)) in d_plain.iter().zip(d_scaled).enumerate() {
            prop_assert_eq!(if i == l + 1 { 4.0 * a } else { *a }, b);
        }
    }

    /// e = a (z - y) + (1 - a) sign(z - y) at every hidden region, and the discrepancy counts the same mixture.
    #[test]
    fn error_neurons_follow_the_mismatch(sketch in sketch(2), a in 0.0..1.0_f64, seed in 0..99_u64) {
        let (graph, data) = (sketch.graph(), clouds(5, INPUTS, CLASSES, seed));
        for (mismatch, a) in [(Mismatch::L1, 0.0), (Mismatch::L2, 1.0), (Mismatch::Mixed { a }, a)] {
            let mut net = net(&sketch, RecLraConfig { mismatch, ..config(&sketch) }, &Device::oracle());
            net.errors_of(&data.x, &data.labels);
            for i in graph.hidden() {
                let [z, y, e] = [&net.activity().z[i], &net.errors().y[i], &net.errors().e[i]].map(|t| t.to_vec());
                let mut total = 0.0;
                for ((z, y), e) in z.iter().zip(&y).zip(e) {
                    let m = z - y;
                    let sign = if m == 0.0 { 0.0 } else { m.signum() };
                    prop_assert!((e - (a * m + (1.0 - a) * sign)).abs() < 1e-15);
                    total += a * m * m + (1.0 - a) * m.abs();
                }
                prop_assert!((net.errors().discrepancy[i] - total / 5.0).abs() < 1e-12);
            }
        }
    }
}

const ALL: [Plasticity; 4] = [Plasticity::Mirror, Plasticity::Fixed, Plasticity::Algorithm1, Plasticity::Algorithm2];

/// Algorithm 2: layer l is given z_{l-g} where l mod g = 0, l < L and l - g >= 1, and widths are equal.
#[test]
fn gap_shortcuts_stand_where_algorithm_2_has_them() {
    let shortcuts = |widths: &[usize], gap| -> Vec<(usize, usize)> {
        let graph = Graph::mlp(widths, Phi::Tanh, gap).unwrap();
        let of = |(l, r): (usize, &reclra::graph::Region)| r.shortcuts.iter().map(move |&k| (k, l)).collect::<Vec<_>>();
        graph.regions().iter().enumerate().flat_map(of).collect()
    };
    assert_eq!(shortcuts(&[5, 5, 5, 5, 5, 5], Some(2)), [(2, 4)]);
    assert_eq!(shortcuts(&[5, 5, 5, 5, 5, 5], Some(1)), [(1, 2), (2, 3), (3, 4)]);
    assert_eq!(shortcuts(&[5, 5, 5, 5, 5, 5, 5, 5], Some(3)), [(3, 6)]);
    assert_eq!(shortcuts(&[5, 5, 4, 5, 5, 5], Some(2)), []);
    assert_eq!(shortcuts(&[5, 5, 5, 5], None), []);
}

/// A shortcut adds z_{l-g} to h_l: with W and b of layer 4 at zero, h_4 is z_2.
#[test]
fn a_shortcut_adds_the_activity_as_it_is() {
    let (graph, data) = (Graph::mlp(&[4, 6, 6, 6, 6, 3], Phi::Tanh, Some(2)).unwrap(), clouds(5, 4, 3, 8));
    for device in [Device::cpu(1), Device::oracle()] {
        let rule = RecLra::new(RecLraConfig::default(), &graph).unwrap();
        let mut net = learner(&graph, rule, 0.4, Optim::default(), &device);
        net.set(net.graph().weight(4, 0), &[0.0; 36]).unwrap();
        net.errors_of(&data.x, &data.labels);
        assert_eq!(net.activity().h[4].to_vec(), net.activity().z[2].to_vec());
    }
}

/// The named wirings on five hidden layers, written out.
#[test]
fn named_wirings_lay_the_synapses_of_the_table() {
    let graph = Graph::mlp(&[4, 3, 3, 3, 3, 3, 2], Phi::Tanh, None).unwrap();
    let laid = |wiring: Wiring| {
        let errors = ErrorGraph::new(&graph, &wiring, None).unwrap();
        let mut pairs: Vec<_> = errors.synapses().iter().map(|s| (s.from, s.to)).collect();
        pairs.sort_unstable_by_key(|&(from, to)| (to, from));
        (pairs, errors.waves().to_vec())
    };
    let all = [Wiring::Chain, Wiring::Gap(2), Wiring::Full, Wiring::Graph(2), Wiring::List(vec![])];
    assert!(all.iter().map(Wiring::name).eq(reclra::wiring::KNOWN.iter().map(|(name, _)| *name)));
    let chain = vec![(2, 1), (3, 2), (4, 3), (5, 4), (6, 5)];
    assert_eq!(laid(Wiring::Chain), (chain, vec![vec![5], vec![4], vec![3], vec![2], vec![1]]));
    let gap = vec![(2, 1), (6, 2), (4, 3), (6, 4), (6, 5)];
    assert_eq!(laid(Wiring::Gap(2)), (gap, vec![vec![2, 4, 5], vec![1, 3]]));
    let full = vec![(6, 1), (6, 2), (6, 3), (6, 4), (6, 5)];
    assert_eq!(laid(Wiring::Full), (full, vec![vec![1, 2, 3, 4, 5]]));
    let sums = vec![(2, 1), (3, 2), (6, 2), (4, 3), (5, 4), (6, 4), (6, 5)];
    assert_eq!(laid(Wiring::Graph(2)), (sums, vec![vec![5], vec![4], vec![3], vec![2], vec![1]]));
}

/// Weights are drawn by name: another region more leaves those of the others as they were.
#[test]
fn initial_weights_depend_on_names_alone() {
    let first = |widths: &[usize]| {
        let graph = Graph::mlp(widths, Phi::Tanh, None).unwrap();
        let rule = RecLra::new(RecLraConfig::default(), &graph).unwrap();
        parameter(&learner(&graph, rule, 0.4, Optim::default(), &Device::cpu(1)), "W.in->b1")
    };
    assert_eq!(first(&[4, 6, 3]), first(&[4, 6, 9, 3]));
}

/// A prediction has one sample a row, and is the sample's own whatever it is predicted beside.
#[test]
fn predictions_stand_one_sample_a_row() {
    let (graph, data) = (Graph::mlp(&[4, 8, 3], Phi::Tanh, None).unwrap(), clouds(5, 4, 3, 8));
    for device in [Device::cpu(1), Device::oracle()] {
        let rule = RecLra::new(RecLraConfig::default(), &graph).unwrap();
        let mut net = learner(&graph, rule, 0.6, Optim::default(), &device);
        let all = net.predict(&data.x);
        for (s, x) in data.x.chunks(4).enumerate() {
            let one = net.predict(x);
            assert_eq!(one, all[3 * s..3 * s + 3], "{device}");
            assert!((one.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        }
        // Both of one forward pass.
        let (verdict, outputs) = net.judge(&data.x, &data.labels);
        assert_eq!((verdict, outputs), (net.evaluate(&data.x, &data.labels), all));
    }
}

/// What each rule says of itself on a chain of 4, 6, 5 and 3 units: its error synapses and waves for drawings, the numbers that a
/// step holds of each sample besides h and z, and whether it takes phi'.
#[test]
fn rules_describe_themselves() {
    let graph = Graph::mlp(&[4, 6, 5, 3], Phi::Tanh, None).unwrap();
    let down = vec![vec![3], vec![2], vec![1]];
    // e, d and y of 14 units, then signals of the rule's own; in equilibrium propagation hidden regions have no d.
    let (all, inverses, phases) = (3 * 14, 2 * 5 + 6 + 2 * 5 + 5 * 6, 69 + 21 - 11);
    let expected = [
        ("rec-lra", vec![(2, 1), (3, 2)], down.clone(), all, false),
        ("backprop", vec![(2, 1), (3, 2)], down.clone(), all, true),
        ("feedback-alignment", vec![(2, 1), (3, 2)], down.clone(), all, true),
        ("direct-feedback-alignment", vec![(3, 1), (3, 2)], vec![vec![3], vec![1, 2]], all, true),
        ("lra-e", vec![(2, 1), (3, 2)], down.clone(), all, false),
        ("target-prop", vec![(2, 1), (3, 2)], down.clone(), all + inverses, true),
        ("difference-target-prop", vec![(2, 1), (3, 2)], down.clone(), all + inverses, true),
        ("equilibrium-prop", vec![(2, 1), (3, 2)], down.clone(), all + phases, false),
        ("head-only", vec![], down, 3 * 3, true),
        ("hebbian", vec![], vec![vec![3]], 3 * 3 + 2 * (4 + 6), false),
    ];
    for ((name, rule), expected) in common::rules(&graph).into_iter().zip(expected) {
        let rule = rule.unwrap();
        assert_eq!((name, rule.error_edges(), rule.waves(&graph), rule.held(&graph), rule.uses_derivative()), expected);
        assert_eq!(rule.persistent(&graph), [], "{name}");
        assert_eq!(rule.settles().is_some(), name == "equilibrium-prop");
    }
    let persistent = EquilibriumPropConfig { persistent: true, ..EquilibriumPropConfig::default() };
    let regions = |graph: &Graph| EquilibriumProp::new(persistent.clone(), graph).unwrap().persistent(graph);
    assert_eq!(regions(&graph), [1, 2]);
    assert_eq!(regions(&Graph::mlp(&[4, 6, 3], Phi::Tanh, None).unwrap()), []);
}
