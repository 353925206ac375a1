//! What cannot be is refused in one line that names the region or setting and says what to do.

mod common;

use reclra::graph::GraphBuilder;
use reclra::layer::Noise;
use reclra::layers::LayerSpec;
use reclra::rule::Rule;
use reclra::rules::{
    EquilibriumProp, EquilibriumPropConfig, FeedbackAlignment, FeedbackConfig, Hebbian, HebbianConfig,
};
use reclra::rules::{LraE, LraEConfig, TargetProp, TargetPropConfig};
use reclra::{Error, Extent, Graph, Phi, Plasticity, RecLra, RecLraConfig, Window, Wiring};

/// in -> b1 -> b2 -> out
fn builder() -> GraphBuilder {
    let b = GraphBuilder::new(4).region("b1", 5, Phi::Tanh).region("b2", 6, Phi::Tanh).region("out", 3, Phi::Softmax);
    b.synapse("in", "b1").synapse("b1", "b2").synapse("b2", "out")
}

#[track_caller]
fn refused(b: GraphBuilder, message: &str) {
    assert_eq!(b.build().unwrap_err().to_string(), message);
}

#[test]
fn networks() {
    assert!(builder().build().is_ok());
    refused(
        builder().synapse("b2", "b1"),
        "the forward synapses form a cycle through region `b1` (b1->b2->b1); remove one of them",
    );
    refused(
        builder().synapse("b1", "b1"),
        "the forward synapses form a cycle through region `b1` (b1->b1); remove one of them",
    );
    refused(builder().shortcut("b1", "b2"), "the shortcut b1->b2 joins 5 units to 6; a shortcut needs equal widths");
    refused(builder().synapse("b1", "c2"), "unknown region `c2`; regions are in, b1, b2, out");
    refused(builder().synapse("B9", "out"), "unknown region `B9`, did you mean `b2`?; regions are in, b1, b2, out");
    refused(builder().synapse("b1", "b2"), "the forward synapse b1->b2 is given twice; remove one");
    refused(builder().synapse("b1", "in"), "the forward synapse b1->in cannot be: the input receives nothing");
    refused(
        builder().synapse("out", "b1"),
        "the forward synapse out->b1 cannot be: the output sends nothing forward; add the output region last",
    );
    let more = |b: GraphBuilder| b.region("b3", 2, Phi::Tanh);
    refused(
        more(GraphBuilder::new(4)).region("out", 3, Phi::Softmax).synapse("in", "out").synapse("b3", "out"),
        "region `b3` is unreachable: no path of forward synapses leads to it from the input; add one",
    );
    refused(
        more(GraphBuilder::new(4)).region("out", 3, Phi::Softmax).synapse("in", "out").synapse("in", "b3"),
        "region `b3` is unreachable: no path of forward synapses leads from it to the output; add one",
    );
    refused(builder().region("b1", 2, Phi::Tanh), "two regions are called `b1`; give each a name of its own");
    refused(GraphBuilder::new(4).region("b1", 0, Phi::Tanh), "region `b1` has no units; give it a width of at least 1");
    refused(
        GraphBuilder::new(0).region("out", 1, Phi::Softmax),
        "region `in` has no units; give it a width of at least 1",
    );
    refused(GraphBuilder::new(4), "regions = in: at least one region after the input");
    refused(
        GraphBuilder::new(4).region("b1", 3, Phi::Softmax).region("out", 3, Phi::Softmax),
        "region `b1` is a softmax; only the output, which is added last, can be one",
    );
    assert_eq!(
        Graph::mlp(&[4], Phi::Tanh, None).unwrap_err().to_string(),
        "arch = [4]: at least an input and an output width"
    );
}

#[track_caller]
fn wiring_refused(synapses: &[&str], message: &str) {
    let pair = |s: &&str| s.split_once("->").map(|(a, b)| (a.to_owned(), b.to_owned())).expect("a->b");
    let wiring = Wiring::List(synapses.iter().map(pair).collect());
    let config = RecLraConfig { wiring, ..RecLraConfig::default() };
    assert_eq!(RecLra::new(config, &builder().build().unwrap()).unwrap_err().to_string(), message);
}

#[test]
fn wirings() {
    wiring_refused(
        &["out->b2", "b2->b1", "b1->b2"],
        "the error synapses form a cycle through region `b1` (b1->b2->b1); remove one of them",
    );
    // A region below the cycle is not on it, and is not blamed for it.
    wiring_refused(
        &["b2->b2", "b2->b1"],
        "the error synapses form a cycle through region `b2` (b2->b2); remove one of them",
    );
    wiring_refused(
        &["out->b2"],
        "region `b1` is unreachable: no error synapse leads to it from the output; add one to the wiring",
    );
    wiring_refused(
        &["b2->b1"],
        "region `b2` is unreachable: no error synapse leads to it from the output; add one to the wiring",
    );
    wiring_refused(&["out->b1", "out->b4"], "unknown region `b4`, did you mean `b2`?; regions are in, b1, b2, out");
    wiring_refused(&["out->b1", "out->b1"], "the error synapse out->b1 is given twice; remove one");
    wiring_refused(&["out->in"], "the error synapse out->in cannot be: the input has no error neurons");
    wiring_refused(
        &["b1->out"],
        "the error synapse b1->out cannot be: the error neurons of the output come from the label alone",
    );
}

#[track_caller]
fn setting_refused(change: impl Fn(&mut RecLraConfig), message: &str) {
    let mut config = RecLraConfig::default();
    change(&mut config);
    let error = RecLra::new(config, &builder().build().unwrap()).unwrap_err();
    assert!(matches!(error, Error::Setting { .. }));
    assert_eq!(error.to_string(), message);
}

#[test]
fn settings() {
    setting_refused(|c| c.beta = 0.0, "rule.beta = 0: must be a positive number");
    setting_refused(|c| c.beta = f64::NAN, "rule.beta = NaN: must be a positive number");
    setting_refused(|c| c.gamma = -1.0, "rule.gamma = -1: must be 0 or a positive number");
    setting_refused(|c| c.rate = f64::INFINITY, "rule.e_rate = inf: must be 0 or a positive number");
    setting_refused(|c| c.std = -0.1, "rule.e_std = -0.1: must be 0 or a positive number");
    setting_refused(|c| c.mismatch = reclra::Mismatch::Mixed { a: 1.5 }, "rule.mix = 1.5: must lie in [0, 1]");
    setting_refused(|c| c.mismatch = reclra::Mismatch::Mixed { a: f64::NAN }, "rule.mix = NaN: must lie in [0, 1]");
    setting_refused(
        |c| c.mismatch = reclra::Mismatch::lp(0.5, 1.0),
        "rule.p = 0.5: must be at least 1: below it is no norm",
    );
    setting_refused(
        |c| c.mismatch = reclra::Mismatch::lp(2.0, f64::NAN),
        "rule.q = NaN: must be at least 1: below, error neurons grow as z comes near y",
    );
    setting_refused(|c| c.depth = Some(0), "rule.depth = 0: must be at least 1: at 0 only the output would learn");
    setting_refused(|c| c.wiring = Wiring::Gap(0), "rule.gap = 0: must be at least 1");
    setting_refused(|c| c.wiring = Wiring::Graph(0), "rule.gap = 0: must be at least 1");
    setting_refused(
        |c| c.kappa = vec![1.0],
        "rule.kappa = [1.0]: must have one number for each of the 3 regions after the input",
    );
    setting_refused(
        |c| c.kappa = vec![1.0, -1.0, 1.0],
        "rule.kappa = [1.0, -1.0, 1.0]: must hold numbers of 0 or more",
    );
}

/// Exactly the pairs of rule and toy graph that cannot be; each message says why and what to do.
#[test]
fn rules_on_graphs() {
    let mut refused = Vec::new();
    for (graph_name, graph) in common::graphs() {
        for (rule, made) in common::rules(&graph) {
            if let Err(error) = made {
                let message = error.to_string();
                assert!(matches!(error, Error::Unsuited { .. }) && message.contains("or choose rec-lra"), "{message}");
                assert!(message.starts_with(&format!("the rule {rule} cannot train region `")), "{message}");
                refused.push((graph_name, rule));
            }
        }
    }
    let chains = ["lra-e", "target-prop", "difference-target-prop", "equilibrium-prop"];
    let mut expected: Vec<_> =
        ["residual gap", "two sources"].iter().flat_map(|g| chains.iter().map(move |r| (*g, *r))).collect();
    expected.push(("residual gap", "hebbian"));
    refused.sort_unstable();
    expected.sort_unstable();
    assert_eq!(refused, expected);
}

#[test]
fn rules_refuse_in_one_line() {
    let residual = Graph::mlp(&[4, 5, 5, 5, 5, 3], Phi::Tanh, Some(2)).unwrap();
    let chain = builder().build().unwrap();
    let two = builder().synapse("in", "b2").build().unwrap();
    let says = |error: Error, message: &str| assert_eq!(error.to_string(), message);
    says(
        LraE::new(LraEConfig::default(), &residual).unwrap_err(),
        "the rule lra-e cannot train region `b4`, which is given a shortcut from b2: each region has one target, set by \
         the region after it; use a plain chain of regions, or choose rec-lra, backprop or feedback-alignment",
    );
    says(
        TargetProp::new(TargetPropConfig::default(), &two).unwrap_err(),
        "the rule target-prop cannot train region `b2`, which has synapses from b1, in: each region needs one inverse, of \
         the one region before it; use a plain chain of regions, or choose rec-lra, backprop or feedback-alignment",
    );
    says(
        Hebbian::new(HebbianConfig::default(), &residual).unwrap_err(),
        "the rule hebbian cannot train region `b4`, which is given a shortcut from b2: Oja's rule reconstructs sources \
         from what their weights made of them alone; leave shortcuts out, set oja = false, or choose rec-lra",
    );
    let sign = Graph::mlp(&[4, 5, 3], Phi::Sign, None).unwrap();
    says(
        EquilibriumProp::new(EquilibriumPropConfig::default(), &sign).unwrap_err(),
        "the rule equilibrium-prop cannot train region `b1`, which has sign units: units that jump do not feel a nudge; \
         use tanh or sigmoid units, or choose rec-lra",
    );
    // Settings are checked as well.
    says(
        FeedbackAlignment::new(FeedbackConfig { std: 0.0 }, &chain).unwrap_err(),
        "rule.b_std = 0: must be a positive number",
    );
    let zero_gamma = LraEConfig { gamma: 0.0, ..LraEConfig::default() };
    says(LraE::new(zero_gamma, &chain).unwrap_err(), "rule.gamma = 0: must be a positive number");
    let bad_rate = HebbianConfig { rate: f64::NAN, ..HebbianConfig::default() };
    says(Hebbian::new(bad_rate, &chain).unwrap_err(), "rule.rate = NaN: must be 0 or a positive number");
    let zero_eta = TargetPropConfig { eta: 0.0, ..TargetPropConfig::default() };
    says(TargetProp::difference(zero_eta, &chain).unwrap_err(), "rule.eta = 0: must be a positive number");
    let bad_noise = TargetPropConfig { sigma: -0.1, ..TargetPropConfig::default() };
    says(TargetProp::new(bad_noise, &chain).unwrap_err(), "rule.sigma = -0.1: must be 0 or a positive number");
    let no_beta = EquilibriumPropConfig { beta: 0.0, ..EquilibriumPropConfig::default() };
    says(EquilibriumProp::new(no_beta, &chain).unwrap_err(), "rule.beta = 0: must be a positive number");
    let no_sweeps = EquilibriumPropConfig { nudged: 0, ..EquilibriumPropConfig::default() };
    says(EquilibriumProp::new(no_sweeps, &chain).unwrap_err(), "rule.nudged = 0: must be at least 1");
}

/// Every rule is listed by the name it gives itself, and every name of the list is a rule.
#[test]
fn rules_are_listed() {
    let chain = builder().build().unwrap();
    let made = common::rules(&chain);
    assert_eq!(
        made.iter().map(|r| r.0).collect::<Vec<_>>(),
        reclra::rules::KNOWN.iter().map(|k| k.0).collect::<Vec<_>>()
    );
    for (name, rule) in made {
        assert_eq!(rule.expect("a chain suits every rule").name(), name);
    }
}

/// Each plasticity by its name, and which of them is let in with a warning.
#[test]
fn plasticities_that_diverge_are_warned_of() {
    let chain = builder().build().unwrap();
    for (name, plasticity, _) in reclra::rules::PLASTICITIES {
        assert_eq!(plasticity.name(), *name);
        let config = RecLraConfig { plasticity: *plasticity, ..RecLraConfig::default() };
        let warnings = RecLra::new(config, &chain).unwrap().warnings(&chain);
        if name.starts_with("algorithm") {
            let text = format!("plasticity {name} is kept as printed in the paper");
            assert!(warnings.len() == 1 && warnings[0].starts_with(&text), "{warnings:?}");
        } else {
            assert!(warnings.is_empty(), "{name}: {warnings:?}");
        }
    }
}

/// Plain target propagation with a near target is let in, with a warning.
#[test]
fn near_targets_are_warned_of() {
    let chain = builder().build().unwrap();
    let warned = TargetProp::new(TargetPropConfig::default(), &chain).unwrap().warnings(&chain);
    assert!(warned.len() == 1 && warned[0].contains("eta 0.3") && warned[0].contains("v_rate 5,"), "{warned:?}");
    assert_eq!(TargetPropConfig::plain(), TargetPropConfig { eta: 10.0, sigma: 0.1, std: 0.05, rate: 5.0 });
    assert!(TargetProp::new(TargetPropConfig::plain(), &chain).unwrap().warnings(&chain).is_empty());
    assert!(TargetProp::difference(TargetPropConfig::default(), &chain).unwrap().warnings(&chain).is_empty());
    let limit = TargetPropConfig { eta: 1.0, ..TargetPropConfig::default() };
    assert!(TargetProp::new(limit, &chain).unwrap().warnings(&chain).is_empty());
    // One hidden region has no target through an inverse.
    let shallow = Graph::mlp(&[4, 5, 3], Phi::Tanh, None).unwrap();
    assert!(TargetProp::new(TargetPropConfig::default(), &shallow).unwrap().warnings(&shallow).is_empty());
}

/// Units without bounds are let in where regions settle, with a warning.
#[test]
fn unbounded_units_that_settle_are_warned_of() {
    let warned = |widths: &[usize], phi| {
        let graph = Graph::mlp(widths, phi, None).unwrap();
        EquilibriumProp::new(EquilibriumPropConfig::default(), &graph).unwrap().warnings(&graph)
    };
    assert_eq!(
        warned(&[4, 5, 5, 3], Phi::Relu),
        ["relu units are not bounded and may not settle between two regions: tanh and sigmoid do"]
    );
    assert!(warned(&[4, 5, 3], Phi::Relu).is_empty() && warned(&[4, 5, 5, 3], Phi::Tanh).is_empty());
}

#[test]
fn error_synapses_that_stay_zero() {
    use reclra::rules::blocks::{BlockWiring, MapPlasticity, MapSynapse, RecLraBlocks, RecLraBlocksConfig};
    let want = "must be positive where error synapses do not learn";
    let graph = builder().build().unwrap();
    let zero = RecLraConfig { std: 0.0, ..RecLraConfig::default() };
    let refused = |config: RecLraConfig| match RecLra::new(config, &graph) {
        Ok(_) => false,
        Err(e) => e.to_string().starts_with(&format!("rule.e_std = 0: {want}")),
    };
    assert!(!refused(zero.clone()), "E grows from zero where it mirrors W");
    for plasticity in [Plasticity::Fixed, Plasticity::Algorithm1, Plasticity::Algorithm2] {
        assert!(refused(RecLraConfig { plasticity, ..zero.clone() }), "{plasticity:?}");
        assert!(!refused(RecLraConfig { plasticity, ..RecLraConfig::default() }), "{plasticity:?}");
    }
    assert!(
        refused(RecLraConfig { gamma: 0.0, ..zero.clone() }) && refused(RecLraConfig { rate: 0.0, ..zero.clone() })
    );
    let single = Graph::mlp(&[4, 3], Phi::Tanh, None).unwrap();
    RecLra::new(RecLraConfig { plasticity: Plasticity::Fixed, ..zero }, &single).expect("it has no error synapses");
    assert!(LraE::new(LraEConfig { std: 0.0, rate: 0.0, ..LraEConfig::default() }, &graph).is_err());

    let input = reclra::Extent::new(1, 8, 8);
    let blocks = reclra::models::by_name("resnet8", &reclra::models::Plan::new(input, 3)).unwrap().unwrap();
    let graph = Graph::of_blocks(input, blocks).unwrap();
    let zero = RecLraBlocksConfig { std: 0.0, ..RecLraBlocksConfig::default() };
    let message = |config: RecLraBlocksConfig| RecLraBlocks::new(config, &graph).err().map(|e| e.to_string());
    assert_eq!(message(zero.clone()), None);
    for config in [
        RecLraBlocksConfig { plasticity: MapPlasticity::Fixed, ..zero.clone() },
        RecLraBlocksConfig { synapse: MapSynapse::Seeded, ..zero.clone() },
        RecLraBlocksConfig { rate: 0.0, ..zero.clone() },
    ] {
        assert!(message(config.clone()).unwrap().starts_with(&format!("rule.e_std = 0: {want}")), "{config:?}");
        assert_eq!(message(RecLraBlocksConfig { std: 0.1, ..config }), None);
    }
    let layer = RecLraBlocksConfig { wiring: BlockWiring::Layer, twins_learn: false, ..RecLraBlocksConfig::default() };
    assert!(message(layer.clone()).unwrap().starts_with(&format!("rule.twin_std = 0: {want}")));
    assert_eq!(message(RecLraBlocksConfig { twin_std: 0.1, ..layer.clone() }), None);
    assert_eq!(message(RecLraBlocksConfig { twins_learn: true, ..layer.clone() }), None);
    assert_eq!(message(RecLraBlocksConfig { wiring: BlockWiring::Skip, ..layer }), None);
}

/// Each setting of a layer at its limits: what still fits, and what no longer does.
#[test]
fn layers() {
    let from = Extent::new(2, 6, 5);
    let fits = |spec: &LayerSpec| match spec.build(from) {
        Ok(_) => true,
        Err(error) => {
            assert!(error.to_string().contains("on 2x6x5 (channels x rows x columns)"), "{error}");
            false
        }
    };
    let square = Window::square;
    let conv = |out, window, groups, gain| LayerSpec::Conv { out, window, groups, bias: false, gain };
    let dense = |out, gain| LayerSpec::Dense { out, bias: true, gain };
    let norm = |epsilon, momentum| LayerSpec::BatchNorm { epsilon, momentum };
    let map = |noise| LayerSpec::NoiseMap { out: 3, noise, gain: 1.0 };
    let (stride, dilation) = ([1, 0], [0, 1]);
    let padded = |pad: [usize; 2], dilation: [usize; 2]| Window { kernel: [2, 3], stride: [1, 1], pad, dilation };
    let good = [
        conv(4, square(3, 1, 0), 2, 0.0),
        conv(1, square(5, 1, 0), 1, 1.0),
        dense(1, 0.0),
        norm(1e-9, 1.0),
        LayerSpec::Noise(Noise::Gaussian(1e-9)),
        LayerSpec::Noise(Noise::None),
        map(Noise::Uniform(2.0)),
        LayerSpec::Act(Phi::Identity),
        LayerSpec::MaxPool(padded([1, 2], [1, 1])),
        LayerSpec::MaxPool(padded([0, 0], [2, 2])),
        LayerSpec::MeanPool(padded([3, 3], [2, 2])),
        LayerSpec::Dropout(0.0),
        LayerSpec::Dropout(0.99),
    ];
    good.iter().for_each(|spec| assert!(fits(spec), "{spec:?}"));
    let bad = [
        conv(0, square(3, 1, 0), 1, 1.0),
        conv(4, square(3, 1, 0), 0, 1.0),
        conv(6, square(3, 1, 0), 3, 1.0),
        conv(3, square(3, 1, 0), 2, 1.0),
        conv(4, square(6, 1, 0), 1, 1.0),
        conv(4, square(0, 1, 0), 1, 1.0),
        conv(4, square(3, 0, 0), 1, 1.0),
        conv(4, Window { stride, ..square(3, 1, 0) }, 1, 1.0),
        conv(4, Window { dilation, ..square(3, 1, 0) }, 1, 1.0),
        conv(4, square(3, 1, 0), 1, -1.0),
        conv(4, square(3, 1, 0), 1, f64::INFINITY),
        conv(4, square(3, 1, 0), 1, f64::NAN),
        dense(0, 1.0),
        dense(1, -1.0),
        norm(0.0, 0.1),
        norm(f64::INFINITY, 0.1),
        norm(f64::NAN, 0.1),
        norm(1e-5, 0.0),
        norm(1e-5, 1.1),
        LayerSpec::Noise(Noise::Gaussian(0.0)),
        LayerSpec::Noise(Noise::Uniform(-1.0)),
        map(Noise::Gaussian(f64::INFINITY)),
        map(Noise::Gaussian(f64::NAN)),
        LayerSpec::Act(Phi::Softmax),
        LayerSpec::MaxPool(square(7, 1, 0)),
        LayerSpec::MaxPool(padded([2, 0], [1, 1])),
        LayerSpec::MaxPool(padded([0, 3], [1, 1])),
        LayerSpec::MaxPool(padded([1, 0], [2, 1])),
        LayerSpec::MaxPool(padded([0, 1], [1, 2])),
        LayerSpec::MeanPool(square(7, 1, 0)),
        LayerSpec::Dropout(1.0),
        LayerSpec::Dropout(-0.1),
        LayerSpec::Dropout(f64::NAN),
    ];
    bad.iter().for_each(|spec| assert!(!fits(spec), "{spec:?}"));
}
