//! The trait [`Rule`]: how error neurons appear. Nothing else is a rule's business.
//!
//! A rule says once which synapses of its own it has (error synapses, random feedback, learned inverses) and which
//! local updates follow from its signals; at each step it fills the error neurons. The outer product, the mean over the
//! batch, re-projection and optimiser are the same for all rules.

use crate::graph::{Graph, RegionId};
use reclra_compute::{Device, Tensor};

/// A rule of credit assignment, made for one [`Graph`]. Immutable: what changes is handed to it.
pub trait Rule: std::fmt::Debug + Send + Sync {
    /// Name, as after `--rule`.
    fn name(&self) -> &'static str;

    /// The synapses it keeps besides W and b, in the order in which [`Step::own`] has them.
    fn own_synapses(&self, graph: &Graph) -> Vec<OwnSynapse>;

    /// The local updates of every step. All are independent of each other.
    fn local_updates(&self, graph: &Graph) -> Vec<LocalUpdate>;

    /// Makes the error neurons of one step appear.
    fn error_neurons(&self, step: &mut Step<'_>);

    /// What a user should know before training with these settings.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// Error synapses for drawings, as (sender, receiver).
    fn error_edges(&self) -> Vec<(RegionId, RegionId)> {
        Vec::new()
    }

    /// Regions that may fire at the same time, in order, the output first; for drawings.
    fn waves(&self, graph: &Graph) -> Vec<Vec<RegionId>> {
        (1..=graph.output()).rev().map(|i| vec![i]).collect()
    }
}

/// A matrix that belongs to a rule: E_{from->to}, n_to x n_from in the paper's letters.
///
/// It is kept as its transpose M, n_from x n_to, laid out like the forward synapse to->from that it answers.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnSynapse {
    /// Name in saved models, `E.b2->b1` say.
    pub name: String,
    /// Rows of M: units of the sender.
    pub from_width: usize,
    /// Columns of M: units of the receiver.
    pub to_width: usize,
    /// Standard deviation of the zero-mean Gaussian it starts from.
    pub std: f64,
}

/// A parameter of the network or of its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Param {
    /// W from the `source`-th of a region's sources.
    Weight {
        /// The region it leads into.
        region: RegionId,
        /// Place in its list of sources.
        source: usize,
    },
    /// b of a region.
    Bias(RegionId),
    /// The rule's own synapse of that number.
    Own(usize),
}

/// A signal of one step: units x samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// z of a region.
    Z(RegionId),
    /// Error neurons of a region.
    E(RegionId),
    /// What a region received; d_L := e_L.
    D(RegionId),
}

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
    for (i, region) in graph.regions().iter().enumerate().skip(1).filter(|(i, _)| learns(*i)) {
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

/// h and z of every region for one batch; z of region 0 is the input.
#[derive(Clone, Debug)]
pub struct Activity {
    /// Pre-activations, n_l x B. Empty for the input.
    pub h: Vec<Tensor>,
    /// Activities, n_l x B.
    pub z: Vec<Tensor>,
}

impl Activity {
    /// Room for the activities of a graph.
    #[must_use]
    pub fn new(device: &Device, graph: &Graph) -> Activity {
        let room = || graph.regions().iter().map(|r| device.zeros(&[r.width, 0])).collect();
        Activity { h: room(), z: room() }
    }
}

/// Error neurons and what leads to them, for one batch.
#[derive(Clone, Debug)]
pub struct Errors {
    /// e: error neurons.
    pub e: Vec<Tensor>,
    /// d: sum of the messages received; d_L := e_L.
    pub d: Vec<Tensor>,
    /// y: targets; y_L is the label, one-hot.
    pub y: Vec<Tensor>,
    /// Each region's part of the total discrepancy, kappa_l (|z_l - y_l|_p)^q, a mean over the batch.
    pub discrepancy: Vec<f64>,
}

impl Errors {
    /// Room for the error neurons of a graph.
    #[must_use]
    pub fn new(device: &Device, graph: &Graph) -> Errors {
        let room = || graph.regions().iter().map(|r| device.zeros(&[r.width, 0])).collect();
        Errors { e: room(), d: room(), y: room(), discrepancy: vec![0.0; graph.regions().len()] }
    }
}

/// What a rule sees of one step, after the forward pass.
///
/// The error neurons of the output, e_L = z_L - y_L, and d_L := e_L are there already.
#[derive(Debug)]
pub struct Step<'a> {
    /// Where to compute.
    pub device: &'a Device,
    /// The network.
    pub graph: &'a Graph,
    /// The forward weights, for rules that read them; rec-LRA does not.
    pub weights: &'a [Vec<Tensor>],
    /// The rule's own synapses, each as its transpose M.
    pub own: &'a [Tensor],
    /// h and z of every region.
    pub activity: &'a Activity,
    /// e, d, y to be filled.
    pub errors: &'a mut Errors,
}
