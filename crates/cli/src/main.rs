//! The binary `reclra`: arguments in, exit code out. The work is done in the library rooms; here it is asked for and
//! shown.

mod args;
mod board;
mod commands;
mod failure;
mod output;
mod process;
mod progress;
mod signals;
mod topics;
mod tui;

use failure::Failure;
use process::Telling;
use reclra_data::files;
use std::process::ExitCode;

/// Out of memory is said in a line, too.
#[global_allocator]
static MEMORY: Telling =
    Telling { remedy: "lower train.batch, net.width or net.arch, or raise the limit (ulimit, control group)" };

fn main() -> ExitCode {
    reclra_compute::alloc::give_back_large_blocks();
    process::spare_addresses();
    process::large_files_are_errors();
    // A panic is our mistake, never the user's: one line instead of a trace, unless a trace is asked for.
    if std::env::var_os("RUST_BACKTRACE").is_none() {
        std::panic::set_hook(Box::new(|info| {
            let what = info.to_string();
            output::say(format_args!(
                "error: internal error ({}); please report it with the command you ran",
                files::one_line(&what)
            ));
        }));
    }
    match std::panic::catch_unwind(run) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => {
            let (line, code) = failure.outcome();
            // One line, whatever stands in a name or a file.
            line.iter().for_each(|line| output::say(format_args!("error: {}", files::one_line(line))));
            ExitCode::from(code)
        }
        Err(_) => ExitCode::from(1),
    }
}

fn run() -> Result<(), Failure> {
    let cli = args::parse()?;
    commands::run(cli)
}
