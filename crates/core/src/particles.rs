//! Persistent particles: states that rules which settle keep of every training sample, so that its next free phase begins
//! where its last one ended (Scellier and Bengio 2017, section 4).

use crate::graph::{Graph, RegionId};
use crate::params::transposed;
use crate::signals::Activity;
use reclra_compute::Device;

/// The kept state of the regions a rule names, for each sample that has been seen: 4 bytes a unit and sample.
#[derive(Clone, Debug, Default)]
pub(crate) struct Particles {
    regions: Vec<RegionId>,
    /// Units of each.
    widths: Vec<usize>,
    /// For each region one state a row, by sample.
    states: Vec<Vec<f32>>,
    /// Whether a sample has a state yet.
    seen: Vec<bool>,
}

impl Particles {
    pub(crate) fn new(regions: Vec<RegionId>, graph: &Graph) -> Particles {
        let widths = regions.iter().map(|&l| graph.regions()[l].width).collect();
        Particles { states: vec![Vec::new(); regions.len()], regions, widths, seen: Vec::new() }
    }

    /// (region, units, one state a row) of each region.
    pub(crate) fn states(&self) -> impl Iterator<Item = (RegionId, usize, &[f32])> {
        let states = self.states.iter().map(Vec::as_slice);
        self.regions.iter().zip(&self.widths).zip(states).map(|((&l, &n), s)| (l, n, s))
    }

    /// Whether each sample has a state.
    pub(crate) fn seen(&self) -> &[bool] {
        &self.seen
    }

    /// Puts back what [`Particles::states`] and [`Particles::seen`] gave.
    pub(crate) fn restore(&mut self, states: Vec<Vec<f32>>, seen: Vec<bool>) {
        (self.states, self.seen) = (states, seen);
    }

    /// Puts the kept states of these samples, one a column, in the place of what the forward pass made.
    pub(crate) fn recall(&self, samples: &[u32], device: &Device, activity: &mut Activity) {
        for (&l, states) in self.regions.iter().zip(&self.states) {
            let z = &mut activity.z[l];
            let n = z.rows();
            let mut rows = transposed(&z.to_f32(), n, z.cols());
            for (&sample, row) in samples.iter().zip(rows.chunks_exact_mut(n)) {
                let at = sample as usize;
                if self.seen.get(at) == Some(&true) {
                    row.copy_from_slice(&states[at * n..(at + 1) * n]);
                }
            }
            device.load_batch(&rows, z);
        }
    }

    /// Keeps the states as they are now.
    pub(crate) fn keep(&mut self, samples: &[u32], activity: &Activity) {
        let Some(count) = samples.iter().max().map(|&m| m as usize + 1).filter(|_| !self.regions.is_empty()) else {
            return;
        };
        if self.seen.len() < count {
            self.seen.resize(count, false);
        }
        for (&l, states) in self.regions.iter().zip(&mut self.states) {
            let z = &activity.z[l];
            let n = z.rows();
            if states.len() < self.seen.len() * n {
                states.resize(self.seen.len() * n, 0.0);
            }
            let rows = transposed(&z.to_f32(), n, z.cols());
            for (&sample, row) in samples.iter().zip(rows.chunks_exact(n)) {
                states[sample as usize * n..(sample as usize + 1) * n].copy_from_slice(row);
            }
        }
        samples.iter().for_each(|&s| self.seen[s as usize] = true);
    }
}
