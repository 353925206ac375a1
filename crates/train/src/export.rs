//! Taking a trained network elsewhere: the forward network alone as ONNX, safetensors or npz, with what one has to know to
//! feed it: in ONNX the graph takes pixels as they are stored, in the other formats the tensors that prepare images are there too.
//! What has been written is read back and compared before anyone is told that it is there.

mod forward;
mod nodes;
mod npz;
mod onnx;
mod pixels;
mod proto;
mod tensors;

use crate::model::Model;
pub(crate) use forward::PREPROCESSING;
pub use forward::{ExportError, Format, Input};
use forward::{Forward, Tensor};
use reclra::Graph;
use reclra::learner::Named;
use reclra::rule::Rule;
use reclra_data::Normalise;
use reclra_data::files::{FileError, writable_folder, write_atomically};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Folder of exports within a run folder.
pub const FOLDER: &str = "export";
/// Name of an export, without its ending.
pub const NAME: &str = "forward";

/// What has been written.
#[derive(Clone, Debug, Serialize)]
pub struct Exported {
    /// The file.
    #[serde(serialize_with = "reclra_data::files::as_text::one")]
    pub path: PathBuf,
    /// Name of the format.
    pub format: &'static str,
    /// Bytes of the file.
    pub bytes: u64,
    /// `trained`, or `averaged` where the run kept a moving average.
    pub weights: &'static str,
    /// What it takes.
    pub input: Input,
    /// What a reader feeds it, in words.
    pub preprocessing: String,
    /// Every W and b, as named in the file.
    pub tensors: Vec<Written>,
}

/// A tensor of an export.
#[derive(Clone, Debug, Serialize)]
pub struct Written {
    /// Name in the file.
    pub name: String,
    /// W is n_to x n_from, that of a convolution outputs x inputs x rows x columns; b is n_to.
    pub shape: Vec<usize>,
}

/// Writes the forward network of `model` to `path`, then reads it back and compares every tensor to the bit. The folder is
/// made where it is not there; a file that is there is replaced.
///
/// # Errors
/// If the network is not what one forward pass computes, if the format cannot hold it, or if it cannot be written.
pub fn export(model: &Model, format: Format, input: Input, path: &Path) -> Result<Exported, ExportError> {
    refuse_settling(model.learner.rule())?;
    let data = &model.spec.data;
    if input == Input::Pixels && model.prepare.is_none() && (data.normalise != Normalise::None || data.zca.is_some()) {
        return Err(ExportError::Unprepared);
    }
    let forward = forward(model, format, input);
    let bytes = match format {
        Format::Onnx => onnx::write(&forward)?,
        Format::Safetensors => tensors::write(&forward).map_err(|what| failed(path, what))?,
        Format::Npz => npz::write(&forward).map_err(|what| failed(path, what))?,
    };
    if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        writable_folder(folder)?;
    }
    write_atomically(path, &bytes)?;
    let bytes = std::fs::read(path).map_err(|e| FileError::io(path, &e, "export again"))?;
    let found = match format {
        Format::Onnx => onnx::read(&bytes),
        Format::Safetensors => tensors::read(&bytes),
        Format::Npz => npz::read(&bytes),
    };
    let found = found.map_err(|what| failed(path, what))?;
    let named = |t: &Tensor| if format == Format::Npz { npz::portable(&t.name) } else { t.name.clone() };
    for tensor in &forward.tensors {
        let name = named(tensor);
        let same = |t: &&Tensor| t.name == name && t.shape == tensor.shape && t.bytes() == tensor.bytes();
        if found.iter().filter(same).count() != 1 {
            return Err(failed(path, format!("{name} does not come back as it was written")).into());
        }
    }
    Ok(Exported {
        path: path.to_owned(),
        format: format.name(),
        bytes: bytes.len() as u64,
        weights: kind(model),
        input,
        preprocessing: pixels::words(model, format, input),
        tensors: forward.tensors.iter().map(|t| Written { name: named(t), shape: t.shape.clone() }).collect(),
    })
}

fn failed(path: &Path, what: String) -> FileError {
    FileError { path: path.to_owned(), what, remedy: "export again, to another disk if it happens twice" }
}

/// A network that settles answers with the state it comes to, which no single pass computes.
fn refuse_settling(rule: &dyn Rule) -> Result<(), ExportError> {
    if rule.settles().is_some() { Err(ExportError::Settles { rule: rule.name() }) } else { Ok(()) }
}

fn kind(model: &Model) -> &'static str {
    if model.learner.averaged().is_some() { "averaged" } else { "trained" }
}

fn forward(model: &Model, format: Format, input: Input) -> Forward {
    let (all, graph) = (model.learner.averaged().unwrap_or_else(|| model.learner.parameters()), model.learner.graph());
    let ours = all.into_iter().filter(|p| graph.region_of(p.param).is_some());
    let kernels = kernels(model.learner.graph());
    let shape = |name: &str, shape: Vec<usize>| kernels.get(name).map_or(shape, |k| k.to_vec());
    let tensor = |p: Named<'_>| Tensor { values: p.values(), shape: shape(&p.name, p.shape), name: p.name };
    let mut tensors: Vec<Tensor> = ours.map(tensor).collect();
    // Masks of noise come from the seed here; others cannot draw them.
    tensors.extend(model.learner.masks().into_iter().map(|(name, values)| {
        let shape = vec![values.len()];
        Tensor { values, name, shape }
    }));
    let prepare = model.prepare.clone().filter(|_| input == Input::Pixels);
    tensors.extend(prepare.iter().flat_map(|p| pixels::tensors(p, format)));
    let (spec, facts) = (&model.spec, &model.facts);
    let widths: Vec<String> = spec.net.widths.iter().map(usize::to_string).collect();
    let arch = if spec.net.image.is_some() { spec.network() } else { widths.join("-") };
    let metadata = vec![
        ("reclra.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("reclra.dataset", facts.name.clone()),
        ("reclra.classes", serde_json::Value::from(facts.class_names.clone()).to_string()),
        (PREPROCESSING, pixels::words(model, format, input)),
        ("reclra.arch", arch),
        ("reclra.activation", spec.net.act.name().to_owned()),
        ("reclra.weights", kind(model).to_owned()),
        ("reclra.steps", model.steps.to_string()),
        ("reclra.spec", spec_without_folder(&spec.to_toml())),
    ];
    Forward { graph: model.learner.graph().clone(), tensors, facts: facts.clone(), input, prepare, metadata }
}

/// The shapes of convolutions with their windows spelled out, as other programs have them, by name.
fn kernels(graph: &Graph) -> BTreeMap<String, [usize; 4]> {
    let blocks = graph.regions().iter().filter_map(|r| Some((r, r.inside.as_ref()?)));
    let stages = blocks.flat_map(|(r, block)| block.stages().map(move |s| (r, s)));
    stages.filter_map(|(r, s)| Some((format!("{}.{}.W", r.name, s.name), s.layer.kernel()?))).collect()
}

/// A spec is taken elsewhere without the name of a folder on this machine.
fn spec_without_folder(spec: &str) -> String {
    let Ok(mut table) = spec.parse::<toml::Table>() else { return spec.to_owned() };
    if let Some(dir) = table.get_mut("data").and_then(|d| d.get_mut("dir")) {
        *dir = "".into();
    }
    toml::to_string(&table).unwrap_or_else(|_| spec.to_owned())
}

#[cfg(test)]
mod tests;
