//! Activations on vectors.

use super::Cpu;
use super::simd::{exp, exp_m1, map_lanes, sigmoid, sign, tanh};
use crate::op::activation::Phi;
use crate::tensor::Tensor;
use pulp::{Simd, WithSimd};

impl Phi {
    /// phi(h) on a vector of units.
    #[inline(always)]
    pub(crate) fn vector<S: Simd>(self, simd: S, h: S::f32s) -> S::f32s {
        let zero = simd.splat_f32s(0.0);
        match self {
            Phi::Tanh => tanh(simd, h),
            Phi::Sigmoid => sigmoid(simd, h),
            // Compared this way round, NaN is kept.
            Phi::Relu => simd.select_f32s(simd.less_than_f32s(h, zero), zero, h),
            Phi::LRelu { slope } => {
                simd.select_f32s(simd.less_than_f32s(h, zero), simd.mul_f32s(h, simd.splat_f32s(slope as f32)), h)
            }
            Phi::Elu => simd.select_f32s(simd.less_than_f32s(h, zero), exp_m1(simd, h), h),
            Phi::Sign => sign(simd, h),
            Phi::Identity | Phi::Softmax => h, // softmax is applied to whole columns afterwards
            Phi::Custom(c) => map_lanes::<S>(h, |x| (c.f)(f64::from(x)) as f32),
        }
    }

    /// phi'(h) on a vector of units.
    #[inline(always)]
    pub(crate) fn vector_df<S: Simd>(self, simd: S, h: S::f32s) -> S::f32s {
        let one = simd.splat_f32s(1.0);
        let zero = simd.splat_f32s(0.0);
        let positive = simd.greater_than_f32s(h, zero);
        match self {
            Phi::Tanh => {
                let z = tanh(simd, h);
                simd.negate_mul_add_e_f32s(z, z, one)
            }
            Phi::Sigmoid => {
                let z = sigmoid(simd, h);
                simd.mul_f32s(z, simd.sub_f32s(one, z))
            }
            Phi::Relu => simd.select_f32s(positive, one, zero),
            Phi::LRelu { slope } => simd.select_f32s(positive, one, simd.splat_f32s(slope as f32)),
            Phi::Elu => simd.select_f32s(positive, one, simd.add_f32s(exp_m1(simd, h), one)),
            Phi::Sign => simd.select_f32s(simd.greater_than_f32s(simd.abs_f32s(h), one), zero, one),
            Phi::Identity | Phi::Softmax => one,
            Phi::Custom(c) => map_lanes::<S>(h, |x| (c.df)(f64::from(x)) as f32),
        }
    }
}

struct Softmax<'a> {
    z: &'a mut [f32],
    cols: usize,
}

impl WithSimd for Softmax<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // A column's largest value is taken off first, so that no exponent is positive and one of them is zero.
        for c in 0..self.cols {
            let column = |z: &[f32]| z.iter().skip(c).step_by(self.cols).fold(f32::NEG_INFINITY, |m, &v| m.max(v));
            let largest = column(self.z);
            self.z.iter_mut().skip(c).step_by(self.cols).for_each(|v| *v -= largest);
        }
        let (head, tail) = S::as_mut_simd_f32s(self.z);
        head.iter_mut().for_each(|v| *v = exp(simd, *v));
        if !tail.is_empty() {
            let last = exp(simd, simd.partial_load_f32s(tail));
            simd.partial_store_f32s(tail, last);
        }
        for c in 0..self.cols {
            let sum: f32 = self.z.iter().skip(c).step_by(self.cols).sum();
            self.z.iter_mut().skip(c).step_by(self.cols).for_each(|v| *v /= sum);
        }
    }
}

/// Turns h into softmax(h), column by column.
pub(crate) fn softmax(cpu: &Cpu, z: &mut Tensor) {
    let cols = z.cols();
    cpu.arch.dispatch(Softmax { z: z.f32_mut(), cols });
}
