//! The phases on this processor: float32 kernels on vectors and threads.

pub(crate) mod activation;
pub(crate) mod conv;
pub(crate) mod dense;
pub(crate) mod gemm;
pub(crate) mod mismatch;
pub(crate) mod norm;
pub(crate) mod out;
pub(crate) mod pool;
pub(crate) mod pooling;
pub(crate) mod serial;
pub(crate) mod simd;
pub(crate) mod stretch;
pub(crate) mod units;
pub(crate) mod update;

use crate::tally::Counter;
use pool::Pool;
use simd::Level;
use std::sync::Arc;

/// float32 on the processor: worker threads and an instruction set.
#[derive(Clone, Debug)]
pub(crate) struct Cpu {
    pub(crate) pool: Arc<Pool>,
    pub(crate) arch: pulp::Arch,
    /// For the few samples that leave most lanes of a wide vector empty: half as wide, twice as many at a time. The same
    /// numbers, as lanes are outputs.
    pub(crate) narrow: pulp::Arch,
    pub(crate) level: Level,
    pub(crate) counter: Arc<Counter>,
}

/// `to` (cols x rows) = `from` (rows x cols) transposed, in blocks that stay in the first cache level.
pub(crate) fn transpose(from: &[f32], rows: usize, cols: usize, to: &mut [f32]) {
    const BLOCK: usize = 16;
    assert!(from.len() == rows * cols && to.len() == rows * cols, "transpose: sizes differ");
    for r0 in (0..rows).step_by(BLOCK) {
        for c0 in (0..cols).step_by(BLOCK) {
            for c in c0..(c0 + BLOCK).min(cols) {
                for r in r0..(r0 + BLOCK).min(rows) {
                    to[c * rows + r] = from[r * cols + c];
                }
            }
        }
    }
}
