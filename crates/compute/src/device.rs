//! [`Device`]: where tensors live and who computes.
//!
//! The operations are phases of a layer, not single tensor operations: that is the seam at which a step can be made
//! fast on a CPU and at which a GPU can be added. A phase is a struct that names its inputs and outputs; the device
//! runs it. [`Device::oracle`] computes every phase once more, naively and in float64: the truth the kernels are
//! tested against, and a way to check a rule to 1e-12.

mod dense;
mod maps;
mod output;
mod probe;
mod units;
mod update;

use crate::cpu::pool::Pool;
use crate::cpu::simd::Level;
use crate::cpu::{self, Cpu};
use crate::tally::Tally;
use crate::tensor::{Storage, Tensor, zeros};
use std::sync::Arc;

/// A place to compute. Cheap to clone: clones share the worker threads.
#[derive(Clone, Debug)]
pub struct Device(Backend);

#[derive(Clone, Debug)]
enum Backend {
    Cpu(Cpu),
    Oracle,
}

impl Device {
    /// float32 kernels on `threads` threads (at least one), in the best instruction set of this processor.
    #[must_use]
    pub fn cpu(threads: usize) -> Device {
        Device::cpu_at(threads, Level::best()).expect("the best level is available")
    }

    /// The same held to an instruction set; `None` if the processor lacks it.
    #[must_use]
    pub fn cpu_at(threads: usize, level: Level) -> Option<Device> {
        let arch = level.arch()?;
        Some(Device(Backend::Cpu(Cpu {
            pool: Arc::new(Pool::new(threads)),
            arch,
            narrow: level.narrow().unwrap_or(arch),
            level,
            counter: Arc::default(),
        })))
    }

    /// Naive float64: slow and exact.
    #[must_use]
    pub fn oracle() -> Device {
        Device(Backend::Oracle)
    }

    /// Threads that compute.
    #[must_use]
    pub fn threads(&self) -> usize {
        match &self.0 {
            Backend::Cpu(cpu) => cpu.pool.threads(),
            Backend::Oracle => 1,
        }
    }

    /// The instruction set in use; scalar on the oracle.
    #[must_use]
    pub fn level(&self) -> Level {
        match &self.0 {
            Backend::Cpu(cpu) => cpu.level,
            Backend::Oracle => Level::Scalar,
        }
    }

    /// The work done on it so far; none is counted on the oracle.
    #[must_use]
    pub fn tally(&self) -> Tally {
        match &self.0 {
            Backend::Cpu(cpu) => cpu.counter.read(),
            Backend::Oracle => Tally::default(),
        }
    }

    /// Adds to the tally; nothing is counted on the oracle.
    fn count(&self, work: Tally) {
        if let Backend::Cpu(cpu) = &self.0 {
            cpu.counter.add(work);
        }
    }

    /// `task(0)` to `task(tasks - 1)`, begun in this order, as many at a time as there are threads, each on a device of one thread.
    /// The numbers do not depend on the threads.
    pub fn each(&self, tasks: usize, task: &(dyn Fn(usize, &Device) + Sync)) {
        match &self.0 {
            Backend::Cpu(cpu) if cpu.pool.threads() > 1 => {
                let alone = Device(Backend::Cpu(Cpu { pool: Arc::new(Pool::new(1)), ..cpu.clone() }));
                cpu.pool.for_each(tasks, &|n| task(n, &alone));
            }
            _ => (0..tasks).for_each(|n| task(n, self)),
        }
    }

    /// A tensor of zeros.
    #[must_use]
    pub fn zeros(&self, shape: &[usize]) -> Tensor {
        let len: usize = shape.iter().product();
        let storage = match self.0 {
            Backend::Cpu(_) => Storage::F32(zeros(len)),
            Backend::Oracle => Storage::F64(zeros(len)),
        };
        Tensor { storage, shape: shape.into() }
    }

    /// A tensor with the given elements, row by row.
    ///
    /// # Panics
    /// If the number of elements is not the product of `shape`.
    #[must_use]
    pub fn tensor(&self, shape: &[usize], values: &[f64]) -> Tensor {
        let mut t = self.zeros(shape);
        t.copy_from_f64(values);
        t
    }

    /// z = x^T / turns a batch with one sample a row (B x n) into an activity with one sample a column (n x B).
    ///
    /// # Panics
    /// If `samples` is not `B * n` long for some B.
    pub fn load_batch(&self, samples: &[f32], z: &mut Tensor) {
        let n = z.rows();
        assert_eq!(samples.len() % n.max(1), 0, "load_batch: {} values for samples of {n}", samples.len());
        let b = samples.len() / n.max(1);
        z.set_cols(b);
        match &mut z.storage {
            Storage::F32(_) => cpu::transpose(samples, b, n, z.f32_mut()),
            Storage::F64(_) => {
                let out = z.f64_mut();
                for (i, row) in samples.chunks_exact(n).enumerate() {
                    row.iter().enumerate().for_each(|(k, &v)| out[k * b + i] = f64::from(v));
                }
            }
        }
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Backend::Cpu(cpu) => write!(f, "CPU, {} threads, {}", cpu.pool.threads(), cpu.level),
            Backend::Oracle => f.write_str("float64 oracle"),
        }
    }
}
