//! What can be written on the command line. Values are passed on as text: the spec checks them, in one place, with one
//! kind of message.

mod embed;
mod exchange;
mod many;
mod report;
mod runs;
mod shared;

pub(crate) use embed::{EmbedArgs, MethodName};
pub(crate) use exchange::{ExportArgs, FormatName, ImportArgs};
pub(crate) use many::{CompareArgs, ReproduceArgs};
pub(crate) use report::ReportArgs;
pub(crate) use runs::{KeepArgs, Order, ResumeArgs, RunsArgs, RunsCommand, WatchArgs};
use shared::threads;
pub(crate) use shared::{MachineArgs, PartName, SpecArgs, SpecFlags, word};

use crate::topics::LISTS;
use clap::builder::PossibleValuesParser;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueHint};
use std::path::PathBuf;

/// Version and commit.
pub(crate) const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("RECLRA_COMMIT"), ")");

/// The command line of the process, understood. A negative number is always a value, so that its error names the flag.
pub(crate) fn parse() -> Result<Cli, clap::Error> {
    fn signed(command: clap::Command) -> clap::Command {
        let of_value =
            |arg: clap::Arg| if arg.get_action().takes_values() { arg.allow_negative_numbers(true) } else { arg };
        command.mut_args(of_value).mut_subcommands(signed)
    }
    Cli::from_arg_matches(&signed(Cli::command()).try_get_matches()?)
}

/// Deep networks trained without backpropagation.
///
/// Every layer gets a target of its own through error synapses and learns by a local update: recursive local
/// representation alignment (rec-LRA, arXiv 2002.03911).
#[derive(Debug, Parser)]
#[command(name = "reclra", version = VERSION, max_term_width = 110, subcommand_required = true)]
#[command(arg_required_else_help = true, propagate_version = false, disable_help_subcommand = true)]
#[command(after_help = "Exit codes: 0 success, 2 usage or spec, 130 interrupted, 1 anything else.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) voice: Voice,
}

/// How much is said, and in which form.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Voice {
    /// Only results and errors
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Output")]
    pub(crate) quiet: bool,
    /// Also what was resolved, and every epoch
    #[arg(short, long, global = true, help_heading = "Output")]
    pub(crate) verbose: bool,
    /// One JSON object a line on standard output
    #[arg(long, global = true, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train a network
    ///
    /// Without arguments: rec-LRA on the embedded digits, in a few seconds. What is not said is chosen to suit data,
    /// activation and depth; --print-spec shows what that came to.
    #[command(after_help = "Examples:\n  reclra train\n  reclra train --data mnist --act sign --epochs 8\n  \
                            reclra train --data mnist --lr 1e-3 --schedule linear --shift 1 --out runs/best\n  \
                            reclra train my.toml --set rule.gap=3")]
    Train(TrainArgs),
    /// Go on with a run that was interrupted, to the very same bits, or train one for longer
    #[command(
        after_help = "Examples:\n  reclra resume runs/digits-rec-lra-20260101-120000-0\n  reclra resume runs/best --epochs 20"
    )]
    Resume(ResumeArgs),
    /// List run folders, compare them, free the room of their checkpoints
    Runs(RunsArgs),
    /// Train with several rules on the same network, data, optimiser, budget and seeds
    ///
    /// Writes a table (Markdown, CSV, JSON), plots of the validation error and a report. Each rule is tested against the first, by a
    /// paired t-test over at least three seeds. What is finished is not run again: an interrupted command goes on where it stopped.
    /// A run that diverges is a row that says so.
    #[command(
        after_help = "Examples:\n  reclra compare\n  reclra compare --rules rec-lra,backprop --data mnist --epochs 12 \
                            --seeds 2\n  reclra compare --rules rec-lra,backprop --grid optim.lr=1e-3,3e-3\n  \
                            reclra compare --rules rec-lra,backprop,feedback-alignment --tune 8\n  \
                            reclra compare --rules rec-lra,backprop --cross-validate 5"
    )]
    Compare(CompareArgs),
    /// Judge a trained network
    Eval(EvalArgs),
    /// Classify pictures with a trained network
    Predict(PredictArgs),
    /// Write a trained network for other programs: ONNX, safetensors, npz
    ///
    /// The forward network alone, with the averaged weights where the run kept them: what `reclra eval` computes.
    #[command(
        after_help = "Examples:\n  reclra export runs/best\n  reclra export runs/best --prepared-input --out net.onnx\n  \
                            reclra export runs/best --format npz"
    )]
    Export(ExportArgs),
    /// Make a run folder from weights that were made elsewhere, with PyTorch say
    ///
    /// Every weight and bias comes from the file, by shape and name as the spec needs them; the rule's own synapses are
    /// drawn from the seed, as at the start of a run.
    #[command(
        after_help = "Examples:\n  reclra import net.safetensors --arch 64-256-10 --act relu --out runs/torch\n  \
                            reclra import net.safetensors --map map.toml --config my.toml --out runs/torch"
    )]
    Import(ImportArgs),
    /// Map what a layer of trained networks sees into the plane, coloured by class
    ///
    /// Writes embed.svg and embed.png, a panel a run, and embed.csv with the coordinates; says how well classes separate.
    /// The same runs and flags give the same files.
    #[command(
        after_help = "Examples:\n  reclra embed runs/a\n  reclra embed runs/a runs/b --layer b1 --method pca\n  \
                            reclra embed runs/a --part validation --perplexity 15 --out maps"
    )]
    Embed(EmbedArgs),
    /// Write a report of one run or several: one HTML file that needs nothing else
    ///
    /// What was run, the data in words, curves, confusion matrix, layers, the network drawn, worst mistakes, first weights,
    /// time, and the paper's figures beside the measured ones. What a folder does not have is left out and named.
    #[command(
        after_help = "Examples:\n  reclra report runs/best\n  reclra report runs/seed-0 runs/seed-1 runs/backprop --out all.html"
    )]
    Report(ReportArgs),
    /// Say what there is: data sets, rules, activations, wirings, optimisers, spec keys
    List(ListArgs),
    /// Show the regions, shapes, parameters and error graph of a spec or a trained network
    Inspect(InspectArgs),
    /// Fetch data sets and look at them
    #[command(subcommand)]
    Data(DataCommand),
    /// Measure how fast training is on this machine
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Make the runs of an experiment and write its table
    ///
    /// What is finished is not run again: an interrupted command goes on where it stopped.
    Reproduce(ReproduceArgs),
    /// Print a completion script for a shell
    Completions {
        /// bash, zsh, fish, elvish, powershell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write those of all commands
    Man {
        /// Folder for the pages: reclra.1, reclra-train.1 and so on
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        out: Option<PathBuf>,
        /// Replace files of these names that say something else
        #[arg(long, requires = "out")]
        overwrite: bool,
    },
}

#[derive(Args, Debug)]
pub(crate) struct TrainArgs {
    #[command(flatten)]
    pub(crate) spec: SpecArgs,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
    /// Folder of the run [default: runs/NAME-DATE-SEED, under RECLRA_RUNS if that is set]
    #[arg(long, value_name = "RUN_DIR", value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,
    /// Replace a run that is in RUN_DIR already
    #[arg(long, requires = "out")]
    pub(crate) overwrite: bool,
    /// Begin with the weights of another run, or of a file that `reclra import` could read
    #[arg(long, value_name = "RUN_DIR|FILE", value_hint = ValueHint::AnyPath)]
    pub(crate) init: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) keep: KeepArgs,
    /// Print the resolved spec and stop
    #[arg(long)]
    pub(crate) print_spec: bool,
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
}

#[derive(Args, Debug)]
pub(crate) struct EvalArgs {
    /// Folder that `reclra train --out` has written
    #[arg(value_name = "RUN_DIR", value_hint = ValueHint::DirPath)]
    pub(crate) run: PathBuf,
    /// Part to judge: test, validation, train
    #[arg(long, value_name = "PART", default_value = "test")]
    pub(crate) part: PartName,
    /// Folder of the data set's files, if not where the run found them
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
}

#[derive(Args, Debug)]
pub(crate) struct PredictArgs {
    /// Folder that `reclra train --out` has written
    #[arg(value_name = "RUN_DIR", value_hint = ValueHint::DirPath)]
    pub(crate) run: PathBuf,
    /// Pictures (PNG, JPEG, BMP, PNM), folders of pictures or idx files of images
    #[arg(value_name = "FILE|FOLDER", required = true, value_hint = ValueHint::AnyPath)]
    pub(crate) files: Vec<PathBuf>,
    /// Rows of an idx file: 5, or 0..10 for the first ten
    #[arg(long, value_name = "ROWS", value_parser = rows)]
    pub(crate) rows: Option<std::ops::Range<usize>>,
    /// The pictures are dark on light; the data sets are light on dark
    #[arg(long)]
    pub(crate) invert: bool,
    /// Show so many of the most probable classes
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = at_least_one)]
    pub(crate) top: usize,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&n| n > 0).ok_or_else(|| "must be a whole number from 1 on".to_owned())
}

fn rows(text: &str) -> Result<std::ops::Range<usize>, String> {
    let range = match text.split_once("..") {
        Some((a, b)) => a.trim().parse().ok().zip(b.trim().parse().ok()).map(|(a, b)| a..b),
        None => text.trim().parse().ok().and_then(|a: usize| Some(a..a.checked_add(1)?)),
    };
    range.filter(|r| r.start < r.end).ok_or_else(|| "write a row, or first..end such as 0..10".to_owned())
}

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// What to list; everything without it
    #[arg(value_parser = PossibleValuesParser::new(LISTS.map(|(name, _)| name)))]
    pub(crate) topic: Option<String>,
    /// The keys, or the claims, as a page in Markdown
    #[arg(long, hide = true)]
    pub(crate) page: bool,
}

#[derive(Args, Debug)]
pub(crate) struct InspectArgs {
    /// A spec in TOML, or a folder that `reclra train --out` has written; the default spec without it
    #[arg(value_name = "SPEC.toml|RUN_DIR", value_hint = ValueHint::AnyPath)]
    pub(crate) what: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) flags: SpecFlags,
    /// Print the network as a Graphviz graph
    #[arg(long)]
    pub(crate) dot: bool,
    /// Print the network and its error graph as a picture in SVG
    #[arg(long, conflicts_with = "dot")]
    pub(crate) svg: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    /// Download a data set; a partial download is resumed, contents are checked
    Fetch(FetchArgs),
    /// Show what is there: files, counts, mean and standard deviation
    Info {
        /// Data set; all without it
        name: Option<String>,
        /// Folder of its files
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        data_dir: Option<PathBuf>,
    },
}

#[derive(Args, Debug)]
pub(crate) struct FetchArgs {
    /// Data set: see `reclra list data`
    pub(crate) name: String,
    /// Where to fetch it first: the address to which file names are added
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) mirror: Vec<String>,
    /// Use only the mirrors named by --mirror
    #[arg(long, requires = "mirror")]
    pub(crate) only_mirror: bool,
    /// Folder for its files [default: the user's data folder, or RECLRA_DATA]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) data_dir: Option<PathBuf>,
    /// Seconds of silence after which a mirror is given up
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) timeout: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Time of one training step on random samples, phase by phase, against the floor of this machine
    ///
    /// The floor of a phase is the time this machine needs for its matrix products or for moving its tensors once,
    /// whichever is longer; both ceilings are measured at the start.
    Step(BenchStepArgs),
    /// Time of a real epoch against its bare steps
    Epoch(BenchEpochArgs),
    /// Time of a step over widths, depths, batches and threads: a table and plots
    Scale(BenchScaleArgs),
    /// A run of very many steps: whether its memory, the time of a step and its log stay what they are
    Soak(BenchSoakArgs),
}

#[derive(Args, Debug)]
pub(crate) struct BenchStepArgs {
    #[command(flatten)]
    pub(crate) spec: SpecArgs,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
    /// Seconds of measuring, after a quarter as long of warm-up
    #[arg(long, value_name = "S", default_value_t = 2.0, value_parser = seconds)]
    pub(crate) seconds: f64,
}

#[derive(Args, Debug)]
pub(crate) struct BenchEpochArgs {
    #[command(flatten)]
    pub(crate) spec: SpecArgs,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
    /// Epochs measured, after one of warm-up
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) rounds: u16,
}

#[derive(Args, Debug)]
pub(crate) struct BenchScaleArgs {
    #[command(flatten)]
    pub(crate) spec: SpecArgs,
    /// Seconds of measuring for each point
    #[arg(long, value_name = "S", default_value_t = 0.5, value_parser = seconds)]
    pub(crate) seconds: f64,
    /// Widest hidden region
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(64..=16384))]
    pub(crate) widest: u32,
    /// A quarter of the points: a look, not a measurement
    #[arg(long)]
    pub(crate) quick: bool,
    /// Folder for scale.csv and the plots
    #[arg(long, value_name = "DIR", default_value = "results", value_hint = ValueHint::DirPath)]
    pub(crate) out: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct BenchSoakArgs {
    #[command(flatten)]
    pub(crate) spec: SpecArgs,
    /// Steps of the run; its epochs follow from them
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(100..))]
    pub(crate) steps: u64,
    /// Folder of the run, kept [default: a temporary one, removed]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
}

fn seconds(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|s| (0.01..=600.0).contains(s)).ok_or_else(|| "must be from 0.01 to 600".to_owned())
}
