//! Turning signals: from channels, each with its places side by side, to places, each with its channels side by side.

use crate::cpu::Cpu;
use crate::cpu::out::Out;
use crate::cpu::simd::Level;

/// Places that one task turns.
const TURNED: usize = 1024;

/// Numbers that are turned together.
pub(super) const SQUARE: usize = 16;

/// Turns e, `groups` times `out` channels of `places` numbers: panels of `width` channels, place by place. Channels that do
/// not exist are zeros.
pub(super) fn turn(cpu: &Cpu, e: &[f32], [groups, out, places, width]: [usize; 4], to: Out) {
    let (panels, parts) = (out.div_ceil(width), places.div_ceil(TURNED));
    let wide = cpu.level == Level::Avx512;
    cpu.pool.for_each(groups * panels * parts, &|t| {
        let (panel, first) = (t / parts, t % parts * TURNED);
        let (group, channel) = (panel / panels, panel % panels * width);
        let places_here = TURNED.min(places - first);
        let from = &e[(group * out + channel) * places + first..];
        // SAFETY: these places of this panel are this task's alone, within the room.
        let to =
            unsafe { std::slice::from_raw_parts_mut(to.at((panel * places + first) * width), places_here * width) };
        turn_places(from, [places, width.min(out - channel)], width, to, wide);
    });
}

/// Some places of some channels, which lie `row` apart and of which there are `there`.
fn turn_places(from: &[f32], [row, there]: [usize; 2], width: usize, to: &mut [f32], wide: bool) {
    let places = to.len() / width;
    for first in (0..places).step_by(SQUARE) {
        let len = SQUARE.min(places - first);
        for channel in (0..width).step_by(SQUARE) {
            let rows = there.saturating_sub(channel).min(SQUARE);
            let from = if rows > 0 { &from[channel * row + first..] } else { &[] };
            let to = to[first * width + channel..].as_mut_ptr();
            // SAFETY: the places and channels of this square lie within `to`, which holds `width` channels a place.
            unsafe { turn_square(from, [row, rows], len, to, width, wide) };
        }
    }
}

/// Turns `len` places of `rows` channels, which lie `row` apart, sixteen at most of both; channels from there to the sixteenth
/// become zeros.
///
/// # Safety
/// Sixteen numbers can be written, by nobody else, at each of `len` places that lie `width` apart; if `wide`, there is AVX-512.
pub(super) unsafe fn turn_square(
    from: &[f32],
    [row, rows]: [usize; 2],
    len: usize,
    to: *mut f32,
    width: usize,
    wide: bool,
) {
    #[cfg(target_arch = "x86_64")]
    if wide && len == SQUARE && rows == SQUARE {
        assert!((SQUARE - 1) * row + SQUARE <= from.len());
        // SAFETY: there is AVX-512, and the rows of both squares can be read or written.
        return unsafe { square(from.as_ptr(), row, to, width) };
    }
    let _ = wide;
    for r in 0..SQUARE {
        for p in 0..len {
            let v = if r < rows { from[r * row + p] } else { 0.0 };
            // SAFETY: the caller's promise.
            unsafe { *to.add(p * width + r) = v };
        }
    }
}

/// Turns a square of 16 x 16 numbers, whose rows lie `row` and `width` apart: pairs, then fours, then quarters of a vector.
///
/// # Safety
/// There is AVX-512; 16 numbers can be read, or written, in each of the 16 rows.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn square(from: *const f32, row: usize, to: *mut f32, width: usize) {
    use std::arch::x86_64::{
        __m512, _mm512_castpd_ps, _mm512_castps_pd, _mm512_loadu_ps, _mm512_shuffle_f32x4, _mm512_storeu_ps,
        _mm512_unpackhi_pd, _mm512_unpackhi_ps, _mm512_unpacklo_pd, _mm512_unpacklo_ps,
    };
    // SAFETY: the caller's promise.
    let rows: [__m512; 16] = std::array::from_fn(|r| unsafe { _mm512_loadu_ps(from.add(r * row)) });
    // Quarter q of fours[4 g + c]: column 4 q + c of rows 4 g..4 g + 4.
    let mut fours = rows;
    for g in 0..4 {
        let [a, b, c, d] = [0, 1, 2, 3].map(|r| rows[4 * g + r]);
        let pd = |x: __m512| _mm512_castps_pd(x);
        let (low, high) = (_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
        let (low2, high2) = (_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
        fours[4 * g] = _mm512_castpd_ps(_mm512_unpacklo_pd(pd(low), pd(low2)));
        fours[4 * g + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(pd(low), pd(low2)));
        fours[4 * g + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(pd(high), pd(high2)));
        fours[4 * g + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(pd(high), pd(high2)));
    }
    for c in 0..4 {
        let [a, b, e, f] = [0, 1, 2, 3].map(|g| fours[4 * g + c]);
        // Quarters 0 and 2, 1 and 3 of two rows, then those of four.
        let (even, odd) = (_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0xdd>(a, b));
        let (even2, odd2) = (_mm512_shuffle_f32x4::<0x88>(e, f), _mm512_shuffle_f32x4::<0xdd>(e, f));
        let columns = [
            (0, _mm512_shuffle_f32x4::<0x88>(even, even2)),
            (8, _mm512_shuffle_f32x4::<0xdd>(even, even2)),
            (4, _mm512_shuffle_f32x4::<0x88>(odd, odd2)),
            (12, _mm512_shuffle_f32x4::<0xdd>(odd, odd2)),
        ];
        for (at, column) in columns {
            // SAFETY: the caller's promise.
            unsafe { _mm512_storeu_ps(to.add((at + c) * width), column) };
        }
    }
}
