//! The fused local update: outer product, re-projection and optimiser in one pass over the weights.
//!
//! D = scale * sum over the batch of post pre^T is made eight rows at a time, in the cache, and used up at once, so that
//! weights and moments are read and written once. The Frobenius norm that re-projection needs comes first, where
//! |D|_F <= scale * sum over samples of |post_s| |pre_s| does not show that it is small enough: from two B x B Gram
//! matrices, |post pre^T|_F^2 = sum of (post^T post) * (pre^T pre), or, at large batches, from D itself, which is kept then.
//! `Device::outer` gives D as a tensor, for tests, measurements and exchange between machines.

use crate::tally::Tally;
use crate::tensor::Tensor;

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

pub(crate) fn power(base: f64, exponent: u64) -> f64 {
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
    /// True if there are as many as `descent` needs, and each of them fits.
    fn fit(&self, descent: &Descent, fits: impl Fn(&Tensor) -> bool) -> bool {
        let there = || [&self.first, &self.second].into_iter().flatten();
        there().all(fits) && there().count() >= descent.moments()
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

impl Local<'_> {
    /// Checks that its tensors fit each other, and that the moments of the optimizer are there.
    ///
    /// # Panics
    /// If they do not.
    pub(crate) fn check(&self) {
        match self.pre {
            Some(pre) => {
                assert_eq!(self.param.shape(), [self.post.rows(), pre.rows()], "update: outer product does not fit");
                assert_eq!(self.post.cols(), pre.cols(), "update: batches differ");
            }
            None => assert_eq!(self.param.len(), self.post.rows(), "update: bias does not fit"),
        }
        let same = |t: &Tensor| t.shape() == self.param.shape();
        assert!(self.mirror.as_deref().is_none_or(same), "update: mirror does not fit");
        assert!(self.moments.fit(&self.descent, same), "update: moments do not fit");
    }

    /// Its work: W, mirror and moments are read and written.
    pub(crate) fn work(&self) -> Tally {
        let kept = [self.mirror.as_deref(), self.moments.first.as_ref(), self.moments.second.as_ref()];
        let tensors = 1 + kept.iter().flatten().count() as u64;
        let flops = 2 * (self.param.len() * self.post.cols()) as u64;
        let signals = [Some(self.post), self.pre].into_iter().flatten().map(|t| Tally::passes(1, t));
        signals.chain([Tally { flops, ..Tally::passes(2 * tensors, self.param) }]).sum()
    }
}

/// The update of one parameter: W = descend(W, Nm(scale D, radius)).
#[derive(Debug)]
pub struct Descend<'a> {
    /// The parameter.
    pub param: &'a mut Tensor,
    /// A second one that receives the same increment.
    pub mirror: Option<&'a mut Tensor>,
    /// Shared by the two.
    pub moments: &'a mut Moments,
    /// D, as many numbers.
    pub delta: &'a Tensor,
    /// Factor on D.
    pub scale: f64,
    /// c of the ball re-projection; none for no re-projection.
    pub radius: Option<f64>,
    /// The optimiser at this step.
    pub descent: Descent,
    /// Decoupled weight decay.
    pub decay: f64,
}

impl Descend<'_> {
    /// Checks that its tensors are of one length, and that the moments of the optimizer are there.
    ///
    /// # Panics
    /// If they are not.
    pub(crate) fn check(&self) {
        let fits = |t: &Tensor| t.len() == self.param.len();
        assert!(fits(self.delta), "descend: D does not fit");
        assert!(self.mirror.as_deref().is_none_or(fits), "descend: mirror does not fit");
        assert!(self.moments.fit(&self.descent, fits), "descend: moments do not fit");
    }

    /// Returns scale min(1, c / norm), `norm` that of scale D.
    pub(crate) fn factor(&self, norm: f64) -> f64 {
        self.scale * self.radius.filter(|&c| norm >= c).map_or(1.0, |c| c / norm)
    }
}
