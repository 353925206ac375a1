//! The paired t-test: if two settings differ in an error that was measured of both with the same seeds or folds.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Fewest pairs that a test is made of.
pub const FEWEST: usize = 3;

/// Below this p a difference is called one.
pub const LEVEL: f64 = 0.05;

/// A paired, two-sided t-test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paired {
    /// Number of pairs.
    pub pairs: usize,
    /// Mean of the differences, the first figure minus the second.
    pub difference: f64,
    /// The mean over its standard error.
    pub t: f64,
    /// Probability of a t at least as far from zero if the true mean of the differences is zero.
    pub p: f64,
}

/// Reason why no test was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untested {
    /// A figure is missing.
    Missing,
    /// Fewer than [`FEWEST`] pairs.
    Few,
    /// The figures of the two are the same, pair by pair.
    Same,
    /// All differences are equal, so that the test is not defined.
    Constant,
}

impl Untested {
    /// The reason in words; `unit` is what figures are paired by, `seed` or `fold`.
    #[must_use]
    pub fn reason(self, unit: &str) -> String {
        match self {
            Untested::Missing => "no paired test: a run of one of the two has no figure".to_owned(),
            Untested::Few => format!("no paired test: it needs at least {FEWEST} {unit}s"),
            Untested::Same => format!("no paired test: the results of the two are identical for every {unit}"),
            Untested::Constant => format!("no paired test: the difference is the same for every {unit}"),
        }
    }
}

/// Tests the differences of two lists of figures, pair by pair.
///
/// # Errors
/// The reason why there is no test.
pub fn paired(first: &[Option<f64>], second: &[Option<f64>]) -> Result<Paired, Untested> {
    let n = first.len().max(second.len());
    if n < FEWEST {
        return Err(Untested::Few);
    }
    let pairs = first.iter().zip(second);
    let differences: Option<Vec<f64>> = pairs.map(|(a, b)| Some((*a)? - (*b)?)).collect();
    let differences = differences.filter(|d| d.len() == n).ok_or(Untested::Missing)?;
    if differences.iter().all(|d| *d == 0.0) {
        return Err(Untested::Same);
    }
    let mean = differences.iter().sum::<f64>() / n as f64;
    let squares: f64 = differences.iter().map(|d| (d - mean) * (d - mean)).sum();
    let error = (squares / (n - 1) as f64 / n as f64).sqrt();
    // What is left of equal differences are the roundings of the figures.
    let largest = first.iter().chain(second).flatten().fold(0.0_f64, |m, v| m.max(v.abs()));
    if error.is_nan() || error <= 1e-12 * largest {
        return Err(Untested::Constant);
    }
    let t = mean / error;
    let law = StudentsT::new(0.0, 1.0, (n - 1) as f64).map_err(|_| Untested::Constant)?;
    Ok(Paired { pairs: n, difference: mean, t, p: (2.0 * law.sf(t.abs())).min(1.0) })
}

/// A probability for a table: three decimals.
#[must_use]
pub fn shown(p: f64) -> String {
    if p < 0.001 { "<0.001".to_owned() } else { format!("{p:.3}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(values: &[f64]) -> Vec<Option<f64>> {
        values.iter().copied().map(Some).collect()
    }

    /// Against R, a closed form and numerical integration.
    #[test]
    fn p_is_that_of_other_programs() {
        let sleep: [&[f64]; 2] = [
            &[0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0],
            &[1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4],
        ];
        let cases: [(&[f64], &[f64], f64, f64); 4] = [
            // Student's own example: R says t = -4.0621, p = 0.002833.
            (sleep[0], sleep[1], -4.062127683382037, 0.0028328901973842685),
            // Two degrees of freedom: p = 1 - t / sqrt(t^2 + 2).
            (&[0.93, 1.25, 0.56], &[0.65, 1.11, 0.28], 5.0, 1.0 - 5.0 / 27.0_f64.sqrt()),
            (&[10.0, 12.0, 9.0, 11.0, 10.5], &[2.0, 3.0, 2.5, 3.0, 2.2], 19.501839110491, 4.0763767962416745e-5),
            (&[1.0, 2.0, 3.0, 4.0], &[1.5, 1.8, 3.1, 3.9], -0.484543711852349, 0.661174975961546),
        ];
        for (a, b, t, p) in cases {
            let found = paired(&some(a), &some(b)).unwrap();
            assert!((found.t - t).abs() < 1e-9 * t.abs() && (found.p - p).abs() < 1e-8 * p, "{found:?}");
            let turned = paired(&some(b), &some(a)).unwrap();
            assert_eq!((turned.difference, turned.t, turned.p), (-found.difference, -found.t, found.p));
        }
    }

    #[test]
    fn there_is_no_test_without_three_differing_pairs() {
        let [a, b] = [&[1.0, 2.0, 4.0], &[0.5, 1.5, 3.5]].map(|v| some(v));
        assert_eq!(paired(&a[..2], &b[..2]), Err(Untested::Few));
        assert_eq!(paired(&[], &[]), Err(Untested::Few));
        assert_eq!((paired(&a, &b), paired(&a, &a)), (Err(Untested::Constant), Err(Untested::Same)));
        // 0.1 more each time, but for rounding.
        let [c, d] = [&[0.1, 0.2, 0.7], &[0.2, 0.3, 0.8]].map(|v| some(v));
        assert_eq!(paired(&c, &d), Err(Untested::Constant));
        assert_eq!(paired(&a, &[b[0], None, b[2]]), Err(Untested::Missing));
        assert_eq!(paired(&a[..2], &[b[0], None]), Err(Untested::Few));
        assert_eq!(paired(&a, &b[..2]), Err(Untested::Missing));
        assert!(Untested::Few.reason("fold").ends_with("at least 3 folds"));
        assert_eq!([0.5, 0.0123, 0.0009].map(shown), ["0.500", "0.012", "<0.001"]);
    }
}
