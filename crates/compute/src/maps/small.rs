//! What happens to few numbers, or draws them one after the other: one thread does it.

use crate::device::{Backend, Device};
use crate::rng::Key;
use crate::tensor::Tensor;
use rand::RngExt;

impl Device {
    /// running = keep running + share x, elementwise.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn follow(&self, keep: f64, share: f64, x: &Tensor, running: &mut Tensor) {
        assert_eq!(x.len(), running.len(), "follow: shapes differ");
        match &self.0 {
            Backend::Cpu(_) => {
                let (keep, share) = (keep as f32, share as f32);
                running.f32_mut().iter_mut().zip(x.f32()).for_each(|(r, &x)| *r = keep * *r + share * x);
            }
            Backend::Oracle => {
                running.f64_mut().iter_mut().zip(x.f64()).for_each(|(r, &x)| *r = keep * *r + share * x);
            }
        }
    }

    /// sums[c] = sum of e over places and samples of channel c: the local update of a bias.
    ///
    /// # Panics
    /// If channels do not fit.
    pub fn channel_sums(&self, e: &Tensor, sums: &mut Tensor) {
        let channels = sums.len().max(1);
        assert!(e.rows().is_multiple_of(channels), "channel_sums: channels do not fit");
        let n = e.len() / channels;
        match &self.0 {
            Backend::Cpu(_) => {
                let stretches = e.f32().chunks_exact(n.max(1));
                for (sum, e) in sums.f32_mut().iter_mut().zip(stretches) {
                    // Rows of some length first: float32 alone would lose the small ones.
                    *sum = e.chunks(1024).map(|c| f64::from(c.iter().sum::<f32>())).sum::<f64>() as f32;
                }
            }
            Backend::Oracle => {
                let stretches = e.f64().chunks_exact(n.max(1));
                sums.f64_mut().iter_mut().zip(stretches).for_each(|(sum, e)| *sum = e.iter().sum());
            }
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
            Backend::Cpu(_) => out.f32_mut().iter_mut().zip(x.f32()).for_each(|(o, x)| *o = x * factor() as f32),
            Backend::Oracle => out.f64_mut().iter_mut().zip(x.f64()).for_each(|(o, x)| *o = x * factor()),
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
            Backend::Cpu(_) => gated(gate.f32(), z.f32(), b, places, out.f32_mut()),
            Backend::Oracle => gated(gate.f64(), z.f64(), b, places, out.f64_mut()),
        }
    }
}

fn gated<T: Copy + std::ops::Mul<Output = T>>(gate: &[T], z: &[T], b: usize, places: usize, out: &mut [T]) {
    let rows = out.chunks_exact_mut(b.max(1)).zip(z.chunks_exact(b.max(1)));
    for (i, (out, z)) in rows.enumerate() {
        let gate = &gate[i / places * b..][..b];
        out.iter_mut().zip(z.iter().zip(gate)).for_each(|(o, (&z, &g))| *o = z * g);
    }
}
