//! Multilayer perceptrons in a spec.

use super::error::{Result, SpecError};
use super::nets::NetSpec;
use super::preset::small;
use super::read::Reader;
use reclra::{Phi, phi};
use reclra_data::DataFacts;
use toml::Value;

/// Largest number of regions and of units in one: beyond, an architecture is a typing mistake.
const LARGEST: (usize, usize) = (1000, 1 << 20);

/// Reads 784-3x256-10 as 784, 256, 256, 256, 10.
fn widths(arch: &str) -> Option<Vec<usize>> {
    let mut widths = Vec::new();
    for part in arch.split('-') {
        let (times, width) = part.split_once('x').unwrap_or(("1", part));
        let (times, width): (usize, usize) = (times.trim().parse().ok()?, width.trim().parse().ok()?);
        if times == 0 || width == 0 || width > LARGEST.1 || widths.len() + times > LARGEST.0 {
            return None;
        }
        widths.extend(std::iter::repeat_n(width, times));
    }
    (widths.len() >= 2).then_some(widths)
}

/// Width of input and output of an architecture.
pub(crate) fn ends(arch: &str) -> Option<(usize, usize)> {
    widths(arch).map(|w| (w[0], w[w.len() - 1]))
}

/// Epochs of table 1 for such hidden layers; sigmoid units are in figure 4 only.
pub(super) fn epochs_of_paper(net: &NetSpec) -> u64 {
    let hidden = &net.widths[1..net.widths.len() - 1];
    let long = [5, 8].contains(&hidden.len()) && hidden.iter().all(|&w| w == 256) && net.act != Phi::Sigmoid;
    if long { 500 } else { 100 }
}

/// Reads widths, activation and initial weights.
pub(super) fn net(r: &mut Reader<'_>, facts: &DataFacts, rule: &str) -> Result<NetSpec> {
    let fitting = |hidden: &str| format!("{}-{hidden}-{}", facts.pixels(), facts.classes());
    let arch = r.text("net.arch", &fitting("3x256"))?;
    let value = Value::String(arch.clone());
    let widths = widths(&arch).ok_or_else(|| {
        let want = format!(
            "must be widths joined by dashes, each at least 1 and at most {}, no more than {} of them, such as {}",
            LARGEST.1,
            LARGEST.0,
            fitting("3x256")
        );
        SpecError::bad("net.arch", &value, want)
    })?;
    if (widths[0], widths[widths.len() - 1]) != (facts.pixels(), facts.classes()) {
        let inner: Vec<&str> = arch.split('-').collect();
        let inner = inner[1..inner.len() - 1].join("-");
        let remedy = if inner.is_empty() { format!("{}-{}", facts.pixels(), facts.classes()) } else { fitting(&inner) };
        let (name, pixels, classes) = (&facts.name, facts.pixels(), facts.classes());
        let want = format!("does not fit {name}, which has {pixels} pixels and {classes} classes; write {remedy}");
        return Err(SpecError::bad("net.arch", &value, want));
    }
    let known: Vec<(&str, Phi)> = phi::KNOWN.iter().map(|k| (k.name, k.phi)).collect();
    let act = r.pick("net.act", "tanh", &known)?;
    let residual = Some(r.count("net.residual", 0)? as usize).filter(|&g| g > 0);
    let bias = r.flag("net.bias", true)?;
    let deep = widths.len() > 5;
    let w_std = if act == Phi::Sigmoid && deep {
        0.025
    } else if small(facts) && !r.paper && !(rule == "equilibrium-prop" && widths.len() > 3) {
        0.15
    } else {
        0.05
    };
    let w_std = r.number("net.w_std", w_std)?;
    if w_std < 0.0 || (w_std > 1e6 && !r.kept()) {
        return Err(SpecError::bad("net.w_std", &Value::Float(w_std), "must lie between 0 and a million".into()));
    }
    Ok(NetSpec { image: None, widths, act, residual, bias, w_std })
}
