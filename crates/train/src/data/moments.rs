//! Mean and standard deviation of the pixels of training images, the same to the bit whatever fits into memory and however many
//! threads there are.

use super::loader::whole;
use super::{Dataset, Part, Result};
use rayon::prelude::*;
use reclra_compute::rng::Key;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Images that one thread adds up at a time. Sums of such chunks are added in order, so that no bit depends on the threads.
const CHUNK: usize = 32;
/// Seed of samples that stand for all: the same for all runs.
const DRAWN: u64 = 0x005a_3b1e;

/// Sums over the pixels of images, channel by channel. Bytes are counted by value, which is exact; pixels that are not bytes,
/// such as those of resized photographs, are summed in double precision.
#[derive(Clone, Debug)]
pub struct Moments {
    /// Pixels of a channel of an image.
    plane: usize,
    /// Number of times that each byte occurred, by channel.
    counts: Vec<[u64; 256]>,
    /// Sum and sum of squares of the other pixels, by channel.
    sums: Vec<[f64; 2]>,
    /// Images that were added to `sums`.
    summed: usize,
}

impl Moments {
    fn new(channels: usize, plane: usize) -> Moments {
        Moments { plane: plane.max(1), counts: vec![[0; 256]; channels], sums: vec![[0.0; 2]; channels], summed: 0 }
    }

    /// Adds an image of pixels from 0 to 1, channel by channel.
    pub fn add(&mut self, pixels: &[f32]) {
        for ([sum, squares], p) in self.sums.iter_mut().zip(pixels.chunks_exact(self.plane)) {
            *sum += p.iter().map(|&v| f64::from(v)).sum::<f64>();
            *squares += p.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
        }
        self.summed += 1;
    }

    /// Adds an image of bytes, channel by channel.
    pub(super) fn add_planes(&mut self, bytes: &[u8]) {
        let planes = bytes.chunks_exact(self.plane);
        self.counts.iter_mut().zip(planes).for_each(|(c, p)| p.iter().for_each(|&v| c[usize::from(v)] += 1));
    }

    /// Adds an image of bytes, the channels of a pixel side by side.
    pub(super) fn add_interleaved(&mut self, bytes: &[u8]) {
        for pixel in bytes.chunks_exact(self.counts.len()) {
            self.counts.iter_mut().zip(pixel).for_each(|(c, &v)| c[usize::from(v)] += 1);
        }
    }

    fn merge(&mut self, other: &Moments) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            mine.iter_mut().zip(theirs).for_each(|(a, b)| *a += b);
        }
        for (mine, theirs) in self.sums.iter_mut().zip(&other.sums) {
            mine.iter_mut().zip(theirs).for_each(|(a, b)| *a += b);
        }
        self.summed += other.summed;
    }

    /// Mean and standard deviation of each channel; `white` is the byte of the pixel 1.
    fn channels(&self, white: f64) -> Vec<[f64; 2]> {
        let one = |(counts, [sum, squares]): (&[u64; 256], &[f64; 2])| {
            let (counted, summed) = (counts.iter().sum::<u64>(), (self.summed * self.plane) as u64);
            let pixels = (counted + summed).max(1) as f64;
            let weighted = |f: &dyn Fn(f64) -> f64| {
                counts.iter().enumerate().map(|(v, &n)| n as f64 * f(v as f64 / white)).sum::<f64>()
            };
            let mean = (weighted(&|v| v) + sum) / pixels;
            // Of bytes alone the deviations are summed, which loses no digits.
            let spread = if summed == 0 {
                weighted(&|v| (v - mean).powi(2)) / pixels
            } else {
                ((weighted(&|v| v * v) + squares) / pixels - mean * mean).max(0.0)
            };
            [mean, spread.sqrt()]
        };
        self.counts.iter().zip(&self.sums).map(one).collect()
    }
}

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
