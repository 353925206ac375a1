//! The two phases of a dense network before the update: activities go up, errors come down.
//!
//! Both compute sums of matrix products over the same batch and finish each sum while it is in registers: [`Forward`]
//! with bias, shortcuts and the activation, [`Receive`] with the target and the error neuron (or, for rules that use
//! it, the derivative).

mod few;
mod phases;

use crate::device::{Backend, Device};
use crate::oracle;
use crate::pointwise::{Mismatch, Phi};
use crate::tensor::Tensor;
use phases::{forward, receive};
use smallvec::SmallVec;

/// Up to four sources stay on the stack: more are rare.
pub type Sources<T> = SmallVec<[T; 4]>;

/// One dense synapse into a region: adds W z to its pre-activation. W is n x m, z is m x B.
#[derive(Clone, Copy, Debug)]
pub struct Afferent<'a> {
    /// W
    pub weight: &'a Tensor,
    /// z of the region it comes from
    pub z: &'a Tensor,
}

/// h = sum of W z + sum of M^T s + b + sum of shortcuts, z = phi(h), for one region (n x B).
#[derive(Debug)]
pub struct Forward<'a> {
    /// The synapses into the region.
    pub afferents: Sources<Afferent<'a>>,
    /// What comes down from regions above, for networks that settle: signals sent through matrices read transposed.
    pub messages: Sources<Message<'a>>,
    /// b, n long
    pub bias: Option<&'a Tensor>,
    /// Activities of the same shape that are added as they are (residual gap).
    pub shortcuts: Sources<&'a Tensor>,
    /// phi
    pub phi: Phi,
    /// h, written
    pub h: &'a mut Tensor,
    /// z, written
    pub z: &'a mut Tensor,
}

/// One message into a region: adds M^T e to what it receives. M is m x n, e is m x B.
///
/// An error synapse E_{j->i} (n_i x n_j) is kept as M = E^T, laid out like the W it mirrors, so that one pass of the
/// update can serve both.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// M
    pub synapse: &'a Tensor,
    /// The error neurons of the sender.
    pub e: &'a Tensor,
}

/// What a region makes of the messages it received.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Response {
    /// y = phi(h - beta d), e = mismatch of z and y. No derivative.
    Target {
        /// Target modulation.
        beta: f64,
        /// How e follows from z - y.
        mismatch: Mismatch,
    },
    /// e = d * phi'(h): what backprop and feedback alignment do.
    Derivative,
    /// e = d.
    Plain,
}

/// d = sum of M^T e_j + sum of shortcuts, then the response, for one region (n x B).
///
/// The outputs are owned and handed back, so that the error neurons of other regions can be read meanwhile.
#[derive(Debug)]
pub struct Receive<'a> {
    /// All messages are summed before the region fires once.
    pub messages: Sources<Message<'a>>,
    /// Signals of the same shape that are added as they are.
    pub shortcuts: Sources<&'a Tensor>,
    /// h of the region
    pub h: &'a Tensor,
    /// z of the region
    pub z: &'a Tensor,
    /// phi of the region
    pub phi: Phi,
    /// What is made of d.
    pub response: Response,
    /// d, written
    pub d: Tensor,
    /// y, written by [`Response::Target`] only
    pub y: Tensor,
    /// e, written
    pub e: Tensor,
    /// The region's share of the discrepancy, summed over the batch: written by [`Response::Target`] only.
    pub discrepancy: f64,
}

impl Device {
    /// Runs the forward phase of one region.
    ///
    /// # Panics
    /// If shapes do not fit: graphs are validated before they come here.
    pub fn forward(&self, phase: Forward<'_>) {
        let mut signals = phase.afferents.iter().map(|a| a.z).chain(phase.messages.iter().map(|m| m.e));
        let b = signals.next().or(phase.shortcuts.first().copied()).map_or(0, Tensor::cols);
        let n = phase.z.rows();
        for a in &phase.afferents {
            assert_eq!(a.weight.shape(), [n, a.z.rows()], "forward: W does not fit");
            assert_eq!(a.z.cols(), b, "forward: batches differ");
        }
        for m in &phase.messages {
            assert_eq!(m.synapse.shape(), [m.e.rows(), n], "forward: M does not fit");
            assert_eq!(m.e.cols(), b, "forward: batches differ");
        }
        phase.shortcuts.iter().for_each(|s| assert_eq!(s.shape(), [n, b], "forward: shortcut does not fit"));
        assert!(phase.bias.is_none_or(|v| v.len() == n), "forward: b does not fit");
        assert_eq!(phase.h.rows(), n, "forward: h and z differ");
        phase.h.set_cols(b);
        phase.z.set_cols(b);
        match &self.0 {
            Backend::Cpu(cpu) => {
                cpu.counter.forward(&phase);
                forward(cpu, phase);
            }
            Backend::Oracle => oracle::forward(phase),
        }
    }

    /// Runs the receiving phase of all regions of a wave, which are independent of each other and of one batch.
    ///
    /// # Panics
    /// If shapes do not fit: graphs are validated before they come here.
    pub fn receive(&self, wave: &mut [Receive<'_>]) {
        let batch = wave.first().map_or(0, |r| r.h.cols());
        for r in wave.iter_mut() {
            let (n, b) = (r.h.rows(), r.h.cols());
            assert_eq!(b, batch, "receive: a wave is of one batch");
            for m in &r.messages {
                assert_eq!(m.synapse.shape(), [m.e.rows(), n], "receive: error synapse does not fit");
                assert_eq!(m.e.cols(), b, "receive: batches differ");
            }
            r.shortcuts.iter().for_each(|s| assert_eq!(s.shape(), [n, b], "receive: shortcut does not fit"));
            assert_eq!(r.z.shape(), r.h.shape(), "receive: h and z differ");
            // Softmax is no function of a single unit: neither a target nor a derivative follows from one h.
            let single = r.phi != Phi::Softmax || r.response == Response::Plain;
            assert!(single, "receive: a softmax region takes no target or derivative");
            for t in [&mut r.d, &mut r.y, &mut r.e] {
                assert_eq!(t.rows(), n, "receive: output does not fit");
                t.set_cols(b);
            }
            r.discrepancy = 0.0;
        }
        match &self.0 {
            Backend::Cpu(cpu) => {
                cpu.counter.receive(wave);
                receive(cpu, wave);
                for r in wave.iter_mut() {
                    if let Response::Target { mismatch, .. } = r.response {
                        r.discrepancy = mismatch.finish(cpu, &mut r.e, r.discrepancy);
                    }
                }
            }
            Backend::Oracle => wave.iter_mut().for_each(oracle::receive),
        }
    }
}
