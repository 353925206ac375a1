//! rec-LRA on image networks (Figures 2 and 3 of the paper; method section 7b).
//!
//! The error neurons of the output set the target of each block's output through a skip-error synapse; then the block is
//! entered and updated by its inner rule, alone:
//!
//! ```text
//! d_i = spread(E_{L->i} e_L)                       skip: the same at every place of a channel (or of a cell, or of one unit);
//!                                                  `Message` puts the block's own readout error q in place of e_L, or adds it
//! y_i = phi_i(h_i - beta d_i),  e_i = z_i - y_i    the error neurons of the block's output
//! ```
//!
//! Inside, `e` at an activation phi(h) comes from the signal s above it:
//!
//! ```text
//! inner backprop   e = s * phi'(h)                 s = W^T e of the operation above
//! inner rec-LRA    e = z - phi(h - s)              s = E^T e, E of W's shape: with s = beta d this is the target once more
//! inner Hebbian    e = g * z                       g: the mean of e_i over the places of a channel; three factors
//! ```
//!
//! Under `layer` the message that leaves a block, E^T e of its first operations, sets the target of the block below:
//! e_{i-1} = z - phi(h - s). (The method writes d = s / beta, and beta d in the target: beta cancels from there on.) A
//! normalisation is pulled back through, channel by channel. What lies below a block's first synapses (the normalisation of a noise
//! map) learns from that message too where one leaves, whatever the inner rule. E answers W by `mirror`: both have the same increments.

mod config;
mod desk;

pub use config::{BlockWiring, Inner, MapPlasticity, MapSynapse, Message, RecLraBlocksConfig};

use crate::block::How;
use crate::error::{Error, Result, check};
use crate::graph::{Graph, RegionId};
use crate::rule::{Init, Layout, ParamSpec, Role, Rule, Signal, Step, Update, network_updates};
use crate::rules::shared::{channels, check_mismatch, count_output, twins};
use crate::wiring::{ErrorGraph, ErrorSynapse};
use reclra_compute::dense::Response;
use reclra_compute::maps::Extent;

/// A skip-error synapse in use: where its tensors and buffers are.
#[derive(Clone, Copy, Debug)]
struct Skip {
    own: usize,
    buffer: usize,
    extent: Extent,
}

/// rec-LRA on one image network.
#[derive(Clone, Debug)]
pub struct RecLraBlocks {
    config: RecLraBlocksConfig,
    errors: ErrorGraph,
    /// Of each region, if the output sends to it.
    skips: Vec<Option<Skip>>,
    /// Of each region and each of its operations with synapses: the error synapse of the same shape, if there is one.
    twins: Vec<Vec<Option<usize>>>,
    /// Where the gate of a block lies, among the buffers.
    gates: Vec<usize>,
    classes: usize,
}

/// Buffers of a skip: pooled z, what is received (both of one size), then readout or rank.
const BUFFERS: usize = 4;

impl RecLraBlocks {
    /// Checks the settings and lays the wiring over the blocks.
    ///
    /// # Errors
    /// Names the setting that is out of its range, or the block the wiring fails at.
    pub fn new(config: RecLraBlocksConfig, graph: &Graph) -> Result<RecLraBlocks> {
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let finite = |x: f64| x.is_finite() && x >= 0.0;
        let still = config.std == 0.0 && !(config.learns() && config.rate > 0.0);
        let want = "must be positive where error synapses do not learn: nothing would ever be sent";
        check(!still, "rule.e_std", 0, want)?;
        check(positive(config.beta), "rule.beta", config.beta, "must be a positive number")?;
        check(finite(config.std), "rule.e_std", config.std, "must be 0 or a positive number")?;
        check(finite(config.twin_std), "rule.twin_std", config.twin_std, "must be 0 or a positive number")?;
        check(finite(config.rate), "rule.e_rate", config.rate, "must be 0 or a positive number")?;
        let reads = config.plasticity == MapPlasticity::Readout && config.learns();
        let readout =
            "needs a readout of the block's own; set rule.plasticity = \"readout\", and a rule.synapse that learns";
        let message = format!("{:?}", config.message).to_lowercase();
        check(config.message == Message::Output || reads, "rule.message", message, readout)?;
        check_mismatch(config.mismatch)?;
        let errors = ErrorGraph::from_synapses(graph, synapses(&config, graph)?, None)?;
        let out = graph.output();
        let sends = |from: RegionId, to: RegionId| errors.synapses().contains(&ErrorSynapse { from, to });
        let (mut own, mut buffer) = (0, 0);
        let (mut skips, mut twins) = (vec![None; out + 1], vec![Vec::new(); out + 1]);
        for i in graph.hidden() {
            let Some(block) = &graph.regions()[i].inside else { continue };
            if sends(out, i) {
                check_synapse(&config, graph, i)?;
                skips[i] = Some(Skip { own, buffer, extent: block.to() });
                own += if matches!(config.synapse, MapSynapse::LowRank(_)) { 2 } else { 1 };
                buffer += BUFFERS;
            }
        }
        for (i, twins) in twins.iter_mut().enumerate().skip(1) {
            // Backprop inside goes on into a stem that is inside, through W.
            let one = config.takes_stem(graph) && i == 2 && config.inner == Inner::Backprop;
            let leaves = i > 1 && i < out && sends(i, i - 1) && !one;
            // Wherever a signal goes on within rec-LRA, else where a message leaves the block.
            for sender in graph.regions()[i].inside.iter().flat_map(|b| b.synapses()) {
                let stands = (leaves && sender.leaves) || (config.inner == Inner::RecLra && sender.inside);
                twins.push(stands.then_some(own));
                own += usize::from(stands);
            }
            if config.inner == Inner::Hebbian {
                check_gates(graph, i)?;
            }
        }
        let silent = config.twin_std == 0.0 && !config.twins_learn && twins.iter().flatten().any(Option::is_some);
        check(!silent, "rule.twin_std", 0, want)?;
        let gates = (0..=out).map(|i| buffer + i).collect();
        let classes = graph.regions()[out].width;
        Ok(RecLraBlocks { config, errors, skips, twins, gates, classes })
    }

    /// The error synapses between blocks, in waves.
    #[must_use]
    pub fn error_graph(&self) -> &ErrorGraph {
        &self.errors
    }

    /// What activations inside blocks make of a signal.
    fn inner(&self) -> Response {
        match self.config.inner {
            Inner::Backprop | Inner::Hebbian => Response::Derivative,
            Inner::RecLra => Response::Target { beta: 1.0, mismatch: self.config.mismatch },
        }
    }
}

impl MapSynapse {
    fn grid(self, extent: Extent) -> usize {
        if let MapSynapse::Grid(g) = self { g.min(extent.height).min(extent.width) } else { 1 }
    }

    fn is_pooled(self) -> bool {
        matches!(self, MapSynapse::Channel | MapSynapse::Seeded | MapSynapse::Grid(_))
    }

    /// Numbers that a block of that extent receives before they are spread.
    fn cells(self, extent: Extent) -> usize {
        if self.is_pooled() { extent.channels * self.grid(extent).pow(2) } else { extent.units() }
    }
}

impl RecLraBlocksConfig {
    /// Whether the first block belongs to the second.
    fn takes_stem(&self, graph: &Graph) -> bool {
        self.stem_inside && self.wiring == BlockWiring::Skip && graph.output() > 2
    }

    fn learns(&self) -> bool {
        self.plasticity != MapPlasticity::Fixed && self.synapse != MapSynapse::Seeded
    }
}

fn synapses(config: &RecLraBlocksConfig, graph: &Graph) -> Result<Vec<ErrorSynapse>> {
    let out = graph.output();
    let to = |i: RegionId, skip: bool| ErrorSynapse { from: if skip { out } else { i + 1 }, to: i };
    Ok(match &config.wiring {
        BlockWiring::Skip => graph.hidden().map(|i| to(i, i > 1 || !config.takes_stem(graph))).collect(),
        BlockWiring::Layer => graph.hidden().map(|i| to(i, false)).collect(),
        BlockWiring::Gap(g) => {
            check(*g >= 1, "rule.gap", g, "must be at least 1")?;
            graph.hidden().map(|i| to(i, (out - 1 - i).is_multiple_of(*g))).collect()
        }
        BlockWiring::List(list) => {
            let one = |(a, b): &(String, String)| {
                let (from, to) = (graph.find(a)?, graph.find(b)?);
                let why =
                    "between blocks a message goes from one to the one below it, or from the output; write out->BLOCK";
                let fits = from == out || from == to + 1 || to == out || to == 0;
                let (kind, a, b) = ("error", a.clone(), b.clone());
                if fits { Ok(ErrorSynapse { from, to }) } else { Err(Error::Misplaced { kind, from: a, to: b, why }) }
            };
            list.iter().map(one).collect::<Result<_>>()?
        }
    })
}

/// Whether the form of skip-error synapses fits a block.
fn check_synapse(config: &RecLraBlocksConfig, graph: &Graph, i: RegionId) -> Result<()> {
    let r = &graph.regions()[i];
    let Some(block) = &r.inside else { return Ok(()) };
    let (extent, want) = (block.to(), format!("must be at least 1 and fit the {} of block `{}`", block.to(), r.name));
    match config.synapse {
        MapSynapse::Grid(g) => check(g >= 1, "rule.grid", g, "must be at least 1"),
        MapSynapse::LowRank(k) => {
            check(k >= 1 && k <= extent.units(), "rule.rank", k, &want)?;
            let readout = config.plasticity == MapPlasticity::Readout;
            let want = "is not defined for low-rank error synapses; use mirror or fixed";
            check(!readout, "rule.plasticity", "readout", want)
        }
        MapSynapse::Channel | MapSynapse::Seeded | MapSynapse::Full => Ok(()),
    }
}

/// Whether a channel of the block's output can gate the channels inside.
fn check_gates(graph: &Graph, i: RegionId) -> Result<()> {
    let r = &graph.regions()[i];
    let Some(block) = &r.inside else { return Ok(()) };
    for k in block.activations() {
        if i == graph.output() {
            return Err(Error::Unsuited {
                rule: "rec-lra",
                region: r.name.clone(),
                has: format!("has an activation inside, {}", block.path()[k].name),
                why: "a Hebbian inside is gated by the channels of a feature map, which the output is not",
                remedy: "put what comes before the last dense layer into a block of its own",
            });
        }
        let (stage, channels) = (&block.path()[k], block.to().channels);
        if stage.layer.to().channels != channels {
            return Err(Error::Unsuited {
                rule: "rec-lra",
                region: r.name.clone(),
                has: format!(
                    "gives {} {} channels, not the {channels} of its output",
                    stage.name,
                    stage.layer.to().channels
                ),
                why: "inside, the error of an output channel gates the channel of the same number",
                remedy: "use rule.inner = \"backprop\" or \"rec-lra\"",
            });
        }
    }
    Ok(())
}

impl Rule for RecLraBlocks {
    fn name(&self) -> &'static str {
        "rec-lra"
    }

    fn params(&self, graph: &Graph) -> Vec<ParamSpec> {
        let (config, mut list) = (&self.config, Vec::new());
        let role = if config.synapse == MapSynapse::Seeded { Role::Drawn } else { Role::Trained };
        for (i, skip) in self.skips.iter().enumerate() {
            let Some(skip) = skip else { continue };
            let name = format!("E.out->{}", graph.regions()[i].name);
            let one = |name: String, from: usize, to: usize, std: f64| {
                let spec = ParamSpec::new(name, [to, from], Init::Normal(std));
                ParamSpec { layout: Layout::Transposed, role, ..spec }
            };
            match config.synapse {
                MapSynapse::LowRank(r) => {
                    // The deviation of a product of two is that of one of them.
                    list.push(one(format!("{name}.V"), self.classes, r, 1.0 / (r as f64).sqrt()));
                    list.push(one(format!("{name}.U"), r, skip.extent.units(), config.std));
                }
                form => list.push(one(name, self.classes, form.cells(skip.extent), config.std)),
            }
        }
        for i in 0..self.twins.len() {
            let shapes = twins("E", graph, i, config.twin_std).into_iter().zip(&self.twins[i]);
            list.extend(shapes.filter(|(_, own)| own.is_some()).map(|(shape, _)| shape));
        }
        list
    }

    fn buffers(&self, graph: &Graph) -> Vec<usize> {
        let mut list = Vec::new();
        for skip in self.skips.iter().flatten() {
            let cells = self.config.synapse.cells(skip.extent);
            match self.config.synapse {
                MapSynapse::LowRank(r) => list.extend([r, cells, 0, r]),
                _ => list.extend([cells, cells, self.classes, 0]),
            }
        }
        list.extend((0..=graph.output()).map(|i| channels(graph, i)));
        list
    }

    fn error_neurons(&self, step: &mut Step<'_>) {
        let (own, out) = (step.own(), step.graph.output());
        // e_L = z_L - y_L is there.
        let feedback = |n: usize| self.twins[out].get(n).copied().flatten().map(|n| &own[n]);
        step.enter(out, &How { response: self.inner(), feedback: &feedback, given: None }, false);
        for wave in self.errors.waves() {
            self.fire(step, wave);
        }
        count_output(self.config.mismatch, step);
    }

    fn updates(&self, graph: &Graph) -> Vec<Update> {
        let (mut updates, out) = (Vec::new(), graph.output());
        let skips = self.skips.iter().enumerate().filter(|_| self.config.learns());
        for (i, skip) in skips {
            let Some(skip) = skip else { continue };
            let (pooled, q) = (Signal::Buffer(skip.buffer), Signal::Buffer(skip.buffer + 2));
            let mut learn = |own: usize, post: Signal, pre: Signal| {
                updates.push(Update::outer(graph.own(own), post, Some(pre)).at_rate(self.config.rate));
            };
            // M = E^T, so each product is written the other way round.
            let post = if self.config.plasticity == MapPlasticity::Readout { q } else { Signal::E(out) };
            match self.config.synapse {
                MapSynapse::LowRank(_) => {
                    // dU = z_i (V e_L)^T, dV = (U^T z_i) e_L^T
                    learn(skip.own, Signal::E(out), pooled);
                    learn(skip.own + 1, Signal::Buffer(skip.buffer + 3), Signal::Z(i));
                }
                MapSynapse::Full => learn(skip.own, post, Signal::Z(i)),
                _ => learn(skip.own, post, pooled),
            }
        }
        updates.extend(network_updates(graph, |_| true, &[]));
        if !self.config.twins_learn {
            return updates;
        }
        for i in 1..=graph.output() {
            let Some(block) = &graph.regions()[i].inside else { continue };
            for (n, sender) in block.synapses().enumerate() {
                if let Some(own) = self.twins[i].get(n).copied().flatten() {
                    let w = graph.inside(i, sender.stage.first);
                    let of_w = |u: &&mut Update| u.param == w;
                    updates.iter_mut().find(of_w).into_iter().for_each(|u| u.mirror = Some(graph.own(own)));
                }
            }
        }
        updates
    }

    fn uses_derivative(&self) -> bool {
        // A Hebbian inside takes derivatives in shortcuts, and below its first synapses where a message leaves.
        self.config.inner != Inner::RecLra
    }

    fn error_edges(&self) -> Vec<(RegionId, RegionId)> {
        self.errors.synapses().iter().map(|s| (s.from, s.to)).collect()
    }

    fn waves(&self, graph: &Graph) -> Vec<Vec<RegionId>> {
        std::iter::once(vec![graph.output()]).chain(self.errors.waves().iter().cloned()).collect()
    }
}
