//! The seam to runtime SIMD dispatch (`pulp`), and the elementary functions on vectors of any width.
//!
//! One source gives AVX-512, AVX2, NEON and scalar code; which runs is found out when the device is made, so that a
//! default build is fast. Every function of this file is a formula over `S::f32s`, in the width of the processor.

use pulp::{Arch, Simd};

/// Instruction sets a [`crate::Device`] can be held to; tests run the kernels on each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// No vector instructions.
    Scalar,
    /// 256-bit vectors with fused multiply-add (x86-64-v3).
    Avx2,
    /// 512-bit vectors (x86-64-v4).
    Avx512,
    /// 128-bit vectors (aarch64).
    Neon,
}

impl Level {
    /// The levels this processor has, slowest first.
    #[must_use]
    pub fn available() -> Vec<Level> {
        [Level::Scalar, Level::Avx2, Level::Avx512, Level::Neon].into_iter().filter(|l| l.arch().is_some()).collect()
    }

    /// The best level this processor has.
    #[must_use]
    pub fn best() -> Level {
        *Level::available().last().unwrap_or(&Level::Scalar)
    }

    /// The instruction set with vectors half as wide, where there is one that rounds alike.
    pub(crate) fn narrow(self) -> Option<Arch> {
        if self == Level::Avx512 { Level::Avx2.arch() } else { None }
    }

    pub(crate) fn arch(self) -> Option<Arch> {
        match self {
            Level::Scalar => Some(Arch::Scalar),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => pulp::x86::V3::try_new().map(Arch::V3),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => pulp::x86::V4::try_new().map(Arch::V4),
            #[cfg(target_arch = "aarch64")]
            Level::Neon => Some(Arch::new()).filter(|a| !matches!(a, Arch::Scalar)),
            #[allow(unreachable_patterns)]
            _ => None,
        }
    }
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Level::Scalar => "scalar",
            Level::Avx2 => "AVX2",
            Level::Avx512 => "AVX-512",
            Level::Neon => "NEON",
        })
    }
}

/// Applies a float function lane by lane, for what has no vector formula.
#[inline(always)]
pub(crate) fn map_lanes<S: Simd>(x: S::f32s, f: impl Fn(f32) -> f32) -> S::f32s {
    let mut x = x;
    bytemuck::cast_slice_mut::<S::f32s, f32>(std::slice::from_mut(&mut x)).iter_mut().for_each(|v| *v = f(*v));
    x
}

/// e^x - 1 for x in [-87, 88] (clamped there; NaN passes), at most 3 ulp off.
///
/// x = n ln 2 + r with |r| <= ln 2 / 2; e^x - 1 = 2^n (e^r - 1) + (2^n - 1), which stays exact near 0, where n = 0.
#[inline(always)]
pub(crate) fn exp_m1<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let (scale, p) = exp_parts(simd, x);
    simd.mul_add_e_f32s(scale, p, simd.sub_f32s(scale, simd.splat_f32s(1.0)))
}

/// e^x for x in [-87, 88] (clamped there; NaN passes), at most 2 ulp off.
#[inline(always)]
pub(crate) fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let (scale, p) = exp_parts(simd, x);
    simd.mul_add_e_f32s(scale, p, scale)
}

/// (2^n, e^r - 1) of the clamped argument.
#[inline(always)]
fn exp_parts<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let c = |v: f32| simd.splat_f32s(v);
    let x = within(simd, x, -87.0, 88.0);
    // Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the low bits.
    let shifter = c(12_582_912.0);
    let t = simd.mul_add_e_f32s(x, c(std::f32::consts::LOG2_E), shifter);
    let n = simd.sub_f32s(t, shifter);
    // ln 2 in two parts: the first has trailing zeros, so that n * hi is exact.
    let r = simd.mul_add_e_f32s(n, c(-0.693_359_4), x);
    let r = simd.mul_add_e_f32s(n, c(2.121_944_4e-4), r);
    let bits = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(t), simd.splat_u32s(23));
    let scale = simd.transmute_f32s_u32s(simd.add_u32s(bits, simd.splat_u32s(0x3f80_0000)));
    // Taylor to degree 7: the rest is below 2e-8 of the value for |r| <= 0.3466.
    let mut p = c(1.0 / 5040.0);
    for k in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5] {
        p = simd.mul_add_e_f32s(p, r, c(k));
    }
    (scale, simd.mul_add_e_f32s(simd.mul_f32s(r, r), p, r))
}

/// tanh x = x P(x^2) / Q(x^2), at most 6 ulp off and never beyond 1; NaN passes.
///
/// P and Q are of degree 4, those with the least relative error (2e-8, a third of an ulp; found by linear programs) on
/// |x| <= 9.01, where tanh rounds to 1. All coefficients are positive, so that nothing cancels. An exponential would take
/// half as many operations again, and its division waits for all of them.
#[inline(always)]
pub(crate) fn tanh<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let c = |v: f32| simd.splat_f32s(v);
    let x = within(simd, x, -9.01, 9.01);
    let u = simd.mul_f32s(x, x);
    let horner = |k: [f32; 5]| k[1..].iter().fold(c(k[0]), |p, &k| simd.mul_add_e_f32s(p, u, c(k)));
    let p = horner([1.333_367e-8, 2.059_407_4e-5, 3.494_682_4e-3, 0.133_802_65, 1.0]);
    let q = horner([7.768_007_5e-7, 3.284_149_2e-4, 2.587_354_3e-2, 0.467_135_8, 1.0]);
    within(simd, simd.div_f32s(simd.mul_f32s(x, p), q), -1.0, 1.0)
}

/// The number of [low, high] that is nearest to x; NaN passes, as comparisons with it are false. (Minimum and maximum differ
/// there between processors.)
#[inline(always)]
fn within<S: Simd>(simd: S, x: S::f32s, low: f32, high: f32) -> S::f32s {
    let (low, high) = (simd.splat_f32s(low), simd.splat_f32s(high));
    let x = simd.select_f32s(simd.greater_than_f32s(x, high), high, x);
    simd.select_f32s(simd.less_than_f32s(x, low), low, x)
}

/// 1 / (1 + e^-x), at most 4 ulp off down to x = -87.
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let one = simd.splat_f32s(1.0);
    simd.div_f32s(one, simd.add_f32s(one, exp(simd, simd.neg_f32s(x))))
}

/// The magnitude of the first, which is not negative, with the sign of the second.
#[inline(always)]
pub(crate) fn copy_sign<S: Simd>(simd: S, magnitude: S::f32s, sign: S::f32s) -> S::f32s {
    let bit = simd.and_u32s(simd.transmute_u32s_f32s(sign), simd.splat_u32s(0x8000_0000));
    simd.transmute_f32s_u32s(simd.or_u32s(simd.transmute_u32s_f32s(magnitude), bit))
}

/// -1, 0 or 1; NaN stays NaN.
#[inline(always)]
pub(crate) fn sign<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let zero = simd.splat_f32s(0.0);
    let one = copy_sign(simd, simd.splat_f32s(1.0), x);
    let nonzero = simd.or_m32s(simd.less_than_f32s(x, zero), simd.greater_than_f32s(x, zero));
    simd.select_f32s(nonzero, one, x) // 0 and NaN are their own sign
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulp::WithSimd;

    struct Map<'a, F>(&'a [f32], F);

    trait VectorFn {
        fn call<S: Simd>(&self, simd: S, x: S::f32s) -> S::f32s;
    }

    impl<F: VectorFn> WithSimd for Map<'_, F> {
        type Output = Vec<f32>;
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
            let one = |&x: &f32| {
                let y = self.1.call(simd, simd.splat_f32s(x));
                bytemuck::cast_slice::<S::f32s, f32>(&[y])[0]
            };
            self.0.iter().map(one).collect()
        }
    }

    macro_rules! vector_fn {
        ($name:ident, $f:path) => {
            #[derive(Clone, Copy)]
            struct $name;
            impl VectorFn for $name {
                #[inline(always)]
                fn call<S: Simd>(&self, simd: S, x: S::f32s) -> S::f32s {
                    $f(simd, x)
                }
            }
        };
    }
    vector_fn!(Exp, exp);
    vector_fn!(ExpM1, exp_m1);
    vector_fn!(Tanh, tanh);
    vector_fn!(Sigmoid, sigmoid);
    vector_fn!(Sign, sign);

    /// Distance from the exact value in units of the float32 spacing there.
    fn ulps(got: f32, want: f64) -> f64 {
        let near = (want as f32).abs().max(f32::MIN_POSITIVE);
        let spacing = f64::from(f32::from_bits(near.to_bits() + 1)) - f64::from(near);
        (f64::from(got) - want).abs() / spacing
    }

    fn check<F: VectorFn + Copy>(f: F, exact: fn(f64) -> f64, range: (f32, f32), bound: f64) {
        let mut x: Vec<f32> = (0..=400_000).map(|i| range.0 + (range.1 - range.0) * i as f32 / 400_000.0).collect();
        x.extend((0..200).flat_map(|i| [1.0_f32, -1.0].map(|s| s * 2.0_f32.powf(-0.5 * i as f32))));
        x.retain(|v| (range.0..=range.1).contains(v));
        for level in Level::available() {
            let y = level.arch().unwrap().dispatch(Map(&x, f));
            let (worst, at) = x
                .iter()
                .zip(&y)
                .map(|(&x, &y)| (ulps(y, exact(f64::from(x))), x))
                .fold((0.0, 0.0), |a, b| if b.0 > a.0 { b } else { a });
            assert!(worst <= bound, "{level}: {worst} ulp at {at}");
            assert!(level.arch().unwrap().dispatch(Map(&[f32::NAN], f))[0].is_nan(), "{level}: NaN must pass");
        }
    }

    #[test]
    fn elementary_functions_keep_their_error_bounds() {
        check(Exp, f64::exp, (-87.0, 88.0), 2.0);
        check(ExpM1, f64::exp_m1, (-87.0, 88.0), 3.0);
        check(Tanh, f64::tanh, (-20.0, 20.0), 6.0);
        check(Sigmoid, |x| 1.0 / (1.0 + (-x).exp()), (-86.0, 86.0), 4.0);
    }

    #[test]
    fn sign_of_zero_is_zero() {
        for level in Level::available() {
            let y = level.arch().unwrap().dispatch(Map(&[-2.0, -0.0, 0.0, 1e-30, f32::NAN], Sign));
            assert_eq!(y[..4], [-1.0, 0.0, 0.0, 1.0], "{level}");
            assert!(y[4].is_nan(), "{level}");
        }
    }
}
