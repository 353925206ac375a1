//! Signals laid out for windows: padded, and split by the remainders of rows and columns by the stride, so that every tap of
//! a window is one distance in memory.
//!
//! Row y s + i d of a padded image is row y + (i d) / s of the image of those rows whose remainder by s is that of i d. So a
//! convolution with any stride and dilation reads, at every tap, stretches of whole rows of the result: (x, sample) is one
//! contiguous axis. Remainders that no tap meets are not copied.

use crate::cpu::Cpu;
use crate::cpu::out::Out;
use crate::op::maps::{Convolution, Extent, Window};
use crate::tensor::{Aligned, zeros};
use smallvec::SmallVec;

/// Numbers of a cache line.
const LINE: usize = 16;

/// How one axis of an image is split.
#[derive(Clone, Debug)]
struct Axis {
    stride: usize,
    /// Zeros in front; negative where the image is cut instead.
    pad: isize,
    side: usize,
    /// Remainders that are kept.
    kept: SmallVec<[usize; 8]>,
    /// Rows or columns of each.
    len: usize,
}

/// The layout of a padded, split signal.
#[derive(Clone, Debug)]
pub(super) struct Planes {
    axes: [Axis; 2],
    channels: usize,
    batch: usize,
    /// Numbers from a row to the next.
    pub(super) line: usize,
    /// Numbers from a plane to the next: an odd number of cache lines, so that planes do not fall upon the same places of
    /// the cache.
    plane: usize,
}

impl Planes {
    /// What the window of a convolution reads of its input.
    pub(super) fn of(from: Extent, window: &Window, to: [usize; 2], b: usize) -> Planes {
        let axis = |a: usize, side: usize| {
            let stride = window.stride[a];
            let at = |t: usize| t * window.dilation[a];
            let mut kept: SmallVec<[usize; 8]> = (0..window.kernel[a]).map(|t| at(t) % stride).collect();
            kept.sort_unstable();
            kept.dedup();
            let len = to[a] + at(window.kernel[a] - 1) / stride;
            Axis { stride, pad: window.pad[a] as isize, side, kept, len }
        };
        Planes::new([axis(0, from.height), axis(1, from.width)], from.channels, b)
    }

    /// A whole image with `pad` in front of its rows and columns, `len` of them in all.
    pub(super) fn whole(of: Extent, pad: [isize; 2], len: [usize; 2], b: usize) -> Planes {
        let axis = |a: usize, side: usize| Axis {
            stride: 1,
            pad: pad[a],
            side,
            kept: SmallVec::from_slice(&[0]),
            len: len[a],
        };
        Planes::new([axis(0, of.height), axis(1, of.width)], of.channels, b)
    }

    /// A padded image for tiles of two by two places, each of which reads four by four: even and odd columns apart.
    pub(super) fn tiles(of: Extent, pad: [usize; 2], tiles: [usize; 2], b: usize) -> Planes {
        let axis = |a: usize, stride: usize, side: usize, kept: &[usize], len: usize| {
            let (pad, kept) = (pad[a] as isize, SmallVec::from_slice(kept));
            Axis { stride, pad, side, kept, len }
        };
        let (down, across) = (2 * tiles[0] + 2, tiles[1] + 1);
        Planes::new([axis(0, 1, of.height, &[0], down), axis(1, 2, of.width, &[0, 1], across)], of.channels, b)
    }

    fn new(axes: [Axis; 2], channels: usize, batch: usize) -> Planes {
        let line = axes[1].len * batch;
        let plane = ((axes[0].len * line).div_ceil(LINE) | 1) * LINE;
        Planes { axes, channels, batch, line, plane }
    }

    /// Numbers from a channel to the next.
    pub(super) fn channel(&self) -> usize {
        self.plane * self.axes[0].kept.len() * self.axes[1].kept.len()
    }

    /// Where the place `at` steps of one into the padded image begins, within a channel.
    pub(super) fn offset(&self, at: [usize; 2]) -> usize {
        let split = |a: usize| {
            let (axis, at) = (&self.axes[a], at[a]);
            let number = axis.kept.iter().position(|&r| r == at % axis.stride).expect("a remainder that is kept");
            (number, at / axis.stride)
        };
        let ((down, y), (across, x)) = (split(0), split(1));
        (down * self.axes[1].kept.len() + across) * self.plane + y * self.line + x * self.batch
    }

    /// Distance of each tap of each channel of a group, in the order of W's columns.
    pub(super) fn distances(&self, conv: &Convolution, offsets: &mut Vec<usize>) {
        let w = conv.window;
        offsets.clear();
        for c in 0..conv.from.channels / conv.groups {
            for i in 0..w.kernel[0] {
                for j in 0..w.kernel[1] {
                    let at = self.offset([i * w.dilation[0], j * w.dilation[1]]);
                    offsets.push(c * self.channel() + at);
                }
            }
        }
    }

    /// Copies `from` into this layout.
    pub(super) fn fill(&self, cpu: &Cpu, from: &[f32], room: &mut Aligned<f32>) {
        grow(room, self.channels * self.channel());
        let to = Out(room.as_mut_ptr());
        cpu.pool.for_each(self.channels, &|c| {
            // SAFETY: one channel a task, within the room.
            let to = unsafe { std::slice::from_raw_parts_mut(to.at(c * self.channel()), self.channel()) };
            let size = self.axes[0].side * self.axes[1].side * self.batch;
            self.fill_channel(&from[c * size..(c + 1) * size], to);
        });
    }

    fn fill_channel(&self, from: &[f32], to: &mut [f32]) {
        let [down, across] = &self.axes;
        let b = self.batch;
        let row = across.side * b;
        let mut planes = to.chunks_exact_mut(self.plane);
        for &first in &down.kept {
            for &left in &across.kept {
                let Some(plane) = planes.next() else { return };
                for (q, line) in plane.chunks_exact_mut(self.line.max(1)).take(down.len).enumerate() {
                    match down.source(first, q) {
                        Some(y) => across.fill_line(left, &from[y * row..(y + 1) * row], b, line),
                        None => line.fill(0.0),
                    }
                }
            }
        }
    }
}

impl Axis {
    /// The row of the image at place `q` of a remainder; none in the padding.
    fn source(&self, remainder: usize, q: usize) -> Option<usize> {
        ((q * self.stride + remainder) as isize - self.pad).try_into().ok().filter(|&y: &usize| y < self.side)
    }

    /// One row, this axis being its columns.
    fn fill_line(&self, remainder: usize, from: &[f32], b: usize, line: &mut [f32]) {
        if self.stride == 1 {
            // Zeros, a stretch of the image, zeros.
            let first = self.pad.clamp(0, self.len as isize) as usize;
            let last = (self.pad + self.side as isize).clamp(first as isize, self.len as isize) as usize;
            line[..first * b].fill(0.0);
            line[last * b..].fill(0.0);
            if first < last {
                let begin = (first as isize - self.pad) as usize * b;
                line[first * b..last * b].copy_from_slice(&from[begin..begin + (last - first) * b]);
            }
            return;
        }
        for (q, to) in line.chunks_exact_mut(b.max(1)).enumerate() {
            match self.source(remainder, q) {
                Some(x) => to.copy_from_slice(&from[x * b..(x + 1) * b]),
                None => to.fill(0.0),
            }
        }
    }
}

/// Makes room for `len` numbers, whatever they are.
pub(super) fn grow(room: &mut Aligned<f32>, len: usize) {
    if room.len() < len {
        *room = zeros(len);
    }
}
