//! The two phases of a dense network before the update: activities go up, errors come down.
//!
//! Both compute sums of matrix products over the same batch and finish each sum while it is in registers: [`Forward`]
//! with bias, shortcuts and the activation, [`Receive`] with the target and the error neuron (or, for rules that use
//! it, the derivative).

use super::activation::Phi;
use super::mismatch::Mismatch;
use crate::tally::Tally;
use crate::tensor::Tensor;
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

impl Forward<'_> {
    /// Checks that its tensors fit each other and returns the samples of their batch.
    ///
    /// # Panics
    /// If shapes do not fit.
    pub(crate) fn check(&self) -> usize {
        let mut signals = self.afferents.iter().map(|a| a.z).chain(self.messages.iter().map(|m| m.e));
        let b = signals.next().or(self.shortcuts.first().copied()).map_or(0, Tensor::cols);
        let n = self.z.rows();
        for a in &self.afferents {
            assert_eq!(a.weight.shape(), [n, a.z.rows()], "forward: W does not fit");
            assert_eq!(a.z.cols(), b, "forward: batches differ");
        }
        for m in &self.messages {
            assert_eq!(m.synapse.shape(), [m.e.rows(), n], "forward: M does not fit");
            assert_eq!(m.e.cols(), b, "forward: batches differ");
        }
        self.shortcuts.iter().for_each(|s| assert_eq!(s.shape(), [n, b], "forward: shortcut does not fit"));
        assert!(self.bias.is_none_or(|v| v.len() == n), "forward: b does not fit");
        assert_eq!(self.h.rows(), n, "forward: h and z differ");
        b
    }

    /// Its work: W and M are read, h and z written.
    pub(crate) fn work(&self) -> Tally {
        let up = self.afferents.iter().map(|a| Tally::product(a.weight, a.z));
        let down = self.messages.iter().map(|m| Tally::product(m.synapse, m.e));
        let shortcuts = self.shortcuts.iter().map(|s| Tally::passes(1, s));
        up.chain(down).chain(shortcuts).chain([Tally::passes(2, self.z)]).sum()
    }
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

impl Receive<'_> {
    /// Checks that its tensors fit each other and a wave of `batch` samples.
    ///
    /// # Panics
    /// If they do not.
    pub(crate) fn check(&self, batch: usize) {
        let (n, b) = (self.h.rows(), self.h.cols());
        assert_eq!(b, batch, "receive: a wave is of one batch");
        for m in &self.messages {
            assert_eq!(m.synapse.shape(), [m.e.rows(), n], "receive: error synapse does not fit");
            assert_eq!(m.e.cols(), b, "receive: batches differ");
        }
        self.shortcuts.iter().for_each(|s| assert_eq!(s.shape(), [n, b], "receive: shortcut does not fit"));
        assert_eq!(self.z.shape(), self.h.shape(), "receive: h and z differ");
        // Softmax is no function of a single unit: neither a target nor a derivative follows from one h.
        let single = self.phi != Phi::Softmax || self.response == Response::Plain;
        assert!(single, "receive: a softmax region takes no target or derivative");
        let outputs = [&self.d, &self.y, &self.e];
        assert!(outputs.iter().all(|t| t.rows() == n), "receive: output does not fit");
    }

    /// Its work: M, h and z are read, d, y and e written.
    pub(crate) fn work(&self) -> Tally {
        let messages = self.messages.iter().map(|m| Tally::product(m.synapse, m.e));
        let shortcuts = self.shortcuts.iter().map(|s| Tally::passes(1, s));
        messages.chain(shortcuts).chain([Tally::passes(5, self.h)]).sum()
    }
}
