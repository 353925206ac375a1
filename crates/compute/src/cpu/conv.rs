//! Convolution and its transpose on the processor: which [`Slide`]s they are.

pub(crate) mod correlate;
mod planes;
mod products;
pub(crate) mod room;
mod slide;
mod turn;
mod winograd;
mod winograd_update;

use super::Cpu;
use super::out::Out;
use crate::op::maps::Convolution;
use planes::Planes;
use room::Room;
use slide::{Slide, pack};
use smallvec::SmallVec;
use winograd::{Winograd, pays};

/// h = W z + b.
#[allow(clippy::too_many_arguments)] // the operands of one product
pub(crate) fn convolve(
    cpu: &Cpu,
    conv: &Convolution,
    w: &[f32],
    bias: Option<&[f32]>,
    z: &[f32],
    b: usize,
    h: &mut [f32],
    room: &mut Room,
) {
    let [_, depth] = conv.shape();
    if pays(conv, b) {
        let strides = [depth, 9];
        let fast = Winograd { image: conv.from, pad: conv.window.pad, rows: conv.out, w, strides, flipped: false };
        return fast.run(cpu, z, b, bias, h, false, room);
    }
    let Room { planes: padded, packed, offsets, sources, .. } = room;
    let (groups, out) = (conv.groups, conv.out / conv.groups);
    sources.clear();
    sources.extend(0..depth);
    pack(cpu, w, sources, [groups, out], [out * depth, depth], packed);
    if conv.is_pointwise() {
        return pointwise(
            cpu,
            [conv.from.channels, conv.out, conv.from.places() * b],
            packed,
            bias,
            z,
            h,
            false,
            offsets,
        );
    }
    let to = conv.to();
    let planes = Planes::of(conv.from, &conv.window, [to.height, to.width], b);
    planes.fill(cpu, z, padded);
    planes.distances(conv, offsets);
    let places = to.places() * b;
    Slide {
        packed,
        offsets,
        x: padded,
        x_group: conv.from.channels / groups * planes.channel(),
        x_line: planes.line,
        groups,
        rows: out,
        lines: to.height,
        cols: to.width * b,
        out: Out(h.as_mut_ptr()),
        out_row: places,
        out_line: to.width * b,
        apart: None,
        bias,
        add: false,
        local: false,
    }
    .run(cpu);
}

/// A dense product at every place: one line, whose rows are copied together piece by piece.
#[allow(clippy::too_many_arguments)] // the operands of one product
fn pointwise(
    cpu: &Cpu,
    [depth, rows, cols]: [usize; 3],
    packed: &[f32],
    bias: Option<&[f32]>,
    x: &[f32],
    out: &mut [f32],
    add: bool,
    offsets: &mut Vec<usize>,
) {
    offsets.clear();
    offsets.extend((0..depth).map(|k| k * cols));
    Slide {
        packed,
        offsets,
        x,
        x_group: 0,
        x_line: 0,
        groups: 1,
        rows,
        lines: 1,
        cols,
        out: Out(out.as_mut_ptr()),
        out_row: cols,
        out_line: 0,
        apart: None,
        bias,
        add,
        local: true,
    }
    .run(cpu);
}

/// One axis of the transpose for the places of z whose padded number leaves remainder `remainder` by the stride: such a place
/// u s + remainder receives from place u - m of h through tap i, for every i whose i d leaves the same remainder, m = (i d) / s.
struct Class {
    remainder: usize,
    /// (i, m)
    taps: SmallVec<[(usize, usize); 8]>,
    /// First u, its place of z, and how many there are.
    first: usize,
    place: usize,
    len: usize,
}

fn classes(conv: &Convolution, a: usize) -> SmallVec<[Class; 4]> {
    let w = conv.window;
    let (stride, pad, side) = (w.stride[a], w.pad[a], [conv.from.height, conv.from.width][a]);
    let class = |remainder: usize| {
        let at = |i: usize| i * w.dilation[a];
        let taps = (0..w.kernel[a]).filter(|&i| at(i) % stride == remainder).map(|i| (i, at(i) / stride)).collect();
        let first = pad.saturating_sub(remainder).div_ceil(stride);
        let place = first * stride + remainder - pad;
        Class { remainder, taps, first, place, len: side.saturating_sub(place).div_ceil(stride) }
    };
    (0..stride).map(class).filter(|c| c.len > 0).collect()
}

/// d = W^T e, or d += W^T e.
#[allow(clippy::too_many_arguments)] // the operands of one product
pub(crate) fn convolve_back(
    cpu: &Cpu,
    conv: &Convolution,
    w: &[f32],
    e: &[f32],
    b: usize,
    d: &mut [f32],
    add: bool,
    room: &mut Room,
) {
    let (from, to, win) = (conv.from, conv.to(), conv.window);
    let [_, depth] = conv.shape();
    if pays(conv, b) {
        // The transpose is the convolution of e with the taps in reverse.
        let (pad, strides) = (win.pad.map(|p| 2 - p), [9, depth]);
        let fast = Winograd { image: to, pad, rows: from.channels, w, strides, flipped: true };
        return fast.run(cpu, e, b, None, d, add, room);
    }
    let Room { planes: padded, packed, offsets, sources, .. } = room;
    let (groups, channels, out) = (conv.groups, from.channels / conv.groups, conv.out / conv.groups);
    if conv.is_pointwise() {
        sources.clear();
        sources.extend((0..out).map(|o| o * depth));
        pack(cpu, w, sources, [1, channels], [0, 1], packed);
        return pointwise(cpu, [out, channels, from.places() * b], packed, None, e, d, add, offsets);
    }
    let split = [classes(conv, 0), classes(conv, 1)];
    // Places u - m of h, for all classes, begin at `low` and are `len` many.
    let reach = |a: usize| {
        let all = || split[a].iter();
        let most = all().flat_map(|c| &c.taps).map(|t| t.1).max().unwrap_or(0);
        let (low, high) = (all().map(|c| c.first).min(), all().map(|c| c.first + c.len).max());
        (low.unwrap_or(0) as isize - most as isize, high.unwrap_or(0) + most - low.unwrap_or(0))
    };
    let ((top, height), (left, width)) = (reach(0), reach(1));
    let planes = Planes::whole(to, [-top, -left], [height, width], b);
    planes.fill(cpu, e, padded);
    let row = from.width * b;
    for down in &split[0] {
        for across in &split[1] {
            offsets.clear();
            sources.clear();
            for o in 0..out {
                for &(i, m) in &down.taps {
                    for &(j, n) in &across.taps {
                        let at = |first: usize, m: usize, low: isize| (first as isize - m as isize - low) as usize;
                        let place = [at(down.first, m, top), at(across.first, n, left)];
                        offsets.push(o * planes.channel() + planes.offset(place));
                        sources.push(o * depth + i * win.kernel[1] + j);
                    }
                }
            }
            debug_assert!(down.remainder < win.stride[0] && across.remainder < win.stride[1]);
            pack(cpu, w, sources, [groups, channels], [out * depth, win.taps()], packed);
            Slide {
                packed,
                offsets,
                x: padded,
                x_group: out * planes.channel(),
                x_line: planes.line,
                groups,
                rows: channels,
                lines: down.len,
                cols: across.len * b,
                out: Out(d[down.place * row + across.place * b..].as_mut_ptr()),
                out_row: from.places() * b,
                out_line: win.stride[0] * row,
                apart: (win.stride[1] > 1).then_some([b, win.stride[1] * b]),
                bias: None,
                add,
                local: false,
            }
            .run(cpu);
        }
    }
}
