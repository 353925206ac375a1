//! Arguments of `reclra embed`.

use super::{MachineArgs, PartName};
use clap::{Args, ValueEnum, ValueHint, value_parser};
use reclra_report::embed::MOST;
use std::path::PathBuf;

/// How a layer is brought to the plane.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum MethodName {
    Tsne,
    Pca,
}

#[derive(Args, Debug)]
pub(crate) struct EmbedArgs {
    /// Folders that `reclra train --out` has written, or their model files; all trained on one data set
    #[arg(value_name = "RUN", required = true, value_hint = ValueHint::AnyPath)]
    pub(crate) runs: Vec<PathBuf>,
    /// Region whose activities z are mapped: in, b1, b2 ..., out; top is the last hidden one
    #[arg(long, value_name = "NAME", default_value = "top")]
    pub(crate) layer: String,
    /// tsne keeps neighbours together; pca shows the two directions of largest variance
    #[arg(long, value_name = "NAME", default_value = "tsne")]
    pub(crate) method: MethodName,
    /// Part to map: test, validation, train
    #[arg(long, value_name = "PART", default_value = "test")]
    pub(crate) part: PartName,
    /// Map so many samples, drawn at random from the part, the same every time; all where it has fewer
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = samples)]
    pub(crate) samples: usize,
    /// Jitters the map from which t-SNE begins: what another seed changes is chance
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// About how many neighbours t-SNE keeps together; at most a third of the samples
    #[arg(long, value_name = "P", default_value_t = 30.0, allow_hyphen_values = true)]
    pub(crate) perplexity: f64,
    /// Iterations of t-SNE
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = value_parser!(u32).range(50..=100_000))]
    pub(crate) iterations: u32,
    /// Folder for embed.svg, embed.png and embed.csv [default: the folder of the first run]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,
    /// Replace a map that is there already
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Folder of the data set's files, if not where the runs found them
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
}

impl EmbedArgs {
    /// What the command does with these runs when nothing else is said.
    pub(crate) fn plain(
        runs: Vec<PathBuf>,
        out: PathBuf,
        data_dir: Option<PathBuf>,
        machine: MachineArgs,
    ) -> EmbedArgs {
        EmbedArgs {
            runs,
            layer: "top".to_owned(),
            method: MethodName::Tsne,
            part: PartName::Test,
            samples: 2000,
            seed: 0,
            perplexity: 30.0,
            iterations: 1000,
            out: Some(out),
            // What goes on with the same runs makes the same map again.
            overwrite: true,
            data_dir,
            machine,
        }
    }
}

fn samples(text: &str) -> Result<usize, String> {
    let fit = |n: &usize| (1..=MOST).contains(n);
    text.parse().ok().filter(fit).ok_or_else(|| format!("must be a whole number from 1 to {MOST}"))
}
