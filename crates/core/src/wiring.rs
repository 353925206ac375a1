//! Wirings: which region sends its error neurons to which, through error synapses E_{j->i}.
//!
//! An [`ErrorGraph`] is what has been checked: it is acyclic, every hidden region receives errors (unless the recursion
//! depth leaves it out), and its regions stand in waves. A wave holds the regions whose parents are all done; they
//! are independent of each other, which is the parallelism the paper is about.

use crate::error::{Error, Result, check};
use crate::graph::{Graph, RegionId, topological_order};

/// How error synapses are laid (method section 2).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wiring {
    /// l+1 -> l
    Chain,
    /// L -> l where l mod g = 0, else l+1 -> l (Algorithm 2)
    Gap(usize),
    /// L -> l for every l
    Full,
    /// chain, plus L -> l where l mod g = 0; messages are summed
    Graph(usize),
    /// written out: (from, to)
    List(Vec<(String, String)>),
}

/// (name, one line) of each wiring, for lists and messages.
pub const KNOWN: &[(&str, &str)] = &[
    ("chain", "l+1 -> l; for up to 3 hidden layers"),
    ("gap", "L -> l where l mod gap = 0, else l+1 -> l (Algorithm 2); deep tanh, residual nets"),
    ("full", "L -> l for every l; deep sigmoid, sign"),
    ("graph", "chain plus L -> l where l mod gap = 0, messages summed"),
    ("list", "the synapses you write out in rule.synapses, such as \"out->b2\""),
];

impl Wiring {
    /// The name in a spec or after `--wiring`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Wiring::Chain => "chain",
            Wiring::Gap(_) => "gap",
            Wiring::Full => "full",
            Wiring::Graph(_) => "graph",
            Wiring::List(_) => "list",
        }
    }
}

/// One error synapse E_{from->to}, n_to x n_from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorSynapse {
    /// j, whose error neurons are sent.
    pub from: RegionId,
    /// i, whose target they set.
    pub to: RegionId,
}

/// Checked error synapses in waves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorGraph {
    synapses: Vec<ErrorSynapse>,
    waves: Vec<Vec<RegionId>>,
}

impl ErrorGraph {
    /// Lays the wiring over a graph. `depth` is how many levels below the output are given error neurons (Figure 1 of
    /// the paper); all of them without it. Regions below are left as they are and learn nothing.
    ///
    /// The numbered wirings count regions in the order of the graph: l = 1 is the first after the input.
    ///
    /// # Errors
    /// Names the region that is unknown, on a cycle or never reached by an error.
    pub fn new(graph: &Graph, wiring: &Wiring, depth: Option<usize>) -> Result<ErrorGraph> {
        let out = graph.output();
        let gap = |g: usize| check(g >= 1, "rule.gap", g, "must be at least 1");
        let synapses: Vec<ErrorSynapse> = match wiring {
            Wiring::Chain => graph.hidden().map(|l| ErrorSynapse { from: l + 1, to: l }).collect(),
            Wiring::Full => graph.hidden().map(|l| ErrorSynapse { from: out, to: l }).collect(),
            Wiring::Gap(g) => {
                gap(*g)?;
                let from = |l: usize| if l.is_multiple_of(*g) { out } else { l + 1 };
                graph.hidden().map(|l| ErrorSynapse { from: from(l), to: l }).collect()
            }
            Wiring::Graph(g) => {
                gap(*g)?;
                let skip = |l: &usize| l.is_multiple_of(*g) && l + 1 != out;
                graph
                    .hidden()
                    .map(|l| ErrorSynapse { from: l + 1, to: l })
                    .chain(graph.hidden().filter(skip).map(|l| ErrorSynapse { from: out, to: l }))
                    .collect()
            }
            Wiring::List(list) => list
                .iter()
                .map(|(a, b)| Ok(ErrorSynapse { from: graph.find(a)?, to: graph.find(b)? }))
                .collect::<Result<_>>()?,
        };
        ErrorGraph::from_synapses(graph, synapses, depth)
    }

    /// Checks synapses given one by one.
    ///
    /// # Errors
    /// As [`ErrorGraph::new`].
    pub fn from_synapses(graph: &Graph, synapses: Vec<ErrorSynapse>, depth: Option<usize>) -> Result<ErrorGraph> {
        let name = |i: RegionId| graph.regions()[i].name.clone();
        let out = graph.output();
        for (n, s) in synapses.iter().enumerate() {
            let (from, to) = (name(s.from), name(s.to));
            if synapses[..n].contains(s) {
                return Err(Error::DuplicateSynapse { kind: "error", from, to });
            }
            let why = match s {
                ErrorSynapse { from: 0, .. } | ErrorSynapse { to: 0, .. } => "the input has no error neurons",
                s if s.to == out && s.from != out => "the error neurons of the output come from the label alone",
                _ => continue,
            };
            return Err(Error::Misplaced { kind: "error", from, to, why });
        }
        let edges: Vec<(RegionId, RegionId)> = synapses.iter().map(|s| (s.from, s.to)).collect();
        let order = topological_order("error", graph.regions().len(), &edges, &name)?;
        // A region's wave is one after the latest of its parents.
        let mut level: Vec<Option<usize>> = vec![None; graph.regions().len()];
        level[out] = Some(0);
        for &i in order.iter().filter(|&&i| i != 0 && i != out) {
            let mut latest = None;
            for s in synapses.iter().filter(|s| s.to == i) {
                let Some(l) = level[s.from] else { continue }; // reported below, at the parent
                latest = latest.max(Some(l + 1));
            }
            if latest.is_none() {
                let why = "no error synapse leads to it from the output; add one to the wiring";
                return Err(Error::Unreachable { region: name(i), why: why.into() });
            }
            level[i] = latest;
        }
        check(depth != Some(0), "rule.depth", 0, "must be at least 1: at 0 only the output would learn")?;
        let deepest = level.iter().flatten().max().copied().unwrap_or(0).min(depth.unwrap_or(usize::MAX));
        let waves = (1..=deepest).map(|w| graph.hidden().filter(|&i| level[i] == Some(w)).collect()).collect();
        let kept = |s: &ErrorSynapse| level[s.to].is_some_and(|l| l <= deepest);
        Ok(ErrorGraph { synapses: synapses.into_iter().filter(kept).collect(), waves })
    }

    /// All error synapses in use.
    #[must_use]
    pub fn synapses(&self) -> &[ErrorSynapse] {
        &self.synapses
    }

    /// Regions wave by wave, the output (always the first to be done) not included.
    #[must_use]
    pub fn waves(&self) -> &[Vec<RegionId>] {
        &self.waves
    }

    /// Places of the error synapses into region `i`.
    pub fn into_region(&self, i: RegionId) -> impl Iterator<Item = usize> + '_ {
        self.synapses.iter().enumerate().filter(move |(_, s)| s.to == i).map(|(n, _)| n)
    }

    /// Whether region `i` is given error neurons.
    #[must_use]
    pub fn reaches(&self, i: RegionId) -> bool {
        self.waves.iter().any(|w| w.contains(&i))
    }
}
