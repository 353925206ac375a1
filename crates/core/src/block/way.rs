//! The way of a signal back through a block: operation by operation, through what stands in place of W, to the local updates.

use super::stages::{Stage, activations};
use crate::layer::{Back, Kept};
use crate::spare::Spare;
use reclra_compute::dense::Response;
use reclra_compute::maps::Room;
use reclra_compute::rng::Key;
use reclra_compute::{Device, Tensor};
use smallvec::SmallVec;

/// How a block's inside learns from the error neurons at its output.
#[derive(Clone, Copy)]
pub struct How<'a> {
    /// What an activation makes of the signal that comes back to it: with rec-LRA a target, with backprop the derivative.
    pub response: Response,
    /// What stands in place of W where a signal goes on, by place among the operations with synapses (path, then shortcut).
    pub feedback: &'a dyn Fn(usize) -> Option<&'a Tensor>,
    /// Signals that activations are given from elsewhere, in place of what comes back through the layers.
    pub given: Option<Given<'a>>,
}

impl std::fmt::Debug for How<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "How({:?}, given {:?})", self.response, self.given)
    }
}

/// Where activations inside a block have their signal from, if not from the layers above.
#[derive(Clone, Copy, Debug)]
pub enum Given<'a> {
    /// A gate a channel and sample (C x B): the error neurons are gate * z, three factors in each update.
    Gate(&'a Tensor),
    /// What each activation of the path receives, in order, spread over its places; then the response.
    Direct(&'a [Tensor]),
}

/// Outputs of some stages; the last one's may lie elsewhere.
pub(super) struct Outs<'a> {
    pub(super) outs: &'a [Tensor],
    pub(super) end: Option<&'a Tensor>,
}

/// A signal's way back through a block.
pub(super) struct Way<'a, 'h> {
    pub(super) device: &'a Device,
    pub(super) params: &'a [Tensor],
    pub(super) key: Key,
    pub(super) how: &'a How<'h>,
    pub(super) kept: &'a mut [Kept],
    pub(super) fixed: &'a [Option<Tensor>],
    pub(super) signals: &'a mut Spare,
    pub(super) room: &'a mut Room,
    pub(super) deltas: &'a mut [Tensor],
    pub(super) x: &'a Tensor,
    pub(super) e: &'a Tensor,
}

impl Way<'_, '_> {
    /// A tensor of so many rows from those that are free.
    pub(super) fn take(&mut self, rows: usize) -> Tensor {
        self.signals.take(self.device, rows, self.e.cols())
    }

    /// Down one path. `offset` and `synapses` number its operations, and those with synapses, among the block's.
    pub(super) fn down(
        &mut self,
        stages: &[Stage],
        outs: Outs<'_>,
        given: Option<Given<'_>>,
        [offset, synapses]: [usize; 2],
        d: Option<&mut Tensor>,
    ) {
        let trained = stages.iter().position(|s| s.params > 0).unwrap_or(stages.len());
        let above: SmallVec<[usize; 8]> = activations(stages).collect();
        let is_given = |k: usize| given.is_some() && above.contains(&k);
        let mut synapse = synapses + stages.iter().filter(|s| s.layer.has_synapses()).count();
        let mut direct = above.len();
        let mut signal: Option<Tensor> = None;
        for (k, stage) in stages.iter().enumerate().rev() {
            let x = if k == 0 { self.x } else { &outs.outs[k - 1] };
            let y = outs.end.filter(|_| k + 1 == stages.len()).unwrap_or(&outs.outs[k]);
            // Nobody asks below the last trained operation, or where the signal comes from elsewhere.
            let wanted = if k == 0 { d.is_some() } else { (d.is_some() || k > trained) && !is_given(k - 1) };
            let mut next = wanted.then(|| self.take(x.rows()));
            if stage.layer.has_synapses() {
                synapse -= 1;
            }
            let received = match given.filter(|_| is_given(k)) {
                Some(Given::Gate(gate)) => {
                    if let Some(next) = &mut next {
                        self.device.gate(gate, y, next);
                    }
                    self.signals.give(signal.take());
                    signal = next;
                    continue;
                }
                Some(Given::Direct(list)) => {
                    direct -= 1;
                    let mut spread = self.take(y.rows());
                    self.device.spread(&stage.layer.to(), 1, 1.0, &list[direct], &mut spread);
                    Some(spread)
                }
                None => None,
            };
            let of = stage.first..stage.first + stage.params;
            stage.layer.back(Back {
                device: self.device,
                params: &self.params[of.clone()],
                fixed: self.fixed[offset + k].as_ref(),
                feedback: stage.layer.has_synapses().then(|| (self.how.feedback)(synapse)).flatten(),
                response: self.how.response,
                key: self.key.child((offset + k) as u64),
                x,
                y,
                e: received.as_ref().or(signal.as_ref()).unwrap_or(self.e),
                kept: &mut self.kept[offset + k],
                room: self.room,
                deltas: &mut self.deltas[of],
                d: next.as_mut(),
            });
            self.signals.give(received);
            self.signals.give(signal.take());
            signal = next;
        }
        if let (Some(d), Some(signal)) = (d, &mut signal) {
            std::mem::swap(d, signal);
        }
        self.signals.give(signal);
    }
}
