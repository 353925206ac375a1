//! Numbers on a device. This room knows nothing of learning, and is the only one with `unsafe`.

pub mod rng;
