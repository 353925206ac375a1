//! [`Moments`]: sums over pixels, from which mean and standard deviation come.

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
    pub(super) fn new(channels: usize, plane: usize) -> Moments {
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

    pub(super) fn merge(&mut self, other: &Moments) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            mine.iter_mut().zip(theirs).for_each(|(a, b)| *a += b);
        }
        for (mine, theirs) in self.sums.iter_mut().zip(&other.sums) {
            mine.iter_mut().zip(theirs).for_each(|(a, b)| *a += b);
        }
        self.summed += other.summed;
    }

    /// Mean and standard deviation of each channel; `white` is the byte of the pixel 1.
    pub(super) fn channels(&self, white: f64) -> Vec<[f64; 2]> {
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
