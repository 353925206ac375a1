//! Unit by unit on vectors: noise and activation, targets and error neurons, slopes.

use super::Cpu;
use super::out::Out;
use super::stretch::{self, Lanes, along};
use crate::op::activation::Phi;
use crate::op::dense::Response;
use crate::tensor::Tensor;
use pulp::{Simd, WithSimd};

/// out = phi(z + N).
pub(crate) fn perturb(cpu: &Cpu, z: &Tensor, noise: Option<&Tensor>, phi: Phi, out: &mut Tensor) {
    let (z, b, out) = (z.f32(), z.cols(), out.f32_mut());
    let Some(noise) = noise.map(Tensor::f32) else {
        stretch::map(cpu, Activate(phi), [z], out);
        return;
    };
    let to = Out(out.as_mut_ptr());
    stretch::share(cpu, z.len(), b, |part| {
        let noise = &noise[part.start / b..];
        // SAFETY: a stretch of the output is one task's alone, and the output is as long as z.
        let out = unsafe { std::slice::from_raw_parts_mut(to.at(part.start), part.len()) };
        cpu.arch.dispatch(Perturb { z: &z[part], noise, b, phi, out });
        0.0
    });
}

/// e and the discrepancy from (h, z, d).
pub(crate) fn respond(cpu: &Cpu, response: Response, phi: Phi, from: [&Tensor; 3], e: &mut Tensor) -> f64 {
    let counted = stretch::map(cpu, Respond(response, phi), from.map(Tensor::f32), e.f32_mut());
    match response {
        Response::Target { mismatch, .. } => mismatch.finish(cpu, e, counted),
        Response::Derivative | Response::Plain => counted,
    }
}

/// x phi'(h).
#[derive(Clone, Copy)]
pub(crate) struct Slope(pub(crate) Phi);

impl Lanes<2> for Slope {
    #[inline(always)]
    fn lanes<S: Simd>(self, simd: S, [x, h]: [S::f32s; 2]) -> (S::f32s, Option<S::f32s>) {
        (simd.mul_f32s(x, self.0.vector_df(simd, h)), None)
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
