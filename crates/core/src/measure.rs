//! What one looks at beside training: the local updates as tensors, the exact gradient, and the angle between them.

use crate::block::Insides;
use crate::forward::Network;
use crate::graph::RegionId;
use crate::learner::Learner;
use crate::rule::{Activity, Errors, Increment, ParamId, Rule, Step, Update};
use crate::rules::Backprop;
use reclra_compute::Tensor;

impl Learner {
    /// The local updates D of the last batch as tensors, before re-projection: the numbers the fused pass uses up.
    #[must_use]
    pub fn updates(&self) -> Vec<(ParamId, Tensor)> {
        self.products(&self.updates, &self.activity, &self.errors)
    }

    fn products(&self, updates: &[Update], activity: &Activity, errors: &Errors) -> Vec<(ParamId, Tensor)> {
        let batch = activity.z[0].cols().max(1) as f64;
        let mut list = Vec::new();
        for u in updates {
            let d = match u.increment {
                Increment::Outer { post, pre } => {
                    let post = post.of(activity, errors);
                    let ones = || self.device.tensor(&[1, post.cols()], &vec![1.0; post.cols()]);
                    match pre {
                        Some(pre) => self.device.outer(post, pre.of(activity, errors), u.factor / batch),
                        None => self.device.outer(post, &ones(), u.factor / batch),
                    }
                }
                Increment::Summed => {
                    let delta = &errors.deltas[u.param.index()];
                    let values: Vec<f64> = delta.to_vec().iter().map(|v| v * u.factor / batch).collect();
                    self.device.tensor(self.params[u.param].shape(), &values)
                }
            };
            list.extend(u.mirror.map(|id| (id, d.clone())));
            list.push((u.param, d));
        }
        list
    }

    /// The gradient of the loss in every W and b on the last training batch, by backprop through the feed-forward
    /// network. Exact for a softmax output (cross-entropy) and for a linear one (half the squared error); sign units
    /// take hard tanh's slope.
    #[must_use]
    pub fn gradient(&self) -> Vec<(ParamId, Tensor)> {
        let Learner { device, graph, params, .. } = self;
        let (mut activity, mut errors) = (Activity::new(device, graph), Errors::new(device, graph, &[]));
        activity.z[0].clone_from(&self.activity.z[0]);
        let mut left = Insides::new(device, graph.blocks());
        let network = Network { device, graph, params, training: true, key: self.key.child(self.steps) };
        network.keep(&mut activity, &mut left);
        let out = graph.output();
        device.blend((1.0, &activity.z[out]), (-1.0, &self.errors.y[out]), &mut errors.e[out]);
        let rule = Backprop::of(graph);
        let key = self.key.child(self.steps);
        let (insides, activity, errors_of) = (&mut left, &activity, &mut errors);
        rule.error_neurons(&mut Step { device, graph, params, insides, key, activity, errors: errors_of });
        self.products(&rule.updates(graph), activity, &errors)
    }

    /// The angle in degrees, region by region, between the rule's update of W (all sources together) and the gradient
    /// on the same batch, that of the last [`Learner::errors_of`]. Below 90 the update descends; a region without an
    /// update or without a gradient has 90.
    ///
    /// The weights must be those that the batch was judged with: call it before [`Learner::update`].
    #[must_use]
    pub fn alignment(&self) -> Vec<(RegionId, f64)> {
        let of = |list: &[(ParamId, Tensor)], region: RegionId| -> Vec<f64> {
            let mut all = Vec::new();
            let places = self.graph.regions()[region].params.clone().map(ParamId);
            for wanted in places.filter(|&id| self.params.spec(id).is_weight()) {
                let len = self.params[wanted].len();
                match list.iter().find(|(p, _)| *p == wanted) {
                    Some((_, d)) => all.extend(d.to_vec()),
                    None => all.resize(all.len() + len, 0.0),
                }
            }
            all
        };
        let (updates, gradient) = (self.updates(), self.gradient());
        (1..=self.graph.output()).map(|i| (i, angle(&of(&updates, i), &of(&gradient, i)))).collect()
    }
}

/// The angle between two vectors in degrees; 90 if one of them is zero.
fn angle(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let cosine = dot(a, b) / (dot(a, a).sqrt() * dot(b, b).sqrt());
    if cosine.is_finite() { cosine.clamp(-1.0, 1.0).acos().to_degrees() } else { 90.0 }
}
