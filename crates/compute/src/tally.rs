//! What the kernels had to do: floating-point operations of matrix products, and bytes that must move at least.
//!
//! Counted where phases enter the device, so that the cost of any rule is known without a formula of its own. Time is
//! measured elsewhere; this is what it is measured against.

use crate::tensor::Tensor;
use std::sync::atomic::{AtomicU64, Ordering};

/// Work done since a device was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Operations of matrix products: a multiplication and an addition count two. Activations and optimiser are not
    /// counted.
    pub flops: u64,
    /// Bytes read and written if every tensor of a phase is read once and written once.
    pub bytes: u64,
}

impl std::ops::Sub for Tally {
    type Output = Tally;
    fn sub(self, other: Tally) -> Tally {
        Tally { flops: self.flops - other.flops, bytes: self.bytes - other.bytes }
    }
}

impl std::iter::Sum for Tally {
    fn sum<I: Iterator<Item = Tally>>(all: I) -> Tally {
        all.fold(Tally::default(), |a, b| Tally { flops: a.flops + b.flops, bytes: a.bytes + b.bytes })
    }
}

impl Tally {
    /// A matrix and a signal of float32 that are multiplied.
    pub(crate) fn product(matrix: &Tensor, signal: &Tensor) -> Tally {
        let bytes = 4 * (matrix.len() + signal.len()) as u64;
        Tally { flops: 2 * (matrix.len() * signal.cols()) as u64, bytes }
    }

    /// So many passes over a tensor of float32.
    pub(crate) fn passes(times: u64, over: &Tensor) -> Tally {
        Tally { flops: 0, bytes: times * 4 * over.len() as u64 }
    }
}

/// The counters of a device.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    flops: AtomicU64,
    bytes: AtomicU64,
}

impl Counter {
    pub(crate) fn read(&self) -> Tally {
        Tally { flops: self.flops.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) }
    }

    pub(crate) fn add(&self, work: Tally) {
        self.flops.fetch_add(work.flops, Ordering::Relaxed);
        self.bytes.fetch_add(work.bytes, Ordering::Relaxed);
    }
}
