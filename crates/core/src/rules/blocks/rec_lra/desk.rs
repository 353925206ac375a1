//! The work on one block: its target, its error neurons, and its inside. Blocks of one wave know nothing of each other, so they
//! are worked on side by side when that keeps all threads busy, and one after the other, each on all threads, when it does not.

use super::{BUFFERS, MapPlasticity, MapSynapse, Message, RecLraBlocks, Skip};
use crate::block::{Given, How, Inside, Lent, Shared};
use crate::graph::RegionId;
use crate::rule::Step;
use crate::rules::blocks::Inner;
use crate::rules::shared::product;
use crate::wiring::ErrorSynapse;
use reclra_compute::dense::Response;
use reclra_compute::{Device, Tensor};
use std::sync::{Mutex, PoisonError};

/// How much longer than if all threads were busy to the end side by side may take: what kernels lose when several threads share one.
const SLACK: f64 = 1.15;

/// What belongs to one block alone, lent out of the step.
struct Desk {
    region: RegionId,
    d: Tensor,
    e: Tensor,
    /// Of the skip-error synapse, if there is one.
    buffers: [Tensor; BUFFERS],
    gate: Tensor,
    deltas: Vec<Tensor>,
    inside: Option<Inside>,
    /// What the block below receives, if a message leaves.
    below: Option<Tensor>,
    discrepancy: f64,
}

impl RecLraBlocks {
    /// The error neurons of the blocks of a wave, and the updates inside.
    pub(super) fn fire(&self, step: &mut Step<'_>, wave: &[RegionId]) {
        let desks: Vec<Mutex<Desk>> = wave.iter().map(|&i| Mutex::new(self.lend(step, i))).collect();
        let mut own = std::mem::take(&mut step.insides.shared);
        if let Some(order) = side_by_side(step, wave) {
            let mut rooms = std::mem::take(&mut step.insides.others);
            rooms.resize_with(step.device.threads(), Shared::default);
            own.deal(&mut rooms);
            let rooms = Mutex::new(rooms);
            let seen: &Step<'_> = step;
            step.device.each(order.len(), &|n, device| {
                let mut room = lock(&rooms).pop().unwrap_or_default();
                self.work(seen, device, &mut lock(&desks[order[n]]), &mut room);
                lock(&rooms).push(room);
            });
            let mut rooms = rooms.into_inner().unwrap_or_else(PoisonError::into_inner);
            // What the blocks have left is for all.
            rooms.iter_mut().for_each(|room| own.merge(room));
            step.insides.others = rooms;
        } else {
            for desk in &desks {
                self.work(step, step.device, &mut lock(desk), &mut own);
            }
        }
        step.insides.shared = own;
        for desk in desks {
            self.put_back(step, desk.into_inner().unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn lend(&self, step: &mut Step<'_>, i: RegionId) -> Desk {
        let errors = &mut *step.errors;
        let leaves = i > 1 && self.errors.synapses().contains(&ErrorSynapse { from: i, to: i - 1 });
        let buffers = match self.skips[i] {
            Some(skip) => std::array::from_fn(|n| std::mem::take(&mut errors.buffers[skip.buffer + n])),
            None => Default::default(),
        };
        Desk {
            region: i,
            d: std::mem::take(&mut errors.d[i]),
            e: std::mem::take(&mut errors.e[i]),
            buffers,
            gate: std::mem::take(&mut errors.buffers[self.gates[i]]),
            deltas: errors.deltas[step.graph.regions()[i].params.clone()].iter_mut().map(std::mem::take).collect(),
            inside: step.insides.blocks[i].take(),
            below: leaves.then(|| std::mem::take(&mut errors.d[i - 1])),
            discrepancy: 0.0,
        }
    }

    fn put_back(&self, step: &mut Step<'_>, desk: Desk) {
        let (errors, i) = (&mut *step.errors, desk.region);
        if let Some(skip) = self.skips[i] {
            for (n, buffer) in desk.buffers.into_iter().enumerate() {
                errors.buffers[skip.buffer + n] = buffer;
            }
        }
        (errors.d[i], errors.e[i]) = (desk.d, desk.e);
        for (n, delta) in step.graph.regions()[i].params.clone().zip(desk.deltas) {
            errors.deltas[n] = delta;
        }
        errors.buffers[self.gates[i]] = desk.gate;
        errors.discrepancy[i] = desk.discrepancy;
        step.insides.blocks[i] = desk.inside;
        if let Some(below) = desk.below {
            errors.d[i - 1] = below;
        }
    }

    /// The target of the block's output, its error neurons, its inside.
    fn work(&self, step: &Step<'_>, device: &Device, desk: &mut Desk, shared: &mut Shared) {
        let i = desk.region;
        let (region, activity) = (&step.graph.regions()[i], step.activity);
        if let Some(skip) = self.skips[i] {
            self.prepare(step, device, skip, desk, shared);
            if self.errors.into_region(i).count() == 1 {
                self.receive(step, device, skip, desk, shared);
            } else {
                // That of the block above is there.
                let mut more = shared.take(device, region.width, activity.z[i].cols());
                std::mem::swap(&mut desk.d, &mut more);
                self.receive(step, device, skip, desk, shared);
                device.add(1.0, &more, &mut desk.d);
                shared.give([more]);
            }
        }
        // y_i = phi(h_i - beta d_i), e_i = z_i - y_i; beta is in d already.
        let (h, z) = (&activity.h[i], &activity.z[i]);
        let response = Response::Target { beta: 1.0, mismatch: self.config.mismatch };
        let share = device.respond(response, region.phi, [h, z, &desk.d], &mut desk.e);
        desk.discrepancy = share / h.cols().max(1) as f64;
        let (Some(block), Some(inside)) = (&region.inside, &mut desk.inside) else { return };
        let given = (self.config.inner == Inner::Hebbian).then(|| {
            device.gather(&block.to(), 1, &desk.e, &mut desk.gate);
            Given::Gate(&desk.gate)
        });
        let feedback = |n: usize| self.twins[i].get(n).copied().flatten().map(|n| &step.own()[n]);
        let how = How { response: self.inner(), feedback: &feedback, given };
        let (params, fixed) = (step.params.range(&region.params), &step.params.fixed[i][..]);
        let lent = Lent { device, params, fixed, key: step.key.child(i as u64), training: true, shared };
        block.down(lent, inside, &how, [&activity.z[i - 1], h, &desk.e], &mut desk.deltas, desk.below.as_mut());
    }

    /// beta d_i = beta spread(E e_L), into `d`; with q, which is there, in place of e_L or added to it.
    fn receive(&self, step: &Step<'_>, device: &Device, skip: Skip, desk: &mut Desk, shared: &mut Shared) {
        let (of_output, beta, extent) = (&step.errors.e[step.graph.output()], self.config.beta, skip.extent);
        let Desk { d, buffers: [_, received, q, rank], .. } = desk;
        let both = (self.config.message == Message::Both).then(|| {
            let mut sum = shared.take(device, self.classes, of_output.cols());
            device.blend((1.0, of_output), (1.0, q), &mut sum);
            sum
        });
        let e = match self.config.message {
            Message::Output => of_output,
            Message::Readout => &*q,
            Message::Both => both.as_ref().unwrap_or(q),
        };
        let (own, room) = (step.own(), &mut shared.room);
        match self.config.synapse {
            MapSynapse::LowRank(r) => {
                device.convolve_back(&product(r, self.classes), &own[skip.own], e, rank, false, room);
                let units = product(extent.units(), r);
                device.convolve_back(&units, &own[skip.own + 1], rank, received, false, room);
                device.blend((beta, received), (0.0, received), d);
            }
            MapSynapse::Full => {
                let all = product(extent.units(), self.classes);
                device.convolve_back(&all, &own[skip.own], e, received, false, room);
                device.blend((beta, received), (0.0, received), d);
            }
            MapSynapse::Channel | MapSynapse::Seeded | MapSynapse::Grid(_) => {
                let cells = product(received.rows(), self.classes);
                device.convolve_back(&cells, &own[skip.own], e, received, false, room);
                device.spread(&extent, self.config.synapse.grid(skip.extent), beta, received, d);
            }
        }
        shared.give(both);
    }

    /// What the update of E needs beside e_L: z_i pooled, the block's own readout error, and the like.
    fn prepare(&self, step: &Step<'_>, device: &Device, skip: Skip, desk: &mut Desk, shared: &mut Shared) {
        if !self.config.learns() {
            return;
        }
        let (z, y, room) = (&step.activity.z[desk.region], &step.errors.y[step.graph.output()], &mut shared.room);
        let [pooled, _, q, _] = &mut desk.buffers;
        if self.config.synapse.is_pooled() {
            device.gather(&skip.extent, self.config.synapse.grid(skip.extent), z, pooled);
        }
        if let MapSynapse::LowRank(r) = self.config.synapse {
            let units = product(skip.extent.units(), r);
            device.convolve(&units, &step.own()[skip.own + 1], None, z, pooled, room);
            return;
        }
        if self.config.plasticity == MapPlasticity::Readout {
            let x = if self.config.synapse.is_pooled() { &*pooled } else { z };
            let mut logits = device.zeros(&[self.classes, 0]);
            device.convolve(&product(x.rows(), self.classes), &step.own()[skip.own], None, x, &mut logits, room);
            let mut p = device.zeros(&[self.classes, 0]);
            crate::forward::activate(device, crate::phi::Phi::Softmax, &logits, &mut p);
            device.blend((1.0, &p), (-1.0, y), q);
        }
    }
}

/// The order in which the blocks of a wave are best begun side by side, the costliest first; none if that would leave threads idle.
fn side_by_side(step: &Step<'_>, wave: &[RegionId]) -> Option<Vec<usize>> {
    let threads = step.device.threads();
    if threads < 2 || wave.len() < threads {
        return None;
    }
    let cost = |n: usize| step.graph.regions()[wave[n]].inside.as_ref().map_or(0, |b| b.multiplications()) as f64;
    let mut order: Vec<usize> = (0..wave.len()).collect();
    order.sort_by(|&a, &b| cost(b).total_cmp(&cost(a)));
    let mut ends = vec![0.0_f64; threads];
    for &n in &order {
        ends.sort_by(f64::total_cmp);
        ends[0] += cost(n);
    }
    let (whole, last) = (ends.iter().sum::<f64>(), ends.iter().fold(0.0_f64, |a, &b| a.max(b)));
    (last * threads as f64 <= SLACK * whole).then_some(order)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
