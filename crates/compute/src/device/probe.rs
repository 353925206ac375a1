//! What this machine can do at best, measured: the floor that a step's time is held against.

use super::{Backend, Device};
use crate::op::activation::Phi;
use crate::op::dense::{Afferent, Forward};
use crate::tensor::{Aligned, zeros};
use pulp::{Simd, WithSimd};
use std::time::Instant;

/// Multiplies every number by `factor`, in place: one stream that is read and written, like a weight under its update.
struct Scale<'a> {
    values: &'a mut [f32],
    factor: f32,
}

impl WithSimd for Scale<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (head, tail) = S::as_mut_simd_f32s(self.values);
        let c = simd.splat_f32s(self.factor);
        head.iter_mut().for_each(|v| *v = simd.mul_f32s(*v, c));
        tail.iter_mut().for_each(|v| *v *= self.factor);
    }
}

impl Device {
    /// Operations a second of this device's own matrix product at its best: operands in the first-level cache, on one
    /// thread. 0 on the oracle.
    #[must_use]
    pub fn peak_flops(&self) -> f64 {
        let Backend::Cpu(cpu) = &self.0 else { return 0.0 };
        let one = Device::cpu_at(1, cpu.level).expect("the level this device has");
        let mut best = 0.0_f64;
        for (n, m, b) in [(24, 96, 32), (48, 64, 32), (96, 64, 32), (96, 48, 64)] {
            let (weight, z) = (one.tensor(&[n, m], &vec![1e-3; n * m]), one.tensor(&[m, b], &vec![1.0; m * b]));
            let (mut h, mut out) = (one.zeros(&[n, b]), one.zeros(&[n, b]));
            for _ in 0..40 {
                let begun = Instant::now();
                for _ in 0..50 {
                    one.forward(Forward {
                        afferents: [Afferent { weight: &weight, z: &z }].into_iter().collect(),
                        messages: Default::default(),
                        bias: None,
                        shortcuts: Default::default(),
                        phi: Phi::Identity,
                        h: &mut h,
                        z: &mut out,
                    });
                }
                best = best.max((50 * 2 * n * m * b) as f64 / begun.elapsed().as_secs_f64());
            }
        }
        best
    }

    /// Bytes a second that can be read and written in place (both counted) in an array of so many bytes, the best of
    /// several passes, on all threads of this device, each with its share. 0 on the oracle.
    #[must_use]
    pub fn bandwidth(&self, bytes: usize) -> f64 {
        let Backend::Cpu(cpu) = &self.0 else { return 0.0 };
        let threads = cpu.pool.threads();
        let share = (bytes / 4 / threads).max(256);
        // Small arrays are swept often between two looks at the clock, large ones a few times.
        let sweeps = (8 << 20) / (4 * share) + 1;
        let mut arrays: Vec<Aligned<f32>> = Vec::new();
        for _ in 0..threads {
            let mut array: Aligned<f32> = zeros(share);
            array.fill(1.0);
            arrays.push(array);
        }
        let arrays: Vec<_> = arrays.into_iter().map(std::sync::Mutex::new).collect();
        let mut best = 0.0_f64;
        for _ in 0..12 {
            let begun = Instant::now();
            cpu.pool.for_each(threads, &|t| {
                if let Ok(mut values) = arrays[t].lock() {
                    for _ in 0..sweeps {
                        // Times one, which the compiler must not know: numbers neither vanish nor overflow.
                        let factor = std::hint::black_box(1.0);
                        cpu.arch.dispatch(Scale { values: &mut values, factor });
                    }
                }
            });
            let moved = (2 * 4 * share * threads * sweeps) as f64;
            best = best.max(moved / begun.elapsed().as_secs_f64());
        }
        best
    }
}
