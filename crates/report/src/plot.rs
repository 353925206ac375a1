//! SVG plots of several runs: validation error by epoch, with bands over the seeds, and by time.

use crate::fonts;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use reclra_data::text::short;
use reclra_train::compare::{CompareError, Results};
use reclra_train::record::Seeds;
use std::path::Path;

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

/// Width of the axes with what belongs to them and least height, in pixels; the legend stands beside them.
const SIZE: (u32, u32) = (670, 460);
/// Least width of the legend, where its names begin, and the space after the longest.
const LEGEND: u32 = 190;
const NAME: i32 = 32;
const AFTER: u32 = 12;
/// Middle of the first line of the legend, and the distance between lines.
const FIRST: u32 = 24;
const ROW: u32 = 22;
/// Text of a plot without a line, as where no image validates.
const EMPTY: &str = "no run has figures for this plot";
/// Marks that an axis has at least, and at most.
const MARKS: std::ops::RangeInclusive<usize> = 5..=12;

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

/// The label of the validation error: of several runs a line, their mean and range over the `units`, seeds or folds.
fn error(all: &[Seeds<'_>], units: &str) -> String {
    match all.iter().any(|(_, records)| records.len() > 1) {
        true => format!("validation error %, mean and range over {units}"),
        false => "validation error %".to_owned(),
    }
}

/// A name and points (x, y).
pub type Curve = (String, Vec<(f64, f64)>);

/// Curves over two logarithmic axes.
///
/// # Errors
/// If they could not be drawn.
pub fn log_log(curves: &[Curve], x: &str, y: &str) -> Result<String, String> {
    let line = |(name, points): &Curve| Line {
        name: name.clone(),
        points: points.iter().map(|&(x, y)| (x, y, y, y)).collect(),
    };
    draw(&curves.iter().map(line).collect::<Vec<_>>(), &Frame { log: true, x, y, top: None })
}

/// Error by epoch; the band reaches from the lowest to the highest of a line's `units`, seeds or folds.
///
/// # Errors
/// If it could not be drawn.
pub fn by_epoch(all: &[Seeds<'_>], units: &str) -> Result<String, String> {
    let y = &error(all, units);
    draw(&lines(all, |epoch, _| epoch as f64), &Frame { log: false, x: "epoch", y, top: Some(100.0) })
}

/// Error by seconds of training, evaluation included, on a logarithmic axis: rules may be ten times apart.
///
/// # Errors
/// If it could not be drawn.
pub fn by_time(all: &[Seeds<'_>], units: &str) -> Result<String, String> {
    let y = &error(all, units);
    draw(&lines(all, |_, seconds| seconds), &Frame { log: true, x: "wall-clock time, seconds", y, top: Some(100.0) })
}

/// The plots of a comparison in a folder, by epoch and by time.
///
/// # Errors
/// Names the plot that could not be drawn.
pub fn of_comparison(results: &Results<'_>, folder: &Path) -> Result<[String; 2], CompareError> {
    let (series, units) = (results.series(), format!("{}s", results.unit()));
    let failed = |name: &str| {
        let path = folder.join(name);
        move |e| CompareError::Plot(path, e)
    };
    let by_epoch = by_epoch(&series, &units).map_err(failed("error-by-epoch.svg"))?;
    Ok([by_epoch, by_time(&series, &units).map_err(failed("error-by-time.svg"))?])
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
    let size = (SIZE.0 + legend_width(lines)?, SIZE.1.max(FIRST + ROW * lines.len() as u32));
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

/// Multiples of the powers of ten between two numbers; an end counts even if it was rounded.
fn round_numbers(multiples: &[f64], from: f64, to: f64) -> Vec<f64> {
    let powers = (from.max(1e-9).log10().floor() as i32)..=(to.max(1e-9).log10().ceil() as i32);
    // 3 / 10 is 0.3, 3 * 0.1 is not.
    let times = |m: f64, p: i32| if p < 0 { m / 10_f64.powi(-p) } else { m * 10_f64.powi(p) };
    let all = powers.flat_map(|p| multiples.iter().map(move |&m| times(m, p)));
    all.filter(|v| (from..=to).contains(v)).collect()
}

/// Multiples of a round step, 1 at least for `whole` numbers.
fn multiples(from: f64, to: f64, whole: bool) -> Vec<f64> {
    let rough = (to - from) / 10.0;
    let steps = round_numbers(&[1.0, 2.0, 5.0], if whole { 1.0 } else { rough.max(1e-9) }, 1e12);
    let step = steps.into_iter().find(|s| *s >= rough).unwrap_or(1e12);
    let (first, last) = ((from / step).ceil() as i64, (to / step).floor() as i64);
    (first..=last).map(|n| if step < 1.0 { n as f64 / (1.0 / step).round() } else { n as f64 * step }).collect()
}

/// Marks of a logarithmic axis: powers of ten, or as many multiples of them as a short range needs.
fn log_marks(from: f64, to: f64) -> Vec<f64> {
    let sets: [&[f64]; 4] =
        [&[1.0], &[1.0, 2.0, 5.0], &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]];
    let enough = |marks: &Vec<f64>| marks.len() >= *MARKS.start();
    let marks = sets.iter().map(|s| round_numbers(s, from, to)).find(enough);
    let marks = marks.unwrap_or_else(|| multiples(from, to, false));
    let every = marks.len().div_ceil(*MARKS.end()).max(1);
    marks.into_iter().step_by(every).collect()
}

/// A linear axis of whole numbers, or a logarithmic axis, with round numbers on it.
#[derive(Clone)]
struct Axis {
    range: std::ops::Range<f64>,
    log: bool,
    marks: Vec<f64>,
}

impl Axis {
    fn new(from: f64, to: f64, log: bool) -> Axis {
        let marks = if log { log_marks(from, to) } else { multiples(from, to, true) };
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
        short(*value)
    }
}

fn draw_on(root: &Area<'_>, lines: &[Line], frame: &Frame<'_>) -> Result<(), Box<dyn std::error::Error>> {
    root.fill(&WHITE)?;
    let all = || lines.iter().flat_map(|l| &l.points);
    let right = all().map(|p| p.0).fold(0.0, f64::max);
    let left = all().map(|p| p.0).filter(|&x| x > 0.0 || !frame.log).fold(f64::INFINITY, f64::min).min(right);
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
    if lines.is_empty() {
        let style = font(14).pos(Pos::new(HPos::Center, VPos::Center));
        root.draw(&Text::new(EMPTY, (SIZE.0 as i32 / 2, SIZE.1 as i32 / 2), style))?;
    }
    for (n, line) in lines.iter().enumerate() {
        let (r, g, b) = COLOURS[n % COLOURS.len()];
        let colour = RGBColor(r, g, b);
        let band: Vec<(f64, f64)> = (line.points.iter().map(|p| (p.0, p.2.max(floor))))
            .chain(line.points.iter().rev().map(|p| (p.0, p.3.max(floor))))
            .collect();
        chart.draw_series(std::iter::once(Polygon::new(band, colour.mix(0.15))))?;
        let points = line.points.iter().map(|p| (p.0, p.1.max(floor)));
        // One point makes no line; after the last color they begin again, with dashes.
        let (dashed, top) = (n >= COLOURS.len(), (FIRST + ROW * n as u32) as i32);
        let sample = [(4, top), (26, top)];
        match &line.points[..] {
            [_] => chart.draw_series(points.map(|p| Circle::new(p, 4, colour.filled())))?,
            _ if dashed => chart.draw_series(DashedLineSeries::new(points, 6, 4, colour.stroke_width(2)))?,
            _ => chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?,
        };
        if dashed {
            legend.draw(&DashedPathElement::new(sample, 6, 4, colour.stroke_width(3)))?;
        } else {
            legend.draw(&PathElement::new(sample, colour.stroke_width(3)))?;
        }
        let style = font(13).pos(Pos::new(HPos::Left, VPos::Center));
        legend.draw(&Text::new(line.name.clone(), (NAME, top), style))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curves(n: usize, points: &[(f64, f64)]) -> Vec<Curve> {
        (0..n).map(|i| (format!("curve {i}"), points.to_vec())).collect()
    }

    fn attribute(svg: &str, name: &str) -> u32 {
        svg.split_once(&format!("{name}=\"")).unwrap().1.split_once('"').unwrap().0.parse().unwrap()
    }

    #[test]
    fn the_longest_name_fits_into_the_legend() {
        let width = |name: &str| {
            let svg = log_log(&[(name.to_owned(), vec![(1.0, 1.0), (2.0, 3.0)])], "x", "y").unwrap();
            assert!(svg.contains(name) || name.len() > 20, "{svg}");
            attribute(&svg, "width")
        };
        assert_eq!(width("short"), SIZE.0 + LEGEND);
        let long = width("gap wiring, net.arch = 784-8x128-10, optim.lr = 0.001, a name that is long");
        assert!(long > SIZE.0 + 400 && long < SIZE.0 + 700, "{long}");
    }

    #[test]
    fn all_names_fit_into_the_height_and_no_two_lines_look_alike() {
        let few = log_log(&curves(8, &[(1.0, 1.0), (2.0, 3.0)]), "x", "y").unwrap();
        assert_eq!(attribute(&few, "height"), SIZE.1);
        let many = log_log(&curves(45, &[(1.0, 1.0), (2.0, 3.0)]), "x", "y").unwrap();
        assert!(attribute(&many, "height") >= FIRST + 44 * ROW + 10, "{}", attribute(&many, "height"));
        // A line of dashes is many short ones.
        let lines = |svg: &str| svg.matches("<polyline").count();
        let one = |n| log_log(&curves(n, &[(1.0, 1.0), (2.0, 3.0)]), "x", "y").unwrap();
        assert!(lines(&one(10)) > lines(&one(9)) + 10);
    }

    #[test]
    fn a_plot_of_nothing_says_so() {
        assert!(draw(&[], &Frame { log: false, x: "epoch", y: "error", top: Some(100.0) }).unwrap().contains(EMPTY));
        assert!(!log_log(&curves(1, &[(1.0, 3.0)]), "x", "y").unwrap().contains(EMPTY));
    }

    #[test]
    fn one_point_is_seen() {
        let svg = log_log(&curves(2, &[(1.0, 3.0)]), "x", "y").unwrap();
        assert_eq!(svg.matches("<circle").count(), 2, "{svg}");
    }

    #[test]
    fn every_axis_has_enough_round_marks_and_not_too_many() {
        assert_eq!(log_marks(30.0, 100.0), [30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0]);
        assert_eq!(log_marks(12.0, 100.0), [15.0, 20.0, 30.0, 50.0, 70.0, 100.0]);
        assert_eq!(log_marks(1.4, 100.0), [2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
        assert_eq!(log_marks(80.0, 100.0), [80.0, 82.0, 84.0, 86.0, 88.0, 90.0, 92.0, 94.0, 96.0, 98.0, 100.0]);
        assert_eq!(log_marks(1e-3, 1e3), [0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0]);
        assert_eq!(multiples(1.0, 20.0, true), [2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 18.0, 20.0]);
        assert_eq!(multiples(1.0, 3.0, true), [1.0, 2.0, 3.0]);
        assert_eq!(multiples(0.1, 0.5, false).len(), 9);
        for (from, ratio) in
            [1e-6, 0.03, 0.3, 1.0, 7.0, 64.0, 99.0].iter().flat_map(|f| [1.25, 2.0, 9.0, 80.0, 1e9].map(|r| (*f, r)))
        {
            let marks = log_marks(from, from * ratio);
            assert!(MARKS.contains(&marks.len()), "{from} {ratio} {marks:?}");
        }
    }

    #[test]
    fn small_numbers_on_an_axis_are_not_zero() {
        let svg = log_log(&curves(1, &[(2e-4, 1.0), (3e-3, 3.0)]), "x", "y").unwrap();
        assert!(svg.contains("0.0005") && !svg.contains(">\n0\n<"), "{svg}");
    }
}
