//! The paper's figures for such a run beside what was measured, and in what the run differs from the paper's settings.

use crate::parts::{each, wide};
use crate::subject::Subject;
use maud::{Markup, html};
use reclra_data::text::percent;
use reclra_train::paper::{Claim, Measure, SOURCE, claimed, data_of, differences};
use reclra_train::record::Record;

/// A figure of the paper beside that of a run.
type Row<'a> = (&'a Subject<'a>, Claim, Measure, f64, Option<f64>);

pub(crate) fn section(runs: &[Subject<'_>]) -> Markup {
    let found: Vec<(&Subject<'_>, Claim)> =
        runs.iter().flat_map(|r| claims(r).into_iter().map(move |c| (r, c))).collect();
    if let (true, Some(other)) = (found.is_empty(), runs.iter().find(|r| r.view.facts.published == Some(false))) {
        let name = &other.view.facts.name;
        return html! { p { "These images are not those of the published " (name) ": the figures of the paper (" (SOURCE) ") are about others, and are not shown." } };
    }
    if found.is_empty() {
        let what = if runs.len() == 1 { "this rule, activation and data set" } else { "these runs" };
        return html! { p { "The paper (" (SOURCE) ") has no figure for " (what) "." } };
    }
    let mut notes: Vec<String> = Vec::new();
    for note in
        found.iter().flat_map(|(_, c)| c.origin().map(|o| format!("{}: {o}", c.row.row)).into_iter().chain(c.notes()))
    {
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    html! {
        p {
            "Figures in percent, from " (SOURCE) ", beside those of the network of the last epoch. Read them with the differences "
            "below in mind. Where the paper names no activation, a perceptron with tanh units is compared."
        }
        (figures(&found))
        @if !notes.is_empty() { ul { @for note in &notes { li { (note) "." } } } }
        h3 { "Differences from the paper's settings" }
        (each(runs, |_, r| if claims(r).is_empty() { html! {} } else { settings(r) }))
        @if runs.iter().any(|r| claims(r).is_empty()) { p.small { "The paper has no figure for the other runs: they are of another rule, activation or data set, or on images that are not the published ones." } }
    }
}

fn claims(run: &Subject<'_>) -> Vec<Claim> {
    let (spec, facts) = (&run.view.spec, &run.view.facts);
    if facts.published == Some(false) {
        return Vec::new();
    }
    claimed(spec.rule.name(), spec.net.act.name(), spec.net.image.is_some(), data_of(&facts.name, facts.classes()))
}

fn measured(record: &Record, measure: Measure) -> Option<f64> {
    match measure {
        Measure::Train => record.train_error(),
        Measure::Test => record.test_error(),
        Measure::Accuracy => record.test_error().map(|e| 100.0 - e),
        Measure::Top5 => record.top5_error(),
        Measure::F1 => record.f1(),
        Measure::Precision => record.precision(),
        Measure::Recall => record.recall(),
        Measure::EpochLeast | Measure::EpochMost | Measure::Total => None,
    }
}

fn figures(found: &[(&Subject<'_>, Claim)]) -> Markup {
    let difference = |claim: f64, measured: Option<f64>| {
        measured.map_or_else(|| "\u{2013}".to_owned(), |m| format!("{:+.2}", m - claim).replace('-', "\u{2212}"))
    };
    let rows: Vec<Row<'_>> = found
        .iter()
        .flat_map(|&(run, c)| c.row.values.iter().map(move |(m, v)| (run, c, *m, *v, measured(&run.view.record, *m))))
        .collect();
    wide(&html! {
        table {
            thead { tr { @for h in ["run", "table, row, column", "claimed", "measured", "measured \u{2212} claimed"] { th scope="col" { (h) } } } }
            tbody {
                @for (run, claim, measure, value, measured) in rows {
                    tr {
                        th scope="row" { (run.title) } td { (claim.place(measure)) } td.n { (percent(Some(value))) }
                        td.n { (percent(measured)) } td.n { (difference(value, measured)) }
                    }
                }
            }
        }
    })
}

/// The settings of a run that are not the paper's.
fn settings(run: &Subject<'_>) -> Markup {
    match differences(&run.view.spec) {
        Err(e) => html! { p { "The run cannot be compared with the paper's settings: " (e) "." } },
        Ok(none) if none.is_empty() => html! { p { "None: these are the paper's settings." } },
        Ok(all) => wide(&html! {
            table {
                thead { tr { @for h in ["key", "paper", "this run"] { th scope="col" { (h) } } } }
                tbody { @for d in &all { tr { th scope="row" { code { (d.key) } } td { (d.paper) } td { (d.run) } } } }
            }
        }),
    }
}
