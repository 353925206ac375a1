//! Activations unit by unit, in float64 for the oracle and on vectors for the kernels.

use crate::cpu::simd::{exp_m1, map_lanes, sigmoid, sign, tanh};
pub use crate::mismatch::Mismatch;
use pulp::Simd;

/// An activation phi. `f` is what a forward pass and a target need; `df` only what the rules with derivatives need.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Phi {
    /// tanh h
    Tanh,
    /// 1 / (1 + e^-h)
    Sigmoid,
    /// max(h, 0)
    Relu,
    /// h where h > 0, `slope` times h elsewhere
    LRelu {
        /// Slope below zero, 0.01 by custom.
        slope: f64,
    },
    /// h where h > 0, e^h - 1 elsewhere
    Elu,
    /// -1, 0 or 1. Its derivative is zero: rules that need one take a surrogate.
    Sign,
    /// h
    Identity,
    /// e^h over its sum across the units of the region; for the output.
    Softmax,
    /// A function of the user's own.
    Custom(CustomPhi),
}

/// An activation given as plain functions: for units that need be neither standard nor differentiable.
#[derive(Clone, Copy, Debug)]
pub struct CustomPhi {
    /// Name in messages and files.
    pub name: &'static str,
    /// phi(h)
    pub f: fn(f64) -> f64,
    /// phi'(h); may panic if no rule in use asks for it.
    pub df: fn(f64) -> f64,
}

impl PartialEq for CustomPhi {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Phi {
    /// Its name, as in a spec.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Phi::Tanh => "tanh",
            Phi::Sigmoid => "sigmoid",
            Phi::Relu => "relu",
            Phi::LRelu { .. } => "lrelu",
            Phi::Elu => "elu",
            Phi::Sign => "sign",
            Phi::Identity => "identity",
            Phi::Softmax => "softmax",
            Phi::Custom(c) => c.name,
        }
    }

    /// phi(h) in float64.
    ///
    /// # Panics
    /// For softmax, which is no function of one unit.
    #[must_use]
    pub fn f(self, h: f64) -> f64 {
        match self {
            Phi::Tanh => h.tanh(),
            Phi::Sigmoid => 1.0 / (1.0 + (-h).exp()),
            Phi::Relu if h.is_nan() => h,
            Phi::Relu => h.max(0.0),
            Phi::LRelu { slope } => h * if h > 0.0 { 1.0 } else { slope },
            Phi::Elu => {
                if h > 0.0 {
                    h
                } else {
                    h.exp_m1()
                }
            }
            Phi::Sign => {
                if h > 0.0 {
                    1.0
                } else if h < 0.0 {
                    -1.0
                } else {
                    h
                }
            }
            Phi::Identity => h,
            Phi::Softmax => panic!("softmax is no function of a single unit"),
            Phi::Custom(c) => (c.f)(h),
        }
    }

    /// phi'(h) in float64. For `sign` the straight-through surrogate, the slope of hard tanh: 1 where |h| <= 1.
    ///
    /// # Panics
    /// For softmax, which is no function of one unit.
    #[must_use]
    pub fn df(self, h: f64) -> f64 {
        match self {
            Phi::Tanh => 1.0 - h.tanh().powi(2),
            Phi::Sigmoid => self.f(h) * (1.0 - self.f(h)),
            Phi::Relu => f64::from(u8::from(h > 0.0)),
            Phi::LRelu { slope } => {
                if h > 0.0 {
                    1.0
                } else {
                    slope
                }
            }
            Phi::Elu => {
                if h > 0.0 {
                    1.0
                } else {
                    h.exp()
                }
            }
            Phi::Sign => f64::from(u8::from(h.abs() <= 1.0)),
            Phi::Identity => 1.0,
            Phi::Softmax => panic!("softmax is no function of a single unit"),
            Phi::Custom(c) => (c.df)(h),
        }
    }

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
