//! Feedback alignment and direct feedback alignment on image networks.
//!
//! ```text
//! feedback alignment:  as backprop, each W^T replaced by a fixed random B^T of W's shape
//! direct:              d = B e_L, C x Y, the same at every place, at the output of each block and each activation inside it;
//!                      e = d * phi'(h); nothing passes from block to block, or from activation to activation
//! ```

use crate::block::{Given, How};
use crate::error::{Result, check};
use crate::graph::{Graph, RegionId};
use crate::rule::{Init, Layout, ParamSpec, Rule, Step};
use crate::rules::shared::twins;
use reclra_compute::Tensor;
use reclra_compute::dense::Response;
use reclra_compute::maps::{Convolution, Extent, Window};

/// Feedback alignment on an image network.
#[derive(Clone, Debug)]
pub struct FeedbackBlocks {
    factor: f64,
    /// Where the feedback of each region begins.
    first: Vec<usize>,
}

impl FeedbackBlocks {
    /// `factor` on the deviation of B, which is that of He et al. 2015 for W.
    ///
    /// # Errors
    /// If the factor is out of its range.
    pub fn new(factor: f64, graph: &Graph) -> Result<FeedbackBlocks> {
        check(factor.is_finite() && factor > 0.0, "rule.b_std", factor, "must be a positive number")?;
        let count = |i: RegionId| twins("B", graph, i, factor).len();
        let first = (0..=graph.output()).scan(0, |n, i| Some(std::mem::replace(n, *n + count(i)))).collect();
        Ok(FeedbackBlocks { factor, first })
    }
}

impl Rule for FeedbackBlocks {
    fn name(&self) -> &'static str {
        "feedback-alignment"
    }

    fn params(&self, graph: &Graph) -> Vec<ParamSpec> {
        (0..=graph.output()).flat_map(|i| twins("B", graph, i, self.factor)).collect()
    }

    fn error_neurons(&self, step: &mut Step<'_>) {
        let (out, own) = (step.graph.output(), step.own());
        for i in (1..=out).rev() {
            if i < out {
                step.respond(i, Response::Derivative);
            }
            let feedback = |n: usize| Some(&own[self.first[i] + n]);
            step.enter(i, &How { response: Response::Derivative, feedback: &feedback, given: None }, i > 1);
        }
    }

    fn uses_derivative(&self) -> bool {
        true
    }
}

/// Direct feedback alignment on an image network.
#[derive(Clone, Debug)]
pub struct DirectBlocks {
    std: f64,
    /// Of each hidden region: its name and channels, then those of its activations inside; the places of their feedback.
    targets: Vec<Vec<(String, Extent)>>,
    classes: usize,
}

impl DirectBlocks {
    /// `std` is the deviation of B.
    ///
    /// # Errors
    /// If it is out of its range.
    pub fn new(std: f64, graph: &Graph) -> Result<DirectBlocks> {
        check(std.is_finite() && std > 0.0, "rule.b_std", std, "must be a positive number")?;
        let of = |i: RegionId| {
            let r = &graph.regions()[i];
            let block = r.inside.as_ref();
            let own = block.map(|b| (r.name.clone(), b.to()));
            let inner = block.into_iter().flat_map(|b| b.activations().map(|k| &b.path()[k]));
            own.into_iter().chain(inner.map(|s| (format!("{}.{}", r.name, s.name), s.layer.to()))).collect()
        };
        Ok(DirectBlocks {
            std,
            targets: graph.hidden().map(of).collect(),
            classes: graph.regions()[graph.output()].width,
        })
    }
}

impl Rule for DirectBlocks {
    fn name(&self) -> &'static str {
        "direct-feedback-alignment"
    }

    fn params(&self, _: &Graph) -> Vec<ParamSpec> {
        let one = |(name, to): &(String, Extent)| {
            let (name, shape) = (format!("B.out->{name}"), [to.channels, self.classes]);
            ParamSpec { layout: Layout::Transposed, ..ParamSpec::new(name, shape, Init::Normal(self.std)) }
        };
        self.targets.iter().flatten().map(one).collect()
    }

    fn buffers(&self, _: &Graph) -> Vec<usize> {
        self.targets.iter().flatten().map(|(_, to)| to.channels).collect()
    }

    fn error_neurons(&self, step: &mut Step<'_>) {
        let out = step.graph.output();
        let response = Response::Derivative;
        step.enter(out, &How { response, feedback: &|_| None, given: None }, false);
        let mut first = 0;
        for (i, targets) in (1..).zip(&self.targets) {
            // d = B e_L, wherever it is wanted in this block.
            let mut received: Vec<Tensor> = Vec::new();
            for (n, (_, to)) in targets.iter().enumerate() {
                let mut d = std::mem::take(&mut step.errors.buffers[first + n]);
                send(step, first + n, to.channels, &mut d);
                received.push(d);
            }
            let extent = targets[0].1;
            let mut d = std::mem::take(&mut step.errors.d[i]);
            step.device.spread(&extent, 1, 1.0, &received[0], &mut d);
            step.errors.d[i] = d;
            step.respond(i, Response::Derivative);
            let given = Some(Given::Direct(&received[1..]));
            step.enter(i, &How { response, feedback: &|_| None, given }, false);
            for (n, d) in received.into_iter().enumerate() {
                step.errors.buffers[first + n] = d;
            }
            first += targets.len();
        }
    }

    fn uses_derivative(&self) -> bool {
        true
    }

    fn error_edges(&self) -> Vec<(RegionId, RegionId)> {
        (1..=self.targets.len()).map(|i| (self.targets.len() + 1, i)).collect()
    }

    fn waves(&self, graph: &Graph) -> Vec<Vec<RegionId>> {
        [vec![graph.output()], graph.hidden().collect()].into_iter().filter(|w| !w.is_empty()).collect()
    }
}

/// d = M^T e_L for the rule's own synapse `n`, kept as M, Y x C.
fn send(step: &mut Step<'_>, n: usize, channels: usize, d: &mut Tensor) {
    let out = step.graph.output();
    let e = &step.errors.e[out];
    let (from, window) = (Extent::new(channels, 1, 1), Window::square(1, 1, 0));
    let conv = Convolution { from, out: e.rows(), window, groups: 1 };
    step.device.convolve_back(&conv, &step.own()[n], e, d, false, step.insides.room());
}
