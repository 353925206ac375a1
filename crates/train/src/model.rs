//! Saved models: one safetensors file that holds W, b, E, the averaged weights if there are any, and, in its metadata,
//! the resolved spec and the data it is for. `eval`, `predict` and `inspect` need nothing else.

pub(crate) mod tensors;

use crate::data::Prepare;
use crate::files::{self, FileError, write_atomically, write_atomically_by};
use crate::memory::Memory;
use crate::runs::view::locked;
use crate::runs::{CHECKPOINTS, RESULT, checkpoint};
use crate::spec::{DataFacts, RunSpec, Settings};
use reclra::rule::ParamId;
use reclra::state::Kept;
use reclra::{Device, Learner};
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
    write_atomically_by(&path, |file| tensors::write(file, &kept, &metadata))?;
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

/// The crate writes metadata in the random order of a hash map; here it comes sorted, so that the same network is the same
/// file. A file is the length of its header in 8 bytes, the header in JSON padded to a multiple of 8, the tensors.
pub(crate) fn with_metadata(file: Vec<u8>, metadata: &BTreeMap<String, String>) -> Vec<u8> {
    let Some((length, rest)) = file.split_first_chunk::<8>() else { return file };
    let (header, tensors) = rest.split_at((u64::from_le_bytes(*length) as usize).min(rest.len()));
    let inner = header.trim_ascii_end().strip_prefix(b"{").unwrap_or(header);
    let separator: &[u8] = if inner == b"}" { b"" } else { b"," };
    let json = serde_json::to_vec(metadata).unwrap_or_default();
    let mut header = [b"{\"__metadata__\":", &json[..], separator, inner].concat();
    header.resize(header.len().next_multiple_of(8), b' ');
    [&(header.len() as u64).to_le_bytes()[..], &header, tensors].concat()
}

/// Reads a saved model: a run folder, a checkpoint's folder, or the file itself. Of a run that is not over, the network
/// of its newest checkpoint.
///
/// # Errors
/// Names the file and what is wrong with it.
pub fn load(path: &Path, device: Device) -> Result<Model, FileError> {
    let (asked, path) = (path, &file_of(path));
    if !path.exists() {
        unbegun(asked)?;
    }
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

/// Refuses a run that has kept nothing yet, in other words than what is no run at all.
fn unbegun(folder: &Path) -> Result<(), FileError> {
    if !folder.join(SPEC_FILE).is_file() || folder.join(RESULT).exists() {
        return Ok(());
    }
    let what = match checkpoint::list(&folder.join(CHECKPOINTS)) {
        Ok(all) if !all.is_empty() => "holds a run without a checkpoint that is whole",
        _ => "holds a run without a checkpoint yet",
    };
    let remedy = match locked(folder) {
        true => "wait until it has written one",
        false => "go on with it first: `reclra resume` with this folder",
    };
    Err(FileError { path: folder.to_owned(), what: what.to_owned(), remedy })
}

/// The file that holds the network of a run or checkpoint.
fn file_of(path: &Path) -> PathBuf {
    if !path.is_dir() {
        return path.to_owned();
    }
    let (own, state) = (path.join(FILE), path.join(checkpoint::STATE));
    if state.exists() {
        return state;
    }
    // Of a run that is not over the newest checkpoint that is whole; the network of a shorter run may lie beside it.
    let over = own.exists() && path.join(RESULT).exists();
    let all = if over { Vec::new() } else { checkpoint::list(&path.join(CHECKPOINTS)).unwrap_or_default() };
    let whole = all.into_iter().find(|c| checkpoint::load(&c.path).is_ok());
    whole.map_or(own, |c| c.path.join(checkpoint::STATE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::TensorView;

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
            let bytes = std::fs::read(dir.path().join(FILE)).unwrap();
            save(dir.path(), &spec, &facts, &learner).unwrap();
            assert_eq!(std::fs::read(dir.path().join(FILE)).unwrap(), bytes, "the same network is the same file");
            let names: Vec<String> = model.learner.parameters().into_iter().map(|p| p.name).collect();
            assert_eq!(names[..3], ["W.in->b1", "b.b1", "W.b1->b2"]);
            assert!(names.contains(&"E.out->b2".to_owned()), "{names:?}");
        }
    }

    #[test]
    fn what_is_done_to_images_is_kept_with_the_network() {
        let (spec, facts, learner) = trained(0.0);
        let line = "mean-std none 1 3 3 abc";
        let mut given = |name: &str, _: &[usize]| Ok::<_, ()>(vec![if name == "prepare.mean" { 0.25 } else { 0.5 }]);
        let prepare = Prepare::restore(line, &mut given).unwrap().unwrap();
        let dir = tempfile::tempdir().unwrap();
        save_with(dir.path(), &spec, &facts, &learner, Some(&prepare)).unwrap();
        let model = load(dir.path(), Device::cpu(1)).unwrap();
        assert_eq!(model.prepare.as_ref(), Some(&prepare));
        let mut image = [0.75; 9];
        prepare.apply(&mut image);
        assert_eq!(image, [1.0; 9]);
        save(dir.path(), &spec, &facts, &learner).unwrap();
        assert_eq!(load(dir.path(), Device::cpu(1)).unwrap().prepare, None);
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
        std::fs::remove_file(&path).unwrap();
        let begun = load(dir.path(), Device::cpu(1)).unwrap_err().to_string();
        assert!(begun.contains("without a checkpoint yet; go on with it first: `reclra resume`"), "{begun}");
        std::fs::write(dir.path().join(RESULT), "{}").unwrap();
        assert!(load(dir.path(), Device::cpu(1)).unwrap_err().missing());
        let missing = load(&dir.path().join("none"), Device::cpu(1)).unwrap_err().to_string();
        assert!(missing.contains("no such file"), "{missing}");
    }
}
