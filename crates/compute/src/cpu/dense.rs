//! The dense phases on the processor: rows of outputs are tasks, and sums are finished while they are in registers.

mod few;

use super::Cpu;
use super::activation::softmax;
use super::gemm::{Epilogue, GATHERED_ROWS, PANEL, Place, Product, TASK_ROWS, panels_len, sweep};
use super::out::Out;
use crate::op::activation::Phi;
use crate::op::dense::{Forward, Message, Receive, Response, Sources};
use crate::tensor::Tensor;
use few::{BLOCK, by_rows, turns};
use pulp::{Simd, WithSimd};
use smallvec::SmallVec;
use std::sync::atomic::{AtomicU64, Ordering};

struct ForwardRows<'a> {
    products: &'a [Product<'a>],
    rows: std::ops::Range<usize>,
    cols: usize,
    /// Whether all products are W z.
    upward: bool,
    /// Whether lanes run over rows just now.
    single: bool,
    /// Where signals of this task begin, if they count as one long row.
    shift: usize,
    rooms: &'a mut [Vec<f32>; 2],
    bias: Option<&'a [f32]>,
    shortcuts: &'a [&'a [f32]],
    phi: Phi,
    h: Out,
    z: Out,
}

impl WithSimd for ForwardRows<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (products, mut rows, cols) = (self.products, self.rows.clone(), self.cols);
        let whole = rows.len() / BLOCK * BLOCK;
        if cols <= FEW && whole > 0 && self.upward && turns::<S>() {
            let (first, all) = (rows.start, whole * cols);
            let few = first..first + whole;
            // Signals then count as one long row.
            (self.cols, self.shift) = (all, first * cols);
            if cols == 1 {
                self.single = true;
                by_rows(simd, products, few, 1, first, &mut self);
                self.single = false;
            } else {
                let [mut room, mut sums] = std::mem::take(self.rooms);
                room.resize(all, 0.0);
                sums.resize(all, 0.0);
                let mut collected = Partial { first: 0, cols: whole, begun: false, sums: &mut room };
                by_rows(simd, products, few, cols, first, &mut collected);
                for (r, unit) in sums.chunks_exact_mut(cols).enumerate() {
                    unit.iter_mut().enumerate().for_each(|(s, sum)| *sum = room[s * whole + r]);
                    if let Some(b) = self.bias {
                        unit.iter_mut().for_each(|sum| *sum += b[first + r]);
                    }
                }
                let bias = self.bias.take();
                let mut finish = Summed { rows: self, sums: &sums };
                sweep(simd, &[], 0..1, all, &mut finish);
                self = finish.rows;
                self.bias = bias;
                *self.rooms = [room, sums];
            }
            (self.cols, self.shift) = (cols, 0);
            rows.start += whole;
        }
        sweep(simd, products, rows, cols, &mut self);
    }
}

/// Sums that are there already.
struct Summed<'a, 'b> {
    rows: ForwardRows<'a>,
    sums: &'b [f32],
}

impl<S: Simd> Epilogue<S> for Summed<'_, '_> {
    #[inline(always)]
    fn begin(&self, simd: S, at: Place<S>) -> S::f32s {
        // SAFETY: the one long row has as many places as there are sums.
        unsafe { at.load(simd, self.sums.as_ptr(), at.col) }
    }

    #[inline(always)]
    fn finish(&mut self, simd: S, at: Place<S>, sum: S::f32s) {
        self.rows.finish(simd, at, sum);
    }
}

impl<S: Simd> Epilogue<S> for ForwardRows<'_> {
    #[inline(always)]
    fn finish(&mut self, simd: S, at: Place<S>, sum: S::f32s) {
        let offset = self.shift + at.row * self.cols + at.col;
        // SAFETY: the place lies within this task's rows of tensors of the same shape, checked by `Device::forward`.
        unsafe {
            let mut h = match self.bias {
                Some(b) if self.single => simd.add_f32s(sum, at.load(simd, b.as_ptr(), offset)),
                Some(b) => simd.add_f32s(sum, simd.splat_f32s(b[at.row])),
                None => sum,
            };
            for s in self.shortcuts {
                h = simd.add_f32s(h, at.load(simd, s.as_ptr(), offset));
            }
            at.store(simd, self.h.0, offset, h);
            at.store(simd, self.z.0, offset, self.phi.vector(simd, h));
        }
    }
}

thread_local! {
    /// Where each thread gathers what it reads of M, and keeps partial sums: kept so that no step allocates.
    static ROOMS: std::cell::RefCell<[Vec<f32>; 2]> = const { std::cell::RefCell::new([Vec::new(), Vec::new()]) };
}

/// M^T e as a product.
fn message<'a>(m: &Message<'a>, n: usize, cols: usize) -> Product<'a> {
    Product::transposed(m.synapse.f32(), n, m.e.f32(), m.e.rows(), cols)
}

pub(crate) fn forward(cpu: &Cpu, phase: Forward<'_>) {
    let (n, cols) = (phase.h.rows(), phase.h.cols());
    let upward = phase.messages.is_empty();
    let up = phase.afferents.iter().map(|a| Product::plain(a.weight.f32(), a.z.f32(), a.z.rows(), cols));
    let down = phase.messages.iter().map(|m| message(m, n, cols));
    let mut panels = PANELS.take();
    let products = pack(cpu, up.chain(down).collect(), cols, &mut panels);
    let shortcuts: Sources<&[f32]> = phase.shortcuts.iter().map(|s| s.f32()).collect();
    let bias = phase.bias.map(Tensor::f32);
    let (h, z) = (Out(phase.h.f32_mut().as_mut_ptr()), Out(phase.z.f32_mut().as_mut_ptr()));
    cpu.pool.for_each(n.div_ceil(TASK_ROWS), &|t| {
        let rows = t * TASK_ROWS..((t + 1) * TASK_ROWS).min(n);
        let (products, shortcuts) = (&products[..], &shortcuts[..]);
        let arch = if cols <= FEW { cpu.narrow } else { cpu.arch };
        let mut rooms = ROOMS.take();
        arch.dispatch(ForwardRows {
            products,
            rows,
            cols,
            upward,
            single: false,
            shift: 0,
            rooms: &mut rooms,
            bias,
            shortcuts,
            phi: phase.phi,
            h,
            z,
        });
        ROOMS.set(rooms);
    });
    drop(products);
    PANELS.set(panels);
    if phase.phi == Phi::Softmax {
        softmax(cpu, phase.z);
    }
}

thread_local! {
    /// Where a thread that calls the device keeps signals in panels.
    static PANELS: std::cell::RefCell<Vec<Vec<f32>>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// The products of a wave.
type Products<'a> = SmallVec<[Product<'a>; 32]>;

/// Tasks of a wave, (region, part), and the discrepancy each leaves.
type Tasks = (Vec<(usize, usize)>, Vec<AtomicU64>);

thread_local! {
    /// The lists of the last wave: kept so that no step allocates.
    static TASKS: std::cell::RefCell<Tasks> = const { std::cell::RefCell::new((Vec::new(), Vec::new())) };
}

/// The products against signals in panels, where a batch is wider than one: rows of a wide signal lie far apart, and one
/// tile after the other would meet them at the same few places of the cache.
fn pack<'a>(cpu: &Cpu, products: Products<'a>, cols: usize, rooms: &'a mut Vec<Vec<f32>>) -> Products<'a> {
    if cols <= PANEL {
        return products;
    }
    if rooms.len() < products.len() {
        rooms.resize_with(products.len(), Vec::new);
    }
    let count = cols.div_ceil(PANEL);
    for (p, room) in products.iter().zip(rooms.iter_mut()) {
        room.resize(panels_len(p.depth, cols), 0.0);
        let to = Out(room.as_mut_ptr());
        cpu.pool.for_each(count, &|n| {
            // SAFETY: one panel a task, within the room.
            let panel = unsafe { std::slice::from_raw_parts_mut(to.at(n * PANEL * p.depth), PANEL * p.depth) };
            let part = n * PANEL..cols.min((n + 1) * PANEL);
            for (k, row) in panel.chunks_exact_mut(PANEL).enumerate() {
                row[..part.len()].copy_from_slice(&p.x[k * cols + part.start..k * cols + part.end]);
            }
        });
    }
    products.iter().zip(rooms.iter()).map(|(p, room)| p.against_panels(room)).collect()
}

/// Samples so few that lanes had better run over units.
const FEW: usize = 8;

/// Terms of a sum whose part of M and of the messages stays in the cache.
const MESSAGE_DEPTH: usize = 256;

/// Partial sums of some rows, kept between the parts of a long sum.
struct Partial<'a> {
    first: usize,
    cols: usize,
    begun: bool,
    sums: &'a mut [f32],
}

impl<S: Simd> Epilogue<S> for Partial<'_> {
    #[inline(always)]
    fn begin(&self, simd: S, at: Place<S>) -> S::f32s {
        let offset = (at.row - self.first) * self.cols + at.col;
        // SAFETY: `sums` holds the rows of this task.
        if self.begun { unsafe { at.load(simd, self.sums.as_ptr(), offset) } } else { simd.splat_f32s(0.0) }
    }

    #[inline(always)]
    fn finish(&mut self, simd: S, at: Place<S>, sum: S::f32s) {
        let offset = (at.row - self.first) * self.cols + at.col;
        // SAFETY: as above.
        unsafe { at.store(simd, self.sums.as_mut_ptr(), offset, sum) };
    }
}

struct ReceiveRows<'a> {
    products: &'a [Product<'a>],
    rooms: &'a mut [Vec<f32>; 2],
    rows: std::ops::Range<usize>,
    cols: usize,
    last: Respond<'a>,
}

/// What is made of finished sums.
struct Respond<'a> {
    first: usize,
    cols: usize,
    /// Added to places, where they are counted from another number than the tensors' first.
    shift: usize,
    /// The sums so far of these rows.
    sums: Option<&'a [f32]>,
    shortcuts: &'a [&'a [f32]],
    h: &'a [f32],
    z: &'a [f32],
    phi: Phi,
    response: Response,
    d: Out,
    y: Out,
    e: Out,
    discrepancy: f64,
}

impl WithSimd for ReceiveRows<'_> {
    /// This task's share of the discrepancy.
    type Output = f64;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let ReceiveRows { products, rooms: [room, sums], rows, cols, mut last } = self;
        if cols <= FEW {
            // Few samples: d^T = e^T M, whose lanes run along the rows of M; then turned about, as one long row.
            let (n, all) = (rows.len(), rows.len() * cols);
            let across: Sources<Product<'_>> = products.iter().map(|p| p.across(&rows)).collect();
            (last.first, last.cols, last.shift) = (0, all, rows.start * cols);
            if cols == 1 {
                sweep(simd, &across, 0..1, n, &mut last);
                return last.discrepancy;
            }
            room.resize(all, 0.0);
            sums.resize(all, 0.0);
            sweep(simd, &across, 0..cols, n, &mut Partial { first: 0, cols: n, begun: false, sums: room });
            for (r, unit) in sums.chunks_exact_mut(cols).enumerate() {
                unit.iter_mut().enumerate().for_each(|(s, sum)| *sum = room[s * n + r]);
            }
            last.sums = Some(sums);
            sweep(simd, &[], 0..1, all, &mut last);
            return last.discrepancy;
        }
        sums.resize(rows.len() * cols, 0.0);
        let mut partial = Partial { first: rows.start, cols, begun: false, sums };
        let parts =
            || products.iter().flat_map(|p| (0..p.depth).step_by(MESSAGE_DEPTH).map(move |k| p.part(k, MESSAGE_DEPTH)));
        let count = parts().count();
        for part in parts().take(count.saturating_sub(1)) {
            sweep(simd, &[part.gathered(&rows, room)], rows.clone(), cols, &mut partial);
            partial.begun = true;
        }
        last.sums = partial.begun.then_some(&*partial.sums);
        let part = parts().last().map(|part| part.gathered(&rows, room));
        sweep(simd, part.as_slice(), rows, cols, &mut last);
        last.discrepancy
    }
}

impl<S: Simd> Epilogue<S> for Respond<'_> {
    #[inline(always)]
    fn begin(&self, simd: S, at: Place<S>) -> S::f32s {
        let offset = (at.row - self.first) * self.cols + at.col;
        match self.sums {
            // SAFETY: the sums are those of this task's rows.
            Some(sums) => unsafe { at.load(simd, sums.as_ptr(), offset) },
            None => simd.splat_f32s(0.0),
        }
    }

    #[inline(always)]
    fn finish(&mut self, simd: S, at: Place<S>, sum: S::f32s) {
        let offset = self.shift + at.row * self.cols + at.col;
        let mut d = sum;
        // SAFETY: the place lies within this task's rows of tensors of the same shape, checked by `Device::receive`.
        unsafe {
            for s in self.shortcuts {
                d = simd.add_f32s(d, at.load(simd, s.as_ptr(), offset));
            }
            at.store(simd, self.d.0, offset, d);
            let h = at.load(simd, self.h.as_ptr(), offset);
            let e = match self.response {
                Response::Target { beta, mismatch } => {
                    let z = at.load(simd, self.z.as_ptr(), offset);
                    let y = self.phi.vector(simd, simd.negate_mul_add_e_f32s(simd.splat_f32s(beta as f32), d, h));
                    at.store(simd, self.y.0, offset, y);
                    let (e, share) = mismatch.vector(simd, simd.sub_f32s(z, y));
                    self.discrepancy += f64::from(at.sum(simd, share));
                    e
                }
                Response::Derivative => simd.mul_f32s(d, self.phi.vector_df(simd, h)),
                Response::Plain => d,
            };
            at.store(simd, self.e.0, offset, e);
        }
    }
}

pub(crate) fn receive(cpu: &Cpu, wave: &mut [Receive<'_>]) {
    // Tasks of the whole wave in one list: small regions fill the gaps of large ones.
    let (mut tasks, mut shares) = TASKS.take();
    tasks.clear();
    shares.clear();
    let mut outs: SmallVec<[[Out; 3]; 32]> = SmallVec::new();
    for (i, r) in wave.iter_mut().enumerate() {
        tasks.extend((0..r.h.rows().div_ceil(GATHERED_ROWS)).map(|t| (i, t)));
        outs.push([&mut r.d, &mut r.y, &mut r.e].map(|t| Out(t.f32_mut().as_mut_ptr())));
    }
    // Each task leaves its share of the discrepancy in a place of its own; adding them up in order afterwards makes
    // the sum independent of who computed what.
    shares.extend(tasks.iter().map(|_| AtomicU64::new(0)));
    let regions = &*wave;
    // Messages of all regions in one list; a wave is of one batch.
    let mut firsts: SmallVec<[usize; 32]> = SmallVec::new();
    let mut products: Products<'_> = Products::new();
    for r in regions {
        firsts.push(products.len());
        products.extend(r.messages.iter().map(|m| message(m, r.h.rows(), r.h.cols())));
    }
    let mut panels = PANELS.take();
    let packed = pack(cpu, products, regions.first().map_or(0, |r| r.h.cols()), &mut panels);
    cpu.pool.for_each(tasks.len(), &|t| {
        let (i, task) = tasks[t];
        let r = &regions[i];
        let (n, cols) = (r.h.rows(), r.h.cols());
        let rows = task * GATHERED_ROWS..((task + 1) * GATHERED_ROWS).min(n);
        let products = &packed[firsts[i]..firsts[i] + r.messages.len()];
        let shortcuts: Sources<&[f32]> = r.shortcuts.iter().map(|s| s.f32()).collect();
        let [d, y, e] = outs[i];
        let mut rooms = ROOMS.take();
        let share = cpu.arch.dispatch(ReceiveRows {
            products,
            rooms: &mut rooms,
            rows: rows.clone(),
            cols,
            last: Respond {
                first: rows.start,
                cols,
                shift: 0,
                sums: None,
                shortcuts: &shortcuts,
                h: r.h.f32(),
                z: r.z.f32(),
                phi: r.phi,
                response: r.response,
                d,
                y,
                e,
                discrepancy: 0.0,
            },
        });
        ROOMS.set(rooms);
        shares[t].store(share.to_bits(), Ordering::Relaxed);
    });
    drop(packed);
    PANELS.set(panels);
    for (&(i, _), share) in tasks.iter().zip(&shares) {
        wave[i].discrepancy += f64::from_bits(share.load(Ordering::Relaxed));
    }
    TASKS.set((tasks, shares));
    for r in wave {
        if let Response::Target { mismatch, .. } = r.response {
            r.discrepancy = mismatch.finish(cpu, &mut r.e, r.discrepancy);
        }
    }
}
