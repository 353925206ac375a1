//! Writing files so that a reader never sees half of one: temporary name, fsync, rename, fsync of the folder.

use std::io::Write;
use std::path::{Path, PathBuf};

/// A file or folder that could not be written or read: one line with the path and the remedy.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}; {remedy}", .path.display())]
pub struct FileError {
    /// The file or folder.
    pub path: PathBuf,
    /// What happened.
    pub what: String,
    /// What to do about it.
    pub remedy: &'static str,
}

/// What is said of a path that leads nowhere.
const MISSING: &str = "there is no such file or folder";

impl FileError {
    /// Whether it is about a file or folder that was to be read and is not there: that is for who named it to mend.
    #[must_use]
    pub fn missing(&self) -> bool {
        self.what == MISSING
    }

    /// From an operating system error.
    #[must_use]
    pub fn io(path: &Path, error: &std::io::Error, remedy: &'static str) -> FileError {
        use std::io::ErrorKind as K;
        let what = match error.kind() {
            K::NotFound => MISSING.to_owned(),
            K::PermissionDenied => "permission denied".to_owned(),
            K::IsADirectory => "is a folder, not a file".to_owned(),
            K::NotADirectory => "a part of this path is a file, not a folder".to_owned(),
            K::StorageFull => "the disk is full".to_owned(),
            K::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
            _ => error.to_string(),
        };
        FileError { path: path.to_owned(), what, remedy }
    }
}

/// Beginning of the names of files that are not whole yet.
const TEMPORARY: &str = ".reclra-";

/// Removes what writers that were killed have left in a folder.
pub(crate) fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|n| n.starts_with(TEMPORARY)) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Writes `bytes` to `path`: afterwards the file is either the old one or the whole new one, also after a power cut.
///
/// # Errors
/// Names the file; the former content is then still there.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder)?;
        file.write_all(bytes)?;
        #[cfg(unix)]
        {
            // Temporary files are private; a result is for whoever may read the folder.
            use std::os::unix::fs::PermissionsExt;
            file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        }
        file.as_file().sync_all()?;
        file.persist(path).map_err(|e| e.error)?;
        #[cfg(unix)]
        std::fs::File::open(folder)?.sync_all()?;
        Ok(())
    };
    write().map_err(|e| unwritten(path, &e, "free some space or choose another folder with --out"))
}

/// Makes `folder` (and those above it) and checks that files can be written there, before hours are spent.
///
/// # Errors
/// Names the folder and what stands in the way.
pub fn writable_folder(folder: &Path) -> Result<(), FileError> {
    let probe = || -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder).map(|_| ())
    };
    if folder.is_file() {
        let what = "is a file, where a folder belongs".to_owned();
        return Err(FileError { path: folder.to_owned(), what, remedy: "choose another folder with --out" });
    }
    probe().map_err(|e| unwritten(folder, &e, "choose a folder you may write to with --out"))
}

/// What could not be made is not what was to be read and is missing.
fn unwritten(path: &Path, error: &std::io::Error, remedy: &'static str) -> FileError {
    let error = FileError::io(path, error, remedy);
    let what = if error.missing() { "cannot be made there".to_owned() } else { error.what };
    FileError { what, ..error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_existing_file_is_replaced_whole_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write_atomically(&path, b"one").unwrap();
        write_atomically(&path, b"two two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two two");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_where_the_folder_belongs_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = writable_folder(file.path()).unwrap_err().to_string();
        assert!(error.contains("is a file, where a folder belongs"), "{error}");
        let error = writable_folder(&file.path().join("below")).unwrap_err().to_string();
        assert!(error.contains("not a folder") && error.contains("--out"), "{error}");
    }
}
