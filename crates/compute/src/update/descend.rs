//! Descent along an update that is there already as a tensor: of parameters whose outer product is none of units, such as
//! those of a convolution.

use super::{Descent, Moments};
use crate::device::{Backend, Device};
use crate::tensor::Tensor;

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

impl Device {
    /// Descends along D.
    ///
    /// # Panics
    /// If shapes do not fit.
    pub fn descend(&self, d: Descend<'_>) {
        let len = d.param.len();
        assert_eq!(d.delta.len(), len, "descend: D does not fit");
        assert!(d.mirror.as_deref().is_none_or(|m| m.len() == len), "descend: mirror does not fit");
        let Descend { param, mirror, moments, delta, scale, radius, descent, decay } = d;
        let Moments { first, second } = moments;
        match &self.0 {
            Backend::Cpu(_) => {
                let norm = delta.f32().iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt() * scale.abs();
                let scale = scale * shrink(norm, radius);
                let keep = 1.0 - descent.rate() * decay;
                let mut first = first.as_mut().map(Tensor::f32_mut);
                let mut second = second.as_mut().map(Tensor::f32_mut);
                let mut mirror = mirror.map(Tensor::f32_mut);
                for (i, (w, &d)) in param.f32_mut().iter_mut().zip(delta.f32()).enumerate() {
                    let read = |s: &Option<&mut [f32]>| s.as_ref().map_or(0.0, |s| f64::from(s[i]));
                    let (by, m, v) = descent.one(scale * f64::from(d), read(&first), read(&second));
                    *w = (keep * f64::from(*w) + by) as f32;
                    let write = |s: &mut Option<&mut [f32]>, x: f64| {
                        if let Some(s) = s {
                            s[i] = x as f32;
                        }
                    };
                    write(&mut first, m);
                    write(&mut second, v);
                    if let Some(mirror) = &mut mirror {
                        mirror[i] += by as f32;
                    }
                }
            }
            Backend::Oracle => {
                let norm = delta.f64().iter().map(|v| v * v).sum::<f64>().sqrt() * scale.abs();
                let scale = scale * shrink(norm, radius);
                let keep = 1.0 - descent.rate() * decay;
                let mut first = first.as_mut().map(Tensor::f64_mut);
                let mut second = second.as_mut().map(Tensor::f64_mut);
                let mut mirror = mirror.map(Tensor::f64_mut);
                for (i, (w, &d)) in param.f64_mut().iter_mut().zip(delta.f64()).enumerate() {
                    let read = |s: &Option<&mut [f64]>| s.as_ref().map_or(0.0, |s| s[i]);
                    let (by, m, v) = descent.one(scale * d, read(&first), read(&second));
                    *w = keep * *w + by;
                    if let Some(s) = &mut first {
                        s[i] = m;
                    }
                    if let Some(s) = &mut second {
                        s[i] = v;
                    }
                    if let Some(mirror) = &mut mirror {
                        mirror[i] += by;
                    }
                }
            }
        }
    }
}

/// min(1, c / norm).
fn shrink(norm: f64, radius: Option<f64>) -> f64 {
    radius.filter(|&c| norm >= c).map_or(1.0, |c| c / norm)
}
