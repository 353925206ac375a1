//! The page: head, table of contents, sections in their order, foot.

use super::sections::{
    claims, confusion, curves, layers, means, network, pictures, preparation, spec, summary, timing,
};
use super::subject::Subject;
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
