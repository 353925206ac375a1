//! The network as a drawing: regions in a row in forward order, what skips regions in lanes above, errors in lanes below.

use super::chart::rounded;
use maud::{Markup, html};
use reclra::{Graph, phi};
use reclra_data::text::{count, grouped};

/// Width and height of a box, and the space between two.
const BOX: (f64, f64) = (74.0, 66.0);
const GAP: f64 = 30.0;
/// Height of a lane.
const LANE: f64 = 24.0;
const EDGE: f64 = 14.0;

/// An edge between two regions that does not run straight.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Arc {
    from: usize,
    to: usize,
    lane: usize,
    /// Where it leaves and where it arrives.
    x: (f64, f64),
}

/// Left side of a region's box.
fn left(region: usize) -> f64 {
    EDGE + region as f64 * (BOX.0 + GAP)
}

/// Lanes so that no two edges lie on one another: short ones next to the boxes, what spans them further out.
fn lanes(edges: &[(usize, usize)]) -> Vec<usize> {
    let span = |n: usize| (edges[n].0.min(edges[n].1), edges[n].0.max(edges[n].1));
    let mut order: Vec<usize> = (0..edges.len()).collect();
    order.sort_by_key(|&n| (span(n).1 - span(n).0, span(n).0));
    let mut lanes: Vec<Option<usize>> = vec![None; edges.len()];
    for n in order {
        let (a, b) = span(n);
        let meets = |m: usize| span(m).0 < b && a < span(m).1;
        let below = (0..edges.len()).filter(|&m| meets(m)).filter_map(|m| lanes[m]).max();
        lanes[n] = Some(below.map_or(0, |l| l + 1));
    }
    lanes.into_iter().flatten().collect()
}

/// Edges with their lanes and ends. A box is left on its left half and reached on its right half by what comes from the
/// right, the other way round by what comes from the left; further lanes end further out on the one, further in on the
/// other, so that edges from one region or to one do not cross.
fn arcs(edges: &[(usize, usize)]) -> Vec<Arc> {
    let lanes = lanes(edges);
    let all: Vec<Arc> =
        edges.iter().zip(&lanes).map(|(&(from, to), &lane)| Arc { from, to, lane, x: (0.0, 0.0) }).collect();
    // The ends of edges at one side of one box: those that go to the left take the left half, in ascending lanes.
    let end = |region: usize, leftwards: bool, arc: &Arc| {
        let side = |a: &Arc| [(a.from, a.to), (a.to, a.from)].iter().any(|&(r, o)| r == region && (o < r) == leftwards);
        let mut there: Vec<usize> = all.iter().filter(|a| side(a)).map(|a| a.lane).collect();
        there.sort_unstable_by_key(|&l| if leftwards { l as isize } else { -(l as isize) });
        let place = there.iter().position(|&l| l == arc.lane).unwrap_or(0);
        let share = (place as f64 + 1.0) / (there.len() as f64 + 1.0);
        let alone = there.len() == all.iter().filter(|a| a.from == region || a.to == region).count();
        left(region)
            + BOX.0
                * if alone {
                    share
                } else if leftwards {
                    0.5 * share
                } else {
                    0.5 + 0.5 * share
                }
    };
    let placed = |a: &Arc| Arc { x: (end(a.from, a.to < a.from, a), end(a.to, a.from < a.to, a)), ..*a };
    all.iter().map(placed).collect()
}

/// Styles of a drawing that stands alone.
const STYLE: &str = include_str!("drawing.css");

/// The same as a file of its own.
#[must_use]
pub fn picture(graph: &Graph, edges: &[(usize, usize)], waves: &[Vec<usize>]) -> String {
    let inside = drawing(graph, edges, waves, "error synapse").into_string();
    let named = inside.replacen("<svg ", "<svg xmlns=\"http://www.w3.org/2000/svg\" ", 1);
    named.replacen('>', &format!("><style>\n{STYLE}</style><rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>"), 1)
}

/// The drawing. `edges` lead errors, as (sender, receiver), and one of them is a `carrier`, `waves` are the regions in the
/// order of their errors.
pub(super) fn drawing(graph: &Graph, edges: &[(usize, usize)], waves: &[Vec<usize>], carrier: &str) -> Markup {
    let regions = graph.regions();
    let pairs = |of: fn(&reclra::graph::Region) -> &Vec<usize>, far: bool| -> Vec<(usize, usize)> {
        let all = regions.iter().enumerate().flat_map(|(i, r)| of(r).iter().map(move |&k| (k, i)));
        all.filter(|&(k, i)| !far || k + 1 < i).collect()
    };
    let (skips, shortcuts) = (pairs(|r| &r.sources, true), pairs(|r| &r.shortcuts, false));
    let above = arcs(&[&skips[..], &shortcuts[..]].concat());
    let below = arcs(edges);
    let depth = |arcs: &[Arc]| arcs.iter().map(|a| a.lane + 1).max().unwrap_or(0) as f64 * LANE;
    let top = EDGE + depth(&above);
    let bottom = top + BOX.1;
    let size = (left(regions.len() - 1) + BOX.0 + EDGE, bottom + depth(&below) + EDGE);
    let wave = |i: usize| waves.iter().position(|w| w.contains(&i)).unwrap_or(0);
    let last = waves.len().max(2) - 1;
    html! {
        svg width=(size.0) height=(size.1) viewBox={ "0 0 " (size.0) " " (size.1) } role="img" aria-label=(said(graph, edges, carrier)) {
            @for (n, arc) in above.iter().enumerate() {
                (path(arc, top, -1.0, if n < skips.len() { "forward" } else { "shortcut" }, 1.0))
            }
            @for (i, r) in regions.iter().enumerate() {
                @let middle = left(i) + BOX.0 / 2.0;
                g.region {
                    rect x=(left(i)) y=(top) width=(BOX.0) height=(BOX.1) rx="8" {}
                    text.name x=(middle) y=(top + 20.0) text-anchor="middle" { (r.name) }
                    text x=(middle) y=(top + 38.0) text-anchor="middle" { (units(graph, i)) }
                    text x=(middle) y=(top + 55.0) text-anchor="middle" { (phi::name(r.phi)) }
                }
                @if r.sources.contains(&i.wrapping_sub(1)) { (straight(left(i) - GAP, left(i), top + BOX.1 / 2.0)) }
            }
            // Furthest first, so that the numbers of the near ones lie on top.
            @for arc in below.iter().rev() {
                @let n = wave(arc.to);
                (path(arc, bottom, 1.0, "error", 1.0 - 0.5 * n.saturating_sub(1) as f64 / last as f64))
            }
            @for arc in &below {
                @let at = ((arc.x.0 + arc.x.1) / 2.0, bottom + LANE * (arc.lane as f64 + 1.0) - 6.0);
                g.wave {
                    circle cx=(rounded(at.0)) cy=(at.1) r="8" {}
                    text x=(rounded(at.0)) y=(at.1) dy="0.35em" text-anchor="middle" { (wave(arc.to)) }
                }
            }
        }
    }
}

/// Channels, height and width of a region of feature maps, units of any other.
fn units(graph: &Graph, region: usize) -> String {
    graph.extent(region).map_or_else(|| grouped(graph.regions()[region].width), |extent| extent.to_string())
}

/// From one box to the next.
fn straight(from: f64, to: f64, y: f64) -> Markup {
    html! {
        g.forward {
            line x1=(from) x2=(to - 6.0) y1=(y) y2=(y) {}
            polygon points={ (to) "," (y) " " (to - 7.0) "," (y - 4.0) " " (to - 7.0) "," (y + 4.0) } {}
        }
    }
}

/// Out of a box at `side` (its upper or lower edge), along a lane, into another, with an arrow head. `down` is 1 for lanes
/// below the boxes, -1 for those above.
fn path(arc: &Arc, side: f64, down: f64, kind: &str, opacity: f64) -> Markup {
    let (from, to) = (rounded(arc.x.0), rounded(arc.x.1));
    let lane = side + down * (LANE * (arc.lane as f64 + 1.0) - 6.0);
    // Corners are round, unless there is no room.
    let r = 6.0_f64.min((from - to).abs() / 2.0);
    let along = if to < from { -r } else { r };
    let (near, tip) = (lane - down * r, side + down * 6.0);
    let d = format!(
        "M{from},{side} V{near} Q{from},{lane} {},{lane} H{} Q{to},{lane} {to},{near} V{tip}",
        rounded(from + along),
        rounded(to - along),
    );
    html! {
        g class=(kind) style={ "opacity:" (rounded(opacity * 10.0) / 10.0) } {
            path d=(d) {}
            polygon points={ (to) "," (side) " " (rounded(to - 4.0)) "," (side + down * 7.0) " " (rounded(to + 4.0)) "," (side + down * 7.0) } {}
        }
    }
}

/// The drawing in a sentence.
fn said(graph: &Graph, edges: &[(usize, usize)], carrier: &str) -> String {
    let names: Vec<&str> = graph.regions().iter().map(|r| r.name.as_str()).collect();
    let carriers = count(edges.len(), carrier);
    format!("Network of {} regions, {}, with {carriers}.", names.len(), names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reclra_train::spec::{RunSpec, Settings};

    #[test]
    fn boxes_of_feature_maps_show_channels_height_and_width() {
        let facts = reclra_data::entry("cifar10").unwrap().published().unwrap().0;
        let settings = Settings::parse("net.model = \"resnet8\"\nnet.width = 32", "spec").unwrap();
        let graph = RunSpec::resolve(&settings, &facts).unwrap().graph().unwrap();
        let svg = picture(&graph, &[], &[]);
        for label in [">3x32x32<", ">32x32x32<", ">64x16x16<", ">10<"] {
            assert!(svg.contains(label), "{label}: {svg}");
        }
        assert!(!svg.contains("32,768"), "{svg}");
    }

    /// Whether two edges share a stretch of their lane.
    fn collide(a: &Arc, b: &Arc) -> bool {
        let span = |x: &Arc| (x.x.0.min(x.x.1), x.x.0.max(x.x.1));
        a.lane == b.lane && span(a).0 < span(b).1 && span(b).0 < span(a).1
    }

    #[test]
    fn no_edge_lies_on_another() {
        let full: Vec<(usize, usize)> = (1..9).map(|l| (9, l)).collect();
        let chain: Vec<(usize, usize)> = (1..9).map(|l| (l + 1, l)).collect();
        let gap: Vec<(usize, usize)> = (1..9).map(|l| (if l % 2 == 0 { 9 } else { l + 1 }, l)).collect();
        let both = [&chain[..], &full[..7]].concat();
        for (edges, depth) in [(&full, 8), (&chain, 1), (&gap, 4), (&both, 8)] {
            let arcs = arcs(edges);
            assert_eq!(arcs.iter().map(|a| a.lane).max(), Some(depth - 1), "{edges:?}");
            for (n, a) in arcs.iter().enumerate() {
                assert!(arcs[..n].iter().all(|b| !collide(a, b)), "{a:?} of {edges:?}");
                let ends = arcs[..n].iter().flat_map(|b| [b.x.0, b.x.1]);
                assert!(ends.into_iter().all(|x| (x - a.x.0).abs() > 2.0 && (x - a.x.1).abs() > 2.0), "{a:?}");
            }
        }
    }

    #[test]
    fn edges_of_one_region_do_not_cross() {
        // A vertical part at x from lane l crosses whatever runs over x in a nearer lane.
        let edges: Vec<(usize, usize)> = (1..9).map(|l| (9, l)).chain((1..8).map(|l| (l + 1, l))).collect();
        let arcs = arcs(&edges);
        let over = |a: &Arc, x: f64| a.x.0.min(a.x.1) < x && x < a.x.0.max(a.x.1);
        for a in &arcs {
            for b in arcs.iter().filter(|b| b.lane < a.lane && (b.from == a.from || b.to == a.to)) {
                assert!(!over(b, a.x.0) && !over(b, a.x.1), "{a:?} crosses {b:?}");
            }
        }
    }
}
