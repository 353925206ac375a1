//! [`Learner`]: a graph with numbers in it, a rule and an optimiser; one call is one training step.

mod evaluate;

use crate::block::Insides;
use crate::error::{Result, check};
use crate::forward::{Network, Passing};
use crate::graph::Graph;
use crate::optim::Optim;
use crate::param::ParamId;
use crate::params::transposed;
pub use crate::params::{Named, Params};
use crate::particles::Particles;
use crate::rule::{Activity, Errors, Increment, Rule, Settle, Signal, Step, Update};
use reclra_compute::rng::Key;
use reclra_compute::update::{Descend, Local, Moments, Scratch};
use reclra_compute::{Device, Tensor, Verdict};
use smallvec::SmallVec;

/// Stream of the initial weights under a run's seed.
const WEIGHTS: u64 = 0;
/// Stream of the rule's randomness; those between belong to the data.
const RULE: u64 = 16;

/// What one step reports, as means over its batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StepReport {
    /// Cross-entropy of the output, from its pre-activations (half the squared error where the output is no softmax).
    pub loss: f64,
    /// Share of samples classified wrongly, before the update.
    pub error: f64,
    /// Total discrepancy D = sum over regions of kappa_l (|z_l - y_l|_p)^q.
    pub discrepancy: f64,
}

/// A network in training.
#[derive(Debug)]
pub struct Learner {
    pub(crate) device: Device,
    pub(crate) graph: Graph,
    pub(crate) rule: Box<dyn Rule>,
    optim: Optim,
    pub(crate) params: Params,
    /// The moving average of weights and biases, if one is kept.
    pub(crate) average: Option<Params>,
    pub(crate) updates: Vec<Update>,
    /// One for each update.
    pub(crate) moments: Vec<Moments>,
    pub(crate) activity: Activity,
    pub(crate) errors: Errors,
    /// What the forward pass leaves in each block.
    pub(crate) insides: Insides,
    scratch: Scratch,
    pub(crate) particles: Particles,
    passing: Passing,
    pub(crate) steps: u64,
    /// Randomness of the rule, one child a step.
    pub(crate) key: Key,
}

impl Learner {
    /// A network with W drawn from N(0, `std`^2) and the rule's synapses from theirs, by name, under `seed`; biases 0.
    ///
    /// # Errors
    /// Names the setting that is out of its range.
    pub fn new(
        graph: Graph,
        rule: Box<dyn Rule>,
        std: f64,
        optim: Optim,
        device: Device,
        seed: u64,
    ) -> Result<Learner> {
        check(std.is_finite() && std >= 0.0, "net.w_std", std, "must be 0 or a positive number")?;
        optim.check()?;
        let key = Key::new(seed);
        let params = Params::new(&device, &graph, rule.params(&graph), std, key.child(WEIGHTS));
        let updates = rule.updates(&graph);
        let mut errors = Errors::new(&device, &graph, &rule.buffers(&graph));
        let is_summed = |id| updates.iter().any(|u| u.param == id && u.increment == Increment::Summed);
        let own = params.ids().filter(|&id| params.is_own(id));
        let delta = |id| if is_summed(id) { device.zeros(params[id].shape()) } else { Tensor::default() };
        errors.deltas.extend(own.map(delta));
        let mut learner = Learner {
            activity: Activity::new(&device, &graph),
            errors,
            insides: Insides::new(&device, graph.blocks()),
            key: key.child(RULE),
            scratch: Scratch::default(),
            particles: Particles::new(rule.persistent(&graph), &graph),
            passing: Passing::default(),
            moments: Vec::new(),
            average: None,
            steps: 0,
            device,
            graph,
            rule,
            optim,
            params,
            updates,
        };
        learner.forget();
        Ok(learner)
    }

    /// Drops what the optimiser remembers: moments, moving average, step count.
    fn forget(&mut self) {
        let descent = self.optim.descent(0, 1.0);
        let moments = |u: &Update| Moments::new(&self.device, self.params[u.param].shape(), &descent);
        self.moments = self.updates.iter().map(moments).collect();
        self.average = self.optim.average.map(|_| self.params.of_network());
        self.steps = 0;
    }

    /// One training step on a batch: `x` holds one sample a row (B x n_0), `labels` its B classes.
    ///
    /// # Panics
    /// If `x` and `labels` do not fit the network: data is validated before it comes here.
    pub fn step(&mut self, x: &[f32], labels: &[u32]) -> StepReport {
        self.step_of(x, labels, &[])
    }

    /// The same for samples the caller knows by number, so that a rule may keep a state of each
    /// ([`Rule::persistent`]); `samples` holds B numbers, or none.
    ///
    /// # Panics
    /// As [`Learner::step`].
    pub fn step_of(&mut self, x: &[f32], labels: &[u32], samples: &[u32]) -> StepReport {
        self.activate(x, samples);
        let verdict = self.assign(labels);
        self.update();
        let batch = labels.len().max(1) as f64;
        StepReport {
            loss: verdict.loss / batch,
            error: verdict.wrong as f64 / batch,
            discrepancy: self.errors.discrepancy.iter().sum(),
        }
    }

    /// The first two phases of a step: activities, then error neurons.
    ///
    /// # Panics
    /// As [`Learner::step`].
    pub fn errors_of(&mut self, x: &[f32], labels: &[u32]) -> Verdict {
        self.activate(x, &[]);
        self.assign(labels)
    }

    /// The same for samples in float64, of which the oracle device loses nothing.
    ///
    /// # Panics
    /// As [`Learner::step`].
    pub fn errors_of_f64(&mut self, x: &[f64], labels: &[u32]) -> Verdict {
        let (n, b) = (self.graph.regions()[0].width, labels.len());
        assert_eq!(x.len(), n * b, "step: x and labels do not fit");
        self.activity.z[0].set_cols(b);
        self.activity.z[0].copy_from_f64(&transposed(x, b, n));
        self.infer(false, &[]);
        self.assign(labels)
    }

    /// The first phase of a step: the activities of a batch, one sample a row (Alg. 1, line 4). `samples` as for
    /// [`Learner::step_of`].
    ///
    /// # Panics
    /// If `x` is not a whole number of samples.
    pub fn activate(&mut self, x: &[f32], samples: &[u32]) {
        self.device.load_batch(x, &mut self.activity.z[0]);
        self.infer(false, samples);
        self.particles.keep(samples, &self.activity);
    }

    /// The second phase: the output is judged, then error neurons appear as the rule has them.
    ///
    /// # Panics
    /// If there are not as many labels as samples.
    pub fn assign(&mut self, labels: &[u32]) -> Verdict {
        assert_eq!(labels.len(), self.activity.z[0].cols(), "step: x and labels do not fit");
        let out = self.graph.output();
        let Errors { e, d, y, discrepancy, .. } = &mut self.errors;
        let to = [&mut y[out], &mut e[out], &mut d[out]];
        let output = [&self.activity.h[out], &self.activity.z[out]];
        let verdict = self.device.output_error(output, labels, self.graph.is_classifier(), to);
        discrepancy.fill(0.0);
        discrepancy[out] = verdict.distance / labels.len().max(1) as f64;
        self.rule.error_neurons(&mut Step {
            device: &self.device,
            graph: &self.graph,
            params: &self.params,
            insides: &mut self.insides,
            key: self.key.child(self.steps),
            activity: &self.activity,
            errors: &mut self.errors,
        });
        verdict
    }

    /// The third phase of a step: all local updates, those that are outer products in one pass.
    pub fn update(&mut self) {
        let Learner {
            device, graph, params, errors, activity, updates, moments, optim, scratch, insides, steps, ..
        } = self;
        let signal = |s: Signal| s.of(activity, errors);
        let batch = activity.z[0].cols().max(1) as f64;
        let own = graph.own(0);
        let decay = |id: ParamId, is_weight: bool| if is_weight && id < own { optim.decay } else { 0.0 };
        {
            // Each tensor is lent to the one update that changes it.
            let mut lent: SmallVec<[Option<&mut Tensor>; 64]> = params.tensors_mut().iter_mut().map(Some).collect();
            let mut lend = |id: ParamId| lent[id.index()].take().expect("a parameter has one update");
            let mut products: SmallVec<[Local<'_>; 64]> = SmallVec::new();
            let mut sums: SmallVec<[Descend<'_>; 64]> = SmallVec::new();
            for (u, moments) in updates.iter().zip(moments) {
                let (param, mirror) = (lend(u.param), u.mirror.map(&mut lend));
                let is_weight = param.shape().len() == 2;
                let (scale, descent, decay) =
                    (u.factor / batch, optim.descent(*steps, u.rate), decay(u.param, is_weight));
                match u.increment {
                    Increment::Outer { post, pre } => products.push(Local {
                        param,
                        mirror,
                        moments,
                        post: signal(post),
                        pre: pre.map(signal),
                        scale,
                        radius: optim.radius,
                        descent,
                        decay,
                    }),
                    Increment::Summed => sums.push(Descend {
                        param,
                        mirror,
                        moments,
                        delta: &errors.deltas[u.param.index()],
                        scale,
                        radius: optim.radius.filter(|_| is_weight),
                        descent,
                        decay,
                    }),
                }
            }
            device.update(&mut products, scratch);
            sums.into_iter().for_each(|sum| device.descend(sum));
        }
        // The statistics follow the batch.
        for (region, inside) in graph.regions().iter().zip(&insides.blocks) {
            if let (Some(block), Some(inside)) = (&region.inside, inside) {
                block.follow(device, params.range_mut(&region.params), inside, batch as usize);
            }
        }
        *steps += 1;
        if let (Some(average), Some(decay)) = (&mut self.average, optim.average) {
            // Young averages follow the weights closely, so that the initial weights are soon forgotten.
            let decay = decay.min((1.0 + *steps as f64) / (10.0 + *steps as f64));
            let both = average.tensors_mut().iter_mut().zip(params.tensors_mut());
            both.for_each(|(a, v)| device.average(a, v, decay));
        }
    }

    /// The activities of a batch, one sample a row, as evaluation has them: with the averaged weights if there are any,
    /// settled if the rule settles. Nothing is learnt and no kept state is touched; [`Learner::activity`] holds them until
    /// the next batch.
    ///
    /// # Panics
    /// If `x` is not a whole number of samples.
    pub fn activate_evaluated(&mut self, x: &[f32]) -> &Activity {
        self.device.load_batch(x, &mut self.activity.z[0]);
        self.infer(true, &[]);
        &self.activity
    }

    /// The activities of the batch that is loaded, as evaluation has them if that is asked for: with the averaged weights if there
    /// are any, and with running statistics.
    /// What settles begins at the kept states of `samples`, else at the forward pass.
    fn infer(&mut self, averaged: bool, samples: &[u32]) {
        let Learner { device, graph, activity, errors, params, average, particles, insides, .. } = self;
        let params = average.as_ref().filter(|_| averaged).unwrap_or(params);
        let network = Network { device, graph, params, training: !averaged, key: self.key.child(self.steps) };
        network.keep(activity, insides);
        if !samples.is_empty() {
            particles.recall(samples, device, activity);
        }
        let buffers = &mut errors.buffers;
        if let Some(settles) = self.rule.settles() {
            settles.infer(&mut Settle { device, graph, params, activity, buffers });
        }
    }

    /// The network.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The rule.
    #[must_use]
    pub fn rule(&self) -> &dyn Rule {
        &*self.rule
    }

    /// The optimiser's settings.
    #[must_use]
    pub fn optim(&self) -> &Optim {
        &self.optim
    }

    /// Where it computes.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Steps done.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Bytes of the optimiser's moments.
    #[must_use]
    pub fn moment_bytes(&self) -> u64 {
        let size = |t: &Option<Tensor>| t.as_ref().map_or(0, |t| 4 * t.len() as u64);
        self.moments.iter().map(|m| size(&m.first) + size(&m.second)).sum()
    }

    /// Bytes of the activities of evaluation, apart from those of training.
    #[must_use]
    pub fn evaluation_bytes(&self) -> u64 {
        self.passing.bytes()
    }

    /// h and z of the last batch that it learned from.
    #[must_use]
    pub fn activity(&self) -> &Activity {
        &self.activity
    }

    /// e, d, y and discrepancy of the last training batch.
    #[must_use]
    pub fn errors(&self) -> &Errors {
        &self.errors
    }

    /// Every parameter by name: W, b, then the rule's own.
    #[must_use]
    pub fn parameters(&self) -> Vec<Named<'_>> {
        self.params.named().collect()
    }

    /// The masks of noise by name, `noise.b1.noise1`: drawn from the seed, trained by nothing, part of no state.
    #[must_use]
    pub fn masks(&self) -> Vec<(String, Vec<f32>)> {
        let mut all = Vec::new();
        for (r, fixed) in self.graph.regions().iter().zip(&self.params.fixed) {
            let stages = r.inside.iter().flat_map(|block| block.stages());
            let masks = stages.zip(fixed).filter_map(|(s, mask)| Some((s, mask.as_ref()?)));
            all.extend(masks.map(|(s, mask)| (format!("noise.{}.{}", r.name, s.name), mask.to_f32())));
        }
        all
    }

    /// Every W and b of the moving average, if one is kept.
    #[must_use]
    pub fn averaged(&self) -> Option<Vec<Named<'_>>> {
        self.average.as_ref().map(|a| a.named().collect())
    }

    /// Overwrites a parameter, row by row in the shape [`Named`] gives it, its moving average too.
    ///
    /// # Errors
    /// If there are more or fewer values than the parameter has.
    pub fn set(&mut self, param: ParamId, values: &[f64]) -> Result<()> {
        self.set_from(param, values.iter().copied())
    }

    /// The same of values that are made one by one: none is held twice.
    ///
    /// # Errors
    /// If there are more or fewer values than the parameter has.
    pub fn set_from(&mut self, param: ParamId, values: impl ExactSizeIterator<Item = f64> + Clone) -> Result<()> {
        self.params.fill(param, values.clone())?;
        self.set_averaged(param, values)
    }

    /// Overwrites a weight or bias of the moving average; without one, or for a rule's own synapse, nothing happens.
    ///
    /// # Errors
    /// If there are more or fewer values than the parameter has.
    pub fn set_averaged(&mut self, param: ParamId, values: impl ExactSizeIterator<Item = f64>) -> Result<()> {
        match &mut self.average {
            Some(average) if !self.params.is_own(param) => average.fill(param, values),
            _ => Ok(()),
        }
    }

    /// Whether every weight, bias and synapse is a finite number. The name of the first parameter that is not.
    ///
    /// # Errors
    /// The name of the first parameter that is not.
    pub fn check_finite(&self) -> std::result::Result<(), String> {
        self.parameters().into_iter().find(|n| !n.is_finite()).map_or(Ok(()), |n| Err(n.name))
    }
}
