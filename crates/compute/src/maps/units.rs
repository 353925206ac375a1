//! Unit by unit: noise and activation, targets and error neurons, sums of signals.

use crate::dense::Response;
use crate::device::{Backend, Device};
use crate::pointwise::Phi;
use crate::tensor::Tensor;

impl Device {
    /// out = phi(z + N), N one number a unit, the same for all samples; without one, phi(z).
    ///
    /// # Panics
    /// If shapes do not fit.
    pub fn perturb_units(&self, z: &Tensor, noise: Option<&Tensor>, phi: Phi, out: &mut Tensor) {
        assert_eq!(z.rows(), out.rows(), "perturb_units: shapes do not fit");
        assert!(noise.is_none_or(|n| n.len() == z.rows()), "perturb_units: N does not fit");
        let b = z.cols();
        out.set_cols(b);
        match &self.0 {
            Backend::Cpu(_) => {
                let noise = noise.map(Tensor::f32);
                for (i, (o, &z)) in out.f32_mut().iter_mut().zip(z.f32()).enumerate() {
                    *o = phi.f(f64::from(z + noise.map_or(0.0, |n| n[i / b]))) as f32;
                }
            }
            Backend::Oracle => {
                let noise = noise.map(Tensor::f64);
                for (i, (o, &z)) in out.f64_mut().iter_mut().zip(z.f64()).enumerate() {
                    *o = phi.f(z + noise.map_or(0.0, |n| n[i / b]));
                }
            }
        }
    }

    /// Error neurons from what a region received: e = mismatch(z - phi(h - beta d)), or d phi'(h), or d. Returns the
    /// discrepancy, summed over units and samples.
    ///
    /// # Panics
    /// If shapes do not fit.
    pub fn respond(&self, response: Response, phi: Phi, [h, z, d]: [&Tensor; 3], e: &mut Tensor) -> f64 {
        assert!(h.shape() == d.shape() && z.shape() == d.shape() && e.rows() == d.rows(), "respond: shapes differ");
        e.set_cols(d.cols());
        let one = |h: f64, z: f64, d: f64| match response {
            Response::Target { beta, mismatch } => mismatch.f(z - phi.f(h - beta * d)),
            Response::Derivative => (d * phi.df(h), 0.0),
            Response::Plain => (d, 0.0),
        };
        let mut discrepancy = 0.0;
        match &self.0 {
            Backend::Cpu(_) => {
                let from = h.f32().iter().zip(z.f32()).zip(d.f32());
                for (e, ((&h, &z), &d)) in e.f32_mut().iter_mut().zip(from) {
                    let (fired, part) = one(f64::from(h), f64::from(z), f64::from(d));
                    *e = fired as f32;
                    discrepancy += part;
                }
            }
            Backend::Oracle => {
                let from = h.f64().iter().zip(z.f64()).zip(d.f64());
                for (e, ((&h, &z), &d)) in e.f64_mut().iter_mut().zip(from) {
                    let (fired, part) = one(h, z, d);
                    *e = fired;
                    discrepancy += part;
                }
            }
        }
        discrepancy
    }

    /// out += a x.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn add(&self, a: f64, x: &Tensor, out: &mut Tensor) {
        assert_eq!(x.shape(), out.shape(), "add: shapes differ");
        match &self.0 {
            Backend::Cpu(_) => out.f32_mut().iter_mut().zip(x.f32()).for_each(|(o, &x)| *o += a as f32 * x),
            Backend::Oracle => out.f64_mut().iter_mut().zip(x.f64()).for_each(|(o, &x)| *o += a * x),
        }
    }
}
