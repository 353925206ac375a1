//! Equilibrium propagation (Scellier and Bengio 2017) with a softmax readout outside of the energy and two opposite
//! nudges (Laborieux et al. 2021).
//!
//! Hidden regions s_1 .. s_{L-1} settle: each answers to the one below through W_l and to the one above through
//! W_{l+1}^T. The label then pulls the top region a little, and pushes it as much; what the two states differ in is what
//! is learnt.
//!
//! ```text
//! s_0 = x
//! s_l <- phi_l(W_l s_{l-1} + b_l + W_{l+1}^T s_{l+1})                   free phase; the readout is not heard
//! s_{L-1} <- phi(W_{L-1} s_{L-2} + b_{L-1} + beta W_L^T (y - softmax(W_L s_{L-1} + b_L)))            nudged phase
//! dW_l = -(s+_l s+_{l-1}^T - s-_l s-_{l-1}^T) / (2 beta)                s+ nudged by beta, s- by -beta
//! db_l = -(s+_l - s-_l) / (2 beta)
//! dW_L = e_L s_{L-1}^T,  db_L = e_L,  e_L = softmax(W_L s_{L-1} + b_L) - y at the free state
//! ```
//!
//! Regions are brought up to date one after the other, from the top down, each fully: every such move lowers the energy,
//! where moving all at once may swing. The free state of one hidden region is its forward pass, so nothing settles
//! there. How many sweeps are made is a setting, never a matter of the numbers: the state of one sample must not depend
//! on its neighbours in the batch. Without `symmetric`, s- is the free state and the divisor beta. For drawings,
//! e_l = (s-_l - s+_l) / (2 beta) and the target is s+.
//!
//! Needs: symmetric synapses, settling in training and in use; no derivative of phi, but a continuous one that grows
//! (sign is refused), best a bounded one; a chain of regions; between hidden regions small weights, as strongly coupled
//! ones remember instead of answering. For the same reason learning rates fall from region to region, as in Scellier and
//! Bengio's experiments: with one rate for all, W_2 and above grow faster than the input's drive, and the net freezes.
//! Settings: `beta` 0.5, `free` 10 and `nudged` 4 sweeps, `symmetric` true, `fall` 0.1 (rate of region l over that of
//! l - 1, hidden regions only), `persistent` false: whether a training sample's free phase begins at its last free state
//! (persistent particles, 4 bytes a hidden unit and sample) instead of the forward pass. Cost of a step in matrix products of the size of W: one forward, two for each of `free` (none with one hidden region) and of twice `nudged` sweeps, but none of the
//! size of W_1 as the input is held, two for updates.

use super::shared::{chain, finite};
use crate::error::{Error, Result, check};
use crate::graph::{Graph, RegionId};
use crate::phi::{self, Phi};
use crate::rule::{Errors, Params, Rule, Settle, Settles, Signal, Step, Update, errors, network_updates};
use reclra_compute::dense::{Afferent, Forward, Message};
use reclra_compute::{Device, Tensor};
use std::ops::Range;

/// Settings of equilibrium propagation.
#[derive(Clone, Debug, PartialEq)]
pub struct EquilibriumPropConfig {
    /// How strongly the label pulls.
    pub beta: f64,
    /// Sweeps of the free phase, where there is more than one hidden region.
    pub free: usize,
    /// Sweeps of each nudged phase.
    pub nudged: usize,
    /// Whether the label also pushes; else the free state stands in for s-.
    pub symmetric: bool,
    /// Learning rate of a hidden region over that of the one below it.
    pub fall: f64,
    /// Whether the free phase of a training sample begins at its last free state, where there is more than one hidden
    /// region; else at the forward pass.
    pub persistent: bool,
}

impl Default for EquilibriumPropConfig {
    fn default() -> Self {
        EquilibriumPropConfig { beta: 0.5, free: 10, nudged: 4, symmetric: true, fall: 0.1, persistent: false }
    }
}

/// Equilibrium propagation on one chain.
#[derive(Clone, Debug)]
pub struct EquilibriumProp {
    config: EquilibriumPropConfig,
    slots: Slots,
}

impl EquilibriumProp {
    /// Checks the settings, and that the graph is a chain of regions that can settle.
    ///
    /// # Errors
    /// Names the setting that is out of its range, or the region that does not do.
    pub fn new(config: EquilibriumPropConfig, graph: &Graph) -> Result<EquilibriumProp> {
        let name = "equilibrium-prop";
        check(finite(config.beta) && config.beta > 0.0, "rule.beta", config.beta, "must be a positive number")?;
        check(config.free >= 1, "rule.free", config.free, "must be at least 1")?;
        check(config.nudged >= 1, "rule.nudged", config.nudged, "must be at least 1")?;
        check(finite(config.fall) && config.fall > 0.0, "rule.fall", config.fall, "must be a positive number")?;
        chain(name, "each region settles between the one before it and the one after it", graph)?;
        let hidden = || graph.hidden().map(|i| &graph.regions()[i]);
        if let Some(r) = hidden().find(|r| r.phi == Phi::Sign) {
            return Err(Error::Unsuited {
                rule: name,
                region: r.name.clone(),
                has: "has sign units".to_owned(),
                why: "units that jump do not feel a nudge",
                remedy: "use tanh or sigmoid units, or choose rec-lra",
            });
        }
        Ok(EquilibriumProp { config, slots: Slots { hidden: graph.output() - 1 } })
    }
}

/// Which of the rule's own signals is what: first s+ of the hidden regions, then s- of them.
#[derive(Clone, Copy, Debug)]
struct Slots {
    hidden: usize,
}

impl Slots {
    /// h of regions 1..L, z_L and the nudge, in a phase.
    fn scratch(self) -> Range<usize> {
        2 * self.hidden..3 * self.hidden + 3
    }

    /// [s+_l, -s-_l]
    fn post(self, l: RegionId) -> usize {
        3 * self.hidden + 2 + l
    }

    /// [s+_l, s-_l], the input included
    fn pre(self, l: RegionId) -> usize {
        4 * self.hidden + 3 + l
    }

    /// W_1 x + b_1
    fn drive(self) -> usize {
        5 * self.hidden + 3
    }
}

/// What settles: the synapses, and what the held input makes of them.
struct Net<'a> {
    device: &'a Device,
    graph: &'a Graph,
    params: &'a Params,
    /// W_1 x + b_1, which no sweep changes
    drive: &'a Tensor,
}

/// phi(W x + b)
fn dense(device: &Device, (w, b): (&Tensor, Option<&Tensor>), x: &Tensor, phi: Phi, [h, z]: [&mut Tensor; 2]) {
    let (messages, shortcuts) = (Default::default(), Default::default());
    let afferents = [Afferent { weight: w, z: x }].into_iter().collect();
    device.forward(Forward { afferents, messages, bias: b, shortcuts, phi, h, z });
}

impl Net<'_> {
    fn weight(&self, l: RegionId) -> &Tensor {
        &self.params[self.graph.weight(l, 0)]
    }

    fn bias(&self, l: RegionId) -> Option<&Tensor> {
        self.graph.bias(l).map(|b| &self.params[b])
    }

    /// s_l = phi_l(W_l s_{l-1} + b_l + M^T u) for a signal u from above; lists begin with region 1.
    fn renew(&self, l: RegionId, h: &mut [Tensor], s: &mut [Tensor], above: Option<(&Tensor, &Tensor)>) {
        let (below, rest) = s.split_at_mut(l - 1);
        let (s_l, s_above) = rest.split_first_mut().expect("region l is in the list");
        let afferent = below.last().map(|z| Afferent { weight: self.weight(l), z });
        // W_{l+1}^T s_{l+1}, unless another signal comes from above
        let next = s_above.first().map(|s| (self.weight(l + 1), s));
        let message = above.or(next).map(|(synapse, e)| Message { synapse, e });
        self.device.forward(Forward {
            bias: afferent.and_then(|_| self.bias(l)),
            shortcuts: if l == 1 { [self.drive].into_iter().collect() } else { Default::default() },
            afferents: afferent.into_iter().collect(),
            messages: message.into_iter().collect(),
            phi: self.graph.regions()[l].phi,
            h: &mut h[l - 1],
            z: s_l,
        });
    }

    /// z_L = softmax(W_L s_{L-1} + b_L)
    fn read_out(&self, top: &Tensor, h: &mut Tensor, z: &mut Tensor) {
        let (out, phi) = (self.graph.output(), self.graph.regions()[self.graph.output()].phi);
        dense(self.device, (self.weight(out), self.bias(out)), top, phi, [h, z]);
    }

    /// One sweep over the hidden regions, from the top down.
    fn sweep(&self, h: &mut [Tensor], s: &mut [Tensor]) {
        (1..=s.len()).rev().for_each(|l| self.renew(l, h, s, None));
    }

    /// The same while the label y pulls at the top with strength beta. `scratch` is h of regions 1..L, z_L and the nudge.
    fn nudged_sweep(&self, scratch: &mut [Tensor], s: &mut [Tensor], beta: f64, y: &Tensor) {
        let top = s.len();
        let (h, readout) = scratch.split_at_mut(top);
        let [h_out, z_out, pull] = readout else { unreachable!("h_L, z_L and the nudge") };
        self.read_out(&s[top - 1], h_out, z_out);
        self.device.blend((beta, y), (-beta, z_out), pull);
        self.renew(top, h, s, Some((self.weight(top + 1), pull)));
        (1..top).rev().for_each(|l| self.renew(l, h, s, None));
    }
}

impl Rule for EquilibriumProp {
    fn name(&self) -> &'static str {
        "equilibrium-prop"
    }

    fn buffers(&self, graph: &Graph) -> Vec<usize> {
        let (n, out) = (|i: RegionId| graph.regions()[i].width, graph.output());
        if self.slots.hidden == 0 {
            return Vec::new();
        }
        let states = (1..out).chain(1..out).map(n);
        let scratch = (1..=out).chain([out, out]).map(n);
        let contrasts = (1..out).chain(0..out - 1).map(n);
        states.chain(scratch).chain(contrasts).chain([n(1)]).collect()
    }

    /// d is the output's alone, and contrasts hold both phases.
    fn held(&self, graph: &Graph) -> usize {
        let buffers = self.buffers(graph);
        let phases = buffers.get(self.slots.scratch().end..self.slots.drive()).unwrap_or_default();
        let discrepancies = graph.hidden().map(|l| graph.regions()[l].width);
        errors(graph, |_| true) - discrepancies.sum::<usize>() + buffers.iter().chain(phases).sum::<usize>()
    }

    fn persistent(&self, graph: &Graph) -> Vec<RegionId> {
        // One hidden region has nothing to settle: its forward pass is its free state.
        if self.config.persistent && self.slots.hidden > 1 { graph.hidden().collect() } else { Vec::new() }
    }

    /// The free state of a single hidden region is its forward pass.
    fn settles(&self) -> Option<&dyn Settles> {
        (self.slots.hidden >= 2).then_some(self)
    }

    fn error_neurons(&self, step: &mut Step<'_>) {
        let Step { device, graph, params, activity, .. } = *step;
        let (z, out, slots) = (&activity.z, graph.output(), self.slots);
        let Errors { e, y, discrepancy, buffers, .. } = &mut *step.errors;
        if slots.hidden == 0 {
            return;
        }
        let label = std::mem::take(&mut y[out]);
        let (buffers, drive) = buffers.split_at_mut(slots.drive());
        if slots.hidden == 1 {
            device.lay(&[(1.0, &activity.h[1])], &mut drive[0]); // else it is there since the free phase
        }
        let net = Net { device, graph, params, drive: &drive[0] };
        let (states, rest) = buffers.split_at_mut(slots.scratch().start);
        let (scratch, contrasts) = rest.split_at_mut(slots.scratch().len());
        let (plus, minus) = states.split_at_mut(slots.hidden);
        // Both phases start from the free state.
        let opposite = self.config.symmetric.then_some(-self.config.beta);
        for (s, beta) in [(&mut *plus, Some(self.config.beta)), (&mut *minus, opposite)] {
            s.iter_mut().zip(&z[1..]).for_each(|(s, free)| device.lay(&[(1.0, free)], s));
            let Some(beta) = beta else { continue };
            for _ in 0..self.config.nudged {
                net.nudged_sweep(scratch, s, beta, &label);
            }
        }
        y[out] = label;
        let distance = 1.0 / self.divisor();
        let first = slots.scratch().end;
        for l in 1..out {
            let (s_plus, s_minus) = (&plus[l - 1], &minus[l - 1]);
            device.lay(&[(1.0, s_plus), (-1.0, s_minus)], &mut contrasts[slots.post(l) - first]);
            if l + 1 < out {
                device.lay(&[(1.0, s_plus), (1.0, s_minus)], &mut contrasts[slots.pre(l) - first]);
            }
            // Not used below: what drawings and logs show.
            device.blend((distance, s_minus), (-distance, s_plus), &mut e[l]);
            device.lay(&[(1.0, s_plus)], &mut y[l]);
            discrepancy[l] = device.distance(&z[l], &y[l]) / z[0].cols().max(1) as f64;
        }
        device.lay(&[(1.0, &z[0]), (1.0, &z[0])], &mut contrasts[slots.pre(0) - first]);
    }

    fn updates(&self, graph: &Graph) -> Vec<Update> {
        // dW_L = e_L s_{L-1}^T, db_L = e_L
        let mut updates = network_updates(graph, |i| i == graph.output(), &[]);
        for l in graph.hidden() {
            // dW_l = -(s+_l s+_{l-1}^T - s-_l s-_{l-1}^T) / (2 beta), the phases side by side
            let (post, pre) = (Signal::Buffer(self.slots.post(l)), Signal::Buffer(self.slots.pre(l - 1)));
            let (factor, rate) = (-1.0 / self.divisor(), self.config.fall.powi(l as i32 - 1));
            let weight = Update::outer(graph.weight(l, 0), post, Some(pre));
            let bias = graph.bias(l).map(|b| Update::outer(b, post, None));
            updates.extend([weight].into_iter().chain(bias).map(|u| u.times(factor).at_rate(rate)));
        }
        updates
    }

    fn warnings(&self, graph: &Graph) -> Vec<String> {
        let unbounded = |p: Phi| matches!(p, Phi::Relu | Phi::LRelu { .. } | Phi::Elu | Phi::Identity);
        let mut hidden = graph.hidden().map(|i| graph.regions()[i].phi);
        let loose = hidden.find(|&p| unbounded(p)).filter(|_| graph.hidden().count() > 1);
        let warning = |p| {
            format!(
                "{} units are not bounded and may not settle between two regions: tanh and sigmoid do",
                phi::name(p)
            )
        };
        loose.map(warning).into_iter().collect()
    }

    /// The nudge spreads down the chain, through the forward synapses read backwards.
    fn error_edges(&self) -> Vec<(RegionId, RegionId)> {
        (1..=self.slots.hidden).map(|l| (l + 1, l)).collect()
    }
}

impl Settles for EquilibriumProp {
    /// The free phase.
    fn infer(&self, settle: &mut Settle<'_>) {
        let Settle { device, graph, params, ref mut activity, ref mut buffers } = *settle;
        let (hidden, out) = (self.slots.hidden, graph.output());
        // The state begins as the forward pass has it, and h_1 = W_1 x + b_1 there.
        let drive = &mut buffers[self.slots.drive()];
        device.lay(&[(1.0, &activity.h[1])], drive);
        let net = Net { device, graph, params, drive };
        let s = &mut activity.z[1..];
        let h = &mut activity.h[1..];
        for _ in 0..self.config.free {
            net.sweep(&mut h[..hidden], &mut s[..hidden]);
        }
        let (s, z_out) = s.split_at_mut(hidden);
        net.read_out(&s[hidden - 1], &mut h[out - 1], &mut z_out[0]);
    }
}

impl EquilibriumProp {
    /// How far apart the nudges of the two phases are.
    fn divisor(&self) -> f64 {
        if self.config.symmetric { 2.0 * self.config.beta } else { self.config.beta }
    }
}
