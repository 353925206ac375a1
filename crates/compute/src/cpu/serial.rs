//! Loops of one thread, in either precision: over few numbers, over draws made one after the other, and over an output.

use crate::op::output::Verdict;
use std::ops::{Mul, Sub};

/// out = f(out, x), number by number in the order of rows.
pub(crate) fn each<T: Copy>(out: &mut [T], x: &[T], mut f: impl FnMut(T, T) -> T) {
    out.iter_mut().zip(x).for_each(|(o, &x)| *o = f(*o, x));
}

/// Writes a x, `cols` columns wide, from column `first` of `out`, `all` columns wide.
pub(crate) fn place<T: Copy + Mul<Output = T>>(
    a: T,
    x: &[T],
    cols: usize,
    out: &mut [T],
    (rows, all, first): (usize, usize, usize),
) {
    for i in 0..rows {
        let (from, to) = (&x[i * cols..(i + 1) * cols], &mut out[i * all + first..i * all + first + cols]);
        to.iter_mut().zip(from).for_each(|(o, &x)| *o = a * x);
    }
}

/// out[(c, p), s] = gate[c, s] z[(c, p), s], for so many samples and places.
pub(crate) fn gate<T: Copy + Mul<Output = T>>(gate: &[T], z: &[T], b: usize, places: usize, out: &mut [T]) {
    let rows = out.chunks_exact_mut(b.max(1)).zip(z.chunks_exact(b.max(1)));
    for (i, (out, z)) in rows.enumerate() {
        let gate = &gate[i / places * b..][..b];
        out.iter_mut().zip(z.iter().zip(gate)).for_each(|(o, (&z, &g))| *o = z * g);
    }
}

/// Samples that are judged side by side.
const STRIP: usize = 32;

/// A number of either precision.
pub(crate) trait Number: Copy + PartialOrd + Into<f64> + From<u8> + Sub<Output = Self> {}
impl Number for f32 {}
impl Number for f64 {}

/// Judges an output in one pass, row by row: `out` are y, e and d.
pub(crate) fn judge<T: Number>(
    [h, z]: [&[T]; 2],
    n: usize,
    labels: &[u32],
    softmax: bool,
    mut out: Option<[&mut [T]; 3]>,
) -> Verdict {
    let b = labels.len();
    assert!(z.len() == n * b && h.len() == z.len(), "judge: one label a sample, and as many h as z");
    let mut verdict = Verdict::default();
    let [zero, one] = [0, 1].map(T::from);
    for first in (0..b).step_by(STRIP) {
        let labels = &labels[first..b.min(first + STRIP)];
        let count = labels.len();
        // Each sample's output for its label, squared distance, and whether another output is larger.
        let (mut own, mut distance, mut beaten) = ([zero; STRIP], [0.0_f64; STRIP], [false; STRIP]);
        // Where each sample's largest h stands, the label's unless another is larger.
        let mut top = [0; STRIP];
        for (s, &label) in labels.iter().enumerate() {
            assert!((label as usize) < n, "judge: label {label} of {n} classes");
            top[s] = label as usize * b + first + s;
            own[s] = z[top[s]];
        }
        for i in 0..n {
            let at = i * b + first..i * b + first + count;
            let row = &z[at.clone()];
            if let Some([y, e, d]) = &mut out {
                let (y, e, d) = (&mut y[at.clone()], &mut e[at.clone()], &mut d[at.clone()]);
                for s in 0..count {
                    y[s] = if labels[s] as usize == i { one } else { zero };
                    e[s] = row[s] - y[s];
                    d[s] = e[s];
                }
            }
            for s in 0..count {
                let (value, label) = (row[s], labels[s] as usize);
                if h[at.start + s] > h[top[s]] {
                    top[s] = at.start + s;
                }
                // Ties go to the smaller class, as in a search for the largest.
                beaten[s] |= value > own[s] || (value == own[s] && i < label);
                let value: f64 = value.into();
                distance[s] += (value - if i == label { 1.0 } else { 0.0 }).powi(2);
            }
        }
        for s in 0..count {
            let own: f64 = own[s].into();
            verdict.wrong += usize::from(beaten[s] || own.is_nan() || distance[s].is_nan());
            verdict.loss += if softmax {
                // ln(sum exp h) = h_top + ln(sum exp(h - h_top)), and that sum is 1 / z_top: z_label itself may be 0 to the last bit.
                let [largest, label]: [f64; 2] = [h[top[s]].into(), h[labels[s] as usize * b + first + s].into()];
                let largest_z: f64 = z[top[s]].into();
                (largest - label) - largest_z.ln()
            } else {
                0.5 * distance[s]
            };
            verdict.distance += distance[s];
        }
    }
    verdict
}
