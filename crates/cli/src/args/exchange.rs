//! Arguments of the commands that take networks elsewhere and bring weights from elsewhere.

use super::{SpecFlags, ValueHint};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// What a network is written as.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum FormatName {
    Onnx,
    Safetensors,
    Npz,
}

#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// Folder that `reclra train --out` has written, or its model.safetensors
    #[arg(value_name = "RUN_DIR", value_hint = ValueHint::AnyPath)]
    pub(crate) run: PathBuf,
    /// What it is written as
    #[arg(long, value_name = "FORMAT", default_value = "onnx")]
    pub(crate) format: FormatName,
    /// The file [default: export/forward.FORMAT in RUN_DIR]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) out: Option<PathBuf>,
    /// Replace a file that is there already
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// The network alone: it is given images that were prepared already. Without it the ONNX graph takes stored bytes as floats,
    /// and the other formats hold what prepares images
    #[arg(long)]
    pub(crate) prepared_input: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// Weights as a safetensors file: F32, F16, BF16 or F64
    #[arg(value_name = "WEIGHTS.safetensors", value_hint = ValueHint::FilePath)]
    pub(crate) weights: PathBuf,
    /// Which tensor is which: lines such as "W.in->b1" = "fc1.weight"; `auto` reads it off names like 0.weight, 2.weight
    #[arg(long, value_name = "MAP.toml", default_value = "auto", value_hint = ValueHint::FilePath)]
    pub(crate) map: PathBuf,
    /// Folder for the network and its spec
    #[arg(long, value_name = "RUN_DIR", value_hint = ValueHint::DirPath)]
    pub(crate) out: PathBuf,
    /// Replace a trained network that is in RUN_DIR already
    #[arg(long)]
    pub(crate) overwrite: bool,
    #[command(flatten)]
    pub(crate) flags: SpecFlags,
}
