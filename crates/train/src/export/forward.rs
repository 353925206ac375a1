//! The forward network as it is written: its tensors, what it is written as, and why it is not.

use crate::spec::DataFacts;
use reclra::Graph;
use reclra_data::Prepare;
use reclra_data::files::FileError;
use serde::Serialize;

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

/// A tensor by name, row-major.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}

impl Tensor {
    /// Its elements, little-endian.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }
}

/// float32 numbers, little-endian; `None` if a byte is left over.
pub(super) fn floats(bytes: &[u8]) -> Option<Vec<f32>> {
    let (whole, rest) = bytes.as_chunks::<4>();
    rest.is_empty().then(|| whole.iter().map(|&c| f32::from_le_bytes(c)).collect())
}

/// The network that evaluation runs, and nothing else.
#[derive(Debug)]
pub(super) struct Forward {
    pub(super) graph: Graph,
    /// W and b of every region, averaged where the run kept an average; then what prepares images.
    pub(super) tensors: Vec<Tensor>,
    pub(super) facts: DataFacts,
    pub(super) input: Input,
    /// What is done to pixels from 0 to 1, if anything.
    pub(super) prepare: Option<Prepare>,
    /// Keys and texts that go into the file.
    pub(super) metadata: Vec<(&'static str, String)>,
}
