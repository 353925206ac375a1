//! Which part of a photograph a sample shows, and bringing that part to the size a network wants.
//!
//! Sizes are changed with the triangle filter, stretched when shrinking so that every pixel of the source counts: what
//! Pillow, and so torchvision, calls bilinear with antialiasing.

use super::shape::ImageShape;
use rand::RngExt;
use reclra_compute::rng::Key;

/// Share of the shorter side that is looked at when judging: a resize to 256/224 of the size, of which the centre is cut.
const CENTRE: f64 = 224.0 / 256.0;
/// Width over height of a random crop lies between the one and the other.
const RATIOS: (f64, f64) = (3.0 / 4.0, 4.0 / 3.0);

/// A random part of a photograph: a pure function of its key and the photograph's size.
#[derive(Clone, Copy, Debug)]
pub struct Zoom {
    /// Smallest share of the area, in (0, 1].
    pub least: f64,
    /// What the draw is named.
    pub key: Key,
}

/// Bytes of a picture, three channels or one, in any order of channels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) height: usize,
    pub(super) width: usize,
    /// Whether the channels of a pixel lie side by side; else each channel is a plane.
    pub(super) interleaved: bool,
}

/// A part of a picture, in pixels: the part shown, and the pixels that may be mixed into it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Window {
    top: f64,
    left: f64,
    height: f64,
    width: f64,
    /// First and last row, first and last column, the last exclusive.
    rows: (usize, usize),
    columns: (usize, usize),
}

impl Window {
    /// All of a picture.
    pub(super) fn whole(height: usize, width: usize) -> Window {
        let (h, w) = (height as f64, width as f64);
        Window { top: 0.0, left: 0.0, height: h, width: w, rows: (0, height), columns: (0, width) }
    }

    /// What is looked at when judging: of the shorter side 7/8 and as much of the longer one as the shape wants, in the
    /// middle. The same as to resize the shorter side to 8/7 of the size wanted and to cut out the centre.
    /// A picture that has the size already is shown as it is.
    pub(super) fn centre(height: usize, width: usize, shape: ImageShape) -> Window {
        if (height, width) == (shape.height, shape.width) {
            return Window::whole(height, width);
        }
        let (h, w) = (height as f64, width as f64);
        let pixel = CENTRE * (h / shape.height as f64).min(w / shape.width as f64);
        let (tall, wide) = (pixel * shape.height as f64, pixel * shape.width as f64);
        Window {
            top: (h - tall) / 2.0,
            left: (w - wide) / 2.0,
            height: tall,
            width: wide,
            ..Window::whole(height, width)
        }
    }

    /// A random part: of an area drawn uniformly between `least` and 1, with a logarithm of the ratio of its sides drawn
    /// uniformly between those of 3/4 and 4/3, anywhere. Where ten draws do not fit, the middle of the picture.
    pub(super) fn random(height: usize, width: usize, zoom: Zoom) -> Window {
        let mut rng = zoom.key.rng();
        let (least, most) = (RATIOS.0.ln(), RATIOS.1.ln());
        let part = |top: usize, left: usize, tall: usize, wide: usize| Window {
            top: top as f64,
            left: left as f64,
            height: tall as f64,
            width: wide as f64,
            rows: (top, top + tall),
            columns: (left, left + wide),
        };
        let area = (height * width) as f64;
        for _ in 0..10 {
            let share = zoom.least + (1.0 - zoom.least) * rng.random::<f64>();
            let ratio = (least + (most - least) * rng.random::<f64>()).exp();
            let wide = (area * share * ratio).sqrt().round() as usize;
            let tall = (area * share / ratio).sqrt().round() as usize;
            if (1..=width).contains(&wide) && (1..=height).contains(&tall) {
                return part(rng.random_range(0..=height - tall), rng.random_range(0..=width - wide), tall, wide);
            }
        }
        let ratio = width as f64 / height as f64;
        let (tall, wide) = if ratio < RATIOS.0 {
            (((width as f64 / RATIOS.0).round() as usize).clamp(1, height), width)
        } else if ratio > RATIOS.1 {
            (height, ((height as f64 * RATIOS.1).round() as usize).clamp(1, width))
        } else {
            (height, width)
        };
        part((height - tall) / 2, (width - wide) / 2, tall, wide)
    }
}

/// For each place of the result: the first place of the source that counts, and the weights from there on, which sum to 1.
struct Taps {
    first: Vec<usize>,
    weights: Vec<f32>,
    /// Weights of a place; those beyond its own are 0.
    each: usize,
}

/// Weights of `count` places that show `length` pixels from `start`; only pixels in `bounds` count.
fn taps(start: f64, length: f64, bounds: (usize, usize), count: usize) -> Taps {
    let scale = length / count as f64;
    let stretch = scale.max(1.0);
    let each = (2.0 * stretch).ceil() as usize + 1;
    let mut taps = Taps { first: Vec::with_capacity(count), weights: vec![0.0; count * each], each };
    for (place, weights) in taps.weights.chunks_exact_mut(each).enumerate() {
        let middle = start + (place as f64 + 0.5) * scale;
        let from = ((middle - stretch + 0.5).max(0.0) as usize).clamp(bounds.0, bounds.1 - 1);
        let to = ((middle + stretch + 0.5).max(0.0) as usize).clamp(from + 1, bounds.1).min(from + each);
        let mut sum = 0.0;
        for (n, weight) in weights.iter_mut().take(to - from).enumerate() {
            let distance = ((from + n) as f64 + 0.5 - middle).abs() / stretch;
            *weight = (1.0 - distance).max(0.0) as f32;
            sum += *weight;
        }
        if sum > 0.0 {
            weights.iter_mut().for_each(|w| *w /= sum);
        } else {
            weights[0] = 1.0;
        }
        taps.first.push(from);
    }
    taps
}

/// Brings a window of a picture to a shape: `out` is channel by channel, row by row, a byte divided by `white`. The
/// picture has the channels of the shape.
pub(super) fn show(source: Source<'_>, window: Window, shape: ImageShape, white: u8, out: &mut [f32]) {
    let (channels, height, width) = (shape.channels, shape.height, shape.width);
    let across = taps(window.left, window.width, window.columns, width);
    let down = taps(window.top, window.height, window.rows, height);
    let (top, bottom) = (down.first[0], down.first[height - 1] + down.each);
    let rows = bottom.min(window.rows.1) - top;
    // First across, row by row, only the rows that are needed: plane by plane of `rows` x `width`.
    let mut narrow = vec![0.0_f32; channels * rows * width];
    let (pixel, plane) = if source.interleaved { (channels, 1) } else { (1, source.height * source.width) };
    for row in 0..rows {
        let line = (top + row) * source.width * pixel;
        for (x, (&first, weights)) in across.first.iter().zip(across.weights.chunks_exact(across.each)).enumerate() {
            let within = across.each.min(source.width - first);
            if pixel == 3 {
                let mut sum = [0.0_f32; 3];
                for (p, &w) in source.bytes[line + 3 * first..].chunks_exact(3).zip(&weights[..within]) {
                    sum.iter_mut().zip(p).for_each(|(s, &b)| *s += w * f32::from(b));
                }
                sum.iter().enumerate().for_each(|(c, &s)| narrow[(c * rows + row) * width + x] = s);
                continue;
            }
            for c in 0..channels {
                let from = &source.bytes[line + c * plane + first * pixel..];
                let taken = from.iter().step_by(pixel).zip(&weights[..within]);
                narrow[(c * rows + row) * width + x] = taken.map(|(&b, w)| f32::from(b) * w).sum();
            }
        }
    }
    let scale = 1.0 / f32::from(white);
    for (c, image) in out.chunks_exact_mut(height * width).enumerate() {
        let lines = &narrow[c * rows * width..(c + 1) * rows * width];
        for (y, line) in image.chunks_exact_mut(width).enumerate() {
            line.fill(0.0);
            let weights = &down.weights[y * down.each..(y + 1) * down.each];
            let first = down.first[y] - top;
            for (n, &w) in weights.iter().enumerate().filter(|(_, w)| **w != 0.0) {
                let w = w * scale;
                let from = &lines[(first + n) * width..(first + n + 1) * width];
                line.iter_mut().zip(from).for_each(|(o, v)| *o += w * v);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(channels: usize, height: usize, width: usize) -> ImageShape {
        ImageShape { channels, height, width }
    }

    fn shown(bytes: &[u8], from: (usize, usize), window: Window, to: ImageShape, interleaved: bool) -> Vec<f32> {
        let mut out = vec![-1.0; to.len()];
        show(Source { bytes, height: from.0, width: from.1, interleaved }, window, to, 255, &mut out);
        out
    }

    #[test]
    fn the_whole_picture_at_its_own_size_is_itself_in_both_orders() {
        let (h, w) = (5, 7);
        let planes: Vec<u8> = (0..3 * h * w).map(|i| (i * 37 % 256) as u8).collect();
        let mixed: Vec<u8> =
            (0..h * w).flat_map(|p| (0..3).map(move |c| (c, p))).map(|(c, p)| planes[c * h * w + p]).collect();
        let want: Vec<f32> = planes.iter().map(|&b| f32::from(b) / 255.0).collect();
        for (bytes, interleaved) in [(&planes, false), (&mixed, true)] {
            let got = shown(bytes, (h, w), Window::whole(h, w), shape(3, h, w), interleaved);
            assert!(got.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-6), "{interleaved}");
        }
    }

    #[test]
    fn other_sizes_agree_with_the_image_crate() {
        let (h, w) = (61, 83);
        let bytes: Vec<u8> = (0..3 * h * w).map(|i| ((i as u64 * 2_654_435_761) >> 7) as u8).collect();
        let picture = image::RgbImage::from_raw(w as u32, h as u32, bytes.clone()).unwrap();
        for (height, width) in [(20, 30), (61, 40), (120, 100), (1, 1), (7, 200)] {
            let got = shown(&bytes, (h, w), Window::whole(h, w), shape(3, height, width), true);
            let filter = image::imageops::FilterType::Triangle;
            let want = image::imageops::resize(&picture, width as u32, height as u32, filter);
            for y in 0..height {
                for x in 0..width {
                    for c in 0..3 {
                        let (a, b) = (got[(c * height + y) * width + x] * 255.0, want[(x as u32, y as u32)].0[c]);
                        assert!((a - f32::from(b)).abs() < 1.01, "{height}x{width} at {c} {y} {x}: {a} {b}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_part_shows_nothing_of_what_lies_outside() {
        // Dark but for a bright square at rows 10..20, columns 5..25.
        let (h, w) = (30, 40);
        let bytes: Vec<u8> = (0..h * w)
            .map(|p| if (10..20).contains(&(p / w)) && (5..25).contains(&(p % w)) { 255 } else { 0 })
            .collect();
        let part = Window { top: 10.0, left: 5.0, height: 10.0, width: 20.0, rows: (10, 20), columns: (5, 25) };
        for (height, width) in [(4, 4), (10, 20), (33, 21)] {
            let got = shown(&bytes, (h, w), part, shape(1, height, width), false);
            assert!(got.iter().all(|&v| (v - 1.0).abs() < 1e-5), "{height}x{width}");
        }
    }

    #[test]
    fn the_centre_is_seven_eighths_of_the_shorter_side() {
        let window = Window::centre(256, 400, shape(3, 224, 224));
        assert_eq!((window.top, window.left, window.height, window.width), (16.0, 88.0, 224.0, 224.0));
        assert_eq!(Window::centre(224, 224, shape(3, 224, 224)), Window::whole(224, 224));
        let window = Window::centre(100, 64, shape(3, 224, 224));
        assert_eq!((window.height, window.width, window.left), (56.0, 56.0, 4.0));
    }

    #[test]
    fn random_parts_lie_within_and_are_spread_as_they_should() {
        let (h, w) = (300, 400);
        let windows: Vec<Window> =
            (0..2000).map(|i| Window::random(h, w, Zoom { least: 0.08, key: Key::new(5).child(i) })).collect();
        let (mut least, mut most, mut mean) = (1.0_f64, 0.0_f64, 0.0);
        for v in &windows {
            assert!(v.rows.1 <= h && v.columns.1 <= w && v.top + v.height <= h as f64 && v.left + v.width <= w as f64);
            let (share, ratio) = (v.height * v.width / (h * w) as f64, v.width / v.height);
            assert!((0.74..1.36).contains(&ratio), "{ratio}");
            (least, most, mean) = (least.min(share), most.max(share), mean + share / 2000.0);
        }
        assert!(least > 0.075 && least < 0.1 && most > 0.9 && (0.4..0.6).contains(&mean), "{least} {most} {mean}");
        let again = Window::random(h, w, Zoom { least: 0.08, key: Key::new(5).child(7) });
        assert_eq!(again, windows[7]);
        // A strip in which nothing of that ratio and area fits.
        let strip = Window::random(10, 1000, Zoom { least: 0.9, key: Key::new(1) });
        assert_eq!((strip.rows, strip.columns), ((0, 10), (493, 506)));
    }
}
