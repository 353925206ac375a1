//! Unit by unit, naive.

use super::dense;
use crate::op::activation::Phi;
use crate::op::dense::Response;
use crate::tensor::Tensor;

/// out = f(x, y), number by number.
pub(crate) fn map(x: &Tensor, y: &Tensor, out: &mut Tensor, f: impl Fn(f64, f64) -> f64) {
    out.f64_mut().iter_mut().zip(x.f64().iter().zip(y.f64())).for_each(|(o, (&x, &y))| *o = f(x, y));
}

pub(crate) fn perturb(z: &Tensor, noise: Option<&Tensor>, phi: Phi, out: &mut Tensor) {
    let (noise, b) = (noise.map(Tensor::f64), z.cols());
    for (i, (o, &z)) in out.f64_mut().iter_mut().zip(z.f64()).enumerate() {
        *o = phi.f(z + noise.map_or(0.0, |n| n[i / b]));
    }
}

pub(crate) fn respond(response: Response, phi: Phi, [h, z, d]: [&Tensor; 3], e: &mut Tensor) -> f64 {
    let (_, fired, discrepancy) = dense::respond(response, phi, [h.f64(), z.f64(), d.f64()], d.cols());
    e.f64_mut().copy_from_slice(&fired);
    discrepancy
}
