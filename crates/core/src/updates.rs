//! The local updates of a step, as data: which parameter changes, and from which signals.

use crate::graph::{Graph, RegionId};
use crate::params::Param;
use crate::signals::{Errors, Signal};
use reclra_compute::{Device, Tensor};

/// One local update: param = descend(param, Nm(factor * mean over the batch of post pre^T)).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LocalUpdate {
    /// What is updated.
    pub param: Param,
    /// The rule's own synapse that receives the very same increment, if one does.
    pub mirror: Option<usize>,
    /// Rows of the outer product.
    pub post: Signal,
    /// Columns of the outer product; none for a bias.
    pub pre: Option<Signal>,
    /// kappa, gamma, sign.
    pub factor: f64,
    /// Factor on the learning rate.
    pub rate: f64,
}

/// dW_{i->j} = kappa_j e_j z_i^T and db_j = kappa_j e_j, for each region that `learns`: what nearly all rules do once
/// the error neurons are there (method section 1, item 4).
pub fn weight_updates(graph: &Graph, learns: impl Fn(RegionId) -> bool, kappa: &[f64]) -> Vec<LocalUpdate> {
    let mut updates = Vec::new();
    let dense = |i: RegionId| graph.regions()[i].inside.is_none();
    for (i, region) in graph.regions().iter().enumerate().skip(1).filter(|(i, _)| dense(*i) && learns(*i)) {
        let factor = kappa.get(i - 1).copied().unwrap_or(1.0);
        let common =
            LocalUpdate { param: Param::Bias(i), mirror: None, post: Signal::E(i), pre: None, factor, rate: 1.0 };
        for (source, &k) in region.sources.iter().enumerate() {
            let param = Param::Weight { region: i, source };
            updates.push(LocalUpdate { param, pre: Some(Signal::Z(k)), ..common });
        }
        if region.bias {
            updates.push(common);
        }
    }
    updates
}

/// The update of a parameter whose local update a block or the rule has summed over the samples already: param =
/// descend(param, Nm(factor * mean over the batch of its delta)).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockUpdate {
    /// [`Param::Inside`], whose delta is in [`Errors::deltas`], or [`Param::Own`], whose delta is in [`Errors::own_deltas`].
    pub param: Param,
    /// The rule's own synapse that receives the same increment, if one does.
    pub mirror: Option<usize>,
    /// kappa.
    pub factor: f64,
    /// Factor on the learning rate.
    pub rate: f64,
    /// True for a matrix, whose update is re-projected. Matrices of the network decay too, those of a rule do not.
    pub is_weight: bool,
}

impl BlockUpdate {
    /// The region it lies in; none for a rule's own.
    #[must_use]
    pub fn region(&self) -> Option<RegionId> {
        if let Param::Inside { region, .. } = self.param { Some(region) } else { None }
    }

    /// Its delta.
    pub(crate) fn delta<'a>(&self, errors: &'a Errors) -> &'a Tensor {
        match self.param {
            Param::Inside { region, n } => &errors.deltas[region][n],
            Param::Own(n) => &errors.own_deltas[n],
            Param::Weight { .. } | Param::Bias(_) => unreachable!("dense regions sum no deltas"),
        }
    }
}

/// Every trained parameter of every block.
pub(crate) fn block_updates(graph: &Graph) -> Vec<BlockUpdate> {
    let mut updates = Vec::new();
    for (region, r) in graph.regions().iter().enumerate() {
        let params = r.inside.iter().flat_map(|block| block.params()).enumerate();
        updates.extend(params.filter(|(_, (_, p))| p.is_trained()).map(|(n, (_, p))| BlockUpdate {
            param: Param::Inside { region, n },
            mirror: None,
            factor: 1.0,
            rate: 1.0,
            is_weight: p.is_weight(),
        }));
    }
    updates
}

/// Room for the deltas that a rule sums of its `own` synapses.
pub(crate) fn own_deltas(device: &Device, own: &[Tensor], updates: &[BlockUpdate]) -> Vec<Tensor> {
    let is_summed = |n: usize| updates.iter().any(|u| u.param == Param::Own(n));
    let one = |(n, own): (usize, &Tensor)| if is_summed(n) { device.zeros(own.shape()) } else { Tensor::default() };
    own.iter().enumerate().map(one).collect()
}
