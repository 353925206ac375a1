//! How long it took, and how that stands against what the machine can do at best.

use crate::parts::wide;
use crate::subject::Subject;
use maud::{Markup, html};
use reclra_data::text::{count, duration, grouped, short};
use reclra_train::bench::{Phase, StepTimes};

pub(crate) fn section(runs: &[Subject<'_>]) -> Markup {
    let measured = runs.iter().any(|r| r.times.is_some());
    html! {
        (recorded(runs))
        @for run in runs {
            @if let Some(times) = &run.times { (steps(times, (runs.len() > 1).then_some(&run.title))) }
        }
        @if !measured {
            p.small {
                "These figures are wall-clock times that the run recorded, on its machine and with whatever else that machine had to do. How a single step stands against the floor of a "
                "machine was not measured; " code { "reclra report --timing" } " does, in some seconds."
            }
        }
    }
}

/// What the run wrote down.
fn recorded(runs: &[Subject<'_>]) -> Markup {
    let median = |run: &Subject<'_>| {
        let mut rates: Vec<f64> = run.view.record.epochs.iter().map(|e| e.samples_per_second).collect();
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied()
    };
    wide(&html! {
        table {
            caption { "Recorded by the run" }
            thead {
                tr {
                    @if runs.len() > 1 { th scope="col" { "run" } }
                    @for h in ["training samples/s, median", "wall-clock seconds an epoch, median", "whole run", "machine"] { th scope="col" { (h) } }
                }
            }
            tbody {
                @for run in runs {
                    tr {
                        @if runs.len() > 1 { th scope="row" { (run.title) } }
                        td.n { @if let Some(rate) = median(run) { (grouped(rate as usize)) } @else { "\u{2013}" } }
                        td.n { @if run.view.record.epochs.is_empty() { "\u{2013}" } @else { (short(run.view.record.epoch_seconds())) } }
                        td.n { (duration(run.view.record.seconds)) }
                        td { @if let Some(e) = &run.view.environment { (e.machine()) } @else { "not written down" } }
                    }
                }
            }
        }
    })
}

/// A step against its floor, as `reclra bench step` measures it.
fn steps(t: &StepTimes, name: Option<&String>) -> Markup {
    let row = |phase: &str, p: Phase| {
        html! {
            tr {
                th scope="row" { (phase) } td.n { (short(p.median_us)) } td.n { (short(p.floor_us)) }
                td.n { (format!("{:.2}", p.over_floor)) } td.n { (short(p.gflops)) } td.n { (short(p.gigabytes_per_second)) }
            }
        }
    };
    html! {
        p {
            @if let Some(name) = name { b { (name) } ": " }
            "Measured while this report was made, on random samples, with " (count(t.threads, "thread")) " and " (t.level)
            ": a step of " (count(t.batch, "sample")) " takes " (short(t.median_us)) " \u{b5}s in the median of " (grouped(t.steps))
            " (a tenth below " (short(t.p10_us)) ", a tenth above " (short(t.p90_us)) "), "
            (format!("{:.2}", t.over_floor)) " times the floor of this machine. Weights and moments, "
            (short(t.parameter_bytes as f64 * 1e-6)) " MB, fit in " (t.level_of_memory) "."
        }
        (wide(&html! {
            table {
                caption { "The floor of a phase is the time for its matrix products or for moving its numbers once, whichever is longer" }
                thead { tr { @for h in ["phase", "\u{b5}s", "floor \u{b5}s", "times the floor", "GFLOP/s", "GB/s"] { th scope="col" { (h) } } } }
                tbody { (row("forward", t.forward)) (row("messages", t.messages)) (row("update", t.update)) }
                tfoot {
                    tr {
                        th scope="row" { "step" } td.n { (short(t.median_us)) } td.n { (short(t.floor_us)) }
                        td.n { (format!("{:.2}", t.over_floor)) } td.n { (short(t.gflops)) } td.n { (short(t.gigabytes_per_second)) }
                    }
                }
            }
        }))
    }
}
