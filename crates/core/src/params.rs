//! [`Params`]: every number that is kept between steps, in one list: those of the network, then those of the rule.

use crate::error::{Result, check};
use crate::graph::{Graph, RegionId};
use crate::param::{Init, Layout, ParamId, ParamSpec, Role};
use reclra_compute::rng::Key;
use reclra_compute::{Device, Tensor};
use std::ops::{Index, IndexMut, Range};

impl ParamSpec {
    /// `kind`.from->to between two regions, drawn from N(0, `std`^2) and kept transposed: error synapses, feedback in place
    /// of W^T.
    #[must_use]
    pub fn feedback(kind: &str, graph: &Graph, from: RegionId, to: RegionId, std: f64) -> ParamSpec {
        let [j, i] = [from, to].map(|r| &graph.regions()[r]);
        let name = format!("{kind}.{}->{}", j.name, i.name);
        ParamSpec { layout: Layout::Transposed, ..ParamSpec::new(name, [i.width, j.width], Init::Normal(std)) }
    }
}

/// All parameters of a network and its rule.
#[derive(Clone, Debug)]
pub struct Params {
    specs: Vec<ParamSpec>,
    tensors: Vec<Tensor>,
    /// Where the rule's own begin.
    own: usize,
    /// The numbers of each region's block that never learn: not part of a state, as they are drawn from the seed.
    pub(crate) fixed: Vec<Vec<Option<Tensor>>>,
}

impl Params {
    /// W of dense regions drawn from N(0, `w_std`^2), all else from what its spec says, each by name under `key`.
    #[must_use]
    pub fn new(device: &Device, graph: &Graph, own: Vec<ParamSpec>, w_std: f64, key: Key) -> Params {
        let mut specs = graph.param_specs(w_std);
        let first = specs.len();
        specs.extend(own);
        let one = |spec: &ParamSpec| {
            let mut tensor = device.zeros(&spec.kept_dims());
            // Drawn as the paper writes it, so that its numbers do not depend on how it is kept.
            match spec.init {
                Init::Normal(std) => tensor.place(key.child_named(&spec.name).normals(std), spec.kept()),
                Init::Constant(value) => tensor.place(std::iter::repeat(value), |n| n),
            }
            tensor
        };
        let tensors = specs.iter().map(one).collect();
        let fixed = graph.blocks().map(|block| block.map_or_else(Vec::new, |b| b.fixed(device, key))).collect();
        Params { specs, tensors, own: first, fixed }
    }

    /// The network's without the rule's own: what a moving average is kept of.
    pub(crate) fn of_network(&self) -> Params {
        let (specs, tensors) = (self.specs[..self.own].to_vec(), self.tensors[..self.own].to_vec());
        Params { specs, tensors, own: self.own, fixed: self.fixed.clone() }
    }

    /// What a parameter is.
    #[must_use]
    pub fn spec(&self, id: ParamId) -> &ParamSpec {
        &self.specs[id.0]
    }

    /// Whether a parameter is the rule's own.
    #[must_use]
    pub fn is_own(&self, id: ParamId) -> bool {
        id.0 >= self.own
    }

    /// All places.
    pub fn ids(&self) -> impl Iterator<Item = ParamId> + use<> {
        (0..self.tensors.len()).map(ParamId)
    }

    /// The rule's own, in the order of [`crate::rule::Rule::params`].
    #[must_use]
    pub fn own(&self) -> &[Tensor] {
        &self.tensors[self.own..]
    }

    /// Those of a region ([`crate::graph::Region::params`]).
    pub(crate) fn range(&self, range: &Range<usize>) -> &[Tensor] {
        &self.tensors[range.clone()]
    }

    pub(crate) fn range_mut(&mut self, range: &Range<usize>) -> &mut [Tensor] {
        &mut self.tensors[range.clone()]
    }

    /// All tensors, in the order of their places.
    pub(crate) fn tensors_mut(&mut self) -> &mut [Tensor] {
        &mut self.tensors
    }

    /// Every parameter by name that is part of a state: the network's, then the rule's own.
    pub(crate) fn named(&self) -> impl Iterator<Item = Named<'_>> {
        let stored = self.specs.iter().zip(&self.tensors).enumerate().filter(|(_, (s, _))| s.role != Role::Drawn);
        stored.map(|(n, (spec, tensor))| Named {
            name: spec.name.clone().into_owned(),
            shape: spec.dims(),
            param: ParamId(n),
            tensor,
            layout: spec.layout,
        })
    }

    /// Overwrites a parameter with values in the shape [`Named`] gives it.
    pub(crate) fn fill(&mut self, id: ParamId, values: impl ExactSizeIterator<Item = f64>) -> Result<()> {
        let len = self[id].len();
        let want = format!("must hold {len} numbers");
        check(values.len() == len, "parameter", format!("{} numbers", values.len()), &want)?;
        self.tensors[id.0].place(values, self.specs[id.0].kept());
        Ok(())
    }
}

impl Index<ParamId> for Params {
    type Output = Tensor;

    fn index(&self, id: ParamId) -> &Tensor {
        &self.tensors[id.0]
    }
}

impl IndexMut<ParamId> for Params {
    fn index_mut(&mut self, id: ParamId) -> &mut Tensor {
        &mut self.tensors[id.0]
    }
}

/// x^T for x rows x cols.
pub(crate) fn transposed<T: Copy>(x: &[T], rows: usize, cols: usize) -> Vec<T> {
    (0..rows * cols).map(|i| x[(i % rows) * cols + i / rows]).collect()
}

/// A parameter by name, for saving, loading and looking at it.
#[derive(Debug)]
pub struct Named<'a> {
    /// `W.in->b1`, `b.b1`, `E.out->b1`.
    pub name: String,
    /// As the paper writes it: W is n_to x n_from, E is n_to x n_from, b is n.
    pub shape: Vec<usize>,
    /// Which parameter.
    pub param: ParamId,
    tensor: &'a Tensor,
    layout: Layout,
}

impl Named<'_> {
    /// The elements, row by row, in the shape given.
    #[must_use]
    pub fn values(&self) -> Vec<f32> {
        self.written(self.tensor.to_f32())
    }

    /// The same in float64: exact for the oracle device too.
    #[must_use]
    pub fn to_vec(&self) -> Vec<f64> {
        self.written(self.tensor.to_vec())
    }

    /// Whether all are finite numbers.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        self.tensor.is_finite()
    }

    fn written<T: Copy>(&self, values: Vec<T>) -> Vec<T> {
        match self.layout {
            Layout::Transposed => transposed(&values, self.shape[1], self.shape[0]),
            Layout::Plain => values,
        }
    }
}
