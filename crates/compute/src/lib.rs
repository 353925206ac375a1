//! Numbers on a device. This room knows nothing of learning, and is the only one with `unsafe`.
//!
//! | module | what it is for |
//! |---|---|
//! | `tensor` | [`Tensor`]: numbers with a shape |
//! | `device` | [`Device`]: where tensors live and who computes |
//! | [`dense`] | forward and receiving phase of dense regions |
//! | [`update`] | the fused local update |
//! | [`maps`] | feature maps: convolution, normalisation, pools, unit by unit |
//! | [`pointwise`] | activations |
//! | `mismatch` | error neurons and discrepancy |
//! | `signals` | sums, noise and placing of whole signals |
//! | [`rng`] | randomness as a pure function of a key |
//! | `gemm`, `simd`, `pool` | the inner loop, the vector functions, the threads |
//! | `stretch` | walks along numbers, vector by vector |
//! | [`alloc`] | limits of the system: an allocator that says when memory is used up, and others |
//! | `tally`, `probe` | what the kernels had to do, and what this machine can do at best |
//! | `oracle` | everything once more, naive, in float64 |

pub mod alloc;
mod average;
mod cpu;
pub mod dense;
mod device;
pub mod maps;
mod mismatch;
mod oracle;
mod output;
pub mod pointwise;
mod probe;
pub mod rng;
mod signals;
mod tally;
mod tensor;
pub mod update;

pub use cpu::simd::Level;
pub use device::Device;
pub use output::Verdict;
pub use signals::Scaled;
pub use tally::Tally;
pub use tensor::Tensor;
