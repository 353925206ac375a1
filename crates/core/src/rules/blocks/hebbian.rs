//! Hebbian learning on image networks: Oja's subspace rule in every convolution and dense layer below a readout that is told
//! the label. No error leaves the output.
//!
//! ```text
//! dW = sum over samples and places of h (x - W^T h)^T       x: what a place of h is made of
//! e_L = z_L - y_L; inside the output by backprop
//! ```
//!
//! With several places the reconstruction W^T h is that of one window, not of the sum over overlapping ones. Normalisations
//! and biases below the output stay as they are. Needs: W, read by the layer it belongs to; no label below the output, no
//! waiting. Settings: `oja`, `rate` as in [`HebbianConfig`]. Cost of a step in convolutions: one forward, one for updates, and
//! the correlations between channels.

use crate::block::How;
use crate::error::{Error, Result, check};
use crate::graph::{Graph, RegionId};
use crate::rule::{Rule, Step, Update, network_updates};
use crate::rules::HebbianConfig;
use crate::rules::shared::finite;
use reclra_compute::dense::Response;

/// Hebbian learning on an image network.
#[derive(Clone, Debug)]
pub struct HebbianBlocks {
    config: HebbianConfig,
}

impl HebbianBlocks {
    /// Checks the settings, and that what every synapse makes can be told from what a shortcut adds.
    ///
    /// # Errors
    /// Names the setting that is out of its range, or the block.
    pub fn new(config: HebbianConfig, graph: &Graph) -> Result<HebbianBlocks> {
        check(finite(config.rate), "rule.rate", config.rate, "must be 0 or a positive number")?;
        for i in graph.hidden().filter(|_| config.oja) {
            let r = &graph.regions()[i];
            let Some(block) = r.inside.as_ref().filter(|b| b.shortcut().is_some()) else { continue };
            let Some(last) = block.path().last().filter(|s| s.layer.has_synapses()) else { continue };
            return Err(Error::Unsuited {
                rule: "hebbian",
                region: r.name.clone(),
                has: format!("ends its path in {}, beside a shortcut", last.name),
                why: "Oja's rule reconstructs inputs from what the weights made of them alone",
                remedy: "put a batch norm after it, set oja = false, or choose rec-lra",
            });
        }
        Ok(HebbianBlocks { config })
    }
}

impl Rule for HebbianBlocks {
    fn name(&self) -> &'static str {
        "hebbian"
    }

    fn updates(&self, graph: &Graph) -> Vec<Update> {
        let specs = graph.param_specs(0.0);
        let is_output = |u: &Update| graph.region_of(u.param) == Some(graph.output());
        let learns = |u: &Update| is_output(u) || (self.config.oja && specs[u.param.index()].is_weight());
        let rate = |u: Update| if is_output(&u) { u } else { u.at_rate(self.config.rate) };
        network_updates(graph, |_| true, &[]).into_iter().filter(learns).map(rate).collect()
    }

    fn error_neurons(&self, step: &mut Step<'_>) {
        let how = How { response: Response::Derivative, feedback: &|_| None, given: None };
        step.enter(step.graph.output(), &how, false);
        for i in step.graph.hidden().filter(|_| self.config.oja) {
            step.associate(i);
        }
    }

    fn uses_derivative(&self) -> bool {
        // Inside the output, where it is more than one layer.
        true
    }

    fn waves(&self, graph: &Graph) -> Vec<Vec<RegionId>> {
        vec![vec![graph.output()]]
    }
}
