//! The trait [`Layer`]: an operation on feature maps inside a block, with its pull-back and its local update.
//!
//! A layer knows its extents and its parameters' shapes, and holds no numbers: those are lent to it. What a signal that comes
//! back to it does to its parameters (dW = e z^T) is the layer's business, never a rule's; where the signal comes from, and
//! through which synapses it goes on, is the rule's ([`crate::block::How`]).

pub use crate::param::{Init, ParamSpec, Role};
use crate::phi::Phi;
use reclra_compute::dense::Response;
use reclra_compute::maps::{Extent, Room};
use reclra_compute::rng::Key;
use reclra_compute::{Device, Tensor};
use std::sync::Arc;

/// What a layer remembers of a forward pass, besides its output.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// Statistics of the batch, or the layer's own signal.
    pub tensors: Vec<Tensor>,
}

/// A forward pass.
#[derive(Debug)]
pub struct Pass<'a> {
    /// Where to compute.
    pub device: &'a Device,
    /// The layer's parameters.
    pub params: &'a [Tensor],
    /// The numbers that never learn: a mask of noise.
    pub fixed: Option<&'a Tensor>,
    /// Whether it learns from this batch: a normalisation then uses the batch's statistics, and dropout drops.
    pub training: bool,
    /// Randomness of this step and layer.
    pub key: Key,
    /// Room that kernels need.
    pub room: &'a mut Room,
}

/// A signal on its way back.
#[derive(Debug)]
pub struct Back<'a> {
    /// Where to compute.
    pub device: &'a Device,
    /// The layer's parameters.
    pub params: &'a [Tensor],
    /// The numbers that never learn.
    pub fixed: Option<&'a Tensor>,
    /// What stands in place of W where the signal goes on; none for W itself.
    pub feedback: Option<&'a Tensor>,
    /// What an activation makes of the signal.
    pub response: Response,
    /// Randomness of this step and layer, as in its forward pass.
    pub key: Key,
    /// Input of the forward pass.
    pub x: &'a Tensor,
    /// Its output.
    pub y: &'a Tensor,
    /// The signal on the output.
    pub e: &'a Tensor,
    /// What the forward pass left.
    pub kept: &'a mut Kept,
    /// Room that kernels need.
    pub room: &'a mut Room,
    /// Set to the local update of each trained parameter, summed over the samples; the others are never read.
    pub deltas: &'a mut [Tensor],
    /// Set to the signal on the input, if it is asked for; its rows are those of the input.
    pub d: Option<&'a mut Tensor>,
}

/// What a layer learns by association of its own input and output.
#[derive(Debug)]
pub struct Associate<'a> {
    /// Where to compute.
    pub device: &'a Device,
    /// The layer's parameters.
    pub params: &'a [Tensor],
    /// Input of the forward pass.
    pub x: &'a Tensor,
    /// Its output.
    pub y: &'a Tensor,
    /// Room that kernels need.
    pub room: &'a mut Room,
    /// The local update of each parameter, summed over the samples.
    pub deltas: &'a mut [Tensor],
}

/// An operation on feature maps.
pub trait Layer: std::fmt::Debug + Send + Sync {
    /// `conv`, `norm`, as in the names of parameters.
    fn kind(&self) -> &'static str;

    /// Extent of the input.
    fn from(&self) -> Extent;

    /// Extent of the output.
    fn to(&self) -> Extent;

    /// Its parameters.
    fn params(&self) -> Vec<ParamSpec> {
        Vec::new()
    }

    /// Numbers that never learn, drawn once under `key`.
    fn fixed(&self, _device: &Device, _key: Key) -> Option<Tensor> {
        None
    }

    /// Room for what a forward pass leaves.
    fn kept(&self, _device: &Device) -> Kept {
        Kept::default()
    }

    /// y = f(x).
    fn forward(&self, pass: &mut Pass<'_>, x: &Tensor, y: &mut Tensor, kept: &mut Kept);

    /// The pull-back of a signal, and the local updates that follow from it.
    fn back(&self, back: Back<'_>);

    /// Sets the local update of W by Oja's subspace rule, -dW = sum over samples and places of y (W^T y - x)^T, x what that
    /// place of y is made of. Layers without synapses have none.
    fn associate(&self, _: Associate<'_>) {}

    /// What statistics become after a training step.
    fn follow(&self, _params: &mut [Tensor], _kept: &Kept, _device: &Device, _batch: usize) {}

    /// The activation, if it is one: where error neurons may be.
    fn phi(&self) -> Option<Phi> {
        None
    }

    /// Whether a number added to a channel of the input comes out added to channels of the output, the same at all places and in
    /// all samples.
    fn passes_offsets(&self) -> bool {
        false
    }

    /// Whether a number added to a channel of the input changes nothing in training.
    fn removes_offsets(&self) -> bool {
        false
    }

    /// The same layer with its bias or shift held ([`Role::Held`]), if it has one.
    fn with_held_offset(&self) -> Option<Arc<dyn Layer>> {
        None
    }

    /// Whether it sends signals back through a matrix of weights, which a rule may replace.
    fn has_synapses(&self) -> bool {
        self.params().first().is_some_and(ParamSpec::is_weight)
    }

    /// Rows and columns of the image that a unit of a channel sees, if it is a convolution of one group: the shape of a row of W.
    fn window(&self) -> Option<[usize; 2]> {
        None
    }

    /// Shape of W with its window spelled out, if it is a convolution: outputs, inputs of a group, rows, columns. Row by row
    /// these are the numbers of the matrix W.
    fn kernel(&self) -> Option<[usize; 4]> {
        None
    }

    /// Multiplications with weights of one sample, forward.
    fn multiplications(&self) -> usize {
        0
    }
}

/// Noise of a noise map: one mask a layer, the same for all samples, never trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Noise {
    /// N(0, level^2), as the paper has it.
    Gaussian(f64),
    /// Uniform in [-level, level], as the code it cites has it.
    Uniform(f64),
    /// None: the control.
    None,
}
