//! The commands, one file each.

mod bench;
mod compare;
mod data;
mod embed;
mod eval;
mod export;
mod import;
mod inspect;
mod list;
mod man;
mod predict;
mod report;
mod reproduce;
mod resume;
mod runs;
mod setup;
mod train;

use crate::args::{BenchCommand, Cli, Command, DataCommand, RunsCommand};
use crate::failure::Failure;
use crate::output;
use clap::CommandFactory;

pub(crate) fn run(cli: Cli) -> Result<(), Failure> {
    let voice = cli.voice;
    if writes_files(&cli.command) {
        output::results_are_files();
    }
    let done = match cli.command {
        Command::Train(args) => train::run(voice, args),
        Command::Resume(args) => resume::run(voice, &args),
        Command::Runs(args) => runs::run(voice, &args),
        Command::Compare(args) => compare::run(voice, &args),
        Command::Eval(args) => eval::run(voice, &args),
        Command::Predict(args) => predict::run(voice, &args),
        Command::List(args) => list::run(voice, &args),
        Command::Export(args) => export::run(voice, &args),
        Command::Import(args) => import::run(voice, &args),
        Command::Embed(args) => embed::run(voice, &args),
        Command::Report(args) => report::run(voice, &args),
        Command::Inspect(args) => inspect::run(voice, args),
        Command::Data(command) => data::run(voice, command),
        Command::Bench(command) => bench::run(voice, &command),
        Command::Reproduce(args) => reproduce::run(voice, &args),
        Command::Man { out, overwrite } => man::run(voice, out.as_deref(), overwrite),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "reclra", &mut script);
            std::io::Write::write_all(&mut std::io::stdout().lock(), &script)?;
            Ok(())
        }
    };
    done.and_then(|()| output::printed())
}

/// Whether the results of a command are files, and what it prints only tells of them.
fn writes_files(command: &Command) -> bool {
    match command {
        Command::Train(args) => !args.print_spec,
        Command::Reproduce(args) => !args.dry_run && args.name != "list",
        Command::Runs(args) => matches!(args.command, Some(RunsCommand::Clean { yes: true, .. })),
        Command::Data(command) => matches!(command, DataCommand::Fetch(_)),
        Command::Bench(command) => matches!(command, BenchCommand::Scale(_)),
        Command::Man { out, .. } => out.is_some(),
        Command::Resume(_) | Command::Compare(_) | Command::Export(_) | Command::Import(_) => true,
        Command::Embed(_) | Command::Report(_) => true,
        Command::Eval(_) | Command::Predict(_) | Command::List(_) | Command::Inspect(_) => false,
        Command::Completions { .. } => false,
    }
}
