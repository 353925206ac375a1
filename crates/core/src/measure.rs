//! What one looks at beside training: the local updates as tensors, the exact gradient, and the angle between them.

use crate::block::Insides;
use crate::forward::forward;
use crate::graph::RegionId;
use crate::learner::Learner;
use crate::rule::{Activity, BlockUpdate, Errors, LocalUpdate, Param, Rule, Step};
use crate::rules::Backprop;
use crate::rules::blocks::BackpropBlocks;
use reclra_compute::Tensor;

impl Learner {
    /// The local updates D of the last batch as tensors, before re-projection: the numbers the fused pass uses up.
    #[must_use]
    pub fn updates(&self) -> Vec<(Param, Tensor)> {
        self.products((&self.updates, &self.block_updates), &self.activity, &self.errors)
    }

    fn products(
        &self,
        (updates, inside): (&[LocalUpdate], &[BlockUpdate]),
        activity: &Activity,
        errors: &Errors,
    ) -> Vec<(Param, Tensor)> {
        let batch = activity.z[0].cols().max(1) as f64;
        let mut list = Vec::new();
        for u in updates {
            let post = u.post.of(activity, errors);
            let ones = || self.device.tensor(&[1, post.cols()], &vec![1.0; post.cols()]);
            let d = match u.pre {
                Some(pre) => self.device.outer(post, pre.of(activity, errors), u.factor / batch),
                None => self.device.outer(post, &ones(), u.factor / batch),
            };
            list.extend(u.mirror.map(|n| (Param::Own(n), d.clone())));
            list.push((u.param, d));
        }
        for u in inside {
            let values: Vec<f64> = u.delta(errors).to_vec().iter().map(|v| v * u.factor / batch).collect();
            let d = self.device.tensor(self.params.get(u.param).shape(), &values);
            list.extend(u.mirror.map(|n| (Param::Own(n), d.clone())));
            list.push((u.param, d));
        }
        list
    }

    /// The gradient of the loss in every W and b on the last training batch, by backprop through the feed-forward
    /// network. Exact for a softmax output (cross-entropy) and for a linear one (half the squared error); sign units
    /// take hard tanh's slope.
    #[must_use]
    pub fn gradient(&self) -> Vec<(Param, Tensor)> {
        let Learner { device, graph, params, .. } = self;
        let (mut activity, mut errors) = (Activity::new(device, graph), Errors::new(device, graph, &[]));
        activity.z[0].clone_from(&self.activity.z[0]);
        let mut left = Insides::new(device, graph.blocks());
        forward(device, graph, params, &mut activity, (&mut left, true), self.key.child(self.steps));
        let out = graph.output();
        device.blend((1.0, &activity.z[out]), (-1.0, &self.errors.y[out]), &mut errors.e[out]);
        let rule: Box<dyn Rule> =
            if graph.has_blocks() { Box::new(BackpropBlocks) } else { Box::new(Backprop::of(graph)) };
        let key = self.key.child(self.steps);
        let (weights, biases, own) = (&params.weights, &params.biases, &[]);
        let errors_of = &mut errors;
        rule.error_neurons(&mut Step {
            device,
            graph,
            weights,
            biases,
            own,
            blocks: (&params.inside, &params.fixed),
            insides: &mut left,
            key,
            activity: &activity,
            errors: errors_of,
        });
        self.products((&rule.local_updates(graph), &rule.block_updates(graph)), &activity, &errors)
    }

    /// The angle in degrees, region by region, between the rule's update of W (all sources together) and the gradient
    /// on the same batch, that of the last [`Learner::errors_of`]. Below 90 the update descends; a region without an
    /// update or without a gradient has 90.
    ///
    /// The weights must be those that the batch was judged with: call it before [`Learner::update`].
    #[must_use]
    pub fn alignment(&self) -> Vec<(RegionId, f64)> {
        let of = |list: &[(Param, Tensor)], region: RegionId| -> Vec<f64> {
            let mut all = Vec::new();
            let r = &self.graph.regions()[region];
            let dense = 0..if r.inside.is_some() { 0 } else { r.sources.len() };
            let inside = r.inside.iter().flat_map(|b| b.params()).enumerate().filter(|(_, (_, p))| p.is_weight());
            let wanted = dense.map(|source| Param::Weight { region, source });
            for wanted in wanted.chain(inside.map(|(n, _)| Param::Inside { region, n })) {
                let len = self.params.get(wanted).len();
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
