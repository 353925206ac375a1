//! The atomics and locks of `pool/door.rs`: here those of the standard library; `tests/pool_model.rs` puts loom's in their place.

pub(super) use std::hint::spin_loop;
pub(super) use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize};
pub(super) use std::sync::{Condvar, Mutex};
pub(super) use std::thread::yield_now;

/// Rounds a worker spins before it parks: about fifty microseconds.
pub(super) const SPINS: usize = 20_000;
