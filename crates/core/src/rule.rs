//! The trait [`Rule`]: how error neurons appear. Nothing else is a rule's business.
//!
//! A rule says once which synapses of its own it has (error synapses, random feedback, learned inverses) and which
//! local updates follow from its signals; at each step it fills the error neurons. The outer product, the mean over the
//! batch, re-projection and optimiser are the same for all rules.

use crate::block::{Evaluation, How, Insides, Lent};
use crate::forward::activate;
use crate::graph::{Graph, RegionId};
use crate::phi::Phi;
use reclra_compute::dense::{Message, Receive, Response, Sources};
use reclra_compute::rng::Key;
use reclra_compute::{Device, Tensor};
use smallvec::SmallVec;

/// A rule of credit assignment, made for one [`Graph`]. Immutable: what changes is handed to it.
pub trait Rule: std::fmt::Debug + Send + Sync {
    /// Name, as after `--rule`.
    fn name(&self) -> &'static str;

    /// The synapses it keeps besides W and b, in the order in which [`Step::own`] has them.
    fn own_synapses(&self, graph: &Graph) -> Vec<OwnSynapse>;

    /// The local updates of every step. All are independent of each other. Unless told: [`weight_updates`] of
    /// every region.
    fn local_updates(&self, graph: &Graph) -> Vec<LocalUpdate> {
        weight_updates(graph, |_| true, &[])
    }

    /// The updates of parameters whose deltas are summed already: those inside blocks, and of the rule's own those that it
    /// sums itself. Unless told: of all parameters in blocks that are trained.
    fn block_updates(&self, graph: &Graph) -> Vec<BlockUpdate> {
        block_updates(graph)
    }

    /// Units of each signal of its own that it keeps through a step, in the order of [`Errors::buffers`].
    fn buffers(&self, _graph: &Graph) -> Vec<usize> {
        Vec::new()
    }

    /// Regions whose activity is kept of every training sample, for the next time it comes: persistent particles.
    fn persistent(&self, _graph: &Graph) -> Vec<RegionId> {
        Vec::new()
    }

    /// What changes the activity after the forward pass, in training and in evaluation, for rules that settle.
    fn settles(&self) -> Option<&dyn Settles> {
        None
    }

    /// Whether it takes the derivative of activations.
    fn uses_derivative(&self) -> bool {
        false
    }

    /// Numbers that a step holds of each sample besides h and z, for the estimate of memory. Unless told: e, d and y of every
    /// region, and the rule's own signals.
    fn held(&self, graph: &Graph) -> usize {
        errors(graph, |_| true) + self.buffers(graph).iter().sum::<usize>()
    }

    /// Makes the error neurons of one step appear.
    fn error_neurons(&self, step: &mut Step<'_>);

    /// What a user should know before training `graph` with these settings.
    fn warnings(&self, graph: &Graph) -> Vec<String> {
        surrogate_warning(self.uses_derivative(), graph)
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

/// Numbers of e, d and y of the regions that have them, for [`Rule::held`]. Targets of blocks are not kept.
pub fn errors(graph: &Graph, has: impl Fn(RegionId) -> bool) -> usize {
    let regions = graph.regions().iter().enumerate().skip(1).filter(|(l, _)| has(*l));
    regions.map(|(_, r)| if r.inside.is_some() { 2 * r.width } else { 3 * r.width }).sum()
}

/// Rules whose activity is not that of the forward pass alone.
pub trait Settles {
    /// Changes the activity after the forward pass.
    fn infer(&self, settle: &mut Settle<'_>);
}

/// How a parameter of a rule is written in the paper, and how it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// E_{from->to}, n_to x n_from, kept as its transpose M, n_from x n_to: laid out like the forward synapse to->from
    /// that it answers, for [`Message`].
    Transposed,
    /// n_to x n_from, kept as it is written, for [`reclra_compute::dense::Afferent`].
    Plain,
    /// A vector of n_to biases.
    Bias,
}

/// A parameter that belongs to a rule: a synapse from->to, or biases.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnSynapse {
    /// Name in saved models, `E.b2->b1` say.
    pub name: String,
    /// Units of the sender; 1 for biases.
    pub from_width: usize,
    /// Units of the receiver.
    pub to_width: usize,
    /// Standard deviation of the zero-mean Gaussian it starts from.
    pub std: f64,
    /// How it is kept.
    pub layout: Layout,
    /// Whether it is part of a state. What never learns can be drawn again from the seed.
    pub stored: bool,
}

impl OwnSynapse {
    /// `kind`.from->to between two regions, kept transposed: error synapses, feedback in place of W^T.
    #[must_use]
    pub fn feedback(kind: &str, graph: &Graph, from: RegionId, to: RegionId, std: f64) -> OwnSynapse {
        let [j, i] = [from, to].map(|r| &graph.regions()[r]);
        let name = format!("{kind}.{}->{}", j.name, i.name);
        OwnSynapse { name, from_width: j.width, to_width: i.width, std, layout: Layout::Transposed, stored: true }
    }

    /// The shape the paper gives it.
    #[must_use]
    pub fn shape(&self) -> Vec<usize> {
        if self.layout == Layout::Bias { vec![self.to_width] } else { vec![self.to_width, self.from_width] }
    }

    /// The shape in which it is kept.
    #[must_use]
    pub fn kept_shape(&self) -> Vec<usize> {
        let mut shape = self.shape();
        if self.layout == Layout::Transposed {
            shape.reverse();
        }
        shape
    }
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
    /// A parameter of a region that is a block.
    Inside {
        /// The region.
        region: RegionId,
        /// Place in [`crate::block::Block::params`].
        n: usize,
    },
}

/// A signal of one step: units x samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// h of a region.
    H(RegionId),
    /// z of a region.
    Z(RegionId),
    /// Error neurons of a region.
    E(RegionId),
    /// What a region received; d_L := e_L.
    D(RegionId),
    /// The rule's own signal of that number. It may have other columns than the batch has samples; means are over the
    /// batch still.
    Buffer(usize),
}

impl Signal {
    /// The signal in a step.
    pub(crate) fn of<'a>(self, activity: &'a Activity, errors: &'a Errors) -> &'a Tensor {
        match self {
            Signal::H(i) => &activity.h[i],
            Signal::Z(i) => &activity.z[i],
            Signal::E(i) => &errors.e[i],
            Signal::D(i) => &errors.d[i],
            Signal::Buffer(n) => &errors.buffers[n],
        }
    }
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
    /// Signals of the rule's own, see [`Rule::buffers`].
    pub buffers: Vec<Tensor>,
    /// The local updates of the parameters of each block, summed over the batch.
    pub deltas: Vec<Vec<Tensor>>,
    /// Those of the rule's own synapses that it sums itself ([`BlockUpdate`]); the others have none.
    pub own_deltas: Vec<Tensor>,
}

impl Errors {
    /// Room for the error neurons of a graph, and for the rule's own signals of so many units each.
    #[must_use]
    pub fn new(device: &Device, graph: &Graph, buffers: &[usize]) -> Errors {
        let room = || graph.regions().iter().map(|r| device.zeros(&[r.width, 0])).collect();
        let buffers = buffers.iter().map(|&n| device.zeros(&[n, 0])).collect();
        let deltas = |r: &crate::graph::Region| match &r.inside {
            Some(block) => block.params().map(|(_, p)| device.zeros(&p.dims())).collect(),
            None => Vec::new(),
        };
        let deltas = graph.regions().iter().map(deltas).collect();
        Errors {
            e: room(),
            d: room(),
            y: room(),
            discrepancy: vec![0.0; graph.regions().len()],
            buffers,
            deltas,
            own_deltas: Vec::new(),
        }
    }
}

/// What a rule sees of a network that is to settle, after the forward pass: no label, no error.
#[derive(Debug)]
pub struct Settle<'a> {
    /// Where to compute.
    pub device: &'a Device,
    /// The network.
    pub graph: &'a Graph,
    /// The forward weights.
    pub weights: &'a [Vec<Tensor>],
    /// The biases.
    pub biases: &'a [Option<Tensor>],
    /// h and z of every region, to be changed.
    pub activity: &'a mut Activity,
    /// The rule's own signals, as scratch.
    pub buffers: &'a mut [Tensor],
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
    /// The biases, for rules that run parts of the network again.
    pub biases: &'a [Option<Tensor>],
    /// The rule's own synapses, each as its [`Layout`] says.
    pub own: &'a [Tensor],
    /// The parameters of each block, and its numbers that never learn.
    pub blocks: (&'a [Vec<Tensor>], &'a [Vec<Option<Tensor>>]),
    /// What the forward pass left in each block.
    pub insides: &'a mut Insides,
    /// Randomness of this step.
    pub key: Key,
    /// h and z of every region.
    pub activity: &'a Activity,
    /// e, d, y to be filled.
    pub errors: &'a mut Errors,
}

/// What one region receives: M^T e_j through each of the `messages`, and e_j as it is through the `shortcuts`.
#[derive(Clone, Debug, Default)]
pub struct Inflow<'a> {
    /// (M, j)
    pub messages: Sources<(&'a Tensor, RegionId)>,
    /// j
    pub shortcuts: Sources<RegionId>,
}

impl<'a> Step<'a> {
    /// Enters block `i` with its error neurons e_i and updates its inside; with `leave`, the signal that leaves at its input
    /// becomes what the region before it receives.
    pub fn enter(&mut self, i: RegionId, how: &How<'_>, leave: bool) {
        let Step { device, graph, blocks, key, activity, errors, insides, .. } = self;
        let (Some(block), Some(inside)) = (&graph.regions()[i].inside, &mut insides.blocks[i]) else { return };
        let shared = &mut insides.shared;
        let Errors { e, d, deltas, .. } = &mut **errors;
        let lent = Lent {
            device,
            params: &blocks.0[i],
            fixed: &blocks.1[i],
            key: key.child(i as u64),
            training: true,
            inside,
            shared,
        };
        let d = leave.then(|| &mut d[i - 1]);
        block.down(lent, how, [&activity.z[i - 1], &activity.h[i]], &e[i], &mut deltas[i], d);
    }

    /// z of block `i` on another input `x`, by the statistics of this batch; what the forward pass left stays.
    pub fn again(&mut self, i: RegionId, x: &Tensor, key: Key, z: &mut Tensor) {
        let Step { device, graph, blocks, insides, .. } = self;
        let region = &graph.regions()[i];
        let Some(block) = &region.inside else { return };
        let mut h = insides.take(device, region.width, x.cols());
        let (free, room) = insides.spare();
        let (params, fixed, training) = (&blocks.0[i], &blocks.1[i], Some(key));
        block.evaluate(Evaluation { device, params, fixed, free, room, training }, x, &mut h);
        activate(device, region.phi, &h, z);
        insides.give([h]);
    }

    /// Block `i` learns by association alone: no error neuron enters it.
    pub fn associate(&mut self, i: RegionId) {
        let Step { device, graph, blocks, key, activity, errors, insides, .. } = self;
        let (Some(block), Some(inside)) = (&graph.regions()[i].inside, &mut insides.blocks[i]) else { return };
        let (params, fixed, shared) = (&blocks.0[i], &blocks.1[i], &mut insides.shared);
        let lent = Lent { device, params, fixed, key: key.child(i as u64), training: true, inside, shared };
        block.associate(lent, [&activity.z[i - 1], &activity.h[i]], &mut errors.deltas[i]);
    }

    /// e_i from what block `i` has received, and its share of the discrepancy.
    pub fn respond(&mut self, i: RegionId, response: Response) {
        let Step { device, graph, activity, errors, .. } = self;
        let Errors { e, d, discrepancy, .. } = &mut **errors;
        let signals = [&activity.h[i], &activity.z[i], &d[i]];
        let share = device.respond(response, graph.regions()[i].phi, signals, &mut e[i]);
        discrepancy[i] = share / signals[0].cols().max(1) as f64;
    }

    /// d_i = sum of the messages from error neurons that are done, then the response, for each region of a wave; they
    /// are independent of each other.
    pub fn receive(&mut self, wave: &[RegionId], response: Response, inflow: impl Fn(RegionId) -> Inflow<'a>) {
        let Errors { e, d, y, discrepancy, .. } = &mut *self.errors;
        // What is written is lent out of its list for the phase and put back after it.
        let lent: SmallVec<[_; 32]> =
            wave.iter().map(|&i| [&mut *d, &mut *y, &mut *e].map(|l| std::mem::take(&mut l[i]))).collect();
        let mut received: SmallVec<[Receive<'_>; 32]> = wave
            .iter()
            .zip(lent)
            .map(|(&i, [d, y, e_i])| {
                let inflow = inflow(i);
                Receive {
                    messages: inflow.messages.iter().map(|&(synapse, j)| Message { synapse, e: &e[j] }).collect(),
                    shortcuts: inflow.shortcuts.iter().map(|&j| &e[j]).collect(),
                    h: &self.activity.h[i],
                    z: &self.activity.z[i],
                    phi: self.graph.regions()[i].phi,
                    response,
                    d,
                    y,
                    e: e_i,
                    discrepancy: 0.0,
                }
            })
            .collect();
        self.device.receive(&mut received);
        let done: SmallVec<[_; 32]> = received.into_iter().map(|r| (r.d, r.y, r.e, r.discrepancy)).collect();
        for (&i, (d_i, y_i, e_i, share)) in wave.iter().zip(done) {
            discrepancy[i] = share / e_i.cols().max(1) as f64;
            (d[i], y[i], e[i]) = (d_i, y_i, e_i);
        }
    }
}

/// The warning of a rule that takes derivatives, if the graph has units without one.
pub(crate) fn surrogate_warning(uses_derivative: bool, graph: &Graph) -> Vec<String> {
    let inside =
        |r: &crate::graph::Region| r.inside.iter().any(|b| b.stages().any(|s| s.layer.phi() == Some(Phi::Sign)));
    let sign = uses_derivative && graph.regions().iter().any(|r| r.phi == Phi::Sign || inside(r));
    let text = "sign units have no derivative: hard tanh's slope stands in (straight-through surrogate)";
    if sign { vec![text.to_owned()] } else { Vec::new() }
}
