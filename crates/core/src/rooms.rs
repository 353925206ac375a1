//! Evaluation in little room: an activity is given up as soon as the last region that reads it has done so.

use crate::block::Evaluation;
use crate::forward::activate;
use crate::graph::{Graph, RegionId};
use crate::params::Params;
use crate::spare::Spare;
use reclra_compute::dense::{Afferent, Forward};
use reclra_compute::{Device, Tensor};

/// Where activities are while a batch passes through a network that does not learn from it.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    /// Pre-activations: of one region at a time.
    h: Tensor,
    /// Activities that are still needed, by region.
    z: Vec<Tensor>,
    /// Storage of those that no longer are.
    free: Spare,
    /// Room that kernels need.
    room: reclra_compute::maps::Room,
}

impl Rooms {
    /// h and z of the output for a batch, one sample a row.
    pub(crate) fn forward(&mut self, device: &Device, graph: &Graph, params: &Params, x: &[f32]) -> [&Tensor; 2] {
        let regions = graph.regions();
        let batch = x.len() / regions[0].width.max(1);
        self.free.give(self.z.drain(..));
        let mut input = self.free.take(device, regions[0].width, batch);
        device.load_batch(x, &mut input);
        self.z.push(input);
        for (l, region) in regions.iter().enumerate().skip(1) {
            if self.h.bytes() == 0 {
                self.h = device.zeros(&[region.width, batch]);
            }
            self.h.reshape(region.width, batch);
            let mut z = self.free.take(device, region.width, batch);
            if let Some(block) = &region.inside {
                let (params, fixed) = (params.range(&region.params), &params.fixed[l]);
                let at =
                    Evaluation { device, params, fixed, free: &mut self.free, room: &mut self.room, training: None };
                block.evaluate(at, &self.z[l - 1], &mut self.h);
                activate(device, region.phi, &self.h, &mut z);
                self.z.push(z);
                self.free.give([std::mem::take(&mut self.z[l - 1])]);
                continue;
            }
            device.forward(Forward {
                afferents: (region.sources.iter().zip(params.range(&region.params)))
                    .map(|(&k, weight)| Afferent { weight, z: &self.z[k] })
                    .collect(),
                messages: Default::default(),
                bias: graph.bias(l).map(|b| &params[b]),
                shortcuts: region.shortcuts.iter().map(|&k| &self.z[k]).collect(),
                phi: region.phi,
                h: &mut self.h,
                z: &mut z,
            });
            self.z.push(z);
            for k in (0..l).filter(|&k| last_reader(graph, k) == l) {
                self.free.give([std::mem::take(&mut self.z[k])]);
            }
        }
        // The output is the last region, so its h is there still.
        [&self.h, &self.z[graph.output()]]
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> u64 {
        self.free.bytes() + self.z.iter().chain([&self.h]).map(|t| t.bytes() as u64).sum::<u64>()
    }
}

/// The last region that reads z of `k`; `k` itself where none does.
fn last_reader(graph: &Graph, k: RegionId) -> RegionId {
    graph.targets(k).last().unwrap_or(k)
}

/// Numbers that `Rooms` come to hold for `batch` samples: the same walk without the arithmetic.
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
