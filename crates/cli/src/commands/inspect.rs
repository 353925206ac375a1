//! `reclra inspect`: the network and its error graph, of a spec or of a trained network, as text or for Graphviz.

use super::setup::{device, settings};
use crate::args::{InspectArgs, MachineArgs, Voice};
use crate::failure::Failure;
use crate::output::{count, grouped, table};
use reclra::rule::Rule;
use reclra::{Graph, phi};
use reclra_report::picture;
use reclra_train::memory::{Memory, RunMemory};
use reclra_train::run::resolve_held;
use reclra_train::runs;
use serde_json::json;
use std::fmt::Write as _;

pub(crate) fn run(voice: Voice, args: InspectArgs) -> Result<(), Failure> {
    let trained = args.what.as_ref().is_some_and(|p| p.is_dir() || p.extension().is_some_and(|e| e == "safetensors"));
    let (graph, rule, heading, notes, memory) = match &args.what {
        Some(path) if trained => {
            let model = runs::load_model(path, device(MachineArgs { threads: Some(1) })?)?;
            let mut notes: Vec<String> = Vec::new();
            for p in model.learner.parameters() {
                let v = p.to_vec();
                let n = v.len().max(1) as f64;
                let mean = v.iter().sum::<f64>() / n;
                let std = (v.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
                let shape: Vec<String> = p.shape.iter().map(usize::to_string).collect();
                notes.push(format!("{} {}: mean {mean:.4}, std {std:.4}", p.name, shape.join("x")));
            }
            let graph = model.spec.graph()?;
            let heading =
                format!("{} after {} on {}", path.display(), count(model.steps as usize, "step"), model.facts.name);
            let memory = Memory::of_spec(&model.spec, model.facts.train)?;
            // How its data lie is not known here: as bytes, most likely.
            let held = (model.facts.train as u64).saturating_mul(model.facts.pixels() as u64);
            let peak = RunMemory::of(&model.spec, &model.facts, &memory, held);
            (graph.clone(), model.spec.rule.build(&graph)?, heading, notes, (memory, peak, model.spec.batch))
        }
        _ => {
            let (spec, facts, held) = resolve_held(&settings(args.what.as_deref(), &args.flags)?)?;
            let graph = spec.graph()?;
            let heading = format!("{} for {}", spec.rule.name(), facts.name);
            let memory = Memory::of_spec(&spec, facts.train)?;
            let peak = RunMemory::of(&spec, &facts, &memory, held);
            (graph.clone(), spec.rule.build(&graph)?, heading, Vec::new(), (memory, peak, spec.batch))
        }
    };
    if args.svg {
        return voice.result(picture(&graph, &rule.error_edges(), &rule.waves(&graph)));
    }
    if args.dot {
        return voice.result(dot(&graph, &*rule).trim_end());
    }
    let own: usize = rule.params(&graph).iter().map(|p| p.len()).sum();
    let name = |i: usize| graph.regions()[i].name.as_str();
    let edges: Vec<String> = rule.error_edges().iter().map(|&(j, i)| format!("{}->{}", name(j), name(i))).collect();
    let waves: Vec<Vec<&str>> = rule.waves(&graph).iter().map(|w| w.iter().map(|&i| name(i)).collect()).collect();
    voice.object(
        "inspect",
        &json!({
            "what": heading, "rule": rule.name(), "parameters": graph.parameters(), "held_parameters": graph.held(), "own_parameters": own,
            "regions": graph.regions().iter().enumerate().map(|(i, r)| json!({
                "name": r.name, "width": r.width, "shape": graph.extent(i).map(|e| [e.channels, e.height, e.width]), "activation": phi::name(r.phi), "bias": r.bias,
                "from": r.sources.iter().map(|&k| name(k)).collect::<Vec<_>>(),
                "shortcuts": r.shortcuts.iter().map(|&k| name(k)).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
            "error_synapses": edges, "waves": waves, "memory": memory.0, "peak_memory": memory.1, "batch": memory.2, "tensors": notes, "warnings": rule.warnings(&graph),
        }),
    )?;
    voice.result(&heading)?;
    voice.result(regions(&graph))?;
    let (all, held) = (graph.parameters(), graph.held());
    voice.result(format_args!(
        "{}, {} more in the rule's own synapses",
        count(all - held, "trainable parameter"),
        grouped(own)
    ))?;
    if held > 0 {
        voice.result(format_args!(
            "{} more that no training moves: biases and shifts that a batch norm takes out",
            grouped(held)
        ))?;
    }
    voice.result(said(&memory.0, memory.2))?;
    // Of a trained network no more is known.
    let data = if trained { "training part of the data set" } else { "data set" };
    voice.result(whole(&memory.1, data))?;
    if !edges.is_empty() {
        // Errors of a rule without synapses of its own go back along W.
        let ways = if own > 0 { "error synapses" } else { "error paths, along the forward synapses" };
        voice.result(format_args!("{ways}: {}", edges.join(", ")))?;
    }
    let waves: Vec<String> = waves.iter().map(|w| w.join(" ")).collect();
    voice.result(format_args!("waves: {}", waves.join(" | ")))?;
    notes.iter().try_for_each(|n| voice.result(n))?;
    rule.warnings(&graph).iter().for_each(|w| voice.note(format_args!("warning: {w}")));
    Ok(())
}

/// Two decimals, more where nothing would be left.
fn mb(bytes: u64) -> String {
    format!("{:.*}", if bytes < 100_000 { 4 } else { 2 }, bytes as f64 * 1e-6)
}

/// Three digits that matter: an estimate is no more exact.
fn about(bytes: u64) -> String {
    let megabytes = bytes as f64 * 1e-6;
    let digits = (2 - megabytes.max(1e-3).log10().floor() as i32).max(0) as usize;
    if megabytes < 1000.0 {
        return format!("{megabytes:.digits$}");
    }
    let unit = 10_f64.powf(megabytes.log10().floor() - 2.0);
    grouped(((megabytes / unit).round() * unit).round() as usize)
}

/// Parts of a sum by name; those that are not there are left out.
fn sum(parts: &[(&str, u64)]) -> String {
    let there = parts.iter().filter(|p| p.1 > 0);
    there.map(|(name, bytes)| format!("{name} {}", mb(*bytes))).collect::<Vec<_>>().join(", ")
}

/// What the network takes in training, in a line.
fn said(m: &Memory, batch: usize) -> String {
    let parts = [
        ("weights and biases", m.weights),
        ("their average", m.average),
        ("the rule's synapses", m.rule),
        ("moments", m.moments),
        ("signals", m.signals),
        ("kernels", m.kernels),
        ("evaluation", m.evaluation),
        ("alignment", m.alignment),
        ("kept states", m.states),
    ];
    format!("memory in training, batch {batch}: {} MB ({})", mb(m.total), sum(&parts))
}

/// What a whole run takes.
fn whole(p: &RunMemory, data: &str) -> String {
    let parts = [
        ("network", p.network),
        ("a checkpoint on its way", p.checkpoint),
        ("batches", p.batches),
        (data, p.data),
        ("whitened", p.whitened),
        ("program", p.program),
    ];
    format!("memory of a run at its height: about {} MB ({})", about(p.total), sum(&parts))
}

fn regions(graph: &Graph) -> String {
    let name = |i: &usize| graph.regions()[*i].name.clone();
    let rows: Vec<Vec<String>> = graph
        .regions()
        .iter()
        .enumerate()
        .map(|(i, r)| {
            let from: Vec<String> = r.sources.iter().map(name).collect();
            let inside = r.inside.as_ref();
            let shapes: Vec<String> = if let Some(block) = inside {
                block.stages().map(|s| s.name.clone()).collect()
            } else {
                r.sources.iter().map(|&k| format!("{}x{}", r.width, graph.regions()[k].width)).collect()
            };
            let added: Vec<String> = r.shortcuts.iter().map(|k| format!("+ z of {}", name(k))).collect();
            let units = graph.extent(i).map_or_else(|| r.width.to_string(), |extent| extent.to_string());
            let own: usize = inside.map_or(0, |b| b.parameters())
                + r.sources
                    .iter()
                    .filter(|_| inside.is_none())
                    .map(|&k| r.width * graph.regions()[k].width)
                    .sum::<usize>()
                + if r.bias { r.width } else { 0 };
            vec![
                r.name.clone(),
                units,
                phi::name(r.phi).to_owned(),
                [from, added].concat().join(", "),
                shapes.join(", "),
                grouped(own),
            ]
        })
        .collect();
    table(
        &["region", "units", "activation", "from", if graph.has_blocks() { "inside" } else { "W" }, "parameters"],
        &rows,
    )
}

/// Forward synapses in black, shortcuts dashed, error synapses in red; regions of one wave at one height.
fn dot(graph: &Graph, rule: &dyn Rule) -> String {
    let mut text = String::from("digraph reclra {\n  rankdir=LR; node [shape=box, style=rounded];\n");
    let quoted = |i: usize| format!("\"{}\"", graph.regions()[i].name.replace('"', "\\\""));
    for (i, r) in graph.regions().iter().enumerate() {
        let units = graph.extent(i).map_or_else(|| r.width.to_string(), |extent| extent.to_string());
        let _ = writeln!(text, "  {} [label=\"{}\\n{units} {}\"];", quoted(i), r.name, phi::name(r.phi));
        for &k in &r.sources {
            let _ = writeln!(text, "  {} -> {};", quoted(k), quoted(i));
        }
        for &k in &r.shortcuts {
            let _ = writeln!(text, "  {} -> {} [style=dashed];", quoted(k), quoted(i));
        }
    }
    let waves = rule.waves(graph);
    for (j, i) in rule.error_edges() {
        let wave = waves.iter().position(|w| w.contains(&i)).unwrap_or(0);
        let _ = writeln!(
            text,
            "  {} -> {} [color=red, fontcolor=red, constraint=false, label=\"wave {wave}\"];",
            quoted(j),
            quoted(i)
        );
    }
    text.push_str("}\n");
    text
}
