//! What was run, by whom and where, and the figures it came to.

use crate::parts::{each, wide};
use crate::subject::Subject;
use crate::words::network;
use maud::{Markup, html};
use reclra_data::files;
use reclra_data::text::{count, duration, grouped, percent};
use reclra_train::metrics::top5_tells;
use reclra_train::record::Record;
use reclra_train::runs::view::Standing;

/// The heading of the page.
pub(crate) fn title(runs: &[Subject<'_>]) -> String {
    match runs {
        [one] => what(one),
        all => {
            let first = all.first().map(what);
            match first.filter(|f| all.iter().all(|r| what(r) == *f)) {
                Some(same) => format!("{same}: {} runs", all.len()),
                None => format!("{} runs compared", all.len()),
            }
        }
    }
}

/// Rule, data, network.
fn what(run: &Subject<'_>) -> String {
    let spec = &run.view.spec;
    format!("{} on {}, {}", spec.rule.name(), run.view.facts.name, network(spec))
}

/// The line below the heading.
pub(crate) fn lead(runs: &[Subject<'_>]) -> Markup {
    match runs {
        [one] => {
            let (record, when) = (&one.view.record, one.view.environment.as_ref().map(|e| e.started.as_str()));
            html! {
                p.lead {
                    (standing(one.view.standing))
                    @if one.view.standing != Standing::Imported {
                        " " (count(record.epochs.len(), "epoch")) " of " (one.view.spec.epochs) " in " (duration(record.seconds))
                    }
                    ", seed " (one.view.spec.seed)
                    @if let Some(when) = when { ", begun " (when) }
                }
            }
        }
        all => {
            let of = |s: Standing| all.iter().filter(|r| r.view.standing == s).count();
            let kinds =
                [Standing::Finished, Standing::Diverged, Standing::Running, Standing::Interrupted, Standing::Imported];
            let parts = kinds.iter().filter(|s| of(**s) > 0).map(|s| format!("{} {}", of(*s), s.name()));
            html! { p.lead { (parts.collect::<Vec<_>>().join(", ")) } }
        }
    }
}

fn standing(s: Standing) -> Markup {
    html! { span class={ "standing " (s.name()) } { (s.name()) } }
}

pub(crate) fn section(runs: &[Subject<'_>]) -> Markup {
    match runs {
        [one] => html! { (tiles(one)) (remarks(one)) (facts(one)) },
        _ => html! { (table(runs)) (each(runs, |_, r| html! { (remarks(r)) (facts(r)) })) },
    }
}

/// Errors in percent: test, validation, training; the last two as the last epoch that there is left them.
pub(crate) fn errors(record: &Record) -> [Option<f64>; 3] {
    let last = record.epochs.last();
    let validation = last.and_then(|e| e.validation_error).map(|v| 100.0 * v);
    [record.test_error(), validation, last.map(|e| 100.0 * e.train_error)]
}

fn tiles(run: &Subject<'_>) -> Markup {
    let record = &run.view.record;
    let top5 = record.top5_error().filter(|_| top5_tells(run.view.facts.classes()));
    let [mut test, validation, train] = errors(record);
    let of = |wrong: usize, samples: usize| format!("{} of {} wrong", grouped(wrong), grouped(samples));
    let mut samples = record.test.map(|t| of(t.wrong, t.samples));
    // Weights from elsewhere have no record; they were judged for the matrix.
    if let (None, Ok(found)) = (test, &run.findings)
        && found.samples.1 > 0
    {
        let wrong =
            found.samples.1 - (0..found.confusion.classes()).map(|c| found.confusion.count(c, c)).sum::<u64>() as usize;
        test = Some(100.0 * wrong as f64 / found.samples.1 as f64);
        samples = Some(format!("{}, judged for this page", of(wrong, found.samples.1)));
    }
    let judged = record.epochs.last().and_then(|e| wrong(e.validation_error?, run.view.spec.data.validation));
    let note = match (&record.test, record.epochs.last()) {
        (Some(_), _) | (None, None) => String::new(),
        (None, Some(e)) => format!("after epoch {}", e.epoch),
    };
    let judged = judged.map(|n| of(n, run.view.spec.data.validation));
    let noted = judged.into_iter().chain((!note.is_empty()).then(|| note.clone())).collect::<Vec<_>>().join(", ");
    let chosen = record
        .chosen
        .map_or(String::new(), |c| format!("of the network of epoch {}, chosen by validation error", c.epoch));
    let tile = |name: &str, error: Option<f64>, small: &str| {
        html! { div.tile { div.name { (name) } div.figure { (percent(error)) } div.small { (small) } } }
    };
    html! {
        div.tiles {
            (tile("test error", test, samples.as_deref().unwrap_or("not judged")))
            @if record.chosen.is_some() { (tile("test error, chosen epoch", record.test_error_chosen(), &chosen)) }
            @if top5.is_some() { (tile("top-5 test error", top5, "class not among the five most likely")) }
            (tile("validation error", validation, &noted))
            (tile("training error", train, if note.is_empty() && train.is_some() { "during the last epoch" } else { &note }))
        }
    }
}

/// Samples that an error is about; none if it is no whole number of them, as where broken pictures were left out.
fn wrong(error: f64, samples: usize) -> Option<usize> {
    let wrong = error * samples as f64;
    ((wrong - wrong.round()).abs() < 1e-6 && samples > 0).then_some(wrong.round() as usize)
}

/// Why it did not come to its end; what a user should know.
fn remarks(run: &Subject<'_>) -> Markup {
    let record = &run.view.record;
    let open = match run.view.standing {
        Standing::Running => Some("A process still works on this run: what follows is how far it has come."),
        Standing::Interrupted => Some("This run was interrupted and can be resumed: what follows is how far it came."),
        _ => None,
    };
    html! {
        @if let Some(why) = &record.failed { p.bad role="note" { strong { "It diverged: " } (why) "." } }
        @if let Some(open) = open { p.warning role="note" { (open) } }
        @for w in &record.warnings { p.warning role="note" { strong { "Warning: " } (w) } }
    }
}

/// Command, program, machine, time.
fn facts(run: &Subject<'_>) -> Markup {
    let (view, record) = (run.view, &run.view.record);
    let row = |name: &str, what: Markup| html! { dt { (name) } dd { (what) } };
    html! {
        dl.facts {
            (row("Folder", html! { code { (files::shown(&view.folder)) } }))
            (row("Standing", standing(view.standing)))
            @if let Some(e) = &view.environment {
                (row("Command", html! { code { (e.command.join(" ")) } }))
                (row("Program", html! { "reclra " (e.version) @if !e.commit.is_empty() { ", commit " code { (e.commit) } } }))
                (row("Machine", html! { (e.machine()) "; " (e.system) "; " (count(e.cores, "core")) }))
                (row("Begun", html! { (e.started) @for t in &e.resumed { ", resumed " (t) } }))
            } @else {
                (row("Machine", html! { "not written down: the folder has no environment.json" }))
            }
            @if !record.epochs.is_empty() { (row("Took", html! { (duration(record.seconds)) ", wall-clock time" })) }
            @if let Some(megabytes) = record.peak_megabytes() {
                (row("Memory", html! { (grouped(megabytes.round() as usize)) " MB at most, program and data included" }))
            }
            (row("Seed", html! { (view.spec.seed) }))
            (row("Parameters", html! {
                (grouped(record.parameters)) " trained"
                @if record.own_parameters > 0 { ", " (grouped(record.own_parameters)) " in the rule's own synapses" }
            }))
        }
    }
}

/// Headings of the errors, in the order of [`errors`].
pub(crate) const ERRORS: [&str; 3] = ["test error", "validation error", "training error"];

/// One row a run. The errors come first: on a narrow page the rest is scrolled to.
fn table(runs: &[Subject<'_>]) -> Markup {
    let rest = ["rule", "data", "network", "seed", "standing", "epochs", "time"];
    let head = ["run"].into_iter().chain(ERRORS).chain(rest);
    wide(&html! {
        table.runs {
            thead { tr { @for h in head { th scope="col" { (h) } } } }
            tbody {
                @for r in runs {
                    tr {
                        th scope="row" { (r.title) }
                        @for error in errors(&r.view.record) { td.n { (percent(error)) } }
                        td { (r.view.spec.rule.name()) } td { (r.view.facts.name) }
                        td { (network(&r.view.spec)) } td.n { (r.view.spec.seed) }
                        td { (standing(r.view.standing)) }
                        td.n { (r.view.record.epochs.len()) "/" (r.view.spec.epochs) }
                        td.n { (duration(r.view.record.seconds)) }
                    }
                }
            }
        }
    })
}
