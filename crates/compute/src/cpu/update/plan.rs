//! What an update needs before weights are touched: z^T in panels, and the norm of each D where it is not known to be
//! small enough. Nothing here allocates once its lists have grown.

use crate::cpu::Cpu;
use crate::cpu::gemm::{Epilogue, PANEL, Place, Product, TASK_ROWS, panels_len, sweep};
use crate::cpu::out::Out;
use crate::op::update::Local;
use crate::tensor::{Aligned, Tensor, zeros};
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// How |D|_F is had.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Norm {
    /// Nothing asks for it, or it cannot reach the radius.
    NotNeeded,
    /// From the Gram matrices with these numbers: |post pre^T|_F^2 = sum of (post^T post) * (pre^T pre).
    Grams(usize, usize),
    /// From D itself, which is kept in the room with this number: at large batches Gram matrices cost more.
    Kept(usize),
}

/// Room the update needs between its phases: kept by the caller so that no step allocates.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    /// pre^T of each different pre.
    pub(super) panels: Vec<Aligned<f32>>,
    grams: Vec<Aligned<f32>>,
    /// D of large batches.
    pub(super) deltas: Vec<Aligned<f32>>,
    /// Squared length of each sample, of each factor of a norm.
    lengths: Vec<Aligned<f32>>,
    pub(super) lists: Lists,
}

/// The lists of a plan: indices only, so that they can be kept from step to step.
#[derive(Clone, Debug, Default)]
pub(super) struct Lists {
    /// For each local the number of its pre among `pres`, and its norm.
    pub(super) plans: Vec<(usize, Norm)>,
    /// For each different pre the first local that has it.
    pres: Vec<usize>,
    /// For each different factor of a norm the first local that has it, and whether as its post.
    factors: Vec<(usize, bool)>,
    /// Whether a factor's Gram matrix is wanted.
    wanted: Vec<bool>,
    /// (number, part of it)
    pub(super) tasks: Vec<(usize, usize)>,
    /// Squares that each task of a kept D leaves.
    squares: Vec<f64>,
    /// |D|_F before the scale, of each local.
    pub(super) norms: Vec<f64>,
    pub(super) outs: Vec<[Option<Out>; 4]>,
}

/// Where tasks leave a number each.
#[derive(Clone, Copy)]
struct Numbers(*mut f64);
// SAFETY: each task writes a place of its own, and the phase ends before they are read.
unsafe impl Send for Numbers {}
// SAFETY: as above.
unsafe impl Sync for Numbers {}

impl Numbers {
    /// # Safety
    /// `at` lies within the list, and no other task writes there.
    unsafe fn set(self, at: usize, value: f64) {
        // SAFETY: the caller's promise.
        unsafe { *self.0.add(at) = value };
    }
}

/// The number-th buffer, with room for `len` numbers.
fn grown(buffers: &mut Vec<Aligned<f32>>, number: usize, len: usize) {
    while buffers.len() <= number {
        buffers.push(Aligned::new(64));
    }
    if buffers[number].len() < len {
        buffers[number] = zeros(len);
    }
}

fn pre<'a>(l: &Local<'a>) -> &'a Tensor {
    l.pre.expect("a local with a pre")
}

fn factor<'a>(locals: &[Local<'a>], (i, post): (usize, bool)) -> &'a Tensor {
    if post { locals[i].post } else { pre(&locals[i]) }
}

/// D as a product: post, row by row, against pre^T in panels.
pub(super) fn outer<'a>(post: &'a Tensor, panels: &'a [f32]) -> Product<'a> {
    let b = post.cols();
    Product { stride: PANEL, panel: PANEL * b, ..Product::plain(post.f32(), panels, b, PANEL) }
}

/// Makes z^T in panels of units: panel p holds, sample by sample, the units from 32 p on.
fn into_panels(z: &[f32], b: usize, panels: Range<usize>, to: &mut [f32]) {
    for (p, panel) in panels.zip(to.chunks_exact_mut((PANEL * b).max(1))) {
        let units = &z[p * PANEL * b..z.len().min((p + 1) * PANEL * b)];
        for (u, row) in units.chunks_exact(b.max(1)).enumerate() {
            panel.iter_mut().skip(u).step_by(PANEL).zip(row).for_each(|(to, &z)| *to = z);
        }
    }
}

/// Panels that one task turns.
const TASK_PANELS: usize = 4;

/// Fills `scratch` with everything the pass over the weights reads.
pub(super) fn prepare(cpu: &Cpu, locals: &[Local<'_>], scratch: &mut Scratch) {
    let Scratch { panels, grams, deltas, lengths, lists } = scratch;
    let Lists { plans, pres, factors, wanted, tasks, squares, norms, .. } = lists;
    // 1. Which pres are turned, and how norms may be had.
    plans.clear();
    pres.clear();
    factors.clear();
    wanted.clear();
    tasks.clear();
    norms.clear();
    norms.resize(locals.len(), 0.0);
    let mut kept = 0;
    for (i, l) in locals.iter().enumerate() {
        let Some(z) = l.pre else {
            plans.push((0, Norm::NotNeeded));
            continue;
        };
        let (n, m, b) = (l.post.rows(), z.rows(), l.post.cols());
        let number = pres.iter().position(|&k| std::ptr::eq(pre(&locals[k]), z)).unwrap_or_else(|| {
            pres.push(i);
            pres.len() - 1
        });
        let mut find = |tensor: &Tensor, post: bool| {
            factors.iter().position(|&f| std::ptr::eq(factor(locals, f), tensor)).unwrap_or_else(|| {
                factors.push((i, post));
                factors.len() - 1
            })
        };
        let norm = match l.radius {
            None => Norm::NotNeeded,
            Some(_) => {
                let pair = (find(l.post, true), find(z, false));
                if b * (n + m) <= n * m { Norm::Grams(pair.0, pair.1) } else { Norm::Kept(usize::MAX) }
            }
        };
        plans.push((number, norm));
    }
    wanted.resize(factors.len(), false);
    for (number, &k) in pres.iter().enumerate() {
        let z = pre(&locals[k]);
        grown(panels, number, panels_len(z.cols(), z.rows()));
        tasks.extend((0..z.rows().div_ceil(PANEL * TASK_PANELS)).map(|t| (number, t)));
    }
    for (number, &f) in factors.iter().enumerate() {
        grown(lengths, number, factor(locals, f).cols());
        tasks.push((pres.len() + number, 0));
    }

    // 2. Turn the pres, and measure the samples of each factor: |D|_F <= sum over samples of |post_s| |pre_s|.
    let turned: &[Out] = &outs(panels);
    let measured: &[Out] = &outs(lengths);
    cpu.pool.for_each(tasks.len(), &|t| {
        let (number, part) = tasks[t];
        if let Some(&k) = pres.get(number) {
            let z = pre(&locals[k]);
            let (b, first) = (z.cols(), part * TASK_PANELS);
            let last = (first + TASK_PANELS).min(z.rows().div_ceil(PANEL));
            // SAFETY: these panels lie within the buffer, and this task alone writes them.
            let to = unsafe {
                std::slice::from_raw_parts_mut(turned[number].0.add(first * PANEL * b), (last - first) * PANEL * b)
            };
            into_panels(z.f32(), b, first..last, to);
        } else {
            let number = number - pres.len();
            let x = factor(locals, factors[number]);
            // SAFETY: the buffer holds a number for each sample, and this task alone writes it.
            let to = unsafe { std::slice::from_raw_parts_mut(measured[number].0, x.cols()) };
            cpu.arch.dispatch(Lengths { x: x.f32(), to });
        }
    });

    // 3. Norms that cannot reach the radius need not be known.
    tasks.clear();
    squares.clear();
    for (i, l) in locals.iter().enumerate() {
        let (Some(radius), Some(z)) = (l.radius, l.pre) else { continue };
        let b = l.post.cols();
        let length = |t: &Tensor| {
            let number = factors.iter().position(|&f| std::ptr::eq(factor(locals, f), t)).expect("a factor");
            (number, &lengths[number][..b])
        };
        let ((p, post), (q, pre)) = (length(l.post), length(z));
        let bound: f64 = post.iter().zip(pre).map(|(&x, &y)| (f64::from(x) * f64::from(y)).sqrt()).sum();
        if bound * l.scale.abs() < 0.999 * radius {
            plans[i].1 = Norm::NotNeeded;
        } else if let Norm::Grams(..) = plans[i].1 {
            (wanted[p], wanted[q]) = (true, true);
        } else {
            plans[i].1 = Norm::Kept(kept);
            grown(deltas, kept, l.param.len());
            kept += 1;
            tasks.extend((0..l.post.rows().div_ceil(TASK_ROWS)).map(|t| (i, t)));
        }
    }
    squares.resize(tasks.len(), 0.0);
    let deltas_made = tasks.len();
    for (number, &f) in factors.iter().enumerate().filter(|&(number, _)| wanted[number]) {
        let b = factor(locals, f).cols();
        grown(grams, number, b * b);
        tasks.extend((0..b.div_ceil(TASK_ROWS)).map(|t| (number, t)));
    }

    // 4. Gram matrices, and D where it is kept.
    let (made, kept_at, left): (&[Out], &[Out], _) = (&outs(grams), &outs(deltas), Numbers(squares.as_mut_ptr()));
    cpu.pool.for_each(tasks.len(), &|t| {
        let (i, part) = tasks[t];
        if t < deltas_made {
            let (l, (number, norm)) = (&locals[i], plans[i]);
            let Norm::Kept(at) = norm else { return };
            let rows = part * TASK_ROWS..((part + 1) * TASK_ROWS).min(l.post.rows());
            let products = [outer(l.post, &panels[number])];
            let cols = l.param.len() / l.post.rows();
            let squares = cpu.arch.dispatch(StoreRows { products: &products, rows, cols, scale: 1.0, to: kept_at[at] });
            // SAFETY: one place a task.
            unsafe { left.set(t, squares) };
        } else {
            let x = factor(locals, factors[i]);
            let b = x.cols();
            let products = [Product::transposed(x.f32(), b, x.f32(), x.rows(), b)];
            let rows = part * TASK_ROWS..((part + 1) * TASK_ROWS).min(b);
            cpu.arch.dispatch(StoreRows { products: &products, rows, cols: b, scale: 1.0, to: made[i] });
        }
    });
    // Squares are added up in the order of tasks, so that the sum does not depend on who made them.
    for (&(i, _), square) in tasks[..deltas_made].iter().zip(squares.iter()) {
        norms[i] += square;
    }
    for (norm, plan) in norms.iter_mut().zip(plans.iter()) {
        if let Norm::Grams(p, q) = plan.1 {
            let len = { factor(locals, factors[p]).cols().pow(2) };
            let pairs = grams[p][..len].iter().zip(&grams[q][..len]);
            *norm = pairs.map(|(&x, &y)| f64::from(x) * f64::from(y)).sum::<f64>().max(0.0);
        }
        *norm = norm.sqrt();
    }
}

fn outs(buffers: &mut [Aligned<f32>]) -> smallvec::SmallVec<[Out; 64]> {
    buffers.iter_mut().map(|b| Out(b.as_mut_ptr())).collect()
}

/// Squared length of each sample (column) of x.
struct Lengths<'a> {
    x: &'a [f32],
    to: &'a mut [f32],
}

impl WithSimd for Lengths<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.to.fill(0.0);
        for row in self.x.chunks_exact(self.to.len().max(1)) {
            self.to.iter_mut().zip(row).for_each(|(sum, x)| *sum += x * x);
        }
    }
}

/// scale * the sum of products, as it is, and the squares of what is stored.
struct StoreRows<'a> {
    products: &'a [Product<'a>],
    rows: Range<usize>,
    cols: usize,
    scale: f32,
    to: Out,
}

struct Store<S: Simd> {
    cols: usize,
    scale: S::f32s,
    to: Out,
    squares: f64,
}

impl WithSimd for StoreRows<'_> {
    /// Sum of the squares of these rows.
    type Output = f64;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let (cols, scale) = (self.cols, simd.splat_f32s(self.scale));
        let mut store = Store { cols, scale, to: self.to, squares: 0.0 };
        sweep(simd, self.products, self.rows, cols, &mut store);
        store.squares
    }
}

impl<S: Simd> Epilogue<S> for Store<S> {
    #[inline(always)]
    fn finish(&mut self, simd: S, at: Place<S>, sum: S::f32s) {
        let value = simd.mul_f32s(sum, self.scale);
        // SAFETY: the place lies within this task's rows of the output.
        unsafe { at.store(simd, self.to.0, at.row * self.cols + at.col, value) };
        self.squares += f64::from(at.sum(simd, simd.mul_f32s(value, value)));
    }
}

/// out (n x m) = scale * post pre^T: the same numbers, unfused.
pub(crate) fn outer_product(cpu: &Cpu, post: &Tensor, pre: &Tensor, scale: f64, out: &mut Tensor) {
    let (n, m, b) = (post.rows(), pre.rows(), post.cols());
    let mut panels = zeros(panels_len(b, m));
    into_panels(pre.f32(), b, 0..m.div_ceil(PANEL), &mut panels);
    let to = Out(out.f32_mut().as_mut_ptr());
    let products = [outer(post, &panels)];
    cpu.pool.for_each(n.div_ceil(TASK_ROWS), &|t| {
        let rows = t * TASK_ROWS..((t + 1) * TASK_ROWS).min(n);
        cpu.arch.dispatch(StoreRows { products: &products, rows, cols: m, scale: scale as f32, to });
    });
}
