//! Local updates: checked, counted, carried out.

use super::{Backend, Device};
use crate::cpu::update::plan::Scratch;
use crate::op::update::{Descend, Descent, Local, Moments};
use crate::tensor::Tensor;
use crate::{cpu, reference};

impl Moments {
    /// Zeros for a parameter of this shape.
    #[must_use]
    pub fn new(device: &Device, shape: &[usize], descent: &Descent) -> Moments {
        let some = |k| (descent.moments() > k).then(|| device.zeros(shape));
        Moments { first: some(0), second: some(1) }
    }
}

impl Device {
    /// Runs the local updates of all given parameters, which are independent of each other, in one parallel pass.
    ///
    /// # Panics
    /// If shapes do not fit: rules are validated before they come here.
    pub fn update(&self, locals: &mut [Local<'_>], scratch: &mut Scratch) {
        locals.iter().for_each(Local::check);
        self.count(locals.iter().map(Local::work).sum());
        match &self.0 {
            Backend::Cpu(cpu) => cpu::update::update(cpu, locals, scratch),
            Backend::Oracle => locals.iter_mut().for_each(reference::update::update),
        }
    }

    /// D = scale * post pre^T, as a tensor (n x m): the same numbers, unfused.
    ///
    /// # Panics
    /// If the batches differ.
    #[must_use]
    pub fn outer(&self, post: &Tensor, pre: &Tensor, scale: f64) -> Tensor {
        assert_eq!(post.cols(), pre.cols(), "outer: batches differ");
        let mut out = self.zeros(&[post.rows(), pre.rows()]);
        match &self.0 {
            Backend::Cpu(cpu) => cpu::update::plan::outer_product(cpu, post, pre, scale, &mut out),
            Backend::Oracle => out.f64_mut().copy_from_slice(&reference::update::outer(post, Some(pre), scale)),
        }
        out
    }

    /// Descends along D.
    ///
    /// # Panics
    /// If shapes do not fit.
    pub fn descend(&self, op: Descend<'_>) {
        op.check();
        match &self.0 {
            Backend::Cpu(cpu) => cpu::update::descend::along(cpu, op),
            Backend::Oracle => reference::update::descend(op),
        }
    }
}
