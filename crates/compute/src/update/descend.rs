//! Descent along an update that is there already as a tensor: of parameters whose outer product is none of units, such as
//! those of a convolution.

use super::fused::{Step, descend};
use super::{Descent, Moments};
use crate::cpu::out::Out;
use crate::cpu::stretch;
use crate::device::{Backend, Device};
use crate::tensor::Tensor;
use pulp::{Simd, WithSimd};

/// The update of one parameter: W = descend(W, Nm(scale D, radius)).
#[derive(Debug)]
pub struct Descend<'a> {
    /// The parameter.
    pub param: &'a mut Tensor,
    /// A second one that receives the same increment.
    pub mirror: Option<&'a mut Tensor>,
    /// Shared by the two.
    pub moments: &'a mut Moments,
    /// D, as many numbers.
    pub delta: &'a Tensor,
    /// Factor on D.
    pub scale: f64,
    /// c of the ball re-projection; none for no re-projection.
    pub radius: Option<f64>,
    /// The optimiser at this step.
    pub descent: Descent,
    /// Decoupled weight decay.
    pub decay: f64,
}

impl Device {
    /// Descends along D.
    ///
    /// # Panics
    /// If shapes do not fit.
    pub fn descend(&self, d: Descend<'_>) {
        let len = d.param.len();
        assert_eq!(d.delta.len(), len, "descend: D does not fit");
        assert!(d.mirror.as_deref().is_none_or(|m| m.len() == len), "descend: mirror does not fit");
        let moments = [&d.moments.first, &d.moments.second];
        let there = moments.iter().filter(|m| m.is_some()).count();
        let fit = moments.iter().all(|m| m.as_ref().is_none_or(|m| m.len() == len));
        assert!(fit && there >= d.descent.moments(), "descend: moments do not fit");
        let Descend { param, mirror, moments, delta, scale, radius, descent, decay } = d;
        let Moments { first, second } = moments;
        match &self.0 {
            Backend::Cpu(cpu) => {
                let d = delta.f32();
                let norm = match radius {
                    Some(_) => {
                        stretch::share(cpu, len, 16, |part| cpu.arch.dispatch(Squares(&d[part]))).sqrt() * scale.abs()
                    }
                    None => 0.0,
                };
                let out = |t: &mut Tensor| Out(t.f32_mut().as_mut_ptr());
                let tensors = [Some(out(param)), mirror.map(out), first.as_mut().map(out), second.as_mut().map(out)];
                let (step, scale) = (Step::new(&descent), (scale * shrink(norm, radius)) as f32);
                let keep = (1.0 - descent.rate() * decay) as f32;
                stretch::share(cpu, len, 16, |part| {
                    cpu.arch.dispatch(Part {
                        d: &d[part.clone()],
                        first: part.start,
                        step,
                        factors: [scale, keep],
                        tensors,
                    });
                    0.0
                });
            }
            Backend::Oracle => {
                let norm = delta.f64().iter().map(|v| v * v).sum::<f64>().sqrt() * scale.abs();
                let scale = scale * shrink(norm, radius);
                let keep = 1.0 - descent.rate() * decay;
                let mut first = first.as_mut().map(Tensor::f64_mut);
                let mut second = second.as_mut().map(Tensor::f64_mut);
                let mut mirror = mirror.map(Tensor::f64_mut);
                for (i, (w, &d)) in param.f64_mut().iter_mut().zip(delta.f64()).enumerate() {
                    let read = |s: &Option<&mut [f64]>| s.as_ref().map_or(0.0, |s| s[i]);
                    let (by, m, v) = descent.one(scale * d, read(&first), read(&second));
                    *w = keep * *w + by;
                    if let Some(s) = &mut first {
                        s[i] = m;
                    }
                    if let Some(s) = &mut second {
                        s[i] = v;
                    }
                    if let Some(mirror) = &mut mirror {
                        mirror[i] += by;
                    }
                }
            }
        }
    }
}

/// min(1, c / norm).
fn shrink(norm: f64, radius: Option<f64>) -> f64 {
    radius.filter(|&c| norm >= c).map_or(1.0, |c| c / norm)
}

/// The sum of squares.
struct Squares<'a>(&'a [f32]);

impl WithSimd for Squares<'_> {
    type Output = f64;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let [sum] = stretch::sums(simd, self.0.len(), |at, i| {
            // SAFETY: places along the stretch.
            let d = unsafe { at.load(simd, self.0.as_ptr(), i) };
            [simd.mul_f32s(d, d)]
        });
        sum
    }
}

/// Some numbers of D and of what descends along them.
struct Part<'a> {
    d: &'a [f32],
    first: usize,
    step: Step,
    factors: [f32; 2],
    tensors: [Option<Out>; 4],
}

impl WithSimd for Part<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // SAFETY: every tensor is as long as D, and its part is this task's alone: `Device::descend` has checked the lengths.
        let part = |o: Out| unsafe { std::slice::from_raw_parts_mut(o.at(self.first), self.d.len()) };
        let [Some(w), mirror, m, v] = self.tensors.map(|t| t.map(part)) else { return };
        descend(simd, self.step, self.factors, self.d, w, mirror, m, v);
    }
}
