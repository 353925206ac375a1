//! Arguments of `reclra report`.

use super::MachineArgs;
use clap::{Args, ValueHint};
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    /// Folders of runs, or folders that hold some; several runs are held side by side, those that differ in their seed alone as
    /// one line with a band
    #[arg(value_name = "RUN", required = true, value_hint = ValueHint::DirPath)]
    pub(crate) runs: Vec<PathBuf>,
    /// The file to write [default: RUN/report.html; report.html for several folders]
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) out: Option<PathBuf>,
    /// Replace a file that is no report
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Time training steps of each run's network on this machine, in some seconds
    #[arg(long)]
    pub(crate) timing: bool,
    /// Folder of the data set's files, if not where the runs found them
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
}
