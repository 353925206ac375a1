//! The rules of credit assignment, one file each, in the letters of their sources.

mod backprop;
pub mod blocks;
mod equilibrium_prop;
mod feedback_alignment;
mod head_only;
mod hebbian;
mod lra_e;
mod rec_lra;
mod target_prop;

pub use backprop::{Backprop, BackpropConfig};
pub use equilibrium_prop::{EquilibriumProp, EquilibriumPropConfig};
pub use feedback_alignment::{DirectFeedbackAlignment, FeedbackAlignment, FeedbackConfig};
pub use head_only::HeadOnly;
pub use hebbian::{Hebbian, HebbianConfig};
pub use lra_e::{LraE, LraEConfig};
pub use rec_lra::{Plasticity, RecLra, RecLraConfig};
pub use target_prop::{TargetProp, TargetPropConfig};

use crate::error::{Error, Result, check};
use crate::graph::Graph;
use crate::rule::Step;
use reclra_compute::pointwise::Mismatch;

/// (name, one line) of each rule.
pub const KNOWN: &[(&str, &str)] = &[
    (
        "rec-lra",
        "recursive local representation alignment (Ororbia et al. 2020); no derivatives, no backward pass, but for the \
         inside of image networks' blocks under rule.inner = \"backprop\", the default there",
    ),
    ("backprop", "backpropagation of errors: the exact gradient, through phi' and W^T"),
    ("feedback-alignment", "backprop with fixed random feedback in place of W^T (Lillicrap et al. 2016)"),
    (
        "direct-feedback-alignment",
        "the output error straight to every region by fixed random feedback (Nøkland 2016); on feature maps one weight a channel and class",
    ),
    ("lra-e", "local representation alignment with learned error synapses (Ororbia and Mali 2019); chains"),
    ("target-prop", "targets through learned inverses (Bengio 2014; Lee et al. 2015); chains of regions or blocks"),
    (
        "difference-target-prop",
        "target-prop corrected by what the inverses miss (Lee et al. 2015); chains of regions or blocks",
    ),
    ("equilibrium-prop", "contrast of two nudged equilibria (Scellier and Bengio 2017; Laborieux et al. 2021); chains"),
    ("head-only", "the output alone learns, the rest stays as it was drawn: the control"),
    ("hebbian", "Oja's subspace rule below a trained readout; no error leaves the output"),
];

/// Each plasticity of the error synapses of rec-LRA by name, with one line.
pub const PLASTICITIES: &[(&str, Plasticity, &str)] = &[
    ("mirror", Plasticity::Mirror, "dE = gamma z_i e_j^T; what the authors' code does"),
    ("fixed", Plasticity::Fixed, "dE = 0"),
    ("algorithm1", Plasticity::Algorithm1, "dE = -gamma e_i d_j^T, as printed; diverges"),
    ("algorithm2", Plasticity::Algorithm2, "dE = -gamma d_i e_j^T, as printed, index repaired; diverges"),
];

/// Whether a setting is a number of 0 or more.
fn finite(x: f64) -> bool {
    x.is_finite() && x >= 0.0
}

/// An [`Error::Setting`] unless error neurons can follow from z - y that way.
fn check_mismatch(mismatch: Mismatch) -> Result<()> {
    match mismatch {
        Mismatch::Mixed { a } => check((0.0..=1.0).contains(&a), "rule.mix", a, "must lie in [0, 1]"),
        Mismatch::Lp { p, q } => {
            let power = |x: f64| x.is_finite() && x >= 1.0;
            check(power(p), "rule.p", p, "must be at least 1: below it is no norm")?;
            check(power(q), "rule.q", q, "must be at least 1: below, error neurons grow as z comes near y")
        }
        _ => Ok(()),
    }
}

/// Counts what the output adds to the discrepancy as `mismatch` has it; the squared distance is there already. Its error neurons stay
/// z_L - y_L.
fn count_output(mismatch: Mismatch, step: &mut Step<'_>) {
    if mismatch != Mismatch::L2 {
        let out = step.graph.output();
        let e = &step.errors.e[out];
        step.errors.discrepancy[out] = step.device.discrepancy(mismatch, e) / e.cols().max(1) as f64;
    }
}

/// An [`Error::Unsuited`] unless every region has the one before it as its only source.
fn chain(rule: &'static str, why: &'static str, graph: &Graph) -> Result<()> {
    let regions = graph.regions();
    for (i, r) in regions.iter().enumerate().skip(1) {
        let names = |list: &[usize]| list.iter().map(|&k| &*regions[k].name).collect::<Vec<_>>().join(", ");
        let has = if !r.shortcuts.is_empty() {
            format!("is given a shortcut from {}", names(&r.shortcuts))
        } else if r.sources != [i - 1] {
            format!("has synapses from {}", names(&r.sources))
        } else {
            continue;
        };
        let remedy = "use a plain chain of regions, or choose rec-lra, backprop or feedback-alignment";
        return Err(Error::Unsuited { rule, region: r.name.clone(), has, why, remedy });
    }
    Ok(())
}
