//! SVG plots of several runs: validation error by epoch, with bands over the seeds, and by time.

use crate::fonts;
use crate::record::Record;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Colours that stay apart for the colour-blind and in print (Okabe and Ito), then their darker kin.
const COLOURS: [(u8, u8, u8); 9] = [
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (230, 159, 0),
    (60, 60, 60),
    (140, 81, 10),
    (118, 42, 131),
];

/// Width of the axes with what belongs to them and height, in pixels; the legend stands beside them.
const SIZE: (u32, u32) = (670, 460);
/// Least width of the legend, where its names begin, and the space after the longest.
const LEGEND: u32 = 190;
const NAME: i32 = 32;
const AFTER: u32 = 12;

/// A line: name, points (x, mean, lowest, highest).
struct Line {
    name: String,
    points: Vec<(f64, f64, f64, f64)>,
}

/// The axes of a picture; y is logarithmic.
#[derive(Clone, Copy)]
struct Frame<'a> {
    log: bool,
    x: &'a str,
    y: &'a str,
    /// Where y ends; at its largest value without it.
    top: Option<f64>,
}

impl Frame<'_> {
    const ERROR: Self =
        Frame { log: false, x: "", y: "validation error %, mean and range over seeds", top: Some(100.0) };
}

/// A name and points (x, y).
pub(crate) type Curve = (String, Vec<(f64, f64)>);

/// Curves over two logarithmic axes.
pub(crate) fn log_log(curves: &[Curve], x: &str, y: &str) -> Result<String, String> {
    let line = |(name, points): &Curve| Line {
        name: name.clone(),
        points: points.iter().map(|&(x, y)| (x, y, y, y)).collect(),
    };
    draw(&curves.iter().map(line).collect::<Vec<_>>(), &Frame { log: true, x, y, top: None })
}

/// What one line shows: its name, and one record a seed.
pub(crate) type Seeds<'a> = (String, Vec<&'a Record>);

/// Error by epoch; the band reaches from the lowest to the highest seed.
pub(crate) fn by_epoch(all: &[Seeds<'_>]) -> Result<String, String> {
    draw(&lines(all, |epoch, _| epoch as f64), &Frame { log: false, x: "epoch", ..Frame::ERROR })
}

/// Error by seconds of training, evaluation included, on a logarithmic axis: rules may be ten times apart.
pub(crate) fn by_time(all: &[Seeds<'_>]) -> Result<String, String> {
    draw(&lines(all, |_, seconds| seconds), &Frame { log: true, x: "seconds", ..Frame::ERROR })
}

/// `x` of (epoch, mean seconds since the start).
fn lines(all: &[Seeds<'_>], x: impl Fn(usize, f64) -> f64) -> Vec<Line> {
    let line = |(name, records): &Seeds<'_>| {
        let epochs = records.iter().map(|r| r.epochs.len()).min().unwrap_or(0);
        let mut points = Vec::new();
        let mut seconds = 0.0;
        for n in 0..epochs {
            let at: Vec<_> = records.iter().map(|r| &r.epochs[n]).collect();
            seconds += at.iter().map(|e| e.seconds).sum::<f64>() / at.len() as f64;
            let errors: Option<Vec<f64>> = at.iter().map(|e| e.validation_error.map(|v| 100.0 * v)).collect();
            if let Some(errors) = errors {
                let mean = errors.iter().sum::<f64>() / errors.len() as f64;
                let (low, high) = errors.iter().fold((f64::INFINITY, 0.0), |(l, h), &e| (e.min(l), e.max(h)));
                points.push((x(n + 1, seconds), mean, low, high));
            }
        }
        Line { name: name.clone(), points }
    };
    all.iter().map(line).filter(|l| !l.points.is_empty()).collect()
}

/// Lines over a logarithmic error axis, with a legend on the right.
fn draw(lines: &[Line], frame: &Frame<'_>) -> Result<String, String> {
    fonts::register()?;
    let mut svg = String::new();
    let size = (SIZE.0 + legend_width(lines)?, SIZE.1);
    {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        draw_on(&root, lines, frame).map_err(|e| e.to_string())?;
        root.present().map_err(|e| e.to_string())?;
    }
    Ok(svg)
}

/// Black letters of that size.
fn font(size: i32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&BLACK)
}

/// As wide as the longest name needs, so that none is cut off.
fn legend_width(lines: &[Line]) -> Result<u32, String> {
    let mut width = LEGEND;
    for line in lines {
        let ((left, _), (right, _)) = font(13).font.layout_box(&line.name).map_err(|e| e.to_string())?;
        width = width.max(NAME as u32 + (right - left).max(0) as u32 + AFTER);
    }
    Ok(width)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// 1, 2 and 5 times the powers of ten between two numbers.
fn round_numbers(from: f64, to: f64) -> Vec<f64> {
    let powers = (from.max(1e-9).log10().floor() as i32)..=(to.max(1e-9).log10().ceil() as i32);
    let all = powers.flat_map(|p| [1.0, 2.0, 5.0].map(|m| m * 10_f64.powi(p)));
    all.filter(|v| (from..=to).contains(v)).collect()
}

/// A linear or logarithmic axis with round numbers on it.
#[derive(Clone)]
struct Axis {
    range: std::ops::Range<f64>,
    log: bool,
    marks: Vec<f64>,
}

impl Axis {
    fn new(from: f64, to: f64, log: bool) -> Axis {
        let marks = if log {
            round_numbers(from, to)
        } else {
            let step = round_numbers(1.0, 1e9).into_iter().find(|s| *s >= (to - from) / 10.0).unwrap_or(1e9);
            (0..=10).map(|n| f64::from(n) * step).filter(|v| (from..=to).contains(v)).collect()
        };
        Axis { range: from..to, log, marks }
    }
}

impl Ranged for Axis {
    type FormatOption = plotters::coord::ranged1d::NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let place = |v: f64| if self.log { v.max(1e-9).ln() } else { v };
        let (from, to) = (place(self.range.start), place(self.range.end));
        let share = (place(*value) - from) / (to - from);
        limit.0 + (f64::from(limit.1 - limit.0) * share).round() as i32
    }

    fn key_points<H: plotters::coord::ranged1d::KeyPointHint>(&self, _: H) -> Vec<f64> {
        self.marks.clone()
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.range.clone()
    }
}

impl plotters::coord::ranged1d::ValueFormatter<f64> for Axis {
    fn format(value: &f64) -> String {
        format!("{}", (value * 1000.0).round() / 1000.0)
    }
}

fn draw_on(root: &Area<'_>, lines: &[Line], frame: &Frame<'_>) -> Result<(), Box<dyn std::error::Error>> {
    root.fill(&WHITE)?;
    let all = || lines.iter().flat_map(|l| &l.points);
    let right = all().map(|p| p.0).fold(0.0, f64::max);
    let left = all().map(|p| p.0).fold(f64::INFINITY, f64::min).min(right);
    // An error of none at all has no place on a logarithmic axis: the floor is half the smallest there is.
    let top = frame.top.unwrap_or_else(|| 1.2 * all().map(|p| p.3).fold(1e-9, f64::max));
    let smallest = all().flat_map(|p| [p.1, p.2]).filter(|&e| e > 0.0).fold(top, f64::min);
    let floor = (smallest * 0.8).min(0.5 * top);
    let x_axis = Axis::new(left, right.max(left + 1e-9), frame.log);
    let (plot, legend) = root.split_horizontally(SIZE.0);
    let mut chart = ChartBuilder::on(&plot)
        .margin(14)
        .x_label_area_size(40)
        .y_label_area_size(58)
        .build_cartesian_2d(x_axis, Axis::new(floor, top, true))?;
    let grey = RGBColor(225, 225, 225);
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(grey)
        .x_desc(frame.x)
        .y_desc(frame.y)
        .label_style(font(13))
        .axis_desc_style(font(14))
        .draw()?;
    for (n, line) in lines.iter().enumerate() {
        let (r, g, b) = COLOURS[n % COLOURS.len()];
        let colour = RGBColor(r, g, b);
        let band: Vec<(f64, f64)> = (line.points.iter().map(|p| (p.0, p.2.max(floor))))
            .chain(line.points.iter().rev().map(|p| (p.0, p.3.max(floor))))
            .collect();
        chart.draw_series(std::iter::once(Polygon::new(band, colour.mix(0.15))))?;
        chart
            .draw_series(LineSeries::new(line.points.iter().map(|p| (p.0, p.1.max(floor))), colour.stroke_width(2)))?;
        let top = 24 + 22 * n as i32;
        legend.draw(&PathElement::new([(4, top), (26, top)], colour.stroke_width(3)))?;
        let style = font(13).pos(Pos::new(HPos::Left, VPos::Center));
        legend.draw(&Text::new(line.name.clone(), (NAME, top), style))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_fits_into_the_legend() {
        let width = |name: &str| {
            let svg = log_log(&[(name.to_owned(), vec![(1.0, 1.0), (2.0, 3.0)])], "x", "y").unwrap();
            assert!(svg.contains(name) || name.len() > 20, "{svg}");
            svg.split_once("width=\"").unwrap().1.split_once('"').unwrap().0.parse::<u32>().unwrap()
        };
        assert_eq!(width("short"), SIZE.0 + LEGEND);
        let long = width("gap wiring, net.arch = 784-8x128-10, optim.lr = 0.001, a name that is long");
        assert!(long > SIZE.0 + 400 && long < SIZE.0 + 700, "{long}");
    }
}
