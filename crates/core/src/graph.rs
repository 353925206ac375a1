//! The network as a graph: regions of units, forward synapses between them, shortcuts.
//!
//! Region 0 is the input `in`; the last is the output `out`. A [`Graph`] is what has been checked: every region is
//! reached from the input and reaches the output, regions stand in an order in which each comes after its sources, and
//! shapes fit. It holds no numbers.

use crate::block::{Block, BlockSpec};
use crate::error::{Error, Result};
use crate::param::{Init, ParamId, ParamSpec};
use crate::phi::Phi;
use reclra_compute::maps::Extent;
use std::ops::Range;
use std::sync::Arc;

/// Place of a region in [`Graph::regions`].
pub type RegionId = usize;

/// Units that share an activation.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// `in`, `b1`, `b2`, ..., `out`, or the user's own.
    pub name: String,
    /// Number of units n.
    pub width: usize,
    /// phi; identity for the input.
    pub phi: Phi,
    /// Whether units have a bias.
    pub bias: bool,
    /// Regions it has a dense forward synapse from, W is `width` x theirs.
    pub sources: Vec<RegionId>,
    /// Regions of equal width whose activity is added to h as it is.
    pub shortcuts: Vec<RegionId>,
    /// What h is made by, if not by dense synapses: a graph of layers that its only source is given to.
    pub inside: Option<Arc<Block>>,
    /// Places of its parameters in the one list of the network: of a dense region W from each of its sources, then b if it has
    /// biases; of a block those of [`Block::params`].
    pub params: Range<usize>,
}

/// A checked network. Made by [`Graph::mlp`] or [`GraphBuilder`].
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    regions: Vec<Region>,
}

impl Graph {
    /// A multilayer perceptron of the given widths, input and output included: regions `in`, `b1` ... `bN`, `out`
    /// with a softmax output and biases. With `gap` g >= 1, region l is also given z_{l-g} where l mod g = 0, l < L,
    /// l - g >= 1 and widths are equal (Algorithm 2).
    ///
    /// # Errors
    /// If there are fewer than two widths, or one is zero.
    pub fn mlp(widths: &[usize], phi: Phi, gap: Option<usize>) -> Result<Graph> {
        Graph::mlp_with(widths, phi, gap, true)
    }

    /// [`Graph::mlp`], with or without biases.
    ///
    /// # Errors
    /// As [`Graph::mlp`].
    pub fn mlp_with(widths: &[usize], phi: Phi, gap: Option<usize>, bias: bool) -> Result<Graph> {
        let [input, hidden @ .., output] = widths else {
            let (name, value) = ("arch", format!("{widths:?}"));
            return Err(Error::Setting { name, value, want: "at least an input and an output width".into() });
        };
        let mut b = GraphBuilder::new(*input);
        let name = |l: usize| if l == 0 { "in".to_owned() } else { format!("b{l}") };
        for (l, &width) in (1..).zip(hidden) {
            b = b.region(&name(l), width, phi).bias(bias).synapse(&name(l - 1), &name(l));
            if let Some(g) = gap
                && l % g == 0
                && l > g
                && hidden[l - g - 1] == width
            {
                b = b.shortcut(&name(l - g), &name(l));
            }
        }
        b.region("out", *output, Phi::Softmax).bias(bias).synapse(&name(hidden.len()), "out").build()
    }

    /// An image network: blocks one after the other, the last of which makes the output.
    ///
    /// # Errors
    /// Names the block that does not fit, or is called as another.
    pub fn of_blocks(input: Extent, blocks: Vec<BlockSpec>) -> Result<Graph> {
        let mut regions = vec![region("in", input.units(), Phi::Identity, false)];
        let (mut from, last) = (input, blocks.len());
        for (n, spec) in blocks.into_iter().enumerate() {
            if regions.iter().any(|r| r.name == spec.name) {
                return Err(Error::DuplicateRegion(spec.name));
            }
            if spec.phi == Phi::Softmax && n + 1 < last {
                return Err(Error::SoftmaxInside(spec.name));
            }
            let block = Block::new(spec, from)?;
            from = block.to();
            let mut r = region(&block.spec().name, from.units(), block.spec().phi, false);
            (r.sources, r.inside) = (vec![n], Some(Arc::new(block)));
            regions.push(r);
        }
        if regions.len() < 2 {
            let (name, value) = ("block", "none".to_owned());
            return Err(Error::Setting { name, value, want: "write at least one block".into() });
        }
        Ok(Graph::numbered(regions))
    }

    /// Gives each region the places of its parameters.
    fn numbered(mut regions: Vec<Region>) -> Graph {
        let mut first = 0;
        for r in &mut regions {
            let own = r.sources.len() + usize::from(r.bias);
            let count = r.inside.as_ref().map_or(own, |block| block.params().count());
            r.params = first..first + count;
            first += count;
        }
        Graph { regions }
    }

    /// W from the `source`-th of a dense region's sources.
    #[must_use]
    pub fn weight(&self, region: RegionId, source: usize) -> ParamId {
        ParamId(self.regions[region].params.start + source)
    }

    /// The `n`-th parameter of a region that is a block, in the order of [`Block::params`].
    #[must_use]
    pub fn inside(&self, region: RegionId, n: usize) -> ParamId {
        ParamId(self.regions[region].params.start + n)
    }

    /// b of a dense region, if it has biases.
    #[must_use]
    pub fn bias(&self, region: RegionId) -> Option<ParamId> {
        let r = &self.regions[region];
        r.bias.then(|| ParamId(r.params.end - 1))
    }

    /// The `n`-th of the rule's own parameters, which stand after those of the network.
    #[must_use]
    pub fn own(&self, n: usize) -> ParamId {
        ParamId(self.regions[self.output()].params.end + n)
    }

    /// The region that a parameter belongs to; none for a rule's own.
    #[must_use]
    pub fn region_of(&self, id: ParamId) -> Option<RegionId> {
        self.regions.iter().position(|r| r.params.contains(&id.0))
    }

    /// What the parameters of the network are, by name, in the order of their places; W of dense regions from N(0, `w_std`^2).
    #[must_use]
    pub fn param_specs(&self, w_std: f64) -> Vec<ParamSpec> {
        let mut list = Vec::new();
        for r in &self.regions {
            if let Some(block) = &r.inside {
                list.extend(
                    block.params().map(|(name, p)| ParamSpec { name: format!("{}.{name}", r.name).into(), ..p }),
                );
                continue;
            }
            for &k in &r.sources {
                let (from, shape) = (&self.regions[k], [r.width, self.regions[k].width]);
                list.push(ParamSpec::new(format!("W.{}->{}", from.name, r.name), shape, Init::Normal(w_std)));
            }
            list.extend(r.bias.then(|| ParamSpec::new(format!("b.{}", r.name), [r.width, 0], Init::Constant(0.0))));
        }
        list
    }

    /// Whether its regions are blocks of layers.
    #[must_use]
    pub fn has_blocks(&self) -> bool {
        self.regions.iter().any(|r| r.inside.is_some())
    }

    /// The block inside each region, if it has one.
    pub fn blocks(&self) -> impl Iterator<Item = Option<&Block>> {
        self.regions.iter().map(|r| r.inside.as_deref())
    }

    /// Whether the region after this one is a block, which takes its activity in.
    pub(crate) fn leads_into_block(&self, region: RegionId) -> bool {
        self.regions.get(region + 1).is_some_and(|r| r.inside.is_some())
    }

    /// Extent of what a region holds, if that is feature maps or an image: of a block's output, or of what a block is given.
    #[must_use]
    pub fn extent(&self, region: RegionId) -> Option<Extent> {
        let own = self.regions[region].inside.as_ref().map(|block| block.to());
        let given =
            || self.regions.iter().find(|r| r.sources.contains(&region)).and_then(|r| Some(r.inside.as_ref()?.from()));
        own.or_else(given).filter(|e| e.height * e.width > 1)
    }

    /// All regions, the input first, each after its sources, the output last.
    #[must_use]
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// The output region.
    #[must_use]
    pub fn output(&self) -> RegionId {
        self.regions.len() - 1
    }

    /// Whether outputs are distributions over classes: a softmax.
    #[must_use]
    pub fn is_classifier(&self) -> bool {
        self.regions[self.output()].phi == Phi::Softmax
    }

    /// Regions between input and output.
    pub fn hidden(&self) -> impl DoubleEndedIterator<Item = RegionId> + use<> {
        1..self.output()
    }

    /// The region of that name.
    ///
    /// # Errors
    /// If there is none; the message names the nearest.
    pub fn find(&self, name: &str) -> Result<RegionId> {
        self.regions.iter().position(|r| r.name == name).ok_or_else(|| unknown(name, self.regions.iter()))
    }

    /// Regions with a forward synapse or shortcut from `i`.
    pub fn targets(&self, i: RegionId) -> impl Iterator<Item = RegionId> + '_ {
        (i + 1..self.regions.len())
            .filter(move |&j| self.regions[j].sources.contains(&i) || self.regions[j].shortcuts.contains(&i))
    }

    /// Numbers of the forward network: every W and b, and what blocks have ([`Block::parameters`]).
    #[must_use]
    pub fn parameters(&self) -> usize {
        let weights = |r: &Region| match &r.inside {
            Some(block) => block.parameters(),
            None => r.sources.iter().map(|&k| self.regions[k].width * r.width).sum::<usize>(),
        };
        self.regions[1..].iter().map(|r| weights(r) + if r.bias { r.width } else { 0 }).sum()
    }

    /// Those of them that no training moves ([`Block::held`]).
    #[must_use]
    pub fn held(&self) -> usize {
        self.regions.iter().filter_map(|r| r.inside.as_ref()).map(|b| b.held()).sum()
    }
}

fn unknown<'a>(name: &str, regions: impl Iterator<Item = &'a Region>) -> Error {
    let known: Vec<String> = regions.map(|r| r.name.clone()).collect();
    // Region names are two or three letters, so nearness is the shared beginning, then the length.
    let shared = |k: &String| k.chars().zip(name.chars()).take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count();
    let similar = known.iter().max_by_key(|k| shared(k)).filter(|k| shared(k) > 0).cloned();
    Error::UnknownRegion { name: name.to_owned(), similar, known }
}

/// Collects regions and synapses; [`GraphBuilder::build`] checks them.
#[derive(Clone, Debug)]
pub struct GraphBuilder {
    regions: Vec<Region>,
    synapses: Vec<(String, String)>,
    shortcuts: Vec<(String, String)>,
}

impl GraphBuilder {
    /// A network with `width` inputs, in a region called `in`.
    #[must_use]
    pub fn new(width: usize) -> Self {
        let input = region("in", width, Phi::Identity, false);
        GraphBuilder { regions: vec![input], synapses: Vec::new(), shortcuts: Vec::new() }
    }

    /// Adds a region. The last one added is the output.
    #[must_use]
    pub fn region(mut self, name: &str, width: usize, phi: Phi) -> Self {
        self.regions.push(region(name, width, phi, true));
        self
    }

    /// Whether the region added last has biases; it has unless told.
    #[must_use]
    pub fn bias(mut self, bias: bool) -> Self {
        if let [_, .., last] = &mut self.regions[..] {
            last.bias = bias;
        }
        self
    }

    /// Adds a dense forward synapse W_{from->to}.
    #[must_use]
    pub fn synapse(mut self, from: &str, to: &str) -> Self {
        self.synapses.push((from.to_owned(), to.to_owned()));
        self
    }

    /// Adds an identity shortcut: h_to += z_from.
    #[must_use]
    pub fn shortcut(mut self, from: &str, to: &str) -> Self {
        self.shortcuts.push((from.to_owned(), to.to_owned()));
        self
    }

    /// Checks everything and puts regions in an order in which each comes after its sources.
    ///
    /// # Errors
    /// Names the region that is unknown, given twice, empty, on a cycle, out of shape or unreachable.
    pub fn build(self) -> Result<Graph> {
        let GraphBuilder { mut regions, synapses, shortcuts } = self;
        if regions.len() < 2 {
            let (name, value) = ("regions", "in".to_owned());
            return Err(Error::Setting { name, value, want: "at least one region after the input".into() });
        }
        for (i, r) in regions.iter().enumerate() {
            if regions[..i].iter().any(|q| q.name == r.name) {
                return Err(Error::DuplicateRegion(r.name.clone()));
            }
            if r.width == 0 {
                return Err(Error::EmptyRegion(r.name.clone()));
            }
        }
        if let [inside @ .., _] = &regions[..]
            && let Some(r) = inside.iter().find(|r| r.phi == Phi::Softmax)
        {
            return Err(Error::SoftmaxInside(r.name.clone()));
        }
        let find =
            |name: &str| regions.iter().position(|r| r.name == name).ok_or_else(|| unknown(name, regions.iter()));
        let resolve =
            |list: &[(String, String)]| list.iter().map(|(a, b)| Ok((find(a)?, find(b)?))).collect::<Result<Vec<_>>>();
        let (synapses, shortcuts) = (resolve(&synapses)?, resolve(&shortcuts)?);
        let names = |from: RegionId, to: RegionId| (regions[from].name.clone(), regions[to].name.clone());
        let output = regions.len() - 1;
        for list in [&synapses, &shortcuts] {
            for (n, &(a, b)) in list.iter().enumerate() {
                let (from, to) = names(a, b);
                if list[..n].contains(&(a, b)) {
                    return Err(Error::DuplicateSynapse { kind: "forward", from, to });
                }
                if b == 0 {
                    let why = "the input receives nothing";
                    return Err(Error::Misplaced { kind: "forward", from, to, why });
                }
                if a == output && a != b {
                    let why = "the output sends nothing forward; add the output region last";
                    return Err(Error::Misplaced { kind: "forward", from, to, why });
                }
            }
        }
        for &(a, b) in &shortcuts {
            if regions[a].width != regions[b].width {
                let ((from, to), from_width, to_width) = (names(a, b), regions[a].width, regions[b].width);
                return Err(Error::Shape { from, from_width, to, to_width });
            }
        }
        let edges: Vec<(RegionId, RegionId)> = synapses.iter().chain(&shortcuts).copied().collect();
        let order = topological_order("forward", regions.len(), &edges, &|i| regions[i].name.clone())?;
        // Reached from the input, and reaching the output.
        let mut from_input = vec![false; regions.len()];
        let mut to_output = vec![false; regions.len()];
        from_input[0] = true;
        to_output[output] = true;
        for &i in &order {
            edges.iter().filter(|e| e.0 == i).for_each(|e| from_input[e.1] |= from_input[i]);
        }
        for &i in order.iter().rev() {
            edges.iter().filter(|e| e.1 == i).for_each(|e| to_output[e.0] |= to_output[i]);
        }
        for (i, r) in regions.iter().enumerate() {
            let lacking = |why: &str| Err(Error::Unreachable { region: r.name.clone(), why: why.into() });
            if !from_input[i] {
                return lacking("no path of forward synapses leads to it from the input; add one");
            }
            if !to_output[i] {
                return lacking("no path of forward synapses leads from it to the output; add one");
            }
        }
        // Everything now lies between input and output, so they stand first and last in any such order.
        let mut place = vec![0; regions.len()];
        order.iter().enumerate().for_each(|(new, &old)| place[old] = new);
        synapses.iter().for_each(|&(a, b)| regions[b].sources.push(place[a]));
        shortcuts.iter().for_each(|&(a, b)| regions[b].shortcuts.push(place[a]));
        Ok(Graph::numbered(order.iter().map(|&i| regions[i].clone()).collect()))
    }
}

fn region(name: &str, width: usize, phi: Phi, bias: bool) -> Region {
    Region {
        name: name.to_owned(),
        width,
        phi,
        bias,
        sources: Vec::new(),
        shortcuts: Vec::new(),
        inside: None,
        params: 0..0,
    }
}

/// An order of `0..n` in which every edge points forward; among free choices the smaller number first, so that the
/// order does not depend on that of the edges.
///
/// # Errors
/// Names a region on a cycle and writes the cycle out.
pub(crate) fn topological_order(
    kind: &'static str,
    n: usize,
    edges: &[(RegionId, RegionId)],
    name: &dyn Fn(RegionId) -> String,
) -> Result<Vec<RegionId>> {
    let mut order = Vec::with_capacity(n);
    let mut done = vec![false; n];
    while order.len() < n {
        let free = |&i: &usize| !done[i] && edges.iter().all(|&(a, b)| b != i || done[a]);
        let Some(next) = (0..n).find(free) else {
            // Walking up from an unfinished region through unfinished parents must meet itself.
            let mut path = vec![(0..n).find(|&i| !done[i]).unwrap_or(0)];
            loop {
                let last = path[path.len() - 1];
                let Some(&(parent, _)) = edges.iter().find(|&&(a, b)| b == last && !done[a]) else { break };
                if let Some(start) = path.iter().position(|&p| p == parent) {
                    path.drain(..start);
                    path.push(parent);
                    break;
                }
                path.push(parent);
            }
            path.reverse();
            let names: Vec<String> = path.iter().map(|&i| name(i)).collect();
            return Err(Error::Cycle { kind, region: names[0].clone(), path: names.join("->") });
        };
        done[next] = true;
        order.push(next);
    }
    Ok(order)
}
