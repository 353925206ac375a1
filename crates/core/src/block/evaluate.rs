//! A block on a batch that nothing is learned from: no activity inside is kept.

use super::stages::Stage;
use crate::layer::{Kept, Pass};
use crate::spare::Spare;
use reclra_compute::maps::Room;
use reclra_compute::rng::Key;
use reclra_compute::{Device, Tensor};

/// What a block is lent to run on a batch that nothing is learned from.
#[derive(Debug)]
pub struct Evaluation<'a> {
    /// Where to compute.
    pub device: &'a Device,
    /// The block's parameters.
    pub params: &'a [Tensor],
    /// Its numbers that never learn, one for each operation.
    pub fixed: &'a [Option<Tensor>],
    /// Tensors for what lies between; they come back.
    pub free: &'a mut Spare,
    /// Room that kernels need.
    pub room: &'a mut Room,
    /// If given, normalisations go by the batch and dropout drops, under this key, as in training.
    pub training: Option<Key>,
}

/// h = path(x) + shortcut(x); [`super::Block::evaluate`].
pub(super) fn evaluate(path: &[Stage], shortcut: Option<&[Stage]>, at: Evaluation<'_>, x: &Tensor, h: &mut Tensor) {
    let Evaluation { device, params, fixed, free, room, training } = at;
    let mut run = |free: &mut Spare, stages: &[Stage], offset: usize, h: &mut Tensor| {
        let mut now: Option<Tensor> = None;
        for (k, stage) in stages.iter().enumerate() {
            let mut pass = Pass {
                device,
                params: &params[stage.first..stage.first + stage.params],
                fixed: fixed[offset + k].as_ref(),
                training: training.is_some(),
                key: training.unwrap_or(Key::new(0)).child((offset + k) as u64),
                room,
            };
            let mut kept = if training.is_some() { stage.layer.kept(device) } else { Kept::default() };
            let from = now.as_ref().unwrap_or(x);
            if k + 1 == stages.len() {
                stage.layer.forward(&mut pass, from, h, &mut kept);
            } else {
                let mut y = free.take(device, stage.layer.to().units(), x.cols());
                stage.layer.forward(&mut pass, from, &mut y, &mut kept);
                free.give(now.replace(y));
            }
        }
        free.give(now);
    };
    run(free, path, 0, h);
    match shortcut {
        None => {}
        Some([]) => device.add(1.0, x, h),
        Some(shortcut) => {
            let mut message = free.take(device, h.rows(), x.cols());
            run(free, shortcut, path.len(), &mut message);
            device.add(1.0, &message, h);
            free.give([message]);
        }
    }
}
