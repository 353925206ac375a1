//! Image networks: gradients against finite differences, the independence of blocks, and what is promised of each wiring.

use reclra::block::BlockSpec;
use reclra::compute::rng::Key;
use reclra::layer::Noise;
use reclra::layers::LayerSpec;
use reclra::phi::CustomPhi;
use reclra::rule::{ParamId, ParamSpec, Rule, Step, Update};
use reclra::rules::blocks::{
    BlockWiring, Inner, MapPlasticity, MapSynapse, RecLraBlocks, RecLraBlocksConfig, TargetPropBlocks,
};
use reclra::rules::{HeadOnly, HebbianConfig, TargetPropConfig};
use reclra::{Device, Extent, Graph, Learner, Optim, Phi, Tensor, Window, models};

const INPUT: Extent = Extent { channels: 2, height: 6, width: 5 };
const CLASSES: usize = 3;
const BATCH: usize = 4;

fn conv(out: usize, kernel: usize, stride: usize) -> LayerSpec {
    LayerSpec::conv(out, kernel, stride, kernel / 2)
}

fn block(name: &str, path: Vec<LayerSpec>, shortcut: Option<Vec<LayerSpec>>, phi: Phi) -> BlockSpec {
    BlockSpec { name: name.into(), path, shortcut, phi }
}

fn head() -> BlockSpec {
    let dense = LayerSpec::Dense { out: CLASSES, bias: true, gain: 1.0 };
    block("out", vec![LayerSpec::GlobalMean, dense], None, Phi::Softmax)
}

/// A stem and two residual blocks, one that changes the shape; smooth units, so that finite differences are exact.
fn residual(phi: Phi) -> Graph {
    let bn = || LayerSpec::BATCH_NORM;
    let blocks = vec![
        block("stem", vec![conv(4, 3, 1), bn()], None, phi),
        block("b1", vec![conv(4, 3, 1), bn(), LayerSpec::Act(phi), conv(4, 3, 1), bn()], Some(vec![]), phi),
        block(
            "b2",
            vec![conv(6, 3, 2), bn(), LayerSpec::Act(phi), conv(6, 3, 1), bn()],
            Some(vec![conv(6, 1, 2), bn()]),
            phi,
        ),
        head(),
    ];
    Graph::of_blocks(INPUT, blocks).unwrap()
}

/// Every other kind of layer.
fn motley() -> Graph {
    let grouped = LayerSpec::Conv {
        out: 6,
        window: Window { kernel: [3, 2], stride: [1, 2], pad: [1, 1], dilation: [1, 2] },
        groups: 2,
        bias: true,
        gain: 1.0,
    };
    let map = LayerSpec::NoiseMap { out: 4, noise: Noise::Gaussian(0.5), gain: 1.0 };
    let uniform = LayerSpec::NoiseMap { out: 6, noise: Noise::Uniform(0.5), gain: 1.0 };
    let blocks = vec![
        block("b1", vec![map, LayerSpec::MaxPool(Window::square(2, 1, 1)), LayerSpec::BATCH_NORM], None, Phi::Tanh),
        block("b2", vec![LayerSpec::Pad(1), grouped, LayerSpec::Dropout(0.3), uniform], None, Phi::Tanh),
        block(
            "b3",
            vec![
                LayerSpec::MeanPool(Window::square(2, 2, 0)),
                LayerSpec::Flatten,
                LayerSpec::Dense { out: 5, bias: true, gain: 1.0 },
            ],
            None,
            Phi::Elu,
        ),
        block("out", vec![LayerSpec::Dense { out: CLASSES, bias: true, gain: 1.0 }], None, Phi::Softmax),
    ];
    Graph::of_blocks(INPUT, blocks).unwrap()
}

fn batch(seed: u64) -> (Vec<f32>, Vec<u32>) {
    let x = Key::new(seed).child(77).normal(BATCH * INPUT.units(), 1.0).iter().map(|&v| v as f32).collect();
    (x, vec![0, 2, 1, 2])
}

fn learner(graph: &Graph, rule: Box<dyn Rule>, device: Device) -> Learner {
    Learner::new(graph.clone(), rule, 1.0, Optim { rate: 1e-2, ..Optim::default() }, device, 5).unwrap()
}

fn config(wiring: BlockWiring, inner: Inner) -> RecLraBlocksConfig {
    RecLraBlocksConfig { wiring, inner, ..RecLraBlocksConfig::default() }
}

fn rec_lra(graph: &Graph, config: RecLraBlocksConfig) -> Box<dyn Rule> {
    Box::new(RecLraBlocks::new(config, graph).unwrap())
}

fn inverses() -> TargetPropConfig {
    TargetPropConfig { std: 1.0, ..TargetPropConfig::default() }
}

/// Every rule on a residual graph.
fn rules(graph: &Graph) -> Vec<(String, Box<dyn Rule>)> {
    let mut list: Vec<(String, Box<dyn Rule>)> = vec![
        ("backprop".into(), Box::new(reclra::Backprop::of(graph))),
        (
            "feedback".into(),
            Box::new(reclra::FeedbackAlignment::new(reclra::FeedbackConfig { std: 1.0 }, graph).unwrap()),
        ),
        (
            "direct".into(),
            Box::new(reclra::DirectFeedbackAlignment::new(reclra::FeedbackConfig { std: 0.3 }, graph).unwrap()),
        ),
        ("head only".into(), Box::new(HeadOnly)),
        ("target".into(), Box::new(TargetPropBlocks::new(inverses(), graph).unwrap())),
        ("difference".into(), Box::new(TargetPropBlocks::difference(inverses(), graph).unwrap())),
        ("hebbian".into(), Box::new(reclra::Hebbian::new(HebbianConfig::default(), graph).unwrap())),
    ];
    for wiring in [BlockWiring::Skip, BlockWiring::Layer, BlockWiring::Gap(2)] {
        for inner in [Inner::Backprop, Inner::RecLra, Inner::Hebbian] {
            let name = format!("{wiring:?} {inner:?}");
            list.push((name, rec_lra(graph, config(wiring.clone(), inner))));
        }
    }
    for synapse in [MapSynapse::Grid(2), MapSynapse::Full, MapSynapse::LowRank(2), MapSynapse::Seeded] {
        let plasticity = MapPlasticity::Mirror;
        let c = RecLraBlocksConfig { synapse, plasticity, ..RecLraBlocksConfig::default() };
        list.push((format!("{synapse:?}"), rec_lra(graph, c)));
    }
    list
}

#[test]
fn backprops_updates_are_the_gradient_of_the_loss() {
    for graph in [residual(Phi::Tanh), motley()] {
        let mut net = learner(&graph, Box::new(reclra::Backprop::of(&graph)), Device::oracle());
        let (x, labels) = batch(1);
        net.errors_of(&x, &labels);
        let updates = net.updates();
        let trained = graph.regions().iter().flat_map(|r| r.inside.iter().flat_map(|b| b.params()));
        assert_eq!(updates.len(), trained.filter(|(_, p)| p.is_trained()).count());
        for (param, delta) in updates {
            let named = net.parameters().into_iter().find(|n| n.param == param).unwrap();
            let (name, values) = (named.name.clone(), named.to_vec());
            // A few numbers of each parameter will do.
            for i in (0..values.len()).step_by(values.len().div_ceil(6)) {
                let mut loss = |by: f64| {
                    let mut moved = values.clone();
                    moved[i] += by;
                    net.set(param, &moved).unwrap();
                    net.errors_of(&x, &labels).loss / BATCH as f64
                };
                let slope = (loss(1e-5) - loss(-1e-5)) / 2e-5;
                let (is, error) = (delta.to_vec()[i], (slope - delta.to_vec()[i]).abs());
                assert!(error < 1e-6 * (1.0 + slope.abs()), "{name}[{i}]: {slope} against {is}");
            }
            net.set(param, &values).unwrap();
        }
    }
}

#[test]
fn feedback_that_is_w_makes_feedback_alignment_backprop() {
    let graph = residual(Phi::Tanh);
    let (x, labels) = batch(2);
    let mut exact = learner(&graph, Box::new(reclra::Backprop::of(&graph)), Device::oracle());
    exact.errors_of(&x, &labels);
    let mut net = learner(
        &graph,
        Box::new(reclra::FeedbackAlignment::new(reclra::FeedbackConfig { std: 1.0 }, &graph).unwrap()),
        Device::oracle(),
    );
    let copies: Vec<(ParamId, Vec<f64>)> = net
        .parameters()
        .iter()
        .filter_map(|n| {
            let of = n.name.strip_prefix("B.")?;
            let w = net.parameters().into_iter().find(|w| w.name == format!("{of}.W"))?.to_vec();
            Some((n.param, w))
        })
        .collect();
    assert_eq!(copies.len(), 7);
    copies.iter().for_each(|(param, values)| net.set(*param, values).unwrap());
    net.errors_of(&x, &labels);
    for ((p, a), (q, b)) in exact.updates().iter().zip(&net.updates()) {
        assert_eq!(p, q);
        assert!(a.to_vec().iter().zip(b.to_vec()).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}

/// Layer wiring with E = W and a small beta: targets carry backprop's signal.
#[test]
fn with_e_equal_to_w_and_small_beta_layer_wiring_sends_what_backprop_sends() {
    let graph = residual(Phi::Tanh);
    let (x, labels) = batch(3);
    for inner in [Inner::RecLra, Inner::Backprop] {
        let c = RecLraBlocksConfig { beta: 1e-5, ..config(BlockWiring::Layer, inner) };
        let mut net = learner(&graph, rec_lra(&graph, c), Device::oracle());
        let find =
            |net: &Learner, name: &str| net.parameters().into_iter().find(|n| n.name == name).map(|n| n.to_vec());
        let mut copies = Vec::new();
        for n in net.parameters() {
            let Some(of) = n.name.strip_prefix("E.") else { continue };
            let values = match find(&net, &format!("{of}.W")) {
                Some(w) => w,
                // The last block: what comes back through the mean of a channel and the dense layer, W^T / places.
                None => {
                    let (w, places) = (find(&net, "out.dense1.W").unwrap(), 9.0);
                    (0..w.len()).map(|i| w[(i % CLASSES) * 6 + i / CLASSES] / places).collect()
                }
            };
            copies.push((n.param, values));
        }
        copies.iter().for_each(|(p, v)| net.set(*p, v).unwrap());
        net.errors_of(&x, &labels);
        let exact = net.gradient();
        for (param, update) in net.updates() {
            let Some((_, gradient)) = exact.iter().find(|(p, _)| *p == param) else { continue };
            let (u, g) = (update.to_vec(), gradient.to_vec());
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let size = dot(&g, &g).sqrt();
            if size < 1e-10 {
                continue; // what a normalisation takes away again
            }
            let cosine = dot(&u, &g) / (dot(&u, &u).sqrt() * size);
            assert!(cosine > 0.9999, "{inner:?} {param:?}: cosine {cosine}");
        }
        net.alignment().iter().for_each(|(i, degrees)| assert!(*degrees < 1.0, "{inner:?} region {i}: {degrees}"));
    }
}

#[test]
fn under_skip_nothing_crosses_the_border_of_a_block() {
    let graph = residual(Phi::Relu);
    let (x, labels) = batch(4);
    let inners = [Inner::Backprop, Inner::RecLra, Inner::Hebbian];
    for (inner, stem_inside) in inners.into_iter().flat_map(|inner| [(inner, false), (inner, true)]) {
        let updates = |changed: bool| {
            let c = RecLraBlocksConfig { stem_inside, ..config(BlockWiring::Skip, inner) };
            let mut net = learner(&graph, rec_lra(&graph, c), Device::cpu(1));
            net.activate(&x, &[]);
            if changed {
                // The weights of b1 after the forward pass: whoever sent a signal through them would send another.
                let of_b1: Vec<(ParamId, usize)> = net
                    .parameters()
                    .iter()
                    .filter(|n| n.name.starts_with("b1."))
                    .map(|n| (n.param, n.values().len()))
                    .collect();
                of_b1.iter().for_each(|(p, len)| net.set(*p, &vec![0.37; *len]).unwrap());
            }
            net.assign(&labels);
            // With whether it belongs to b1: its parameters, and the error synapses inside it.
            let names: Vec<(ParamId, String)> = net.parameters().into_iter().map(|n| (n.param, n.name)).collect();
            // A stem that is inside belongs to it too.
            let own =
                |n: &str| n.starts_with("b1.") || n.starts_with("E.b1.") || (stem_inside && n.starts_with("stem."));
            let of_b1 = |p: ParamId| names.iter().any(|(q, n)| *q == p && own(n));
            net.updates().into_iter().map(|(p, d)| (p, of_b1(p), d)).collect::<Vec<_>>()
        };
        let (before, after) = (updates(false), updates(true));
        let mut changed = 0;
        for ((p, inside, a), (_, _, b)) in before.iter().zip(&after) {
            changed += usize::from(*inside && a != b);
            assert!(*inside || a == b, "{inner:?}, stem inside {stem_inside}: {p:?}");
        }
        // The block itself does read its weights: the test would see a leak.
        assert!(changed > 0 || inner == Inner::Hebbian, "{inner:?}");
    }
}

/// rec-LRA that is shown NaN in place of every matrix of weights.
#[derive(Debug)]
struct Blind(RecLraBlocks);

impl Rule for Blind {
    fn name(&self) -> &'static str {
        "blind rec-LRA"
    }

    fn params(&self, graph: &Graph) -> Vec<ParamSpec> {
        self.0.params(graph)
    }

    fn updates(&self, graph: &Graph) -> Vec<Update> {
        self.0.updates(graph)
    }

    fn buffers(&self, graph: &Graph) -> Vec<usize> {
        self.0.buffers(graph)
    }

    fn error_neurons(&self, step: &mut Step<'_>) {
        let blind = |t: &Tensor| match t.shape() {
            [_] => t.clone(), // a bias, or what a normalisation goes by
            shape => step.device.tensor(shape, &vec![f64::NAN; t.len()]),
        };
        let mut params = step.params.clone();
        for id in params.ids().filter(|&id| !step.params.is_own(id)) {
            params[id] = blind(&params[id]);
        }
        let Step { device, graph, key, activity, .. } = *step;
        let (params, errors, insides) = (&params, &mut *step.errors, &mut *step.insides);
        self.0.error_neurons(&mut Step { device, graph, params, insides, key, activity, errors });
    }
}

#[test]
fn inner_rec_lra_takes_no_derivative_and_reads_no_forward_weight() {
    const PROBE: Phi = Phi::Custom(CustomPhi {
        name: "probe",
        f: |h| h / (1.0 + h.abs()),
        df: |_| panic!("a derivative was asked for"),
    });
    let (x, labels) = batch(8);
    for graph in [residual(PROBE), residual(Phi::Relu)] {
        for wiring in [BlockWiring::Skip, BlockWiring::Layer, BlockWiring::Gap(2)] {
            let c = config(wiring, Inner::RecLra);
            let train = |rule: Box<dyn Rule>| {
                let mut net = learner(&graph, rule, Device::cpu(1));
                (0..5).for_each(|_| _ = net.step(&x, &labels));
                net.state()
            };
            let blind = Box::new(Blind(RecLraBlocks::new(c.clone(), &graph).unwrap()));
            assert!(train(rec_lra(&graph, c)) == train(blind));
        }
    }
    // The blindfold works: who goes by W meets NaN.
    let graph = residual(Phi::Relu);
    let rule = RecLraBlocks::new(config(BlockWiring::Skip, Inner::Backprop), &graph).unwrap();
    let mut net = learner(&graph, Box::new(Blind(rule)), Device::cpu(1));
    (0..5).for_each(|_| _ = net.step(&x, &labels));
    assert!(net.check_finite().is_err());
}

#[test]
fn every_rule_learns_resumes_and_counts_no_threads() {
    let graph = residual(Phi::Relu);
    let (x, labels) = batch(5);
    for (name, _) in rules(&graph) {
        let make = |threads: usize| {
            let rule = rules(&graph).into_iter().find(|(n, _)| *n == name).unwrap().1;
            learner(&graph, rule, Device::cpu(threads))
        };
        let (mut one, mut three) = (make(1), make(3));
        let first = one.step(&x, &labels).loss;
        three.step(&x, &labels);
        (0..40).for_each(|_| _ = one.step(&x, &labels));
        // Half of the way, then from what was kept.
        (0..20).for_each(|_| _ = three.step(&x, &labels));
        let (steps, state) = (three.steps(), three.state());
        let mut again = make(2);
        again.restore(steps, &state).unwrap();
        (0..20).for_each(|_| _ = again.step(&x, &labels));
        assert!(one.state() == again.state(), "{name}: not the same bits");
        let last = one.step(&x, &labels).loss;
        assert!(last < 0.9 * first, "{name}: loss {first} to {last}");
        assert!(one.check_finite().is_ok());
        assert!(one.evaluate(&x, &labels).loss.is_finite());
    }
}

/// Blocks of equal cost keep two threads busy side by side; with three, one would be idle and kernels share the work.
#[test]
fn blocks_worked_on_side_by_side_come_to_the_same_bits() {
    let (x, labels) = batch(9);
    let one = |n: usize| block(&format!("b{n}"), vec![conv(4, 3, 1), LayerSpec::BATCH_NORM], Some(vec![]), Phi::Relu);
    let stem = block("stem", vec![conv(4, 3, 1), LayerSpec::BATCH_NORM], None, Phi::Relu);
    let blocks = std::iter::once(stem).chain((1..=4).map(one)).chain([head()]).collect();
    let graph = Graph::of_blocks(INPUT, blocks).unwrap();
    for (wiring, inner) in [(BlockWiring::Skip, Inner::Backprop), (BlockWiring::Gap(2), Inner::RecLra)] {
        let state = |threads: usize| {
            let mut net = learner(&graph, rec_lra(&graph, config(wiring.clone(), inner)), Device::cpu(threads));
            (0..20).for_each(|_| _ = net.step(&x, &labels));
            net.state()
        };
        assert!(state(1) == state(2) && state(1) == state(3), "{wiring:?}");
    }
}

#[test]
fn evaluation_uses_running_statistics_and_agrees_with_training_once_they_have_settled() {
    let graph = residual(Phi::Relu);
    let optim = Optim { rate: 1e-9, ..Optim::default() };
    let mut net =
        Learner::new(graph.clone(), Box::new(reclra::Backprop::of(&graph)), 1.0, optim, Device::oracle(), 1).unwrap();
    let (x, labels) = batch(6);
    let before = net.evaluate(&x, &labels).loss;
    let trained = net.step(&x, &labels).loss * BATCH as f64;
    (0..400).for_each(|_| _ = net.step(&x, &labels));
    let after = net.evaluate(&x, &labels).loss;
    assert!((before - trained).abs() > 1e-3, "at first running statistics are 0 and 1");
    // Running variances are those of the population, a little above the batch's.
    assert!((after - trained).abs() < 0.05 * trained, "{trained} against {after}");
}

#[test]
fn a_mask_of_noise_is_the_same_for_all_samples_and_a_function_of_the_seed() {
    let make = |noise: Noise, seed: u64| {
        let blocks = vec![block("b1", vec![LayerSpec::Noise(noise), conv(3, 1, 1)], None, Phi::Identity), head()];
        let graph = Graph::of_blocks(INPUT, blocks).unwrap();
        let mut net = Learner::new(
            graph.clone(),
            Box::new(reclra::Backprop::of(&graph)),
            1.0,
            Optim::default(),
            Device::oracle(),
            seed,
        )
        .unwrap();
        net.predict(&vec![1.0; 2 * INPUT.units()])
    };
    let gaussian = make(Noise::Gaussian(0.5), 1);
    assert_eq!(gaussian[..CLASSES], gaussian[CLASSES..]);
    assert_eq!(gaussian, make(Noise::Gaussian(0.5), 1));
    assert_ne!(gaussian, make(Noise::Gaussian(0.5), 2));
    assert_ne!(gaussian, make(Noise::Uniform(0.5), 1));
    assert_ne!(gaussian, make(Noise::None, 1));
}

#[test]
fn refusals_name_the_block_and_the_remedy() {
    let fails = |blocks: Vec<BlockSpec>| Graph::of_blocks(INPUT, blocks).unwrap_err().to_string();
    let text = fails(vec![block("b1", vec![conv(4, 3, 2)], Some(vec![]), Phi::Relu), head()]);
    assert!(text.contains("b1") && text.contains("4x3x3") && text.contains("2x6x5"), "{text}");
    let text = fails(vec![block("b1", vec![LayerSpec::conv(4, 9, 1, 0)], None, Phi::Relu), head()]);
    assert!(text.contains("b1") && text.contains("larger than the padded image"), "{text}");
    assert!(fails(vec![head(), head()]).contains("called `out`") || fails(vec![head(), head()]).contains("softmax"));
    let graph = residual(Phi::Relu);
    let refuse = |c: RecLraBlocksConfig| RecLraBlocks::new(c, &graph).unwrap_err().to_string();
    let list = |a: &str, b: &str| BlockWiring::List(vec![(a.into(), b.into())]);
    assert!(refuse(config(list("b2", "stem"), Inner::Backprop)).contains("out->BLOCK"));
    assert!(refuse(config(list("out", "b9"), Inner::Backprop)).contains("b9"));
    assert!(refuse(config(list("out", "b1"), Inner::Backprop)).contains("no error synapse leads to it"));
    assert!(
        refuse(RecLraBlocksConfig { synapse: MapSynapse::Grid(0), ..RecLraBlocksConfig::default() })
            .contains("rule.grid")
    );
    assert!(refuse(RecLraBlocksConfig { beta: 0.0, ..RecLraBlocksConfig::default() }).contains("rule.beta"));
}

#[test]
fn a_model_by_name_trains_a_step_under_every_rule() {
    let input = Extent::new(3, 9, 8);
    for model in ["resnet8", "noise-resnet8", "noise-free-resnet8", "lenet"] {
        let plan = models::Plan { width: 4, ..models::Plan::new(input, CLASSES) };
        let graph = Graph::of_blocks(input, models::by_name(model, &plan).unwrap().unwrap()).unwrap();
        for (name, rule) in rules(&graph) {
            let mut net = learner(&graph, rule, Device::cpu(1));
            let x: Vec<f32> = Key::new(1).normal(BATCH * input.units(), 1.0).iter().map(|&v| v as f32).collect();
            (0..2).for_each(|_| assert!(net.step(&x, &[0, 1, 2, 0]).loss.is_finite(), "{model} {name}"));
            assert!(net.check_finite().is_ok(), "{model} {name}");
        }
    }
}
