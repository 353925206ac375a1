//! Arguments that several commands take: a spec, the machine, a part of the data.

use clap::{Args, ValueEnum, ValueHint};
use std::path::PathBuf;

/// Everything that makes up a spec.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct SpecArgs {
    /// A spec in TOML; flags override it
    #[arg(value_name = "SPEC.toml", value_hint = ValueHint::FilePath, conflicts_with = "config")]
    pub(crate) spec: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) flags: SpecFlags,
}

/// Flags that are settings of a spec.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct SpecFlags {
    /// The same as SPEC.toml
    #[arg(long, alias = "spec", value_name = "SPEC.toml", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// Where defaults come from: default, paper, tuned; see `reclra list presets`
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Option<String>,
    /// Data set: see `reclra list data`
    #[arg(long, value_name = "NAME")]
    pub(crate) data: Option<String>,
    /// Folder of its files
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) data_dir: Option<String>,
    /// Image network: see `reclra list models`, or a TOML file of layers
    #[arg(long, value_name = "NAME|FILE.toml")]
    pub(crate) model: Option<String>,
    /// Width of the first stage of an image network
    #[arg(long, value_name = "CHANNELS", allow_hyphen_values = true)]
    pub(crate) width: Option<String>,
    /// Widths from input to output, 784-3x256-10 say
    #[arg(long, value_name = "WIDTHS")]
    pub(crate) arch: Option<String>,
    /// Activation: see `reclra list activations`
    #[arg(long, value_name = "NAME")]
    pub(crate) act: Option<String>,
    /// Rule of credit assignment: see `reclra list rules`
    #[arg(long, value_name = "NAME")]
    pub(crate) rule: Option<String>,
    /// Error synapses of rec-LRA: see `reclra list wirings`
    #[arg(long, value_name = "NAME")]
    pub(crate) wiring: Option<String>,
    /// How the inside of a block learns under rec-LRA: backprop, rec-lra, hebbian
    #[arg(long, value_name = "NAME")]
    pub(crate) inner: Option<String>,
    /// Target modulation of rec-LRA
    #[arg(long, value_name = "BETA", allow_hyphen_values = true)]
    pub(crate) beta: Option<String>,
    /// Passes over the training images
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) epochs: Option<String>,
    /// Samples in a step
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) batch: Option<String>,
    /// Learning rate
    #[arg(long, value_name = "RATE", allow_hyphen_values = true)]
    pub(crate) lr: Option<String>,
    /// Course of the learning rate: constant, linear, cosine, step
    #[arg(long, value_name = "NAME")]
    pub(crate) schedule: Option<String>,
    /// Shift training images by up to so many pixels
    #[arg(long, value_name = "PIXELS", allow_hyphen_values = true)]
    pub(crate) shift: Option<String>,
    /// All randomness follows from it
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) seed: Option<String>,
    /// Measure the angle between each layer's update and the gradient after every epoch, on 1,000 samples
    #[arg(long)]
    pub(crate) track_alignment: bool,
    /// Set any key of the spec: see `reclra list keys`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) sets: Vec<String>,
}

/// The machine: changes how fast a result comes, not the result.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct MachineArgs {
    /// Threads that compute; results are the same for any number [default: all cores]
    #[arg(long, value_name = "N", value_parser = threads, allow_hyphen_values = true)]
    pub(crate) threads: Option<usize>,
}

pub(super) fn threads(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|n| (1..=1024).contains(n))
        .ok_or_else(|| "must be a whole number from 1 to 1024".to_owned())
}

/// A part of a data set as runs divide it.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PartName {
    Test,
    Validation,
    Train,
}

/// The word on the command line that stands for a value.
pub(crate) fn word(value: impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |v| v.get_name().to_owned())
}
