//! The page: head, table of contents, sections in their order, foot.

use super::{Subject, claims, confusion, curves, layers, means, network, pictures, preparation, spec, summary, timing};
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// How a file is known to be a report.
pub(super) const MARK: &str = "<meta name=\"generator\" content=\"reclra ";

const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");

/// A part of the page.
struct Section {
    id: &'static str,
    title: &'static str,
    body: Markup,
}

pub(super) fn page(runs: &[Subject<'_>]) -> Markup {
    let mut sections: Vec<Section> = [
        ("means", "Means", means::section(runs)),
        (
            "run",
            if runs.len() == 1 { "What was run" } else { "What was run, and what came of it" },
            summary::section(runs),
        ),
        ("spec", "Settings", spec::section(runs)),
        ("data", "Data and preprocessing", preparation::section(runs)),
        ("curves", "Curves", curves::section(runs)),
        ("classes", "Who is taken for whom", confusion::section(runs)),
        ("layers", "Layer by layer", layers::section(runs)),
        ("network", "The network and its error graph", network::section(runs)),
        ("mistakes", "Worst mistakes", pictures::mistakes(runs)),
        ("weights", "First-layer weights", pictures::weights(runs)),
        ("timing", "Time", timing::section(runs)),
        ("claims", "Claimed and measured", claims::section(runs)),
    ]
    .into_iter()
    .map(|(id, title, body)| Section { id, title, body })
    .filter(|s| !s.body.0.is_empty())
    .collect();
    // Where means and curves compare settings, they come before the single runs.
    if sections.first().is_some_and(|s| s.id == "means")
        && let Some(n) = sections.iter().position(|s| s.id == "curves")
    {
        sections[1..=n].rotate_right(1);
    }
    let title = summary::title(runs);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                (PreEscaped(MARK)) (env!("CARGO_PKG_VERSION")) (PreEscaped("\">"))
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " \u{2013} reclra" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header { h1 { (title) } (summary::lead(runs)) }
                nav aria-label="Contents" {
                    ul { @for s in &sections { li { a href={ "#" (s.id) } { (s.title) } } } }
                }
                main {
                    @for s in &sections {
                        section id=(s.id) aria-labelledby={ (s.id) "-title" } {
                            h2 id={ (s.id) "-title" } { (s.title) }
                            (s.body)
                        }
                    }
                }
                footer { p { "Made by reclra " (env!("CARGO_PKG_VERSION")) ". This file needs nothing else: no network, no other file." } }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

/// The same for each run: as it is for one, to be opened one by one for several. Nothing if it is nothing for all.
pub(super) fn each(runs: &[Subject<'_>], body: impl Fn(usize, &Subject<'_>) -> Markup) -> Markup {
    let all: Vec<(usize, Markup)> = runs.iter().enumerate().map(|(n, r)| (n, body(n, r))).collect();
    match &all[..] {
        [(_, one)] => one.clone(),
        all if all.iter().all(|(_, b)| b.0.is_empty()) => html! {},
        all => html! {
            @for (n, body) in all.iter().filter(|(_, b)| !b.0.is_empty()) {
                details.run open[*n == 0] { summary { (runs[*n].title) } (body) }
            }
        },
    }
}

/// A table in a box of its own, which scrolls if the table is wider than the page.
pub(super) fn wide(table: &Markup) -> Markup {
    html! { div.wide tabindex="0" role="region" aria-label="Table" { (table) } }
}

/// Why none of several runs has been judged for this page: every reason once, with the runs it is about where it is not
/// about all.
pub(super) fn all_absent(runs: &[Subject<'_>]) -> Option<Vec<String>> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for run in runs {
        let why = run.findings.as_ref().err()?;
        match reasons.iter_mut().find(|(known, _)| known == why) {
            Some((_, titles)) => titles.push(&run.title),
            None => reasons.push((why, vec![&run.title])),
        }
    }
    let line = |(why, titles): &(&str, Vec<&str>)| match titles.len() == runs.len() {
        true => (*why).to_owned(),
        false => format!("{}: {why}", titles.join(", ")),
    };
    (runs.len() > 1).then(|| reasons.iter().map(line).collect())
}

/// Why a part is missing.
pub(super) fn absent(what: &str, why: &str) -> Markup {
    html! { p.absent { (what) " cannot be shown: " (why) } }
}
