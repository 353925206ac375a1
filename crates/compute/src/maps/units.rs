//! Unit by unit: noise and activation, targets and error neurons, sums of signals.

use crate::cpu::out::Out;
use crate::cpu::stretch::{self, Blend, Lanes, along};
use crate::dense::Response;
use crate::device::{Backend, Device};
use crate::oracle;
use crate::pointwise::Phi;
use crate::tensor::Tensor;
use pulp::{Simd, WithSimd};

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
        self.count(2, z);
        match &self.0 {
            Backend::Cpu(cpu) => match noise {
                None => {
                    stretch::map(cpu, Activate(phi), [z.f32()], out.f32_mut());
                }
                Some(noise) => {
                    let (z, noise, to) = (z.f32(), noise.f32(), Out(out.f32_mut().as_mut_ptr()));
                    stretch::share(cpu, z.len(), b, |part| {
                        let noise = &noise[part.start / b..];
                        // SAFETY: a stretch of the output is one task's alone, and the output is as long as z.
                        let out = unsafe { std::slice::from_raw_parts_mut(to.at(part.start), part.len()) };
                        cpu.arch.dispatch(Perturb { z: &z[part], noise, b, phi, out });
                        0.0
                    });
                }
            },
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
        self.count(4, d);
        match &self.0 {
            Backend::Cpu(cpu) => {
                let counted = stretch::map(cpu, Respond(response, phi), [h.f32(), z.f32(), d.f32()], e.f32_mut());
                match response {
                    Response::Target { mismatch, .. } => mismatch.finish(cpu, e, counted),
                    Response::Derivative | Response::Plain => counted,
                }
            }
            Backend::Oracle => {
                let (h, d, b) = (h.f64(), d.f64(), d.cols());
                let (fired, discrepancy) = match response {
                    Response::Target { beta, mismatch } => {
                        let y: Vec<f64> = h.iter().zip(d).map(|(h, d)| phi.f(h - beta * d)).collect();
                        oracle::error_neurons(mismatch, z.f64(), &y, b)
                    }
                    Response::Derivative => (h.iter().zip(d).map(|(&h, d)| d * phi.df(h)).collect(), 0.0),
                    Response::Plain => (d.to_vec(), 0.0),
                };
                e.f64_mut().copy_from_slice(&fired);
                discrepancy
            }
        }
    }

    /// out += a x.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn add(&self, a: f64, x: &Tensor, out: &mut Tensor) {
        assert_eq!(x.shape(), out.shape(), "add: shapes differ");
        self.count(3, x);
        match &self.0 {
            Backend::Cpu(cpu) => stretch::change(cpu, Blend(1.0, a as f32), x.f32(), out.f32_mut()),
            Backend::Oracle => out.f64_mut().iter_mut().zip(x.f64()).for_each(|(o, &x)| *o += a * x),
        }
    }
}

/// phi(z).
#[derive(Clone, Copy)]
struct Activate(Phi);

impl Lanes<1> for Activate {
    #[inline(always)]
    fn lanes<S: Simd>(self, simd: S, [z]: [S::f32s; 1]) -> (S::f32s, Option<S::f32s>) {
        (self.0.vector(simd, z), None)
    }
}

/// Error neurons of (h, z, d), and the discrepancy.
#[derive(Clone, Copy)]
struct Respond(Response, Phi);

impl Lanes<3> for Respond {
    #[inline(always)]
    fn lanes<S: Simd>(self, simd: S, [h, z, d]: [S::f32s; 3]) -> (S::f32s, Option<S::f32s>) {
        match self.0 {
            Response::Target { beta, mismatch } => {
                let y = self.1.vector(simd, simd.negate_mul_add_e_f32s(simd.splat_f32s(beta as f32), d, h));
                let (e, share) = mismatch.vector(simd, simd.sub_f32s(z, y));
                (e, Some(share))
            }
            Response::Derivative => (simd.mul_f32s(d, self.1.vector_df(simd, h)), None),
            Response::Plain => (d, None),
        }
    }
}

/// phi(z + N) of some units.
struct Perturb<'a> {
    z: &'a [f32],
    noise: &'a [f32],
    b: usize,
    phi: Phi,
    out: &'a mut [f32],
}

impl WithSimd for Perturb<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let units = self.out.chunks_exact_mut(self.b).zip(self.z.chunks_exact(self.b));
        for ((out, z), &noise) in units.zip(self.noise) {
            let noise = simd.splat_f32s(noise);
            along(
                simd,
                out.len(),
                #[inline(always)]
                |place, at| {
                    // SAFETY: both are `b` long.
                    unsafe {
                        let h = simd.add_f32s(place.load(simd, z.as_ptr(), at), noise);
                        place.store(simd, out.as_mut_ptr(), at, self.phi.vector(simd, h));
                    }
                },
            );
        }
    }
}
