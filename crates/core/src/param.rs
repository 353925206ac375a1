//! [`ParamSpec`]: what a parameter is called, how it begins, what becomes of it, and how it is kept.

use std::borrow::Cow;

/// How a parameter begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// N(0, std^2).
    Normal(f64),
    /// All the same number.
    Constant(f64),
}

/// What becomes of a parameter in training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is updated by what the rule says of it; a rule's own may have no update.
    Trained,
    /// It stays as it is: a bias or shift that a batch norm behind it takes out again. Its gradient is zero, and an optimiser that
    /// divides by the size of gradients would move it by rounding errors.
    Held,
    /// It follows the data.
    Statistic,
    /// It never changes and is drawn again from the seed: part of no state.
    Drawn,
}

/// How a matrix is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// As it is written, n_to x n_from.
    Plain,
    /// E_{from->to}, n_to x n_from, kept as its transpose M, n_from x n_to: laid out like the forward synapse to->from
    /// that it answers, for [`reclra_compute::dense::Message`].
    Transposed,
}

/// A parameter of a layer, of the network or of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamSpec {
    /// Of a layer `W`, `b`, `scale`, `shift`, `mean`, `variance`; of a network or a rule its name in saved models, `E.b2->b1`.
    pub name: Cow<'static, str>,
    /// As the paper writes it: n_to x n_from. The second is 0 for a vector.
    pub shape: [usize; 2],
    /// How it begins.
    pub init: Init,
    /// What becomes of it in training.
    pub role: Role,
    /// How it is kept.
    pub layout: Layout,
}

impl ParamSpec {
    /// A matrix of `to` rows and `from` columns that is trained, or a vector if `from` is 0.
    #[must_use]
    pub fn new(name: impl Into<Cow<'static, str>>, [to, from]: [usize; 2], init: Init) -> ParamSpec {
        ParamSpec { name: name.into(), shape: [to, from], init, role: Role::Trained, layout: Layout::Plain }
    }

    /// A vector of so many equal numbers.
    pub(crate) fn vector(name: &'static str, len: usize, value: f64, role: Role) -> ParamSpec {
        ParamSpec { role, ..ParamSpec::new(name, [len, 0], Init::Constant(value)) }
    }

    /// Whether it is updated.
    #[must_use]
    pub fn is_trained(&self) -> bool {
        self.role == Role::Trained
    }

    /// A matrix of weights: its updates are re-projected, and the network's decay.
    #[must_use]
    pub fn is_weight(&self) -> bool {
        self.shape[1] > 0
    }

    /// Numbers in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape[0] * self.shape[1].max(1)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The shape as a list.
    #[must_use]
    pub fn dims(&self) -> Vec<usize> {
        if self.is_weight() { self.shape.to_vec() } else { vec![self.shape[0]] }
    }

    /// The shape in which it is kept.
    #[must_use]
    pub fn kept_dims(&self) -> Vec<usize> {
        let mut dims = self.dims();
        if self.layout == Layout::Transposed {
            dims.reverse();
        }
        dims
    }

    /// Where the n-th value, as the paper writes them, is kept.
    pub(crate) fn kept(&self) -> impl Fn(usize) -> usize + use<> {
        let (turned, [rows, cols]) = (self.layout == Layout::Transposed, self.shape);
        move |n| if turned { n % cols * rows + n / cols } else { n }
    }
}

/// The place of a parameter in the one list: first the network's, region by region, then the rule's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParamId(pub(crate) usize);

impl ParamId {
    /// Its place.
    #[must_use]
    pub fn index(self) -> usize {
        self.0
    }
}
