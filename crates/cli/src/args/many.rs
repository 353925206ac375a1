//! Arguments of the commands that make many runs.

use super::{KeepArgs, MachineArgs, SpecArgs, threads};
use clap::{Args, ValueHint};
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(crate) struct CompareArgs {
    #[command(flatten)]
    pub(crate) spec: SpecArgs,
    /// Rules, joined by commas; all without it. The others are tested against the first
    #[arg(long, value_name = "RULES", value_delimiter = ',')]
    pub(crate) rules: Vec<String>,
    /// Seeds of each setting: that of the spec and those after it
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(crate) seeds: u64,
    /// Try each of these values of a key, in all combinations with other grids, on seeds of their own; the setting of each rule
    /// with the lowest validation error is then run with the seeds that are reported
    #[arg(long, value_name = "KEY=V1,V2")]
    pub(crate) grid: Vec<String>,
    /// Choose among so many settings of each rule, its defaults among them, in the same way; in place of --grid
    #[arg(long, value_name = "N", conflicts_with = "grid", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) tune: Option<u16>,
    /// Seeds on which --tune or --grid tries each setting: none of those that are reported [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(crate) tune_seeds: Option<u64>,
    /// Cut the training part into K folds whose sizes differ by at most one image and validate on each in turn, in place of several
    /// seeds: --seeds and --tune-seeds do not go with it
    #[arg(long, value_name = "K", conflicts_with_all = ["seeds", "tune_seeds"])]
    #[arg(value_parser = clap::value_parser!(u16).range(2..=1000))]
    pub(crate) cross_validate: Option<u16>,
    /// Runs at a time [default: as many as threads]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub(crate) jobs: Option<usize>,
    /// Validation error, in percent, to which time is counted
    #[arg(long, allow_negative_numbers = true, value_name = "PERCENT", default_value_t = 5.0, value_parser = percent)]
    pub(crate) target: f64,
    /// Columns of the table beside those it always has, joined by commas: accuracy, top5, f1, precision, recall, memory (memory of runs
    /// that are made one at a time: --jobs 1)
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(crate) columns: Vec<String>,
    /// Folder for the runs, the table and the plots [default: runs/compare, under RECLRA_RUNS if that is set]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,
    /// Replace the table and the plots of other runs that are in DIR already; the runs stay
    #[arg(long)]
    pub(crate) overwrite: bool,
    #[command(flatten)]
    pub(crate) keep: KeepArgs,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ReproduceArgs {
    /// Name of an experiment, its TOML file, or `list`
    pub(crate) name: String,
    /// Folder for the results, NAME.md and NAME.json [default: runs/NAME, under RECLRA_RUNS if that is set]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,
    /// Folder for the folders of the runs [default: as without --out]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) runs: Option<PathBuf>,
    /// The same pipeline in minutes: smaller, shorter, one seed; no reproduction
    #[arg(long)]
    pub(crate) quick: bool,
    /// Make each run with the seeds 0, 1, ... up to so many, instead of those of the experiment
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(crate) seeds: Option<u64>,
    /// Say how long it would take and how much disk it needs, and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Folder that has a folder of each data set's name, or the files themselves
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) keep: KeepArgs,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
}

fn percent(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|p| (0.0..=100.0).contains(p)).ok_or_else(|| "must be a number from 0 to 100".to_owned())
}
