//! The network and its error graph: drawn, and as tables for those who cannot see the drawing.

use crate::drawing::drawing;
use crate::groups::groups;
use crate::parts::wide;
use crate::subject::Subject;
use maud::{Markup, html};
use reclra::rule::Rule;
use reclra::{Graph, phi};
use reclra_data::text::grouped;

/// Regions beyond which a drawing is a carpet.
const REGIONS: usize = 40;

/// A network as one rule sees it, and the groups whose it is.
struct Drawn {
    rule: &'static str,
    groups: Vec<String>,
    body: Markup,
}

/// Runs of one group have the same network; so may groups of one rule. Two rules are drawn apart even where their errors
/// take the same ways: backprop has no error synapses of its own.
pub(crate) fn section(runs: &[Subject<'_>]) -> Markup {
    let mut drawn: Vec<Drawn> = Vec::new();
    let groups = groups(runs);
    let several = groups.len() > 1;
    for group in groups {
        let spec = &group.runs[0].view.spec;
        // A resolved spec has a network and a rule.
        let Ok(graph) = spec.graph() else { continue };
        let Ok(rule) = spec.rule.build(&graph) else { continue };
        let body = body(&graph, &*rule);
        match drawn.iter_mut().find(|d| d.rule == rule.name() && d.body.0 == body.0) {
            Some(same) => same.groups.push(group.label),
            None => drawn.push(Drawn { rule: rule.name(), groups: vec![group.label], body }),
        }
    }
    html! {
        @for d in &drawn {
            @if several { h3 { (d.groups.join("; ")) } }
            (d.body)
        }
    }
}

/// What leads errors from region to region.
fn carrier(graph: &Graph, rule: &dyn Rule) -> &'static str {
    if rule.params(graph).is_empty() { "error path" } else { "error synapse" }
}

fn body(graph: &Graph, rule: &dyn Rule) -> Markup {
    let carrier = carrier(graph, rule);
    let (edges, waves) = (rule.error_edges(), rule.waves(graph));
    let shortcuts = graph.regions().iter().any(|r| !r.shortcuts.is_empty());
    html! {
        @if graph.regions().len() <= REGIONS {
            ul.legend {
                li { svg.swatch width="22" height="10" aria-hidden="true" { line.forward x1="0" y1="5" x2="22" y2="5" {} } "forward synapses W" }
                @if shortcuts {
                    li { svg.swatch width="22" height="10" aria-hidden="true" { line.shortcut x1="0" y1="5" x2="22" y2="5" {} } "shortcuts" }
                }
                @if !edges.is_empty() {
                    li { svg.swatch width="22" height="10" aria-hidden="true" { line.error x1="0" y1="5" x2="22" y2="5" {} } (carrier) "s, with the wave in which they fire" }
                }
            }
            div.wide.network tabindex="0" role="region" aria-label="Drawing of the network" { (drawing(graph, &edges, &waves, carrier)) }
        } @else {
            p { "The network has " (graph.regions().len()) " regions, too many to be drawn here; " code { "reclra inspect --dot" } " writes them for Graphviz." }
        }
        (sentence(graph, rule))
        details { summary { "Regions in figures" } (regions(graph)) }
    }
}

/// The error graph in words.
fn sentence(graph: &Graph, rule: &dyn Rule) -> Markup {
    let name = |i: usize| graph.regions()[i].name.as_str();
    let edges: Vec<String> = rule.error_edges().iter().map(|&(j, i)| format!("{} to {}", name(j), name(i))).collect();
    let waves: Vec<String> =
        rule.waves(graph).iter().map(|w| w.iter().map(|&i| name(i)).collect::<Vec<_>>().join(" ")).collect();
    html! {
        @if edges.is_empty() {
            p { (rule.name()) " has no error synapses: no region tells another its error." }
        } @else {
            @if rule.params(graph).is_empty() { p { (rule.name()) " has no error synapses of its own: errors go back along the forward synapses." } }
            p { "Errors go from " (edges.join(", ")) "." }
            p { "Regions of one wave get their error neurons at the same time; in order: " (waves.join(" | ")) "." }
        }
    }
}

fn regions(graph: &Graph) -> Markup {
    let name = |i: &usize| graph.regions()[*i].name.clone();
    wide(&html! {
        table {
            thead { tr { @for h in ["region", "units", "activation", "from", "shortcuts from", "parameters"] { th scope="col" { (h) } } } }
            tbody {
                @for (i, r) in graph.regions().iter().enumerate() {
                    @let weights: usize = match &r.inside {
                        Some(block) => block.parameters(),
                        None => r.sources.iter().map(|&k| r.width * graph.regions()[k].width).sum(),
                    };
                    @let bias = if r.bias && !r.sources.is_empty() { r.width } else { 0 };
                    tr {
                        th scope="row" { (r.name) }
                        td.n { (grouped(r.width)) @if let Some(extent) = graph.extent(i) { " (" (extent) ")" } } td { (phi::name(r.phi)) }
                        td { (r.sources.iter().map(name).collect::<Vec<_>>().join(", ")) }
                        td { (r.shortcuts.iter().map(name).collect::<Vec<_>>().join(", ")) }
                        td.n { (grouped(weights + bias)) }
                    }
                }
            }
        }
    })
}
