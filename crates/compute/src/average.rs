//! The exponential moving average of weights that evaluation may use in their place.

use crate::device::{Backend, Device};
use crate::tensor::Tensor;

impl Device {
    /// average = decay * average + (1 - decay) * value, elementwise.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn average(&self, average: &mut Tensor, value: &Tensor, decay: f64) {
        assert_eq!(average.shape(), value.shape(), "average: shapes differ");
        match &self.0 {
            Backend::Cpu(_) => {
                let keep = decay as f32;
                average.f32_mut().iter_mut().zip(value.f32()).for_each(|(a, &v)| *a = v + keep * (*a - v));
            }
            Backend::Oracle => {
                average.f64_mut().iter_mut().zip(value.f64()).for_each(|(a, &v)| *a = v + decay * (*a - v));
            }
        }
    }
}
