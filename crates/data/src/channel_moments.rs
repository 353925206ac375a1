//! Mean and standard deviation of the pixels of training images, the same to the bit whatever fits into memory and however many
//! threads there are.

use super::dataset::Dataset;
use super::error::{Result, whole};
use super::moments::Moments;
use super::shape::Part;
use rayon::prelude::*;
use reclra_compute::rng::Key;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Images that one thread adds up at a time. Sums of such chunks are added in order, so that no bit depends on the threads.
const CHUNK: usize = 32;
/// Seed of samples that stand for all: the same for all runs.
const DRAWN: u64 = 0x005a_3b1e;

/// Mean and standard deviation of each channel over training images, broken pictures left out. `progress` is called with the
/// number of images that are done, from any thread.
pub(super) fn channel_moments(
    data: &dyn Dataset,
    samples: &[u32],
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Vec<[f64; 2]>> {
    let shape = data.shape();
    let (new, done) = (|| Moments::new(shape.channels, shape.height * shape.width), AtomicUsize::new(0));
    let of_chunk = |chunk: &[u32]| {
        let mut moments = new();
        for &sample in chunk {
            whole(data.add_to(Part::Train, sample as usize, &mut moments))?;
        }
        progress(done.fetch_add(chunk.len(), Ordering::Relaxed) + chunk.len());
        Ok(moments)
    };
    let mut all = new();
    // So many chunks at a time that what they hold is small.
    for chunks in samples.chunks(CHUNK * 1024) {
        let parts: Vec<Result<Moments>> = chunks.par_chunks(CHUNK).map(of_chunk).collect();
        for part in parts {
            all.merge(&part?);
        }
    }
    Ok(all.channels(f64::from(data.white())))
}

/// At most `count` of the samples, in their order: all of them, or some drawn at random, the same ones every time. Every n-th one
/// would be a poor choice: names, and so samples, often stand in an order that repeats itself, or class by class.
#[must_use]
pub fn drawn(samples: &[u32], count: usize) -> Vec<u32> {
    if samples.len() <= count {
        return samples.to_vec();
    }
    let mut places = Key::new(DRAWN).permutation(samples.len());
    places.truncate(count);
    places.sort_unstable();
    places.into_iter().map(|p| samples[p as usize]).collect()
}
