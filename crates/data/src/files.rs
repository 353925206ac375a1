//! Reading files that are no longer than they may be, and writing them so that a reader never sees half of one: temporary name,
//! fsync, rename, fsync of the folder.

use std::borrow::Cow;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// A file or folder that could not be written or read: one line with the path and the remedy, whatever letters a path or a reader's
/// words have.
#[derive(Debug, thiserror::Error)]
#[error("{}: {}; {remedy}", shown(.path), one_line(what))]
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
/// What is said where a folder stands in a file's place, and the other way round.
const FOLDER: &str = "is a folder, not a file";
const FILE: &str = "is a file, where a folder belongs";
const INSIDE: &str = "a part of this path is a file, not a folder";

impl FileError {
    /// Whether it is about a file or folder that was to be read and is not there: that is for who named it to mend.
    #[must_use]
    pub fn missing(&self) -> bool {
        self.what == MISSING
    }

    /// Whether another path would have been right: none is there, or a folder in a file's place, or a file in a folder's.
    #[must_use]
    pub fn misnamed(&self) -> bool {
        [MISSING, FOLDER, FILE, INSIDE].contains(&self.what.as_str())
    }

    /// From an operating system error.
    #[must_use]
    pub fn io(path: &Path, error: &std::io::Error, remedy: &'static str) -> FileError {
        use std::io::ErrorKind as K;
        // Writers of temporary files wrap the system's error in one that keeps its words alone.
        let is =
            |code: i32| error.raw_os_error() == Some(code) || error.to_string().contains(&format!("(os error {code})"));
        let what = match error.kind() {
            K::NotFound => MISSING.to_owned(),
            K::PermissionDenied => "permission denied".to_owned(),
            K::IsADirectory => FOLDER.to_owned(),
            K::NotADirectory => INSIDE.to_owned(),
            K::StorageFull => "the disk is full".to_owned(),
            K::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
            // EMFILE and ENFILE: this file is not to blame, so what else would help with it does not.
            _ if cfg!(unix) && is(24) => {
                let (what, remedy) = ("too many files are open".to_owned(), "raise the limit (ulimit -n)");
                return FileError { path: path.to_owned(), what, remedy };
            }
            _ if cfg!(unix) && is(23) => {
                let what = "too many files are open on this machine".to_owned();
                return FileError { path: path.to_owned(), what, remedy: "end some other programs" };
            }
            _ => error.to_string(),
        };
        FileError { path: path.to_owned(), what, remedy }
    }
}

/// No text that a person writes, a spec or a map, is longer.
pub const TEXT: u64 = 4 << 20;
/// No file of numbers or of metrics that is read whole is longer.
pub const NUMBERS: u64 = 1 << 40;

/// What is shorter fits into the memory of any machine.
const SMALL: u64 = 64 << 20;

/// Checks that what should be a folder is no file.
///
/// # Errors
/// Names the file.
pub fn no_file(folder: &Path, remedy: &'static str) -> Result<(), FileError> {
    if folder.is_file() {
        return Err(FileError { path: folder.to_owned(), what: FILE.to_owned(), remedy });
    }
    Ok(())
}

/// Opens a file. A device, a pipe or a socket is none: who waits for its end may wait for ever.
///
/// # Errors
/// If it is none, or the system refuses.
pub fn open(path: &Path) -> std::io::Result<std::fs::File> {
    let meta = std::fs::metadata(path)?;
    if meta.is_dir() {
        return Err(std::io::ErrorKind::IsADirectory.into());
    }
    if !meta.is_file() {
        let what = "is a device, a pipe or a socket, where a file belongs";
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, what));
    }
    std::fs::File::open(path)
}

/// Reads a file whole.
///
/// # Errors
/// Names the file if it is missing, no regular file, longer than `most` bytes or than memory holds, or cannot be read.
pub fn read(path: &Path, most: u64, remedy: &'static str) -> Result<Vec<u8>, FileError> {
    whole(open(path).map_err(|e| FileError::io(path, &e, remedy))?, path, most, remedy)
}

/// The same of what a user names to be read from its beginning to its end, which may be a pipe.
///
/// # Errors
/// As [`read`].
pub fn read_given(path: &Path, most: u64, remedy: &'static str) -> Result<Vec<u8>, FileError> {
    whole(std::fs::File::open(path).map_err(|e| FileError::io(path, &e, remedy))?, path, most, remedy)
}

fn whole(file: std::fs::File, path: &Path, most: u64, remedy: &'static str) -> Result<Vec<u8>, FileError> {
    let io = |e: std::io::Error| FileError::io(path, &e, remedy);
    let length = file.metadata().map_err(io)?.len();
    // To ask the system takes milliseconds; what is small fits.
    let free = if length > SMALL { crate::system::available() } else { None };
    let most = most.min(free.unwrap_or(u64::MAX));
    let long = |found: String| {
        let what = format!("is {found} long, and no more than {most} can be read");
        FileError { path: path.to_owned(), what, remedy }
    };
    if length > most {
        return Err(long(format!("{length} bytes")));
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length as usize).map_err(|e| io(e.into()))?;
    file.take(most + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > most { Err(long(format!("more than {most} bytes"))) } else { Ok(bytes) }
}

/// Text in UTF-8 of a file.
///
/// # Errors
/// As [`read`], and if it is no text.
pub fn read_text(path: &Path, remedy: &'static str) -> Result<String, FileError> {
    String::from_utf8(read(path, TEXT, remedy)?).map_err(|_| {
        let what = "is no text in UTF-8".to_owned();
        FileError { path: path.to_owned(), what, remedy }
    })
}

/// Whether a letter does something to a terminal or a page instead of being shown: control characters, ends of lines, and what
/// turns the direction of all that follows.
#[must_use]
pub fn unruly(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text as one line that leaves a terminal alone: what is [`unruly`], line breaks among it, becomes blanks.
#[must_use]
pub fn one_line(text: &str) -> Cow<'_, str> {
    if text.contains(unruly) { text.replace(unruly, " ").into() } else { text.into() }
}

/// Serialises a path, an optional one or several: JSON holds text alone, and what is not UTF-8 in them is shown by a mark.
pub mod as_text {
    use serde::Serializer;
    use std::path::{Path, PathBuf};

    /// A path.
    ///
    /// # Errors
    /// As `to`.
    pub fn one<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&path.display())
    }

    /// A path, or null.
    ///
    /// # Errors
    /// As `to`.
    pub fn perhaps<S: Serializer>(path: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
        match path {
            Some(path) => to.collect_str(&path.display()),
            None => to.serialize_none(),
        }
    }

    /// Several paths.
    ///
    /// # Errors
    /// As `to`.
    pub fn all<S: Serializer>(paths: &[PathBuf], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(paths.iter().map(|p| p.display().to_string()))
    }
}

/// A path in a message, which is one line whatever the path holds.
#[must_use]
pub fn shown(path: &Path) -> String {
    one_line(&path.display().to_string()).into_owned()
}

/// What a reader says of damaged bytes, as a few words: no control characters, no line breaks, not long.
#[must_use]
pub fn plain(said: &str) -> String {
    let odd = |c: char| unruly(c) || c == char::REPLACEMENT_CHARACTER;
    let words = said.split(|c: char| c.is_whitespace() || odd(c)).filter(|w| !w.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    line.char_indices().nth(160).map_or(line.clone(), |(end, _)| format!("{}...", &line[..end]))
}

/// Beginning of the names of files that are not whole yet.
const TEMPORARY: &str = ".reclra-";

/// Removes what writers that were killed have left in a folder.
pub fn sweep(folder: &Path) {
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
    write_atomically_by(path, |file| file.write_all(bytes))
}

/// The same of what `fill` writes.
///
/// # Errors
/// Names the file that could not be written.
pub fn write_atomically_by(
    path: &Path,
    fill: impl FnOnce(&mut std::fs::File) -> std::io::Result<()>,
) -> Result<(), FileError> {
    let remedy = "free some space or choose another folder with --out";
    let target = led(path).map_err(|e| unwritten(path, &e, remedy))?;
    // The rename would put a file in the place of a pipe or a device, for everybody on the machine.
    if std::fs::metadata(path).is_ok_and(|m| !m.is_file() && !m.is_dir()) {
        let what = "is no regular file, and is left as it is".to_owned();
        return Err(FileError { path: path.to_owned(), what, remedy: "name a file with --out" });
    }
    let folder = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder)?;
        fill(file.as_file_mut())?;
        #[cfg(unix)]
        {
            // Temporary files are private; a result is for whoever may read the folder.
            use std::os::unix::fs::PermissionsExt;
            file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        }
        file.as_file().sync_all()?;
        file.persist(&target).map_err(|e| e.error)?;
        #[cfg(unix)]
        std::fs::File::open(folder)?.sync_all()?;
        Ok(())
    };
    write().map_err(|e| unwritten(path, &e, remedy))
}

/// Most links one after the other that systems follow.
const LINKS: usize = 40;

/// The file that a path leads to through links, which stay links: there already, or to be made.
fn led(path: &Path) -> std::io::Result<PathBuf> {
    let mut at = path.to_owned();
    for _ in 0..=LINKS {
        match std::fs::read_link(&at) {
            Ok(next) => at = at.parent().unwrap_or(Path::new("")).join(next),
            Err(_) => return Ok(at),
        }
    }
    Err(std::io::Error::other("its links lead back to themselves"))
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
    no_file(folder, "choose another folder with --out")?;
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
    #[cfg(unix)]
    fn links_stay_links_and_what_they_lead_to_is_written() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("far")).unwrap();
        std::fs::write(at("far/file"), "old").unwrap();
        symlink("far/second", at("first")).unwrap();
        symlink("file", at("far/second")).unwrap();
        symlink("far/new", at("dangling")).unwrap();
        write_atomically(&at("first"), b"new").unwrap();
        write_atomically(&at("dangling"), b"made").unwrap();
        assert_eq!(std::fs::read(at("far/file")).unwrap(), b"new");
        assert_eq!(std::fs::read(at("far/new")).unwrap(), b"made");
        symlink("loop", at("loop")).unwrap();
        let line = write_atomically(&at("loop"), b"x").unwrap_err().to_string();
        assert!(line.contains("loop: ") && line.contains("its links lead back to themselves"), "{line}");
        for name in ["first", "far/second", "dangling", "loop"] {
            assert!(std::fs::symlink_metadata(at(name)).unwrap().is_symlink(), "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn pipes_and_devices_are_not_replaced() {
        use std::os::unix::fs::{FileTypeExt, symlink};
        let dir = tempfile::tempdir().unwrap();
        // A socket is as special as a device, and a test may make one.
        let socket = dir.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let link = dir.path().join("link");
        symlink(&socket, &link).unwrap();
        for path in [&socket, &link] {
            assert!(write_atomically(path, b"one").unwrap_err().what.contains("no regular file"));
        }
        assert!(std::fs::metadata(&link).unwrap().file_type().is_socket());
    }

    #[test]
    fn words_of_readers_are_plain() {
        assert_eq!(plain("bad field:\n\u{fffd}\u{1}\u{fffd} of  it"), "bad field: of it");
        assert_eq!(plain(&"word ".repeat(50)).len(), 163);
        let error = FileError { path: "a\nb".into(), what: "is \u{1b}[2J\nbad".to_owned(), remedy: "mend it" };
        assert_eq!(error.to_string(), "a b: is  [2J bad; mend it");
        assert_eq!(one_line("a\u{202e}b\u{2028}c \u{200c}d"), "a b c \u{200c}d");
    }

    #[cfg(unix)]
    #[test]
    fn too_many_open_files_are_not_a_full_disk() {
        let error = std::io::Error::from_raw_os_error(24);
        for error in [std::io::Error::other(error.to_string()), error] {
            let line = FileError::io(Path::new("a"), &error, "free some space").to_string();
            assert_eq!(line, "a: too many files are open; raise the limit (ulimit -n)");
        }
    }

    #[test]
    fn no_more_is_read_than_may_be() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, b"four").unwrap();
        assert_eq!(read(&path, 4, "mend it").unwrap(), b"four");
        let error = read(&path, 3, "mend it").unwrap_err().to_string();
        assert!(error.ends_with("/a: is 4 bytes long, and no more than 3 can be read; mend it"), "{error}");
        assert!(read(dir.path(), 3, "mend it").unwrap_err().to_string().contains("is a folder, not a file"));
        // Longer than any memory, and of no weight on the disk.
        std::fs::File::create(&path).unwrap().set_len(1 << 42).unwrap();
        assert!(read(&path, NUMBERS, "mend it").unwrap_err().to_string().contains("is 4398046511104 bytes long"));
        if cfg!(target_os = "linux") {
            let device = read(Path::new("/dev/zero"), 3, "mend it").unwrap_err().to_string();
            assert!(device.contains("is a device"), "{device}");
            let device = read_given(Path::new("/dev/zero"), 3, "mend it").unwrap_err().to_string();
            assert!(device.contains("more than 3 bytes long"), "{device}");
        }
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
