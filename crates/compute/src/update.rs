//! The fused local update: outer product, re-projection and optimiser in one pass over the weights.
//!
//! D = scale * sum over the batch of post pre^T is made eight rows at a time, in the cache, and used up at once, so that
//! weights and moments are read and written once. The Frobenius norm that re-projection needs comes first, where
//! |D|_F <= scale * sum over samples of |post_s| |pre_s| does not show that it is small enough: from two B x B Gram
//! matrices, |post pre^T|_F^2 = sum of (post^T post) * (pre^T pre), or, at large batches, from D itself, which is kept then.
//! [`Device::outer`] gives D as a tensor, for tests, measurements and exchange between machines.

mod descend;
mod fused;
mod plan;

use crate::cpu::gemm::{PANEL, TASK_ROWS, panels_len};
use crate::cpu::out::Out;
use crate::device::{Backend, Device};
use crate::oracle;
use crate::tensor::{Aligned, Tensor, zeros};
pub use descend::Descend;
use fused::update;
use plan::{Lists, StoreRows, into_panels, outer};

/// One step of descent along D, the optimiser's settings resolved for this step.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Descent {
    /// m = b1 m + (1 - b1) D, v = b2 v + (1 - b2) D^2, W = W - rate * m_hat / (sqrt(v_hat) + epsilon), with
    /// m_hat = m / (1 - b1^t), v_hat = v / (1 - b2^t) (Kingma and Ba 2015).
    Adam {
        /// Learning rate of this step.
        rate: f64,
        /// Decay of the first moment.
        beta1: f64,
        /// Decay of the second moment.
        beta2: f64,
        /// Added to the root, outside of it.
        epsilon: f64,
        /// t, counted from 1.
        step: u64,
    },
    /// u = momentum u + D, W = W - rate u; Nesterov: W = W - rate (D + momentum u).
    Sgd {
        /// Learning rate of this step.
        rate: f64,
        /// 0 for plain descent, which keeps no moment.
        momentum: f64,
        /// Look ahead along the momentum.
        nesterov: bool,
    },
}

impl Descent {
    /// Learning rate of this step.
    #[must_use]
    pub fn rate(&self) -> f64 {
        match *self {
            Descent::Adam { rate, .. } | Descent::Sgd { rate, .. } => rate,
        }
    }

    /// Moments it keeps for each weight.
    #[must_use]
    pub fn moments(&self) -> usize {
        match *self {
            Descent::Adam { .. } => 2,
            Descent::Sgd { momentum, .. } => usize::from(momentum != 0.0),
        }
    }

    /// The update of one weight: (its increment, first moment, second moment) from D and the moments before.
    pub(crate) fn one(&self, d: f64, m: f64, v: f64) -> (f64, f64, f64) {
        match *self {
            Descent::Adam { rate, beta1, beta2, epsilon, step } => {
                let (m, v) = (beta1 * m + (1.0 - beta1) * d, beta2 * v + (1.0 - beta2) * d * d);
                let (m_hat, v_hat) = (m / (1.0 - power(beta1, step)), v / (1.0 - power(beta2, step)));
                (-rate * m_hat / (v_hat.sqrt() + epsilon), m, v)
            }
            Descent::Sgd { rate, momentum, nesterov } => {
                let u = momentum * m + d;
                (-rate * if nesterov { d + momentum * u } else { u }, u, v)
            }
        }
    }
}

fn power(base: f64, exponent: u64) -> f64 {
    base.powf(exponent as f64)
}

/// What the optimiser remembers of one parameter, each of the parameter's shape. Empty where nothing is remembered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    /// m of Adam, u of momentum.
    pub first: Option<Tensor>,
    /// v of Adam.
    pub second: Option<Tensor>,
}

impl Moments {
    /// Zeros for a parameter of this shape.
    #[must_use]
    pub fn new(device: &Device, shape: &[usize], descent: &Descent) -> Moments {
        let some = |k| (descent.moments() > k).then(|| device.zeros(shape));
        Moments { first: some(0), second: some(1) }
    }
}

/// The local update of one parameter: W = descend(W, D), D = Nm(scale * sum over the batch of post pre^T, radius).
#[derive(Debug)]
pub struct Local<'a> {
    /// W, n x m (or a bias, n long).
    pub param: &'a mut Tensor,
    /// A second parameter of W's shape that receives the same increment: E^T under mirror plasticity.
    pub mirror: Option<&'a mut Tensor>,
    /// Shared by the two.
    pub moments: &'a mut Moments,
    /// Error neurons, n x B.
    pub post: &'a Tensor,
    /// Activities, m x B; none for a bias, whose partner is the constant one.
    pub pre: Option<&'a Tensor>,
    /// Mean over the batch, kappa, gamma and sign in one factor.
    pub scale: f64,
    /// c of the ball re-projection Nm(D, c) = D * min(1, c / |D|_F); none for no re-projection.
    pub radius: Option<f64>,
    /// The optimiser at this step.
    pub descent: Descent,
    /// Decoupled weight decay: W loses rate * decay * W; the mirror does not decay.
    pub decay: f64,
}

/// Room the update needs between its phases: kept by the caller so that no step allocates.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    /// pre^T of each different pre.
    panels: Vec<Aligned<f32>>,
    grams: Vec<Aligned<f32>>,
    /// D of large batches.
    deltas: Vec<Aligned<f32>>,
    /// Squared length of each sample, of each factor of a norm.
    lengths: Vec<Aligned<f32>>,
    lists: Lists,
}

impl Device {
    /// Runs the local updates of all given parameters, which are independent of each other, in one parallel pass.
    ///
    /// # Panics
    /// If shapes do not fit: rules are validated before they come here.
    pub fn update(&self, locals: &mut [Local<'_>], scratch: &mut Scratch) {
        for l in locals.iter() {
            match l.pre {
                Some(pre) => {
                    assert_eq!(l.param.shape(), [l.post.rows(), pre.rows()], "update: outer product does not fit");
                    assert_eq!(l.post.cols(), pre.cols(), "update: batches differ");
                }
                None => assert_eq!(l.param.len(), l.post.rows(), "update: bias does not fit"),
            }
            let same = |t: &Tensor| t.shape() == l.param.shape();
            assert!(l.mirror.as_deref().is_none_or(same), "update: mirror does not fit");
            let m = &l.moments;
            assert!(m.first.as_ref().is_none_or(same) && m.second.as_ref().is_none_or(same), "update: moments");
            assert!(
                usize::from(m.first.is_some()) + usize::from(m.second.is_some()) >= l.descent.moments(),
                "update: the optimiser has no moments"
            );
        }
        match &self.0 {
            Backend::Cpu(cpu) => {
                cpu.counter.update(locals);
                update(cpu, locals, scratch);
            }
            Backend::Oracle => locals.iter_mut().for_each(oracle::update),
        }
    }

    /// D = scale * post pre^T, as a tensor (n x m): the same numbers, unfused.
    ///
    /// # Panics
    /// If the batches differ.
    #[must_use]
    pub fn outer(&self, post: &Tensor, pre: &Tensor, scale: f64) -> Tensor {
        assert_eq!(post.cols(), pre.cols(), "outer: batches differ");
        let (n, m, b) = (post.rows(), pre.rows(), post.cols());
        let mut out = self.zeros(&[n, m]);
        match &self.0 {
            Backend::Cpu(cpu) => {
                let mut t = zeros(panels_len(b, m));
                into_panels(pre.f32(), b, 0..m.div_ceil(PANEL), &mut t);
                let to = Out(out.f32_mut().as_mut_ptr());
                let products = [outer(post, &t)];
                cpu.pool.for_each(n.div_ceil(TASK_ROWS), &|t| {
                    let rows = t * TASK_ROWS..((t + 1) * TASK_ROWS).min(n);
                    cpu.arch.dispatch(StoreRows { products: &products, rows, cols: m, scale: scale as f32, to });
                });
            }
            Backend::Oracle => out.f64_mut().copy_from_slice(&oracle::outer(post, Some(pre), scale)),
        }
        out
    }
}
