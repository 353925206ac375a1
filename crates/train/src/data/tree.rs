//! What is in an image folder: `train/CLASS/picture`, beside it `val` and `test` if they are there, as folders or as tar
//! files that are read in place.
//!
//! The tree is a function of the names alone: classes and pictures are sorted by name, whatever order the disk has.

use super::error::{DataError, Result};
use crate::files::{self, FileError};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Endings of pictures; other files are passed over.
const ENDINGS: [&str; 8] = ["jpg", "jpeg", "png", "bmp", "pnm", "ppm", "pgm", "pbm"];
/// Names of the folders, in order: to train on, to validate with, to test with.
pub(super) const PARTS: [&str; 3] = ["train", "val", "test"];
/// What archives are called that are packed: their pictures cannot be read in place.
const PACKED: [&str; 6] = ["tar.gz", "tgz", "tar.bz2", "tar.xz", "tar.zst", "zip"];
/// No picture file is longer: a guard against reading what cannot be one.
const LARGEST: u64 = 256 << 20;

/// A picture of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// Its class.
    pub(super) label: u32,
    /// Name of its file, without folders.
    name: Box<str>,
    /// Where its bytes begin in the part's archive, and how many there are; none of a file of its own.
    within: Option<(u64, u64)>,
}

/// One of [`PARTS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Branch {
    /// The folder of the classes, or the archive.
    pub(super) place: PathBuf,
    /// Its pictures, class by class.
    pub(super) items: Vec<Item>,
}

/// What is in an image folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tree {
    /// As it was named.
    pub(super) root: PathBuf,
    /// Names of the classes, by label.
    pub(super) classes: Vec<String>,
    /// The parts that are there: to train on, to validate with, to test with.
    pub(super) parts: [Option<Branch>; 3],
    /// Files that were passed over as their names are those of no picture.
    pub(super) passed_over: usize,
}

/// Names of pictures and where their bytes are, by class.
type Found = BTreeMap<String, Vec<(String, Option<(u64, u64)>)>>;

impl Tree {
    /// Looks at names only, no picture is opened: of a folder, of `train.tar` and the like in it, or of one tar file.
    ///
    /// # Errors
    /// If there is no `train`, no picture in it, or a class elsewhere that `train` lacks.
    pub(super) fn read(root: &Path) -> Result<Tree> {
        let mut found: [Option<(PathBuf, Found)>; 3] = [None, None, None];
        let mut passed_over = 0;
        let beside = PathBuf::from(format!("{}.tar", root.display()));
        if !beside.is_file() {
            unpacked(root)?;
        }
        if root.is_dir() {
            let remedy = "make it readable, or name another folder with --data-dir";
            std::fs::read_dir(root).map_err(|e| FileError::io(root, &e, remedy))?;
            for (part, name) in found.iter_mut().zip(PARTS) {
                let (folder, archive) = (root.join(name), root.join(format!("{name}.tar")));
                if folder.is_dir() {
                    let classes = of_folder(&folder, &mut passed_over)?;
                    *part = Some((folder, classes));
                } else if archive.is_file() {
                    let mut all = of_archive(&archive, Some(name), &mut passed_over)?;
                    *part = all[0].take().map(|classes| (archive, classes));
                } else {
                    // Passed over, it would be missed: another part would be tested with.
                    unpacked(&folder)?;
                }
            }
        } else if let Some(archive) = [root, &beside].into_iter().find(|p| p.is_file()) {
            let all = of_archive(archive, None, &mut passed_over)?;
            found = all.map(|classes| classes.map(|c| (archive.to_owned(), c)));
        } else {
            let e = std::io::Error::from(std::io::ErrorKind::NotFound);
            return Err(FileError::io(root, &e, "name a folder with train/CLASS/*.jpg in it with --data-dir").into());
        }
        let Some((_, train)) = &found[0] else {
            let what = "has neither train/CLASS/* nor train.tar".to_owned();
            return Err(bad(root, what, "name a folder with train/CLASS/*.jpg in it with --data-dir"));
        };
        let classes: Vec<String> = train.keys().cloned().collect();
        if classes.is_empty() {
            return Err(bad(root, "has no picture in train".to_owned(), "put pictures into train/CLASS/"));
        }
        let label = |place: &Path, class: &str| {
            classes.binary_search_by(|c| c.as_str().cmp(class)).map(|l| l as u32).map_err(|_| {
                bad(place, format!("has a class `{class}` that train has not"), "remove it, or add it to train")
            })
        };
        let mut parts = [None, None, None];
        for (part, found) in parts.iter_mut().zip(found) {
            let Some((place, found)) = found else { continue };
            let mut items = Vec::with_capacity(found.values().map(Vec::len).sum());
            for (class, mut pictures) in found {
                let label = label(&place, &class)?;
                pictures.sort_unstable();
                items.extend(pictures.into_iter().map(|(name, within)| Item { label, name: name.into(), within }));
            }
            *part = (!items.is_empty()).then_some(Branch { place, items });
        }
        Ok(Tree { root: root.to_owned(), classes, parts, passed_over })
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
    /// How a picture is called in messages.
    pub(super) fn path(&self, item: &Item, classes: &[String]) -> PathBuf {
        self.place.join(&classes[item.label as usize]).join(&*item.name)
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

/// Refuses a packed archive in the place of a folder: of that very name, or with the ending of one.
fn unpacked(place: &Path) -> Result<()> {
    let named = place.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    let itself = PACKED.iter().any(|p| named.ends_with(&format!(".{p}"))).then(|| place.to_owned());
    let beside = PACKED.iter().map(|p| PathBuf::from(format!("{}.{p}", place.display()))).filter(|_| !place.exists());
    match itself.into_iter().chain(beside).find(|p| p.is_file()) {
        None => Ok(()),
        Some(archive) => {
            let what = "is packed, and pictures are read in place".to_owned();
            Err(bad(&archive, what, "unpack it (tar -xf, gunzip) and name the folder or the .tar file with --data-dir"))
        }
    }
}

/// Whether a file has the name of a picture; hidden files have not.
fn is_picture(name: &str) -> bool {
    let ending = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map(|(_, e)| e.to_ascii_lowercase());
    !name.starts_with('.') && ending.is_some_and(|e| ENDINGS.contains(&e.as_str()))
}

/// Pictures below a folder of classes.
fn of_folder(folder: &Path, passed_over: &mut usize) -> Result<Found> {
    let remedy = "make it readable, or name another folder with --data-dir";
    let names = |at: &Path| -> Result<Vec<(OsString, bool)>> {
        let all = std::fs::read_dir(at).and_then(|entries| {
            let one = |e: std::io::Result<std::fs::DirEntry>| {
                let entry = e?;
                let kind = entry.file_type()?;
                let folder = kind.is_dir() || (kind.is_symlink() && entry.path().is_dir());
                Ok((entry.file_name(), folder))
            };
            entries.map(one).collect::<std::io::Result<Vec<_>>>()
        });
        Ok(all.map_err(|e| FileError::io(at, &e, remedy))?)
    };
    let mut found = Found::new();
    for (class, _) in names(folder)?.into_iter().filter(|(name, is_folder)| *is_folder && !hidden(name)) {
        let mut pictures = Vec::new();
        for (name, _) in names(&folder.join(&class))?.into_iter().filter(|(_, is_folder)| !is_folder) {
            if is_picture(&name.to_string_lossy()) {
                pictures.push((plain_name(&folder.join(&class), &name)?, None));
            } else {
                *passed_over += 1;
            }
        }
        if !pictures.is_empty() {
            found.insert(plain_name(folder, &class)?, pictures);
        }
    }
    Ok(found)
}

/// Whether a file or folder is hidden by its name.
fn hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// The name of a class or of a picture in `at`. One that no text can hold, or that would move the cursor of a terminal, is
/// refused: it goes into models, tables and messages, and left out it would be missed.
fn plain_name(at: &Path, name: &OsStr) -> Result<String> {
    let refused = |what: &str| {
        let shown = name.to_string_lossy();
        bad(at, format!("holds a name that {what}: `{}`", files::one_line(&shown)), "give it another name")
    };
    let text = name.to_str().ok_or_else(|| refused("is not UTF-8"))?;
    if text.contains(files::unruly) {
        return Err(refused("has letters that are not shown but obeyed, such as control characters"));
    }
    Ok(text.to_owned())
}

/// Pictures in an archive: of the part of that name, first in the result, or of all parts, by the folders they are in.
fn of_archive(archive: &Path, part: Option<&str>, passed_over: &mut usize) -> Result<[Option<Found>; 3]> {
    let remedy = "make it anew with tar, unpacked by gzip and the like, or name another one with --data-dir";
    let file = files::open(archive).map_err(|e| FileError::io(archive, &e, remedy))?;
    let damaged =
        |e: std::io::Error| bad(archive, format!("is no whole tar file ({})", files::plain(&e.to_string())), remedy);
    let mut found: [Option<Found>; 3] = [None, None, None];
    let whole = file.metadata().map_err(|e| FileError::io(archive, &e, remedy))?.len();
    // A tar file ends with a block of zeros; one that was cut may look whole but for that.
    let mut end = 0;
    let mut tar = tar::Archive::new(BufReader::with_capacity(1 << 10, file));
    for entry in tar.entries_with_seek().map_err(damaged)? {
        let entry = entry.map_err(damaged)?;
        end = entry.raw_file_position() + entry.size().div_ceil(512) * 512;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path().map_err(damaged)?.into_owned();
        let words: Vec<&OsStr> = path.iter().filter(|w| *w != ".").collect();
        let (place, class, name) = match (part, words.as_slice()) {
            (Some(_), [.., class, name]) => (0, *class, *name),
            (None, [.., within, class, name]) => match PARTS.iter().position(|p| *within == *p) {
                Some(place) => (place, *class, *name),
                None => continue,
            },
            _ => continue,
        };
        if hidden(class) {
            continue;
        }
        if is_picture(&name.to_string_lossy()) {
            let at = (entry.raw_file_position(), entry.size());
            let classes = found[place].get_or_insert_default();
            let (class, name) = (plain_name(archive, class)?, plain_name(archive, name)?);
            classes.entry(class).or_default().push((name, Some(at)));
        } else {
            *passed_over += 1;
        }
    }
    if whole < end + 512 {
        return Err(bad(archive, "ends in the middle: it was cut".to_owned(), remedy));
    }
    Ok(found)
}

pub(super) fn bad(path: &Path, what: String, remedy: &str) -> DataError {
    DataError::Content { path: path.to_owned(), what, remedy: remedy.to_owned() }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::fs::File;

    /// Files of a tree by path, as a folder.
    pub(in crate::data) fn as_folder(at: &Path, files: &[(String, Vec<u8>)]) {
        for (name, bytes) in files {
            let path = at.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }

    /// The files below `prefix` as a tar file, in reverse order.
    pub(in crate::data) fn as_tar(at: &Path, prefix: &str, files: &[(String, Vec<u8>)]) {
        let mut builder = tar::Builder::new(File::create(at).unwrap());
        for (name, bytes) in files.iter().rev().filter(|(n, _)| n.starts_with(prefix)) {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, format!("./{name}"), &bytes[..]).unwrap();
        }
        builder.finish().unwrap();
    }

    fn toy() -> Vec<(String, Vec<u8>)> {
        let names =
            ["train/b/2.PNG", "train/b/1.jpg", "train/a/x.ppm", "train/a/notes.txt", "train/a/.hid.png", "val/b/9.bmp"];
        let long = format!("train/b/{}.jpeg", "n".repeat(150));
        names.iter().map(|n| (*n).to_owned()).chain([long]).map(|n| (n.clone(), n.into_bytes())).collect()
    }

    #[test]
    fn folders_and_archives_give_the_same_tree_sorted_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let places = ["folder", "parts", "one"].map(|n| dir.path().join(n));
        as_folder(&places[0], &toy());
        std::fs::create_dir(&places[1]).unwrap();
        PARTS.iter().for_each(|p| as_tar(&places[1].join(format!("{p}.tar")), p, &toy()));
        as_tar(&places[2].with_extension("tar"), "", &toy());
        let mut listed = Vec::new();
        for place in places.iter().chain([&places[2].with_extension("tar")]) {
            let tree = Tree::read(place).unwrap();
            assert_eq!(tree.classes, ["a", "b"], "{place:?}");
            assert_eq!(tree.passed_over, 2, "{place:?}");
            assert!(tree.parts[2].is_none());
            let mut all = Vec::new();
            for branch in tree.parts.iter().flatten() {
                for item in &branch.items {
                    let path = branch.path(item, &tree.classes);
                    let bytes = String::from_utf8(branch.bytes(item, &tree.classes).unwrap()).unwrap();
                    assert!(bytes.ends_with(path.file_name().unwrap().to_str().unwrap()), "{path:?} {bytes}");
                    all.push(bytes);
                }
            }
            listed.push(all);
        }
        assert_eq!(listed[0][..3], ["train/a/x.ppm", "train/b/1.jpg", "train/b/2.PNG"]);
        assert_eq!((listed[0].len(), listed[0][4].as_str()), (5, "val/b/9.bmp"));
        assert!(listed.iter().all(|l| *l == listed[0]), "{listed:?}");
    }

    #[cfg(unix)]
    #[test]
    fn names_that_no_text_can_hold_are_refused_by_folder_and_archive() {
        use std::os::unix::ffi::OsStrExt;
        let of = |bytes: &'static [u8]| OsStr::from_bytes(bytes);
        let dir = tempfile::tempdir().unwrap();
        for (n, (class, name, want)) in [
            (of(b"cl\xffss"), of(b"1.png"), "holds a name that is not UTF-8: `cl\u{fffd}ss`; give it another name"),
            (of(b"a"), of(b"\xe9.png"), "holds a name that is not UTF-8: `\u{fffd}.png`"),
            (
                of(b"a\x1b[31m"),
                of(b"1.png"),
                "holds a name that has letters that are not shown but obeyed, such as control characters: `a [31m`",
            ),
            (
                of(b"a"),
                of(b"1\n2.png"),
                "holds a name that has letters that are not shown but obeyed, such as control characters: `1 2.png`",
            ),
            (of(b"a"), of("1\u{202e}2.png".as_bytes()), "holds a name that has letters that are not shown but obeyed"),
            // Neither class nor picture: passed over, whatever it is called.
            (of(b".\xff"), of(b"1.png"), ""),
            (of(b"a"), of(b"\xff.txt"), ""),
        ]
        .into_iter()
        .enumerate()
        {
            let (root, tar) = (dir.path().join(n.to_string()), dir.path().join(format!("{n}-in.tar")));
            as_folder(&root, &[("train/b/0.png".to_owned(), vec![1])]);
            std::fs::create_dir_all(root.join("train").join(class)).unwrap();
            std::fs::write(root.join("train").join(class).join(name), [1]).unwrap();
            let mut builder = tar::Builder::new(File::create(&tar).unwrap());
            builder.append_dir_all(".", &root).unwrap();
            builder.finish().unwrap();
            for place in [&root, &tar] {
                match Tree::read(place) {
                    Ok(tree) => assert!(want.is_empty() && tree.classes == ["b"], "{place:?}: {:?}", tree.classes),
                    Err(e) => assert!(!want.is_empty() && e.to_string().contains(want), "{place:?}: {e}"),
                }
            }
        }
    }

    #[test]
    fn what_is_no_image_folder_is_said_in_one_line() {
        let dir = tempfile::tempdir().unwrap();
        let (empty, odd, cut) = (dir.path().join("empty"), dir.path().join("odd"), dir.path().join("cut.tar"));
        std::fs::create_dir(&empty).unwrap();
        let files = ["train/a/1.png", "test/z/1.png"].map(|n| (n.to_owned(), vec![1; 2000]));
        as_folder(&odd, &files);
        as_tar(&cut, "", &files);
        let whole = std::fs::read(&cut).unwrap();
        std::fs::write(&cut, &whole[..700]).unwrap();
        for (place, want) in [
            (&empty, "has neither train/CLASS/* nor train.tar"),
            (&odd, "has a class `z` that train has not; remove it, or add it to train"),
            (&dir.path().join("none"), "there is no such file or folder"),
        ] {
            let error = Tree::read(place).unwrap_err().to_string();
            assert!(error.contains(want) && !error.contains('\n'), "{error}");
        }
        // Packed archives: named, beside the name, and of a part, which must not be passed over.
        let packed = dir.path().join("packed");
        as_folder(&packed, &[("train/a/1.png".to_owned(), vec![1])]);
        for (archive, place) in [
            ("all.tgz", "all.tgz"),
            ("set.tar.gz", "set.tar.gz"),
            ("set.tar.gz", "set"),
            ("packed/test.tar.gz", "packed"),
        ] {
            std::fs::write(dir.path().join(archive), [0x1f, 0x8b, 8, 0]).unwrap();
            let error = Tree::read(&dir.path().join(place)).unwrap_err().to_string();
            let want =
                format!("{archive}: is packed, and pictures are read in place; unpack it (tar -xf, gunzip) and name");
            assert!(error.contains(&want) && !error.contains('\n'), "{error}");
        }
        // An archive that was cut off: either it is seen at once, or the picture is short.
        if let Err(e) = Tree::read(&cut) {
            assert!(e.to_string().contains("cut.tar"), "{e}");
        }
    }
}
