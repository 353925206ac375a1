//! Shared by several rules: checks of settings and graphs, and synapses of the shape of a block's weights.

use crate::block::Sender;
use crate::error::{Error, Result, check};
use crate::graph::{Graph, RegionId};
use crate::rule::{Init, ParamSpec, Step};
use reclra_compute::maps::{Convolution, Extent, Window};
use reclra_compute::pointwise::Mismatch;

/// True if a setting is a finite number of 0 or more.
pub(super) fn finite(x: f64) -> bool {
    x.is_finite() && x >= 0.0
}

/// An [`Error::Setting`] unless error neurons can follow from z - y that way.
pub(super) fn check_mismatch(mismatch: Mismatch) -> Result<()> {
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
pub(super) fn count_output(mismatch: Mismatch, step: &mut Step<'_>) {
    if mismatch != Mismatch::L2 {
        let out = step.graph.output();
        let e = &step.errors.e[out];
        step.errors.discrepancy[out] = step.device.discrepancy(mismatch, e) / e.cols().max(1) as f64;
    }
}

/// An [`Error::Unsuited`] unless every region has the one before it as its only source.
pub(super) fn chain(rule: &'static str, why: &'static str, graph: &Graph) -> Result<()> {
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

/// A synapse of the shape of each matrix of weights of a block, to stand in its place on the way back: names and He's
/// deviation times `factor`.
pub(super) fn twins(kind: &str, graph: &Graph, i: RegionId, factor: f64) -> Vec<ParamSpec> {
    let r = &graph.regions()[i];
    let Some(block) = &r.inside else { return Vec::new() };
    let one = |sender: Sender<'_>| {
        let stage = sender.stage;
        let shape = stage.layer.params()[0].shape;
        let std = factor * (2.0 / shape[1] as f64).sqrt();
        ParamSpec::new(format!("{kind}.{}.{}", r.name, stage.name), shape, Init::Normal(std))
    };
    block.synapses().map(one).collect()
}

/// Channels of a region's output.
pub(super) fn channels(graph: &Graph, i: RegionId) -> usize {
    graph.regions()[i].inside.as_ref().map_or(0, |b| b.to().channels)
}

/// A dense product of `from` units to `to`, as a convolution of one place.
pub(super) fn product(from: usize, to: usize) -> Convolution {
    Convolution { from: Extent::new(from, 1, 1), out: to, window: Window::square(1, 1, 0), groups: 1 }
}
