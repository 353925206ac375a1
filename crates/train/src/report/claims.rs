//! What the paper claims for such a run beside what was measured, and in what the two differ.

use super::Subject;
use super::page::wide;
use super::words::{network, percent, value};
use crate::paper::{Claim, PROTOCOL, SOURCE, claimed};
use maud::{Markup, html};

pub(super) fn section(runs: &[Subject<'_>]) -> Markup {
    let found: Vec<(&Subject<'_>, Claim)> = runs
        .iter()
        .filter(|r| r.view.facts.published != Some(false))
        .filter_map(|r| Some((r, claimed(r.view.spec.rule.name(), r.view.spec.net.act.name(), &r.view.facts.name)?)))
        .collect();
    if let (true, Some(other)) = (found.is_empty(), runs.iter().find(|r| r.view.facts.published == Some(false))) {
        let name = &other.view.facts.name;
        return html! { p { "These images are not those of the published " (name) ": the figures of the paper (" (SOURCE) ") are about others, and are not shown." } };
    }
    if found.is_empty() {
        let what = if runs.len() == 1 { "this rule, activation and data set" } else { "these runs" };
        return html! { p { "The paper (" (SOURCE) ") has no figure for " (what) "." } };
    }
    html! {
        p {
            "Errors in percent, from " (SOURCE) ". Read them with the differences in mind: other networks, longer training. "
            "The paper gives an activation for rec-LRA only; other rules are compared with tanh units."
        }
        (figures(&found))
        (protocols(&found))
        @if found.len() < runs.len() { p.small { "The paper has no figure for the other runs: they are of another rule, activation or data set, or on images that are not the published ones." } }
    }
}

fn figures(found: &[(&Subject<'_>, Claim)]) -> Markup {
    let difference = |claim: f64, measured: Option<f64>| {
        measured.map_or_else(|| "\u{2013}".to_owned(), |m| format!("{:+.2}", m - claim).replace('-', "\u{2212}"))
    };
    wide(&html! {
        table {
            thead { tr { @for h in ["run", "error", "claimed", "measured", "measured \u{2212} claimed"] { th scope="col" { (h) } } } }
            tbody {
                @for (run, claim) in found {
                    @let record = &run.view.record;
                    @for (name, claim, measured) in [("test", claim.test, record.test_error()), ("training", claim.train, record.train_error())] {
                        tr {
                            th scope="row" { (run.title) } td { (name) } td.n { (percent(Some(claim))) }
                            td.n { (percent(measured)) } td.n { (difference(claim, measured)) }
                        }
                    }
                }
            }
        }
    })
}

fn protocols(found: &[(&Subject<'_>, Claim)]) -> Markup {
    wide(&html! {
        table {
            caption { "How they were trained" }
            thead { tr { @for h in ["", "network", "epochs", "optimiser", "schedule", "batch", "shifts"] { th scope="col" { (h) } } } }
            tbody {
                tr {
                    th scope="row" { "paper" } td colspan="2" { (PROTOCOL.networks) } td { (PROTOCOL.optimiser) } td { "\u{2013}" }
                    td.n { (PROTOCOL.batch) } td { "\u{2013}" }
                }
                @for (run, _) in found {
                    @let spec = &run.view.spec;
                    tr {
                        th scope="row" { (run.title) } td { (network(spec)) } td.n { (run.view.record.epochs.len()) }
                        td { (value(spec, "optim.name")) ", " (value(spec, "optim.lr")) } td { (value(spec, "optim.schedule")) }
                        td.n { (spec.batch) } td.n { (spec.data.shift) " px" }
                    }
                }
            }
        }
    })
}
