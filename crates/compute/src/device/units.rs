//! Whole signals unit by unit: noise and activation, targets and error neurons, sums, and what rules do with activities
//! between the phases of a layer.

use super::{Backend, Device};
use crate::cpu::serial::{self, each, place};
use crate::cpu::stretch::{self, Blend};
use crate::cpu::units::Slope;
use crate::op::activation::Phi;
use crate::op::dense::Response;
use crate::rng::Key;
use crate::tally::Tally;
use crate::tensor::{Scaled, Tensor};
use crate::{cpu, reference};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

impl Device {
    /// out = phi(z + N), N one number a unit, the same for all samples; without one, phi(z).
    ///
    /// # Panics
    /// If shapes do not fit.
    pub fn perturb_units(&self, z: &Tensor, noise: Option<&Tensor>, phi: Phi, out: &mut Tensor) {
        assert_eq!(z.rows(), out.rows(), "perturb_units: shapes do not fit");
        assert!(noise.is_none_or(|n| n.len() == z.rows()), "perturb_units: N does not fit");
        out.set_cols(z.cols());
        self.count(Tally::passes(2, z));
        match &self.0 {
            Backend::Cpu(cpu) => cpu::units::perturb(cpu, z, noise, phi, out),
            Backend::Oracle => reference::units::perturb(z, noise, phi, out),
        }
    }

    /// Error neurons from what a region received: e = mismatch(z - phi(h - beta d)), or d phi'(h), or d. Returns the
    /// discrepancy, summed over units and samples.
    ///
    /// # Panics
    /// If shapes do not fit.
    pub fn respond(&self, response: Response, phi: Phi, [h, z, d]: [&Tensor; 3], e: &mut Tensor) -> f64 {
        assert!(h.shape() == d.shape() && z.shape() == d.shape() && e.rows() == d.rows(), "respond: shapes differ");
        e.set_cols(d.cols());
        self.count(Tally::passes(4, d));
        match &self.0 {
            Backend::Cpu(cpu) => cpu::units::respond(cpu, response, phi, [h, z, d], e),
            Backend::Oracle => reference::units::respond(response, phi, [h, z, d], e),
        }
    }

    /// out += a x.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn add(&self, a: f64, x: &Tensor, out: &mut Tensor) {
        assert_eq!(x.shape(), out.shape(), "add: shapes differ");
        self.count(Tally::passes(3, x));
        match &self.0 {
            Backend::Cpu(cpu) => stretch::change(cpu, Blend(1.0, a as f32), x.f32(), out.f32_mut()),
            Backend::Oracle => each(out.f64_mut(), x.f64(), |o, x| o + a * x),
        }
    }

    /// out = a x + b y.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn blend(&self, (a, x): Scaled<'_>, (b, y): Scaled<'_>, out: &mut Tensor) {
        assert!(x.shape() == y.shape() && x.rows() == out.rows(), "blend: shapes differ");
        out.set_cols(x.cols());
        match &self.0 {
            Backend::Cpu(cpu) => {
                stretch::map(cpu, Blend(a as f32, b as f32), [x.f32(), y.f32()], out.f32_mut());
            }
            Backend::Oracle => reference::units::map(x, y, out, |x, y| a * x + b * y),
        }
    }

    /// out = x * phi'(h).
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn slope(&self, x: &Tensor, phi: Phi, h: &Tensor, out: &mut Tensor) {
        assert!(x.shape() == h.shape() && x.rows() == out.rows(), "slope: shapes differ");
        out.set_cols(x.cols());
        match &self.0 {
            Backend::Cpu(cpu) => {
                stretch::map(cpu, Slope(phi), [x.f32(), h.f32()], out.f32_mut());
            }
            Backend::Oracle => reference::units::map(x, h, out, |x, h| x * phi.df(h)),
        }
    }

    /// out = [a x, b y, ...]: side by side along the batch, so that one outer product serves several phases.
    ///
    /// # Panics
    /// If the signals have different numbers of units.
    pub fn lay(&self, parts: &[Scaled<'_>], out: &mut Tensor) {
        assert!(parts.iter().all(|(_, x)| x.rows() == out.rows()), "lay: numbers of units differ");
        let (rows, all) = (out.rows(), parts.iter().map(|(_, x)| x.cols()).sum());
        out.set_cols(all);
        let mut first = 0;
        for &(a, x) in parts {
            let cols = x.cols();
            match &self.0 {
                Backend::Cpu(_) => place(a as f32, x.f32(), cols, out.f32_mut(), (rows, all, first)),
                Backend::Oracle => place(a, x.f64(), cols, out.f64_mut(), (rows, all, first)),
            }
            first += cols;
        }
    }

    /// out = x + noise, each number of it drawn from N(0, `std`^2) in the order of rows under `key`.
    ///
    /// # Panics
    /// If the numbers of units differ.
    pub fn perturb(&self, x: &Tensor, std: f64, key: Key, out: &mut Tensor) {
        assert_eq!(x.rows(), out.rows(), "perturb: shapes differ");
        out.set_cols(x.cols());
        let mut rng = key.rng();
        let mut noise = || {
            let n: f64 = StandardNormal.sample(&mut rng);
            std * n
        };
        match &self.0 {
            Backend::Cpu(_) => each(out.f32_mut(), x.f32(), |_, x| x + noise() as f32),
            Backend::Oracle => each(out.f64_mut(), x.f64(), |_, x| x + noise()),
        }
    }

    /// out = x / (1 - share), or 0 with probability `share`, drawn for each number in the order of rows under `key`.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn drop_units(&self, x: &Tensor, share: f64, key: Key, out: &mut Tensor) {
        assert_eq!(x.rows(), out.rows(), "drop_units: shapes differ");
        out.set_cols(x.cols());
        let (mut rng, up) = (key.rng(), 1.0 / (1.0 - share));
        let mut factor = || if rng.random::<f32>() < share as f32 { 0.0 } else { up };
        match &self.0 {
            Backend::Cpu(_) => each(out.f32_mut(), x.f32(), |_, x| x * factor() as f32),
            Backend::Oracle => each(out.f64_mut(), x.f64(), |_, x| x * factor()),
        }
    }

    /// out[(c, p), s] = gate[c, s] z[(c, p), s]: a channel's gate on each of its places.
    ///
    /// # Panics
    /// If channels do not fit.
    pub fn gate(&self, gate: &Tensor, z: &Tensor, out: &mut Tensor) {
        let fits = z.rows() == out.rows() && z.rows().is_multiple_of(gate.rows().max(1)) && z.cols() == gate.cols();
        assert!(fits, "gate: shapes do not fit");
        out.set_cols(z.cols());
        let (b, places) = (z.cols(), z.rows() / gate.rows().max(1));
        match &self.0 {
            Backend::Cpu(_) => serial::gate(gate.f32(), z.f32(), b, places, out.f32_mut()),
            Backend::Oracle => serial::gate(gate.f64(), z.f64(), b, places, out.f64_mut()),
        }
    }

    /// `sums[c]` = sum of e over places and samples of channel c: the local update of a bias.
    ///
    /// # Panics
    /// If channels do not fit.
    pub fn channel_sums(&self, e: &Tensor, sums: &mut Tensor) {
        let channels = sums.len().max(1);
        assert!(e.rows().is_multiple_of(channels), "channel_sums: channels do not fit");
        let n = (e.len() / channels).max(1);
        match &self.0 {
            Backend::Cpu(_) => {
                for (sum, e) in sums.f32_mut().iter_mut().zip(e.f32().chunks_exact(n)) {
                    // Rows of some length first: float32 alone would lose the small ones.
                    *sum = e.chunks(1024).map(|c| f64::from(c.iter().sum::<f32>())).sum::<f64>() as f32;
                }
            }
            Backend::Oracle => {
                let stretches = e.f64().chunks_exact(n);
                sums.f64_mut().iter_mut().zip(stretches).for_each(|(sum, e)| *sum = e.iter().sum());
            }
        }
    }

    /// running = keep running + share x, elementwise.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn follow(&self, keep: f64, share: f64, x: &Tensor, running: &mut Tensor) {
        assert_eq!(x.len(), running.len(), "follow: shapes differ");
        match &self.0 {
            Backend::Cpu(_) => each(running.f32_mut(), x.f32(), |r, x| keep as f32 * r + share as f32 * x),
            Backend::Oracle => each(running.f64_mut(), x.f64(), |r, x| keep * r + share * x),
        }
    }

    /// average = decay * average + (1 - decay) * value, elementwise: of weights, for evaluation in their place.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn average(&self, average: &mut Tensor, value: &Tensor, decay: f64) {
        assert_eq!(average.shape(), value.shape(), "average: shapes differ");
        match &self.0 {
            Backend::Cpu(_) => each(average.f32_mut(), value.f32(), |a, v| v + decay as f32 * (a - v)),
            Backend::Oracle => each(average.f64_mut(), value.f64(), |a, v| v + decay * (a - v)),
        }
    }

    /// |x - y|^2, summed over units and samples.
    ///
    /// # Panics
    /// If the shapes differ.
    #[must_use]
    pub fn distance(&self, x: &Tensor, y: &Tensor) -> f64 {
        assert_eq!(x.shape(), y.shape(), "distance: shapes differ");
        match &self.0 {
            Backend::Cpu(_) => x.f32().iter().zip(y.f32()).map(|(x, y)| f64::from(x - y).powi(2)).sum(),
            Backend::Oracle => x.f64().iter().zip(y.f64()).map(|(x, y)| (x - y).powi(2)).sum(),
        }
    }
}
