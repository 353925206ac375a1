//! [`Mismatch`]: the error neurons and the discrepancy of v = z - y, activity and target of one region.
//!
//! Equation 2 of the paper: D = sum over regions of kappa (|v|_p)^q, the norm taken over the units of one sample. The error
//! neurons are its derivative by z without the constant q: e = (1/q) dD/dz. For p = q = 2 that is z - y, the paper's choice.

use super::activation::Phi;

/// How error neurons e follow from v = z - y, and what v adds to the discrepancy D.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Mismatch {
    /// e = v; D counts the squares v^2. p = q = 2, the paper's choice.
    L2,
    /// e = sign(v); D counts |v|. p = q = 1.
    L1,
    /// e = a v + (1 - a) sign(v); D counts both in the same proportion.
    Mixed {
        /// Share of L2, in [0, 1].
        a: f64,
    },
    /// e = (|v|_p)^(q - p) |v|^(p - 1) sign(v), and 0 where v is; D counts (|v|_p)^q. The norm is that of one sample. Made by
    /// [`Mismatch::lp`].
    Lp {
        /// The norm, at least 1.
        p: f64,
        /// Its power, at least 1.
        q: f64,
    },
}

impl Mismatch {
    /// That of any p and q; [`Mismatch::L2`] for p = q = 2 and [`Mismatch::L1`] for p = q = 1.
    #[must_use]
    pub fn lp(p: f64, q: f64) -> Mismatch {
        match (p, q) {
            (2.0, 2.0) => Mismatch::L2,
            (1.0, 1.0) => Mismatch::L1,
            _ => Mismatch::Lp { p, q },
        }
    }

    /// The error neurons of one sample from its v, and what it adds to D: the formulas as they are written, in float64.
    #[must_use]
    pub fn of_sample(self, v: &[f64]) -> (Vec<f64>, f64) {
        let mixed = |a: f64| {
            let e = |&v: &f64| a * v + (1.0 - a) * Phi::Sign.f(v);
            (v.iter().map(e).collect(), v.iter().map(|v| a * v * v + (1.0 - a) * v.abs()).sum())
        };
        match self {
            Mismatch::L2 => (v.to_vec(), v.iter().map(|v| v * v).sum()),
            Mismatch::L1 => mixed(0.0),
            Mismatch::Mixed { a } => mixed(a),
            Mismatch::Lp { p, q } => {
                let norm = v.iter().map(|v| v.abs().powf(p)).sum::<f64>().powf(1.0 / p);
                let e = |&v: &f64| {
                    if v == 0.0 { v } else { norm.powf(q - p) * v.abs().powf(p - 1.0) * Phi::Sign.f(v) }
                };
                (v.iter().map(e).collect(), norm.powf(q))
            }
        }
    }
}
