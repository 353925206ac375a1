//! Recursive local representation alignment (Ororbia, Mali, Kifer, Giles, arXiv 2002.03911).
//!
//! Every region i receives the error neurons e_j of its parents j through error synapses E_{j->i}. What it receives
//! moves its pre-activation to where its target lies; the mismatch of activity and target is its own error neuron:
//!
//! ```text
//! e_L = z_L - y_L                       the output: label against softmax
//! d_i = sum over parents j of E_{j->i} e_j      all messages first, then
//! y_i = phi_i(h_i - beta d_i)           the target
//! e_i = z_i - y_i                       the error neurons
//! dW_{i->j} = e_j z_i^T,  db_j = e_j    the local updates
//! ```
//!
//! They reduce the total discrepancy D = sum over regions of kappa_l (|z_l - y_l|_p)^q (Equation 2), a mean over the batch. The error
//! neurons above are those of p = q = 2; for other p and q those of hidden regions are e = (1/q) dD/dz
//! ([`Mismatch`]):
//!
//! ```text
//! e_i = (|v|_p)^(q - p) |v|^(p - 1) sign(v),  v = z_i - y_i,  the norm over the units of a sample
//! ```
//!
//! Needs: no derivative of phi, no transpose of W, no inverse, no settling; on image networks that depends on the inner rule
//! ([`super::blocks::Inner`]). Cost of a step in matrix products of the
//! size of W: one forward, one for messages (the first layer sends none), one for updates; one more for updates of E
//! unless they mirror W and share its increment.

use super::shared::{check_mismatch, count_output};
use crate::error::{Result, check};
use crate::graph::{Graph, RegionId};
use crate::rule::{Inflow, ParamSpec, Rule, Signal, Step, Update, network_updates};
use crate::wiring::{ErrorGraph, Wiring};
use reclra_compute::dense::Response;
use reclra_compute::pointwise::Mismatch;

/// How the error synapses learn (method section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Plasticity {
    /// dE_{j->i} = gamma z_i e_j^T
    Mirror,
    /// dE_{j->i} = 0
    Fixed,
    /// dE_{j->i} = -gamma e_i d_j^T, d_L := e_L: Algorithm 1 as printed. Diverges.
    Algorithm1,
    /// dE_{j->i} = -gamma d_i e_j^T: Algorithm 2 as printed, its index repaired. Diverges.
    Algorithm2,
}

impl Plasticity {
    /// The name in a spec.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Plasticity::Mirror => "mirror",
            Plasticity::Fixed => "fixed",
            Plasticity::Algorithm1 => "algorithm1",
            Plasticity::Algorithm2 => "algorithm2",
        }
    }
}

/// Settings of rec-LRA. The defaults are those of up to three hidden tanh layers (method section 5).
#[derive(Clone, Debug, PartialEq)]
pub struct RecLraConfig {
    /// Which region sends to which.
    pub wiring: Wiring,
    /// Levels below the output that are given error neurons; none for all.
    pub depth: Option<usize>,
    /// Target modulation beta.
    pub beta: f64,
    /// Factor gamma on updates of E. Under Adam it is inert; `rate` is not.
    pub gamma: f64,
    /// How E learns.
    pub plasticity: Plasticity,
    /// Factor on the learning rate of E.
    pub rate: f64,
    /// Standard deviation of E at the start.
    pub std: f64,
    /// How hidden error neurons follow from z - y, and what every region adds to the total discrepancy, the output included.
    /// The output's error neurons are z_L - y_L always.
    pub mismatch: Mismatch,
    /// kappa_l of regions 1..L: factors on e_l in the updates of W_l and b_l. Missing ones are 1.
    pub kappa: Vec<f64>,
}

impl Default for RecLraConfig {
    fn default() -> Self {
        RecLraConfig {
            wiring: Wiring::Chain,
            depth: None,
            beta: 0.1,
            gamma: 1.0,
            plasticity: Plasticity::Mirror,
            rate: 1.0,
            std: 0.1,
            mismatch: Mismatch::L2,
            kappa: Vec::new(),
        }
    }
}

/// rec-LRA on one graph.
#[derive(Clone, Debug)]
pub struct RecLra {
    config: RecLraConfig,
    errors: ErrorGraph,
}

impl RecLra {
    /// Checks the settings and lays the wiring over the graph.
    ///
    /// # Errors
    /// Names the setting that is out of its range, or the region the wiring fails at.
    pub fn new(config: RecLraConfig, graph: &Graph) -> Result<RecLra> {
        let finite = |x: f64| x.is_finite() && x >= 0.0;
        check(finite(config.beta) && config.beta > 0.0, "rule.beta", config.beta, "must be a positive number")?;
        check(finite(config.gamma), "rule.gamma", config.gamma, "must be 0 or a positive number")?;
        check(finite(config.rate), "rule.e_rate", config.rate, "must be 0 or a positive number")?;
        check(finite(config.std), "rule.e_std", config.std, "must be 0 or a positive number")?;
        check_mismatch(config.mismatch)?;
        let fits = config.kappa.is_empty() || config.kappa.len() == graph.output();
        let want = format!("must have one number for each of the {} regions after the input", graph.output());
        check(fits, "rule.kappa", format!("{:?}", config.kappa), &want)?;
        let positive = config.kappa.iter().all(|&k| finite(k));
        check(positive, "rule.kappa", format!("{:?}", config.kappa), "must hold numbers of 0 or more")?;
        let errors = ErrorGraph::new(graph, &config.wiring, config.depth)?;
        // The printed rules multiply by what was received through E: from zero they stay there too.
        let grows = config.plasticity == Plasticity::Mirror && config.gamma > 0.0 && config.rate > 0.0;
        let want = "must be positive where error synapses do not learn from zero: nothing would ever be sent";
        check(config.std > 0.0 || grows || errors.synapses().is_empty(), "rule.e_std", config.std, want)?;
        Ok(RecLra { config, errors })
    }

    /// The error synapses in waves.
    #[must_use]
    pub fn error_graph(&self) -> &ErrorGraph {
        &self.errors
    }

    fn kappa(&self, i: RegionId) -> f64 {
        self.config.kappa.get(i - 1).copied().unwrap_or(1.0)
    }
}

impl Rule for RecLra {
    fn name(&self) -> &'static str {
        "rec-lra"
    }

    fn params(&self, graph: &Graph) -> Vec<ParamSpec> {
        let synapses = self.errors.synapses().iter();
        synapses.map(|s| ParamSpec::feedback("E", graph, s.from, s.to, self.config.std)).collect()
    }

    fn error_neurons(&self, step: &mut Step<'_>) {
        // Alg. 1, line 19: e_L = z_L - y_L is there; down from it, wave by wave (lines 20-25).
        // Alg. 1, lines 24 and 19: y_i = phi(h_i - beta d_i), e_i = z_i - y_i.
        let response = Response::Target { beta: self.config.beta, mismatch: self.config.mismatch };
        let own = step.own();
        for wave in self.errors.waves() {
            // Alg. 1, line 24: d_i = E_{j->i} e_j, summed over all parents j before the region fires.
            let from = |n: usize| (&own[n], self.errors.synapses()[n].from);
            let messages = |i: RegionId| self.errors.into_region(i).map(from).collect();
            step.receive(wave, response, |i| Inflow { messages: messages(i), ..Inflow::default() });
            wave.iter().for_each(|&i| step.errors.discrepancy[i] *= self.kappa(i));
        }
        count_output(self.config.mismatch, step);
        let out = step.graph.output();
        step.errors.discrepancy[out] *= self.kappa(out);
    }

    fn updates(&self, graph: &Graph) -> Vec<Update> {
        let config = &self.config;
        let learns = |i: RegionId| i == graph.output() || self.errors.reaches(i);
        // Alg. 1, line 8: dW_{i->j} = e_j z_i^T; db_j = e_j likewise.
        let mut updates = network_updates(graph, learns, &config.kappa);
        for (n, s) in self.errors.synapses().iter().enumerate() {
            let (j, i) = (s.from, s.to);
            // M = E^T, so each product is written the other way round.
            let (post, pre, factor) = match config.plasticity {
                Plasticity::Fixed => continue,
                // dE_{j->i} = gamma z_i e_j^T
                Plasticity::Mirror => (Signal::E(j), Signal::Z(i), config.gamma),
                // Alg. 1, line 11: dE_{j->i} = -gamma e_i d_j^T
                Plasticity::Algorithm1 => (Signal::D(j), Signal::E(i), -config.gamma),
                // Alg. 2, lines 28 and 30: dE_{j->i} = -gamma d_i e_j^T
                Plasticity::Algorithm2 => (Signal::E(j), Signal::D(i), -config.gamma),
            };
            // Where E answers a W directly and nothing distinguishes their updates, they share one: E then needs no
            // moments of its own, and E_t = W_t^T + (E_0 - W_0^T) but for rounding.
            let twin = graph.regions()[j].sources.iter().position(|&k| k == i);
            if let Some(source) = twin
                && config.plasticity == Plasticity::Mirror
                && (config.gamma, config.rate, self.kappa(j)) == (1.0, 1.0, 1.0)
                && let Some(w) = updates.iter_mut().find(|u| u.param == graph.weight(j, source))
            {
                w.mirror = Some(graph.own(n));
                continue;
            }
            updates.push(Update::outer(graph.own(n), post, Some(pre)).times(factor).at_rate(config.rate));
        }
        updates
    }

    fn warnings(&self, _: &Graph) -> Vec<String> {
        match self.config.plasticity {
            Plasticity::Algorithm1 | Plasticity::Algorithm2 => vec![format!(
                "plasticity {} is kept as printed in the paper, where E grows without bound: expect it to diverge; \
                 `mirror` does not",
                self.config.plasticity.name()
            )],
            Plasticity::Mirror | Plasticity::Fixed => Vec::new(),
        }
    }

    fn error_edges(&self) -> Vec<(RegionId, RegionId)> {
        self.errors.synapses().iter().map(|s| (s.from, s.to)).collect()
    }

    fn waves(&self, graph: &Graph) -> Vec<Vec<RegionId>> {
        std::iter::once(vec![graph.output()]).chain(self.errors.waves().iter().cloned()).collect()
    }
}
