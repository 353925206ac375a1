//! The pictures of an image folder: `train/CLASS/picture`, beside it `val` and `test` if they are there, as folders or as tar
//! files that are read in place; or class folders alone. Pictures in folders below that of a class belong to the class.
//!
//! The tree is a function of the names alone: classes and pictures are sorted by name, whatever order the disk has.

mod archive;
#[cfg(test)]
mod archive_tests;
mod found;
mod links;
mod members;
pub(super) mod names;
#[cfg(test)]
pub(super) mod tests;
pub(super) mod walk;

use super::error::{DataError, Result};
use crate::files::{self, FileError};
use found::{Found, Passed};
use names::{NAMES, bad, hidden, is_picture};
use std::collections::BTreeSet;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Names, in small letters, of folders that are no classes: where one stands among folders that might be classes, something is
/// missing or is called otherwise.
const LIKE_PARTS: [&str; 10] =
    ["train", "training", "val", "valid", "validation", "validate", "dev", "eval", "test", "testing"];
/// Endings of packed archives, whose pictures cannot be read in place, and the command that unpacks each.
const PACKED: [(&str, &str); 6] = [
    ("tar.gz", "gunzip -k"),
    ("tgz", "gunzip -k"),
    ("tar.bz2", "bunzip2 -k"),
    ("tar.xz", "xz -dk"),
    ("tar.zst", "zstd -d"),
    ("zip", "unzip"),
];
/// No picture file is longer: a guard against reading what cannot be one.
const LARGEST: u64 = 256 << 20;
/// Remedy where there is no image folder.
const NAME_ONE: &str = "name a folder with train/CLASS/*.jpg in it with --data-dir";
/// A picture of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// Its class.
    pub(super) label: u32,
    /// Path of its file below the folder of its class, mostly a name alone.
    name: Box<str>,
    /// Where its bytes begin in the part's archive, and how many there are; none of a file of its own.
    within: Option<(u64, u64)>,
}

/// One of [`names::PARTS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Branch {
    /// The folder of the classes, or the archive.
    pub(super) place: PathBuf,
    /// Name of the part as it was found, such as `valid`; empty if the classes stand alone.
    pub(super) name: String,
    /// Its pictures, class by class.
    pub(super) items: Vec<Item>,
}

/// The pictures of an image folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tree {
    /// As it was named.
    pub(super) root: PathBuf,
    /// Names of the classes, by label.
    pub(super) classes: Vec<String>,
    /// The parts that are there: to train on, to validate with, to test with.
    pub(super) parts: [Option<Branch>; 3],
    /// What was passed over, a line for each kind.
    pub(super) notes: Vec<String>,
}

/// A part as it was found.
struct Source {
    place: PathBuf,
    name: String,
    found: Found,
}

impl Tree {
    /// Looks at names only, no picture is opened: of a folder, of `train.tar` and the like in it, or of one tar file.
    ///
    /// # Errors
    /// If there is no picture to train on, a class elsewhere that `train` lacks, or a layout that can be read in two ways.
    pub(super) fn read(root: &Path) -> Result<Tree> {
        let beside = PathBuf::from(format!("{}.tar", root.display()));
        if !beside.is_file() {
            unpacked(root)?;
        }
        let mut passed = Passed::default();
        let parts = if root.is_dir() {
            of_folder(root, &mut passed)?
        } else if let Some(archive) = [root, &beside].into_iter().find(|p| p.is_file()) {
            of_archive(archive, &mut passed)?
        } else {
            let e = std::io::Error::from(std::io::ErrorKind::NotFound);
            return Err(FileError::io(root, &e, NAME_ONE).into());
        };
        Tree::grown(root, parts, passed)
    }

    fn grown(root: &Path, parts: [Option<Source>; 3], mut passed: Passed) -> Result<Tree> {
        let mut sorted = [None, None, None];
        for (part, source) in sorted.iter_mut().zip(parts) {
            let Some(Source { place, name, found }) = source else { continue };
            *part = Some((found::classes(found, &name, &mut passed), place, name));
        }
        let classes: Vec<String> = match &sorted[0] {
            Some((train, ..)) => train.keys().cloned().collect(),
            None => return Err(bad(root, "has neither train/CLASS/* nor train.tar".to_owned(), NAME_ONE)),
        };
        if classes.is_empty() {
            let what = match passed.loose.count() {
                0 => "has no picture in train".to_owned(),
                _ => format!("has no class folder in train, only pictures of no class ({})", passed.loose),
            };
            return Err(bad(root, what, "put the pictures of each class into a folder of its own, train/CLASS/"));
        }
        let label = |place: &Path, class: &str| {
            classes.binary_search_by(|c| c.as_str().cmp(class)).map(|l| l as u32).map_err(|_| {
                bad(place, format!("has a class `{class}` that train has not"), "remove it, or add it to train")
            })
        };
        let mut parts = [None, None, None];
        for (part, found) in parts.iter_mut().zip(sorted) {
            let Some((found, place, name)) = found else { continue };
            let mut items = Vec::with_capacity(found.values().map(Vec::len).sum());
            for (class, pictures) in found {
                let label = label(&place, &class)?;
                items.extend(pictures.into_iter().map(|(name, within)| Item { label, name, within: within.span() }));
            }
            *part = (!items.is_empty()).then_some(Branch { place, name, items });
        }
        Ok(Tree { root: root.to_owned(), classes, parts, notes: passed.notes() })
    }

    /// Files whose content the pictures are: the archives, or nothing if they are files of their own.
    pub(super) fn archives(&self) -> Vec<PathBuf> {
        let mut all: Vec<PathBuf> =
            self.parts.iter().flatten().map(|b| b.place.clone()).filter(|p| p.is_file()).collect();
        all.dedup();
        all
    }
}

impl Branch {
    /// Path of a picture, as messages name it; where it is, unless it is in an archive.
    pub(super) fn path(&self, item: &Item, classes: &[String]) -> PathBuf {
        let whole = item.within.is_some() && self.place.file_stem().is_some_and(|s| s != self.name.as_str());
        let place = if whole { self.place.join(&self.name) } else { self.place.clone() };
        place.join(&classes[item.label as usize]).join(&*item.name)
    }

    /// The bytes of a picture's file.
    ///
    /// # Errors
    /// If they cannot be read.
    pub(super) fn bytes(&self, item: &Item, classes: &[String]) -> std::io::Result<Vec<u8>> {
        let Some((at, length)) = item.within else {
            let file = files::open(&self.path(item, classes))?;
            let length = file.metadata()?.len().min(LARGEST);
            let mut bytes = Vec::with_capacity(length as usize + 1);
            file.take(LARGEST).read_to_end(&mut bytes)?;
            return Ok(bytes);
        };
        let mut file = files::open(&self.place)?;
        file.seek(SeekFrom::Start(at))?;
        let mut bytes = Vec::new();
        file.take(length.min(LARGEST)).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// The parts of a folder: of each a folder or an archive; or all of it, if it has class folders alone.
fn of_folder(root: &Path, passed: &mut Passed) -> Result<[Option<Source>; 3]> {
    let entries = walk::names(root)?;
    let (mut folders, mut archives) = (BTreeSet::new(), BTreeSet::new());
    for (name, kind) in entries.iter().filter(|(name, _)| !hidden(name)) {
        let text = name.to_string_lossy().into_owned();
        match kind {
            walk::Kind::Folder => folders.insert(text),
            walk::Kind::File => archives.insert(text),
        };
    }
    let mut parts = [None, None, None];
    let mut used = BTreeSet::new();
    for (part, names) in parts.iter_mut().zip(NAMES) {
        let is_there = |name: &str| archives.contains(&format!("{name}.tar"));
        let all = names.iter().flat_map(|name| {
            let folder = folders.contains(*name).then(|| (*name, (*name).to_owned()));
            folder.into_iter().chain(is_there(name).then(|| (*name, format!("{name}.tar"))))
        });
        let all: Vec<(&str, String)> = all.collect();
        let Some((name, file)) = one_of(root, &all)? else {
            // Passed over, it would be missed: another part would be tested with.
            names.iter().try_for_each(|name| unpacked(&root.join(name)))?;
            continue;
        };
        let place = root.join(file);
        let found = if *file == *name {
            walk::below(&place, name, passed)?
        } else {
            archive::of_part(&place, names, file, passed)?
        };
        used.insert(file.clone());
        *part = Some(Source { place, name: (*name).to_owned(), found });
    }
    if parts[0].is_none() {
        let other = folders.iter().find(|f| LIKE_PARTS.contains(&f.to_lowercase().as_str()));
        if other.is_some() || folders.is_empty() {
            return Err(without_train(root, other.map(String::as_str)));
        }
        let found = walk::below(root, "", passed)?;
        parts = [Some(alone(root, root, found)?), None, None];
        return Ok(parts);
    }
    for (name, kind) in entries {
        let text = files::one_line(&name.to_string_lossy()).into_owned();
        match kind {
            _ if used.contains(&text) => {}
            walk::Kind::Folder if !hidden(&name) => passed.folders.add(format!("{text}/")),
            walk::Kind::File if is_picture(&text) => passed.loose.add(text),
            _ => passed.others.add(text),
        }
    }
    Ok(parts)
}

/// The parts of an archive, by the folders that pictures are in; or all of it, if it has class folders alone.
fn of_archive(archive: &Path, passed: &mut Passed) -> Result<[Option<Source>; 3]> {
    let mut found = archive::index(archive, "", passed)?;
    found.unwrap(&NAMES.concat());
    let tops = found.tops();
    let mut parts = [None, None, None];
    for (part, names) in parts.iter_mut().zip(NAMES) {
        let all: Vec<(&str, String)> =
            names.iter().filter(|n| tops.contains(**n)).map(|n| (*n, (*n).to_owned())).collect();
        if let Some((name, _)) = one_of(archive, &all)? {
            let found = found.below(name);
            *part = Some(Source { place: archive.to_owned(), name: (*name).to_owned(), found });
        }
    }
    if parts[0].is_none() {
        let other = tops.iter().find(|f| LIKE_PARTS.contains(&f.to_lowercase().as_str()));
        if other.is_some() || found.is_empty() {
            return Err(without_train(archive, other.map(String::as_str)));
        }
        return Ok([Some(alone(archive, archive, found)?), None, None]);
    }
    found.tops().iter().for_each(|top| passed.folders.add(format!("{top}/")));
    found.loose().for_each(|name| passed.loose.add(name.to_owned()));
    Ok(parts)
}

/// The one place of a part; none if it is not there.
fn one_of<'a>(root: &Path, all: &'a [(&'a str, String)]) -> Result<Option<&'a (&'a str, String)>> {
    if let [(_, one), (_, other), ..] = all {
        let what = format!("has both {one} and {other}, which are the same part");
        return Err(bad(root, what, "keep one of them, or put their pictures together"));
    }
    Ok(all.first())
}

/// Class folders that stand alone are the training part, unless their folders look like parts.
fn alone(root: &Path, place: &Path, found: Found) -> Result<Source> {
    let second = |folder: &str| {
        let (_, below) = folder.split_once('/')?;
        let name = below.split('/').next().unwrap_or(below);
        LIKE_PARTS.contains(&name.to_lowercase().as_str()).then(|| folder.len() - below.len() + name.len())
    };
    if let Some(folder) = found.folders().find_map(|f| second(f).map(|end| &f[..end])) {
        let what = format!("has no train, but {folder}");
        return Err(bad(root, what, "name the folder above train with --data-dir"));
    }
    if found.is_empty() || found.folders().next().is_none() {
        return Err(without_train(root, None));
    }
    Ok(Source { place: place.to_owned(), name: String::new(), found })
}

/// Refuses what has nothing to train on; `other` is a folder that looks like a part.
fn without_train(root: &Path, other: Option<&str>) -> DataError {
    match other {
        Some(other) => {
            bad(root, format!("has neither train/CLASS/* nor train.tar, but {other}"), "name the training part `train`")
        }
        None => bad(root, "has neither train/CLASS/* nor train.tar".to_owned(), NAME_ONE),
    }
}

/// Refuses a packed archive in the place of a folder: of that very name, or with the ending of one.
fn unpacked(place: &Path) -> Result<()> {
    let named = place.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    let itself = PACKED.iter().filter(|(p, _)| named.ends_with(&format!(".{p}"))).map(|p| (place.to_owned(), p));
    let beside = PACKED.iter().map(|p| (PathBuf::from(format!("{}.{}", place.display(), p.0)), p));
    let beside = beside.filter(|_| !place.exists());
    let Some((archive, (ending, command))) = itself.chain(beside).find(|(p, _)| p.is_file()) else { return Ok(()) };
    let shown = files::shown(&archive);
    let stem = &shown[..shown.len() - ending.len() - 1];
    let then = match *ending {
        "zip" => format!("unpack it: `{command} {shown} -d {stem}`, then name {stem} with --data-dir"),
        _ => format!("unpack it: `{command} {shown}`, then name {stem}.tar with --data-dir"),
    };
    Err(bad(&archive, "is packed, and pictures are read in place".to_owned(), &then))
}
