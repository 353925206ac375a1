//! The dense phases, naive.

use crate::op::activation::Phi;
use crate::op::dense::{Forward, Receive, Response};
use crate::op::mismatch::Mismatch;

/// C = A X for A n x m and X m x b.
pub(super) fn product(a: &[f64], x: &[f64], n: usize, m: usize, b: usize) -> Vec<f64> {
    let mut c = vec![0.0; n * b];
    for i in 0..n {
        for s in 0..b {
            c[i * b + s] = (0..m).map(|k| a[i * m + k] * x[k * b + s]).sum();
        }
    }
    c
}

/// A^T for A n x m.
pub(super) fn transposed(a: &[f64], n: usize, m: usize) -> Vec<f64> {
    (0..n * m).map(|i| a[(i % n) * m + i / n]).collect()
}

pub(crate) fn forward(phase: Forward<'_>) {
    let (n, b) = (phase.h.rows(), phase.h.cols());
    let mut h = vec![0.0; n * b];
    for a in &phase.afferents {
        let wz = product(a.weight.f64(), a.z.f64(), n, a.z.rows(), b);
        h.iter_mut().zip(wz).for_each(|(h, v)| *h += v);
    }
    for m in &phase.messages {
        let rows = m.e.rows();
        let ms = product(&transposed(m.synapse.f64(), rows, n), m.e.f64(), n, rows, b);
        h.iter_mut().zip(ms).for_each(|(h, v)| *h += v);
    }
    for (i, row) in h.chunks_exact_mut(b.max(1)).enumerate() {
        row.iter_mut().for_each(|h| *h += phase.bias.map_or(0.0, |v| v.f64()[i]));
    }
    for s in &phase.shortcuts {
        h.iter_mut().zip(s.f64()).for_each(|(h, v)| *h += v);
    }
    let z = match phase.phi {
        Phi::Softmax => softmax(&h, n, b),
        phi => h.iter().map(|&h| phi.f(h)).collect(),
    };
    phase.h.f64_mut().copy_from_slice(&h);
    phase.z.f64_mut().copy_from_slice(&z);
}

fn softmax(h: &[f64], n: usize, b: usize) -> Vec<f64> {
    let mut z = vec![0.0; n * b];
    for s in 0..b {
        let largest = (0..n).map(|i| h[i * b + s]).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = (0..n).map(|i| (h[i * b + s] - largest).exp()).sum();
        (0..n).for_each(|i| z[i * b + s] = (h[i * b + s] - largest).exp() / sum);
    }
    z
}

pub(crate) fn receive(r: &mut Receive<'_>) {
    let (n, b) = (r.h.rows(), r.h.cols());
    let mut d = vec![0.0; n * b];
    for m in &r.messages {
        let rows = m.e.rows();
        let me = product(&transposed(m.synapse.f64(), rows, n), m.e.f64(), n, rows, b);
        d.iter_mut().zip(me).for_each(|(d, v)| *d += v);
    }
    for s in &r.shortcuts {
        d.iter_mut().zip(s.f64()).for_each(|(d, v)| *d += v);
    }
    let (y, e, discrepancy) = respond(r.response, r.phi, [r.h.f64(), r.z.f64(), &d], b);
    y.iter().for_each(|y| r.y.f64_mut().copy_from_slice(y));
    r.d.f64_mut().copy_from_slice(&d);
    r.e.f64_mut().copy_from_slice(&e);
    r.discrepancy = discrepancy;
}

/// Targets, if there are any, error neurons and the discrepancy from (h, z, d).
pub(super) fn respond(
    response: Response,
    phi: Phi,
    [h, z, d]: [&[f64]; 3],
    b: usize,
) -> (Option<Vec<f64>>, Vec<f64>, f64) {
    match response {
        Response::Target { beta, mismatch } => {
            let y: Vec<f64> = h.iter().zip(d).map(|(h, d)| phi.f(h - beta * d)).collect();
            let (e, discrepancy) = error_neurons(mismatch, z, &y, b);
            (Some(y), e, discrepancy)
        }
        Response::Derivative => (None, h.iter().zip(d).map(|(&h, d)| d * phi.df(h)).collect(), 0.0),
        Response::Plain => (None, d.to_vec(), 0.0),
    }
}

/// Error neurons of activities and targets, n x b, and their discrepancy: sample by sample.
fn error_neurons(mismatch: Mismatch, z: &[f64], y: &[f64], b: usize) -> (Vec<f64>, f64) {
    let (mut e, mut discrepancy) = (vec![0.0; z.len()], 0.0);
    for s in 0..b {
        let v: Vec<f64> = (s..z.len()).step_by(b).map(|i| z[i] - y[i]).collect();
        let (own, share) = mismatch.of_sample(&v);
        own.iter().enumerate().for_each(|(i, &v)| e[i * b + s] = v);
        discrepancy += share;
    }
    (e, discrepancy)
}
