//! Target propagation and difference target propagation on image networks: a learned inverse for each block.
//!
//! ```text
//! yhat_{L-1} = z_{L-1} - eta P dC/dz_{L-1}                    through the output alone: the target of the top block, P places
//! g_l(u) = phi_{l-1}(V_l^T * u + c_l)                         the inverse of block l, for l = L-1 .. 2
//! yhat_{l-1} = g_l(yhat_l)                                    target propagation
//! yhat_{l-1} = z_{l-1} + g_l(yhat_l) - g_l(z_l)               difference target propagation
//! d_l = z_l - yhat_l,  e_l = d_l * phi_l'(h_l);               the block is entered with it, inside by backprop; all / (eta P)
//!
//! zt = z_{l-1} + sigma noise,  f = z_l made from zt           the inverses learn to undo a noisy step forward
//! r = (g_l(f) - zt) * phi_{l-1}',  dV_l = f * r (summed over places),  dc_l = r
//! ```
//!
//! The mean over places that mostly follows the top block leaves each place 1/P of the gradient; P makes up for it, so that eta means the
//! same for all sizes of image. V_l is one convolution against the way of the block: from the places of z_l to the windows of z_{l-1} that they see, 3x3 for
//! a block that keeps the image's size, 4x4 for one that halves it, the whole image under dense layers. Normalisations go by the batch in
//! the noisy step too, and their running statistics do not follow it.
//!
//! Needs: W inside each block and of the output, learned inverses between blocks. Settings: those of [`TargetPropConfig`], `std` a
//! factor on 1 / sqrt(inputs). Cost of a step besides backprop's: one forward pass, and four inverses (three without the difference).

use crate::block::How;
use crate::error::{Error, Result};
use crate::graph::{Graph, RegionId};
use crate::rule::{Init, ParamSpec, Rule, Signal, Step, Update, network_updates, surrogate_warning};
use crate::rules::TargetPropConfig;
use reclra_compute::Tensor;
use reclra_compute::dense::Response;
use reclra_compute::maps::{Convolution, Extent, Window};
use reclra_compute::pointwise::Phi;

/// Target propagation on one image network, with the difference correction or without.
#[derive(Clone, Debug)]
pub struct TargetPropBlocks {
    config: TargetPropConfig,
    difference: bool,
    /// Of the inverses of blocks 2 and up: the convolution whose way back they are.
    inverses: Vec<Convolution>,
    output: RegionId,
    /// eta P
    eta: f64,
}

impl TargetPropBlocks {
    /// Plain target propagation: checks the settings and lays an inverse over each block.
    ///
    /// # Errors
    /// Names the setting that is out of its range.
    pub fn new(config: TargetPropConfig, graph: &Graph) -> Result<TargetPropBlocks> {
        TargetPropBlocks::with(config, false, graph)
    }

    /// Difference target propagation.
    ///
    /// # Errors
    /// As [`TargetPropBlocks::new`].
    pub fn difference(config: TargetPropConfig, graph: &Graph) -> Result<TargetPropBlocks> {
        TargetPropBlocks::with(config, true, graph)
    }

    fn with(config: TargetPropConfig, difference: bool, graph: &Graph) -> Result<TargetPropBlocks> {
        config.check()?;
        let mut inverses = Vec::new();
        for l in 2..graph.output().max(2) {
            let r = &graph.regions()[l];
            let Some(block) = &r.inside else { continue };
            inverses.push(against(block.from(), block.to()).ok_or_else(|| Error::Unsuited {
                rule: "target-prop",
                region: r.name.clone(),
                has: format!("makes {} of {}", block.to(), block.from()),
                why: "no convolution leads back from an image that grows",
                remedy: "pad less, or choose rec-lra, backprop or feedback-alignment",
            })?);
        }
        let output = graph.output();
        let top = graph.regions()[output - 1].inside.as_ref().map_or(1, |b| b.to().places());
        let eta = config.eta * top as f64;
        Ok(TargetPropBlocks { config, difference, inverses, output, eta })
    }

    /// Pre-activation and activity of g_l(u).
    fn invert(&self, step: &mut Step<'_>, l: RegionId, u: &Tensor, [a, g]: [&mut Tensor; 2]) {
        let n = l - 2;
        let own = step.own();
        let Step { device, graph, insides, .. } = step;
        device.convolve_back(&self.inverses[n], &own[2 * n], u, g, false, insides.room());
        device.perturb_units(g, Some(&own[2 * n + 1]), Phi::Identity, a);
        device.perturb_units(a, None, graph.regions()[l - 1].phi, g);
    }

    /// The deltas of V_l and c_l.
    fn learn_inverse(&self, step: &mut Step<'_>, l: RegionId, [a, g]: [&mut Tensor; 2]) {
        let z = &step.activity.z[l - 1];
        let key = step.key.child_named("inverse").child(l as u64);
        let mut zt = step.insides.take(step.device, z.rows(), z.cols());
        step.device.perturb(z, self.config.sigma, key, &mut zt);
        let mut f = step.insides.take(step.device, step.graph.regions()[l].width, z.cols());
        step.again(l, &zt, key, &mut f);
        self.invert(step, l, &f, [&mut *a, &mut *g]);
        // r = (g_l(f) - zt) * phi'
        let mut miss = step.insides.take(step.device, z.rows(), z.cols());
        step.device.blend((1.0, g), (-1.0, &zt), &mut miss);
        let n = l - 2;
        let Step { device, errors, insides, graph, .. } = step;
        let (r, delta) = (&mut errors.buffers[n], &mut errors.deltas[graph.own(2 * n).index()]);
        device.slope(&miss, graph.regions()[l - 1].phi, a, r);
        device.correlate(&self.inverses[n], &f, r, 1.0, delta, insides.room());
        insides.give([zt, f, miss]);
    }
}

/// The convolution from the input of a block to its output whose way back is the block's inverse; none if the image grows.
fn against(from: Extent, to: Extent) -> Option<Convolution> {
    let side = |from: usize, to: usize| {
        let stride = from / to.max(1);
        if stride == 0 {
            return None;
        }
        // A border of one, where the windows are then about as large as what one place of the output saw.
        let kernel = |pad: usize| (from + 2 * pad).checked_sub(stride * (to - 1)).filter(|&k| k > 0);
        let near = kernel(1).filter(|&k| to > 1 && k <= 2 * stride + 1).map(|k| (k, stride, 1));
        near.or_else(|| kernel(0).map(|k| (k, stride, 0)))
    };
    let ((a, s, p), (b, t, q)) = (side(from.height, to.height)?, side(from.width, to.width)?);
    let window = Window { kernel: [a, b], stride: [s, t], pad: [p, q], dilation: [1; 2] };
    (window.places(from.height, from.width)? == [to.height, to.width]).then_some(Convolution {
        from,
        out: to.channels,
        window,
        groups: 1,
    })
}

impl Rule for TargetPropBlocks {
    fn name(&self) -> &'static str {
        if self.difference { "difference-target-prop" } else { "target-prop" }
    }

    /// V_l and c_l, for each l.
    fn params(&self, graph: &Graph) -> Vec<ParamSpec> {
        let mut list = Vec::new();
        for (l, conv) in (2..).zip(&self.inverses) {
            let [above, below] = [l, l - 1].map(|i| &graph.regions()[i]);
            let name = format!("{}->{}", above.name, below.name);
            let [to_width, from_width] = conv.shape();
            // Each unit of z_{l-1} hears from so many channels and places.
            let places = conv.window.taps() as f64 / conv.window.stride.iter().product::<usize>() as f64;
            let std = self.config.std / (to_width as f64 * places).sqrt();
            list.push(ParamSpec::new(format!("V.{name}"), [to_width, from_width], Init::Normal(std)));
            list.push(ParamSpec::new(format!("c.{name}"), [below.width, 0], Init::Normal(0.0)));
        }
        list
    }

    /// r of each inverse.
    fn buffers(&self, graph: &Graph) -> Vec<usize> {
        (1..=self.inverses.len()).map(|below| graph.regions()[below].width).collect()
    }

    fn error_neurons(&self, step: &mut Step<'_>) {
        let (out, batch) = (step.graph.output(), step.activity.z[0].cols());
        let how = How { response: Response::Derivative, feedback: &|_| None, given: None };
        step.enter(out, &how, out > 1);
        for l in (1..out).rev() {
            let (rows, z) = (step.graph.regions()[l].width, &step.activity.z[l]);
            let mut target = step.insides.take(step.device, rows, batch);
            let mut d = std::mem::take(&mut step.errors.d[l]);
            if l + 1 == out {
                // d_{L-1} = eta P dC/dz
                step.device.blend((self.eta, &d), (0.0, &d), &mut target);
                std::mem::swap(&mut d, &mut target);
            }
            step.device.blend((1.0, z), (-1.0, &d), &mut target);
            step.errors.d[l] = d;
            step.respond(l, Response::Derivative);
            step.errors.discrepancy[l] = step.device.distance(z, &target) / batch.max(1) as f64;
            step.enter(l, &how, false);
            if l > 1 {
                let below = step.graph.regions()[l - 1].width;
                let mut take = || step.insides.take(step.device, below, batch);
                let [mut a, mut g, mut g_z] = [take(), take(), take()];
                self.invert(step, l, &target, [&mut a, &mut g]);
                let from = if self.difference {
                    self.invert(step, l, z, [&mut a, &mut g_z]);
                    &g_z
                } else {
                    &step.activity.z[l - 1]
                };
                step.device.blend((1.0, from), (-1.0, &g), &mut step.errors.d[l - 1]);
                self.learn_inverse(step, l, [&mut a, &mut g]);
                step.insides.give([a, g, g_z]);
            }
            step.insides.give([target]);
        }
    }

    fn updates(&self, graph: &Graph) -> Vec<Update> {
        // Division by eta in all blocks that have a target.
        let scale = |i: RegionId| if i < graph.output() { 1.0 / self.eta } else { 1.0 };
        let scale: Vec<f64> = (1..=graph.output()).map(scale).collect();
        let mut updates = network_updates(graph, |_| true, &scale);
        for n in 0..self.inverses.len() {
            let (v, c) = (graph.own(2 * n), graph.own(2 * n + 1));
            let both = [Update::outer(c, Signal::Buffer(n), None), Update::summed(v)];
            updates.extend(both.map(|u| u.at_rate(self.config.rate)));
        }
        updates
    }

    fn uses_derivative(&self) -> bool {
        true
    }

    fn warnings(&self, graph: &Graph) -> Vec<String> {
        surrogate_warning(self.uses_derivative(), graph)
    }

    /// Targets go down from block to block.
    fn error_edges(&self) -> Vec<(RegionId, RegionId)> {
        (1..self.output).map(|l| (l + 1, l)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverses_lead_back_to_the_input_of_a_block() {
        let window = |from: [usize; 3], to: [usize; 3]| {
            let extent = |[c, h, w]: [usize; 3]| Extent::new(c, h, w);
            let conv = against(extent(from), extent(to));
            conv.map(|c| (c.to() == extent(to), c.window.kernel, c.window.stride, c.window.pad))
        };
        assert_eq!(window([16, 32, 32], [16, 32, 32]), Some((true, [3, 3], [1, 1], [1, 1])));
        assert_eq!(window([16, 32, 32], [32, 16, 16]), Some((true, [4, 4], [2, 2], [1, 1])));
        assert_eq!(window([16, 9, 8], [32, 5, 4]).map(|w| w.0), Some(true));
        assert_eq!(window([6, 14, 14], [16, 5, 5]).map(|w| w.0), Some(true));
        assert_eq!(window([16, 5, 5], [120, 1, 1]), Some((true, [5, 5], [5, 5], [0, 0])));
        assert_eq!(window([4, 8, 8], [4, 9, 9]), None);
    }
}
