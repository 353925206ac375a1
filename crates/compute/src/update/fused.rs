//! The fused update on the processor: Gram matrices and norms first, then one pass over every weight.

use super::{Descent, Local, Scratch, power};
use crate::dense::Out;
use crate::device::{Cpu, transpose};
use crate::gemm::{Epilogue, Place, Product, TASK_ROWS, sweep};
use crate::tensor::{Aligned, Tensor};
use pulp::{Simd, WithSimd};
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) struct StoreRows<'a> {
    pub(super) products: &'a [Product<'a>],
    pub(super) rows: std::ops::Range<usize>,
    pub(super) cols: usize,
    pub(super) scale: f32,
    pub(super) to: Out,
}

impl WithSimd for StoreRows<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (products, rows, cols) = (self.products, self.rows.clone(), self.cols);
        sweep(simd, products, rows, cols, &mut self);
    }
}

impl<S: Simd> Epilogue<S> for StoreRows<'_> {
    #[inline(always)]
    fn finish(&mut self, simd: S, at: Place<S>, sum: S::f32s) {
        let value = simd.mul_f32s(sum, simd.splat_f32s(self.scale));
        // SAFETY: the place lies within this task's rows of the output.
        unsafe { at.store(simd, self.to.0, at.row * self.cols + at.col, value) };
    }
}

struct SquareRows<'a> {
    products: &'a [Product<'a>],
    rows: std::ops::Range<usize>,
    cols: usize,
    sum: f64,
}

impl WithSimd for SquareRows<'_> {
    type Output = f64;
    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) -> f64 {
        let (products, rows, cols) = (self.products, self.rows.clone(), self.cols);
        sweep(simd, products, rows, cols, &mut self);
        self.sum
    }
}

impl<S: Simd> Epilogue<S> for SquareRows<'_> {
    #[inline(always)]
    fn finish(&mut self, simd: S, at: Place<S>, sum: S::f32s) {
        self.sum += f64::from(at.sum(simd, simd.mul_f32s(sum, sum)));
    }
}

/// The optimiser's step in the numbers the inner loop needs.
#[derive(Clone, Copy)]
enum Step {
    Adam { rate: f32, beta1: f32, beta2: f32, epsilon: f32 },
    Sgd { rate: f32, momentum: f32, nesterov: bool },
}

impl Step {
    fn new(descent: &Descent) -> Step {
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

struct DescendRows<'a> {
    products: &'a [Product<'a>],
    rows: std::ops::Range<usize>,
    cols: usize,
    scale: f32,
    step: Step,
    /// 1 - rate * decay
    keep: f32,
    w: Out,
    mirror: Option<Out>,
    first: Option<Out>,
    second: Option<Out>,
}

impl WithSimd for DescendRows<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (products, rows, cols) = (self.products, self.rows.clone(), self.cols);
        sweep(simd, products, rows, cols, &mut self);
    }
}

impl<S: Simd> Epilogue<S> for DescendRows<'_> {
    #[inline(always)]
    fn finish(&mut self, simd: S, at: Place<S>, sum: S::f32s) {
        let c = |v: f32| simd.splat_f32s(v);
        let offset = at.row * self.cols + at.col;
        let d = simd.mul_f32s(sum, c(self.scale));
        // SAFETY: the place lies within this task's rows of W and of tensors of W's shape, checked by `Device::update`.
        unsafe {
            let increment = match (self.step, self.first, self.second) {
                (Step::Adam { rate, beta1, beta2, epsilon }, Some(first), Some(second)) => {
                    let (m, v) = (at.load(simd, first.0, offset), at.load(simd, second.0, offset));
                    let m = simd.mul_add_e_f32s(c(beta1), m, simd.mul_f32s(c(1.0 - beta1), d));
                    let v = simd.mul_add_e_f32s(c(beta2), v, simd.mul_f32s(c(1.0 - beta2), simd.mul_f32s(d, d)));
                    at.store(simd, first.0, offset, m);
                    at.store(simd, second.0, offset, v);
                    let root = simd.add_f32s(simd.sqrt_f32s(v), c(epsilon));
                    simd.div_f32s(simd.mul_f32s(c(-rate), m), root)
                }
                (Step::Sgd { rate, momentum, nesterov }, Some(first), _) => {
                    let u = simd.mul_add_e_f32s(c(momentum), at.load(simd, first.0, offset), d);
                    at.store(simd, first.0, offset, u);
                    let along = if nesterov { simd.mul_add_e_f32s(c(momentum), u, d) } else { u };
                    simd.mul_f32s(c(-rate), along)
                }
                (Step::Sgd { rate, .. } | Step::Adam { rate, .. }, _, _) => simd.mul_f32s(c(-rate), d),
            };
            let w = at.load(simd, self.w.0, offset);
            at.store(simd, self.w.0, offset, simd.mul_add_e_f32s(c(self.keep), w, increment));
            if let Some(mirror) = self.mirror {
                let e = at.load(simd, mirror.0, offset);
                at.store(simd, mirror.0, offset, simd.add_f32s(e, increment));
            }
        }
    }
}

/// Where a tensor of this step stands in a list without repetition.
fn find<'a>(list: &mut Vec<&'a Tensor>, t: &'a Tensor) -> usize {
    list.iter().position(|known| std::ptr::eq(*known, t)).unwrap_or_else(|| {
        list.push(t);
        list.len() - 1
    })
}

/// How the norm of D is had, if it is needed.
#[derive(Clone, Copy)]
enum Norm {
    NotNeeded,
    /// From the Gram matrices with these numbers.
    Grams(usize, usize),
    /// From a pass over D.
    Pass,
}

fn room(buffers: &mut Vec<Aligned<f32>>, sizes: impl Iterator<Item = usize>) -> Vec<Out> {
    let mut outs = Vec::new();
    for (i, size) in sizes.enumerate() {
        if buffers.len() == i {
            buffers.push(Aligned::new(64));
        }
        if buffers[i].len() < size {
            buffers[i].resize(size, 0.0);
        }
        outs.push(Out(buffers[i].as_mut_ptr()));
    }
    outs
}

pub(super) fn update(cpu: &Cpu, locals: &mut [Local<'_>], scratch: &mut Scratch) {
    // 1. What has to be transposed, and which Gram matrices are wanted.
    let (mut pres, mut factors) = (Vec::new(), Vec::new());
    let plans: Vec<(usize, Norm)> = locals
        .iter()
        .map(|l| {
            let Some(pre) = l.pre else { return (0, Norm::NotNeeded) };
            let (n, m, b) = (l.post.rows(), pre.rows(), l.post.cols());
            let norm = match l.radius {
                None => Norm::NotNeeded,
                Some(_) if b * (n + m) <= n * m => Norm::Grams(find(&mut factors, l.post), find(&mut factors, pre)),
                Some(_) => Norm::Pass,
            };
            (find(&mut pres, pre), norm)
        })
        .collect();
    let turned = room(&mut scratch.transposed, pres.iter().map(|t| t.len()));
    let grams = room(&mut scratch.grams, factors.iter().map(|t| t.cols() * t.cols()));

    // 2. Transposes and Gram matrices, in one pass.
    let mut tasks: Vec<(usize, usize)> = (0..pres.len()).map(|i| (i, 0)).collect();
    for (i, t) in factors.iter().enumerate() {
        tasks.extend((0..t.cols().div_ceil(TASK_ROWS)).map(|task| (pres.len() + i, task)));
    }
    cpu.pool.for_each(tasks.len(), &|t| {
        let (i, task) = tasks[t];
        if let Some(pre) = pres.get(i) {
            // SAFETY: the buffer has room for the transposed tensor, and this task alone writes it.
            let to = unsafe { std::slice::from_raw_parts_mut(turned[i].0, pre.len()) };
            transpose(pre.f32(), pre.rows(), pre.cols(), to);
        } else {
            let i = i - pres.len();
            let (x, b) = (factors[i].f32(), factors[i].cols());
            let products = [Product::transposed(x, b, x, factors[i].rows(), b)];
            let rows = task * TASK_ROWS..((task + 1) * TASK_ROWS).min(b);
            cpu.arch.dispatch(StoreRows { products: &products, rows, cols: b, scale: 1.0, to: grams[i] });
        }
    });
    // SAFETY: the buffers hold as many numbers, and from here on they are only read.
    let pre_t = |i: usize| unsafe { std::slice::from_raw_parts(turned[i].0.cast_const(), pres[i].len()) };
    // SAFETY: as above.
    let gram = |i: usize| unsafe { std::slice::from_raw_parts(grams[i].0.cast_const(), factors[i].cols().pow(2)) };

    // 3. Norms. Tasks of one row block each leave their squares in places of their own, added up in order.
    let mut tasks: Vec<(usize, usize)> = Vec::new();
    for (i, (l, plan)) in locals.iter().zip(&plans).enumerate() {
        match plan.1 {
            Norm::NotNeeded => {}
            Norm::Grams(..) => tasks.push((i, 0)),
            Norm::Pass => tasks.extend((0..l.post.rows().div_ceil(TASK_ROWS)).map(|t| (i, t))),
        }
    }
    let squares: Vec<AtomicU64> = tasks.iter().map(|_| AtomicU64::new(0)).collect();
    {
        let locals = &*locals;
        cpu.pool.for_each(tasks.len(), &|t| {
            let (i, task) = tasks[t];
            let (n, b) = (locals[i].post.rows(), locals[i].post.cols());
            let sum = match plans[i].1 {
                Norm::Grams(p, q) => {
                    gram(p).iter().zip(gram(q)).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum::<f64>().max(0.0)
                }
                _ => {
                    let (x, cols) = (pre_t(plans[i].0), pres[plans[i].0].rows());
                    let products = [Product::plain(locals[i].post.f32(), x, b, cols)];
                    let rows = task * TASK_ROWS..((task + 1) * TASK_ROWS).min(n);
                    cpu.arch.dispatch(SquareRows { products: &products, rows, cols, sum: 0.0 })
                }
            };
            squares[t].store(sum.to_bits(), Ordering::Relaxed);
        });
    }
    let mut norms = vec![0.0; locals.len()];
    for (&(i, _), s) in tasks.iter().zip(&squares) {
        norms[i] += f64::from_bits(s.load(Ordering::Relaxed));
    }

    // 4. The pass over the weights.
    let mut tasks: Vec<(usize, usize)> = Vec::new();
    let mut outs = Vec::with_capacity(locals.len());
    for (i, l) in locals.iter_mut().enumerate() {
        let blocks = if l.pre.is_some() { l.post.rows().div_ceil(TASK_ROWS) } else { 1 };
        tasks.extend((0..blocks).map(|t| (i, t)));
        let out = |t: &mut Tensor| Out(t.f32_mut().as_mut_ptr());
        outs.push((
            out(l.param),
            l.mirror.as_deref_mut().map(out),
            l.moments.first.as_mut().map(out),
            l.moments.second.as_mut().map(out),
        ));
    }
    let locals = &*locals;
    cpu.pool.for_each(tasks.len(), &|t| {
        let (i, task) = tasks[t];
        let (l, (w, mirror, first, second)) = (&locals[i], outs[i]);
        let (n, b) = (l.post.rows(), l.post.cols());
        if l.pre.is_none() {
            return bias(l, [Some(w), mirror, first, second]);
        }
        let (x, cols) = (pre_t(plans[i].0), pres[plans[i].0].rows());
        let norm = norms[i].sqrt() * l.scale.abs();
        let shrink = l.radius.filter(|&c| norm >= c).map_or(1.0, |c| c / norm);
        cpu.arch.dispatch(DescendRows {
            products: &[Product::plain(l.post.f32(), x, b, cols)],
            rows: task * TASK_ROWS..((task + 1) * TASK_ROWS).min(n),
            cols,
            scale: (l.scale * shrink) as f32,
            step: Step::new(&l.descent),
            keep: (1.0 - l.descent.rate() * l.decay) as f32,
            w,
            mirror,
            first,
            second,
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
