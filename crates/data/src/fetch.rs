//! Fetching data sets: from the first mirror that has the right bytes, which their SHA-256 tells.
//!
//! A mirror is not trusted with anything. What it sends goes to a file ending in `.part`, no more of it than the file
//! can have; only what decodes to the published content gets the file's name, in one step. What was cut off is gone on
//! with, at the next mirror or the next time; what turned out to be wrong is not. A mirror that is silent, or that
//! sends less than 1 KiB a second over three times the timeout, is given up.

mod events;
mod http;
mod transfer;

use super::content::{self, Verdict};
use super::entry::{Entry, FileEntry, data_home, entries, names};
use crate::files::{FileError, no_file};
use events::REMEDY;
pub use events::{FetchError, FetchEvent, FetchOptions};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use transfer::{Missed, Transfer, remove};

/// Held by whoever fetches into a folder.
const LOCK: &str = ".fetch.lock";

/// The folder into which a data set is fetched: `dir`, or the folder of the data set's name that is in it already;
/// without it the one where it is looked for first.
#[must_use]
pub fn fetch_folder(entry: &Entry, dir: Option<&Path>) -> PathBuf {
    match dir {
        Some(dir) if dir.join(entry.name).is_dir() => dir.join(entry.name),
        Some(dir) => dir.to_owned(),
        None => data_home().join(entry.name),
    }
}

/// Fetches the files of a data set that are not there already and gives the paths of all: none if it is embedded.
///
/// The mirror that gave a file is asked first for the next one.
///
/// # Errors
/// If a file cannot be had from any mirror, if the folder cannot be written to or is in use, if `stop` was set.
pub fn fetch(
    entry: &Entry,
    options: &FetchOptions,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(FetchEvent<'_>),
) -> Result<Vec<PathBuf>, FetchError> {
    let mut mirrors = mirrors(entry, options)?;
    let folder = &options.folder;
    let mut there = Vec::new();
    for file in entry.files {
        if stop.load(Ordering::Relaxed) {
            return Err(FetchError::Interrupted);
        }
        there.push(look(file, folder)?);
    }
    if there.iter().all(|t| t.wrong.is_empty() && t.right.is_some()) {
        // Nothing to do, so a folder in which nothing can be done is good enough.
        let paths: Vec<PathBuf> = there.into_iter().filter_map(|t| t.right).collect();
        entry.files.iter().zip(&paths).for_each(|(f, path)| tell(FetchEvent::Present { file: f.name, path }));
        return Ok(paths);
    }
    let _lock = lock(folder)?;
    let mut paths = Vec::new();
    for file in entry.files {
        // Once more: until the lock was ours somebody else may have fetched it.
        let found = look(file, folder)?;
        let path = if let Some(path) = found.right {
            tell(FetchEvent::Present { file: file.name, path: &path });
            path
        } else {
            if mirrors.is_empty() {
                return Err(FetchError::NoMirror(file.name.to_owned()));
            }
            let (path, gave) = from_mirrors(&mirrors, &mut Transfer { file, options, stop, tell })?;
            mirrors.rotate_left(gave);
            tell(FetchEvent::Done { file: file.name, path: &path });
            path
        };
        // With a right file there, wrong ones that would be found before it can go.
        for wrong in found.wrong.iter().filter(|&w| *w != path) {
            remove(wrong).map_err(|e| FileError::io(wrong, &e, "remove it, its content is wrong"))?;
            tell(FetchEvent::Removed { file: file.name, path: wrong });
        }
        paths.push(path);
    }
    Ok(paths)
}

/// The addresses to which file names are added, each ending in a slash.
fn mirrors(entry: &Entry, options: &FetchOptions) -> Result<Vec<String>, FetchError> {
    let own = entry.mirrors.iter().map(|&m| m.to_owned()).filter(|_| !options.only_named);
    let all = options.mirrors.iter().cloned().chain(own).map(|mut url| match http::web_address(&url) {
        Ok(_) => {
            if !url.ends_with('/') {
                url.push('/');
            }
            Ok(url)
        }
        Err(what) => Err(FetchError::Mirror { url, what }),
    });
    all.collect()
}

/// What is in a folder under the names of a file.
struct Found {
    right: Option<PathBuf>,
    /// Files with wrong content that would be found before the right one.
    wrong: Vec<PathBuf>,
}

fn look(file: &FileEntry, folder: &Path) -> Result<Found, FetchError> {
    let mut found = Found { right: None, wrong: Vec::new() };
    for path in names(file.name).iter().map(|n| folder.join(n)) {
        if !path.is_file() {
            continue;
        }
        match content::check(&path, file).map_err(|e| FileError::io(&path, &e, REMEDY))? {
            Verdict::Right { .. } => {
                found.right = Some(path);
                break;
            }
            Verdict::Wrong { sha256: Some(sha256), .. } => {
                let other = |e: &&Entry| e.files.iter().any(|f| f.sha256 == sha256);
                if let Some(owner) = entries().iter().find(other) {
                    return Err(FetchError::Taken { path, owner: owner.name });
                }
                found.wrong.push(path);
            }
            _ => found.wrong.push(path),
        }
    }
    Ok(found)
}

/// Makes the folder and keeps others from fetching into it for as long as the file is open.
fn lock(folder: &Path) -> Result<File, FetchError> {
    let failed = |e: &std::io::Error| FileError::io(folder, e, "name a folder you may write to with --data-dir");
    no_file(folder, "name a folder with --data-dir")?;
    std::fs::create_dir_all(folder).map_err(|e| failed(&e))?;
    let options = OpenOptions::new().create(true).append(true).open(folder.join(LOCK));
    let file = options.map_err(|e| failed(&e))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(FetchError::Busy(folder.to_owned())),
        // Some file systems know no locks: then the user must see to it.
        Err(TryLockError::Error(_)) | Ok(()) => Ok(file),
    }
}

/// Asks one mirror after the other; gives the path and which mirror it was.
fn from_mirrors(mirrors: &[String], transfer: &mut Transfer<'_>) -> Result<(PathBuf, usize), FetchError> {
    let file = transfer.file.name;
    let mut tried = Vec::new();
    for (n, base) in mirrors.iter().enumerate() {
        match transfer.ask(base) {
            Ok(path) => return Ok((path, n)),
            Err(Missed::Fatal(e)) => return Err(e),
            Err(Missed::Mirror { url, reason }) => {
                let next = mirrors.get(n + 1).map(String::as_str);
                (transfer.tell)(FetchEvent::MirrorFailed { file, url: &url, reason: &reason, next });
                tried.push(format!("{url}: {reason}"));
            }
        }
    }
    Err(FetchError::AllFailed { file: file.to_owned(), folder: transfer.options.folder.clone(), tried })
}
