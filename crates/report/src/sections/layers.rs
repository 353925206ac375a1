//! Region by region: its part of the discrepancy, its mean |e|, the angle between its update and the gradient.

use crate::chart::{Axis, COLOURS, Chart, Point, Series};
use crate::parts::each;
use crate::subject::Subject;
use maud::{Markup, html};
use reclra_train::fit::EpochReport;

pub(crate) fn section(runs: &[Subject<'_>]) -> Markup {
    each(runs, |n, run| {
        let epochs = &run.view.record.epochs;
        if epochs.iter().all(|e| e.layers.is_empty() && e.alignment.is_empty()) {
            return html! { p.absent { "No epoch has figures by layer." } };
        }
        let chart = |id: &str, title: &str, unit, axis, series| {
            let id = format!("chart-layer-{id}-{n}");
            Chart { id, title: title.to_owned(), x: "epoch", unit, axis, series }.markup()
        };
        html! {
            p {
                "The discrepancy of a region is how far its activity lies from its target; mean |e| is that of its error "
                "neurons, over units and samples. Regions stand in their order, the output last."
            }
            div.charts {
                (chart("discrepancy", "Discrepancy by region", "", Axis::Log, layers(epochs, |l| l.discrepancy)))
                (chart("error", "Mean |e| by region", "", Axis::Log, layers(epochs, |l| l.mean_error)))
                (chart("angle", "Angle between update and gradient", "\u{b0}", Axis::Linear, angles(epochs)))
            }
            @if epochs.iter().any(|e| !e.alignment.is_empty()) {
                p.small { "0\u{b0} is the direction of the gradient; below 90\u{b0} the update descends." }
            } @else {
                p.small { "Angles to the gradient were not tracked; " code { "--track-alignment" } " measures them." }
            }
        }
    })
}

fn layers(epochs: &[EpochReport], of: fn(&reclra_train::fit::Layer) -> f64) -> Vec<Series> {
    let mut series = lines(epochs, |e| e.layers.iter().map(|l| (l.region.clone(), of(l))).collect());
    // A region without error neurons, below the recursion depth say, has no line on a logarithmic axis.
    series.retain(|s| s.points.iter().any(|p| p.mean != 0.0));
    series
}

fn angles(epochs: &[EpochReport]) -> Vec<Series> {
    lines(epochs, |e| e.alignment.iter().map(|a| (a.region.clone(), a.degrees)).collect())
}

/// One line a region, in the order in which regions are first named.
fn lines(epochs: &[EpochReport], of: impl Fn(&EpochReport) -> Vec<(String, f64)>) -> Vec<Series> {
    let mut series: Vec<Series> = Vec::new();
    for e in epochs {
        for (name, value) in of(e) {
            let point = Point::of(e.epoch as f64, value);
            match series.iter_mut().find(|s| s.name == name) {
                Some(s) => s.points.push(point),
                None => {
                    let colour = series.len();
                    series.push(Series { name, colour, dashed: colour >= COLOURS, points: vec![point] });
                }
            }
        }
    }
    series
}
