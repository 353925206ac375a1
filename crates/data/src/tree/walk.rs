//! Pictures below a folder. Links to folders are followed, those that would never end are not.

use super::found::{Found, Passed, Within, joined};
use super::names::{UNREADABLE, hidden, is_picture, plain_name};
use crate::error::Result;
use crate::files::{self, FileError};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// An entry of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A folder, or a link to one.
    Folder,
    /// Anything else.
    File,
}

/// Names in a folder, sorted.
pub(super) fn names(at: &Path) -> Result<Vec<(OsString, Kind)>> {
    let all = std::fs::read_dir(at).and_then(|entries| {
        let one = |e: std::io::Result<std::fs::DirEntry>| {
            let entry = e?;
            let kind = entry.file_type()?;
            let folder = kind.is_dir() || (kind.is_symlink() && entry.path().is_dir());
            Ok((entry.file_name(), if folder { Kind::Folder } else { Kind::File }))
        };
        entries.map(one).collect::<std::io::Result<Vec<_>>>()
    });
    let mut all = all.map_err(|e| FileError::io(at, &e, UNREADABLE))?;
    all.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(all)
}

/// Pictures and folders below a folder, which notes call `prefix`.
///
/// # Errors
/// If a folder cannot be read, or a picture has a name that no text can hold.
pub(super) fn below(place: &Path, prefix: &str, passed: &mut Passed) -> Result<Found> {
    let mut walk = Walk { found: Found::default(), passed, prefix, above: vec![real(place)?] };
    walk.visit(place, "")?;
    walk.found.sort();
    Ok(walk.found)
}

/// The pictures below a folder, in order, and what was passed over, a line for each kind.
///
/// # Errors
/// As [`below`].
pub(crate) fn pictures_below(place: &Path) -> Result<(Vec<PathBuf>, Vec<String>)> {
    let mut passed = Passed::default();
    let found = below(place, "", &mut passed)?;
    Ok((found.paths().map(|p| place.join(p)).collect(), passed.notes()))
}

/// The path of a folder without links.
fn real(at: &Path) -> Result<PathBuf> {
    Ok(at.canonicalize().map_err(|e| FileError::io(at, &e, UNREADABLE))?)
}

struct Walk<'a> {
    found: Found,
    passed: &'a mut Passed,
    prefix: &'a str,
    /// Folders from the first one down to the one that is visited, without links.
    above: Vec<PathBuf>,
}

impl Walk<'_> {
    /// Visits a folder, whose path below the first one is `folder`.
    fn visit(&mut self, at: &Path, folder: &str) -> Result<()> {
        for (name, kind) in names(at)? {
            let shown = files::one_line(&name.to_string_lossy()).into_owned();
            let (path, inner) = (at.join(&name), joined(folder, &shown));
            if hidden(&name) || (kind == Kind::File && !is_picture(&name.to_string_lossy())) {
                self.passed.others.add(joined(self.prefix, &inner));
            } else if kind == Kind::File {
                self.found.put(folder, plain_name(at, &name)?, Within::File);
            } else {
                let real = if path.is_symlink() { real(&path)? } else { self.above[self.above.len() - 1].join(&name) };
                if self.above.iter().any(|a| a.starts_with(&real)) {
                    self.passed.circles.add(joined(self.prefix, &inner));
                    continue;
                }
                let before = self.found.count();
                self.above.push(real);
                self.visit(&path, &inner)?;
                self.above.pop();
                if self.found.count() > before {
                    plain_name(at, &name)?;
                }
                self.found.put_folder(inner);
            }
        }
        Ok(())
    }
}
