//! Descent along an update that is there already as a tensor: of parameters whose outer product is none of units, such as
//! those of a convolution.

use super::{Step, descend};
use crate::cpu::Cpu;
use crate::cpu::out::Out;
use crate::cpu::stretch;
use crate::op::update::{Descend, Moments};
use crate::tensor::Tensor;
use pulp::{Simd, WithSimd};

/// W = descend(W, Nm(scale D, radius)).
pub(crate) fn along(cpu: &Cpu, op: Descend<'_>) {
    let (d, len) = (op.delta.f32(), op.param.len());
    let norm = match op.radius {
        Some(_) => stretch::share(cpu, len, 16, |part| cpu.arch.dispatch(Squares(&d[part]))).sqrt() * op.scale.abs(),
        None => 0.0,
    };
    let factors = [op.factor(norm) as f32, (1.0 - op.descent.rate() * op.decay) as f32];
    let out = |t: &mut Tensor| Out(t.f32_mut().as_mut_ptr());
    let Moments { first, second } = op.moments;
    let tensors = [Some(out(op.param)), op.mirror.map(out), first.as_mut().map(out), second.as_mut().map(out)];
    let step = Step::new(&op.descent);
    stretch::share(cpu, len, 16, |part| {
        cpu.arch.dispatch(Part { d: &d[part.clone()], first: part.start, step, factors, tensors });
        0.0
    });
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
