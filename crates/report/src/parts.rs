//! Parts that sections of a report have in common.

use super::subject::Subject;
use maud::{Markup, html};

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
