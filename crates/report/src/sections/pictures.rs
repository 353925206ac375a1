//! Pictures: the test samples that the network is most wrong about, and what its first region looks for.

use crate::findings::{Findings, Mistake};
use crate::parts::{absent, all_absent, each};
use crate::png;
use crate::subject::Subject;
use maud::{Markup, html};
use reclra_data::text::{grouped, short};

pub(crate) fn mistakes(runs: &[Subject<'_>]) -> Markup {
    if all_absent(runs).is_some() {
        // The confusion matrix is missing for the same reason, which is given there once.
        return html! {};
    }
    each(runs, |_, run| match &run.findings {
        Err(why) => absent("The worst mistakes", why),
        Ok(f) if f.mistakes.is_empty() => html! { p { "There is no mistake in the test part." } },
        Ok(f) => html! {
            p {
                "The " (f.mistakes.len()) " test images of the highest loss that were classified wrongly, the worst first: "
                "what each is, what it was taken for, and the probability given to that."
            }
            ol.pictures { @for m in &f.mistakes { (mistake(f, m, &run.view.facts.class_names)) } }
        },
    })
}

fn mistake(f: &Findings, m: &Mistake, names: &[String]) -> Markup {
    let name = |c: usize| names.get(c).map_or("?", String::as_str);
    let (truth, taken, p) = (name(m.truth), name(m.taken), format!("{:.1}\u{a0}%", 100.0 * m.probability));
    html! {
        li {
            @if let Some(uri) = png::sample(&m.pixels, f.shape) {
                img src=(uri) width=(f.shape.width) height=(f.shape.height)
                    alt={ "test image " (m.index) ", a " (truth) " taken for " (taken) };
            }
            // Where it is narrow, lines end between these parts, never within one.
            div.caption {
                b { (truth) } " " span.part { "\u{2192}\u{a0}" b.taken { (taken) } }
                div.small { span.part { (p) "," } " " span.part { "no.\u{a0}" (m.index) } }
            }
        }
    }
}

pub(crate) fn weights(runs: &[Subject<'_>]) -> Markup {
    if all_absent(runs).is_some() {
        // The confusion matrix is missing for the same reason, which is given there once.
        return html! {};
    }
    each(runs, |_, run| match &run.findings {
        Err(why) => absent("The weights", why),
        Ok(f) if f.weights.is_empty() => html! { p { "The first hidden region has no synapses from the input." } },
        Ok(f) => {
            let most = f.weights.iter().flatten().fold(0.0_f32, |m, w| m.max(w.abs()));
            let (net, first) = (&run.view.spec.net, &run.view.spec.net.widths);
            let stem = net.image.as_ref().and_then(|i| i.blocks.first()).map(|b| b.name.as_str());
            let name = stem.unwrap_or(if first.len() > 2 { "b1" } else { "out" });
            html! {
                p {
                    @if f.weights.len() < f.units { "The first " (f.weights.len()) " of " (grouped(f.units)) " units" }
                    @else { "All " (f.units) " units" }
                    " of region " (name) ": the weights from each pixel"
                    @if f.window != f.shape { " of its window" } ". White is 0, vermilion positive, blue negative; the "
                    "same scale for all, from " (short(f64::from(-most))) " to " (short(f64::from(most))) "."
                }
                div.scale aria-hidden="true" { span { (short(f64::from(-most))) } span.bar {} span { (short(f64::from(most))) } }
                ol.pictures.units {
                    @for (n, row) in f.weights.iter().enumerate() {
                        @if let Some(uri) = png::weights(row, most, f.window) {
                            li { img src=(uri) width=(f.window.width) height=(f.window.height) alt={ "weights of unit " (n) }; }
                        }
                    }
                }
            }
        }
    })
}
