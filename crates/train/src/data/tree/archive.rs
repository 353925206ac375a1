//! The index of a tar file: where the bytes of its pictures are. Nothing is unpacked, and only headers are read.

use super::found::{Found, Passed, Within, joined};
use super::links::{self, Link};
use super::{Result, bad, hidden, is_picture, plain_name};
use crate::files::{self, FileError};
use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Component, Path};
use tar::EntryType;

/// Remedy for a damaged archive.
const ANEW: &str = "make it anew with tar, unpacked by gzip and the like, or name another one with --data-dir";
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

/// Pictures and folders of an archive, which notes call `prefix`.
///
/// # Errors
/// If the archive is damaged, or holds what cannot be read in place: sparse members, links that lead nowhere or to folders.
pub(super) fn index(archive: &Path, prefix: &str, passed: &mut Passed) -> Result<Found> {
    let (mut found, mut links, mut order) = (Found::default(), Vec::new(), 0);
    let mut hidden_folder = String::new();
    let followed = each_member(archive, &mut |member: Member<'_>| {
        order += 1;
        let Some((name, above)) = member.names.split_last() else { return Ok(()) };
        if let Some(n) = member.names.iter().position(|n| hidden(n)) {
            // A hidden folder counts once, as it does where it is a folder on the disk.
            let path = member.path.split('/').take(n + 1).collect::<Vec<_>>().join("/");
            let is_folder = n + 1 < member.names.len() || matches!(member.kind, Kind::Folder);
            if !is_folder || path != hidden_folder {
                passed.others.add(joined(prefix, &files::one_line(&path)));
            }
            if is_folder {
                hidden_folder = path;
            }
            return Ok(());
        }
        let is_picture = is_picture(&name.to_string_lossy());
        let within = match member.kind {
            Kind::File => Within::Span(member.at.0, member.at.1),
            Kind::Folder => {
                found.put_folder(files::one_line(&member.path).into_owned());
                return Ok(());
            }
            Kind::Hard(target) => {
                links.push(Link { order, path: member.path.clone(), hard: true, picture: is_picture, target });
                Within::Link(links.len() - 1)
            }
            Kind::Symbolic(target) => {
                links.push(Link { order, path: member.path.clone(), hard: false, picture: is_picture, target });
                Within::Link(links.len() - 1)
            }
            Kind::Other if is_picture => {
                let what =
                    format!("holds a device, a pipe or the like as a picture: {}", files::one_line(&member.path));
                return Err(bad(archive, what, "make it anew without that"));
            }
            Kind::Other => {
                passed.others.add(joined(prefix, &files::one_line(&member.path)));
                return Ok(());
            }
        };
        if is_picture {
            above.iter().try_for_each(|n| plain_name(archive, n).map(drop))?;
            let folder = member.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            found.put(folder, plain_name(archive, name)?, within);
        } else if matches!(within, Within::Span(..)) {
            passed.others.add(joined(prefix, &files::one_line(&member.path)));
        }
        Ok(())
    })?;
    if followed {
        passed.followed.add(archive.file_name().unwrap_or_default().to_string_lossy().into_owned());
    }
    found.sort();
    if !links.is_empty() {
        follow(archive, &links, &mut found, prefix, passed)?;
    }
    Ok(found)
}

/// Puts the place where a link leads into its place; a link that leads nowhere or to a folder is refused by name.
fn follow(archive: &Path, links: &[Link], found: &mut Found, prefix: &str, passed: &mut Passed) -> Result<()> {
    let places = links::places(archive, links)?;
    let refused = |link: &Link, what: &str| {
        let what = format!("holds a link {what}: {} -> {}", files::one_line(&link.path), files::one_line(&link.target));
        let remedy = if link.hard {
            "make it anew with tar --hard-dereference, which stores the file in the place of the link"
        } else {
            "make it anew with tar -h, which stores what links lead to"
        };
        bad(archive, what, remedy)
    };
    for (_, _, within) in found.each_mut() {
        let Within::Link(n) = *within else { continue };
        match places[n] {
            links::Place::File(at, length) => *within = Within::Span(at, length),
            links::Place::Folder => return Err(refused(&links[n], "to a folder")),
            links::Place::Nowhere => return Err(refused(&links[n], "to what it does not hold")),
            links::Place::Circle => return Err(refused(&links[n], "that leads in a circle")),
        }
    }
    for (link, place) in links.iter().zip(&places).filter(|(link, _)| !link.picture) {
        match place {
            links::Place::Folder => return Err(refused(link, "to a folder")),
            _ => passed.others.add(joined(prefix, &files::one_line(&link.path))),
        }
    }
    Ok(())
}

/// Pictures of an archive that stands for one part, `file` in notes, which may have any of `names`: its folders are the classes,
/// or are in a folder called like the part.
///
/// # Errors
/// As [`index`].
pub(super) fn of_part(archive: &Path, names: &[&str], file: &str, passed: &mut Passed) -> Result<Found> {
    let mut found = index(archive, file, passed)?;
    found.unwrap(names);
    let tops = found.tops();
    let Some(name) = names.iter().find(|n| tops.contains(**n)) else { return Ok(found) };
    let part = found.below(name);
    found.tops().iter().for_each(|top| passed.folders.add(format!("{file}/{top}/")));
    Ok(part)
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
