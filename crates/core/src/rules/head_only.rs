//! The control: only the output learns, by its own error neurons e_L = z_L - y_L; everything below stays as it was drawn. What
//! a rule reaches beyond this, it owes to its teaching the body.
//!
//! Needs: phi' and W where the output is a block with activations inside, else nothing. Settings: none. Cost of a step: one forward pass and the update of the output.

use crate::block::How;
use crate::graph::Graph;
use crate::rule::{Rule, Step, Update, errors, network_updates};
use reclra_compute::dense::Response;

/// Only the output learns.
#[derive(Clone, Debug, Default)]
pub struct HeadOnly;

impl Rule for HeadOnly {
    fn name(&self) -> &'static str {
        "head-only"
    }

    fn updates(&self, graph: &Graph) -> Vec<Update> {
        network_updates(graph, |i| i == graph.output(), &[])
    }

    fn uses_derivative(&self) -> bool {
        true
    }

    fn held(&self, graph: &Graph) -> usize {
        errors(graph, |l| l == graph.output())
    }

    fn error_neurons(&self, step: &mut Step<'_>) {
        let how = How { response: Response::Derivative, feedback: &|_| None, given: None };
        step.enter(step.graph.output(), &how, false);
    }
}
