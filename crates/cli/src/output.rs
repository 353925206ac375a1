//! Where things are said: results on standard output, everything else on standard error.
//!
//! A command whose results are files goes on when standard output fails, and ends as it would have if its reader has left; a
//! command whose only result is what it prints ends there.

use crate::args::Voice;
use crate::failure::Failure;
pub(crate) use reclra_data::text::{count, grouped};
use serde::Serialize;
use std::borrow::Cow;
use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

impl Voice {
    /// A line of a result, on standard output. Not said with `--json`.
    pub(crate) fn result(self, line: impl std::fmt::Display) -> Result<(), Failure> {
        if !self.json {
            print(&lines(&line.to_string()))?;
        }
        Ok(())
    }

    /// A text for a program to read, letter by letter but on a terminal. Not said with `--json`.
    pub(crate) fn exactly(self, text: &str) -> Result<(), Failure> {
        if !self.json && !std::io::stdout().is_terminal() {
            return print(text);
        }
        self.result(text)
    }

    /// An object, as a line on standard output. Said only with `--json`.
    pub(crate) fn object(self, event: &str, value: &impl Serialize) -> Result<(), Failure> {
        if self.json {
            let mut object = serde_json::Map::new();
            object.insert("event".to_owned(), event.into());
            match serde_json::to_value(value) {
                Ok(serde_json::Value::Object(fields)) => object.extend(fields),
                Ok(other) => drop(object.insert("value".to_owned(), other)),
                Err(e) => return Err(Failure::Other(format!("{event}: {e}"))),
            }
            print(&serde_json::Value::Object(object).to_string())?;
        }
        Ok(())
    }

    /// What a person wants to know meanwhile, on standard error.
    pub(crate) fn note(self, line: impl std::fmt::Display) {
        if !self.quiet {
            say(line);
        }
    }

    /// What a person must know, on standard error, also with `--quiet`.
    pub(crate) fn warn(self, line: &str) {
        say(format_args!("warning: {line}"));
    }

    /// What those want to know who want to know everything, on standard error.
    pub(crate) fn detail(self, line: impl std::fmt::Display) {
        if self.verbose {
            say(line);
        }
    }
}

/// Whether the results of the command are files, so that it goes on without standard output.
static IN_FILES: AtomicBool = AtomicBool::new(false);
/// How standard output failed first, of such a command.
static FAILED: Mutex<Option<std::io::Error>> = Mutex::new(None);

/// Lets the command go on when standard output fails: its results are files.
pub(crate) fn results_are_files() {
    IN_FILES.store(true, Ordering::Relaxed);
}

/// A line on standard output.
fn print(line: &str) -> Result<(), Failure> {
    let Err(error) = writeln!(std::io::stdout().lock(), "{line}") else { return Ok(()) };
    if !IN_FILES.load(Ordering::Relaxed) {
        return Err(error.into());
    }
    let mut failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner);
    if failed.is_none() {
        // A reader that has left has read what it wanted to.
        if error.kind() != ErrorKind::BrokenPipe {
            say(format_args!("warning: standard output: {error}; the command goes on, its files are written"));
        }
        *failed = Some(error);
    }
    Ok(())
}

/// Whether all results were printed, of a command that has gone on without standard output.
///
/// # Errors
/// If some were not, other than to a reader that has left.
pub(crate) fn printed() -> Result<(), Failure> {
    let failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner).take();
    match failed {
        Some(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// A line on standard error. Where nobody reads that any more (`2>&1 | head`), what is done goes on all the same.
pub(crate) fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "{}", lines(&line.to_string()));
}

/// A text that moves no cursor: what names in files hold of unruly letters become blanks, but for line feeds and tabs.
fn lines(text: &str) -> Cow<'_, str> {
    let odd = |c: char| reclra_data::files::unruly(c) && c != '\n' && c != '\t';
    if text.contains(odd) { text.replace(odd, " ").into() } else { text.into() }
}

/// A path for an object. One that is not UTF-8 cannot be told in JSON as it is: what cannot is shown as �.
pub(crate) fn path_text(path: impl AsRef<std::path::Path>) -> String {
    path.as_ref().display().to_string()
}

/// A path as it is written in a shell, quoted where it must be.
pub(crate) fn quoted(path: &std::path::Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "-_./=+@:,".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// `[256, 64]` as `256x64`.
pub(crate) fn shape(sizes: &[usize]) -> String {
    sizes.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

/// Columns, each as wide as its widest cell; numbers to the right.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width =
        |c: usize| rows.iter().map(|r| r[c].chars().count()).chain([head[c].chars().count()]).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let numeric = |c: usize| rows.iter().all(|r| r[c].starts_with(|x: char| x.is_ascii_digit() || x == '-'));
    let line = |cells: &[String]| {
        let padded = cells.iter().enumerate().map(|(c, cell)| {
            let pad = " ".repeat(widths[c] - cell.chars().count());
            if numeric(c) { format!("{pad}{cell}") } else { format!("{cell}{pad}") }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let head: Vec<String> = head.iter().map(|&h| h.to_owned()).collect();
    std::iter::once(line(&head)).chain(rows.iter().map(|r| line(r))).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn tables_line_up() {
        let rows = [vec!["a".to_owned(), "1".to_owned()], vec!["bcd".to_owned(), "100".to_owned()]];
        assert_eq!(table(&["name", "n"], &rows), "name    n\na       1\nbcd   100");
    }
}
