//! The dense phases: checked, counted, carried out.

use super::{Backend, Device};
use crate::op::dense::{Forward, Receive};
use crate::{cpu, reference};

impl Device {
    /// Runs the forward phase of one region.
    ///
    /// # Panics
    /// If shapes do not fit: graphs are validated before they come here.
    pub fn forward(&self, phase: Forward<'_>) {
        let b = phase.check();
        phase.h.set_cols(b);
        phase.z.set_cols(b);
        self.count(phase.work());
        match &self.0 {
            Backend::Cpu(cpu) => cpu::dense::forward(cpu, phase),
            Backend::Oracle => reference::dense::forward(phase),
        }
    }

    /// Runs the receiving phase of all regions of a wave, which are independent of each other and of one batch.
    ///
    /// # Panics
    /// If shapes do not fit: graphs are validated before they come here.
    pub fn receive(&self, wave: &mut [Receive<'_>]) {
        let batch = wave.first().map_or(0, |r| r.h.cols());
        for r in wave.iter_mut() {
            r.check(batch);
            [&mut r.d, &mut r.y, &mut r.e].into_iter().for_each(|t| t.set_cols(batch));
            r.discrepancy = 0.0;
        }
        self.count(wave.iter().map(Receive::work).sum());
        match &self.0 {
            Backend::Cpu(cpu) => cpu::dense::receive(cpu, wave),
            Backend::Oracle => wave.iter_mut().for_each(reference::dense::receive),
        }
    }
}
