//! The signals of one step: activities, error neurons and what leads to them.

use crate::graph::{Graph, Region, RegionId};
use reclra_compute::{Device, Tensor};

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
    /// Signals of the rule's own, see [`crate::rule::Rule::buffers`].
    pub buffers: Vec<Tensor>,
    /// The local updates that are summed over the batch ([`crate::rule::Increment::Summed`]), each at the place of its parameter:
    /// of every parameter of a block, and of those of the rule that it sums itself. Others have none.
    pub deltas: Vec<Tensor>,
}

impl Errors {
    /// Room for the error neurons of a graph, and for the rule's own signals of so many units each.
    #[must_use]
    pub fn new(device: &Device, graph: &Graph, buffers: &[usize]) -> Errors {
        let room = || graph.regions().iter().map(|r| device.zeros(&[r.width, 0])).collect();
        let buffers = buffers.iter().map(|&n| device.zeros(&[n, 0])).collect();
        let deltas = |r: &Region| match &r.inside {
            Some(block) => block.params().map(|(_, p)| device.zeros(&p.dims())).collect(),
            None => vec![Tensor::default(); r.params.len()],
        };
        let deltas = graph.regions().iter().flat_map(deltas).collect();
        Errors { e: room(), d: room(), y: room(), discrepancy: vec![0.0; graph.regions().len()], buffers, deltas }
    }
}
