//! Making reports and writing them.

use crate::page;
use crate::subject::{Options, Subject};
use reclra::Learner;
use reclra_data::Dataset;
use reclra_data::files::{FileError, write_atomically};
use reclra_train::run::RunError;
use reclra_train::runs::view::{self, distinct_names};
use reclra_train::runs::{REPORT, View};
use std::path::{Path, PathBuf};

/// The report of one run or several.
///
/// # Errors
/// As [`Subject::gather`].
pub fn html(views: &[View], options: &Options) -> Result<String, RunError> {
    let subjects: Result<Vec<_>, _> = views.iter().map(|v| Subject::gather(v, options)).collect();
    Ok(render(&subjects?))
}

/// The page about runs that have been looked into.
#[must_use]
pub fn render(subjects: &[Subject<'_>]) -> String {
    let mut subjects = subjects.to_vec();
    let titles: Vec<String> = subjects.iter().map(|s| s.title.clone()).collect();
    let paths: Vec<&Path> = subjects.iter().map(|s| s.view.folder.as_path()).collect();
    let names = distinct_names(&paths);
    for (subject, name) in subjects.iter_mut().zip(names) {
        // Folders of one name are told apart by their paths.
        if titles.iter().filter(|t| **t == subject.title).count() > 1 {
            subject.title = name;
        }
    }
    page::page(&subjects).into_string()
}

/// Writes the report of a run into its folder, with the network and the data at hand: nothing is loaded twice.
///
/// # Errors
/// If a sample cannot be read or the file cannot be written.
pub fn write(view: &View, learner: &mut Learner, dataset: &dyn Dataset) -> Result<PathBuf, RunError> {
    let path = view.folder.join(REPORT);
    save(&path, &render(&[Subject::with(view, learner, dataset)?]), false)?;
    Ok(path)
}

/// Writes the report of a run that is over into its folder: what [`reclra_train::runs::WriteReport`] asks for.
///
/// # Errors
/// If the folder or a sample cannot be read, or the file cannot be written.
pub fn write_at_end(folder: &Path, judged: Option<(&mut Learner, &dyn Dataset)>) -> Result<PathBuf, RunError> {
    let view = view::read(folder)?;
    match judged {
        Some((learner, dataset)) => write(&view, learner, dataset),
        None => {
            let path = folder.join(REPORT);
            save(&path, &render(&[Subject::bare(&view)]), true)?;
            Ok(path)
        }
    }
}

/// Writes a report. A file that is there must be a report too, unless `overwrite` says that it may go.
///
/// # Errors
/// Names the file.
pub fn save(path: &Path, html: &str, overwrite: bool) -> Result<(), FileError> {
    replaceable(path, overwrite)?;
    write_atomically(path, html.as_bytes())
}

/// Whether a report may be written there.
///
/// # Errors
/// Names the file that is no report and would be lost.
pub fn replaceable(path: &Path, overwrite: bool) -> Result<(), FileError> {
    let bad = |what: &str, remedy| Err(FileError { path: path.to_owned(), what: what.to_owned(), remedy });
    if path.is_dir() {
        return bad("is a folder", "name a file with --out");
    }
    if reclra_train::runs::is_kept(path) {
        return bad("is a file that a run keeps", "name another file with --out");
    }
    if path.parent().is_some_and(|p| !p.as_os_str().is_empty() && !p.is_dir()) {
        return bad("its folder is not there", "make it, or name another file with --out");
    }
    if std::fs::metadata(path).is_ok_and(|m| !m.is_file()) {
        return bad("is a device, a pipe or a socket, where a file belongs", "name another file with --out");
    }
    let there = match std::fs::read(path) {
        Ok(bytes) => bytes,
        // Nothing there; what cannot be read is left to the writing to report.
        Err(_) => return Ok(()),
    };
    let head = String::from_utf8_lossy(&there[..there.len().min(1024)]).into_owned();
    if overwrite || head.contains(page::MARK) {
        return Ok(());
    }
    bad("is there and is no report of reclra", "name another file with --out, or add --overwrite")
}
