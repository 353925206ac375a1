//! Networks, rules and settings from the cases of the reference.

use reclra::optim::{Method, Optim, Schedule};
use reclra::rule::Rule;
use reclra::{
    Backprop, BackpropConfig, DirectFeedbackAlignment, EquilibriumProp, EquilibriumPropConfig, FeedbackAlignment,
    FeedbackConfig, Graph, GraphBuilder, HeadOnly, Hebbian, HebbianConfig, LraE, LraEConfig, Mismatch, Phi, Plasticity,
    RecLra, RecLraConfig, TargetProp, TargetPropConfig, Wiring,
};
use serde_json::Value;

/// One case, or a part of it.
#[derive(Clone, Copy)]
pub(crate) struct Spec<'a>(pub(crate) &'a Value);

impl<'a> Spec<'a> {
    pub(crate) fn at(self, key: &str) -> Spec<'a> {
        Spec(&self.0[key])
    }

    pub(crate) fn has(self, key: &str) -> bool {
        self.0.get(key).is_some_and(|v| !v.is_null())
    }

    pub(crate) fn text(self, key: &str) -> &'a str {
        self.0[key].as_str().unwrap_or_else(|| panic!("{key} is not text: {}", self.0))
    }

    pub(crate) fn number(self, key: &str) -> f64 {
        self.0[key].as_f64().unwrap_or_else(|| panic!("{key} is not a number: {}", self.0))
    }

    pub(crate) fn number_or(self, key: &str, default: f64) -> f64 {
        if self.has(key) { self.number(key) } else { default }
    }

    pub(crate) fn count(self, key: &str) -> usize {
        self.number(key) as usize
    }

    pub(crate) fn flag(self, key: &str) -> bool {
        self.0[key].as_bool().unwrap_or(false)
    }

    pub(crate) fn list(self, key: &str) -> &'a [Value] {
        self.0[key].as_array().map_or(&[], Vec::as_slice)
    }

    /// Numbers of a list.
    pub(crate) fn numbers(self, key: &str) -> Vec<f64> {
        self.list(key).iter().map(|v| v.as_f64().expect("a number")).collect()
    }

    /// Pairs of names.
    pub(crate) fn pairs(self, key: &str) -> Vec<(String, String)> {
        let text = |v: &Value| v.as_str().expect("a name").to_owned();
        self.list(key).iter().map(|p| (text(&p[0]), text(&p[1]))).collect()
    }
}

pub(crate) fn phi(name: &str) -> Phi {
    if name == "softmax" { Phi::Softmax } else { reclra::phi::by_name(name).expect("a known activation") }
}

pub(crate) fn optim(spec: Spec<'_>) -> Optim {
    let method = match spec.text("method") {
        "adam" => Method::Adam {
            beta1: spec.number_or("beta1", 0.9),
            beta2: spec.number_or("beta2", 0.999),
            epsilon: spec.number_or("epsilon", 1e-8),
        },
        _ => Method::Sgd { momentum: spec.number_or("momentum", 0.0), nesterov: spec.flag("nesterov") },
    };
    let schedule = match spec.0["schedule"].as_str() {
        Some("linear") => Schedule::Linear,
        Some("cosine") => Schedule::Cosine,
        Some("step") => Schedule::Step { every: spec.count("step_every") as u64, factor: spec.number("step_factor") },
        _ => Schedule::Constant,
    };
    Optim {
        method,
        rate: spec.number("lr"),
        schedule,
        warmup: spec.number_or("warmup", 0.0) as u64,
        total: spec.number_or("total", 1e9) as u64,
        decay: spec.number_or("decay", 0.0),
        radius: spec.has("radius").then(|| spec.number("radius")),
        average: spec.has("average").then(|| spec.number("average")),
    }
}

/// A perceptron: widths, or regions and synapses one by one.
pub(crate) fn perceptron(spec: Spec<'_>) -> Graph {
    if spec.has("widths") {
        let widths: Vec<usize> = spec.numbers("widths").iter().map(|&w| w as usize).collect();
        let gap = spec.has("gap").then(|| spec.count("gap"));
        let bias = !spec.has("bias") || spec.flag("bias");
        return Graph::mlp_with(&widths, phi(spec.text("phi")), gap, bias).expect("a valid network");
    }
    let mut b = GraphBuilder::new(spec.count("inputs"));
    for r in spec.list("regions") {
        let name = r[0].as_str().expect("a name");
        b = b.region(name, r[1].as_u64().expect("a width") as usize, phi(r[2].as_str().expect("an activation")));
    }
    for (from, to) in spec.pairs("synapses") {
        b = b.synapse(&from, &to);
    }
    for (from, to) in spec.pairs("shortcuts") {
        b = b.shortcut(&from, &to);
    }
    b.build().expect("a valid network")
}

pub(crate) fn mismatch(spec: Spec<'_>) -> Mismatch {
    match spec.0["mismatch"].as_str() {
        Some("l1") => Mismatch::L1,
        Some("lp") => Mismatch::lp(spec.number("p"), spec.number("q")),
        Some("mixed") => Mismatch::Mixed { a: spec.number("mix") },
        _ => Mismatch::L2,
    }
}

fn rec_lra(spec: Spec<'_>) -> RecLraConfig {
    let gap = || spec.count("gap");
    RecLraConfig {
        wiring: match spec.text("wiring") {
            "chain" => Wiring::Chain,
            "gap" => Wiring::Gap(gap()),
            "full" => Wiring::Full,
            "graph" => Wiring::Graph(gap()),
            _ => Wiring::List(spec.pairs("synapses")),
        },
        depth: spec.has("depth").then(|| spec.count("depth")),
        beta: spec.number_or("beta", 0.1),
        gamma: spec.number_or("gamma", 1.0),
        plasticity: match spec.0["plasticity"].as_str() {
            Some("fixed") => Plasticity::Fixed,
            Some("algorithm1") => Plasticity::Algorithm1,
            Some("algorithm2") => Plasticity::Algorithm2,
            _ => Plasticity::Mirror,
        },
        rate: spec.number_or("e_rate", 1.0),
        mismatch: mismatch(spec),
        kappa: spec.numbers("kappa"),
        ..RecLraConfig::default()
    }
}

pub(crate) fn target_prop(spec: Spec<'_>) -> TargetPropConfig {
    let [eta, sigma, rate] = ["eta", "sigma", "v_rate"].map(|key| spec.number(key));
    TargetPropConfig { eta, sigma, rate, ..TargetPropConfig::default() }
}

pub(crate) fn hebbian(spec: Spec<'_>) -> HebbianConfig {
    HebbianConfig { oja: spec.flag("oja"), rate: spec.number("rate") }
}

/// The rule of a case on a perceptron.
pub(crate) fn rule(spec: Spec<'_>, graph: &Graph) -> Box<dyn Rule> {
    fn boxed<R: Rule + 'static>(rule: reclra::Result<R>) -> Box<dyn Rule> {
        Box::new(rule.expect("valid settings"))
    }
    match spec.text("name") {
        "rec-lra" => boxed(RecLra::new(rec_lra(spec), graph)),
        "lra-e" => {
            let [beta, gamma, rate] = ["beta", "gamma", "e_rate"].map(|key| spec.number(key));
            boxed(LraE::new(LraEConfig { beta, gamma, rate, ..LraEConfig::default() }, graph))
        }
        "backprop" => boxed(Backprop::new(BackpropConfig::default(), graph)),
        "feedback-alignment" => boxed(FeedbackAlignment::new(FeedbackConfig::default(), graph)),
        "direct-feedback-alignment" => boxed(DirectFeedbackAlignment::new(FeedbackConfig::default(), graph)),
        "target-prop" if spec.flag("difference") => boxed(TargetProp::difference(target_prop(spec), graph)),
        "target-prop" => boxed(TargetProp::new(target_prop(spec), graph)),
        "equilibrium-prop" => {
            let config = EquilibriumPropConfig {
                beta: spec.number("beta"),
                free: spec.count("free"),
                nudged: spec.count("nudged"),
                symmetric: spec.flag("symmetric"),
                fall: spec.number("fall"),
                persistent: spec.flag("persistent"),
            };
            boxed(EquilibriumProp::new(config, graph))
        }
        "hebbian" => boxed(Hebbian::new(hebbian(spec), graph)),
        "head-only" => Box::new(HeadOnly),
        other => panic!("unknown rule: {other}"),
    }
}
