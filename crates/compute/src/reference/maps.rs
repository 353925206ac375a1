//! The phases of feature maps, naive.

use crate::op::maps::{Channel, Convolution, Extent, Pooling, Statistic};

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

pub(crate) fn convolve(conv: &Convolution, w: &[f64], bias: Option<&[f64]>, z: &[f64], b: usize, h: &mut [f64]) {
    let places = conv.to().places();
    for (unit, row) in h.chunks_exact_mut(b.max(1)).enumerate() {
        row.fill(bias.map_or(0.0, |v| v[unit / places]));
    }
    taps(conv, |_, unit, weight, from| {
        for s in 0..b {
            h[unit * b + s] += w[weight] * z[from * b + s];
        }
    });
}

pub(crate) fn convolve_back(conv: &Convolution, w: &[f64], e: &[f64], b: usize, d: &mut [f64], add: bool) {
    if !add {
        d.fill(0.0);
    }
    taps(conv, |_, unit, weight, from| {
        for s in 0..b {
            d[from * b + s] += w[weight] * e[unit * b + s];
        }
    });
}

pub(crate) fn correlate(conv: &Convolution, e: &[f64], z: &[f64], b: usize, scale: f64, delta: &mut [f64]) {
    delta.fill(0.0);
    taps(conv, |_, unit, weight, from| {
        for s in 0..b {
            delta[weight] += e[unit * b + s] * z[from * b + s];
        }
    });
    delta.iter_mut().for_each(|d| *d *= scale);
}

/// Mean and variance (of the population) of each channel.
pub(crate) fn moments(h: &[f64], channels: usize, mean: &mut [f64], variance: &mut [f64]) {
    let n = h.len() / channels.max(1);
    for (c, row) in h.chunks_exact(n.max(1)).enumerate() {
        let m = row.iter().sum::<f64>() / n as f64;
        let v = row.iter().map(|v| (v - m).powi(2)).sum::<f64>() / n as f64;
        (mean[c], variance[c]) = (m, v);
    }
}

/// z = scale (h - mean) / sqrt(variance + epsilon) + shift, channel by channel.
pub(crate) fn normalise(h: &[f64], channel: &Channel<'_, f64>, z: &mut [f64]) {
    let n = h.len() / channel.mean.len().max(1);
    for (i, (z, h)) in z.iter_mut().zip(h).enumerate() {
        let c = i / n;
        let hat = (h - channel.mean[c]) / (channel.variance[c] + channel.epsilon).sqrt();
        *z = channel.scale[c] * hat + channel.shift[c];
    }
}

/// What e on z becomes on h, the statistics being those of the batch, and the sums of e hat and e of each channel.
pub(crate) fn normalise_back(e: &[f64], h: &[f64], channel: &Channel<'_, f64>, d: &mut [f64], sums: [&mut [f64]; 2]) {
    let channels = channel.mean.len();
    let n = h.len() / channels.max(1);
    let [scales, shifts] = sums;
    for c in 0..channels {
        let (mean, root) = (channel.mean[c], (channel.variance[c] + channel.epsilon).sqrt());
        let hat = |i: usize| (h[i] - mean) / root;
        let all = c * n..(c + 1) * n;
        let sum: f64 = all.clone().map(|i| e[i]).sum();
        let along: f64 = all.clone().map(|i| e[i] * hat(i)).sum();
        for i in all {
            let v = e[i] - sum / n as f64 - hat(i) * along / n as f64;
            d[i] = channel.scale[c] / root * v;
        }
        (scales[c], shifts[c]) = (along, sum);
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

pub(crate) fn pool(pool: &Pooling, x: &[f64], b: usize, z: &mut [f64]) {
    match pool.statistic {
        Statistic::Max => {
            z.fill(f64::NEG_INFINITY);
            windows(pool, |unit, from| {
                for s in 0..b {
                    let (v, z) = (x[from * b + s], &mut z[unit * b + s]);
                    // Whatever is not a number stays visible.
                    if v > *z || v.is_nan() {
                        *z = v;
                    }
                }
            });
        }
        Statistic::Mean => {
            z.fill(0.0);
            let share = 1.0 / pool.window.taps() as f64;
            windows(pool, |unit, from| (0..b).for_each(|s| z[unit * b + s] += share * x[from * b + s]));
        }
    }
}

pub(crate) fn pool_back(pool: &Pooling, x: &[f64], e: &[f64], b: usize, d: &mut [f64]) {
    d.fill(0.0);
    match pool.statistic {
        Statistic::Max => {
            // The first of equal maxima, in the order of the window.
            let mut best = vec![(f64::NEG_INFINITY, usize::MAX); e.len()];
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
            let share = 1.0 / pool.window.taps() as f64;
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
fn sizes(extent: &Extent, grid: usize) -> Vec<usize> {
    let mut sizes = vec![0; grid * grid];
    (0..extent.places()).for_each(|p| sizes[cell(extent, grid, p)] += 1);
    sizes
}

pub(crate) fn gather(extent: &Extent, grid: usize, x: &[f64], b: usize, out: &mut [f64]) {
    let (places, cells, sizes) = (extent.places(), grid * grid, sizes(extent, grid));
    let mut sums = vec![0.0; extent.channels * cells * b];
    for unit in 0..extent.units() {
        let to = unit / places * cells + cell(extent, grid, unit % places);
        (0..b).for_each(|s| sums[to * b + s] += x[unit * b + s]);
    }
    for (i, (o, sum)) in out.iter_mut().zip(sums).enumerate() {
        *o = sum / sizes[i / b.max(1) % cells] as f64;
    }
}

pub(crate) fn spread(extent: &Extent, grid: usize, scale: f64, d: &[f64], b: usize, out: &mut [f64]) {
    let (places, cells) = (extent.places(), grid * grid);
    for unit in 0..extent.units() {
        let from = unit / places * cells + cell(extent, grid, unit % places);
        (0..b).for_each(|s| out[unit * b + s] = scale * d[from * b + s]);
    }
}
