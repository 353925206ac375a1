//! `reclra import`: a run folder from weights that were made elsewhere.

use super::setup::{device, settings};
use crate::args::{ImportArgs, MachineArgs, Voice};
use crate::failure::Failure;
use crate::output::{count, path_text, shape, table};
use reclra_data::files::writable_folder;
use reclra_train::import::{self, NameMap, Weights};
use reclra_train::model;
use reclra_train::run::resolve;
use serde_json::json;
use std::path::Path;

pub(crate) fn run(voice: Voice, args: &ImportArgs) -> Result<(), Failure> {
    let (spec, facts) = resolve(&settings(None, &args.flags)?)?;
    if args.out.join(model::FILE).exists() && !args.overwrite {
        let line = format!("{}: holds a trained network; name another folder or add --overwrite", args.out.display());
        return Err(Failure::Usage(line));
    }
    let map = (args.map != Path::new("auto")).then(|| NameMap::read(&args.map)).transpose()?;
    let weights = import::read(&args.weights, map.as_ref(), &spec)?;
    note(voice, &weights);
    let Weights { tensors: weights, passed_over } = weights;
    let learner = import::learner(&spec, &weights, device(MachineArgs { threads: Some(1) })?)?;
    writable_folder(&args.out)?;
    let saved = model::save(&args.out, &spec, &facts, &learner)?;
    let tensors: Vec<_> = weights
        .iter()
        .map(|w| {
            json!({
                "name": w.name, "from": w.from, "dtype": w.dtype, "shape": w.shape, "transposed": w.transposed,
            })
        })
        .collect();
    voice.object(
        "import",
        &json!({ "saved": path_text(&saved), "tensors": tensors, "passed_over": passed_over, "seed": spec.seed }),
    )?;
    if voice.quiet {
        return voice.result(saved.display());
    }
    let rows: Vec<Vec<String>> = weights
        .iter()
        .map(|w| {
            let turned = if w.transposed { ", transposed" } else { "" };
            vec![w.name.clone(), shape(&w.shape), format!("{} ({}{turned})", w.from, w.dtype)]
        })
        .collect();
    voice.result(table(&["parameter", "shape", "from"], &rows))?;
    let (tensors, numbers) = (count(weights.len(), "tensor"), count(learner.graph().parameters(), "parameter"));
    voice.result(format_args!("{}: {tensors}, {numbers}", saved.display()))
}

/// Says which tensors of a file are not used.
pub(super) fn note(voice: Voice, weights: &Weights) {
    if !weights.passed_over.is_empty() {
        let names = weights.passed_over.join(", ");
        voice.note(format_args!("not used: {names}; the network computes without"));
    }
}
