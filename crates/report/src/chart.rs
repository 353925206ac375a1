//! Line charts as SVG whose colours follow the theme of the page. What a plotting library draws has colours of its own and
//! no way to ask for a value; these carry their numbers along, so that the page's script can show them.

use super::scale::{Kind, Scale};
use maud::{Markup, PreEscaped, html};
use reclra_data::text::short;
use std::fmt::Write as _;

/// Width and height of a drawing, and its margins: top, right, bottom, left.
const SIZE: (f64, f64) = (440.0, 250.0);
const MARGIN: (f64, f64, f64, f64) = (10.0, 12.0, 40.0, 52.0);
/// Points of a line beyond which neighbours are put together.
const POINTS: usize = 400;
/// Colours there are in the style sheet.
pub(super) const COLOURS: usize = 8;

/// A point of a line: x, and the mean, lowest and highest of what lies there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) mean: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Point {
    /// One value.
    pub(super) fn of(x: f64, y: f64) -> Point {
        Point { x, mean: y, low: y, high: y }
    }
}

/// A line with its name.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) colour: usize,
    pub(super) dashed: bool,
    pub(super) points: Vec<Point>,
}

/// Which axes y has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    Linear,
    Log,
    /// The reader chooses; linear at first.
    Either,
}

/// A chart.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    /// Unique on the page.
    pub(super) id: String,
    pub(super) title: String,
    pub(super) x: &'static str,
    /// Unit of y, for the tooltip; may be empty.
    pub(super) unit: &'static str,
    pub(super) axis: Axis,
    pub(super) series: Vec<Series>,
}

impl Chart {
    /// The chart as a figure; nothing if there is no number to show.
    pub(super) fn markup(mut self) -> Markup {
        for s in &mut self.series {
            s.points.retain(|p| p.x.is_finite() && p.mean.is_finite() && p.low.is_finite() && p.high.is_finite());
            s.points = thinned(&s.points, POINTS);
        }
        self.series.retain(|s| !s.points.is_empty());
        if self.series.is_empty() {
            return html! {};
        }
        let zeros = self.series.iter().flat_map(|s| &s.points).any(|p| p.low <= 0.0);
        let id = &self.id;
        html! {
            figure.chart id=(id) {
                figcaption { (self.title) @if !self.unit.is_empty() { ", " (self.unit) } }
                @if self.axis == Axis::Either {
                    input.to-linear type="radio" name={ (id) "-axis" } id={ (id) "-linear" } checked;
                    label for={ (id) "-linear" } { "linear" }
                    input.to-log type="radio" name={ (id) "-axis" } id={ (id) "-log" };
                    label for={ (id) "-log" } { "logarithmic" }
                }
                (self.legend())
                div.plot tabindex="0" role="group" aria-label={ (self.title) ": arrow keys show values" } {
                    @if self.axis != Axis::Log { div.linear { (self.drawing(Kind::Linear)) } }
                    @if self.axis != Axis::Linear { div.log { (self.drawing(Kind::Log)) } }
                    div.tip role="status" hidden {}
                }
                @if zeros && self.axis != Axis::Linear {
                    p.small.log-note { "Zero has no place on a logarithmic axis and is drawn on the bottom line." }
                }
                script type="application/json" { (PreEscaped(self.numbers())) }
            }
        }
    }

    fn legend(&self) -> Markup {
        if self.series.len() == 1 {
            // The title says it.
            return html! {};
        }
        html! {
            ul.legend {
                @for s in &self.series {
                    li {
                        svg.swatch width="22" height="10" aria-hidden="true" {
                            line.line.dashed[s.dashed] style=(colour(s.colour)) x1="0" y1="5" x2="22" y2="5" {}
                        }
                        (s.name)
                    }
                }
            }
        }
    }

    fn places(&self, kind: Kind) -> (Scale, Scale) {
        let points = || self.series.iter().flat_map(|s| &s.points);
        let x = Scale::over(points().map(|p| p.x), Kind::Linear, false, (MARGIN.3, SIZE.0 - MARGIN.1));
        let values = points().flat_map(|p| [p.low, p.high, p.mean]);
        (x, Scale::over(values, kind, true, (SIZE.1 - MARGIN.2, MARGIN.0)))
    }

    fn drawing(&self, kind: Kind) -> Markup {
        let (x, y) = self.places(kind);
        let (left, right, bottom) = (MARGIN.3, SIZE.0 - MARGIN.1, SIZE.1 - MARGIN.2);
        let labelled = |scale: &Scale, ticks: Vec<f64>| scale.labels(&ticks).into_iter().zip(ticks);
        html! {
            svg viewBox={ "0 0 " (SIZE.0) " " (SIZE.1) } role="img" aria-label=(self.summary()) {
                g.grid {
                    @let marks = if self.unit == "\u{b0}" { y.angles() } else { y.ticks(5) };
                    @for (label, v) in labelled(&y, marks) {
                        @let at = rounded(y.at(v));
                        line x1=(left) x2=(right) y1=(at) y2=(at) {}
                        text x=(left - 6.0) y=(at) dy="0.34em" text-anchor="end" { (label) }
                    }
                    @for (label, v) in labelled(&x, x.whole_ticks(6)) {
                        @let at = rounded(x.at(v));
                        line x1=(at) x2=(at) y1=(bottom) y2=(bottom + 4.0) {}
                        text x=(at) y=(bottom + 18.0) text-anchor="middle" { (label) }
                    }
                    text x=((left + right) / 2.0) y=(SIZE.1 - 4.0) text-anchor="middle" { (self.x) }
                }
                @for s in &self.series { (line(s, &x, &y)) }
                line.cursor y1=(MARGIN.0) y2=(bottom) visibility="hidden" {}
            }
        }
    }

    /// What the drawing shows, in a sentence.
    fn summary(&self) -> String {
        let mut text = format!("Line chart: {} by {}.", self.title, self.x);
        for s in &self.series {
            let (first, last) = (s.points[0], s.points[s.points.len() - 1]);
            let (from, to, unit) = (short(first.mean), short(last.mean), self.unit);
            let _ = write!(text, " {} goes from {from} to {to} {unit}", s.name);
            text = format!("{}.", text.trim_end());
        }
        text
    }

    /// For the script: where x lies, and the values of each line. No `<` can end the element it stands in.
    fn numbers(&self) -> String {
        let (x, _) = self.places(Kind::Linear);
        let lines: Vec<_> = self
            .series
            .iter()
            .map(|s| {
                let points: Vec<_> = s.points.iter().map(|p| [p.x, p.mean, p.low, p.high]).collect();
                let at: Vec<f64> = s.points.iter().map(|p| rounded(x.at(p.x))).collect();
                serde_json::json!({ "name": s.name, "colour": colour(s.colour), "at": at, "points": points })
            })
            .collect();
        serde_json::json!({ "x": self.x, "unit": self.unit, "lines": lines }).to_string().replace('<', "\\u003c")
    }
}

/// The colour of that number as a style; they come again after the last.
pub(super) fn colour(n: usize) -> String {
    format!("--c:var(--c{})", n % COLOURS)
}

/// A tenth of a unit is finer than the eye.
pub(super) fn rounded(v: f64) -> f64 {
    (v * 10.0).round() / 10.0
}

fn line(s: &Series, x: &Scale, y: &Scale) -> Markup {
    let place = |p: &Point, v: f64| format!("{},{}", rounded(x.at(p.x)), rounded(y.at(v)));
    let joined = |places: Vec<String>| places.join(" ");
    let mean = joined(s.points.iter().map(|p| place(p, p.mean)).collect());
    let wide = s.points.iter().any(|p| p.high > p.low);
    let (low, high) = (s.points.iter().map(|p| place(p, p.low)), s.points.iter().rev().map(|p| place(p, p.high)));
    html! {
        g style=(colour(s.colour)) {
            @if wide { polygon.band points=(joined(low.chain(high).collect())) {} }
            @if let [p] = &s.points[..] {
                circle.dot cx=(rounded(x.at(p.x))) cy=(rounded(y.at(p.mean))) r="3.5" {}
            } @else {
                polyline.line.dashed[s.dashed] points=(mean) {}
            }
        }
    }
}

/// At most so many points: neighbours become one with their mean, lowest and highest.
fn thinned(points: &[Point], most: usize) -> Vec<Point> {
    let every = points.len().div_ceil(most.max(1)).max(1);
    let one = |chunk: &[Point]| {
        let mean = |of: fn(&Point) -> f64| chunk.iter().map(of).sum::<f64>() / chunk.len() as f64;
        Point {
            x: mean(|p| p.x),
            mean: mean(|p| p.mean),
            low: chunk.iter().map(|p| p.low).fold(f64::INFINITY, f64::min),
            high: chunk.iter().map(|p| p.high).fold(f64::NEG_INFINITY, f64::max),
        }
    };
    points.chunks(every).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<Point>, name: &str) -> Chart {
        let series = vec![Series { name: name.to_owned(), colour: 0, dashed: false, points }];
        Chart { id: "c".into(), title: "error".into(), x: "epoch", unit: "%", axis: Axis::Either, series }
    }

    #[test]
    fn many_points_become_few_that_keep_the_extremes() {
        let points: Vec<Point> = (0..1000).map(|i| Point::of(f64::from(i), f64::from(i % 10))).collect();
        let few = thinned(&points, 100);
        assert_eq!(few.len(), 100);
        assert_eq!(few[0], Point { x: 4.5, mean: 4.5, low: 0.0, high: 9.0 });
        assert_eq!(thinned(&points[..7], 100), points[..7]);
    }

    #[test]
    fn the_numbers_go_along_and_cannot_leave_their_element() {
        let text = chart(vec![Point::of(1.0, 4.0), Point::of(2.0, 0.0)], "</script><b>").markup().into_string();
        assert_eq!(text.matches("<script").count(), 1);
        assert_eq!(text.matches("</script>").count(), 1);
        let json = text.split_once("json\">").unwrap().1.split_once("</script>").unwrap().0;
        let numbers: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(numbers["lines"][0]["name"], "</script><b>");
        assert_eq!(numbers["lines"][0]["points"][1], serde_json::json!([2.0, 0.0, 0.0, 0.0]));
        assert!(text.contains("goes from 4 to 0 %.") && text.contains("bottom line"), "{text}");
    }

    #[test]
    fn what_is_not_finite_is_left_out() {
        assert_eq!(chart(vec![Point::of(1.0, f64::NAN)], "a").markup().into_string(), "");
        let text = chart(vec![Point::of(1.0, f64::INFINITY), Point::of(2.0, 1.0)], "a").markup().into_string();
        assert!(text.contains("<circle") && !text.contains("NaN") && !text.contains("inf"), "{text}");
    }
}
