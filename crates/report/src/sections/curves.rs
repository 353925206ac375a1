//! Errors, losses, discrepancy and learning rate by epoch, and by step where steps were logged; runs that differ in their
//! seed alone are one line with a band.

use crate::chart::{Axis, Chart, Point, Series};
use crate::groups::{Group, groups};
use crate::parts::wide;
use crate::subject::Subject;
use maud::{Markup, html};
use reclra_data::text::{grouped, percent, short};
use reclra_train::fit::EpochReport;
use reclra_train::runs::StepRow;

/// Something of an epoch that is drawn.
struct Metric {
    name: &'static str,
    of: fn(&EpochReport) -> Option<f64>,
}

/// A chart: its metrics share it where there is one group, and have one each where there are several.
struct Panel {
    id: &'static str,
    title: &'static str,
    unit: &'static str,
    axis: Axis,
    metrics: &'static [Metric],
}

const PANELS: &[Panel] = &[
    Panel {
        id: "error",
        title: "Error",
        unit: "%",
        axis: Axis::Either,
        metrics: &[
            Metric { name: "validation error", of: |e| e.validation_error.map(|v| 100.0 * v) },
            Metric { name: "training error", of: |e| Some(100.0 * e.train_error) },
        ],
    },
    Panel {
        id: "loss",
        title: "Loss",
        unit: "",
        axis: Axis::Either,
        metrics: &[
            Metric { name: "validation loss", of: |e| e.validation_error.map(|_| e.validation_loss) },
            Metric { name: "training loss", of: |e| Some(e.train_loss) },
        ],
    },
    Panel {
        id: "discrepancy",
        title: "Total discrepancy",
        unit: "",
        axis: Axis::Either,
        metrics: &[Metric { name: "discrepancy", of: |e| Some(e.discrepancy) }],
    },
    Panel {
        id: "rate",
        title: "Learning rate",
        unit: "",
        axis: Axis::Linear,
        metrics: &[Metric { name: "learning rate", of: |e| Some(e.learning_rate) }],
    },
];

pub(crate) fn section(runs: &[Subject<'_>]) -> Markup {
    let groups = groups(runs);
    let banded = groups.iter().any(|g| g.runs.len() > 1);
    if runs.iter().all(|r| r.view.record.epochs.is_empty() && r.view.steps.is_empty()) {
        return html! { p.absent { "There is no epoch yet." } };
    }
    html! {
        p {
            "Training figures are means over an epoch, each batch before its update; validation figures are taken after it. "
            @if banded { "Lines are means over the seeds or folds of a setting, bands reach from the lowest to the highest. " }
            span.hint { "Point at a chart, touch it, or walk through it with the arrow keys for its values." }
        }
        div.charts {
            @for panel in PANELS { @for chart in panel.charts(&groups) { (chart.markup()) } }
            @for chart in steps(&groups) { (chart.markup()) }
        }
        @if let [one] = runs { (table(&one.view.record.epochs)) }
    }
}

impl Panel {
    fn charts(&self, groups: &[Group<'_>]) -> Vec<Chart> {
        let chart = |id: String, title: &str, series| Chart {
            id,
            title: title.to_owned(),
            x: "epoch",
            unit: self.unit,
            axis: self.axis,
            series,
        };
        if let [one] = groups {
            let series = self.metrics.iter().enumerate().map(|(n, m)| m.series(one, m.name, n));
            return vec![chart(format!("chart-{}", self.id), self.title, series.collect())];
        }
        let one = |(n, metric): (usize, &Metric)| {
            let series = groups.iter().enumerate().map(|(g, group)| metric.series(group, &group.label, g)).collect();
            chart(format!("chart-{}-{n}", self.id), &capital(metric.name), series)
        };
        self.metrics.iter().enumerate().map(one).collect()
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |c| c.to_uppercase().chain(chars).collect())
}

impl Metric {
    /// Epochs that any run of a group has, over the runs that have them.
    fn series(&self, group: &Group<'_>, name: &str, colour: usize) -> Series {
        let epochs = group.runs.iter().map(|r| r.view.record.epochs.len()).max().unwrap_or(0);
        let point = |n: usize| {
            let reports = group.runs.iter().filter_map(|r| r.view.record.epochs.get(n));
            over(reports.clone().next()?.epoch as f64, &reports.filter_map(self.of).collect::<Vec<_>>())
        };
        let points = (0..epochs).filter_map(point).collect();
        // After the last colour they begin again, with dashes.
        let dashed = colour >= crate::chart::COLOURS || name == "training error" || name == "training loss";
        Series { name: name.to_owned(), colour, dashed, points }
    }
}

/// Mean and range of some values; none if there are none.
fn over(x: f64, values: &[f64]) -> Option<Point> {
    let (low, high) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (!values.is_empty()).then_some(Point { x, mean, low, high })
}

/// Loss and error of single batches, if they were logged: one line a run.
fn steps(groups: &[Group<'_>]) -> Vec<Chart> {
    let panel = |id: &str, title: &str, unit: &'static str, of: fn(&StepRow) -> f64| {
        let mut series = Vec::new();
        for (n, group) in groups.iter().enumerate() {
            for run in group.runs.iter().filter(|r| !r.view.steps.is_empty()) {
                let points = run.view.steps.iter().map(|s| Point::of(s.step as f64, of(s))).collect();
                let name = if groups.len() == 1 && group.runs.len() == 1 { "one batch" } else { &run.title };
                series.push(Series { name: name.to_owned(), colour: n, dashed: false, points });
            }
        }
        Chart { id: format!("chart-step-{id}"), title: title.to_owned(), x: "step", unit, axis: Axis::Either, series }
    };
    let charts = [
        panel("loss", "Loss of logged batches", "", |s| s.loss),
        panel("error", "Error of logged batches", "%", |s| 100.0 * s.error),
        panel("discrepancy", "Discrepancy of logged batches", "", |s| s.discrepancy),
    ];
    charts.into_iter().filter(|c| !c.series.is_empty()).collect()
}

/// All epochs in figures.
fn table(epochs: &[EpochReport]) -> Markup {
    let head = [
        "epoch",
        "training error",
        "training loss",
        "validation error",
        "validation loss",
        "discrepancy",
        "learning rate",
        "samples/s",
        "time",
    ];
    html! {
        details {
            summary { "All epochs in figures" }
            (wide(&html! {
                table {
                    thead { tr { @for h in head { th scope="col" { (h) } } } }
                    tbody {
                        @for e in epochs {
                            tr {
                                th scope="row" { (e.epoch) }
                                td.n { (percent(Some(100.0 * e.train_error))) } td.n { (short(e.train_loss)) }
                                td.n { (percent(e.validation_error.map(|v| 100.0 * v))) }
                                td.n { @if e.validation_error.is_some() { (short(e.validation_loss)) } @else { "\u{2013}" } }
                                td.n { (short(e.discrepancy)) } td.n { (short(e.learning_rate)) }
                                td.n { (grouped(e.samples_per_second as usize)) } td.n { (short(e.seconds)) " s" }
                            }
                        }
                    }
                }
            }))
        }
    }
}
