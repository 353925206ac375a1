//! The `[rule]` section: one arm a rule, with the defaults that work for the network at hand.

use super::read::Reader;
use super::{DataFacts, NetSpec, Result, SpecError, small};
use reclra::rule::Rule;
use reclra::{Graph, Mismatch, Plasticity, RecLra, RecLraConfig, Wiring, rules};
use toml::Value;

/// The rule of a run with its settings.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RuleSpec {
    /// Recursive local representation alignment.
    RecLra(RecLraConfig),
}

impl RuleSpec {
    /// The rule on a graph.
    ///
    /// # Errors
    /// Names the setting or region that does not do.
    pub fn build(&self, graph: &Graph) -> Result<Box<dyn Rule>> {
        match self {
            RuleSpec::RecLra(config) => Ok(Box::new(RecLra::new(config.clone(), graph)?)),
        }
    }

    /// The setting that is known to make this rule diverge, if it is chosen.
    #[must_use]
    pub fn diverges(&self) -> Option<&'static str> {
        match self {
            RuleSpec::RecLra(c) => {
                matches!(c.plasticity, Plasticity::Algorithm1 | Plasticity::Algorithm2).then(|| c.plasticity.name())
            }
        }
    }

    /// The name after `--rule`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            RuleSpec::RecLra(_) => "rec-lra",
        }
    }
}

pub(super) fn read(r: &mut Reader<'_>, facts: &DataFacts, net: &NetSpec) -> Result<RuleSpec> {
    let names: Vec<&str> = rules::KNOWN.iter().map(|k| k.0).collect();
    let name = r.choice("rule.name", "rec-lra", &names)?;
    r.only_for(&name)?;
    Ok(RuleSpec::RecLra(rec_lra(r, facts, net)?))
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
    let synapses = r.words("rule.synapses")?;
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
    let wide = hidden.iter().any(|&n| n >= 1024);
    let std = r.number(
        "rule.e_std",
        if direct {
            1.0
        } else if small(facts) {
            0.15
        } else if wide {
            0.05
        } else {
            0.1
        },
    )?;
    let error = r.choice("rule.error", "l2", &["l2", "l1", "mixed"])?;
    let a = r.number("rule.mix", 0.5)?;
    let mismatch = match error.as_str() {
        "l1" => Mismatch::L1,
        "mixed" => Mismatch::Mixed { a },
        _ => Mismatch::L2,
    };
    let kappa = r.numbers("rule.kappa")?;
    Ok(RecLraConfig { wiring, depth, beta, gamma, plasticity, rate, std, mismatch, kappa })
}

/// Reads `out->b2`.
fn synapse(text: &str) -> Result<(String, String)> {
    let parts = text.split_once("->").map(|(a, b)| (a.trim().to_owned(), b.trim().to_owned()));
    parts.filter(|(a, b)| !a.is_empty() && !b.is_empty()).ok_or_else(|| {
        let want = "must be written sender->receiver, such as \"out->b2\"".to_owned();
        SpecError::bad("rule.synapses", &Value::String(text.to_owned()), want)
    })
}
