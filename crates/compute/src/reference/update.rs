//! The local update, naive.

use super::dense::{product, transposed};
use crate::op::update::{Descend, Descent, Local, Moments};
use crate::tensor::Tensor;

/// scale * post pre^T; without pre, scale * the row sums of post.
pub(crate) fn outer(post: &Tensor, pre: Option<&Tensor>, scale: f64) -> Vec<f64> {
    let (n, b) = (post.rows(), post.cols());
    let ones = vec![1.0; b];
    let (x, m) = pre.map_or((&ones[..], 1), |p| (p.f64(), p.rows()));
    product(post.f64(), &transposed(x, m, b), n, b, m).iter().map(|v| scale * v).collect()
}

pub(crate) fn update(l: &mut Local<'_>) {
    let mut d = outer(l.post, l.pre, l.scale);
    let norm = d.iter().map(|v| v * v).sum::<f64>().sqrt();
    if let (Some(_), Some(c)) = (l.pre, l.radius)
        && norm >= c
    {
        d.iter_mut().for_each(|v| *v *= c / norm);
    }
    step(&l.descent, l.decay, d.into_iter(), l.param, l.mirror.as_deref_mut(), l.moments);
}

pub(crate) fn descend(op: Descend<'_>) {
    let norm = op.delta.f64().iter().map(|v| v * v).sum::<f64>().sqrt() * op.scale.abs();
    let factor = op.factor(norm);
    step(&op.descent, op.decay, op.delta.f64().iter().map(|d| factor * d), op.param, op.mirror, op.moments);
}

/// One step of each number along its d.
fn step(
    descent: &Descent,
    decay: f64,
    d: impl Iterator<Item = f64>,
    param: &mut Tensor,
    mirror: Option<&mut Tensor>,
    Moments { first, second }: &mut Moments,
) {
    let [mut first, mut second, mut mirror] = [first.as_mut(), second.as_mut(), mirror].map(|t| t.map(Tensor::f64_mut));
    let keep = 1.0 - descent.rate() * decay;
    for (i, (w, d)) in param.f64_mut().iter_mut().zip(d).enumerate() {
        let read = |s: &Option<&mut [f64]>| s.as_ref().map_or(0.0, |s| s[i]);
        let (increment, m, v) = descent.one(d, read(&first), read(&second));
        let mirrored = read(&mirror) + increment;
        *w = keep * *w + increment;
        for (s, new) in [(&mut first, m), (&mut second, v), (&mut mirror, mirrored)] {
            if let Some(s) = s {
                s[i] = new;
            }
        }
    }
}
