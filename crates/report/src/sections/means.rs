//! Means over runs that differ in their seed or fold alone, and paired tests between settings.

use super::summary::{ERRORS, errors};
use crate::groups::{Group, groups};
use crate::parts::wide;
use crate::subject::Subject;
use maud::{Markup, html};
use reclra_data::Fold;
use reclra_data::text::percent;
use reclra_train::paired::{Paired, Untested, paired, shown};
use reclra_train::record::{deviation, mean};

/// Means, if some runs differ in their seed or fold alone.
pub(crate) fn section(runs: &[Subject<'_>]) -> Markup {
    let groups = groups(runs);
    if groups.iter().all(|g| g.runs.len() == 1) {
        return html! {};
    }
    let cell = |values: &[Option<f64>]| match (mean(values), deviation(values)) {
        (Some(m), Some(d)) => format!("{m:.2} \u{b1} {d:.2} %"),
        (m, _) => percent(m),
    };
    let reference = (groups.len() > 1).then(|| &groups[0]);
    let unit = if groups.iter().any(Group::folded) { "fold" } else { "seed" };
    let mut reasons: Vec<String> = Vec::new();
    let tests: Vec<String> = groups
        .iter()
        .enumerate()
        .map(|(n, group)| match (n, against(&groups[0], group)) {
            (0, _) => "reference".to_owned(),
            (_, Ok(test)) => shown(test.p),
            (_, Err(why)) => {
                let why = why.map_or_else(|| "no paired test: other data".to_owned(), |why| why.reason(unit));
                let n = reasons.iter().position(|r| *r == why).unwrap_or_else(|| {
                    reasons.push(why);
                    reasons.len() - 1
                });
                format!("\u{2013} [{}]", n + 1)
            }
        })
        .collect();
    let error = if unit == "fold" { "validation error" } else { "test error" };
    html! {
        p {
            "Runs whose specs differ in the " (unit) " alone: mean \u{b1} standard deviation between them (n \u{2212} 1)."
            @if let Some(first) = reference {
                " p: paired two-sided t-test of the " (error) " against " (first.label) " over the " (unit) "s that both have, not "
                "corrected for the number of comparisons."
            }
        }
        (wide(&html! {
            table.runs {
                thead {
                    tr {
                        @for h in ["setting"].into_iter().chain(ERRORS) { th scope="col" { (h) } }
                        @if let Some(first) = reference { th scope="col" { "p against " (first.label) } }
                        th scope="col" { "runs" }
                    }
                }
                tbody {
                    @for (g, test) in groups.iter().zip(&tests) {
                        @let of = |n: usize| g.runs.iter().map(|r| errors(&r.view.record)[n]).collect::<Vec<_>>();
                        tr {
                            th scope="row" { (g.label) }
                            @for n in 0..ERRORS.len() { td.n { (cell(&of(n))) } }
                            @if reference.is_some() { td.n { (test) } }
                            td.n { (g.runs.len()) }
                        }
                    }
                }
            }
        }))
        @if reference.is_some() {
            @for (n, why) in reasons.iter().enumerate() { p.small { "[" (n + 1) "] " (why) "." } }
        }
    }
}

/// Seed and fold of a run, and its error.
type Figure = ((u64, Option<Fold>), Option<f64>);

/// The test of a group against the first, over the seeds or folds that both have.
///
/// # Errors
/// The reason why there is none; nothing if the two are of other data.
fn against(first: &Group<'_>, group: &Group<'_>) -> Result<Paired, Option<Untested>> {
    if first.runs[0].view.facts != group.runs[0].view.facts {
        return Err(None);
    }
    let figures = |g: &Group<'_>| -> Vec<Figure> {
        let error =
            |r: &Subject<'_>| if g.folded() { r.view.record.validation_error() } else { r.view.record.test_error() };
        g.runs.iter().map(|r| ((r.view.spec.seed, r.view.spec.data.fold), error(r))).collect()
    };
    let (a, b) = (figures(group), figures(first));
    let both: Vec<_> = a.iter().filter_map(|(k, v)| Some((*v, b.iter().find(|(other, _)| other == k)?.1))).collect();
    let (a, b): (Vec<_>, Vec<_>) = both.into_iter().unzip();
    paired(&a, &b).map_err(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::view;
    use reclra_train::metrics::Evaluation;
    use reclra_train::runs::View;

    /// A run of a rule with that many of 200 test samples wrong.
    fn tested(rule: &str, seed: i64, wrong: usize) -> View {
        let mut view = view(&format!("{rule}-{seed}"), &[("rule.name", rule.into()), ("seed", seed.into())]);
        view.record.test = Some(Evaluation { samples: 200, wrong, loss: 0.5 });
        view
    }

    fn page(views: &[View]) -> String {
        section(&views.iter().map(Subject::bare).collect::<Vec<_>>()).into_string()
    }

    #[test]
    fn settings_are_tested_over_the_seeds_that_both_have() {
        let wrong = [("rec-lra", [10, 12, 16]), ("backprop", [14, 18, 19]), ("hebbian", [11, 13, 17])];
        let run = |&(rule, wrong): &(&str, [usize; 3])| {
            (0..3).map(move |n| tested(rule, n as i64, wrong[n])).collect::<Vec<_>>()
        };
        let mut views: Vec<View> = wrong.iter().flat_map(run).collect();
        views.push(tested("rec-lra", 3, 15));
        views.push(tested("lra-e", 0, 15));
        let text = page(&views);
        let test = paired(&[7.0, 9.0, 9.5].map(Some), &[5.0, 6.0, 8.0].map(Some)).unwrap();
        assert!((test.p - 0.0377).abs() < 0.1 && text.contains(&format!(">{}<", shown(test.p))), "{text}");
        assert!(text.contains("p against rec-lra") && text.contains(">reference<"), "{text}");
        assert!(text.contains("[1] no paired test: the difference is the same for every seed."), "{text}");
        assert!(text.contains("[2] no paired test: it needs at least 3 seeds."), "{text}");
    }

    #[test]
    fn seeds_of_one_setting_have_a_mean_and_no_test() {
        let text = page(&[tested("rec-lra", 0, 10), tested("rec-lra", 1, 20)]);
        assert!(text.contains("7.50 \u{b1} 3.54 %") && !text.contains("p against"), "{text}");
        assert_eq!(page(&[tested("rec-lra", 0, 10), tested("backprop", 0, 20)]), "", "no means of one run each");
    }

    #[test]
    fn folds_of_one_setting_stand_together() {
        let fold = |rule: &str, part: usize, error: f64| {
            let sets = [("rule.name", rule.into()), ("data.fold", format!("{part}/4").into())];
            let mut view = view(&format!("{rule}-{part}"), &sets);
            view.record.epochs.iter_mut().for_each(|e| e.validation_error = Some(error));
            view
        };
        let errors = [[0.1, 0.2, 0.15, 0.12], [0.3, 0.32, 0.41, 0.29]];
        let both = ["rec-lra", "backprop"].iter().zip(&errors);
        let views: Vec<View> = both.flat_map(|(rule, e)| (0..4).map(|n| fold(rule, n + 1, e[n]))).collect();
        let text = page(&views);
        let [a, b] = errors.map(|e| e.map(|v| Some(100.0 * v)));
        assert!(text.contains(&format!(">{}<", shown(paired(&b, &a).unwrap().p))), "{text}");
        assert!(text.contains("t-test of the validation error against rec-lra over the folds"), "{text}");
    }
}
