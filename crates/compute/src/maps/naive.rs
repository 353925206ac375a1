//! Every phase of feature maps, naive and obvious: what the fast kernels are tested against, in float64.

use super::{Channel, Convolution, Extent, Pooling, Statistic};
use std::ops::{Add, AddAssign, Div, Mul, Sub};

/// float32 or float64.
pub(crate) trait Real:
    Copy
    + Default
    + PartialOrd
    + AddAssign
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
{
    fn of(x: f64) -> Self;
    fn wide(self) -> f64;
}

impl Real for f32 {
    fn of(x: f64) -> f32 {
        x as f32
    }
    fn wide(self) -> f64 {
        f64::from(self)
    }
}

impl Real for f64 {
    fn of(x: f64) -> f64 {
        x
    }
    fn wide(self) -> f64 {
        self
    }
}

/// Calls `f(o, place of h, weight, place of z)` for every tap that lies in the image: units, not numbers.
fn taps(conv: &Convolution, mut f: impl FnMut(usize, usize, usize, usize)) {
    let (from, to, w) = (conv.from, conv.to(), conv.window);
    let [_, row] = conv.shape();
    let (per_group, out_group) = (from.channels / conv.groups, conv.out / conv.groups);
    for o in 0..conv.out {
        for y in 0..to.height {
            for x in 0..to.width {
                let unit = (o * to.height + y) * to.width + x;
                for c in 0..per_group {
                    let channel = o / out_group * per_group + c;
                    for i in 0..w.kernel[0] {
                        let Some(zy) = w.at(0, y, i, from.height) else { continue };
                        for j in 0..w.kernel[1] {
                            let Some(zx) = w.at(1, x, j, from.width) else { continue };
                            let weight = o * row + (c * w.kernel[0] + i) * w.kernel[1] + j;
                            f(o, unit, weight, (channel * from.height + zy) * from.width + zx);
                        }
                    }
                }
            }
        }
    }
}

pub(crate) fn convolve<T: Real>(conv: &Convolution, w: &[T], bias: Option<&[T]>, z: &[T], b: usize, h: &mut [T]) {
    let places = conv.to().places();
    for (unit, row) in h.chunks_exact_mut(b.max(1)).enumerate() {
        row.fill(bias.map_or(T::default(), |v| v[unit / places]));
    }
    taps(conv, |_, unit, weight, from| {
        for s in 0..b {
            h[unit * b + s] += w[weight] * z[from * b + s];
        }
    });
}

pub(crate) fn convolve_back<T: Real>(conv: &Convolution, w: &[T], e: &[T], b: usize, d: &mut [T], add: bool) {
    if !add {
        d.fill(T::default());
    }
    taps(conv, |_, unit, weight, from| {
        for s in 0..b {
            d[from * b + s] += w[weight] * e[unit * b + s];
        }
    });
}

pub(crate) fn correlate<T: Real>(conv: &Convolution, e: &[T], z: &[T], b: usize, scale: T, delta: &mut [T]) {
    delta.fill(T::default());
    taps(conv, |_, unit, weight, from| {
        for s in 0..b {
            delta[weight] += e[unit * b + s] * z[from * b + s];
        }
    });
    delta.iter_mut().for_each(|d| *d = *d * scale);
}

/// Mean and variance (of the population) of each channel.
pub(crate) fn moments<T: Real>(h: &[T], channels: usize, mean: &mut [T], variance: &mut [T]) {
    let n = h.len() / channels.max(1);
    for (c, row) in h.chunks_exact(n.max(1)).enumerate() {
        let m = row.iter().map(|v| v.wide()).sum::<f64>() / n as f64;
        let v = row.iter().map(|v| (v.wide() - m).powi(2)).sum::<f64>() / n as f64;
        (mean[c], variance[c]) = (T::of(m), T::of(v));
    }
}

/// z = scale (h - mean) / sqrt(variance + epsilon) + shift, channel by channel.
pub(crate) fn normalise<T: Real>(h: &[T], channel: &Channel<'_, T>, z: &mut [T]) {
    let n = h.len() / channel.mean.len().max(1);
    for (i, (z, h)) in z.iter_mut().zip(h).enumerate() {
        let c = i / n;
        let hat = (h.wide() - channel.mean[c].wide()) / (channel.variance[c].wide() + channel.epsilon).sqrt();
        *z = T::of(channel.scale[c].wide() * hat + channel.shift[c].wide());
    }
}

/// What e on z becomes on h, the statistics being those of the batch, and the sums of e hat and e of each channel.
pub(crate) fn normalise_back<T: Real>(e: &[T], h: &[T], channel: &Channel<'_, T>, d: &mut [T], sums: [&mut [T]; 2]) {
    let channels = channel.mean.len();
    let n = h.len() / channels.max(1);
    let [scales, shifts] = sums;
    for c in 0..channels {
        let (mean, root) = (channel.mean[c].wide(), (channel.variance[c].wide() + channel.epsilon).sqrt());
        let hat = |i: usize| (h[i].wide() - mean) / root;
        let all = c * n..(c + 1) * n;
        let sum: f64 = all.clone().map(|i| e[i].wide()).sum();
        let along: f64 = all.clone().map(|i| e[i].wide() * hat(i)).sum();
        for i in all {
            let v = e[i].wide() - sum / n as f64 - hat(i) * along / n as f64;
            d[i] = T::of(channel.scale[c].wide() / root * v);
        }
        (scales[c], shifts[c]) = (T::of(along), T::of(sum));
    }
}

/// Calls `f(place of the result, place of the image)` for every tap that lies in the image, window by window.
fn windows(pool: &Pooling, mut f: impl FnMut(usize, usize)) {
    let (from, to, w) = (pool.from, pool.to(), pool.window);
    for c in 0..from.channels {
        for y in 0..to.height {
            for x in 0..to.width {
                let unit = (c * to.height + y) * to.width + x;
                for i in 0..w.kernel[0] {
                    let Some(zy) = w.at(0, y, i, from.height) else { continue };
                    for j in 0..w.kernel[1] {
                        let Some(zx) = w.at(1, x, j, from.width) else { continue };
                        f(unit, (c * from.height + zy) * from.width + zx);
                    }
                }
            }
        }
    }
}

pub(crate) fn pool<T: Real>(pool: &Pooling, x: &[T], b: usize, z: &mut [T]) {
    match pool.statistic {
        Statistic::Max => {
            z.fill(T::of(f64::NEG_INFINITY));
            windows(pool, |unit, from| {
                for s in 0..b {
                    let (v, z) = (x[from * b + s], &mut z[unit * b + s]);
                    // Whatever is not a number stays visible.
                    if v > *z || v.wide().is_nan() {
                        *z = v;
                    }
                }
            });
        }
        Statistic::Mean => {
            z.fill(T::default());
            let share = T::of(1.0 / pool.window.taps() as f64);
            windows(pool, |unit, from| (0..b).for_each(|s| z[unit * b + s] += share * x[from * b + s]));
        }
    }
}

pub(crate) fn pool_back<T: Real>(pool: &Pooling, x: &[T], e: &[T], b: usize, d: &mut [T]) {
    d.fill(T::default());
    match pool.statistic {
        Statistic::Max => {
            // The first of equal maxima, in the order of the window.
            let mut best = vec![(T::of(f64::NEG_INFINITY), usize::MAX); e.len()];
            windows(pool, |unit, from| {
                for s in 0..b {
                    let (v, best) = (x[from * b + s], &mut best[unit * b + s]);
                    if best.1 == usize::MAX || v > best.0 {
                        *best = (v, from * b + s);
                    }
                }
            });
            best.iter().zip(e).filter(|(b, _)| b.1 != usize::MAX).for_each(|(b, &e)| d[b.1] += e);
        }
        Statistic::Mean => {
            let share = T::of(1.0 / pool.window.taps() as f64);
            windows(pool, |unit, from| (0..b).for_each(|s| d[from * b + s] += share * e[unit * b + s]));
        }
    }
}

/// The cell of a `grid` x `grid` division of the image that a place lies in.
pub(crate) fn cell(extent: &Extent, grid: usize, place: usize) -> usize {
    let (y, x) = (place / extent.width, place % extent.width);
    y * grid / extent.height * grid + x * grid / extent.width
}

/// Places in each cell.
pub(crate) fn sizes(extent: &Extent, grid: usize) -> Vec<usize> {
    let mut sizes = vec![0; grid * grid];
    (0..extent.places()).for_each(|p| sizes[cell(extent, grid, p)] += 1);
    sizes
}

pub(crate) fn gather<T: Real>(extent: &Extent, grid: usize, x: &[T], b: usize, out: &mut [T]) {
    let (places, cells, sizes) = (extent.places(), grid * grid, sizes(extent, grid));
    let mut sums = vec![0.0; extent.channels * cells * b];
    for unit in 0..extent.units() {
        let to = unit / places * cells + cell(extent, grid, unit % places);
        (0..b).for_each(|s| sums[to * b + s] += x[unit * b + s].wide());
    }
    for (i, (o, sum)) in out.iter_mut().zip(sums).enumerate() {
        *o = T::of(sum / sizes[i / b.max(1) % cells] as f64);
    }
}

pub(crate) fn spread<T: Real>(extent: &Extent, grid: usize, scale: f64, d: &[T], b: usize, out: &mut [T]) {
    let (places, cells) = (extent.places(), grid * grid);
    for unit in 0..extent.units() {
        let from = unit / places * cells + cell(extent, grid, unit % places);
        (0..b).for_each(|s| out[unit * b + s] = T::of(scale) * d[from * b + s]);
    }
}
