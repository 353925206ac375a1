//! The `[rule]` section: one arm a rule, with the defaults that work for the network at hand.

use super::read::Reader;
use super::{DataFacts, NetSpec, Result, SpecError, small};
use reclra::rule::Rule;
use reclra::rules::blocks::{
    BackpropBlocks, BlockWiring, DirectBlocks, FeedbackBlocks, HebbianBlocks, RecLraBlocks, RecLraBlocksConfig,
    TargetPropBlocks,
};
use reclra::{
    Backprop, BackpropConfig, DirectFeedbackAlignment, EquilibriumProp, EquilibriumPropConfig, FeedbackAlignment,
    FeedbackConfig, Graph, HeadOnly, Hebbian, HebbianConfig, LraE, LraEConfig, Mismatch, Plasticity, RecLra,
    RecLraConfig, TargetProp, TargetPropConfig, Wiring, rules,
};
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
            RuleSpec::Backprop(_) if graph.has_blocks() => Box::new(BackpropBlocks),
            RuleSpec::FeedbackAlignment(config) if graph.has_blocks() => {
                Box::new(FeedbackBlocks::new(config.std, graph)?)
            }
            RuleSpec::DirectFeedbackAlignment(config) if graph.has_blocks() => {
                Box::new(DirectBlocks::new(config.std, graph)?)
            }
            RuleSpec::RecLra(config) => Box::new(RecLra::new(config, graph)?),
            RuleSpec::Backprop(config) => Box::new(Backprop::new(config, graph)?),
            RuleSpec::FeedbackAlignment(config) => Box::new(FeedbackAlignment::new(config, graph)?),
            RuleSpec::DirectFeedbackAlignment(config) => Box::new(DirectFeedbackAlignment::new(config, graph)?),
            RuleSpec::LraE(config) => Box::new(LraE::new(config, graph)?),
            RuleSpec::TargetProp(config) if graph.has_blocks() => Box::new(TargetPropBlocks::new(config, graph)?),
            RuleSpec::DifferenceTargetProp(config) if graph.has_blocks() => {
                Box::new(TargetPropBlocks::difference(config, graph)?)
            }
            RuleSpec::Hebbian(config) if graph.has_blocks() => Box::new(HebbianBlocks::new(config, graph)?),
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

/// Names of all rules.
#[must_use]
pub fn names() -> Vec<&'static str> {
    rules::KNOWN.iter().map(|k| k.0).collect()
}

/// Names of the rules that train image networks.
pub const OF_BLOCKS: [&str; 8] = [
    "rec-lra",
    "backprop",
    "feedback-alignment",
    "direct-feedback-alignment",
    "target-prop",
    "difference-target-prop",
    "hebbian",
    "head-only",
];

/// Learning rates worth trying, for every rule.
const RATES: &[f64] = &[1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3];

/// Keys that matter most to a rule, and values worth trying: the space that tuning draws from.
#[must_use]
pub fn tuning(rule: &str, image: bool) -> &'static [(&'static str, &'static [f64])] {
    match rule {
        "rec-lra" if image => &[("optim.lr", RATES), ("rule.beta", &[0.003, 0.01, 0.03, 0.1])],
        "backprop" | "head-only" if image => &[("optim.lr", RATES)],
        "rec-lra" | "lra-e" => &[("optim.lr", RATES), ("rule.beta", &[0.03, 0.1, 0.3, 1.0])],
        "feedback-alignment" | "direct-feedback-alignment" => {
            &[("optim.lr", RATES), ("rule.b_std", &[0.03, 0.1, 0.3, 1.0])]
        }
        "target-prop" if image => {
            &[("optim.lr", RATES), ("rule.eta", &[100.0, 300.0, 1000.0, 3000.0]), ("rule.v_rate", &[1.0, 3.0])]
        }
        "target-prop" => &[("optim.lr", RATES), ("rule.eta", &[3.0, 10.0, 30.0]), ("rule.sigma", &[0.03, 0.1, 0.3])],
        "difference-target-prop" => {
            &[("optim.lr", RATES), ("rule.eta", &[0.1, 0.3, 1.0]), ("rule.sigma", &[0.03, 0.1, 0.3])]
        }
        "equilibrium-prop" => &[("optim.lr", RATES), ("rule.beta", &[0.1, 0.3, 0.5, 1.0])],
        "hebbian" => &[("optim.lr", RATES), ("rule.rate", &[0.01, 0.03, 0.1, 0.3])],
        _ => &[("optim.lr", RATES), ("net.w_std", &[0.025, 0.05, 0.1, 0.15])],
    }
}

pub(super) fn read(r: &mut Reader<'_>, facts: &DataFacts, net: &NetSpec) -> Result<RuleSpec> {
    let name = r.choice("rule.name", "rec-lra", &names())?;
    r.only_for(&name)?;
    if let Some(image) = &net.image {
        return image_rule(r, &name, &image.model);
    }
    Ok(match name.as_str() {
        "backprop" => RuleSpec::Backprop(BackpropConfig::default()),
        "feedback-alignment" => RuleSpec::FeedbackAlignment(feedback(r)?),
        "direct-feedback-alignment" => RuleSpec::DirectFeedbackAlignment(feedback(r)?),
        "lra-e" => RuleSpec::LraE(lra_e(r, facts, net)?),
        "target-prop" => RuleSpec::TargetProp(target_prop(r, TargetPropConfig::plain())?),
        "difference-target-prop" => RuleSpec::DifferenceTargetProp(target_prop(r, TargetPropConfig::default())?),
        "equilibrium-prop" => RuleSpec::EquilibriumProp(equilibrium_prop(r)?),
        "hebbian" => RuleSpec::Hebbian(hebbian(r)?),
        "head-only" => RuleSpec::HeadOnly,
        _ => RuleSpec::RecLra(rec_lra(r, facts, net)?),
    })
}

/// What difference target propagation learns image networks with: V starts at the size that keeps the size of what it is given.
const OF_IMAGES: TargetPropConfig = TargetPropConfig { eta: 0.3, sigma: 0.1, std: 1.0, rate: 1.0 };
/// The same for plain target propagation, whose target has to stand out from the error of reconstruction.
const OF_IMAGES_PLAIN: TargetPropConfig = TargetPropConfig { eta: 1000.0, rate: 3.0, ..OF_IMAGES };

/// The rules that train image networks; of the others the reason why not.
fn image_rule(r: &mut Reader<'_>, name: &str, model: &str) -> Result<RuleSpec> {
    let std = |r: &mut Reader<'_>, default: f64| -> Result<FeedbackConfig> {
        Ok(FeedbackConfig { std: r.number("rule.b_std", default)? })
    };
    let why = match name {
        "rec-lra" => return Ok(RuleSpec::RecLraBlocks(super::image::rec_lra(r)?)),
        "backprop" => return Ok(RuleSpec::Backprop(BackpropConfig::default())),
        "head-only" => return Ok(RuleSpec::HeadOnly),
        "feedback-alignment" => return Ok(RuleSpec::FeedbackAlignment(std(r, 1.0)?)),
        "direct-feedback-alignment" => return Ok(RuleSpec::DirectFeedbackAlignment(std(r, 0.3)?)),
        "lra-e" => {
            "its error synapses join dense regions; rec-lra with rule.wiring = \"layer\" is its counterpart on blocks"
        }
        "equilibrium-prop" => "it needs an energy, symmetric synapses without normalisation or pools",
        "hebbian" => return Ok(RuleSpec::Hebbian(hebbian(r)?)),
        "target-prop" => return Ok(RuleSpec::TargetProp(target_prop(r, OF_IMAGES_PLAIN)?)),
        _ => return Ok(RuleSpec::DifferenceTargetProp(target_prop(r, OF_IMAGES)?)),
    };
    let known = OF_BLOCKS.join(", ");
    let want = format!("cannot train net.model {model}: {why}; rules that can are {known}");
    Err(SpecError::bad("rule.name", &Value::String(name.to_owned()), want))
}

fn feedback(r: &mut Reader<'_>) -> Result<FeedbackConfig> {
    Ok(FeedbackConfig { std: r.number("rule.b_std", FeedbackConfig::default().std)? })
}

fn lra_e(r: &mut Reader<'_>, facts: &DataFacts, net: &NetSpec) -> Result<LraEConfig> {
    let d = LraEConfig::default();
    Ok(LraEConfig {
        beta: r.number("rule.beta", d.beta)?,
        gamma: r.number("rule.gamma", d.gamma)?,
        rate: r.number("rule.e_rate", d.rate)?,
        std: r.number("rule.e_std", neighbours(facts, net))?,
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

fn equilibrium_prop(r: &mut Reader<'_>) -> Result<EquilibriumPropConfig> {
    let d = EquilibriumPropConfig::default();
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
    Ok(HebbianConfig { oja: r.flag("rule.oja", d.oja)?, rate: r.number("rule.rate", d.rate)? })
}

/// Standard deviation of E between neighbours (method section 5).
fn neighbours(facts: &DataFacts, net: &NetSpec) -> f64 {
    if small(facts) {
        0.15
    } else if net.widths[1..net.widths.len() - 1].iter().any(|&n| n >= 1024) {
        0.05
    } else {
        0.1
    }
}

/// Defaults are the table of method section 5; what matters is beta times the scale of E.
fn rec_lra(r: &mut Reader<'_>, facts: &DataFacts, net: &NetSpec) -> Result<RecLraConfig> {
    let hidden = &net.widths[1..net.widths.len() - 1];
    let direct = matches!(net.act.as_str(), "sigmoid" | "sign");
    let wiring = if direct {
        "full"
    } else if hidden.len() > 3 {
        "gap"
    } else {
        "chain"
    };
    let wirings: Vec<&str> = reclra::wiring::KNOWN.iter().map(|k| k.0).collect();
    let wiring = r.choice("rule.wiring", wiring, &wirings)?;
    let gap = r.positive("rule.gap", 2)? as usize;
    let by = "the wirings gap and graph only; set rule.wiring = \"gap\"";
    r.unread("rule.gap", 2, ["gap", "graph"].contains(&wiring.as_str()), by)?;
    let synapses = listed(r, wiring == "list" && !hidden.is_empty())?;
    let wiring = match wiring.as_str() {
        "chain" => Wiring::Chain,
        "gap" => Wiring::Gap(gap),
        "graph" => Wiring::Graph(gap),
        "full" => Wiring::Full,
        _ => Wiring::List(synapses.iter().map(|s| synapse(s)).collect::<Result<_>>()?),
    };
    if !synapses.is_empty() && !matches!(wiring, Wiring::List(_)) {
        let want = "is read by the wiring list only; set rule.wiring = \"list\" or remove it".to_owned();
        return Err(SpecError::bad("rule.synapses", &Value::from(synapses), want));
    }
    let depth = Some(r.count("rule.depth", 0)? as usize).filter(|&d| d > 0);
    let beta = r.number("rule.beta", if net.act == "sigmoid" { 1.0 } else { 0.1 })?;
    let gamma = r.number("rule.gamma", 1.0)?;
    let plasticities: Vec<&str> = rules::PLASTICITIES.iter().map(|k| k.0).collect();
    let plasticity = match r.choice("rule.plasticity", "mirror", &plasticities)?.as_str() {
        "fixed" => Plasticity::Fixed,
        "algorithm1" => Plasticity::Algorithm1,
        "algorithm2" => Plasticity::Algorithm2,
        _ => Plasticity::Mirror,
    };
    let rate = r.number("rule.e_rate", 1.0)?;
    let std = r.number("rule.e_std", if direct { 1.0 } else { neighbours(facts, net) })?;
    let mismatch = mismatch(r)?;
    let kappa = r.numbers("rule.kappa")?;
    Ok(RecLraConfig { wiring, depth, beta, gamma, plasticity, rate, std, mismatch, kappa })
}

/// The error synapses of the wiring list, which wants some where a hidden region is.
pub(super) fn listed(r: &mut Reader<'_>, wanted: bool) -> Result<Vec<String>> {
    let synapses = r.words("rule.synapses")?;
    if wanted && synapses.is_empty() {
        let want = "needs its error synapses; give them with rule.synapses, [\"out->b2\", \"b2->b1\"] say, or choose another wiring";
        return Err(SpecError::bad("rule.wiring", &Value::from("list"), want.to_owned()));
    }
    Ok(synapses)
}

/// How error neurons follow from z - y.
pub(super) fn mismatch(r: &mut Reader<'_>) -> Result<Mismatch> {
    let error = r.choice("rule.error", "l2", &["l2", "l1", "mixed", "lp"])?;
    let a = r.number("rule.mix", 0.5)?;
    r.unread("rule.mix", 0.5, error == "mixed", "the error mixed only; set rule.error = \"mixed\"")?;
    let by = "the error lp only; set rule.error = \"lp\"";
    let (p, q) = (r.number("rule.p", 2.0)?, r.number("rule.q", 2.0)?);
    r.unread("rule.p", 2, error == "lp", by)?;
    r.unread("rule.q", 2, error == "lp", by)?;
    Ok(match error.as_str() {
        "l1" => Mismatch::L1,
        "mixed" => Mismatch::Mixed { a },
        "lp" => Mismatch::lp(p, q),
        _ => Mismatch::L2,
    })
}

/// Reads `out->b2`.
pub(super) fn synapse(text: &str) -> Result<(String, String)> {
    let parts = text.split_once("->").map(|(a, b)| (a.trim().to_owned(), b.trim().to_owned()));
    parts.filter(|(a, b)| !a.is_empty() && !b.is_empty()).ok_or_else(|| {
        let want = "must be written sender->receiver, such as \"out->b2\"".to_owned();
        SpecError::bad("rule.synapses", &Value::String(text.to_owned()), want)
    })
}
