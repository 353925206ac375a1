//! The settings: what is not the default, what tells several runs apart, and the whole spec to copy.

use crate::groups::{differences, unusual};
use crate::parts::{each, wide};
use crate::subject::Subject;
use maud::{Markup, html};

pub(crate) fn section(runs: &[Subject<'_>]) -> Markup {
    html! {
        @if runs.len() > 1 { (compared(runs)) }
        (each(runs, |_, run| html! {
            (changed(run))
            details.spec {
                summary { "The whole spec" }
                p { "Saved as a file and given to " code { "reclra train" } ", it makes the same run again." }
                pre.wide tabindex="0" { code { (run.view.spec.to_toml()) } }
            }
        }))
    }
}

/// Keys that are not at their default.
fn changed(run: &Subject<'_>) -> Markup {
    let rows = unusual(run);
    if rows.is_empty() {
        return html! { p { "Everything but data, network, activation, rule and seed is at its default." } };
    }
    html! {
        p { "Settings that are not the default for this data, network, activation and rule:" }
        (wide(&html! {
            table {
                thead { tr { @for h in ["key", "here", "default"] { th scope="col" { (h) } } } }
                tbody { @for (key, here, default) in rows { tr { th scope="row" { code { (key) } } td { (here) } td { (default) } } } }
            }
        }))
    }
}

/// Keys in which the runs differ.
fn compared(runs: &[Subject<'_>]) -> Markup {
    let rows = differences(runs);
    if rows.is_empty() {
        return html! { p { "All runs have the same spec." } };
    }
    html! {
        p { "Settings in which the runs differ; a dash where a rule has no such setting." }
        (wide(&html! {
            table {
                thead { tr { th scope="col" { "key" } @for r in runs { th scope="col" { (r.title) } } } }
                tbody { @for d in rows { tr { th scope="row" { code { (d.key) } } @for v in &d.values { td { (v) } } } } }
            }
        }))
    }
}
