//! The local updates of a step, as data: which parameter changes, and from what.

use crate::graph::{Graph, RegionId};
use crate::param::ParamId;
use crate::signals::Signal;

/// What a parameter's local update is made from, summed over the samples of the batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Increment {
    /// post pre^T, which is never there as a tensor: it is formed while the parameter is updated.
    Outer {
        /// Rows of the outer product.
        post: Signal,
        /// Columns of the outer product; none for a vector.
        pre: Option<Signal>,
    },
    /// What a block or the rule has summed in [`crate::signals::Errors::deltas`].
    Summed,
}

/// One local update: param = descend(param, Nm(factor * mean over the batch of its increment)).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Update {
    /// What is updated.
    pub param: ParamId,
    /// The parameter of the rule that receives the very same increment, if one does.
    pub mirror: Option<ParamId>,
    /// What it is made from.
    pub increment: Increment,
    /// kappa, gamma, sign.
    pub factor: f64,
    /// Factor on the learning rate.
    pub rate: f64,
}

impl Update {
    /// The update of `param` by an outer product.
    #[must_use]
    pub fn outer(param: ParamId, post: Signal, pre: Option<Signal>) -> Update {
        Update { param, mirror: None, increment: Increment::Outer { post, pre }, factor: 1.0, rate: 1.0 }
    }

    /// The update of `param` by what was summed.
    #[must_use]
    pub fn summed(param: ParamId) -> Update {
        Update { param, mirror: None, increment: Increment::Summed, factor: 1.0, rate: 1.0 }
    }

    /// The same with a factor.
    #[must_use]
    pub fn times(self, factor: f64) -> Update {
        Update { factor, ..self }
    }

    /// The same at another rate.
    #[must_use]
    pub fn at_rate(self, rate: f64) -> Update {
        Update { rate, ..self }
    }
}

/// The updates of the regions that `learns`: dW_{i->j} = kappa_j e_j z_i^T and db_j = kappa_j e_j of a dense region, what was summed of
/// every trained parameter of a block. This is what nearly all rules do once the error neurons are there (method section 1, item 4).
/// `kappa` begins with region 1; where it ends, 1 follows.
pub fn network_updates(graph: &Graph, learns: impl Fn(RegionId) -> bool, kappa: &[f64]) -> Vec<Update> {
    let mut updates = Vec::new();
    for (i, region) in graph.regions().iter().enumerate().skip(1).filter(|(i, _)| learns(*i)) {
        let factor = kappa.get(i - 1).copied().unwrap_or(1.0);
        if let Some(block) = &region.inside {
            let trained = region.params.clone().zip(block.params()).filter(|(_, (_, p))| p.is_trained());
            updates.extend(trained.map(|(n, _)| Update::summed(ParamId(n)).times(factor)));
            continue;
        }
        for (source, &k) in region.sources.iter().enumerate() {
            let (w, e, z) = (graph.weight(i, source), Signal::E(i), Signal::Z(k));
            updates.push(Update::outer(w, e, Some(z)).times(factor));
        }
        updates.extend(graph.bias(i).map(|b| Update::outer(b, Signal::E(i), None).times(factor)));
    }
    updates
}
