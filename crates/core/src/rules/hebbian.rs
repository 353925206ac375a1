//! Hebbian learning: Oja's subspace rule (Oja 1989) below a readout that is told the label. No error leaves the output.
//!
//! ```text
//! dW_{k->i} = h_i (z_k - W_{k->i}^T h_i)^T      hidden regions, upwards: they learn what their sources have in common
//! e_L = z_L - y_L,  dW_{i->L} = e_L z_i^T,  db_L = e_L                the readout
//! ```
//!
//! h is what the synapses make of their sources before phi; with it the rows of W come to span the directions of the
//! largest variance (principal ones, where the data have zero mean). Several sources are reconstructed each on its own,
//! which is the same rule on all of them side by side. Biases of hidden regions stay as they are: 0.
//!
//! Needs: W, read by the unit it belongs to; no label below the output, no derivative, no waiting: every region is done
//! as soon as its sources are. Shortcuts are refused, as h would hold what no W made. Settings: `oja` true (false leaves
//! the hidden regions as they were drawn: random features, the baseline every rule must beat), `rate` 0.3 (factor on the
//! learning rate of hidden regions). Cost of a step in matrix products of the size of W: one forward, one to reconstruct,
//! one for updates.

use super::shared::finite;
use crate::block::How;
use crate::error::{Error, Result, check};
use crate::graph::{Graph, RegionId};
use crate::rule::{Increment, Rule, Signal, Step, Update, errors, network_updates};
use reclra_compute::dense::{Forward, Message, Response};
use reclra_compute::pointwise::Phi;

/// Settings of Hebbian learning.
#[derive(Clone, Debug, PartialEq)]
pub struct HebbianConfig {
    /// Whether hidden regions learn by Oja's rule; else they stay random.
    pub oja: bool,
    /// Factor on the learning rate of hidden regions.
    pub rate: f64,
}

impl Default for HebbianConfig {
    fn default() -> Self {
        HebbianConfig { oja: true, rate: 0.3 }
    }
}

/// Hebbian learning on one graph.
#[derive(Clone, Debug)]
pub struct Hebbian {
    config: HebbianConfig,
    /// (i, place of k among its sources, k) of every synapse into a hidden region that learns.
    synapses: Vec<(RegionId, usize, RegionId)>,
    /// Whether the output is a block, inside which backprop takes derivatives.
    derivative: bool,
}

impl Hebbian {
    /// Checks the settings, and that of every hidden region that is to learn what its weights make can be told from what a shortcut adds.
    ///
    /// # Errors
    /// Names the setting that is out of its range, or the region.
    pub fn new(config: HebbianConfig, graph: &Graph) -> Result<Hebbian> {
        check(finite(config.rate), "rule.rate", config.rate, "must be 0 or a positive number")?;
        let mut synapses = Vec::new();
        for i in graph.hidden().filter(|_| config.oja) {
            let r = &graph.regions()[i];
            if let Some(&k) = r.shortcuts.first() {
                return Err(Error::Unsuited {
                    rule: "hebbian",
                    region: r.name.clone(),
                    has: format!("is given a shortcut from {}", graph.regions()[k].name),
                    why: "Oja's rule reconstructs sources from what their weights made of them alone",
                    remedy: "leave shortcuts out, set oja = false, or choose rec-lra",
                });
            }
            let Some(block) = &r.inside else {
                synapses.extend(r.sources.iter().enumerate().map(|(source, &k)| (i, source, k)));
                continue;
            };
            let last = block.path().last().filter(|s| s.layer.has_synapses());
            if let Some(last) = last.filter(|_| block.shortcut().is_some()) {
                return Err(Error::Unsuited {
                    rule: "hebbian",
                    region: r.name.clone(),
                    has: format!("ends its path in {}, beside a shortcut", last.name),
                    why: "Oja's rule reconstructs inputs from what the weights made of them alone",
                    remedy: "put a batch norm after it, set oja = false, or choose rec-lra",
                });
            }
        }
        let derivative = graph.blocks().last().flatten().is_some();
        Ok(Hebbian { config, synapses, derivative })
    }
}

impl Rule for Hebbian {
    fn name(&self) -> &'static str {
        "hebbian"
    }

    /// For the n-th synapse W_{k->i}: 2n holds W^T h_i, 2n + 1 what it exceeds z_k by.
    fn buffers(&self, graph: &Graph) -> Vec<usize> {
        self.synapses.iter().flat_map(|&(_, _, k)| [graph.regions()[k].width; 2]).collect()
    }

    fn held(&self, graph: &Graph) -> usize {
        errors(graph, |l| l == graph.output() || graph.regions()[l].inside.is_some())
            + self.buffers(graph).iter().sum::<usize>()
    }

    fn error_neurons(&self, step: &mut Step<'_>) {
        let (graph, params) = (step.graph, step.params);
        for (&(i, source, k), buffers) in self.synapses.iter().zip(step.errors.buffers.chunks_exact_mut(2)) {
            let [back, excess] = buffers else { unreachable!("chunks of two") };
            step.device.forward(Forward {
                afferents: Default::default(),
                messages: [Message { synapse: &params[graph.weight(i, source)], e: &step.activity.h[i] }]
                    .into_iter()
                    .collect(),
                bias: None,
                shortcuts: Default::default(),
                phi: Phi::Identity,
                h: back,
                z: excess,
            });
            // The optimiser descends, so the sign is turned: W^T h - z.
            step.device.blend((1.0, back), (-1.0, &step.activity.z[k]), excess);
        }
        let how = How { response: Response::Derivative, feedback: &|_| None, given: None };
        step.enter(graph.output(), &how, false);
        for i in graph.hidden().filter(|_| self.config.oja) {
            step.associate(i);
        }
    }

    fn updates(&self, graph: &Graph) -> Vec<Update> {
        let (out, specs) = (graph.output(), graph.param_specs(0.0));
        let mut updates = network_updates(graph, |i| i == out, &[]);
        // What the matrices of hidden blocks have summed by association; the rest of a block stays as it is.
        let associates =
            |u: &Update| self.config.oja && u.increment == Increment::Summed && specs[u.param.index()].is_weight();
        let hidden = network_updates(graph, |i| i != out, &[]).into_iter().filter(associates);
        updates.extend(hidden.map(|u| u.at_rate(self.config.rate)));
        for (n, &(region, source, _)) in self.synapses.iter().enumerate() {
            // -dW_{k->i} = h_i (W^T h_i - z_k)^T
            let (h, excess) = (Signal::H(region), Signal::Buffer(2 * n + 1));
            updates.push(Update::outer(graph.weight(region, source), h, Some(excess)).at_rate(self.config.rate));
        }
        updates
    }

    fn uses_derivative(&self) -> bool {
        self.derivative
    }

    fn waves(&self, graph: &Graph) -> Vec<Vec<RegionId>> {
        vec![vec![graph.output()]]
    }
}
