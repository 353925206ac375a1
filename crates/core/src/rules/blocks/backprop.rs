//! Backprop through blocks: e_i = d_i * phi_i'(h_i), d_{i-1} what comes back through path and shortcut of block i. Exact.

use crate::block::How;
use crate::graph::RegionId;
use crate::rule::{Rule, Step};
use reclra_compute::dense::Response;

/// Backprop on an image network.
#[derive(Clone, Debug, Default)]
pub struct BackpropBlocks;

impl Rule for BackpropBlocks {
    fn name(&self) -> &'static str {
        "backprop"
    }

    fn error_neurons(&self, step: &mut Step<'_>) {
        let out = step.graph.output();
        for i in (1..=out).rev() {
            if i < out {
                step.respond(i, Response::Derivative);
            }
            let how = How { response: Response::Derivative, feedback: &|_| None, given: None };
            step.enter(i, &how, i > 1);
        }
    }

    fn uses_derivative(&self) -> bool {
        true
    }

    fn error_edges(&self) -> Vec<(RegionId, RegionId)> {
        Vec::new()
    }
}
