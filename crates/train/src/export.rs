//! Taking a trained network elsewhere: the forward network alone as ONNX, safetensors or npz, with what one has to know to
//! feed it: in ONNX the graph takes pixels as they are stored, in the other formats the tensors that prepare images are there too.
//! What has been written is read back and compared before anyone is told that it is there.

mod npz;
mod onnx;
mod pixels;
mod proto;
mod tensors;

use crate::model::Model;
use crate::spec::DataFacts;
use reclra::Graph;
use reclra::learner::Named;
use reclra::rule::{Param, Rule};
use reclra_data::files::{FileError, writable_folder, write_atomically};
use reclra_data::{Normalise, Prepare};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Folder of exports within a run folder.
pub const FOLDER: &str = "export";
/// Name of an export, without its ending.
pub const NAME: &str = "forward";

/// What a network is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// A graph that ONNX runtimes execute.
    Onnx,
    /// W and b by name, with metadata.
    Safetensors,
    /// W and b for numpy.
    Npz,
}

impl Format {
    /// Its name, also the ending of its files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Format::Onnx => "onnx",
            Format::Safetensors => "safetensors",
            Format::Npz => "npz",
        }
    }
}

/// What an export is given as x.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Input {
    /// Pixels: an ONNX graph takes stored bytes as floats and does to them what is done before the network; the other formats hold
    /// the tensors with which that is done.
    Pixels,
    /// What the network itself is given: the network alone is written.
    Prepared,
}

/// Key of the metadata that says in words what x is.
pub(crate) const PREPROCESSING: &str = "reclra.preprocessing";

/// Why a network was not exported: one line with the reason and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// A network whose outputs are no function of one forward pass.
    #[error(
        "{rule} lets this network settle before it answers, so one forward pass does not give its outputs; export a \
         network of another rule, or one with a single hidden region"
    )]
    Settles {
        /// The rule.
        rule: &'static str,
    },
    /// An activation that ONNX does not have.
    #[error("region {region} has the activation {phi}, which ONNX does not have; export it as safetensors or npz")]
    Activation {
        /// The region.
        region: String,
        /// The activation.
        phi: &'static str,
    },
    /// A network of prepared images that does not hold how they are prepared.
    #[error(
        "does not hold how images are prepared for it, as checkpoints and weights from elsewhere do not; export the network alone with \
         --prepared-input, or let its run end with reclra resume"
    )]
    Unprepared,
    /// Blocks of layers.
    #[error("an image network is not written as ONNX yet; export it as safetensors or npz")]
    Blocks,
    /// More than a format can hold.
    #[error("{format} holds no file of {bytes} bytes; export it as safetensors")]
    TooLarge {
        /// The format.
        format: &'static str,
        /// Bytes it would take.
        bytes: usize,
    },
    /// A file that could not be written, or did not come back as it was.
    #[error(transparent)]
    File(#[from] FileError),
}

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

/// A tensor by name, row-major.
#[derive(Clone, Debug, PartialEq)]
struct Tensor {
    name: String,
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl Tensor {
    /// Its elements, little-endian.
    fn bytes(&self) -> Vec<u8> {
        self.values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }
}

/// float32 numbers, little-endian; `None` if a byte is left over.
fn floats(bytes: &[u8]) -> Option<Vec<f32>> {
    let (whole, rest) = bytes.as_chunks::<4>();
    rest.is_empty().then(|| whole.iter().map(|&c| f32::from_le_bytes(c)).collect())
}

/// The network that evaluation runs, and nothing else.
#[derive(Debug)]
struct Forward {
    graph: Graph,
    /// W and b of every region, averaged where the run kept an average; then what prepares images.
    tensors: Vec<Tensor>,
    facts: DataFacts,
    input: Input,
    /// What is done to pixels from 0 to 1, if anything.
    prepare: Option<Prepare>,
    /// Keys and texts that go into the file.
    metadata: Vec<(&'static str, String)>,
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
    let all = model.learner.averaged().unwrap_or_else(|| model.learner.parameters());
    let ours = all.into_iter().filter(|p| !matches!(p.param, Param::Own(_)));
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
