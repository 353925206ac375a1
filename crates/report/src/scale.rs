//! Axes: from numbers to places, with round numbers on them.

use reclra_data::text::{power, short};

/// Characters of a number for which there is room beside an axis.
const LABEL: usize = 6;

/// Linear or logarithmic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Linear,
    Log,
}

/// An axis between two numbers.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    kind: Kind,
    low: f64,
    high: f64,
    /// Where `low` and `high` lie.
    place: (f64, f64),
}

impl Scale {
    /// An axis that holds all of `values` between the places `from` and `to`. A linear axis of `anchored` numbers begins
    /// at zero; a logarithmic one at half the smallest positive number, if there are zeros.
    pub(super) fn over(
        values: impl Iterator<Item = f64> + Clone,
        kind: Kind,
        anchored: bool,
        place: (f64, f64),
    ) -> Scale {
        let finite = values.filter(|v| v.is_finite());
        let high = finite.clone().fold(f64::NEG_INFINITY, f64::max);
        let low = finite.clone().fold(f64::INFINITY, f64::min);
        let (low, high) = match kind {
            Kind::Log if high < low => (0.1, 1.0),
            _ if high < low => (0.0, 1.0),
            Kind::Linear if anchored => (low.min(0.0), if high > 0.0 { high * 1.04 } else { 1.0 }),
            Kind::Linear if high > low => (low, high),
            Kind::Linear => (low - 0.5, high + 0.5),
            Kind::Log => {
                let positive = finite.filter(|&v| v > 0.0).fold(f64::INFINITY, f64::min);
                let positive = if positive.is_finite() { positive } else { 1e-3 };
                let bottom = if low > 0.0 { positive / 1.15 } else { positive / 2.0 };
                (bottom, (high * 1.15).max(bottom * 1.5))
            }
        };
        Scale { kind, low, high, place }
    }

    /// The place of a number; what lies below a logarithmic axis, zero too, lies on its end.
    pub(super) fn at(&self, v: f64) -> f64 {
        let level = |v: f64| if self.kind == Kind::Log { v.max(self.low).ln() } else { v };
        let share = (level(v) - level(self.low)) / (level(self.high) - level(self.low));
        self.place.0 + (self.place.1 - self.place.0) * share
    }

    /// Round numbers within it, about `about` of them.
    pub(super) fn ticks(&self, about: usize) -> Vec<f64> {
        let all = match self.kind {
            Kind::Linear => linear(self.low, self.high, about),
            Kind::Log => log(self.low, self.high, about),
        };
        all.into_iter().filter(|v| (self.low..=self.high).contains(v)).collect()
    }

    /// Multiples of 30 within it, for angles in degrees.
    pub(super) fn angles(&self) -> Vec<f64> {
        (-6..=6).map(|n| 30.0 * f64::from(n)).filter(|v| (self.low..=self.high).contains(v)).collect()
    }

    /// The whole ones of these: there is no half of an epoch.
    pub(super) fn whole_ticks(&self, about: usize) -> Vec<f64> {
        self.ticks(about).into_iter().filter(|v| v.fract() == 0.0).collect()
    }

    /// Numbers of its ticks, all written alike on a linear axis, and short enough for the margin.
    pub(super) fn labels(&self, ticks: &[f64]) -> Vec<String> {
        let plain: Vec<String> = ticks.iter().map(|&v| short(v)).collect();
        let long = plain.iter().any(|t| t.len() > LABEL || t.contains('e'));
        if self.kind == Kind::Linear && long { ticks.iter().map(|&v| power(v)).collect() } else { plain }
    }
}

/// Multiples of 1, 2 or 5 times a power of ten.
fn linear(low: f64, high: f64, about: usize) -> Vec<f64> {
    let rough = (high - low) / about.max(1) as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|&s| s >= rough).unwrap_or(10.0 * power);
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    // Divided where the step is below one: 3 / 10 is 0.3, 3 * 0.1 is not.
    let tick = |n: i64| if step < 1.0 { n as f64 / (1.0 / step).round() } else { n as f64 * step };
    (first..=last.min(first + 100)).map(tick).collect()
}

/// 1, 2, 5 times powers of ten, or powers of ten alone, every other one, ..., whatever there is room for.
fn log(low: f64, high: f64, about: usize) -> Vec<f64> {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let fine: Vec<f64> = (first..=last).flat_map(|p| [1.0, 2.0, 5.0].map(|m| m * 10_f64.powi(p))).collect();
    let inside = fine.iter().filter(|v| (low..=high).contains(*v)).count();
    if inside <= about + 2 {
        return fine;
    }
    let powers = (first..=last).filter(|&p| (low..=high).contains(&10_f64.powi(p))).count();
    let every = powers.div_ceil(about + 2).max(1);
    (first..=last).step_by(every).map(|p| 10_f64.powi(p)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(values: &[f64], kind: Kind) -> Scale {
        Scale::over(values.iter().copied(), kind, true, (0.0, 100.0))
    }

    #[test]
    fn numbers_have_their_places() {
        let s = scale(&[0.0, 50.0 / 1.04], Kind::Linear);
        assert!((s.at(25.0) - 50.0).abs() < 1e-9);
        assert_eq!(s.ticks(5), [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]);
        assert_eq!(scale(&[0.1, 0.3], Kind::Linear).ticks(4), [0.0, 0.1, 0.2, 0.3]);
        let s = scale(&[0.01, 1.0, 100.0], Kind::Log);
        assert!((s.at(1.0) - 50.0).abs() < 1e-9, "{}", s.at(1.0));
        assert_eq!(s.ticks(5), [0.01, 0.1, 1.0, 10.0, 100.0]);
    }

    #[test]
    fn ticks_fit_their_margin_and_epochs_are_whole() {
        let s = scale(&[0.000_19], Kind::Linear);
        assert_eq!(s.labels(&s.ticks(5)), ["0", "5e-5", "1e-4", "1.5e-4"]);
        let s = scale(&[0.003], Kind::Linear);
        assert_eq!(s.labels(&s.ticks(5)), ["0", "0.001", "0.002", "0.003"]);
        let s = scale(&[1e-5, 1.0], Kind::Log);
        assert_eq!(s.labels(&s.ticks(5)), ["1e-5", "0.0001", "0.001", "0.01", "0.1", "1"]);
        let s = scale(&[1e-9, 1.0], Kind::Log);
        assert_eq!(s.labels(&s.ticks(5)), ["1e-8", "1e-6", "0.0001", "0.01", "1"]);
        let epochs = |n: u32| Scale::over((1..=n).map(f64::from), Kind::Linear, false, (0.0, 100.0)).whole_ticks(6);
        assert_eq!((epochs(1), epochs(2), epochs(3)), (vec![1.0], vec![1.0, 2.0], vec![1.0, 2.0, 3.0]));
        assert_eq!(epochs(12), [2.0, 4.0, 6.0, 8.0, 10.0, 12.0]);
        assert_eq!(scale(&[0.0, 93.0], Kind::Linear).angles(), [0.0, 30.0, 60.0, 90.0]);
    }

    #[test]
    fn zero_lies_at_the_end_of_a_logarithmic_axis() {
        let s = scale(&[0.0, 0.2, 1.0], Kind::Log);
        assert!(s.at(0.0) == 0.0 && s.at(0.2) > 0.0);
        assert_eq!(s.ticks(6), [0.1, 0.2, 0.5, 1.0]);
    }

    #[test]
    fn nothing_and_one_number_make_an_axis() {
        for kind in [Kind::Linear, Kind::Log] {
            for values in [&[][..], &[0.0], &[3.0], &[f64::NAN], &[1e-30, 1e30]] {
                let s = scale(values, kind);
                assert!(s.at(1.0).is_finite() && s.ticks(5).len() < 110, "{kind:?} {values:?}");
            }
        }
    }
}
