//! The fused update on the processor: Gram matrices and norms first, then one pass over every weight.

pub(crate) mod descend;
pub(crate) mod plan;

use super::Cpu;
use super::gemm::{Epilogue, Place, Product, TASK_ROWS, prefetch, sweep};
use super::out::Out;
use crate::op::update::{Descent, Local, power};
use crate::tensor::Tensor;
use plan::{Lists, Norm, Scratch, outer, prepare};
use pulp::{Simd, WithSimd};

/// The optimiser's step in the numbers the inner loop needs.
#[derive(Clone, Copy)]
pub(super) enum Step {
    Adam { rate: f32, beta1: f32, beta2: f32, epsilon: f32 },
    Sgd { rate: f32, momentum: f32, nesterov: bool },
}

impl Step {
    pub(super) fn new(descent: &Descent) -> Step {
        match *descent {
            // rate * m_hat / (sqrt(v_hat) + epsilon), with the bias corrections moved out of the loop.
            Descent::Adam { rate, beta1, beta2, epsilon, step } => {
                let root = (1.0 - power(beta2, step)).sqrt();
                Step::Adam {
                    rate: (rate * root / (1.0 - power(beta1, step))) as f32,
                    beta1: beta1 as f32,
                    beta2: beta2 as f32,
                    epsilon: (epsilon * root) as f32,
                }
            }
            Descent::Sgd { rate, momentum, nesterov } => {
                Step::Sgd { rate: rate as f32, momentum: momentum as f32, nesterov }
            }
        }
    }
}

/// Rows of D that are made, then used up, at a time: few enough that they and what they change stay in the cache.
const BLOCK_ROWS: usize = 8;

struct DescendRows<'a> {
    product: Product<'a>,
    /// D, where it has been made for its norm.
    kept: Option<&'a [f32]>,
    rows: std::ops::Range<usize>,
    cols: usize,
    scale: f32,
    step: Step,
    /// 1 - rate * decay
    keep: f32,
    /// W, mirror and moments.
    tensors: [Option<Out>; 4],
    /// Where D of a block is kept meanwhile.
    room: &'a mut Vec<f32>,
}

impl WithSimd for DescendRows<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if self.product.depth == 1 && self.kept.is_none() {
            return self.one_sample(simd);
        }
        self.room.resize(BLOCK_ROWS * self.cols, 0.0);
        for first in self.rows.clone().step_by(BLOCK_ROWS) {
            let rows = first..(first + BLOCK_ROWS).min(self.rows.end);
            let rows_len = rows.len();
            let (from, len) = (first * self.cols, rows_len * self.cols);
            let d = match self.kept {
                Some(kept) => &kept[from..from + len],
                None => {
                    let to = Out(self.room.as_mut_ptr());
                    // W and its mirror of the next block are asked for while this one is summed, moments while it is used up:
                    // memory then has something to do all the time.
                    let next = [0, 1]
                        .map(|t| self.tensors[t].or(self.tensors[0]).map_or(std::ptr::null(), |o| o.0.cast_const()));
                    let next = next.map(|o| o.wrapping_add(len));
                    sweep(simd, &[self.product], rows, self.cols, &mut Collect { first, cols: self.cols, next, to });
                    &self.room[..len]
                }
            };
            // SAFETY: rows of this task, checked by `Device::update`, one block after the other.
            let [w, mirror, m, v] = unsafe { stretch(self.tensors, first..first + rows_len, self.cols) };
            let Some(w) = w else { continue };
            descend(simd, self.step, [self.scale, self.keep], d, w, mirror, m, v);
        }
    }
}

/// The stretch of some rows, in W, mirror and moments.
///
/// # Safety
/// The rows are those of one task, of tensors of W's shape, and no stretch that overlaps is alive.
#[inline(always)]
unsafe fn stretch<'a>(
    tensors: [Option<Out>; 4],
    rows: std::ops::Range<usize>,
    cols: usize,
) -> [Option<&'a mut [f32]>; 4] {
    // SAFETY: the caller's promise.
    tensors.map(|t| t.map(|o| unsafe { std::slice::from_raw_parts_mut(o.0.add(rows.start * cols), rows.len() * cols) }))
}

impl DescendRows<'_> {
    /// With one sample each row of D is a multiple of pre^T: no sums.
    #[inline(always)]
    fn one_sample<S: Simd>(self, simd: S) {
        let pre = &self.product.x[..self.cols];
        for row in self.rows.clone() {
            // SAFETY: rows of this task, checked by `Device::update`, one after the other.
            let [w, mirror, m, v] = unsafe { stretch(self.tensors, row..row + 1, self.cols) };
            let Some(w) = w else { continue };
            let scale = self.scale * self.product.a[row];
            descend(simd, self.step, [scale, self.keep], pre, w, mirror, m, v);
        }
    }
}

/// Keeps a block of D.
struct Collect {
    first: usize,
    cols: usize,
    next: [*const f32; 2],
    to: Out,
}

impl<S: Simd> Epilogue<S> for Collect {
    #[inline(always)]
    fn finish(&mut self, simd: S, at: Place<S>, sum: S::f32s) {
        let offset = at.row * self.cols + at.col;
        self.next.iter().for_each(|n| prefetch(n.wrapping_add(offset)));
        // SAFETY: the place lies within the block, which the room holds.
        unsafe {
            at.store(simd, self.to.0, offset - self.first * self.cols, sum);
        }
    }
}

/// The optimiser along one stretch of D; `factors` are those of D and of W.
#[inline(always)]
#[allow(clippy::too_many_arguments)] // the tensors of one formula
pub(super) fn descend<S: Simd>(
    simd: S,
    step: Step,
    factors: [f32; 2],
    d: &[f32],
    w: &mut [f32],
    mirror: Option<&mut [f32]>,
    m: Option<&mut [f32]>,
    v: Option<&mut [f32]>,
) {
    let c = |x: f32| simd.splat_f32s(x);
    match (step, m, v) {
        (Step::Adam { rate, beta1, beta2, epsilon }, Some(m), Some(v)) => {
            let (b1, a1, b2, a2) = (c(beta1), c(1.0 - beta1), c(beta2), c(1.0 - beta2));
            let (rate, epsilon) = (c(-rate), c(epsilon));
            along(
                simd,
                d,
                [Some(w), mirror, Some(m), Some(v)],
                factors,
                #[inline(always)]
                |d, [m, v]| {
                    let m = simd.mul_add_e_f32s(b1, m, simd.mul_f32s(a1, d));
                    let v = simd.mul_add_e_f32s(b2, v, simd.mul_f32s(a2, simd.mul_f32s(d, d)));
                    let root = simd.add_f32s(simd.sqrt_f32s(v), epsilon);
                    (simd.div_f32s(simd.mul_f32s(rate, m), root), [m, v])
                },
            );
        }
        (Step::Sgd { rate, momentum, nesterov }, Some(u), _) => {
            let (momentum, rate) = (c(momentum), c(-rate));
            along(
                simd,
                d,
                [Some(w), mirror, Some(u), None],
                factors,
                #[inline(always)]
                |d, [u, v]| {
                    let u = simd.mul_add_e_f32s(momentum, u, d);
                    let along = if nesterov { simd.mul_add_e_f32s(momentum, u, d) } else { u };
                    (simd.mul_f32s(rate, along), [u, v])
                },
            );
        }
        (Step::Sgd { rate, .. } | Step::Adam { rate, .. }, ..) => {
            let rate = c(-rate);
            along(
                simd,
                d,
                [Some(w), mirror, None, None],
                factors,
                #[inline(always)]
                |d, moments| (simd.mul_f32s(rate, d), moments),
            );
        }
    }
}

/// W = keep W + increment and mirror += increment, for (increment, moments) = `step`(scale D, moments), vector by vector;
/// `factors` are scale and keep.
#[inline(always)]
fn along<S: Simd>(
    simd: S,
    d: &[f32],
    tensors: [Option<&mut [f32]>; 4],
    factors: [f32; 2],
    step: impl Fn(S::f32s, [S::f32s; 2]) -> (S::f32s, [S::f32s; 2]),
) {
    let (lanes, len) = (S::F32_LANES, d.len());
    let [w, mirror, m, v] =
        tensors.map(|t| t.map(|t| (t.len() == len).then_some(t.as_mut_ptr()).expect("of D's length")));
    let Some(w) = w else { return };
    let [m_, v_] = [m, v].map(|t| t.unwrap_or(w));
    let streams = Streams { d: d.as_ptr(), w, mirror, moments: [m, v] };
    let factors = factors.map(|f| simd.splat_f32s(f));
    let mut at = 0;
    // SAFETY: places at which vectors, or their first lanes, lie below the length of D, which is that of the others.
    unsafe {
        while at + lanes <= len {
            // Moments of the next block are asked for meanwhile.
            let next = at + len;
            prefetch(m_.wrapping_add(next));
            prefetch(v_.wrapping_add(next));
            streams.one(simd, at, Place::whole(), factors, &step);
            at += lanes;
        }
        if at < len {
            streams.one(simd, at, Place::part(simd, len - at), factors, &step);
        }
    }
}

/// Tensors of one shape that are walked along side by side.
struct Streams {
    d: *const f32,
    w: *mut f32,
    mirror: Option<*mut f32>,
    moments: [Option<*mut f32>; 2],
}

impl Streams {
    /// # Safety
    /// The lanes of `place` at `at` lie within every tensor.
    #[inline(always)]
    unsafe fn one<S: Simd>(
        &self,
        simd: S,
        at: usize,
        place: Place<S>,
        [scale, keep]: [S::f32s; 2],
        step: &impl Fn(S::f32s, [S::f32s; 2]) -> (S::f32s, [S::f32s; 2]),
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let mut old = [simd.splat_f32s(0.0); 2];
            for (old, from) in old.iter_mut().zip(self.moments) {
                if let Some(from) = from {
                    *old = place.load(simd, from, at);
                }
            }
            let (increment, new) = step(simd.mul_f32s(place.load(simd, self.d, at), scale), old);
            for (new, to) in new.into_iter().zip(self.moments) {
                if let Some(to) = to {
                    place.store(simd, to, at, new);
                }
            }
            place.store(simd, self.w, at, simd.mul_add_e_f32s(keep, place.load(simd, self.w, at), increment));
            if let Some(e) = self.mirror {
                place.store(simd, e, at, simd.add_f32s(place.load(simd, e, at), increment));
            }
        }
    }
}

thread_local! {
    /// Where each thread keeps its block of D.
    static ROOM: std::cell::RefCell<Vec<f32>> = const { std::cell::RefCell::new(Vec::new()) };
}

fn with_room(work: impl FnOnce(&mut Vec<f32>)) {
    let mut room = ROOM.take();
    work(&mut room);
    ROOM.set(room);
}

/// The pass over the weights, after [`prepare`].
pub(crate) fn update(cpu: &Cpu, locals: &mut [Local<'_>], scratch: &mut Scratch) {
    prepare(cpu, locals, scratch);
    let Scratch { panels, deltas, lists, .. } = scratch;
    let Lists { plans, norms, tasks, outs, .. } = lists;
    tasks.clear();
    outs.clear();
    for (i, l) in locals.iter_mut().enumerate() {
        let blocks = if l.pre.is_some() { l.post.rows().div_ceil(TASK_ROWS) } else { 1 };
        tasks.extend((0..blocks).map(|t| (i, t)));
        let out = |t: &mut Tensor| Out(t.f32_mut().as_mut_ptr());
        outs.push([
            Some(out(l.param)),
            l.mirror.as_deref_mut().map(out),
            l.moments.first.as_mut().map(out),
            l.moments.second.as_mut().map(out),
        ]);
    }
    let locals = &*locals;
    cpu.pool.for_each(tasks.len(), &|t| {
        let (i, task) = tasks[t];
        let (l, tensors) = (&locals[i], outs[i]);
        let Some(pre) = l.pre else { return bias(l, tensors) };
        let n = l.post.rows();
        let norm = norms[i] * l.scale.abs();
        let shrink = l.radius.filter(|&c| norm >= c).map_or(1.0, |c| c / norm);
        with_room(|room| {
            cpu.arch.dispatch(DescendRows {
                product: outer(l.post, &panels[plans[i].0]),
                kept: if let Norm::Kept(at) = plans[i].1 { Some(&deltas[at]) } else { None },
                rows: task * TASK_ROWS..((task + 1) * TASK_ROWS).min(n),
                cols: pre.rows(),
                scale: (l.scale * shrink) as f32,
                step: Step::new(&l.descent),
                keep: (1.0 - l.descent.rate() * l.decay) as f32,
                tensors,
                room,
            });
        });
    });
}

/// The update of a bias: few numbers, each a sum over the batch, in float64.
fn bias(l: &Local<'_>, [w, mirror, first, second]: [Option<Out>; 4]) {
    let (n, b) = (l.post.rows(), l.post.cols());
    // SAFETY: each is a tensor of the bias's shape, n long, and this task alone touches it.
    let slice = |o: Out| unsafe { std::slice::from_raw_parts_mut(o.0, n) };
    let [mut w, mut mirror, mut first, mut second] = [w, mirror, first, second].map(|o| o.map(slice));
    for i in 0..n {
        let row = &l.post.f32()[i * b..(i + 1) * b];
        let mut lanes = [0.0_f32; 16];
        let (head, tail) = row.as_chunks::<16>();
        head.iter().for_each(|chunk| lanes.iter_mut().zip(chunk).for_each(|(s, x)| *s += x));
        lanes.iter_mut().zip(tail).for_each(|(s, x)| *s += x);
        let sum: f64 = lanes.iter().map(|&x| f64::from(x)).sum();
        let old = |s: &Option<&mut [f32]>| s.as_ref().map_or(0.0, |s| f64::from(s[i]));
        let (increment, m, v) = l.descent.one(l.scale * sum, old(&first), old(&second));
        let put = |s: &mut Option<&mut [f32]>, x: f64| {
            if let Some(s) = s {
                s[i] = x as f32;
            }
        };
        let kept = old(&w) * (1.0 - l.descent.rate() * l.decay);
        put(&mut w, kept + increment);
        let kept = old(&mirror);
        put(&mut mirror, kept + increment);
        put(&mut first, m);
        put(&mut second, v);
    }
}
