//! Saved models: one safetensors file that holds W, b, E, the averaged weights if there are any, and, in its metadata,
//! the resolved spec and the data it is for. `eval`, `predict` and `inspect` need nothing else.

use crate::files::{FileError, write_atomically};
use crate::spec::{DataFacts, RunSpec, Settings};
use reclra::rule::Param;
use reclra::{Device, Learner};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// File of the model within a run folder.
pub const FILE: &str = "model.safetensors";
/// File of the resolved spec within a run folder.
pub const SPEC_FILE: &str = "spec.toml";
/// Marks a file as ours, and its layout.
pub(crate) const FORMAT: (&str, &str) = ("reclra.format", "1");
/// Prefix of averaged weights.
pub(crate) const AVERAGE: &str = "average.";

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
}

fn bad(path: &Path, what: impl Into<String>) -> FileError {
    FileError { path: path.to_owned(), what: what.into(), remedy: "train again with --out, or name another run" }
}

/// Writes model and spec into a run folder, each atomically, the model last.
///
/// # Errors
/// Names the file that could not be written.
pub fn save(folder: &Path, spec: &RunSpec, facts: &DataFacts, learner: &Learner) -> Result<PathBuf, FileError> {
    let path = folder.join(FILE);
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    let averaged = learner.averaged().unwrap_or_default();
    for (prefix, list) in [("", learner.parameters()), (AVERAGE, averaged)] {
        for p in list {
            let bytes = p.values().iter().flat_map(|v| v.to_le_bytes()).collect();
            tensors.push((format!("{prefix}{}", p.name), p.shape, bytes));
        }
    }
    let mut views = Vec::new();
    for (name, shape, bytes) in &tensors {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(|e| bad(&path, e.to_string()))?;
        views.push((name.as_str(), view));
    }
    let metadata: HashMap<String, String> = [
        (FORMAT.0, FORMAT.1.to_owned()),
        ("reclra.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("reclra.spec", spec.to_toml()),
        ("reclra.data", facts.to_toml()),
        ("reclra.steps", learner.steps().to_string()),
    ]
    .map(|(k, v)| (k.to_owned(), v))
    .into();
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(|e| bad(&path, e.to_string()))?;
    write_atomically(&folder.join(SPEC_FILE), spec.to_toml().as_bytes())?;
    write_atomically(&path, &bytes)?;
    Ok(path)
}

/// Reads a saved model: a run folder or the file itself.
///
/// # Errors
/// Names the file and what is wrong with it.
pub fn load(path: &Path, device: Device) -> Result<Model, FileError> {
    let path = &if path.is_dir() { path.join(FILE) } else { path.to_owned() };
    let bytes = std::fs::read(path)
        .map_err(|e| FileError::io(path, &e, "name a folder that `reclra train --out` has written"))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| bad(path, format!("no whole safetensors file ({e})")))?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| bad(path, e.to_string()))?;
    let metadata = header.metadata().clone().unwrap_or_default();
    let entry = |key: &str| metadata.get(key).ok_or_else(|| bad(path, format!("no reclra model: it lacks {key}")));
    let format = entry(FORMAT.0)?;
    if format != FORMAT.1 {
        return Err(bad(path, format!("its format is {format}, this version reads {}", FORMAT.1)));
    }
    let facts = DataFacts::from_toml(entry("reclra.data")?).ok_or_else(|| bad(path, "reclra.data is damaged"))?;
    let settings = Settings::parse(entry("reclra.spec")?, "reclra.spec").map_err(|e| bad(path, e.to_string()))?;
    let spec = RunSpec::resolve(&settings, &facts).map_err(|e| bad(path, e.to_string()))?;
    let steps = entry("reclra.steps")?.parse().map_err(|_| bad(path, "reclra.steps is damaged"))?;

    let graph = spec.graph().map_err(|e| bad(path, e.to_string()))?;
    let rule = spec.rule.build(&graph).map_err(|e| bad(path, e.to_string()))?;
    let mut learner = Learner::new(graph, rule, spec.net.w_std, spec.optim(1), device, spec.seed)
        .map_err(|e| bad(path, e.to_string()))?;
    let own = |n: &reclra::learner::Named<'_>| (n.name.clone(), n.shape.clone(), n.param);
    let wanted: Vec<(String, Vec<usize>, Param)> = learner.parameters().iter().map(own).collect();
    let averaged: Vec<_> = learner.averaged().unwrap_or_default().iter().map(own).collect();
    let read = |name: &str, shape: &[usize]| -> Result<Vec<f64>, FileError> {
        let view = file.tensor(name).map_err(|_| bad(path, format!("lacks the tensor {name}")))?;
        if view.dtype() != Dtype::F32 || view.shape() != shape {
            let (kind, found) = (view.dtype(), view.shape());
            return Err(bad(path, format!("{name} is {kind:?} {found:?} where the spec needs F32 {shape:?}")));
        }
        let values: Vec<f64> =
            view.data().as_chunks::<4>().0.iter().map(|&c| f64::from(f32::from_le_bytes(c))).collect();
        if values.iter().any(|v| !v.is_finite()) {
            return Err(bad(path, format!("{name} holds numbers that are not finite")));
        }
        Ok(values)
    };
    for (name, shape, param) in &wanted {
        learner.set(*param, &read(name, shape)?).map_err(|e| bad(path, e.to_string()))?;
    }
    for (name, shape, param) in &averaged {
        let values = read(&format!("{AVERAGE}{name}"), shape)?;
        learner.set_averaged(*param, &values).map_err(|e| bad(path, e.to_string()))?;
    }
    Ok(Model { spec, facts, learner, steps })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trained(average: f64) -> (RunSpec, DataFacts, Learner) {
        let facts = crate::spec::toy_facts("toy", 3, 3, 50, 5);
        let mut settings = Settings::parse("net.arch = \"9-5-4-3\"\ntrain.batch = 4", "spec").unwrap();
        settings.put("optim.average", average, "test").unwrap();
        let spec = RunSpec::resolve(&settings, &facts).unwrap();
        let graph = spec.graph().unwrap();
        let rule = spec.rule.build(&graph).unwrap();
        let mut learner = Learner::new(graph, rule, 0.3, spec.optim(1), Device::cpu(1), 3).unwrap();
        let x: Vec<f32> = (0..36).map(|i| (i as f32 * 0.7).sin()).collect();
        for _ in 0..20 {
            learner.step(&x, &[0, 1, 2, 1]);
        }
        (spec, facts, learner)
    }

    #[test]
    fn a_saved_model_comes_back_to_the_bit() {
        for average in [0.0, 0.9] {
            let (spec, facts, mut learner) = trained(average);
            let dir = tempfile::tempdir().unwrap();
            save(dir.path(), &spec, &facts, &learner).unwrap();
            let mut model = load(dir.path(), Device::cpu(1)).unwrap();
            assert_eq!((&model.spec, &model.facts, model.steps), (&spec, &facts, 20));
            let values = |l: &Learner| {
                let all = l.parameters().into_iter().chain(l.averaged().unwrap_or_default());
                all.map(|p| (p.name.clone(), p.values())).collect::<Vec<_>>()
            };
            assert_eq!(values(&model.learner), values(&learner));
            let x = [0.3_f32, 0.1, -0.5, 0.9, 0.0, 1.0, 0.2, -0.7, 0.4];
            assert_eq!(model.learner.predict(&x), learner.predict(&x));
            let names: Vec<String> = model.learner.parameters().into_iter().map(|p| p.name).collect();
            assert_eq!(names[..3], ["W.in->b1", "b.b1", "W.b1->b2"]);
            assert!(names.contains(&"E.out->b2".to_owned()), "{names:?}");
        }
    }

    #[test]
    fn a_damaged_or_foreign_file_is_named() {
        let (spec, facts, learner) = trained(0.0);
        let dir = tempfile::tempdir().unwrap();
        let path = save(dir.path(), &spec, &facts, &learner).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for cut in [0, 4, 8, 100, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let error = load(&path, Device::cpu(1)).unwrap_err().to_string();
            assert!(error.contains(FILE) && error.contains("safetensors") && !error.contains('\n'), "{cut}: {error}");
        }
        let mut nan = whole.clone();
        let end = nan.len();
        nan[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        std::fs::write(&path, nan).unwrap();
        assert!(load(&path, Device::cpu(1)).unwrap_err().to_string().contains("not finite"));
        let foreign = safetensors::serialize(Vec::<(String, TensorView<'_>)>::new(), None).unwrap();
        std::fs::write(&path, foreign).unwrap();
        assert!(load(&path, Device::cpu(1)).unwrap_err().to_string().contains("no reclra model"));
        let missing = load(&dir.path().join("none"), Device::cpu(1)).unwrap_err().to_string();
        assert!(missing.contains("no such file"), "{missing}");
    }
}
