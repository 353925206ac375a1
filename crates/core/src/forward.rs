//! The forward pass: the activities of all regions, one after the other, kept or freed.

use crate::block::{Inside, Insides, Lent, Shared};
use crate::graph::{Graph, RegionId};
use crate::params::Params;
use crate::signals::Activity;
use reclra_compute::dense::{Afferent, Forward};
use reclra_compute::rng::Key;
use reclra_compute::{Device, Tensor};

/// What a forward pass runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Network<'a> {
    pub(crate) device: &'a Device,
    pub(crate) graph: &'a Graph,
    pub(crate) params: &'a Params,
    /// Whether normalisations go by the batch and dropout drops.
    pub(crate) training: bool,
    /// Randomness of this step.
    pub(crate) key: Key,
}

impl Network<'_> {
    /// h_l = W_l z_{l-1} + b_l (+ shortcuts), or what a block makes of its input, and z_l = phi_l(h_l) (Alg. 1, line 4); `z` holds the
    /// activities of the regions before it.
    fn region(
        self,
        l: RegionId,
        z: &[Tensor],
        (inside, shared): (Option<&mut Inside>, &mut Shared),
        [h, z_l]: [&mut Tensor; 2],
    ) {
        let Network { device, graph, params, training, key } = self;
        let region = &graph.regions()[l];
        if let Some(block) = &region.inside {
            let (params, fixed, key) = (params.range(&region.params), &params.fixed[l], key.child(l as u64));
            block.forward(Lent { device, params, fixed, key, training, shared }, inside, &z[l - 1], h);
            return activate(device, region.phi, h, z_l);
        }
        let weights = region.sources.iter().zip(params.range(&region.params));
        device.forward(Forward {
            afferents: weights.map(|(&k, weight)| Afferent { weight, z: &z[k] }).collect(),
            messages: Default::default(),
            bias: graph.bias(l).map(|b| &params[b]),
            shortcuts: region.shortcuts.iter().map(|&k| &z[k]).collect(),
            phi: region.phi,
            h,
            z: z_l,
        });
    }

    /// The activities of all regions, and what the way back needs inside blocks.
    pub(crate) fn keep(self, activity: &mut Activity, insides: &mut Insides) {
        for l in 1..self.graph.regions().len() {
            let (z, rest) = activity.z.split_at_mut(l);
            let room = (insides.blocks[l].as_mut(), &mut insides.shared);
            self.region(l, z, room, [&mut activity.h[l], &mut rest[0]]);
        }
    }

    /// h and z of the output for a batch, one sample a row.
    pub(crate) fn free<'a>(self, x: &[f32], passing: &'a mut Passing) -> [&'a Tensor; 2] {
        let Network { device, graph, .. } = self;
        let Passing { h, z, shared } = passing;
        let regions = graph.regions();
        let batch = x.len() / regions[0].width.max(1);
        shared.give(z.drain(..));
        let mut input = shared.take(device, regions[0].width, batch);
        device.load_batch(x, &mut input);
        z.push(input);
        for (l, region) in regions.iter().enumerate().skip(1) {
            if h.bytes() == 0 {
                *h = device.zeros(&[region.width, batch]);
            }
            h.reshape(region.width, batch);
            let mut z_l = shared.take(device, region.width, batch);
            self.region(l, z, (None, shared), [h, &mut z_l]);
            z.push(z_l);
            for k in (0..l).filter(|&k| last_reader(graph, k) == l) {
                shared.give([std::mem::take(&mut z[k])]);
            }
        }
        // The output is the last region, so its h is there still.
        [h, &z[graph.output()]]
    }
}

/// Where activities are that are given up as soon as the last region that reads them has done so.
#[derive(Debug, Default)]
pub(crate) struct Passing {
    /// Pre-activations: of one region at a time.
    h: Tensor,
    /// Activities that are still needed, by region.
    z: Vec<Tensor>,
    /// Storage of those that no longer are, and room that kernels need.
    shared: Shared,
}

impl Passing {
    /// Bytes held.
    pub(crate) fn bytes(&self) -> u64 {
        self.shared.bytes() + self.z.iter().chain([&self.h]).map(|t| t.bytes() as u64).sum::<u64>()
    }
}

/// The last region that reads z of `k`; `k` itself where none does.
fn last_reader(graph: &Graph, k: RegionId) -> RegionId {
    graph.targets(k).last().unwrap_or(k)
}

/// z = phi(h); a softmax goes through the dense phase, which knows whole columns.
pub(crate) fn activate(device: &Device, phi: crate::phi::Phi, h: &Tensor, z: &mut Tensor) {
    if phi != crate::phi::Phi::Softmax {
        return device.perturb_units(h, None, phi, z);
    }
    let mut copy = device.zeros(&[h.rows(), 0]);
    device.forward(Forward {
        afferents: Default::default(),
        messages: Default::default(),
        bias: None,
        shortcuts: [h].into_iter().collect(),
        phi,
        h: &mut copy,
        z,
    });
}

/// Numbers that the activities of an evaluation come to hold for `batch` samples: the same walk without the arithmetic.
#[must_use]
pub fn evaluation_numbers(graph: &Graph, batch: usize) -> usize {
    let regions = graph.regions();
    let widest = regions.iter().skip(1).map(|r| r.width).max().unwrap_or(0);
    let (mut held, mut free): (Vec<usize>, Vec<usize>) = (vec![regions[0].width], Vec::new());
    for (l, region) in regions.iter().enumerate().skip(1) {
        let need = region.width;
        let fit = |&t: &usize| if t >= need { (0, t) } else { (1, usize::MAX - t) };
        let room = match (0..free.len()).min_by_key(|&i| fit(&free[i])) {
            Some(i) => free.swap_remove(i).max(need),
            None => need,
        };
        held.push(room);
        free.extend((0..l).filter(|&k| last_reader(graph, k) == l).map(|k| std::mem::take(&mut held[k])));
    }
    batch * (widest + held.iter().chain(&free).sum::<usize>())
}
