//! `reclra embed`: what a layer of trained networks sees, as a map.

use super::setup::{device, thread_count};
use crate::args::{EmbedArgs, MethodName, PartName, Voice, word};
use crate::failure::Failure;
use crate::output::{count, grouped, path_text, table};
use crate::progress::{PATIENCE, percent};
use reclra_data::files::writable_folder;
use reclra_data::{Dataset, Part, drawn};
use reclra_report::embed::{self, EmbedError, K, Method, Panel};
use reclra_train::model::Model;
use reclra_train::run::dataset_for;
use reclra_train::runs;
use reclra_train::spec::DataFacts;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// A run that has been checked: only the arithmetic is left.
struct Ready {
    name: String,
    model: Model,
    dataset: Arc<dyn Dataset>,
    part: Part,
    samples: Vec<u32>,
    layer: usize,
}

pub(crate) fn run(voice: Voice, args: &EmbedArgs) -> Result<(), Failure> {
    named(voice, args, &[])
}

/// The same, the panels under other names than those of the folders.
pub(super) fn named(voice: Voice, args: &EmbedArgs, names: &[String]) -> Result<(), Failure> {
    let method = match args.method {
        MethodName::Pca => Method::Pca,
        MethodName::Tsne => {
            Method::Tsne { perplexity: args.perplexity, iterations: args.iterations as usize, seed: args.seed }
        }
    };
    let mut runs = args.runs.iter().map(|path| ready(args, path, method)).collect::<Result<Vec<Ready>, Failure>>()?;
    runs.iter_mut().zip(names).for_each(|(run, name)| run.name.clone_from(name));
    let Some(first) = runs.first() else { return Ok(()) };
    if let Some(other) = runs.iter().find(|r| !r.model.facts.same_data(&first.model.facts)) {
        let (a, b) = (&first.model.facts.name, &other.model.facts.name);
        let line =
            format!("{}: trained on {b}, {} on {a}; embed runs of one data set together", other.name, first.name);
        return Err(Failure::Usage(line));
    }
    let out = folder(args);
    if let Some(there) = embed::FILES.iter().map(|f| out.join(f)).find(|p| p.exists() && !args.overwrite) {
        let line = format!("{}: is there already; name another folder with --out or add --overwrite", there.display());
        return Err(Failure::Usage(line));
    }
    writable_folder(&out)?;
    let classes = first.model.facts.class_names.clone();
    let panels = runs.into_iter().map(|r| panel(voice, args, r, method)).collect::<Result<Vec<Panel>, Failure>>()?;
    let files = embed::write(&out, &panels, &classes)?;
    say(voice, args, &panels, &files)
}

/// Opens a run and its data and checks what was asked of it, before anything takes time.
fn ready(args: &EmbedArgs, path: &Path, method: Method) -> Result<Ready, Failure> {
    let name = path.display().to_string();
    let of_run = |e: EmbedError| match Failure::from(e) {
        Failure::Usage(line) => Failure::Usage(format!("{name}: {line}")),
        other => other,
    };
    let model = runs::load_model(path, device(args.machine)?)?;
    let dataset = dataset_for(&model.spec, args.data_dir.as_deref(), model.prepare.as_ref())?;
    if !DataFacts::of(&*dataset).same_data(&model.facts) {
        let what = "these are not the images the network was made for; name their folder with --data-dir";
        return Err(Failure::Other(format!("{}: {what}", model.facts.name)));
    }
    let split = model.spec.split(&*dataset)?;
    let (part, mut samples) = match args.part {
        PartName::Train => (Part::Train, split.train().to_vec()),
        PartName::Validation => (Part::Train, split.validation().to_vec()),
        PartName::Test => (Part::Test, (0..dataset.len(Part::Test) as u32).collect()),
    };
    samples = drawn(&samples, args.samples);
    let layer = embed::layer(model.learner.graph(), &args.layer).map_err(of_run)?;
    method.check(samples.len()).map_err(of_run)?;
    Ok(Ready { name, model, dataset, part, samples, layer })
}

/// Where files go: the folder of the first run unless told.
fn folder(args: &EmbedArgs) -> PathBuf {
    let first = &args.runs[0];
    let own = || match first.parent() {
        _ if first.is_dir() => first.clone(),
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    args.out.clone().unwrap_or_else(own)
}

fn panel(voice: Voice, args: &EmbedArgs, run: Ready, method: Method) -> Result<Panel, Failure> {
    let Ready { name, mut model, dataset, part, mut samples, layer } = run;
    let region = &model.learner.graph().regions()[layer];
    let (layer_name, units) = (region.name.clone(), region.width);
    let how = match method {
        Method::Tsne { perplexity, iterations, seed } => {
            format!("t-SNE, perplexity {perplexity}, {}, seed {seed}", count(iterations, "iteration"))
        }
        Method::Pca => "principal components".to_owned(),
    };
    let (wide, samples_said) = (count(units, "unit"), count(samples.len(), &format!("{} sample", word(args.part))));
    voice.note(format_args!("{name}: {layer_name}, {wide}, {samples_said}; {how}"));
    let begun = Instant::now();
    let z = embed::activities(&mut model.learner, &*dataset, part, &mut samples, layer)?;
    let labels: Vec<u32> = samples.iter().map(|&i| dataset.label(part, i as usize)).collect();
    let mut said = Instant::now();
    let mut step = |done: usize| {
        if said.elapsed() > PATIENCE {
            voice.note(format_args!("{name}: iteration {} of {}", grouped(done), grouped(args.iterations as usize)));
            said = Instant::now();
        }
    };
    let map = embed::map(&z, &labels, method, thread_count(args.machine), &mut step)?;
    voice.detail(format_args!("{name}: mapped in {:.1} s", begun.elapsed().as_secs_f64()));
    Ok(Panel { run: name, layer: layer_name, method, samples, labels, map })
}

fn say(voice: Voice, args: &EmbedArgs, panels: &[Panel], files: &[PathBuf]) -> Result<(), Failure> {
    for p in panels {
        let mut object = json!({
            "run": p.run, "layer": p.layer, "part": word(args.part), "samples": p.samples.len(), "method": p.method.name(),
            "neighbours": K, "map_error": p.map.map_error, "layer_error": p.map.layer_error,
        });
        match p.method {
            Method::Tsne { perplexity, iterations, seed } => {
                object["perplexity"] = json!(perplexity);
                object["iterations"] = json!(iterations);
                object["seed"] = json!(seed);
            }
            Method::Pca => object["explained"] = json!(p.map.explained),
        }
        voice.object("embed", &object)?;
    }
    voice.object("files", &json!({ "files": files.iter().map(path_text).collect::<Vec<_>>() }))?;
    let share = |v: f64| percent(Some(v));
    let rows: Vec<Vec<String>> = (panels.iter())
        .map(|p| {
            let explained = p.map.explained.map(|[x, y]| share(x + y)).into_iter();
            [p.run.clone(), p.layer.clone(), share(p.map.map_error), share(p.map.layer_error)]
                .into_iter()
                .chain(explained)
                .collect()
        })
        .collect();
    let (in_map, in_layer) = (format!("{K}-NN error in the map"), format!("{K}-NN error in the layer"));
    let mut head = vec!["run", "layer", &in_map, &in_layer];
    if panels.iter().any(|p| p.map.explained.is_some()) {
        head.push("variance in the map");
    }
    voice.result(table(&head, &rows))?;
    files.iter().for_each(|f| voice.note(format_args!("wrote {}", f.display())));
    Ok(())
}
