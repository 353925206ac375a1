//! Local representation alignment with learned error synapses, LRA-E (Ororbia and Mali 2019): the ancestor of rec-LRA.
//! Error synapses join neighbours only, and learn beside the forward weights.
//!
//! ```text
//! e_L = z_L - y_L
//! d_l = E_{l+1->l} e_{l+1}
//! y_l = phi_l(h_l - beta d_l),  e_l = z_l - y_l
//! dW_l = e_l z_{l-1}^T,  db_l = e_l
//! dE_{l+1->l} = gamma (dW_{l+1})^T
//! ```
//!
//! Needs: no derivative of phi, no transpose of W, no inverse, no settling; a chain of regions. It differs from `rec-lra`
//! with `chain` wiring and `mirror` plasticity in E: a factor gamma, and an optimiser of its own. Settings: `beta` 0.1,
//! `gamma` 0.9, `rate` 1 (factor on the learning rate of E; under Adam gamma is inert, this is not), `std` 0.1. Cost of a
//! step in matrix products of the size of W: one forward, one for messages, one for updates of W, one for those of E.

use super::rec_lra::{RecLra, RecLraConfig};
use super::shared::{chain, finite};
use crate::error::{Result, check};
use crate::graph::{Graph, RegionId};
use crate::rule::{ParamSpec, Rule, Signal, Step, Update, network_updates};

/// Settings of LRA-E.
#[derive(Clone, Debug, PartialEq)]
pub struct LraEConfig {
    /// Target modulation beta.
    pub beta: f64,
    /// Factor gamma on updates of E. Under Adam it is inert; `rate` is not.
    pub gamma: f64,
    /// Factor on the learning rate of E.
    pub rate: f64,
    /// Standard deviation of E at the start.
    pub std: f64,
}

impl Default for LraEConfig {
    fn default() -> Self {
        LraEConfig { beta: 0.1, gamma: 0.9, rate: 1.0, std: 0.1 }
    }
}

/// LRA-E on one chain.
#[derive(Clone, Debug)]
pub struct LraE {
    config: LraEConfig,
    /// Error neurons appear as in rec-LRA on a chain.
    inner: RecLra,
}

impl LraE {
    /// Checks the settings, and that the graph is a chain.
    ///
    /// # Errors
    /// Names the setting that is out of its range, or the region that is not in a chain.
    pub fn new(config: LraEConfig, graph: &Graph) -> Result<LraE> {
        check(finite(config.gamma) && config.gamma > 0.0, "rule.gamma", config.gamma, "must be a positive number")?;
        chain("lra-e", "each region has one target, set by the region after it", graph)?;
        let LraEConfig { beta, gamma, rate, std } = config;
        let inner = RecLra::new(RecLraConfig { beta, gamma, rate, std, ..RecLraConfig::default() }, graph)?;
        Ok(LraE { config, inner })
    }
}

impl Rule for LraE {
    fn name(&self) -> &'static str {
        "lra-e"
    }

    fn params(&self, graph: &Graph) -> Vec<ParamSpec> {
        self.inner.params(graph)
    }

    fn error_neurons(&self, step: &mut Step<'_>) {
        self.inner.error_neurons(step);
    }

    fn updates(&self, graph: &Graph) -> Vec<Update> {
        let LraEConfig { gamma, rate, .. } = self.config;
        let mut updates = network_updates(graph, |_| true, &[]);
        for (n, s) in self.inner.error_graph().synapses().iter().enumerate() {
            // dE = gamma (dW)^T; M = E^T, so it is gamma e_{l+1} z_l^T.
            let (e, z) = (Signal::E(s.from), Signal::Z(s.to));
            updates.push(Update::outer(graph.own(n), e, Some(z)).times(gamma).at_rate(rate));
        }
        updates
    }

    fn error_edges(&self) -> Vec<(RegionId, RegionId)> {
        self.inner.error_edges()
    }
}
