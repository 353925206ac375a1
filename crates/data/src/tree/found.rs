//! Pictures by the folder they are in, before it is known which of these are classes, and what was passed over.

use super::names::NAMES;
use crate::text::count;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Place of a picture's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Within {
    /// A file of its own.
    File,
    /// First byte and length in an archive.
    Span(u64, u64),
    /// A link in an archive, by its number, until it is known where that leads.
    Link(usize),
}

impl Within {
    pub(super) fn span(self) -> Option<(u64, u64)> {
        match self {
            Within::Span(at, length) => Some((at, length)),
            Within::File | Within::Link(_) => None,
        }
    }
}

/// Pictures and folders below one place. Paths have slashes between their names; that of the place itself is empty.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Pictures by the folder they are in.
    pictures: BTreeMap<String, Vec<(Box<str>, Within)>>,
    /// Folders, with pictures or without; of those with pictures some may be missing here.
    folders: BTreeSet<String>,
}

impl Found {
    pub(super) fn put(&mut self, folder: &str, name: &str, within: Within) {
        match self.pictures.get_mut(folder) {
            Some(list) => list.push((name.into(), within)),
            None => drop(self.pictures.insert(folder.to_owned(), vec![(name.into(), within)])),
        }
    }

    pub(super) fn put_folder(&mut self, path: String) {
        self.folders.insert(path);
    }

    /// Number of pictures.
    pub(super) fn count(&self) -> usize {
        self.pictures.values().map(Vec::len).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }

    /// Sorts the pictures of each folder by name; of several of one name the last counts.
    pub(super) fn sort(&mut self) {
        for list in self.pictures.values_mut() {
            list.sort_by(|a, b| a.0.cmp(&b.0));
            list.dedup_by(|later, kept| {
                let same = later.0 == kept.0;
                if same {
                    std::mem::swap(later, kept);
                }
                same
            });
        }
    }

    /// All pictures: folder, name and place.
    pub(super) fn each_mut(&mut self) -> impl Iterator<Item = (&str, &str, &mut Within)> {
        self.pictures.iter_mut().flat_map(|(f, list)| list.iter_mut().map(move |(n, w)| (f.as_str(), &**n, w)))
    }

    /// Paths of all folders that are known.
    pub(super) fn folders(&self) -> impl Iterator<Item = &str> {
        let with_pictures = self.pictures.keys().filter(|f| !f.is_empty());
        with_pictures.chain(&self.folders).map(String::as_str)
    }

    /// First names of the paths of all folders.
    pub(super) fn tops(&self) -> BTreeSet<String> {
        self.folders().map(|f| top(f).to_owned()).collect()
    }

    /// Names of the pictures that are in no folder.
    pub(super) fn loose(&self) -> impl Iterator<Item = &str> {
        self.pictures.get("").into_iter().flatten().map(|(name, _)| &**name)
    }

    /// Takes out what is below a folder of the top level.
    pub(super) fn below(&mut self, name: &str) -> Found {
        let inner = |path: &str| match path.strip_prefix(name)? {
            "" => Some(String::new()),
            rest => rest.strip_prefix('/').map(str::to_owned),
        };
        let mut found = Found::default();
        for (path, list) in std::mem::take(&mut self.pictures) {
            match inner(&path) {
                Some(path) => found.pictures.insert(path, list),
                None => self.pictures.insert(path, list),
            };
        }
        for path in std::mem::take(&mut self.folders) {
            match inner(&path) {
                Some(path) if path.is_empty() => true,
                Some(path) => found.folders.insert(path),
                None => self.folders.insert(path),
            };
        }
        found
    }

    /// Takes off folders that all pictures are in and that are neither a class nor one of the `parts`: archives of a folder have
    /// its name before all others.
    pub(super) fn unwrap(&mut self, parts: &[&str]) {
        loop {
            let tops: BTreeSet<&str> = self.pictures.keys().map(|f| top(f)).collect();
            let Some(only) = tops.first().filter(|t| tops.len() == 1 && !t.is_empty() && !parts.contains(*t)) else {
                return;
            };
            let only = (*only).to_owned();
            let mut seconds = self.pictures.keys().filter_map(|f| f.split_once('/').map(|(_, below)| top(below)));
            let is_class = self.pictures.contains_key(&only) && !seconds.any(|s| parts.contains(&s));
            if is_class {
                return;
            }
            *self = self.below(&only);
        }
    }

    /// Paths of all pictures, in order.
    pub(super) fn paths(self) -> impl Iterator<Item = String> {
        self.pictures.into_iter().flat_map(|(f, list)| list.into_iter().map(move |(name, _)| joined(&f, &name)))
    }
}

/// The pictures of a part, by class.
pub(super) type Classes = BTreeMap<String, Vec<(Box<str>, Within)>>;

/// The pictures of a part by class: its folders are the classes, and what is below them belongs to them. `prefix` is the name of
/// the part in notes.
pub(super) fn classes(found: Found, prefix: &str, passed: &mut Passed) -> Classes {
    let mut classes = Classes::new();
    for (folder, pictures) in found.pictures {
        if folder.is_empty() {
            pictures.iter().for_each(|(name, _)| passed.loose.add(joined(prefix, name)));
            continue;
        }
        let (class, below) = folder.split_once('/').unwrap_or((&folder, ""));
        let list = classes.entry(class.to_owned()).or_default();
        list.extend(pictures.into_iter().map(|(name, within)| match below {
            "" => (name, within),
            below => (joined(below, &name).into(), within),
        }));
    }
    let empty = found.folders.iter().filter(|f| !f.contains('/') && !classes.contains_key(*f));
    empty.for_each(|f| passed.empty.add(format!("{}/", joined(prefix, f))));
    classes
}

/// The first name of a path.
pub(super) fn top(path: &str) -> &str {
    path.split_once('/').map_or(path, |(top, _)| top)
}

/// A path below a folder, which may be the empty one.
pub(super) fn joined(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// How many there are of something, and the first few by name.
#[derive(Debug, Default)]
pub(super) struct Few {
    count: usize,
    first: BTreeSet<String>,
}

/// Names that are listed of [`Few`].
const NAMED: usize = 3;

impl Few {
    pub(super) fn add(&mut self, name: String) {
        self.count += 1;
        self.first.insert(name);
        if self.first.len() > NAMED {
            self.first.pop_last();
        }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }
}

impl fmt::Display for Few {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.first.iter().map(String::as_str).collect();
        f.write_str(&names.join(", "))?;
        match self.count - names.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// What was passed over, kind by kind.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// Files that are hidden or have no ending of a picture.
    pub(super) others: Few,
    /// Pictures that are in no class folder.
    pub(super) loose: Few,
    /// Folders beside the parts.
    pub(super) folders: Few,
    /// Class folders without pictures.
    pub(super) empty: Few,
    /// Links to a folder that they are in.
    pub(super) circles: Few,
    /// Archives with something behind their end.
    pub(super) followed: Few,
}

impl Passed {
    /// A line for each kind.
    pub(super) fn notes(&self) -> Vec<String> {
        let parts = NAMES.concat().join(", ");
        let kinds = [
            (&self.others, "file", "hidden or not JPEG, PNG, BMP or PNM by name".to_owned()),
            (&self.loose, "picture", "in no class folder".to_owned()),
            (&self.folders, "folder", format!("not one of {parts}")),
            (&self.empty, "class folder", "without pictures".to_owned()),
            (&self.circles, "link", "to a folder around it".to_owned()),
            (
                &self.followed,
                "archive's rest",
                "after the end that is marked in it (see tar --ignore-zeros)".to_owned(),
            ),
        ];
        let some = kinds.into_iter().filter(|(few, ..)| few.count > 0);
        some.map(|(few, what, why)| format!("passed over {}, {why}: {few}", count(few.count, what))).collect()
    }
}
