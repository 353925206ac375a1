//! The local update of a convolution on the processor: D[o, (c, i, j)] = sum over places and samples of e[o, p] z[c, p + tap].
//!
//! e is turned, so that the channels of h lie side by side at every place and sample, and lanes run over them; what they are
//! multiplied with is read where it lies in the padded signal, one distance a tap, and broadcast. So a stem of three channels
//! is as fast as any other layer, and no copy is made per tap. Places are summed block by block, the blocks in their order,
//! which is faster, and more accurate than one long sum.

use super::planes::{Planes, grow};
use super::products::{BLOCK, Stretches, WIDTH, add_products};
use super::room::Room;
use super::turn::turn;
use super::winograd::pays;
use super::winograd_update;
use crate::cpu::Cpu;
use crate::cpu::out::Out;
use crate::op::maps::Convolution;
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Columns of D that one task makes: whole tiles of eight and of six rows.
const TASK_COLS: usize = 48;

/// D = `scale` sum of e z^T.
#[allow(clippy::too_many_arguments)] // the operands of one product
pub(crate) fn correlate(
    cpu: &Cpu,
    conv: &Convolution,
    e: &[f32],
    z: &[f32],
    b: usize,
    scale: f32,
    delta: &mut [f32],
    room: &mut Room,
) {
    // Of few channels, turning the forms of e costs what the products save.
    if pays(conv, b) && conv.from.channels.min(conv.out) >= 24 {
        return winograd_update::correlate(cpu, conv, e, z, b, scale, delta, room);
    }
    let Room { planes: padded, turned, offsets, .. } = room;
    let (to, groups, out) = (conv.to(), conv.groups, conv.out / conv.groups);
    let [_, depth] = conv.shape();
    let places = to.places() * b;
    let (mut x, mut x_group, mut x_line, mut lines, mut cols) = (z, 0, 0, 1, places);
    if conv.is_pointwise() {
        offsets.clear();
        offsets.extend((0..depth).map(|c| c * places));
    } else {
        let planes = Planes::of(conv.from, &conv.window, [to.height, to.width], b);
        planes.fill(cpu, z, padded);
        planes.distances(conv, offsets);
        x = padded;
        (x_group, x_line) = (conv.from.channels / groups * planes.channel(), planes.line);
        (lines, cols) = (to.height, to.width * b);
    }
    let width = if out <= WIDTH / 2 { WIDTH / 2 } else { WIDTH };
    let panels = out.div_ceil(width);
    grow(turned, groups * panels * places * width);
    turn(cpu, e, [groups, out, places, width], Out(turned.as_mut_ptr()));
    if let (Some(last), true) = (offsets.iter().max(), places > 0) {
        let end = (groups - 1) * x_group + (lines - 1) * x_line + last + cols;
        assert!(end <= x.len(), "correlate: z is too small");
    }
    let parts = depth.div_ceil(TASK_COLS);
    let to = Out(delta.as_mut_ptr());
    cpu.pool.for_each(groups * panels * parts, &|t| {
        let (part, panel) = (t % parts, t / parts);
        let (group, first) = (panel / panels, panel % panels * width);
        let mut sums = SUMS.take();
        cpu.arch.dispatch(Task {
            offsets: &offsets[part * TASK_COLS..depth.min((part + 1) * TASK_COLS)],
            x: &x[group * x_group..],
            x_line,
            lines,
            cols,
            turned: &turned[panel * places * width..(panel + 1) * places * width],
            width,
            rows: group * out + first..group * out + out.min(first + width),
            depth,
            scale,
            to: Out(to.at(part * TASK_COLS)),
            sums: &mut sums,
        });
        SUMS.set(sums);
    });
}

thread_local! {
    /// D of a task, turned.
    static SUMS: std::cell::RefCell<Vec<f32>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Some columns of D for the channels of one panel.
struct Task<'a> {
    /// Where those columns are read.
    offsets: &'a [usize],
    x: &'a [f32],
    x_line: usize,
    lines: usize,
    cols: usize,
    /// e, `width` channels side by side.
    turned: &'a [f32],
    width: usize,
    /// Rows of D.
    rows: Range<usize>,
    depth: usize,
    scale: f32,
    to: Out,
    sums: &'a mut Vec<f32>,
}

impl WithSimd for Task<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (n, width) = (self.offsets.len(), self.width);
        self.sums.clear();
        self.sums.resize(n * width, 0.0);
        let places = self.lines * self.cols;
        for first in (0..places).step_by(BLOCK) {
            let (line, at, left) = (first / self.cols, first % self.cols, BLOCK.min(places - first));
            let stretches = Stretches { line, first: at, lines: self.lines, cols: self.cols, left };
            let e = self.turned[first * width..].as_ptr();
            let (offsets, x) = (self.offsets, self.x.as_ptr());
            // SAFETY: `correlate` has checked that every line lies within z at every distance; the panel holds `width`
            // channels of every place.
            unsafe { add_products(simd, n, |c| offsets[c], x, stretches, self.x_line, e, width, self.sums) };
        }
        for (r, row) in self.rows.clone().enumerate() {
            // SAFETY: these columns of these rows are this task's alone.
            let to = unsafe { std::slice::from_raw_parts_mut(self.to.at(row * self.depth), n) };
            for (to, sums) in to.iter_mut().zip(self.sums.chunks_exact(width)) {
                *to = self.scale * sums[r];
            }
        }
    }
}
