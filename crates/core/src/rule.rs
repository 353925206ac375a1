//! The trait [`Rule`]: how error neurons appear. Nothing else is a rule's business.
//!
//! A rule says once which synapses of its own it has (error synapses, random feedback, learned inverses) and which
//! local updates follow from its signals; at each step it fills the error neurons. The outer product, the mean over the
//! batch, re-projection and optimiser are the same for all rules.

use crate::block::{How, Insides, Lent};
use crate::forward::activate;
use crate::graph::{Graph, RegionId};
pub use crate::param::{Init, Layout, ParamId, ParamSpec, Role};
pub use crate::params::Params;
use crate::phi::Phi;
pub use crate::signals::{Activity, Errors, Signal};
pub use crate::updates::{Increment, Update, network_updates};
use reclra_compute::dense::{Message, Receive, Response, Sources};
use reclra_compute::rng::Key;
use reclra_compute::{Device, Tensor};
use smallvec::SmallVec;

/// A rule of credit assignment, made for one [`Graph`]. Immutable: what changes is handed to it.
pub trait Rule: std::fmt::Debug + Send + Sync {
    /// Name, as after `--rule`.
    fn name(&self) -> &'static str;

    /// The parameters it keeps besides those of the network, in the order of [`Params::own`]. Unless told: none.
    fn params(&self, _graph: &Graph) -> Vec<ParamSpec> {
        Vec::new()
    }

    /// The local updates of every step, at most one of each parameter. All are independent of each other. Unless told:
    /// [`network_updates`] of every region.
    fn updates(&self, graph: &Graph) -> Vec<Update> {
        network_updates(graph, |_| true, &[])
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

/// What a rule sees of a network that is to settle, after the forward pass: no label, no error.
#[derive(Debug)]
pub struct Settle<'a> {
    /// Where to compute.
    pub device: &'a Device,
    /// The network.
    pub graph: &'a Graph,
    /// The parameters: synapses and biases of the network.
    pub params: &'a Params,
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
    /// The parameters: the rule's own, and those of the network for rules that read them; rec-LRA does not read W.
    pub params: &'a Params,
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
    /// The rule's own parameters, in the order of [`Rule::params`].
    #[must_use]
    pub fn own(&self) -> &'a [Tensor] {
        self.params.own()
    }

    /// Enters block `i` with its error neurons e_i and updates its inside; with `leave`, the signal that leaves at its input
    /// becomes what the region before it receives.
    pub fn enter(&mut self, i: RegionId, how: &How<'_>, leave: bool) {
        let Step { device, graph, params, key, activity, errors, insides, .. } = self;
        let region = &graph.regions()[i];
        let (Some(block), Some(inside)) = (&region.inside, &mut insides.blocks[i]) else { return };
        let shared = &mut insides.shared;
        let Errors { e, d, deltas, .. } = &mut **errors;
        let lent = Lent {
            device,
            params: params.range(&region.params),
            fixed: &params.fixed[i],
            key: key.child(i as u64),
            training: true,
            shared,
        };
        let d = leave.then(|| &mut d[i - 1]);
        block.down(
            lent,
            inside,
            how,
            [&activity.z[i - 1], &activity.h[i], &e[i]],
            &mut deltas[region.params.clone()],
            d,
        );
    }

    /// z of block `i` on another input `x`, by the statistics of this batch; what the forward pass left stays.
    pub fn again(&mut self, i: RegionId, x: &Tensor, key: Key, z: &mut Tensor) {
        let Step { device, graph, params, insides, .. } = self;
        let region = &graph.regions()[i];
        let Some(block) = &region.inside else { return };
        let mut h = insides.take(device, region.width, x.cols());
        let (params, fixed, shared) = (params.range(&region.params), &params.fixed[i], &mut insides.shared);
        block.forward(Lent { device, params, fixed, key, training: true, shared }, None, x, &mut h);
        activate(device, region.phi, &h, z);
        insides.give([h]);
    }

    /// Block `i` learns by association alone: no error neuron enters it.
    pub fn associate(&mut self, i: RegionId) {
        let Step { device, graph, params, key, activity, errors, insides, .. } = self;
        let region = &graph.regions()[i];
        let (Some(block), Some(inside)) = (&region.inside, &mut insides.blocks[i]) else { return };
        let (params, fixed, shared) = (params.range(&region.params), &params.fixed[i], &mut insides.shared);
        let lent = Lent { device, params, fixed, key: key.child(i as u64), training: true, shared };
        block.associate(lent, inside, [&activity.z[i - 1], &activity.h[i]], &mut errors.deltas[region.params.clone()]);
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
    /// are independent of each other. What came back through the block that a region leads into is in d_i already.
    pub fn receive(&mut self, wave: &[RegionId], response: Response, inflow: impl Fn(RegionId) -> Inflow<'a>) {
        let (there, wave): (SmallVec<[RegionId; 32]>, SmallVec<[RegionId; 32]>) =
            wave.iter().copied().partition(|&i| self.graph.leads_into_block(i));
        there.iter().for_each(|&i| self.respond(i, response));
        if wave.is_empty() {
            return;
        }
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
