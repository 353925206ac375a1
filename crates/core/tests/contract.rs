//! The contract: every rule on every toy graph. A new rule is taken up by adding a line to `rules`.

mod common;

use common::{Data, bits, clouds, graphs, loss_over};
use reclra::optim::Optim;
use reclra::rule::Rule;
use reclra::{Device, Graph, Learner, Plasticity, RecLra, RecLraConfig, Wiring};

/// Every rule, in the settings in which it should learn, made for `graph`, but for those that refuse it.
fn rules(graph: &Graph) -> Vec<Box<dyn Rule>> {
    let rec_lra = |wiring: &Wiring, plasticity| -> Box<dyn Rule> {
        let config = RecLraConfig { wiring: wiring.clone(), plasticity, ..RecLraConfig::default() };
        Box::new(RecLra::new(config, graph).unwrap())
    };
    let mut rules = Vec::new();
    for wiring in [Wiring::Chain, Wiring::Gap(2), Wiring::Full, Wiring::Graph(2)] {
        rules.push(rec_lra(&wiring, Plasticity::Mirror));
        rules.push(rec_lra(&wiring, Plasticity::Fixed));
    }
    // A new rule: a line in `common::rules`.
    rules.extend(common::rules(graph).into_iter().skip(1).filter_map(|(_, rule)| rule.ok()));
    rules
}

/// Runs `check` on every pair, with a line that says which.
fn each(check: impl Fn(&str, &Graph, &dyn Fn(&Device) -> Learner)) {
    for (name, graph) in graphs() {
        for n in 0..rules(&graph).len() {
            let made = || rules(&graph).swap_remove(n);
            let what = format!("{} with synapses {:?} on `{name}`", made().name(), made().error_edges());
            let optim = Optim { rate: 5e-3, ..Optim::default() };
            check(&what, &graph, &|device| Learner::new(graph.clone(), made(), 0.3, optim, device.clone(), 1).unwrap());
        }
    }
}

fn toy() -> Data {
    clouds(21, 4, 3, 6)
}

#[test]
fn shapes_are_right_and_every_number_is_finite() {
    let data = toy();
    each(|what, graph, make| {
        let mut net = make(&Device::cpu(2));
        net.errors_of(&data.x, &data.labels);
        let batch = data.labels.len();
        let learns: Vec<usize> = (1..=graph.output()).filter(|&i| !net.errors().e[i].is_empty()).collect();
        let told = if what.starts_with("hebbian") || what.starts_with("head-only") { graph.output() } else { 1 };
        assert_eq!(learns, (told..=graph.output()).collect::<Vec<_>>(), "{what}: every region has error neurons");
        for i in learns {
            let e = &net.errors().e[i];
            assert_eq!(e.shape(), [graph.regions()[i].width, batch], "{what}");
            assert!(e.to_vec().iter().all(|v| v.is_finite()), "{what}");
            assert!(e.to_vec().iter().any(|&v| v != 0.0), "{what}: region {i} has an error");
        }
        for (param, d) in net.updates() {
            let p = net.parameters().into_iter().find(|p| p.param == param).expect("what is updated is a parameter");
            assert_eq!(d.len(), p.to_vec().len(), "{what}: {}", p.name);
        }
        for _ in 0..20 {
            let report = net.step(&data.x, &data.labels);
            assert!(report.loss.is_finite() && report.discrepancy > 0.0, "{what}: {report:?}");
        }
        assert_eq!(net.check_finite(), Ok(()), "{what}");
    });
}

#[test]
fn the_loss_falls() {
    let data = toy();
    each(|what, _, make| {
        let [before, after] = loss_over(&mut make(&Device::cpu(1)), &data, 200);
        assert!(after < 0.6 * before, "{what}: {before} -> {after}");
    });
}

#[test]
fn threads_do_not_change_a_bit() {
    let data = toy();
    each(|what, _, make| {
        let trained = |threads| {
            let mut net = make(&Device::cpu(threads));
            for _ in 0..8 {
                net.step(&data.x, &data.labels);
            }
            bits(&net)
        };
        let one = trained(1);
        for threads in [2, 8] {
            assert!(one == trained(threads), "{what}: {threads} threads");
        }
    });
}

/// The kernels and the oracle agree on every signal and update of the first step.
#[test]
fn the_oracle_agrees() {
    let data = toy();
    each(|what, _, make| {
        let run = |device: &Device| {
            let mut net = make(device);
            net.errors_of(&data.x, &data.labels);
            let (activity, errors) = (net.activity(), net.errors());
            let signals = activity.h.iter().chain(&activity.z).chain(&errors.d).chain(&errors.e).chain(&errors.buffers);
            let numbers: Vec<f64> = signals.flat_map(|t| t.to_vec()).collect();
            let updates: Vec<f64> = net.updates().iter().flat_map(|(_, d)| d.to_vec()).collect();
            [numbers, updates].concat()
        };
        let (fast, exact) = (run(&Device::cpu(1)), run(&Device::oracle()));
        assert_eq!(fast.len(), exact.len());
        let far = fast.iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(far < 5e-6, "{what}: {far}");
    });
}

/// Training is a function of the seed alone: the same twice, another with another seed.
#[test]
fn seeds_decide() {
    let data = toy();
    for (name, graph) in graphs() {
        for n in 0..rules(&graph).len() {
            let trained = |seed| {
                let rule = rules(&graph).swap_remove(n);
                let mut net = Learner::new(graph.clone(), rule, 0.3, Optim::default(), Device::cpu(1), seed).unwrap();
                for _ in 0..3 {
                    net.step(&data.x, &data.labels);
                }
                bits(&net)
            };
            assert!(trained(1) == trained(1) && trained(1) != trained(2), "rule {n} on `{name}`");
        }
    }
}

/// Buffers are kept from step to step: what a larger batch left in them must not be seen by a smaller one.
#[test]
fn a_smaller_batch_leaves_no_trace_of_a_larger_one() {
    let (large, small) = (clouds(37, 4, 3, 1), clouds(5, 4, 3, 2));
    each(|what, _, make| {
        let (mut fresh, mut used) = (make(&Device::cpu(2)), make(&Device::cpu(2)));
        used.errors_of(&large.x, &large.labels); // fills every buffer, changes no weight
        for net in [&mut fresh, &mut used] {
            net.step(&small.x, &small.labels);
        }
        assert!(bits(&fresh) == bits(&used), "{what}");
    });
}

/// What evaluation has in every region is what a network whose weights are the average has in training.
#[test]
fn evaluation_sees_the_averaged_network() {
    let data = toy();
    for (name, graph) in graphs() {
        for (rule, same) in rules(&graph).into_iter().zip(rules(&graph)) {
            let what = format!("{} on `{name}`", rule.name());
            let optim = Optim { rate: 5e-3, average: Some(0.9), ..Optim::default() };
            let made = |rule| Learner::new(graph.clone(), rule, 0.3, optim, Device::cpu(1), 1).unwrap();
            let (mut net, mut plain) = (made(rule), made(same));
            for _ in 0..5 {
                net.step(&data.x, &data.labels);
            }
            for p in net.averaged().expect("an average is kept") {
                plain.set(p.param, &p.to_vec()).unwrap();
            }
            let (before, outputs) = (bits(&net), net.predict(&data.x));
            plain.activate(&data.x, &[]);
            let seen = net.activate_evaluated(&data.x);
            for (i, (z, wanted)) in seen.z.iter().zip(&plain.activity().z).enumerate() {
                assert_eq!(z.to_vec(), wanted.to_vec(), "{what}: region {i}");
            }
            let out = &seen.z[graph.output()];
            let column = |s: usize| out.to_f32().into_iter().skip(s).step_by(out.cols()).collect::<Vec<_>>();
            let judged: Vec<f32> = (0..out.cols()).flat_map(column).collect();
            assert_eq!(judged, outputs, "{what}");
            assert_eq!((bits(&net), net.steps()), (before, 5), "{what}: nothing is learnt");
        }
    }
}
