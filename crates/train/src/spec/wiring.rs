//! Error synapses that are named one by one, and how error neurons follow from z - y.

use super::error::{Result, SpecError};
use super::read::Reader;
use reclra::Mismatch;
use toml::Value;

/// The error synapses of the wiring list, which `wants` some where a hidden region is; other wirings have none.
pub(super) fn listed(r: &mut Reader<'_>, is_list: bool, wants: bool) -> Result<Vec<(String, String)>> {
    let synapses = r.words("rule.synapses")?;
    if wants && synapses.is_empty() {
        let want = "needs its error synapses; give them with rule.synapses, [\"out->b2\", \"b2->b1\"] say, or choose another wiring";
        return Err(SpecError::bad("rule.wiring", &Value::from("list"), want.to_owned()));
    }
    if !synapses.is_empty() && !is_list {
        let want = "is read by the wiring list only; set rule.wiring = \"list\" or remove it".to_owned();
        return Err(SpecError::bad("rule.synapses", &Value::from(synapses), want));
    }
    synapses.iter().map(|s| synapse(s)).collect()
}

/// How error neurons follow from z - y: of a, and of p and q.
type MismatchKind = fn(f64, [f64; 2]) -> Mismatch;

/// How error neurons follow from z - y, by name.
const MISMATCHES: &[(&str, MismatchKind)] = &[
    ("l2", |_, _| Mismatch::L2),
    ("l1", |_, _| Mismatch::L1),
    ("mixed", |a, _| Mismatch::Mixed { a }),
    ("lp", |_, [p, q]| Mismatch::lp(p, q)),
];

/// How error neurons follow from z - y.
pub(super) fn mismatch(r: &mut Reader<'_>) -> Result<Mismatch> {
    let kind = r.pick("rule.error", "l2", MISMATCHES)?;
    let a = r.number("rule.mix", 0.5)?;
    let is_mixed = matches!(kind(a, [3.0; 2]), Mismatch::Mixed { .. });
    r.unread("rule.mix", 0.5, is_mixed, "the error mixed only; set rule.error = \"mixed\"")?;
    let (p, q) = (r.number("rule.p", 2.0)?, r.number("rule.q", 2.0)?);
    let is_lp = matches!(kind(a, [3.0; 2]), Mismatch::Lp { .. });
    let by = "the error lp only; set rule.error = \"lp\"";
    r.unread("rule.p", 2, is_lp, by)?;
    r.unread("rule.q", 2, is_lp, by)?;
    Ok(kind(a, [p, q]))
}

/// Reads `out->b2`.
fn synapse(text: &str) -> Result<(String, String)> {
    let parts = text.split_once("->").map(|(a, b)| (a.trim().to_owned(), b.trim().to_owned()));
    parts.filter(|(a, b)| !a.is_empty() && !b.is_empty()).ok_or_else(|| {
        let want = "must be written sender->receiver, such as \"out->b2\"".to_owned();
        SpecError::bad("rule.synapses", &Value::String(text.to_owned()), want)
    })
}
