//! [`Phi`]: activations, and their values unit by unit in float64.

/// An activation phi. `f` is what a forward pass and a target need; `df` only what the rules with derivatives need.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Phi {
    /// tanh h
    Tanh,
    /// 1 / (1 + e^-h)
    Sigmoid,
    /// max(h, 0)
    Relu,
    /// h where h > 0, `slope` times h elsewhere
    LRelu {
        /// Slope below zero, 0.01 by custom.
        slope: f64,
    },
    /// h where h > 0, e^h - 1 elsewhere
    Elu,
    /// -1, 0 or 1. Its derivative is zero: rules that need one take a surrogate.
    Sign,
    /// h
    Identity,
    /// e^h over its sum across the units of the region; for the output.
    Softmax,
    /// A function of the user's own.
    Custom(CustomPhi),
}

/// An activation given as plain functions: for units that need be neither standard nor differentiable.
#[derive(Clone, Copy, Debug)]
pub struct CustomPhi {
    /// Name in messages and files.
    pub name: &'static str,
    /// phi(h)
    pub f: fn(f64) -> f64,
    /// phi'(h); may panic if no rule in use asks for it.
    pub df: fn(f64) -> f64,
}

impl PartialEq for CustomPhi {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Phi {
    /// Its name, as in a spec.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Phi::Tanh => "tanh",
            Phi::Sigmoid => "sigmoid",
            Phi::Relu => "relu",
            Phi::LRelu { .. } => "lrelu",
            Phi::Elu => "elu",
            Phi::Sign => "sign",
            Phi::Identity => "identity",
            Phi::Softmax => "softmax",
            Phi::Custom(c) => c.name,
        }
    }

    /// phi(h) in float64.
    ///
    /// # Panics
    /// For softmax, which is no function of one unit.
    #[must_use]
    pub fn f(self, h: f64) -> f64 {
        match self {
            Phi::Tanh => h.tanh(),
            Phi::Sigmoid => 1.0 / (1.0 + (-h).exp()),
            Phi::Relu if h.is_nan() => h,
            Phi::Relu => h.max(0.0),
            Phi::LRelu { slope } => h * if h > 0.0 { 1.0 } else { slope },
            Phi::Elu => {
                if h > 0.0 {
                    h
                } else {
                    h.exp_m1()
                }
            }
            Phi::Sign => {
                if h > 0.0 {
                    1.0
                } else if h < 0.0 {
                    -1.0
                } else {
                    h
                }
            }
            Phi::Identity => h,
            Phi::Softmax => panic!("softmax is no function of a single unit"),
            Phi::Custom(c) => (c.f)(h),
        }
    }

    /// phi'(h) in float64. For `sign` the straight-through surrogate, the slope of hard tanh: 1 where |h| <= 1.
    ///
    /// # Panics
    /// For softmax, which is no function of one unit.
    #[must_use]
    pub fn df(self, h: f64) -> f64 {
        match self {
            Phi::Tanh => 1.0 - h.tanh().powi(2),
            Phi::Sigmoid => self.f(h) * (1.0 - self.f(h)),
            Phi::Relu => f64::from(u8::from(h > 0.0)),
            Phi::LRelu { slope } => {
                if h > 0.0 {
                    1.0
                } else {
                    slope
                }
            }
            Phi::Elu => {
                if h > 0.0 {
                    1.0
                } else {
                    h.exp()
                }
            }
            Phi::Sign => f64::from(u8::from(h.abs() <= 1.0)),
            Phi::Identity => 1.0,
            Phi::Softmax => panic!("softmax is no function of a single unit"),
            Phi::Custom(c) => (c.df)(h),
        }
    }
}
