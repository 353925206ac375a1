//! What the kernels had to do: floating-point operations of matrix products, and bytes that must move at least.
//!
//! Counted where phases enter the device, so that the cost of any rule is known without a formula of its own. Time is
//! measured elsewhere; this is what it is measured against.

use crate::dense::{Forward, Receive};
use crate::maps::Convolution;
use crate::tensor::Tensor;
use crate::update::Local;
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

/// The counters of a device.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    flops: AtomicU64,
    bytes: AtomicU64,
}

/// Bytes of a float32 tensor.
fn size(t: &Tensor) -> u64 {
    4 * t.len() as u64
}

fn product(matrix: &Tensor, signal: &Tensor) -> (u64, u64) {
    (2 * (matrix.len() * signal.cols()) as u64, size(matrix) + size(signal))
}

impl Counter {
    pub(crate) fn read(&self) -> Tally {
        Tally { flops: self.flops.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) }
    }

    fn add(&self, work: impl Iterator<Item = (u64, u64)>, signals: u64) {
        let (flops, bytes) = work.fold((0, 0), |(f, b), (df, db)| (f + df, b + db));
        self.flops.fetch_add(flops, Ordering::Relaxed);
        self.bytes.fetch_add(bytes + signals, Ordering::Relaxed);
    }

    /// W and M are read, h and z written.
    pub(crate) fn forward(&self, p: &Forward<'_>) {
        let up = p.afferents.iter().map(|a| product(a.weight, a.z));
        let down = p.messages.iter().map(|m| product(m.synapse, m.e));
        let shortcuts: u64 = p.shortcuts.iter().map(|s| size(s)).sum();
        self.add(up.chain(down), shortcuts + 2 * size(p.z));
    }

    /// M, h and z are read, d, y and e written.
    pub(crate) fn receive(&self, wave: &[Receive<'_>]) {
        for r in wave {
            let shortcuts: u64 = r.shortcuts.iter().map(|s| size(s)).sum();
            self.add(r.messages.iter().map(|m| product(m.synapse, m.e)), shortcuts + 5 * size(r.h));
        }
    }

    /// W and the two signals are moved once; a convolution's multiplications are counted as the plain loop does them, so that
    /// a kernel that needs fewer is seen above what multiplying takes.
    pub(crate) fn convolve(&self, conv: &Convolution, batch: usize) {
        let numbers = conv.shape().iter().product::<usize>() + (conv.from.units() + conv.to().units()) * batch;
        let flops = 2 * (conv.multiplications() * batch) as u64;
        self.add([(flops, 4 * numbers as u64)].into_iter(), 0);
    }

    /// So many passes over a signal.
    pub(crate) fn pass(&self, times: u64, signal: &Tensor) {
        self.add(std::iter::empty(), times * size(signal));
    }

    /// W, mirror and moments are read and written.
    pub(crate) fn update(&self, locals: &[Local<'_>]) {
        for l in locals {
            let kept = [l.mirror.as_deref(), l.moments.first.as_ref(), l.moments.second.as_ref()];
            let tensors = 1 + kept.iter().flatten().count() as u64;
            let flops = 2 * (l.param.len() * l.post.cols()) as u64;
            let signals = size(l.post) + l.pre.map_or(0, size);
            self.add([(flops, 2 * tensors * size(l.param))].into_iter(), signals);
        }
    }
}
