//! How a command fails: one line on standard error and an exit code.

use crate::args::Cli;
use clap::CommandFactory;
use reclra_data::files::FileError;
use reclra_data::{DataError, FetchError};
use reclra_report::embed::EmbedError;
use reclra_train::compare::CompareError;
use reclra_train::experiment::ExperimentError;
use reclra_train::export::ExportError;
use reclra_train::fit::FitError;
use reclra_train::run::RunError;
use reclra_train::spec::SpecError;
use std::ffi::OsString;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Asked wrongly: exit code 2.
    Usage(String),
    /// Ctrl-C or a request to end: exit code 130.
    Interrupted(String),
    /// Anything else: exit code 1.
    Other(String),
    /// `--help`, `--version`, or a command line that cannot be understood.
    Clap(Box<clap::Error>),
    /// The reader of standard output has left (`reclra list | head -1`) and nothing else was to come: exit code 141, as of a
    /// program that SIGPIPE ends.
    Unread,
}

impl Failure {
    /// The line that says what happened, unless it was said, and the exit code.
    pub(crate) fn outcome(self) -> (Option<String>, u8) {
        match self {
            Failure::Usage(line) => (Some(line), 2),
            Failure::Interrupted(line) => (Some(line), 130),
            Failure::Other(line) => (Some(line), 1),
            Failure::Unread => (None, 141),
            Failure::Clap(e) if !e.use_stderr() => match e.print() {
                Err(unwritten) => Failure::from(unwritten).outcome(),
                Ok(()) => (None, 0),
            },
            // Asked for nothing at all: the help, as an error.
            Failure::Clap(e) if e.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                let _ = e.print();
                (None, 2)
            }
            Failure::Clap(e) => (Some(one_line(&e)), 2),
        }
    }
}

/// The parser's message, of several lines, as one: what is wrong, and what was meant.
fn one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let lines = text.lines().map(str::trim).take_while(|l| !l.starts_with("Usage:") && !l.starts_with("For more"));
    let parts: Vec<String> = lines
        // That a value could stand for itself after `--` is of no use to any command here.
        .filter(|l| !l.is_empty() && !l.starts_with("tip: to pass"))
        .map(in_words)
        .map(|l| match l.strip_prefix("tip: ") {
            Some(tip) => match tip.rsplit_once("exists: ") {
                Some((_, similar)) => format!("did you mean {}?", similar.replace('\'', "`")),
                None => tip.to_owned(),
            },
            None => l.trim_start_matches("error: ").replace('\'', "`"),
        })
        .collect();
    let (first, rest) = parts.split_first().map_or(("", &[][..]), |(f, r)| (f.as_str(), r));
    let separator = if first.ends_with(':') { " " } else { ", " };
    let line = std::iter::once(first.to_owned()).chain((!rest.is_empty()).then(|| rest.join(", ")));
    let line = line.collect::<Vec<_>>().join(separator);
    if line.contains("did you mean") { line } else { format!("{line}; see `{} --help`", asked(std::env::args_os())) }
}

/// The parser's range of a number, `0 is not in 50..=1000`, as what it must be, and its word for a negative number.
fn in_words(line: &str) -> String {
    if let Some(argument) = line.split_once("unexpected argument '").and_then(|(_, rest)| rest.split_once("' found"))
        && argument.0.parse::<f64>().is_ok()
    {
        return format!("unexpected number '{}': what stands before it takes no negative number", argument.0);
    }
    let Some((before, range)) = line.split_once(" is not in ") else { return line.to_owned() };
    let Some((place, _)) = before.rsplit_once(": ") else { return line.to_owned() };
    match range.split_once("..") {
        Some((from, "" | "18446744073709551615")) => format!("{place}: must be a whole number of {from} or more"),
        // The parser's `..N` ends before N, `..=N` at it.
        Some((from, to)) => match (to.strip_prefix('='), to.parse::<i128>()) {
            (Some(to), _) => format!("{place}: must be a whole number from {from} to {to}"),
            (None, Ok(end)) => format!("{place}: must be a whole number from {from} to {}", end - 1),
            _ => line.to_owned(),
        },
        None => line.to_owned(),
    }
}

/// The command and its commands within a command line: whose help is meant.
fn asked(args: impl Iterator<Item = OsString>) -> String {
    let mut command = Cli::command();
    let mut path = command.get_name().to_owned();
    for arg in args.skip(1) {
        match command.find_subcommand(&arg).cloned() {
            Some(found) => {
                path = format!("{path} {}", found.get_name());
                command = found;
            }
            // Flags may stand before a command; after any other word none is to come.
            None if arg.to_string_lossy().starts_with('-') => {}
            None => break,
        }
    }
    path
}

impl From<clap::Error> for Failure {
    fn from(e: clap::Error) -> Self {
        Failure::Clap(Box::new(e))
    }
}

impl From<SpecError> for Failure {
    fn from(e: SpecError) -> Self {
        // Elsewhere it may run.
        if matches!(e, SpecError::Memory { .. }) {
            Failure::Other(e.to_string())
        } else {
            Failure::Usage(e.to_string())
        }
    }
}

impl From<DataError> for Failure {
    fn from(e: DataError) -> Self {
        match e {
            DataError::Unknown { .. }
            | DataError::Validation { .. }
            | DataError::Stored { .. }
            | DataError::Fold { .. }
            | DataError::Setting { .. } => Failure::Usage(e.to_string()),
            DataError::File(e) => e.into(),
            _ => Failure::Other(e.to_string()),
        }
    }
}

impl From<FetchError> for Failure {
    fn from(e: FetchError) -> Self {
        match e {
            FetchError::Interrupted => Failure::Interrupted(e.to_string()),
            FetchError::Mirror { .. } | FetchError::NoMirror(_) => Failure::Usage(e.to_string()),
            e => Failure::Other(e.to_string()),
        }
    }
}

impl From<FileError> for Failure {
    fn from(e: FileError) -> Self {
        // A path that leads nowhere, or to something else, was written wrongly; what cannot be read or written is another matter.
        if e.misnamed() { Failure::Usage(e.to_string()) } else { Failure::Other(e.to_string()) }
    }
}

impl From<ExportError> for Failure {
    fn from(e: ExportError) -> Self {
        match e {
            ExportError::File(e) => e.into(),
            e => Failure::Other(e.to_string()),
        }
    }
}

impl From<EmbedError> for Failure {
    fn from(e: EmbedError) -> Self {
        use EmbedError as E;
        match e {
            E::Data(e) => e.into(),
            E::Write(e) => e.into(),
            E::Layer(_) | E::NoHidden | E::Few { .. } | E::Many { .. } | E::Perplexity { .. } | E::Threads(_) => {
                Failure::Usage(e.to_string())
            }
            e => Failure::Other(e.to_string()),
        }
    }
}

impl From<RunError> for Failure {
    fn from(e: RunError) -> Self {
        match e {
            RunError::Data(e) => e.into(),
            RunError::Spec(e) => e.into(),
            RunError::File(e) => e.into(),
            e => Failure::Other(e.to_string()),
        }
    }
}

impl From<FitError> for Failure {
    fn from(e: FitError) -> Self {
        match e {
            FitError::Spec(e) => e.into(),
            FitError::Data(e) => e.into(),
            e => Failure::Other(e.to_string()),
        }
    }
}

impl From<ExperimentError> for Failure {
    fn from(e: ExperimentError) -> Self {
        match e {
            ExperimentError::Interrupted => Failure::Interrupted(e.to_string()),
            ExperimentError::Needs { .. } => Failure::Other(e.to_string()),
            ExperimentError::Data(e) => e.into(),
            ExperimentError::Write(e) => e.into(),
            e => Failure::Usage(e.to_string()),
        }
    }
}

impl From<CompareError> for Failure {
    fn from(e: CompareError) -> Self {
        match e {
            CompareError::Interrupted => Failure::Interrupted(e.to_string()),
            CompareError::Run(e) => e.into(),
            e => Failure::Other(e.to_string()),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(e: std::io::Error) -> Self {
        if e.kind() == std::io::ErrorKind::BrokenPipe {
            Failure::Unread
        } else {
            Failure::Other(format!("standard output: {e}; free some space or send it elsewhere"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_of_a_number_is_said_in_words() {
        let of = |range: &str| in_words(&format!("error: invalid value `0` for `--n <N>`: 0 is not in {range}"));
        for (range, said) in [
            ("50..=1000", "from 50 to 1000"),
            ("1..", "of 1 or more"),
            ("100..18446744073709551615", "of 100 or more"),
            ("1..65", "from 1 to 64"),
        ] {
            assert_eq!(of(range), format!("error: invalid value `0` for `--n <N>`: must be a whole number {said}"));
        }
        let negative = in_words("error: unexpected argument '-5' found");
        assert_eq!(negative, "unexpected number '-5': what stands before it takes no negative number");
        assert_eq!(in_words("error: unexpected argument '--five' found"), "error: unexpected argument '--five' found");
        assert_eq!(in_words("error: a file is not in a..b"), "error: a file is not in a..b");
    }

    #[test]
    fn the_help_is_that_of_the_command_asked_for() {
        let of = |line: &str| asked(line.split(' ').map(OsString::from));
        assert_eq!(of("reclra train --threads 0"), "reclra train");
        assert_eq!(of("reclra --json data fetch --timeout 0"), "reclra data fetch");
        assert_eq!(of("reclra runs compare --sort runs compare"), "reclra runs compare");
        assert_eq!(of("/usr/bin/reclra --no-such"), "reclra");
    }
}
