//! Arguments about run folders: what is kept, going on, looking at them.

use super::MachineArgs;
use clap::{Args, Subcommand, ValueEnum, ValueHint};
use reclra_train::runs::Keeping;
use std::path::PathBuf;
use std::time::Duration;

/// By what runs are ordered.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Order {
    Name,
    Error,
    Time,
}

/// What a run keeps on disk; changes nothing of its numbers. A run that goes on keeps what it did before, unless told.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct KeepArgs {
    /// Seconds between two checkpoints [default: 60]
    #[arg(long, value_name = "SECONDS", help_heading = "Keeping")]
    pub(crate) checkpoint_seconds: Option<u64>,
    /// Steps between two checkpoints, instead of a time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Keeping")]
    pub(crate) checkpoint_steps: Option<u64>,
    /// Checkpoints kept, besides the best by validation error [default: 2; 1 until a run is over in compare and reproduce, then none]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000), help_heading = "Keeping")]
    pub(crate) keep: Option<u16>,
    /// Write the figures of every so many steps into metrics.jsonl; 0 for epochs alone [default: 0]
    #[arg(long, value_name = "N", help_heading = "Keeping")]
    pub(crate) log_steps: Option<u64>,
}

impl KeepArgs {
    /// What is to be kept, where nothing is said as `before`.
    pub(crate) fn keeping(self, before: Keeping) -> Keeping {
        Keeping {
            every: self.checkpoint_seconds.map_or(before.every, Duration::from_secs),
            every_steps: self.checkpoint_steps.or(before.every_steps.filter(|_| self.checkpoint_seconds.is_none())),
            last: self.keep.map_or(before.last, usize::from),
            log_steps: self.log_steps.unwrap_or(before.log_steps),
            ..before
        }
    }
}

/// How a run is watched.
#[derive(Args, Clone, Debug)]
pub(crate) struct WatchArgs {
    /// Show the run while it goes: curves, layers, time left
    #[arg(long, conflicts_with_all = ["json", "quiet"])]
    pub(crate) tui: bool,
    /// Write event files for TensorBoard to DIR [default: RUN_DIR/tensorboard]
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true, value_hint = ValueHint::DirPath)]
    pub(crate) tensorboard: Option<Option<PathBuf>>,
}

#[derive(Args, Debug)]
pub(crate) struct ResumeArgs {
    /// Folder of the run
    #[arg(value_name = "RUN_DIR", value_hint = ValueHint::DirPath)]
    pub(crate) run: PathBuf,
    /// Train for so many epochs more than the run's spec says
    #[arg(long, value_name = "MORE", value_parser = epochs, allow_hyphen_values = true)]
    pub(crate) epochs: Option<u64>,
    /// Folder of the data set's files, if not where the run found them
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
    #[command(flatten)]
    pub(crate) keep: KeepArgs,
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
}

fn epochs(text: &str) -> Result<u64, String> {
    text.parse()
        .ok()
        .filter(|n| (1..1_000_000).contains(n))
        .ok_or_else(|| "must be a whole number of 1 or more, below a million".to_owned())
}

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct RunsArgs {
    #[command(subcommand)]
    pub(crate) command: Option<RunsCommand>,
    /// Run folders, or folders that hold some [default: runs]
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) folders: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// Set runs side by side: what differs in their specs, and their figures
    Compare {
        /// Run folders, or folders that hold some [default: runs]
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        folders: Vec<PathBuf>,
        /// By what they stand side by side, the least first: error (of validation), name, time (of an epoch)
        #[arg(long, value_name = "WHAT", default_value = "error")]
        sort: Order,
    },
    /// Say what removing the checkpoints of runs that are over would free; --yes removes them
    ///
    /// Networks, figures and reports stay. Such a run can no longer be made longer by `reclra resume --epochs`.
    Clean {
        /// Run folders, or folders that hold some [default: runs]
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        folders: Vec<PathBuf>,
        /// Remove them
        #[arg(long)]
        yes: bool,
    },
}
