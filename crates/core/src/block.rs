//! [`Block`]: a graph inside the graph. A region of an image network whose pre-activation is not W z but what a path of layers
//! makes of z, with a shortcut beside it if it is residual:
//!
//! ```text
//! h_i = path(z_{i-1}) + shortcut(z_{i-1}),   z_i = phi_i(h_i)
//! ```
//!
//! A rule gives the block the error neurons e_i at h_i; then the block is entered and its inside updated by a rule of its own
//! ([`How`]), which sees nothing outside. Only if it is asked to does a signal leave at its input.

mod stages;
mod way;

pub use stages::Stage;
pub use way::{Given, How};

use crate::error::{Error, Result, check};
use crate::layer::{Associate, Kept, ParamSpec, Pass, Role};
use crate::layers::LayerSpec;
use crate::spare::Spare;
use reclra_compute::maps::{Extent, Room};
use reclra_compute::rng::Key;
use reclra_compute::{Device, Tensor};
use stages::{activations, stages};
use way::{Outs, Way};

/// What a block is, before it knows its input.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockSpec {
    /// Name of the region.
    pub name: String,
    /// The layers of the path.
    pub path: Vec<LayerSpec>,
    /// Those of the shortcut; an empty list is the identity, none is no shortcut.
    pub shortcut: Option<Vec<LayerSpec>>,
    /// phi of the output.
    pub phi: crate::phi::Phi,
}

/// A block that has been checked against its input.
#[derive(Clone, Debug)]
pub struct Block {
    spec: BlockSpec,
    from: Extent,
    to: Extent,
    path: Vec<Stage>,
    shortcut: Option<Vec<Stage>>,
}

impl PartialEq for Block {
    fn eq(&self, other: &Self) -> bool {
        (&self.spec, self.from) == (&other.spec, other.from)
    }
}

impl Block {
    /// Builds the layers one after the other on an input of that extent.
    ///
    /// # Errors
    /// Names the block and the layer that does not fit.
    pub fn new(spec: BlockSpec, from: Extent) -> Result<Block> {
        let (mut names, mut first) = (Vec::new(), 0);
        let path = stages(&spec.name, &spec.path, from, "", &mut names, &mut first)?;
        let Some(to) = path.last().map(|s| s.layer.to()) else {
            let want = "has no layers; give it at least one".to_owned();
            return Err(Error::Setting { name: "block", value: spec.name, want });
        };
        let shortcut = match &spec.shortcut {
            Some(layers) => Some(stages(&spec.name, layers, from, "shortcut.", &mut names, &mut first)?),
            None => None,
        };
        if let Some(shortcut) = &shortcut {
            let end = shortcut.last().map_or(from, |s| s.layer.to());
            let want =
                format!("its path ends in {to} and its shortcut in {end} (channels x rows x columns); make them equal");
            check(end == to, "block", &spec.name, &want)?;
        }
        Ok(Block { spec, from, to, path, shortcut })
    }

    /// What it was made from.
    #[must_use]
    pub fn spec(&self) -> &BlockSpec {
        &self.spec
    }

    /// Extent of the input.
    #[must_use]
    pub fn from(&self) -> Extent {
        self.from
    }

    /// Extent of h and z.
    #[must_use]
    pub fn to(&self) -> Extent {
        self.to
    }

    /// The operations of the path.
    #[must_use]
    pub fn path(&self) -> &[Stage] {
        &self.path
    }

    /// Those of the shortcut.
    #[must_use]
    pub fn shortcut(&self) -> Option<&[Stage]> {
        self.shortcut.as_deref()
    }

    /// All operations, the path first: the order of parameters.
    pub fn stages(&self) -> impl DoubleEndedIterator<Item = &Stage> {
        self.path.iter().chain(self.shortcut.iter().flatten())
    }

    /// All parameters with their names, `conv1.W`, in order.
    pub fn params(&self) -> impl Iterator<Item = (String, ParamSpec)> + '_ {
        self.stages().flat_map(|s| s.layer.params().into_iter().map(|p| (format!("{}.{}", s.name, p.name), p)))
    }

    /// Numbers in weights, biases, scales and shifts, held ones included; in no statistics.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.params().filter(|(_, p)| p.role != Role::Statistic).map(|(_, p)| p.len()).sum()
    }

    /// Those of them that no training moves ([`Role::Held`]).
    #[must_use]
    pub fn held(&self) -> usize {
        self.params().filter(|(_, p)| p.role == Role::Held).map(|(_, p)| p.len()).sum()
    }

    /// Numbers of one sample that a forward pass leaves besides h, the most that is on its way back at a time, and what
    /// convolutions make of a map: transforms of 3x3 windows (Winograd), rows of others.
    #[must_use]
    pub fn room(&self) -> [usize; 3] {
        let units = |s: &Stage| s.layer.to().units();
        let last = self.path.last().map_or(0, units);
        let kept: usize = self.stages().map(units).sum::<usize>() - last;
        let widest = self.stages().map(units).max().unwrap_or(0).max(self.from.units());
        let transformed = |window: [usize; 2]| match window {
            [1, 1] => 0,
            [3, 3] => widest,
            _ => widest / 3,
        };
        let transformed = self.stages().filter_map(|s| s.layer.window()).map(transformed).max();
        [kept, 3 * widest, transformed.unwrap_or(0)]
    }

    /// Multiplications with weights of one sample, forward.
    #[must_use]
    pub fn multiplications(&self) -> usize {
        self.stages().map(|s| s.layer.multiplications()).sum()
    }

    /// Where the path has error neurons of its own: places of the activations above its first synapses.
    pub fn activations(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        activations(&self.path)
    }

    /// The operations that send signals back through a matrix of weights, in the order of [`How::feedback`].
    pub fn synapses(&self) -> impl Iterator<Item = Sender<'_>> {
        let senders = |stages| {
            let mut first = true;
            let one = move |(k, stage): (usize, &Stage)| {
                stage.layer.has_synapses().then(|| (k, std::mem::replace(&mut first, false)))
            };
            let of: &[Stage] = stages;
            of.iter().enumerate().filter_map(one).map(|(k, last)| Sender {
                stage: &of[k],
                leaves: last,
                inside: of[..k].iter().any(|s| s.params > 0),
            })
        };
        senders(&self.path).chain(senders(self.shortcut.as_deref().unwrap_or_default()))
    }
}

/// An operation with synapses, and who hears of the signals it sends back.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// The operation.
    pub stage: &'a Stage,
    /// Whether it is the last of its path on the way back: what it sends leaves the block.
    pub leaves: bool,
    /// Whether something below it in the block learns from what it sends.
    pub inside: bool,
}

/// What a block's forward pass leaves, and room for signals on their way back.
#[derive(Clone, Debug)]
pub struct Inside {
    /// Output of each operation of the path but the last, whose output is h.
    outs: Vec<Tensor>,
    shortcut_outs: Vec<Tensor>,
    kept: Vec<Kept>,
}

impl Inside {
    /// For a forward pass that keeps nothing.
    fn passing(device: &Device, block: &Block, training: bool) -> Inside {
        let outs = |stages: Option<&[Stage]>| vec![Tensor::default(); stages.map_or(0, <[Stage]>::len)];
        let kept = |s: &Stage| if training { s.layer.kept(device) } else { Kept::default() };
        let kept = block.stages().map(kept).collect();
        Inside { outs: outs(Some(&block.path)), shortcut_outs: outs(block.shortcut()), kept }
    }

    /// Room for a block's activities.
    #[must_use]
    pub fn new(device: &Device, block: &Block) -> Inside {
        let outs = |stages: &[Stage]| stages.iter().map(|s| device.zeros(&[s.layer.to().units(), 0])).collect();
        Inside {
            outs: outs(&block.path),
            shortcut_outs: outs(block.shortcut.as_deref().unwrap_or_default()),
            kept: block.stages().map(|s| s.layer.kept(device)).collect(),
        }
    }
}

/// Room that all blocks of a network take turns in: signals on their way back, and what kernels need.
#[derive(Clone, Debug, Default)]
pub struct Shared {
    signals: Spare,
    pub(crate) room: Room,
}

impl Shared {
    /// A tensor of that shape from those that are free.
    pub(crate) fn take(&mut self, device: &Device, rows: usize, cols: usize) -> Tensor {
        self.signals.take(device, rows, cols)
    }

    /// Gives tensors back that are no longer needed.
    pub(crate) fn give(&mut self, tensors: impl IntoIterator<Item = Tensor>) {
        self.signals.give(tensors);
    }

    /// Bytes of the tensors that are free.
    pub(crate) fn bytes(&self) -> u64 {
        self.signals.bytes()
    }

    /// Deals what is free out to others.
    pub(crate) fn deal(&mut self, others: &mut [Shared]) {
        self.signals.deal(others.iter_mut().map(|o| &mut o.signals));
    }

    /// Takes over what is free in another.
    pub(crate) fn merge(&mut self, other: &mut Shared) {
        self.signals.merge(&mut other.signals);
    }
}

/// What is left in the blocks of a network by a forward pass, region by region.
#[derive(Clone, Debug, Default)]
pub struct Insides {
    pub(crate) blocks: Vec<Option<Inside>>,
    pub(crate) shared: Shared,
    /// One for each further block that is worked on at the same time.
    pub(crate) others: Vec<Shared>,
}

impl Insides {
    /// Room that kernels need, for the rule's own phases.
    pub fn room(&mut self) -> &mut Room {
        &mut self.shared.room
    }

    /// A tensor of that shape from those that are free, for the rule's own signals.
    pub(crate) fn take(&mut self, device: &Device, rows: usize, cols: usize) -> Tensor {
        self.shared.take(device, rows, cols)
    }

    /// Gives tensors back that are no longer needed.
    pub(crate) fn give(&mut self, tensors: impl IntoIterator<Item = Tensor>) {
        self.shared.give(tensors);
    }

    /// Room for the block of each region that has one.
    #[must_use]
    pub fn new<'a>(device: &Device, blocks: impl Iterator<Item = Option<&'a Block>>) -> Insides {
        let blocks = blocks.map(|block| block.map(|block| Inside::new(device, block))).collect();
        Insides { blocks, shared: Shared::default(), others: Vec::new() }
    }
}

/// What a block is lent to run.
#[derive(Debug)]
pub struct Lent<'a> {
    /// Where to compute.
    pub device: &'a Device,
    /// The block's parameters.
    pub params: &'a [Tensor],
    /// Its numbers that never learn, one for each operation.
    pub fixed: &'a [Option<Tensor>],
    /// Randomness of this step and block.
    pub key: Key,
    /// Whether normalisations go by the batch and dropout drops.
    pub training: bool,
    /// Room that blocks share.
    pub shared: &'a mut Shared,
}

impl Block {
    /// The numbers that never learn, one for each operation, drawn by name under `key`.
    #[must_use]
    pub fn fixed(&self, device: &Device, key: Key) -> Vec<Option<Tensor>> {
        let own = key.child_named(&self.spec.name);
        self.stages().map(|s| s.layer.fixed(device, own.child_named(&s.name))).collect()
    }

    /// h = path(x) + shortcut(x). Everything that the way back needs is kept `inside`; without it, activities are given up as soon
    /// as they have been read.
    pub fn forward(&self, lent: Lent<'_>, inside: Option<&mut Inside>, x: &Tensor, h: &mut Tensor) {
        let Lent { device, params, fixed, key, training, shared } = lent;
        let (is_kept, mut passing) = (inside.is_some(), None);
        let inside = inside.unwrap_or_else(|| passing.insert(Inside::passing(device, self, training)));
        let Inside { outs, shortcut_outs, kept } = inside;
        let (kept, shortcut_kept) = kept.split_at_mut(self.path.len());
        let run = |shared: &mut Shared,
                   (stages, offset): (&[Stage], usize),
                   outs: &mut [Tensor],
                   kept: &mut [Kept],
                   end: &mut Tensor| {
            for (k, stage) in stages.iter().enumerate() {
                let (n, is_last) = (offset + k, k + 1 == stages.len());
                if outs[k].bytes() == 0 && !is_last {
                    outs[k] = shared.take(device, stage.layer.to().units(), x.cols());
                }
                let (before, rest) = outs.split_at_mut(k);
                let y = if is_last { &mut *end } else { &mut rest[0] };
                let mut pass = Pass {
                    device,
                    params: &params[stage.first..stage.first + stage.params],
                    fixed: fixed[n].as_ref(),
                    training,
                    key: key.child(n as u64),
                    room: &mut shared.room,
                };
                stage.layer.forward(&mut pass, before.last().unwrap_or(x), y, &mut kept[k]);
                if !is_kept {
                    shared.give(before.last_mut().map(std::mem::take));
                }
            }
        };
        run(shared, (&self.path, 0), outs, kept, h);
        match self.shortcut() {
            None => {}
            Some([]) => device.add(1.0, x, h),
            Some(shortcut) => {
                let (last, outs) = (shortcut.len() - 1, shortcut_outs);
                let mut end = std::mem::take(&mut outs[last]);
                if end.bytes() == 0 {
                    end = shared.take(device, h.rows(), x.cols());
                }
                run(shared, (shortcut, self.path.len()), outs, shortcut_kept, &mut end);
                device.add(1.0, &end, h);
                if is_kept {
                    outs[last] = end;
                } else {
                    shared.give([end]);
                }
            }
        }
    }

    /// Brings the error neurons `e` at h down through the block: sets the local updates of all parameters, summed over the
    /// samples, and, if `d` is given, the signal that leaves at the input: what comes back through path and shortcut. The block's
    /// activities are free after that: other blocks take turns in their storage.
    pub fn down(
        &self,
        lent: Lent<'_>,
        inside: &mut Inside,
        how: &How<'_>,
        [x, h, e]: [&Tensor; 3],
        deltas: &mut [Tensor],
        mut d: Option<&mut Tensor>,
    ) {
        let Lent { device, params, fixed, key, shared, .. } = lent;
        let (Inside { outs, shortcut_outs, kept }, Shared { signals, room }) = (inside, shared);
        let mut way = Way { device, params, key, how, kept, fixed, signals, room, deltas, x, e };
        way.down(&self.path, Outs { outs, end: Some(h) }, how.given, [0, 0], d.as_deref_mut());
        way.signals.give(outs.iter_mut().map(std::mem::take));
        match (self.shortcut(), d) {
            (Some([]), Some(d)) => device.add(1.0, e, d),
            (None | Some([]), _) => {}
            (Some(shortcut), d) => {
                let first = [self.path.len(), self.path.iter().filter(|s| s.layer.has_synapses()).count()];
                let mut message = d.as_ref().map(|_| way.take(x.rows()));
                way.down(shortcut, Outs { outs: shortcut_outs, end: None }, None, first, message.as_mut());
                way.signals.give(shortcut_outs.iter_mut().map(std::mem::take));
                if let (Some(message), Some(d)) = (message, d) {
                    device.add(1.0, &message, d);
                    way.signals.give([message]);
                }
            }
        }
    }

    /// Sets the local updates of all weights by association of what each operation is given and gives
    /// ([`crate::layer::Layer::associate`]); nothing comes from outside.
    pub fn associate(&self, lent: Lent<'_>, inside: &Inside, [x, h]: [&Tensor; 2], deltas: &mut [Tensor]) {
        let Lent { device, params, shared, .. } = lent;
        let paths = [
            (&self.path[..], &inside.outs, Some(h)),
            (self.shortcut().unwrap_or_default(), &inside.shortcut_outs, None),
        ];
        for (stages, outs, end) in paths {
            for (k, stage) in stages.iter().enumerate().filter(|(_, s)| s.layer.has_synapses()) {
                let of = stage.first..stage.first + stage.params;
                stage.layer.associate(Associate {
                    device,
                    params: &params[of.clone()],
                    x: if k == 0 { x } else { &outs[k - 1] },
                    y: end.filter(|_| k + 1 == stages.len()).unwrap_or(&outs[k]),
                    room: &mut shared.room,
                    deltas: &mut deltas[of],
                });
            }
        }
    }

    /// What the statistics of normalisations become after a training step.
    pub fn follow(&self, device: &Device, params: &mut [Tensor], inside: &Inside, batch: usize) {
        for (k, stage) in self.stages().enumerate() {
            stage.layer.follow(&mut params[stage.first..stage.first + stage.params], &inside.kept[k], device, batch);
        }
    }
}
