//! Feedback alignment (Lillicrap, Cownden, Tweed, Akerman 2016) and direct feedback alignment (Nøkland 2016): backprop
//! with fixed random matrices B in place of W^T. The forward weights come to agree with them.
//!
//! ```text
//! e_L = z_L - y_L
//! d_i = sum over forward targets j of B_{j->i} e_j, plus e_j where i reaches j by a shortcut      feedback alignment
//! d_i = B_{L->i} e_L                                                                   direct feedback alignment
//! e_i = d_i * phi_i'(h_i)
//! dW_{i->j} = e_j z_i^T,  db_j = e_j,  dB = 0
//! ```
//!
//! In an image network FA goes back through each layer with a fixed random B of the shape of its W. DFA gives d = B e_L, C x Y, the
//! same at every place, to the output of each block and each activation inside it; nothing passes from block to block.
//!
//! Needs: phi'; no W. The feedback of FA goes through all regions one after the other, that of DFA reaches all of them
//! at once. Settings: `std`, the standard deviation of B, 0.3 (MNIST, 3x256 tanh, 2 epochs of FA: 4.9 % test error,
//! against 5.8 % at 0.05). Cost of a step in matrix products of the size of W: FA as backprop, one forward, one back, one
//! for updates; DFA sends n_L x n_i instead of n_j x n_i on the way back.

use super::backprop::Targets;
use super::shared::{product, twins};
use crate::block::{Given, How};
use crate::error::{Result, check};
use crate::graph::{Graph, RegionId};
use crate::rule::{Inflow, Init, Layout, ParamSpec, Rule, Step};
use reclra_compute::Tensor;
use reclra_compute::dense::Response;
use reclra_compute::maps::Extent;

/// Settings of both.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedbackConfig {
    /// Standard deviation of the fixed feedback B; under FA of B inside blocks in units of that of He et al. 2015 for W.
    pub std: f64,
}

impl Default for FeedbackConfig {
    fn default() -> Self {
        FeedbackConfig { std: 0.3 }
    }
}

impl FeedbackConfig {
    fn check(&self) -> Result<()> {
        check(self.std.is_finite() && self.std > 0.0, "rule.b_std", self.std, "must be a positive number")
    }
}

/// Feedback alignment on one graph.
#[derive(Clone, Debug)]
pub struct FeedbackAlignment {
    config: FeedbackConfig,
    targets: Targets,
    /// Where the feedback inside each region begins.
    first: Vec<usize>,
}

impl FeedbackAlignment {
    /// Checks the settings. Any graph will do.
    ///
    /// # Errors
    /// Names the setting that is out of its range.
    pub fn new(config: FeedbackConfig, graph: &Graph) -> Result<FeedbackAlignment> {
        config.check()?;
        let targets = Targets::new(graph);
        let count = |i: RegionId| twins("B", graph, i, config.std).len();
        let dense = targets.pairs().count();
        let first = (0..=graph.output()).scan(dense, |n, i| Some(std::mem::replace(n, *n + count(i)))).collect();
        Ok(FeedbackAlignment { config, targets, first })
    }
}

impl Rule for FeedbackAlignment {
    fn name(&self) -> &'static str {
        "feedback-alignment"
    }

    fn params(&self, graph: &Graph) -> Vec<ParamSpec> {
        // One for each W_{i->j}, laid out like it, then those inside blocks.
        let dense = self.targets.pairs().map(|(i, j)| ParamSpec::feedback("B", graph, j, i, self.config.std));
        dense.chain((0..=graph.output()).flat_map(|i| twins("B", graph, i, self.config.std))).collect()
    }

    fn error_neurons(&self, step: &mut Step<'_>) {
        let (b, graph) = (step.own(), step.graph);
        let enter = |step: &mut Step<'_>, i: RegionId| {
            let feedback = |n: usize| Some(&b[self.first[i] + n]);
            step.enter(i, &How { response: Response::Derivative, feedback: &feedback, given: None }, i > 1);
        };
        enter(step, graph.output());
        for i in graph.hidden().rev() {
            // d_i = sum of B_{j->i} e_j + e_j; e_i = d_i * phi'(h_i)
            let messages = self.targets.synapses(i).map(|(j, _, n)| (&b[n], j)).collect();
            let inflow = Inflow { messages, shortcuts: self.targets.shortcuts(i).collect() };
            step.receive(&[i], Response::Derivative, |_| inflow.clone());
            enter(step, i);
        }
    }

    fn uses_derivative(&self) -> bool {
        true
    }

    fn error_edges(&self) -> Vec<(RegionId, RegionId)> {
        self.targets.edges()
    }
}

/// Direct feedback alignment on one graph.
#[derive(Clone, Debug)]
pub struct DirectFeedbackAlignment {
    config: FeedbackConfig,
    hidden: Vec<RegionId>,
    /// The dense ones among them, which receive all at once.
    dense: Vec<RegionId>,
    /// Of each of the others, where d is wanted: name and extent of its output, then of its activations inside.
    blocks: Vec<(RegionId, Vec<(String, Extent)>)>,
    classes: usize,
}

impl DirectFeedbackAlignment {
    /// Checks the settings. Any graph will do.
    ///
    /// # Errors
    /// Names the setting that is out of its range.
    pub fn new(config: FeedbackConfig, graph: &Graph) -> Result<DirectFeedbackAlignment> {
        config.check()?;
        let (mut dense, mut blocks) = (Vec::new(), Vec::new());
        for i in graph.hidden() {
            let r = &graph.regions()[i];
            let Some(block) = &r.inside else {
                dense.push(i);
                continue;
            };
            let inner = block.activations().map(|k| &block.path()[k]);
            let inner = inner.map(|s| (format!("{}.{}", r.name, s.name), s.layer.to()));
            blocks.push((i, std::iter::once((r.name.clone(), block.to())).chain(inner).collect()));
        }
        let (hidden, classes) = (graph.hidden().collect(), graph.regions()[graph.output()].width);
        Ok(DirectFeedbackAlignment { config, hidden, dense, blocks, classes })
    }

    /// Everything inside blocks and at their outputs that is sent to.
    fn targets(&self) -> impl Iterator<Item = &(String, Extent)> {
        self.blocks.iter().flat_map(|(_, targets)| targets)
    }
}

impl Rule for DirectFeedbackAlignment {
    fn name(&self) -> &'static str {
        "direct-feedback-alignment"
    }

    fn params(&self, graph: &Graph) -> Vec<ParamSpec> {
        let dense = self.dense.iter().map(|&i| ParamSpec::feedback("B", graph, graph.output(), i, self.config.std));
        let channels = |(name, to): &(String, Extent)| {
            let (name, shape) = (format!("B.out->{name}"), [to.channels, self.classes]);
            ParamSpec { layout: Layout::Transposed, ..ParamSpec::new(name, shape, Init::Normal(self.config.std)) }
        };
        dense.chain(self.targets().map(channels)).collect()
    }

    fn buffers(&self, _: &Graph) -> Vec<usize> {
        self.targets().map(|(_, to)| to.channels).collect()
    }

    fn error_neurons(&self, step: &mut Step<'_>) {
        let (b, out, response) = (step.own(), step.graph.output(), Response::Derivative);
        step.enter(out, &How { response, feedback: &|_| None, given: None }, false);
        // d_i = B_{L->i} e_L, e_i = d_i * phi'(h_i), all regions at once.
        let place = |i: RegionId| self.dense.iter().position(|&d| d == i).expect("a dense region");
        step.receive(&self.dense, response, |i| Inflow {
            messages: [(&b[place(i)], out)].into_iter().collect(),
            ..Inflow::default()
        });
        let mut first = 0;
        for (i, targets) in &self.blocks {
            // d = B e_L, wherever it is wanted in this block.
            let mut received: Vec<Tensor> = Vec::new();
            for (n, (_, to)) in (first..).zip(targets) {
                let mut d = std::mem::take(&mut step.errors.buffers[n]);
                let (conv, e) = (product(to.channels, self.classes), &step.errors.e[out]);
                step.device.convolve_back(&conv, &b[self.dense.len() + n], e, &mut d, false, step.insides.room());
                received.push(d);
            }
            let mut d = std::mem::take(&mut step.errors.d[*i]);
            step.device.spread(&targets[0].1, 1, 1.0, &received[0], &mut d);
            step.errors.d[*i] = d;
            step.respond(*i, response);
            let given = Some(Given::Direct(&received[1..]));
            step.enter(*i, &How { response, feedback: &|_| None, given }, false);
            for (n, d) in (first..).zip(received) {
                step.errors.buffers[n] = d;
            }
            first += targets.len();
        }
    }

    fn uses_derivative(&self) -> bool {
        true
    }

    fn error_edges(&self) -> Vec<(RegionId, RegionId)> {
        let out = self.hidden.len() + 1;
        self.hidden.iter().map(|&i| (out, i)).collect()
    }

    fn waves(&self, graph: &Graph) -> Vec<Vec<RegionId>> {
        [vec![graph.output()], self.hidden.clone()].into_iter().filter(|w| !w.is_empty()).collect()
    }
}
