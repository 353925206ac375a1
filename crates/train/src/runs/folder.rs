//! The folder of a run: made, held by one process at a time, its log.

use super::environment::{Environment, now};
use super::names::{ENVIRONMENT, LOCK, LOG, RESULT, SPEC};
use crate::spec::RunSpec;
use reclra_data::files::{FileError, sweep, writable_folder, write_atomically};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

/// What a lock says before the number of its process.
const HOLDER: &str = "process ";

/// A folder that this process alone works in.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// The lock goes with the handle, and so with the process, however it ends.
    _lock: File,
}

impl RunFolder {
    /// Makes the folder if need be, and holds it.
    ///
    /// # Errors
    /// If it cannot be made or written to, or another process holds it.
    pub fn hold(path: &Path) -> Result<RunFolder, FileError> {
        writable_folder(path)?;
        let at = path.join(LOCK);
        let io = |e: &std::io::Error| FileError::io(&at, e, "choose a folder you may write to with --out");
        // A disk that was full may have taken no more than its first letters.
        let own = |text: &str| text.starts_with(HOLDER) || HOLDER.starts_with(text);
        let foreign = fs::symlink_metadata(&at).is_ok_and(|m| !m.is_file())
            || fs::read_to_string(&at).is_ok_and(|text| !own(&text));
        if foreign {
            let remedy = "move it away, or choose another folder with --out";
            return Err(FileError { path: at, what: "is there and is no lock of a run".to_owned(), remedy });
        }
        let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&at);
        let mut lock = open().map_err(|e| io(&e))?;
        let mut held = lock.try_lock();
        // Whoever only looks whether the folder is held lets go at once.
        for _ in 0..20 {
            if !matches!(held, Err(TryLockError::WouldBlock)) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
            held = lock.try_lock();
        }
        match held {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = lock.read_to_string(&mut holder);
                let what = format!("another process works in this folder ({})", holder.trim());
                let remedy = "wait until it ends, or choose another folder with --out";
                return Err(FileError { path: path.to_owned(), what, remedy });
            }
            Err(TryLockError::Error(e)) => return Err(io(&e)),
        }
        // Who it is, for whoever is refused; the lock holds without it.
        let holder = format!("{HOLDER}{}", std::process::id());
        let _ = lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| lock.write_all(holder.as_bytes()));
        sweep(path);
        Ok(RunFolder { path: path.to_owned(), _lock: lock })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a file in it is.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes what is known before the first step; a result of what was there before is removed first.
    ///
    /// # Errors
    /// Names the file that could not be written.
    pub fn begin(&self, spec: &RunSpec, environment: &Environment) -> Result<(), FileError> {
        let result = self.file(RESULT);
        match fs::remove_file(&result) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(FileError::io(&result, &e, "remove it, or choose another folder with --out"));
            }
            _ => {}
        }
        // The spec last: a folder with a spec has what belongs to it.
        self.describe(environment)?;
        write_atomically(&self.file(SPEC), spec.to_toml().as_bytes())
    }

    /// Writes where the run is made.
    ///
    /// # Errors
    /// Names the file that could not be written.
    pub fn describe(&self, environment: &Environment) -> Result<(), FileError> {
        let json = serde_json::to_vec_pretty(environment).unwrap_or_default();
        write_atomically(&self.file(ENVIRONMENT), &json)
    }

    /// Adds a line to the log, with the time. A log that cannot be written ends no run.
    pub fn log(&self, line: &str) {
        let file = OpenOptions::new().create(true).append(true).open(self.file(LOG));
        let _ = file.and_then(|mut f| writeln!(f, "{} {line}", now()));
    }
}

/// Makes a folder for a run that was given none: `RUNS/NAME-DATE-SEED`, with a number after it if that is taken.
///
/// # Errors
/// If it cannot be made.
pub fn fresh(runs: &Path, name: &str, seed: u64) -> Result<PathBuf, FileError> {
    writable_folder(runs)?;
    let date: String = now().chars().filter(|c| c.is_ascii_alphanumeric()).collect();
    let base = format!("{name}-{}-{seed}", date.trim_end_matches('Z').replace('T', "-"));
    let numbered = (2..).map(|n| format!("{base}.{n}"));
    for name in std::iter::once(base.clone()).chain(numbered) {
        let path = runs.join(name);
        // Making it is what takes it: of two processes in the same second one gets the next number.
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(FileError::io(&path, &e, "choose another folder with --out")),
        }
    }
    Ok(runs.join(base))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_was_not_written_to_its_end_is_a_lock() {
        let dir = tempfile::tempdir().unwrap();
        let lock = dir.path().join(LOCK);
        for text in ["", "proc", "process ", "process 12"] {
            fs::write(&lock, text).unwrap();
            drop(RunFolder::hold(dir.path()).unwrap());
            assert_eq!(fs::read_to_string(&lock).unwrap(), format!("{HOLDER}{}", std::process::id()));
        }
        fs::write(&lock, "procession").unwrap();
        assert!(RunFolder::hold(dir.path()).unwrap_err().what.contains("no lock of a run"));
        assert_eq!(fs::read_to_string(&lock).unwrap(), "procession");
    }
}
