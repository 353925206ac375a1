//! The two phases of a dense network before the update: activities go up, errors come down.
//!
//! Both compute sums of matrix products over the same batch and finish each sum while it is in registers: [`Forward`]
//! with bias, shortcuts and the activation, [`Receive`] with the target and the error neuron (or, for rules that use
//! it, the derivative).

use crate::device::{Backend, Cpu, Device};
use crate::gemm::{Epilogue, GATHERED_ROWS, PANEL, Place, Product, TASK_ROWS, panels_len, sweep};
use crate::oracle;
use crate::pointwise::{Mismatch, Phi};
use crate::tensor::Tensor;
use pulp::{Simd, WithSimd};
use smallvec::SmallVec;
use std::sync::atomic::{AtomicU64, Ordering};

/// Up to four sources stay on the stack: more are rare.
pub type Sources<T> = SmallVec<[T; 4]>;

/// One dense synapse into a region: adds W z to its pre-activation. W is n x m, z is m x B.
#[derive(Clone, Copy, Debug)]
pub struct Afferent<'a> {
    /// W
    pub weight: &'a Tensor,
    /// z of the region it comes from
    pub z: &'a Tensor,
}

/// h = sum of W z + sum of M^T s + b + sum of shortcuts, z = phi(h), for one region (n x B).
#[derive(Debug)]
pub struct Forward<'a> {
    /// The synapses into the region.
    pub afferents: Sources<Afferent<'a>>,
    /// What comes down from regions above, for networks that settle: signals sent through matrices read transposed.
    pub messages: Sources<Message<'a>>,
    /// b, n long
    pub bias: Option<&'a Tensor>,
    /// Activities of the same shape that are added as they are (residual gap).
    pub shortcuts: Sources<&'a Tensor>,
    /// phi
    pub phi: Phi,
    /// h, written
    pub h: &'a mut Tensor,
    /// z, written
    pub z: &'a mut Tensor,
}

/// One message into a region: adds M^T e to what it receives. M is m x n, e is m x B.
///
/// An error synapse E_{j->i} (n_i x n_j) is kept as M = E^T, laid out like the W it mirrors, so that one pass of the
/// update can serve both.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// M
    pub synapse: &'a Tensor,
    /// The error neurons of the sender.
    pub e: &'a Tensor,
}

/// What a region makes of the messages it received.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Response {
    /// y = phi(h - beta d), e = mismatch of z and y. No derivative.
    Target {
        /// Target modulation.
        beta: f64,
        /// How e follows from z - y.
        mismatch: Mismatch,
    },
    /// e = d * phi'(h): what backprop and feedback alignment do.
    Derivative,
    /// e = d.
    Plain,
}

/// d = sum of M^T e_j + sum of shortcuts, then the response, for one region (n x B).
///
/// The outputs are owned and handed back, so that the error neurons of other regions can be read meanwhile.
#[derive(Debug)]
pub struct Receive<'a> {
    /// All messages are summed before the region fires once.
    pub messages: Sources<Message<'a>>,
    /// Signals of the same shape that are added as they are.
    pub shortcuts: Sources<&'a Tensor>,
    /// h of the region
    pub h: &'a Tensor,
    /// z of the region
    pub z: &'a Tensor,
    /// phi of the region
    pub phi: Phi,
    /// What is made of d.
    pub response: Response,
    /// d, written
    pub d: Tensor,
    /// y, written by [`Response::Target`] only
    pub y: Tensor,
    /// e, written
    pub e: Tensor,
    /// The region's share of the discrepancy, summed over the batch: written by [`Response::Target`] only.
    pub discrepancy: f64,
}

impl Device {
    /// Runs the forward phase of one region.
    ///
    /// # Panics
    /// If shapes do not fit: graphs are validated before they come here.
    pub fn forward(&self, phase: Forward<'_>) {
        let mut signals = phase.afferents.iter().map(|a| a.z).chain(phase.messages.iter().map(|m| m.e));
        let b = signals.next().or(phase.shortcuts.first().copied()).map_or(0, Tensor::cols);
        let n = phase.z.rows();
        for a in &phase.afferents {
            assert_eq!(a.weight.shape(), [n, a.z.rows()], "forward: W does not fit");
            assert_eq!(a.z.cols(), b, "forward: batches differ");
        }
        for m in &phase.messages {
            assert_eq!(m.synapse.shape(), [m.e.rows(), n], "forward: M does not fit");
            assert_eq!(m.e.cols(), b, "forward: batches differ");
        }
        phase.shortcuts.iter().for_each(|s| assert_eq!(s.shape(), [n, b], "forward: shortcut does not fit"));
        assert!(phase.bias.is_none_or(|v| v.len() == n), "forward: b does not fit");
        assert_eq!(phase.h.rows(), n, "forward: h and z differ");
        phase.h.set_cols(b);
        phase.z.set_cols(b);
        match &self.0 {
            Backend::Cpu(cpu) => {
                cpu.counter.forward(&phase);
                forward(cpu, phase);
            }
            Backend::Oracle => oracle::forward(phase),
        }
    }

    /// Runs the receiving phase of all regions of a wave, which are independent of each other.
    ///
    /// # Panics
    /// If shapes do not fit: graphs are validated before they come here.
    pub fn receive(&self, wave: &mut [Receive<'_>]) {
        for r in wave.iter_mut() {
            let (n, b) = (r.h.rows(), r.h.cols());
            for m in &r.messages {
                assert_eq!(m.synapse.shape(), [m.e.rows(), n], "receive: error synapse does not fit");
                assert_eq!(m.e.cols(), b, "receive: batches differ");
            }
            r.shortcuts.iter().for_each(|s| assert_eq!(s.shape(), [n, b], "receive: shortcut does not fit"));
            assert_eq!(r.z.shape(), r.h.shape(), "receive: h and z differ");
            // Softmax is no function of a single unit: neither a target nor a derivative follows from one h.
            let single = r.phi != Phi::Softmax || r.response == Response::Plain;
            assert!(single, "receive: a softmax region takes no target or derivative");
            for t in [&mut r.d, &mut r.y, &mut r.e] {
                assert_eq!(t.rows(), n, "receive: output does not fit");
                t.set_cols(b);
            }
            r.discrepancy = 0.0;
        }
        match &self.0 {
            Backend::Cpu(cpu) => {
                cpu.counter.receive(wave);
                receive(cpu, wave);
            }
            Backend::Oracle => wave.iter_mut().for_each(oracle::receive),
        }
    }
}

/// Where a task may write: rows no other task of the phase touches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out(pub(crate) *mut f32);
// SAFETY: tasks write disjoint rows of one tensor each, and the phase ends before the tensor is used again.
unsafe impl Send for Out {}
// SAFETY: as above.
unsafe impl Sync for Out {}

impl Out {
    /// The address so many numbers on.
    fn at(self, offset: usize) -> *mut f32 {
        self.0.wrapping_add(offset)
    }
}

struct ForwardRows<'a> {
    products: &'a [Product<'a>],
    rows: std::ops::Range<usize>,
    cols: usize,
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
        let (products, rows, cols) = (self.products, self.rows.clone(), self.cols);
        sweep(simd, products, rows, cols, &mut self);
    }
}

impl<S: Simd> Epilogue<S> for ForwardRows<'_> {
    #[inline(always)]
    fn finish(&mut self, simd: S, at: Place<S>, sum: S::f32s) {
        let offset = at.row * self.cols + at.col;
        let mut h = match self.bias {
            Some(b) => simd.add_f32s(sum, simd.splat_f32s(b[at.row])),
            None => sum,
        };
        // SAFETY: the place lies within this task's rows of tensors of the same shape, checked by `Device::forward`.
        unsafe {
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

fn forward(cpu: &Cpu, phase: Forward<'_>) {
    let (n, cols) = (phase.h.rows(), phase.h.cols());
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
        cpu.arch.dispatch(ForwardRows { products, rows, cols, bias, shortcuts, phi: phase.phi, h, z });
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

/// The products against signals in panels, where a batch is wider than one: rows of a wide signal lie far apart, and one
/// tile after the other would meet them at the same few places of the cache.
fn pack<'a>(
    cpu: &Cpu,
    products: Sources<Product<'a>>,
    cols: usize,
    rooms: &'a mut Vec<Vec<f32>>,
) -> Sources<Product<'a>> {
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
        if cols == 1 {
            // One sample: d^T = e^T M, whose lanes run along the rows of M.
            let across: Sources<Product<'_>> = products.iter().map(|p| p.across(&rows)).collect();
            (last.first, last.cols, last.shift) = (0, rows.len(), rows.start);
            sweep(simd, &across, 0..1, rows.len(), &mut last);
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

fn receive(cpu: &Cpu, wave: &mut [Receive<'_>]) {
    // Tasks of the whole wave in one list: small regions fill the gaps of large ones.
    let mut tasks: SmallVec<[(usize, usize); 64]> = SmallVec::new();
    let mut outs: SmallVec<[[Out; 3]; 8]> = SmallVec::new();
    for (i, r) in wave.iter_mut().enumerate() {
        tasks.extend((0..r.h.rows().div_ceil(GATHERED_ROWS)).map(|t| (i, t)));
        outs.push([&mut r.d, &mut r.y, &mut r.e].map(|t| Out(t.f32_mut().as_mut_ptr())));
    }
    // Each task leaves its share of the discrepancy in a place of its own; adding them up in order afterwards makes
    // the sum independent of who computed what.
    let shares: SmallVec<[AtomicU64; 64]> = tasks.iter().map(|_| AtomicU64::new(0)).collect();
    let regions = &*wave;
    // Messages of all regions in one list; a wave is of one batch.
    let mut firsts: SmallVec<[usize; 8]> = SmallVec::new();
    let mut products: Sources<Product<'_>> = Sources::new();
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
}

struct Softmax<'a> {
    z: &'a mut [f32],
    cols: usize,
}

impl WithSimd for Softmax<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // A column's largest value is taken off first, so that no exponent is positive and one of them is zero.
        for c in 0..self.cols {
            let column = |z: &[f32]| z.iter().skip(c).step_by(self.cols).fold(f32::NEG_INFINITY, |m, &v| m.max(v));
            let largest = column(self.z);
            self.z.iter_mut().skip(c).step_by(self.cols).for_each(|v| *v -= largest);
        }
        let (head, tail) = S::as_mut_simd_f32s(self.z);
        head.iter_mut().for_each(|v| *v = crate::simd::exp(simd, *v));
        if !tail.is_empty() {
            let last = crate::simd::exp(simd, simd.partial_load_f32s(tail));
            simd.partial_store_f32s(tail, last);
        }
        for c in 0..self.cols {
            let sum: f32 = self.z.iter().skip(c).step_by(self.cols).sum();
            self.z.iter_mut().skip(c).step_by(self.cols).for_each(|v| *v /= sum);
        }
    }
}

/// Turns h into softmax(h), column by column.
fn softmax(cpu: &Cpu, z: &mut Tensor) {
    let cols = z.cols();
    cpu.arch.dispatch(Softmax { z: z.f32_mut(), cols });
}
