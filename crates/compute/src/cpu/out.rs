//! [`Out`]: where the tasks of one kernel write.

/// Where a task may write: rows no other task of the phase touches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out(pub(crate) *mut f32);

impl Out {
    /// The address so many numbers on.
    pub(crate) fn at(self, offset: usize) -> *mut f32 {
        self.0.wrapping_add(offset)
    }
}

// SAFETY: tasks write disjoint rows of one tensor each, and the phase ends before the tensor is used again.
unsafe impl Send for Out {}
// SAFETY: as above.
unsafe impl Sync for Out {}
