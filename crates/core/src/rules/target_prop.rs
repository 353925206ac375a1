//! Target propagation and difference target propagation (Bengio 2014; Lee, Zhang, Fischer, Bengio 2015): targets go down
//! through learned inverses.
//!
//! ```text
//! yhat_{L-1} = z_{L-1} - eta W_L^T e_L                        the target of the top hidden region
//! g_l(u) = phi_{l-1}(V_l u + c_l)                             the inverse of region l, for l = L-1 .. 2
//! yhat_{l-1} = g_l(yhat_l)                                    target propagation
//! yhat_{l-1} = z_{l-1} + g_l(yhat_l) - g_l(z_l)               difference target propagation
//! d_l = z_l - yhat_l,  e_l = d_l * phi_l'(h_l)
//! dW_l = e_l z_{l-1}^T / eta,  db_l = e_l / eta,  dW_L = e_L z_{L-1}^T,  db_L = e_L
//!
//! zt = z_{l-1} + sigma noise,  f = phi_l(W_l zt + b_l)        the inverses learn to undo a noisy step forward
//! r = (g_l(f) - zt) * phi_{l-1}'(V_l f + c_l)
//! dV_l = r f^T,  dc_l = r
//! ```
//!
//! Division by eta makes the update of the top hidden region the gradient itself, whatever eta; below it, W^T is replaced
//! by the (pseudo-)inverse of W, which makes the step one of Gauss and Newton. In plain target propagation the error of
//! reconstruction adds to the target: it wants a far target and fast inverses (MNIST, 3x256 tanh, 1 epoch: 8.1 % test
//! error at eta 10 and rate 5; at eta 0.3 the lower regions follow their own inverses and nothing is learnt).
//!
//! Needs: phi' of the region itself, W_L transposed (no other), learned inverses; a chain of regions. Settings: `eta` 0.3
//! (plain 10), `sigma` 0.1, `std` 0.1 (of V at the start; plain 0.05), `rate` 3 (factor on the learning rate of inverses; plain 5).
//! Cost of a step in matrix products of the size of W: two forward, three through V (two without the difference), two
//! for updates.

use super::shared::{chain, finite};
use crate::error::{Result, check};
use crate::graph::{Graph, RegionId};
use crate::rule::{Errors, Init, ParamSpec, Rule, Signal, Step, Update, network_updates, surrogate_warning};
use reclra_compute::dense::{Afferent, Forward, Message};
use reclra_compute::pointwise::Phi;
use reclra_compute::{Device, Tensor};

/// Settings of both.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetPropConfig {
    /// How far the top target lies along the gradient.
    pub eta: f64,
    /// Standard deviation of the noise the inverses learn to undo.
    pub sigma: f64,
    /// Standard deviation of V at the start.
    pub std: f64,
    /// Factor on the learning rate of the inverses.
    pub rate: f64,
}

impl Default for TargetPropConfig {
    /// What difference target propagation learns well with.
    fn default() -> Self {
        TargetPropConfig { eta: 0.3, sigma: 0.1, std: 0.1, rate: 3.0 }
    }
}

impl TargetPropConfig {
    /// What plain target propagation learns with.
    #[must_use]
    pub fn plain() -> Self {
        TargetPropConfig { eta: 10.0, std: 0.05, rate: 5.0, ..TargetPropConfig::default() }
    }

    /// Whether each setting lies in its range.
    ///
    /// # Errors
    /// Names the one that does not.
    pub(crate) fn check(&self) -> Result<()> {
        check(finite(self.eta) && self.eta > 0.0, "rule.eta", self.eta, "must be a positive number")?;
        check(finite(self.sigma), "rule.sigma", self.sigma, "must be 0 or a positive number")?;
        check(finite(self.std), "rule.v_std", self.std, "must be 0 or a positive number")?;
        check(finite(self.rate), "rule.v_rate", self.rate, "must be 0 or a positive number")
    }
}

/// Target propagation on one chain, with the difference correction or without.
#[derive(Clone, Debug)]
pub struct TargetProp {
    config: TargetPropConfig,
    difference: bool,
    output: RegionId,
}

/// Signals kept for each inverse g_l: of the width of region l-1, but for the pair of f, which is as wide as l.
const KEPT: usize = 8;
/// Places among them of what the inverses learn from.
const F: usize = 2;
/// As above.
const R: usize = 6;

impl TargetProp {
    /// Plain target propagation: checks the settings, and that the graph is a chain.
    ///
    /// # Errors
    /// Names the setting that is out of its range, or the region that is not in a chain.
    pub fn new(config: TargetPropConfig, graph: &Graph) -> Result<TargetProp> {
        TargetProp::with("target-prop", config, false, graph)
    }

    /// Difference target propagation.
    ///
    /// # Errors
    /// As [`TargetProp::new`].
    pub fn difference(config: TargetPropConfig, graph: &Graph) -> Result<TargetProp> {
        TargetProp::with("difference-target-prop", config, true, graph)
    }

    fn with(name: &'static str, config: TargetPropConfig, difference: bool, graph: &Graph) -> Result<TargetProp> {
        config.check()?;
        chain(name, "each region needs one inverse, of the one region before it", graph)?;
        Ok(TargetProp { config, difference, output: graph.output() })
    }

    /// Regions l with an inverse g_l, in order.
    fn inverted(graph: &Graph) -> std::ops::Range<RegionId> {
        2..graph.output().max(2)
    }
}

/// phi(W x + b)
fn dense(device: &Device, w: &Tensor, b: Option<&Tensor>, x: &Tensor, phi: Phi, [h, z]: [&mut Tensor; 2]) {
    let (messages, shortcuts) = (Default::default(), Default::default());
    let afferents = [Afferent { weight: w, z: x }].into_iter().collect();
    device.forward(Forward { afferents, messages, bias: b, shortcuts, phi, h, z });
}

impl Rule for TargetProp {
    fn name(&self) -> &'static str {
        if self.difference { "difference-target-prop" } else { "target-prop" }
    }

    /// V_l and c_l, for each l.
    fn params(&self, graph: &Graph) -> Vec<ParamSpec> {
        let mut list = Vec::new();
        for l in TargetProp::inverted(graph) {
            let [above, below] = [l, l - 1].map(|i| &graph.regions()[i]);
            let name = format!("{}->{}", above.name, below.name);
            let shape = [below.width, above.width];
            list.push(ParamSpec::new(format!("V.{name}"), shape, Init::Normal(self.config.std)));
            list.push(ParamSpec::new(format!("c.{name}"), [below.width, 0], Init::Constant(0.0)));
        }
        list
    }

    /// A pair for the top target, then for each inverse zt, the pair of f, V_l u + c_l, g, g of the target, r, g - zt.
    fn buffers(&self, graph: &Graph) -> Vec<usize> {
        let n = |i: RegionId| graph.regions()[i].width;
        let mut rows = vec![n(graph.output() - 1); 2];
        for l in TargetProp::inverted(graph) {
            let (m, n) = (n(l), n(l - 1));
            rows.extend([n, m, m, n, n, n, n, n]);
        }
        rows
    }

    fn error_neurons(&self, step: &mut Step<'_>) {
        let Step { device, graph, params, key, activity, .. } = *step;
        let (h, z, own, out) = (&activity.h, &activity.z, params.own(), graph.output());
        let phi = |i: RegionId| graph.regions()[i].phi;
        let batch = z[0].cols().max(1) as f64;
        let Errors { e, d, y, discrepancy, buffers, .. } = &mut *step.errors;
        if out == 1 {
            return; // nothing is hidden
        }
        // From d_l = z_l - yhat_l: the target, and e_l = d_l * phi'(h_l).
        let aim = |l: RegionId, d_l: &Tensor, y_l: &mut Tensor, e_l: &mut Tensor| {
            device.blend((1.0, &z[l]), (-1.0, d_l), y_l);
            device.slope(d_l, phi(l), &h[l], e_l);
            device.distance(&z[l], y_l) / batch
        };
        // d_{L-1} = eta W_L^T e_L
        let top = out - 1;
        let (pair, inverses) = buffers.split_at_mut(2);
        let [back, same] = pair else { unreachable!("two") };
        device.forward(Forward {
            afferents: Default::default(),
            messages: [Message { synapse: &params[graph.weight(out, 0)], e: &e[out] }].into_iter().collect(),
            bias: None,
            shortcuts: Default::default(),
            phi: Phi::Identity,
            h: back,
            z: same,
        });
        device.blend((self.config.eta, back), (0.0, same), &mut d[top]);
        discrepancy[top] = aim(top, &d[top], &mut y[top], &mut e[top]);
        for (n, l) in TargetProp::inverted(graph).enumerate().rev() {
            let [zt, f_h, f, a, g, g_y, r, miss] = &mut inverses[n * KEPT..(n + 1) * KEPT] else {
                unreachable!("eight for each inverse")
            };
            // g_l(u) = phi_{l-1}(V_l u + c_l)
            let (v, c) = (&own[2 * n], &own[2 * n + 1]);
            let inverse = |u: &Tensor, a: &mut Tensor, g: &mut Tensor| dense(device, v, Some(c), u, phi(l - 1), [a, g]);
            inverse(&y[l], a, g_y);
            if self.difference {
                // yhat_{l-1} = z_{l-1} + g_l(yhat_l) - g_l(z_l)
                inverse(&z[l], a, g);
                device.blend((1.0, g), (-1.0, g_y), &mut d[l - 1]);
            } else {
                // yhat_{l-1} = g_l(yhat_l)
                device.blend((1.0, &z[l - 1]), (-1.0, g_y), &mut d[l - 1]);
            }
            discrepancy[l - 1] = aim(l - 1, &d[l - 1], &mut y[l - 1], &mut e[l - 1]);
            // What the inverse learns from: zt = z_{l-1} + sigma noise, f = phi_l(W_l zt + b_l), r = (g_l(f) - zt) * phi'.
            device.perturb(&z[l - 1], self.config.sigma, key.child(l as u64), zt);
            let (w, b) = (&params[graph.weight(l, 0)], graph.bias(l).map(|b| &params[b]));
            dense(device, w, b, zt, phi(l), [f_h, f]);
            inverse(f, a, g);
            device.blend((1.0, g), (-1.0, zt), miss);
            device.slope(miss, phi(l - 1), a, r);
        }
    }

    fn updates(&self, graph: &Graph) -> Vec<Update> {
        let hidden = |l: usize| if l < graph.output() { 1.0 / self.config.eta } else { 1.0 };
        let scale: Vec<f64> = (1..=graph.output()).map(hidden).collect();
        let mut updates = network_updates(graph, |_| true, &scale);
        for (n, _) in TargetProp::inverted(graph).enumerate() {
            let of = |place: usize| Signal::Buffer(2 + n * KEPT + place);
            // dV_l = r f^T, dc_l = r
            for (n, pre) in [(2 * n, Some(of(F))), (2 * n + 1, None)] {
                updates.push(Update::outer(graph.own(n), of(R), pre).at_rate(self.config.rate));
            }
        }
        updates
    }

    fn uses_derivative(&self) -> bool {
        true
    }

    fn warnings(&self, graph: &Graph) -> Vec<String> {
        let mut warnings = surrogate_warning(self.uses_derivative(), graph);
        if !self.difference && self.config.eta < 1.0 && graph.output() > 2 {
            warnings.push(format!(
                "with eta {} the error of the inverses outweighs the target in plain target propagation: expect it to \
                 diverge; `difference-target-prop`, or eta 10 with v_rate 5, does not",
                self.config.eta
            ));
        }
        warnings
    }

    /// Targets go down the chain.
    fn error_edges(&self) -> Vec<(RegionId, RegionId)> {
        (1..self.output).map(|l| (l + 1, l)).collect()
    }
}
