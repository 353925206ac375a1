//! Saved models: one safetensors file that holds W, b, E, the averaged weights if there are any, and, in its metadata,
//! the resolved spec and the data it is for. `eval`, `predict` and `inspect` need nothing else.

use crate::memory::Memory;
use crate::spec::{DataFacts, RunSpec, Settings};
use reclra::rule::ParamId;
use reclra::state::Kept;
use reclra::{Device, Learner};
use reclra_data::Prepare;
use reclra_data::files::{self, FileError, write_atomically, write_atomically_by};
use reclra_data::format;
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// File of the model within a run folder.
pub const FILE: &str = "model.safetensors";
/// File of the resolved spec within a run folder.
pub const SPEC_FILE: &str = "spec.toml";
/// Marks a file as ours, and its layout.
pub(crate) const FORMAT: (&str, &str) = ("reclra.format", "1");
/// Prefix of averaged weights.
pub(crate) const AVERAGE: &str = "average.";

/// Entry of the metadata that says how images are prepared; their tensors begin with `prepare.`.
const PREPARE: &str = "reclra.prepare";

/// A trained network with what is known of it.
#[derive(Debug)]
pub struct Model {
    /// How it was trained.
    pub spec: RunSpec,
    /// The data it is for.
    pub facts: DataFacts,
    /// The network. Evaluation uses the averaged weights where the run kept them.
    pub learner: Learner,
    /// Steps it was trained for.
    pub steps: u64,
    /// What is done to images before the network sees them, if anything, and if the file says so: checkpoints do not.
    pub prepare: Option<Prepare>,
}

fn bad(path: &Path, what: impl Into<String>) -> FileError {
    FileError { path: path.to_owned(), what: what.into(), remedy: "train again with --out, or name another run" }
}

/// Writes model and spec into a run folder, each atomically, the model last.
///
/// # Errors
/// Names the file that could not be written.
pub fn save(folder: &Path, spec: &RunSpec, facts: &DataFacts, learner: &Learner) -> Result<PathBuf, FileError> {
    save_with(folder, spec, facts, learner, None)
}

/// The same with what is done to images before the network sees them.
///
/// # Errors
/// Names the file that could not be written.
pub fn save_with(
    folder: &Path,
    spec: &RunSpec,
    facts: &DataFacts,
    learner: &Learner,
    prepare: Option<&Prepare>,
) -> Result<PathBuf, FileError> {
    let path = folder.join(FILE);
    let named = |prefix: &str, n: &reclra::learner::Named<'_>| Kept {
        name: format!("{prefix}{}", n.name),
        shape: n.shape.clone(),
        values: n.values(),
    };
    let mut kept: Vec<Kept> = learner.parameters().iter().map(|n| named("", n)).collect();
    kept.extend(learner.averaged().unwrap_or_default().iter().map(|n| named(AVERAGE, n)));
    let mut metadata = metadata(spec, facts, learner.steps());
    if let Some(prepare) = prepare {
        kept.extend(prepare.tensors());
        metadata.insert(PREPARE.to_owned(), prepare.line());
    }
    write_atomically(&folder.join(SPEC_FILE), spec.to_toml().as_bytes())?;
    write_atomically_by(&path, |file| format::safetensors::write(file, &kept, &metadata))?;
    Ok(path)
}

/// What a file of tensors says of itself.
pub(crate) fn metadata(spec: &RunSpec, facts: &DataFacts, steps: u64) -> BTreeMap<String, String> {
    [
        (FORMAT.0, FORMAT.1.to_owned()),
        ("reclra.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("reclra.spec", spec.to_toml()),
        ("reclra.data", facts.to_toml()),
        ("reclra.steps", steps.to_string()),
    ]
    .map(|(k, v)| (k.to_owned(), v))
    .into()
}

/// Reads the file of a saved model.
///
/// # Errors
/// Names the file and what is wrong with it.
pub fn load(path: &Path, device: Device) -> Result<Model, FileError> {
    let bytes = files::read(path, files::NUMBERS, "name a folder that `reclra train --out` has written")?;
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|e| bad(path, format!("no whole safetensors file ({})", files::plain(&e.to_string()))))?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| bad(path, e.to_string()))?;
    let metadata = header.metadata().clone().unwrap_or_default();
    let entry = |key: &str| metadata.get(key).ok_or_else(|| bad(path, format!("no reclra model: it lacks {key}")));
    let format = entry(FORMAT.0)?;
    if format != FORMAT.1 {
        return Err(bad(path, format!("its format is {format}, this version reads {}", FORMAT.1)));
    }
    let facts = DataFacts::from_toml(entry("reclra.data")?).ok_or_else(|| bad(path, "reclra.data is damaged"))?;
    let settings = Settings::parse(entry("reclra.spec")?, "reclra.spec").map_err(|e| bad(path, e.to_string()))?.kept();
    let spec = RunSpec::resolve(&settings, &facts).map_err(|e| bad(path, e.to_string()))?;
    let steps = entry("reclra.steps")?.parse().map_err(|_| bad(path, "reclra.steps is damaged"))?;

    let graph = spec.graph().map_err(|e| bad(path, e.to_string()))?;
    let rule = spec.rule.build(&graph).map_err(|e| bad(path, e.to_string()))?;
    // What the header promises must be there before room is made for it.
    let Memory { weights, rule: own, .. } =
        Memory::of_spec(&spec, facts.train).map_err(|e| bad(path, e.to_string()))?;
    if weights.saturating_add(own) > bytes.len() as u64 {
        return Err(bad(path, format!("its spec has {weights} bytes of weights, the file is {} long", bytes.len())));
    }
    let mut learner = Learner::new(graph, rule, spec.net.w_std, spec.optim(1), device, spec.seed)
        .map_err(|e| bad(path, e.to_string()))?;
    let own = |n: &reclra::learner::Named<'_>| (n.name.clone(), n.shape.clone(), n.param);
    let wanted: Vec<(String, Vec<usize>, ParamId)> = learner.parameters().iter().map(own).collect();
    let averaged: Vec<_> = learner.averaged().unwrap_or_default().iter().map(own).collect();
    let read = |name: &str, shape: &[usize]| {
        let view = file.tensor(name).map_err(|_| bad(path, format!("lacks the tensor {name}")))?;
        if view.dtype() != Dtype::F32 || view.shape() != shape {
            let (kind, found) = (view.dtype(), view.shape());
            return Err(bad(path, format!("{name} is {kind:?} {found:?} where the spec needs F32 {shape:?}")));
        }
        let words = view.data().as_chunks::<4>().0.iter();
        let values = words.map(|&c| f64::from(f32::from_le_bytes(c)));
        if values.clone().any(|v| !v.is_finite()) {
            return Err(bad(path, format!("{name} holds numbers that are not finite")));
        }
        Ok(values)
    };
    for (name, shape, param) in &wanted {
        learner.set_from(*param, read(name, shape)?).map_err(|e| bad(path, e.to_string()))?;
    }
    for (name, shape, param) in &averaged {
        let values = read(&format!("{AVERAGE}{name}"), shape)?;
        learner.set_averaged(*param, values).map_err(|e| bad(path, e.to_string()))?;
    }
    let prepare = match metadata.get(PREPARE) {
        None => None,
        Some(line) => {
            let tensor = |name: &str, shape: &[usize]| -> Result<Vec<f32>, FileError> {
                Ok(read(name, shape)?.map(|v| v as f32).collect())
            };
            let found = Prepare::restore(line, tensor)?.filter(|p| p.shape() == facts.shape);
            Some(found.ok_or_else(|| bad(path, format!("{PREPARE} is damaged")))?)
        }
    };
    Ok(Model { spec, facts, learner, steps, prepare })
}
