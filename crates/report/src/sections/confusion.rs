//! Who is taken for whom in the test part, and precision, recall and F1 of each class.

use crate::parts::{absent, all_absent, each, wide};
use crate::subject::Subject;
use maud::{Markup, html};
use reclra_data::text::{NONE, grouped};
use reclra_train::metrics::Confusion;

/// Classes beyond which the matrix has too many cells to be looked at.
const CLASSES: usize = 30;

pub(crate) fn section(runs: &[Subject<'_>]) -> Markup {
    if let Some(reasons) = all_absent(runs) {
        let what = "Confusion matrices, worst mistakes and first-layer weights";
        return html! { @for why in &reasons { (absent(what, why)) } };
    }
    each(runs, |_, run| match &run.findings {
        Err(why) => absent("The confusion matrix", why),
        Ok(f) => html! {
            @if f.confusion.classes() <= CLASSES { (matrix(&f.confusion, &run.view.facts.class_names)) }
            @else { p { "A matrix of " (f.confusion.classes()) " classes is too large for this page; " code { "reclra eval --json" } " prints it." } }
            (scores(&f.confusion, &run.view.facts.class_names))
        },
    })
}

/// Share of its row that a cell holds, as the strength of its colour in percent: mistakes are few, so their root.
fn strength(count: u64, row: u64) -> u64 {
    (100.0 * (count as f64 / row.max(1) as f64).sqrt()).round() as u64
}

/// How dark or light a cell is, so that what is written on it can be read in both themes.
fn depth(share: u64) -> &'static str {
    match share {
        0..62 => "",
        62..88 => " strong",
        _ => " strong full",
    }
}

fn matrix(c: &Confusion, names: &[String]) -> Markup {
    html! {
        p {
            "Rows are true classes, columns what the network said, for the test part. Right answers are blue, mistakes "
            "orange, stronger the larger their share of the row (its square root, so that few are seen too)."
        }
        (wide(&html! {
            table.matrix {
                thead {
                    tr { th scope="col" { "true \u{2193} said \u{2192}" } @for n in names { th scope="col" { (n) } } }
                }
                tbody {
                    @for (t, name) in names.iter().enumerate() {
                        @let row: u64 = (0..c.classes()).map(|p| c.count(t, p)).sum();
                        tr {
                            th scope="row" { (name) }
                            @for p in 0..c.classes() {
                                @let n = c.count(t, p);
                                @let (kind, share) = (if n == 0 { "none" } else if t == p { "right" } else { "wrong" }, strength(n, row));
                                td class={ (kind) (depth(share)) } style={ "--share:" (share) "%" } { (n) }
                            }
                        }
                    }
                }
            }
        }))
    }
}

fn scores(c: &Confusion, names: &[String]) -> Markup {
    let share = |v: Option<f64>| v.map_or_else(|| NONE.to_owned(), |v| format!("{:.2}", 100.0 * v));
    let (precision, recall, f1) = c.macro_scores();
    let head = ["class", "images", "wrong", "precision %", "recall %", "F1 %"];
    let images = |t: usize| (0..c.classes()).map(|p| c.count(t, p)).sum::<u64>();
    let wrong = |t: usize| images(t) - c.count(t, t);
    let sum = |of: &dyn Fn(usize) -> u64| grouped((0..c.classes()).map(of).sum::<u64>() as usize);
    html! { (wide(&html! {
        table {
            thead { tr { @for h in head { th scope="col" { (h) } } } }
            tbody {
                @for (t, name) in names.iter().enumerate() {
                    tr {
                        th scope="row" { (name) } td.n { (grouped(images(t) as usize)) } td.n { (wrong(t)) }
                        @for v in c.defined_scores(t) { td.n { (share(v)) } }
                    }
                }
            }
            tfoot {
                tr {
                    th scope="row" { "all; macro mean" } td.n { (sum(&images)) } td.n { (sum(&wrong)) }
                    @for v in [precision, recall, f1] { td.n { (share(Some(v))) } }
                }
            }
        }
    }))
    @if c.undefined() {
        p.small {
            "A dash: there is no precision of a class that is never predicted, and no recall of a class without images. "
            "The macro mean counts it as 0."
        }
    } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_mistakes_are_seen_too() {
        assert_eq!([strength(0, 100), strength(1, 100), strength(100, 100), strength(0, 0)], [0, 10, 100, 0]);
    }

    #[test]
    fn figures_are_those_of_the_matrix() {
        let mut c = Confusion::new(2);
        [(0, 0), (0, 0), (0, 1), (1, 1)].iter().for_each(|&(t, p)| c.add(t, p));
        let names = ["<a>".to_owned(), "b & c".to_owned()];
        let text = format!("{}{}", matrix(&c, &names).0, scores(&c, &names).0);
        assert!(text.contains("&lt;a&gt;") && text.contains("b &amp; c") && !text.contains("<a>"), "{text}");
        assert!(text.contains("<td class=\"wrong\" style=\"--share:58%\">1</td>"), "{text}");
        // Precision 1 and 1/2, recall 2/3 and 1, F1 4/5 and 2/3.
        for figure in ["100.00", "66.67", "80.00", "50.00", "75.00", "83.33", "73.33"] {
            assert!(text.contains(&format!(">{figure}<")), "{figure} in {text}");
        }
        assert!(!text.contains("A dash"));
    }

    #[test]
    fn what_is_undefined_is_a_dash_and_no_figure() {
        let mut c = Confusion::new(3);
        [(0, 0), (0, 1), (0, 1)].iter().for_each(|&(t, p)| c.add(t, p));
        let names = ["a", "b", "c"].map(str::to_owned);
        let text = scores(&c, &names).0;
        let row = |name: &str| {
            text.split_once(&format!("<th scope=\"row\">{name}</th>"))
                .unwrap()
                .1
                .split_once("</tr>")
                .unwrap()
                .0
                .to_owned()
        };
        let cells = |name: &str| row(name).replace("<td class=\"n\">", " ").replace("</td>", "");
        // Precision 0 of 2 said to be b, no recall of a class without images, F1 0 of 2; nothing at all of c.
        assert_eq!(cells("b"), format!(" 0 0 0.00 {NONE} 0.00"));
        assert_eq!(cells("c"), format!(" 0 0 {NONE} {NONE} {NONE}"));
        // Means over three classes: precision 1/3, recall 1/9, F1 1/6.
        assert!(
            text.contains(">33.33<") && text.contains(">11.11<") && text.contains(">16.67<") && text.contains("A dash"),
            "{text}"
        );
    }
}
