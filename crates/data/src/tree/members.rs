//! The members of a tar file, one after the other: nothing is unpacked, and only headers are read.

use super::names::bad;
use crate::error::Result;
use crate::files::{self, FileError};
use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Component, Path};
use tar::EntryType;

/// Remedy for a damaged archive.
pub(super) const ANEW: &str =
    "make it anew with tar, unpacked by gzip and the like, or name another one with --data-dir";
/// Bytes behind the end of an archive that are looked at.
const BEHIND: u64 = 1 << 20;

/// A member of an archive.
pub(super) struct Member<'a> {
    /// The names of its path, as they are.
    pub(super) names: &'a [OsString],
    /// Its path with slashes between the names, for messages and comparisons.
    pub(super) path: String,
    pub(super) kind: Kind,
    /// Its bytes: the first one and how many.
    pub(super) at: (u64, u64),
}

/// Kind of a member.
pub(super) enum Kind {
    File,
    Folder,
    /// A hard link to the member of that path.
    Hard(String),
    /// A symbolic link to that path, as it is written.
    Symbolic(String),
    /// A device, a pipe and the like.
    Other,
}

/// Calls `see` with each member, in order; true if something stands behind the end of the archive.
///
/// # Errors
/// If the archive is damaged or cut, if it has members that cannot be read in place, and those of `see`.
pub(super) fn each_member(archive: &Path, see: &mut dyn FnMut(Member<'_>) -> Result<()>) -> Result<bool> {
    let io = |e: std::io::Error| FileError::io(archive, &e, ANEW);
    let file = files::open(archive).map_err(io)?;
    let damaged =
        |e: std::io::Error| bad(archive, format!("is no whole tar file ({})", files::plain(&e.to_string())), ANEW);
    let whole = file.metadata().map_err(io)?.len();
    // A tar file ends with a block of zeros; one that was cut may look whole but for that.
    let mut end = 0;
    let mut tar = tar::Archive::new(BufReader::with_capacity(1 << 10, file));
    for entry in tar.entries_with_seek().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let kind = entry.header().entry_type();
        let path = entry.path().map_err(damaged)?.into_owned();
        let shown = || files::one_line(&path.to_string_lossy()).into_owned();
        if let Some(name) = sparse(&mut entry, kind).map_err(damaged)? {
            let name = name.unwrap_or_else(shown);
            let what = format!("has sparse members, such as {name}, whose gaps are left out");
            return Err(bad(archive, what, "make it anew without tar -S (--sparse)"));
        }
        end = entry.raw_file_position().saturating_add(entry.size().div_ceil(512).saturating_mul(512));
        let mut names = Vec::new();
        for name in path.components() {
            match name {
                Component::Normal(name) => names.push(name.to_owned()),
                Component::ParentDir => {
                    let what = format!("holds a name that leads out of it: {}", shown());
                    return Err(bad(archive, what, "make it anew from the folder that holds train"));
                }
                Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            }
        }
        let target = |entry: &tar::Entry<'_, _>| -> Result<String> {
            let link = entry.link_name().map_err(damaged)?;
            Ok(link.map(|l| l.to_string_lossy().into_owned()).unwrap_or_default())
        };
        let kind = match kind {
            EntryType::Regular | EntryType::Continuous if entry.path_bytes().ends_with(b"/") => Kind::Folder,
            EntryType::Regular | EntryType::Continuous => Kind::File,
            EntryType::Directory => Kind::Folder,
            EntryType::Link => Kind::Hard(target(&entry)?),
            EntryType::Symlink => Kind::Symbolic(target(&entry)?),
            // What is said of all members, or of the archive.
            EntryType::XGlobalHeader => continue,
            other if other.as_byte() == b'V' => continue,
            other if other.as_byte() == b'M' => {
                return Err(bad(archive, "is one volume of several".to_owned(), "make it anew as one file"));
            }
            _ => Kind::Other,
        };
        let words: Vec<Cow<'_, str>> = names.iter().map(|n: &OsString| OsStr::to_string_lossy(n)).collect();
        let at = (entry.raw_file_position(), entry.size());
        see(Member { path: words.join("/"), names: &names, kind, at })?;
    }
    if whole < end.saturating_add(512) {
        return Err(bad(archive, "ends in the middle: it was cut".to_owned(), ANEW));
    }
    behind(archive, end).map_err(|e| io(e).into())
}

/// The name of a sparse member, if it is one and its own name is not that of its header: holes of such a file are left out, as GNU
/// tar writes them with a type of their own or with records before the header.
fn sparse<R: Read>(entry: &mut tar::Entry<'_, R>, kind: EntryType) -> std::io::Result<Option<Option<String>>> {
    if kind == EntryType::GNUSparse {
        return Ok(Some(None));
    }
    let (mut any, mut name) = (false, None);
    if let (false, Some(records)) = (kind == EntryType::XGlobalHeader, entry.pax_extensions()?) {
        for record in records.flatten() {
            let key = record.key_bytes();
            any |= key.starts_with(b"GNU.sparse.");
            if key == b"GNU.sparse.name" {
                name = Some(files::plain(&String::from_utf8_lossy(record.value_bytes())));
            }
        }
    }
    Ok(any.then_some(name))
}

/// Returns true if there is anything but zeros behind the end of an archive, as where two were joined.
fn behind(archive: &Path, end: u64) -> std::io::Result<bool> {
    let mut file = File::open(archive)?;
    file.seek(SeekFrom::Start(end))?;
    let mut reader = BufReader::with_capacity(1 << 14, file.take(BEHIND));
    let mut block = [0; 1 << 12];
    loop {
        match reader.read(&mut block)? {
            0 => return Ok(false),
            n if block[..n].iter().any(|&b| b != 0) => return Ok(true),
            _ => {}
        }
    }
}
