//! The `[rule]` section: one arm a rule, with the defaults that work for the network at hand.

use super::error::{Result, SpecError};
use super::nets::{ImageNet, NetSpec};
use super::preset::small;
use super::read::Reader;
use super::wiring::{listed, mismatch};
use reclra::rule::Rule;
use reclra::rules::blocks::{BlockWiring, RecLraBlocks, RecLraBlocksConfig, TargetPropBlocks};
use reclra::{
    Backprop, BackpropConfig, DirectFeedbackAlignment, EquilibriumProp, EquilibriumPropConfig, FeedbackAlignment,
    FeedbackConfig, Graph, HeadOnly, Hebbian, HebbianConfig, LraE, LraEConfig, Phi, Plasticity, RecLra, RecLraConfig,
    TargetProp, TargetPropConfig, Wiring, rules,
};
use reclra_data::DataFacts;
use toml::Value;

/// The rule of a run with its settings.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RuleSpec {
    /// Recursive local representation alignment.
    RecLra(RecLraConfig),
    /// Backpropagation of errors.
    Backprop(BackpropConfig),
    /// Feedback alignment.
    FeedbackAlignment(FeedbackConfig),
    /// Direct feedback alignment.
    DirectFeedbackAlignment(FeedbackConfig),
    /// LRA-E.
    LraE(LraEConfig),
    /// Target propagation.
    TargetProp(TargetPropConfig),
    /// Difference target propagation.
    DifferenceTargetProp(TargetPropConfig),
    /// Equilibrium propagation.
    EquilibriumProp(EquilibriumPropConfig),
    /// Hebbian learning.
    Hebbian(HebbianConfig),
    /// Only the output learns.
    HeadOnly,
    /// Recursive local representation alignment on an image network.
    RecLraBlocks(RecLraBlocksConfig),
}

impl RuleSpec {
    /// The rule on a graph.
    ///
    /// # Errors
    /// Names the setting or region that does not do.
    pub fn build(&self, graph: &Graph) -> Result<Box<dyn Rule>> {
        Ok(match self.clone() {
            RuleSpec::RecLraBlocks(config) => Box::new(RecLraBlocks::new(config, graph)?),
            RuleSpec::HeadOnly => Box::new(HeadOnly),
            RuleSpec::RecLra(config) => Box::new(RecLra::new(config, graph)?),
            RuleSpec::Backprop(config) => Box::new(Backprop::new(config, graph)?),
            RuleSpec::FeedbackAlignment(config) => Box::new(FeedbackAlignment::new(config, graph)?),
            RuleSpec::DirectFeedbackAlignment(config) => Box::new(DirectFeedbackAlignment::new(config, graph)?),
            RuleSpec::LraE(config) => Box::new(LraE::new(config, graph)?),
            RuleSpec::TargetProp(config) if graph.has_blocks() => Box::new(TargetPropBlocks::new(config, graph)?),
            RuleSpec::DifferenceTargetProp(config) if graph.has_blocks() => {
                Box::new(TargetPropBlocks::difference(config, graph)?)
            }
            RuleSpec::TargetProp(config) => Box::new(TargetProp::new(config, graph)?),
            RuleSpec::DifferenceTargetProp(config) => Box::new(TargetProp::difference(config, graph)?),
            RuleSpec::EquilibriumProp(config) => Box::new(EquilibriumProp::new(config, graph)?),
            RuleSpec::Hebbian(config) => Box::new(Hebbian::new(config, graph)?),
        })
    }

    /// The setting that is known to make this rule diverge, if it is chosen.
    #[must_use]
    pub fn diverges(&self) -> Option<&'static str> {
        match self {
            RuleSpec::RecLra(c) if matches!(c.plasticity, Plasticity::Algorithm1 | Plasticity::Algorithm2) => {
                Some(c.plasticity.name())
            }
            _ => None,
        }
    }

    /// Whether the blocks of an image network learn each for itself: rec-LRA with the wiring skip.
    #[must_use]
    pub fn is_independent(&self) -> bool {
        matches!(self, RuleSpec::RecLraBlocks(config) if config.wiring == BlockWiring::Skip)
    }

    /// The name after `--rule`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            RuleSpec::RecLra(_) | RuleSpec::RecLraBlocks(_) => "rec-lra",
            RuleSpec::HeadOnly => "head-only",
            RuleSpec::Backprop(_) => "backprop",
            RuleSpec::FeedbackAlignment(_) => "feedback-alignment",
            RuleSpec::DirectFeedbackAlignment(_) => "direct-feedback-alignment",
            RuleSpec::LraE(_) => "lra-e",
            RuleSpec::TargetProp(_) => "target-prop",
            RuleSpec::DifferenceTargetProp(_) => "difference-target-prop",
            RuleSpec::EquilibriumProp(_) => "equilibrium-prop",
            RuleSpec::Hebbian(_) => "hebbian",
        }
    }
}

/// Reads a rule's settings for an image network.
type ReadForImages = fn(&mut Reader<'_>, &ImageNet) -> Result<RuleSpec>;

/// A rule that can be named.
struct Known {
    name: &'static str,
    /// Reads its settings for a multilayer perceptron.
    mlp: fn(&mut Reader<'_>, &DataFacts, &NetSpec) -> Result<RuleSpec>,
    /// The same for an image network; or why it cannot train one.
    image: Result<ReadForImages, &'static str>,
    /// Keys that matter most to it, and values worth trying: for perceptrons, then for image networks.
    tuning: [Space; 2],
}

/// Keys, and values worth trying.
type Space = &'static [(&'static str, &'static [f64])];

/// Learning rates worth trying, for every rule.
const RATES: &[f64] = &[1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3];
const RATE: Space = &[("optim.lr", RATES)];
const WEIGHTS: Space = &[("optim.lr", RATES), ("net.w_std", &[0.025, 0.05, 0.1, 0.15])];
const MODULATION: Space = &[("optim.lr", RATES), ("rule.beta", &[0.03, 0.1, 0.3, 1.0])];
const SMALL_MODULATION: Space = &[("optim.lr", RATES), ("rule.beta", &[0.003, 0.01, 0.03, 0.1])];
const FEEDBACK: Space = &[("optim.lr", RATES), ("rule.b_std", &[0.03, 0.1, 0.3, 1.0])];
const TARGETS: Space = &[("optim.lr", RATES), ("rule.eta", &[3.0, 10.0, 30.0]), ("rule.sigma", &[0.03, 0.1, 0.3])];
const IMAGE_TARGETS: Space =
    &[("optim.lr", RATES), ("rule.eta", &[100.0, 300.0, 1000.0, 3000.0]), ("rule.v_rate", &[1.0, 3.0])];
const DIFFERENCES: Space = &[("optim.lr", RATES), ("rule.eta", &[0.1, 0.3, 1.0]), ("rule.sigma", &[0.03, 0.1, 0.3])];
const NUDGES: Space = &[("optim.lr", RATES), ("rule.beta", &[0.1, 0.3, 0.5, 1.0])];
const HEBBIAN: Space = &[("optim.lr", RATES), ("rule.rate", &[0.01, 0.03, 0.1, 0.3])];

/// Every rule.
const RULES: &[Known] = &[
    Known {
        name: "rec-lra",
        mlp: |r, facts, net| Ok(RuleSpec::RecLra(rec_lra(r, facts, net)?)),
        image: Ok(|r, image| Ok(RuleSpec::RecLraBlocks(super::image::rec_lra(r, image)?))),
        tuning: [MODULATION, SMALL_MODULATION],
    },
    Known {
        name: "backprop",
        mlp: |_, _, _| Ok(RuleSpec::Backprop(BackpropConfig::default())),
        image: Ok(|_, _| Ok(RuleSpec::Backprop(BackpropConfig::default()))),
        tuning: [WEIGHTS, RATE],
    },
    Known {
        name: "feedback-alignment",
        mlp: |r, _, _| Ok(RuleSpec::FeedbackAlignment(feedback(r, FeedbackConfig::default().std)?)),
        image: Ok(|r, _| Ok(RuleSpec::FeedbackAlignment(feedback(r, 1.0)?))),
        tuning: [FEEDBACK, FEEDBACK],
    },
    Known {
        name: "direct-feedback-alignment",
        mlp: |r, _, _| Ok(RuleSpec::DirectFeedbackAlignment(feedback(r, FeedbackConfig::default().std)?)),
        image: Ok(|r, _| Ok(RuleSpec::DirectFeedbackAlignment(feedback(r, 0.3)?))),
        tuning: [FEEDBACK, FEEDBACK],
    },
    Known {
        name: "lra-e",
        mlp: |r, facts, net| Ok(RuleSpec::LraE(lra_e(r, facts, net)?)),
        image: Err(
            "its error synapses join dense regions; rec-lra with rule.wiring = \"layer\" is its counterpart on blocks",
        ),
        tuning: [MODULATION, MODULATION],
    },
    Known {
        name: "target-prop",
        mlp: |r, _, _| Ok(RuleSpec::TargetProp(target_prop(r, TargetPropConfig::plain())?)),
        image: Ok(|r, _| Ok(RuleSpec::TargetProp(target_prop(r, OF_IMAGES_PLAIN)?))),
        tuning: [TARGETS, IMAGE_TARGETS],
    },
    Known {
        name: "difference-target-prop",
        mlp: |r, _, _| Ok(RuleSpec::DifferenceTargetProp(target_prop(r, TargetPropConfig::default())?)),
        image: Ok(|r, _| Ok(RuleSpec::DifferenceTargetProp(target_prop(r, OF_IMAGES)?))),
        tuning: [DIFFERENCES, DIFFERENCES],
    },
    Known {
        name: "equilibrium-prop",
        mlp: |r, _, net| Ok(RuleSpec::EquilibriumProp(equilibrium_prop(r, net)?)),
        image: Err("it needs an energy, symmetric synapses without normalisation or pools"),
        tuning: [NUDGES, NUDGES],
    },
    Known {
        name: "head-only",
        mlp: |_, _, _| Ok(RuleSpec::HeadOnly),
        image: Ok(|_, _| Ok(RuleSpec::HeadOnly)),
        tuning: [WEIGHTS, RATE],
    },
    Known {
        name: "hebbian",
        mlp: |r, _, _| Ok(RuleSpec::Hebbian(hebbian(r)?)),
        image: Ok(|r, _| Ok(RuleSpec::Hebbian(hebbian(r)?))),
        tuning: [HEBBIAN, HEBBIAN],
    },
];

/// Names of all rules.
#[must_use]
pub fn names() -> Vec<&'static str> {
    RULES.iter().map(|k| k.name).collect()
}

/// Names of the rules that train image networks.
#[must_use]
pub fn of_blocks() -> Vec<&'static str> {
    RULES.iter().filter(|k| k.image.is_ok()).map(|k| k.name).collect()
}

/// Keys that matter most to a rule, and values worth trying: the space that tuning draws from. Of a rule that is not there, none.
#[must_use]
pub fn tuning(rule: &str, image: bool) -> &'static [(&'static str, &'static [f64])] {
    RULES.iter().find(|k| k.name == rule).map_or(&[], |k| k.tuning[usize::from(image)])
}

pub(super) fn read(r: &mut Reader<'_>, facts: &DataFacts, net: &NetSpec) -> Result<RuleSpec> {
    let known: Vec<(&str, &Known)> = RULES.iter().map(|k| (k.name, k)).collect();
    let rule = r.pick("rule.name", "rec-lra", &known)?;
    r.only_for(rule.name)?;
    let Some(image) = &net.image else { return (rule.mlp)(r, facts, net) };
    rule.image.map_err(|why| {
        let want =
            format!("cannot train net.model {}: {why}; rules that can are {}", image.model, of_blocks().join(", "));
        SpecError::bad("rule.name", &Value::from(rule.name), want)
    })?(r, image)
}

/// What difference target propagation learns image networks with: V starts at the size that keeps the size of what it is given.
const OF_IMAGES: TargetPropConfig = TargetPropConfig { eta: 0.3, sigma: 0.1, std: 1.0, rate: 1.0 };
/// The same for plain target propagation, whose target has to stand out from the error of reconstruction.
const OF_IMAGES_PLAIN: TargetPropConfig = TargetPropConfig { eta: 1000.0, rate: 3.0, ..OF_IMAGES };

fn feedback(r: &mut Reader<'_>, std: f64) -> Result<FeedbackConfig> {
    Ok(FeedbackConfig { std: r.number("rule.b_std", std)? })
}

fn lra_e(r: &mut Reader<'_>, facts: &DataFacts, net: &NetSpec) -> Result<LraEConfig> {
    let d = LraEConfig::default();
    Ok(LraEConfig {
        beta: r.number("rule.beta", d.beta)?,
        gamma: r.number("rule.gamma", d.gamma)?,
        rate: r.number("rule.e_rate", d.rate)?,
        std: r.number("rule.e_std", neighbours(r.paper, facts, net))?,
    })
}

fn target_prop(r: &mut Reader<'_>, d: TargetPropConfig) -> Result<TargetPropConfig> {
    Ok(TargetPropConfig {
        eta: r.number("rule.eta", d.eta)?,
        sigma: r.number("rule.sigma", d.sigma)?,
        std: r.number("rule.v_std", d.std)?,
        rate: r.number("rule.v_rate", d.rate)?,
    })
}

fn equilibrium_prop(r: &mut Reader<'_>, net: &NetSpec) -> Result<EquilibriumPropConfig> {
    let d = EquilibriumPropConfig::default();
    // One hidden region has nothing to settle, and no region below it.
    let (several, by) = (net.widths.len() > 3, "networks of two hidden regions or more only; set another net.arch");
    r.unread("rule.free", d.free as i64, several, by)?;
    r.unread("rule.fall", d.fall, several, by)?;
    r.unread("rule.persistent", d.persistent, several, by)?;
    Ok(EquilibriumPropConfig {
        beta: r.number("rule.beta", d.beta)?,
        free: r.positive("rule.free", d.free as u64)? as usize,
        nudged: r.positive("rule.nudged", d.nudged as u64)? as usize,
        symmetric: r.flag("rule.symmetric", d.symmetric)?,
        fall: r.number("rule.fall", d.fall)?,
        persistent: r.flag("rule.persistent", d.persistent)?,
    })
}

fn hebbian(r: &mut Reader<'_>) -> Result<HebbianConfig> {
    let d = HebbianConfig::default();
    let config = HebbianConfig { oja: r.flag("rule.oja", d.oja)?, rate: r.number("rule.rate", d.rate)? };
    r.unread("rule.rate", d.rate, config.oja, "Oja's rule only; set rule.oja = true")?;
    Ok(config)
}

/// Standard deviation of E between neighbours (method section 5).
fn neighbours(paper: bool, facts: &DataFacts, net: &NetSpec) -> f64 {
    if small(facts) && !paper {
        0.15
    } else if net.widths[1..net.widths.len() - 1].iter().any(|&n| n >= 1024) {
        0.05
    } else {
        0.1
    }
}

/// A wiring, of a gap and a list of error synapses.
type WiringKind = fn(usize, Vec<(String, String)>) -> Wiring;

/// The wirings by name.
const WIRINGS: &[(&str, WiringKind)] = &[
    ("chain", |_, _| Wiring::Chain),
    ("gap", |gap, _| Wiring::Gap(gap)),
    ("full", |_, _| Wiring::Full),
    ("graph", |gap, _| Wiring::Graph(gap)),
    ("list", |_, list| Wiring::List(list)),
];

/// Defaults are the table of method section 5; what matters is beta times the scale of E.
fn rec_lra(r: &mut Reader<'_>, facts: &DataFacts, net: &NetSpec) -> Result<RecLraConfig> {
    let hidden = &net.widths[1..net.widths.len() - 1];
    let direct = matches!(net.act, Phi::Sigmoid | Phi::Sign);
    let wiring = if direct {
        "full"
    } else if hidden.len() > 3 {
        "gap"
    } else {
        "chain"
    };
    let lay = r.pick("rule.wiring", wiring, WIRINGS)?;
    let gap = r.positive("rule.gap", 2)? as usize;
    let kind = lay(gap, Vec::new());
    let by = "the wirings gap and graph only; set rule.wiring = \"gap\"";
    r.unread("rule.gap", 2, matches!(kind, Wiring::Gap(_) | Wiring::Graph(_)), by)?;
    let is_list = matches!(kind, Wiring::List(_));
    let wiring = lay(gap, listed(r, is_list, is_list && !hidden.is_empty())?);
    let depth = Some(r.count("rule.depth", 0)? as usize).filter(|&d| d > 0);
    let beta = r.number("rule.beta", if net.act == Phi::Sigmoid { 1.0 } else { 0.1 })?;
    let gamma = r.number("rule.gamma", 1.0)?;
    let known: Vec<(&str, Plasticity)> = rules::PLASTICITIES.iter().map(|k| (k.0, k.1)).collect();
    let plasticity = r.pick("rule.plasticity", "mirror", &known)?;
    let rate = r.number("rule.e_rate", 1.0)?;
    let by = "error synapses that learn only; set rule.plasticity = \"mirror\"";
    r.unread("rule.gamma", 1.0, plasticity != Plasticity::Fixed, by)?;
    r.unread("rule.e_rate", 1.0, plasticity != Plasticity::Fixed, by)?;
    let std = r.number("rule.e_std", if direct { 1.0 } else { neighbours(r.paper, facts, net) })?;
    let mismatch = mismatch(r)?;
    let kappa = r.numbers("rule.kappa")?;
    Ok(RecLraConfig { wiring, depth, beta, gamma, plasticity, rate, std, mismatch, kappa })
}
