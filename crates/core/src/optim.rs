//! How a local update becomes a change of the weights: schedules, the ball re-projection, Adam and momentum.
//!
//! All of it is immutable configuration; moments live with the learner. The arithmetic is `compute::update`'s.

use crate::error::{Result, check};
use reclra_compute::update::Descent;

/// The method of descent.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Method {
    /// Adam (Kingma and Ba 2015); the paper's, at rate 2e-4.
    Adam {
        /// Decay of the first moment, 0.9.
        beta1: f64,
        /// Decay of the second moment, 0.999.
        beta2: f64,
        /// Added to the root, 1e-8.
        epsilon: f64,
    },
    /// Stochastic gradient descent with momentum.
    Sgd {
        /// 0 is plain descent.
        momentum: f64,
        /// Look ahead along the momentum.
        nesterov: bool,
    },
}

/// (name, one line) of each method.
pub const METHODS: &[(&str, &str)] = &[
    ("adam", "Adam, beta1 0.9, beta2 0.999, epsilon 1e-8"),
    ("sgd", "stochastic gradient descent; optim.momentum, optim.nesterov"),
];

impl Method {
    /// Adam as everybody sets it.
    pub const ADAM: Method = Method::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
}

/// How the learning rate goes over a run. Progress p runs from 0, after the warm-up, to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Schedule {
    /// rate
    Constant,
    /// rate (1 - p)
    Linear,
    /// rate (1 + cos(pi p)) / 2
    Cosine,
    /// rate * factor^(t / every), rounded down, t in steps
    Step {
        /// Steps between two drops.
        every: u64,
        /// What the rate is multiplied by at each.
        factor: f64,
    },
}

/// (name, one line) of each schedule.
pub const SCHEDULES: &[(&str, &str)] = &[
    ("constant", "the same rate throughout; the paper's"),
    ("linear", "down to 0 over the run"),
    ("cosine", "down to 0 over the run, along half a cosine"),
    ("step", "times optim.step_factor every optim.step_epochs epochs"),
];

/// Everything about the optimiser that a run says once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Optim {
    /// Adam or momentum.
    pub method: Method,
    /// Learning rate at the top of the schedule.
    pub rate: f64,
    /// Course of the learning rate.
    pub schedule: Schedule,
    /// Steps over which the rate first rises linearly from 0.
    pub warmup: u64,
    /// Steps of the whole run, for schedules that end.
    pub total: u64,
    /// Decoupled weight decay of every W: W loses rate * decay * W at each step. Biases and E do not decay.
    pub decay: f64,
    /// c of the ball re-projection Nm(D, c), applied to each matrix's update before the method; none to leave it out.
    pub radius: Option<f64>,
    /// Decay of the exponential moving average of W and b that evaluation then uses; none to evaluate the weights.
    pub average: Option<f64>,
}

impl Default for Optim {
    /// The paper's: Adam at a constant 2e-4, c = 1.
    fn default() -> Self {
        Optim {
            method: Method::ADAM,
            rate: 2e-4,
            schedule: Schedule::Constant,
            warmup: 0,
            total: u64::MAX,
            decay: 0.0,
            radius: Some(1.0),
            average: None,
        }
    }
}

impl Optim {
    /// Checks every setting.
    ///
    /// # Errors
    /// Names the setting that is out of its range.
    pub fn check(&self) -> Result<()> {
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let share = |x: f64| (0.0..1.0).contains(&x);
        check(positive(self.rate), "optim.lr", self.rate, "must be a positive number")?;
        match self.method {
            Method::Adam { beta1, beta2, epsilon } => {
                check(share(beta1), "optim.beta1", beta1, "must lie in [0, 1)")?;
                check(share(beta2), "optim.beta2", beta2, "must lie in [0, 1)")?;
                check(positive(epsilon), "optim.epsilon", epsilon, "must be a positive number")?;
            }
            Method::Sgd { momentum, .. } => check(share(momentum), "optim.momentum", momentum, "must lie in [0, 1)")?,
        }
        if let Schedule::Step { every, factor } = self.schedule {
            check(every >= 1, "optim.step_epochs", every, "must be at least 1")?;
            check(factor > 0.0 && factor <= 1.0, "optim.step_factor", factor, "must lie in (0, 1]")?;
        }
        let decay_fits = self.decay.is_finite() && self.decay >= 0.0 && self.decay * self.rate < 1.0;
        check(decay_fits, "optim.weight_decay", self.decay, "must be 0 or more, and below 1 / optim.lr")?;
        if let Some(c) = self.radius {
            check(positive(c), "optim.radius", c, "must be a positive number, or 0 for no re-projection")?;
        }
        if let Some(a) = self.average {
            check(share(a) && a > 0.0, "optim.average", a, "must lie in (0, 1), or be 0 for none")?;
        }
        Ok(())
    }

    /// Learning rate of step `t`, counted from 0.
    #[must_use]
    pub fn rate_at(&self, t: u64) -> f64 {
        if t < self.warmup {
            return self.rate * (t + 1) as f64 / self.warmup as f64;
        }
        let t = t - self.warmup;
        let length = self.total.saturating_sub(self.warmup).max(1);
        let p = (t as f64 / length as f64).min(1.0);
        self.rate
            * match self.schedule {
                Schedule::Constant => 1.0,
                Schedule::Linear => 1.0 - p,
                Schedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * p).cos()),
                Schedule::Step { every, factor } => factor.powf((t / every) as f64),
            }
    }

    /// The descent of step `t`, counted from 0, for a parameter whose rate is multiplied by `factor`.
    #[must_use]
    pub fn descent(&self, t: u64, factor: f64) -> Descent {
        let rate = self.rate_at(t) * factor;
        match self.method {
            Method::Adam { beta1, beta2, epsilon } => Descent::Adam { rate, beta1, beta2, epsilon, step: t + 1 },
            Method::Sgd { momentum, nesterov } => Descent::Sgd { rate, momentum, nesterov },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(schedule: Schedule, warmup: u64, t: u64) -> f64 {
        Optim { rate: 1.0, schedule, warmup, total: 100 + warmup, ..Optim::default() }.rate_at(t)
    }

    #[test]
    fn schedules_pass_their_corner_points() {
        assert_eq!(at(Schedule::Constant, 0, 99), 1.0);
        assert_eq!([0, 50, 100].map(|t| at(Schedule::Linear, 0, t)), [1.0, 0.5, 0.0]);
        assert!((at(Schedule::Cosine, 0, 50) - 0.5).abs() < 1e-12 && at(Schedule::Cosine, 0, 100) < 1e-12);
        let step = Schedule::Step { every: 30, factor: 0.1 };
        assert_eq!([0, 29, 30].map(|t| at(step, 0, t)), [1.0, 1.0, 0.1]);
        assert_eq!([0, 4, 9, 10].map(|t| at(Schedule::Linear, 10, t)), [0.1, 0.5, 1.0, 1.0]);
        assert_eq!(at(Schedule::Linear, 10, 110), 0.0);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let method = |method: Method| Optim { method, ..Optim::default() };
        let adam = |beta1: f64, beta2: f64, epsilon: f64| method(Method::Adam { beta1, beta2, epsilon });
        let sgd = |momentum: f64| method(Method::Sgd { momentum, nesterov: false });
        let step = |every: u64, factor: f64| Optim { schedule: Schedule::Step { every, factor }, ..Optim::default() };
        for (bad, name) in [
            (Optim { rate: f64::NAN, ..Optim::default() }, "optim.lr"),
            (Optim { rate: f64::INFINITY, ..Optim::default() }, "optim.lr"),
            (Optim { rate: 0.0, ..Optim::default() }, "optim.lr"),
            (Optim { radius: Some(-1.0), ..Optim::default() }, "optim.radius"),
            (Optim { radius: Some(0.0), ..Optim::default() }, "optim.radius"),
            (Optim { radius: Some(f64::INFINITY), ..Optim::default() }, "optim.radius"),
            (Optim { average: Some(1.0), ..Optim::default() }, "optim.average"),
            (Optim { average: Some(0.0), ..Optim::default() }, "optim.average"),
            (Optim { decay: 1e9, ..Optim::default() }, "optim.weight_decay"),
            (Optim { decay: 2.0, rate: 0.5, ..Optim::default() }, "optim.weight_decay"),
            (Optim { decay: -0.1, ..Optim::default() }, "optim.weight_decay"),
            (Optim { decay: f64::INFINITY, ..Optim::default() }, "optim.weight_decay"),
            (Optim { decay: f64::NEG_INFINITY, ..Optim::default() }, "optim.weight_decay"),
            (adam(1.0, 0.9, 1e-8), "optim.beta1"),
            (adam(-0.1, 0.9, 1e-8), "optim.beta1"),
            (adam(0.9, 1.0, 1e-8), "optim.beta2"),
            (adam(0.9, 0.9, 0.0), "optim.epsilon"),
            (adam(0.9, 0.9, f64::INFINITY), "optim.epsilon"),
            (sgd(1.0), "optim.momentum"),
            (step(0, 0.5), "optim.step_epochs"),
            (step(1, 0.0), "optim.step_factor"),
            (step(1, 1.1), "optim.step_factor"),
        ] {
            assert!(bad.check().unwrap_err().to_string().starts_with(name), "{name}: {bad:?}");
        }
        let near = Optim { decay: 1.9, rate: 0.5, radius: Some(1e-9), average: Some(1e-9), ..Optim::default() };
        for good in [Optim::default(), near, adam(0.0, 0.0, 1e-300), sgd(0.0), step(1, 1.0)] {
            good.check().unwrap();
        }
    }
}
