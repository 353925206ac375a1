//! Batch normalisation on the processor: a channel is one stretch of memory, and one task. Sums go on in float64.

use crate::cpu::Cpu;
use crate::cpu::out::Out;
use crate::cpu::stretch::{along, sums};
use crate::op::maps::Channel;
use pulp::{Simd, WithSimd};

/// The stretch of a channel.
///
/// # Safety
/// The tensor has so many channels of `n` numbers, and nobody else touches this one.
unsafe fn stretch<'a>(of: Out, c: usize, n: usize) -> &'a mut [f32] {
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts_mut(of.at(c * n), n) }
}

/// Calls `task` with every channel and the length of one.
fn channels(cpu: &Cpu, count: usize, len: usize, task: impl Fn(usize, usize) + Sync) {
    let n = len / count.max(1);
    cpu.pool.for_each(count, &|c| task(c, n));
}

struct Moments<'a>(&'a [f32]);

impl WithSimd for Moments<'_> {
    type Output = [f64; 2];
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f64; 2] {
        let (h, n) = (self.0.as_ptr(), self.0.len() as f64);
        // SAFETY: places along the stretch.
        let [sum] = sums(simd, self.0.len(), |at, i| [unsafe { at.load(simd, h, i) }]);
        let mean = sum / n;
        // Around the mean as float32 holds it: what that lacks is taken off afterwards.
        let held = mean as f32;
        let middle = simd.splat_f32s(held);
        let [square] = sums(simd, self.0.len(), |at, i| {
            // SAFETY: as above.
            let from = simd.sub_f32s(unsafe { at.load(simd, h, i) }, middle);
            [simd.mul_f32s(from, from)]
        });
        [mean, (square / n - (mean - f64::from(held)).powi(2)).max(0.0)]
    }
}

pub(crate) fn moments(cpu: &Cpu, h: &[f32], [mean, variance]: [&mut [f32]; 2]) {
    let count = mean.len();
    let [mean, variance] = [mean, variance].map(|t| Out(t.as_mut_ptr()));
    channels(cpu, count, h.len(), |c, n| {
        let [m, v] = cpu.arch.dispatch(Moments(&h[c * n..(c + 1) * n]));
        // SAFETY: one number a task.
        unsafe { (*mean.at(c), *variance.at(c)) = (m as f32, v as f32) };
    });
}

/// z = factor (h - mean) + shift.
struct Normalise<'a> {
    h: &'a [f32],
    mean: f32,
    factor: f32,
    shift: f32,
    z: &'a mut [f32],
}

impl WithSimd for Normalise<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let [mean, factor, shift] = [self.mean, self.factor, self.shift].map(|v| simd.splat_f32s(v));
        assert_eq!(self.h.len(), self.z.len());
        along(
            simd,
            self.h.len(),
            #[inline(always)]
            |place, at| {
                // SAFETY: both are as long as that.
                unsafe {
                    let from = simd.sub_f32s(place.load(simd, self.h.as_ptr(), at), mean);
                    place.store(simd, self.z.as_mut_ptr(), at, simd.mul_add_e_f32s(from, factor, shift));
                }
            },
        );
    }
}

fn root(channel: &Channel<'_, f32>, c: usize) -> f64 {
    (f64::from(channel.variance[c]) + channel.epsilon).sqrt()
}

pub(crate) fn normalise(cpu: &Cpu, h: &[f32], channel: &Channel<'_, f32>, z: &mut [f32]) {
    let to = Out(z.as_mut_ptr());
    channels(cpu, channel.mean.len(), h.len(), |c, n| {
        let factor = (f64::from(channel.scale[c]) / root(channel, c)) as f32;
        let (mean, shift) = (channel.mean[c], channel.shift[c]);
        // SAFETY: z is as long as h; one channel a task.
        let z = unsafe { stretch(to, c, n) };
        cpu.arch.dispatch(Normalise { h: &h[c * n..(c + 1) * n], mean, factor, shift, z });
    });
}

struct NormaliseBack<'a> {
    e: &'a [f32],
    h: &'a [f32],
    mean: f32,
    root: f64,
    scale: f64,
    d: &'a mut [f32],
}

impl WithSimd for NormaliseBack<'_> {
    /// Sums of e hat and of e.
    type Output = [f64; 2];
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f64; 2] {
        let n = self.e.len();
        assert!(self.h.len() == n && self.d.len() == n);
        let (e, h) = (self.e.as_ptr(), self.h.as_ptr());
        let (mean, inverse) = (simd.splat_f32s(self.mean), simd.splat_f32s((1.0 / self.root) as f32));
        let [along_, sum] = sums(simd, n, |at, i| {
            // SAFETY: places along stretches of this length, here and below.
            let (e, h) = unsafe { (at.load(simd, e, i), at.load(simd, h, i)) };
            [simd.mul_f32s(e, simd.mul_f32s(simd.sub_f32s(h, mean), inverse)), e]
        });
        let c = |v: f64| simd.splat_f32s(v as f32);
        let (middle, slope, factor) = (c(sum / n as f64), c(along_ / n as f64 / self.root), c(self.scale / self.root));
        let d = self.d.as_mut_ptr();
        along(
            simd,
            n,
            #[inline(always)]
            |at, i| {
                // SAFETY: as above.
                unsafe {
                    let e = simd.sub_f32s(at.load(simd, e, i), middle);
                    let from = simd.sub_f32s(at.load(simd, h, i), mean);
                    at.store(simd, d, i, simd.mul_f32s(factor, simd.negate_mul_add_e_f32s(from, slope, e)));
                }
            },
        );
        [along_, sum]
    }
}

pub(crate) fn normalise_back(
    cpu: &Cpu,
    [e, h]: [&[f32]; 2],
    channel: &Channel<'_, f32>,
    d: &mut [f32],
    sums: [&mut [f32]; 2],
) {
    let to = Out(d.as_mut_ptr());
    let [scales, shifts] = sums.map(|t| Out(t.as_mut_ptr()));
    channels(cpu, channel.mean.len(), h.len(), |c, n| {
        let all = c * n..(c + 1) * n;
        let (mean, root, scale) = (channel.mean[c], root(channel, c), f64::from(channel.scale[c]));
        // SAFETY: d is as long as h; one channel a task.
        let d = unsafe { stretch(to, c, n) };
        let [along, sum] = cpu.arch.dispatch(NormaliseBack { e: &e[all.clone()], h: &h[all], mean, root, scale, d });
        // SAFETY: one number a task.
        unsafe { (*scales.at(c), *shifts.at(c)) = (along as f32, sum as f32) };
    });
}
