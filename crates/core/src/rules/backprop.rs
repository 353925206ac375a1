//! Backpropagation of errors (Rumelhart, Hinton, Williams 1986): the peer that every other rule is measured against.
//!
//! ```text
//! e_L = z_L - y_L                               softmax and cross-entropy, or identity and half the squared error
//! d_i = sum over forward targets j of W_{i->j}^T e_j, plus e_j where i reaches j by a shortcut
//! e_i = d_i * phi_i'(h_i)                       the exact dL/dh_i
//! dW_{i->j} = e_j z_i^T,  db_j = e_j            the gradient
//! ```
//!
//! In an image network d_{i-1} is what comes back through path and shortcut of block i, by the pull-back of each layer.
//!
//! Needs: phi', and every W once more, transposed. Regions wait for all their targets. Settings: none. Cost of a step in
//! matrix products of the size of W: one forward, one back (the first layer sends none), one for updates.

use crate::block::How;
use crate::graph::{Graph, RegionId};
use crate::rule::{Inflow, Rule, Step};
use reclra_compute::dense::Response;

/// Settings of backprop: there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BackpropConfig {}

/// Backprop on one graph.
#[derive(Clone, Debug)]
pub struct Backprop {
    targets: Targets,
}

impl Backprop {
    /// Any graph will do.
    ///
    /// # Errors
    /// None: the same form as other rules.
    pub fn new(_config: BackpropConfig, graph: &Graph) -> crate::Result<Backprop> {
        Ok(Backprop::of(graph))
    }

    /// [`Backprop::new`] without settings.
    #[must_use]
    pub fn of(graph: &Graph) -> Backprop {
        Backprop { targets: Targets::new(graph) }
    }
}

impl Rule for Backprop {
    fn name(&self) -> &'static str {
        "backprop"
    }

    fn error_neurons(&self, step: &mut Step<'_>) {
        let (graph, params) = (step.graph, step.params);
        let how = How { response: Response::Derivative, feedback: &|_| None, given: None };
        step.enter(graph.output(), &how, graph.output() > 1);
        for i in graph.hidden().rev() {
            // d_i = sum of W_{i->j}^T e_j + e_j; e_i = d_i * phi'(h_i)
            let weight = |(j, source, _)| (&params[graph.weight(j, source)], j);
            let messages = self.targets.synapses(i).map(weight).collect();
            let inflow = Inflow { messages, shortcuts: self.targets.shortcuts(i).collect() };
            step.receive(&[i], Response::Derivative, |_| inflow.clone());
            step.enter(i, &how, i > 1);
        }
    }

    fn uses_derivative(&self) -> bool {
        true
    }

    fn error_edges(&self) -> Vec<(RegionId, RegionId)> {
        self.targets.edges()
    }
}

/// The forward graph read backwards: where each region leads.
#[derive(Clone, Debug)]
pub(super) struct Targets {
    /// (i, j, place of i among the sources of j), numbered through
    synapses: Vec<(RegionId, RegionId, usize)>,
    /// (i, j)
    shortcuts: Vec<(RegionId, RegionId)>,
}

impl Targets {
    /// Synapses of dense regions and shortcuts, from hidden regions.
    pub(super) fn new(graph: &Graph) -> Targets {
        let (mut synapses, mut shortcuts) = (Vec::new(), Vec::new());
        for (j, r) in graph.regions().iter().enumerate().filter(|(_, r)| r.inside.is_none()) {
            let hidden = |&(_, &i): &(usize, &RegionId)| i != 0;
            synapses.extend(r.sources.iter().enumerate().filter(hidden).map(|(source, &i)| (i, j, source)));
            shortcuts.extend(r.shortcuts.iter().filter(|&&i| i != 0).map(|&i| (i, j)));
        }
        Targets { synapses, shortcuts }
    }

    /// (j, place among the sources of j, number) of each synapse i->j.
    pub(super) fn synapses(&self, i: RegionId) -> impl Iterator<Item = (RegionId, usize, usize)> + '_ {
        self.synapses.iter().enumerate().filter(move |(_, s)| s.0 == i).map(|(n, s)| (s.1, s.2, n))
    }

    /// (i, j) of every synapse, in the order of their numbers.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (RegionId, RegionId)> + '_ {
        self.synapses.iter().map(|&(i, j, _)| (i, j))
    }

    /// j of each shortcut i->j.
    pub(super) fn shortcuts(&self, i: RegionId) -> impl Iterator<Item = RegionId> + '_ {
        self.shortcuts.iter().filter(move |s| s.0 == i).map(|s| s.1)
    }

    /// (j, i): who sends errors to whom.
    pub(super) fn edges(&self) -> Vec<(RegionId, RegionId)> {
        let mut edges: Vec<_> = self.pairs().chain(self.shortcuts.iter().copied()).map(|(i, j)| (j, i)).collect();
        edges.sort_unstable();
        edges.dedup();
        edges
    }
}
