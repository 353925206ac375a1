//! [`Params`]: W, b and the rule's own synapses; their names, and how each is kept.

use crate::error::{Result, check};
use crate::graph::{Graph, RegionId};
use crate::layer::Init;
use reclra_compute::rng::Key;
use reclra_compute::{Device, Tensor};

/// How a parameter of a rule is written in the paper, and how it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// E_{from->to}, n_to x n_from, kept as its transpose M, n_from x n_to: laid out like the forward synapse to->from
    /// that it answers, for [`reclra_compute::dense::Message`].
    Transposed,
    /// n_to x n_from, kept as it is written, for [`reclra_compute::dense::Afferent`].
    Plain,
    /// A vector of n_to biases.
    Bias,
}

/// A parameter that belongs to a rule: a synapse from->to, or biases.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnSynapse {
    /// Name in saved models, `E.b2->b1` say.
    pub name: String,
    /// Units of the sender; 1 for biases.
    pub from_width: usize,
    /// Units of the receiver.
    pub to_width: usize,
    /// Standard deviation of the zero-mean Gaussian it starts from.
    pub std: f64,
    /// How it is kept.
    pub layout: Layout,
    /// Whether it is part of a state. What never learns can be drawn again from the seed.
    pub stored: bool,
}

impl OwnSynapse {
    /// `kind`.from->to between two regions, kept transposed: error synapses, feedback in place of W^T.
    #[must_use]
    pub fn feedback(kind: &str, graph: &Graph, from: RegionId, to: RegionId, std: f64) -> OwnSynapse {
        let [j, i] = [from, to].map(|r| &graph.regions()[r]);
        let name = format!("{kind}.{}->{}", j.name, i.name);
        OwnSynapse { name, from_width: j.width, to_width: i.width, std, layout: Layout::Transposed, stored: true }
    }

    /// The shape the paper gives it.
    #[must_use]
    pub fn shape(&self) -> Vec<usize> {
        if self.layout == Layout::Bias { vec![self.to_width] } else { vec![self.to_width, self.from_width] }
    }

    /// The shape in which it is kept.
    #[must_use]
    pub fn kept_shape(&self) -> Vec<usize> {
        let mut shape = self.shape();
        if self.layout == Layout::Transposed {
            shape.reverse();
        }
        shape
    }
}

/// A parameter of the network or of its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Param {
    /// W from the `source`-th of a region's sources.
    Weight {
        /// The region it leads into.
        region: RegionId,
        /// Place in its list of sources.
        source: usize,
    },
    /// b of a region.
    Bias(RegionId),
    /// The rule's own synapse of that number.
    Own(usize),
    /// A parameter of a region that is a block.
    Inside {
        /// The region.
        region: RegionId,
        /// Place in [`crate::block::Block::params`].
        n: usize,
    },
}

/// W, b and the rule's own synapses.
#[derive(Clone, Debug)]
pub struct Params {
    /// W of each region, one for each of its sources; n_to x n_from.
    pub weights: Vec<Vec<Tensor>>,
    /// b of each region that has one.
    pub biases: Vec<Option<Tensor>>,
    /// The rule's own, each as its [`Layout`] says.
    pub own: Vec<Tensor>,
    /// The parameters of each region that is a block, in the block's order.
    pub inside: Vec<Vec<Tensor>>,
    /// Its numbers that never learn: not part of a state, as they are drawn from the seed.
    pub fixed: Vec<Vec<Option<Tensor>>>,
    /// What they are, one for each.
    synapses: Vec<OwnSynapse>,
}

impl Params {
    /// W drawn from N(0, `std`^2) and the rule's synapses from theirs, each by name under `key`; biases 0.
    #[must_use]
    pub fn new(device: &Device, graph: &Graph, synapses: Vec<OwnSynapse>, std: f64, key: Key) -> Params {
        let regions = graph.regions();
        let draw = |name: &str, std: f64| key.child_named(name).normals(std);
        let plain = |shape: &[usize], values: &mut dyn Iterator<Item = f64>| {
            let mut tensor = device.zeros(shape);
            tensor.place(values, |n| n);
            tensor
        };
        let weights = regions
            .iter()
            .map(|r| {
                let one = |&k: &usize| {
                    let (from, shape) = (&regions[k], [r.width, regions[k].width]);
                    let name = format!("W.{}->{}", from.name, r.name);
                    plain(&shape, &mut draw(&name, std))
                };
                if r.inside.is_some() { Vec::new() } else { r.sources.iter().map(one).collect() }
            })
            .collect();
        let biases = regions.iter().map(|r| r.bias.then(|| device.zeros(&[r.width]))).collect();
        let own = synapses
            .iter()
            .map(|s| {
                // Drawn as the paper writes it, so that its numbers do not depend on how it is kept.
                let mut tensor = device.zeros(&s.kept_shape());
                tensor.place(draw(&s.name, s.std), kept(s));
                tensor
            })
            .collect();
        let inside = |r: &crate::graph::Region| {
            let Some(block) = &r.inside else { return Vec::new() };
            let one = |(name, p): (String, crate::layer::ParamSpec)| match p.init {
                Init::Normal(std) => plain(&p.dims(), &mut draw(&format!("{}.{name}", r.name), std)),
                Init::Constant(value) => plain(&p.dims(), &mut std::iter::repeat(value)),
            };
            block.params().map(one).collect()
        };
        let fixed = regions.iter().map(|r| r.inside.as_ref().map_or_else(Vec::new, |b| b.fixed(device, key))).collect();
        Params { weights, biases, own, inside: regions.iter().map(inside).collect(), fixed, synapses }
    }

    /// The network's without the rule's own: what a moving average is kept of.
    pub(crate) fn of_network(&self) -> Params {
        Params {
            weights: self.weights.clone(),
            biases: self.biases.clone(),
            own: Vec::new(),
            inside: self.inside.clone(),
            fixed: self.fixed.clone(),
            synapses: Vec::new(),
        }
    }

    pub(crate) fn get(&self, param: Param) -> &Tensor {
        match param {
            Param::Weight { region, source } => &self.weights[region][source],
            Param::Bias(region) => self.biases[region].as_ref().expect("only regions with a bias have it updated"),
            Param::Own(n) => &self.own[n],
            Param::Inside { region, n } => &self.inside[region][n],
        }
    }

    pub(crate) fn get_mut(&mut self, param: Param) -> &mut Tensor {
        match param {
            Param::Weight { region, source } => &mut self.weights[region][source],
            Param::Bias(region) => self.biases[region].as_mut().expect("only regions with a bias have it updated"),
            Param::Own(n) => &mut self.own[n],
            Param::Inside { region, n } => &mut self.inside[region][n],
        }
    }

    /// Every parameter by name: W, b, then the rule's own.
    pub(crate) fn named(&self, graph: &Graph) -> Vec<Named<'_>> {
        let mut list = Vec::new();
        let mut add = |name: String, shape: &[usize], param: Param, tensor| {
            list.push(Named { name, shape: shape.to_vec(), param, tensor, layout: Layout::Plain });
        };
        let regions = graph.regions();
        for (region, r) in regions.iter().enumerate() {
            for (source, (&k, tensor)) in r.sources.iter().zip(&self.weights[region]).enumerate() {
                let name = format!("W.{}->{}", regions[k].name, r.name);
                add(name, tensor.shape(), Param::Weight { region, source }, tensor);
            }
            if let Some(tensor) = &self.biases[region] {
                add(format!("b.{}", r.name), tensor.shape(), Param::Bias(region), tensor);
            }
            let names = r.inside.iter().flat_map(|block| block.params());
            for (n, ((name, _), tensor)) in names.zip(&self.inside[region]).enumerate() {
                add(format!("{}.{name}", r.name), tensor.shape(), Param::Inside { region, n }, tensor);
            }
        }
        for (n, (s, tensor)) in self.synapses.iter().zip(&self.own).enumerate().filter(|(_, (s, _))| s.stored) {
            let (param, layout) = (Param::Own(n), s.layout);
            list.push(Named { name: s.name.clone(), shape: s.shape(), param, tensor, layout });
        }
        list
    }

    /// Overwrites a parameter with values in the shape [`Named`] gives it.
    pub(crate) fn fill(&mut self, param: Param, values: impl ExactSizeIterator<Item = f64>) -> Result<()> {
        let len = self.get(param).len();
        let want = format!("must hold {len} numbers");
        check(values.len() == len, "parameter", format!("{} numbers", values.len()), &want)?;
        match param {
            Param::Own(n) => self.own[n].place(values, kept(&self.synapses[n])),
            _ => self.get_mut(param).place(values, |n| n),
        }
        Ok(())
    }
}

/// Where the n-th value, as the paper writes them, is kept.
fn kept(s: &OwnSynapse) -> impl Fn(usize) -> usize + use<> {
    let (turned, rows, cols) = (s.layout == Layout::Transposed, s.to_width, s.from_width.max(1));
    move |n| if turned { n % cols * rows + n / cols } else { n }
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
    pub param: Param,
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
            Layout::Plain | Layout::Bias => values,
        }
    }
}
