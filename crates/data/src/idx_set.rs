//! Data sets of four idx files: those of MNIST's format by name, and sets of the user's own with any number of classes.

use super::entry::{Entry, IDX};
use super::error::{DataError, Result};
use super::idx_names::{ENDINGS, plain};
use super::memory::{Labelled, MemoryImages};
use super::shape::ImageShape;
use super::{idx, known};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Labels of an idx file are bytes.
const BYTES: usize = 256;

/// Samples drawn for validation from a training part: 2,000 of the published 60,000, a tenth of a small one.
pub(super) fn validation(train: usize) -> usize {
    2_000.min(train / 10)
}

/// Reads a data set of MNIST's format; whether its content is the published one is known by hash.
///
/// # Errors
/// Names the file that is missing, wrong or of another data set, and the remedy.
pub(super) fn load(entry: &Entry, dir: Option<&Path>) -> Result<MemoryImages> {
    let remedy = format!("fetch it again with `reclra data fetch {}`", entry.name);
    let paths: Vec<PathBuf> = entry.files.iter().map(|f| entry.find(f.name, dir)).collect::<Result<_>>()?;
    let mut published = true;
    let (shape, parts) = read(&paths, &remedy, &mut |n, bytes| {
        published &= known::check(entry, &entry.files[n], &paths[n], bytes)?;
        Ok(())
    })?;
    let classes = entry.classes.len();
    for (part, path) in parts.iter().zip([&paths[1], &paths[3]]) {
        if let Some(at) = part.labels.iter().position(|&l| usize::from(l) >= classes) {
            let what = format!("label {at} is {}, outside 0..{} of {}", part.labels[at], classes - 1, entry.name);
            let remedy = "read a set of other classes with --data idx".to_owned();
            return Err(DataError::Content { path: path.clone(), what, remedy });
        }
    }
    let names = entry.classes.iter().map(|&c| c.to_owned()).collect();
    let validation = validation(parts[0].labels.len());
    let mut images = MemoryImages::new(entry.name, shape, names, 255, parts, validation);
    images.published = Some(published);
    if !published {
        images.notes.push(known::note(entry));
    }
    Ok(images)
}

/// Reads a set of the user's own: its classes are the labels that occur in the training part, in ascending order, and are named by
/// them.
///
/// # Errors
/// Names the file that is missing or wrong, and the remedy.
pub(super) fn own(dir: Option<&Path>) -> Result<MemoryImages> {
    let paths = files(dir)?;
    let mut owners = Vec::new();
    let (shape, mut parts) = read(&paths, "mend or replace the file", &mut |_, bytes| {
        owners.extend(known::published(bytes).map(|(owner, _)| owner.name));
        Ok(())
    })?;
    let bad = |path: &PathBuf, what: String, remedy: &str| {
        Err(DataError::Content { path: path.clone(), what, remedy: remedy.to_owned() })
    };
    let classes: Vec<u16> = parts[0].labels.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    if let [class] = classes[..] {
        let what = format!("holds one class, {class}, where at least two are needed");
        return bad(&paths[1], what, "name another set with --data-dir");
    }
    for (part, path) in parts.iter_mut().zip([&paths[1], &paths[3]]) {
        for at in 0..part.labels.len() {
            let label = part.labels[at];
            match classes.binary_search(&label) {
                Ok(class) => part.labels[at] = class as u16,
                Err(_) => {
                    let what = format!("label {at} is {label}, a class of which the training part has no image");
                    return bad(path, what, "leave such images out, or add some to the training part");
                }
            }
        }
    }
    let names = classes.iter().map(u16::to_string).collect();
    let validation = validation(parts[0].labels.len());
    let mut images = MemoryImages::new(IDX, shape, names, 255, parts, validation);
    if owners.len() == paths.len() && owners.iter().all(|o| *o == owners[0]) {
        let name = owners[0];
        images.notes.push(format!("{IDX}: these are the published files of {name}; --data {name} names their classes"));
    }
    Ok(images)
}

/// The four files of a set of the user's own, in the folder or a folder in it; `DIR/IDX` takes those whose names begin with `IDX-`.
///
/// # Errors
/// If one is missing, or the folder holds several sets.
pub(super) fn files(dir: Option<&Path>) -> Result<Vec<PathBuf>> {
    let dir = dir.ok_or_else(|| DataError::Setting {
        key: "data.dir",
        value: "\"\"".to_owned(),
        want: "is not the folder of four idx files; name it with --data-dir".to_owned(),
    })?;
    let (folder, wanted) = match (dir.is_dir(), dir.parent(), dir.file_name()) {
        (false, Some(parent), Some(name)) => (parent, Some(format!("{}-", name.to_string_lossy()))),
        _ => (dir, None),
    };
    let folders =
        ["", "raw", "EMNIST/raw"].map(|inner| if inner.is_empty() { folder.to_owned() } else { folder.join(inner) });
    let sets = |folder: &PathBuf| {
        let mut sets = sets(folder);
        sets.retain(|name, _| wanted.as_ref().is_none_or(|w| name == w));
        sets
    };
    let mut found = folders.iter().map(sets).find(|s| !s.is_empty()).unwrap_or_default();
    let missing = |file: String| DataError::Missing {
        name: IDX.to_owned(),
        file: format!("{file}[.gz]"),
        looked: folders.iter().map(|f| f.display().to_string()).collect(),
        remedy: "name the folder of the four idx files with --data-dir".to_owned(),
    };
    if found.len() > 1 {
        let names: Vec<String> = found
            .keys()
            .map(|n| if n.is_empty() { "train".to_owned() } else { n.trim_end_matches('-').to_owned() })
            .collect();
        let remedy = format!("name one of them with --data-dir {}", folder.join(&names[names.len() - 1]).display());
        let what = format!("holds several sets of idx files, {}", names.join(", "));
        return Err(DataError::Content { path: folder.to_owned(), what, remedy });
    }
    let prefix = wanted.unwrap_or_default();
    let Some((name, four)) = found.pop_first() else { return Err(missing(format!("{prefix}{}", ENDINGS[0].1))) };
    let each = four
        .into_iter()
        .zip(&ENDINGS)
        .map(|(path, (_, ending))| path.ok_or_else(|| missing(format!("{name}{ending}"))));
    each.collect()
}

/// The sets of idx files in a folder, by what stands before the common part of their names; a plain file before a packed one.
fn sets(folder: &Path) -> BTreeMap<String, [Option<PathBuf>; 4]> {
    let mut sets = BTreeMap::<String, [Option<PathBuf>; 4]>::new();
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().filter_map(|e| Some(e.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else { continue };
        let plain = plain(name);
        let Some((role, prefix)) = ENDINGS.iter().find_map(|(role, end)| Some((*role, plain.strip_suffix(end)?)))
        else {
            continue;
        };
        let prefix = prefix.to_owned();
        sets.entry(prefix).or_default()[role].get_or_insert(path);
    }
    sets
}

/// Pixels and labels of both parts; `look` is given the decoded content of each file.
fn read(
    paths: &[PathBuf],
    remedy: &str,
    look: &mut dyn FnMut(usize, &[u8]) -> Result<()>,
) -> Result<(ImageShape, [Labelled; 2])> {
    let mut shape = None;
    let mut parts = [Labelled::default(), Labelled::default()];
    for (n, (part, files)) in parts.iter_mut().zip(paths.chunks_exact(2)).enumerate() {
        let [images, labels] = [&files[0], &files[1]];
        let bytes = idx::read(images, remedy)?;
        look(2 * n, &bytes)?;
        let (pixels, height, width) = idx::parse_images(&bytes, images, remedy)?;
        drop(bytes);
        part.pixels = pixels;
        let bytes = idx::read(labels, remedy)?;
        look(2 * n + 1, &bytes)?;
        part.labels = idx::parse_labels(&bytes, labels, BYTES, remedy)?.into_iter().map(u16::from).collect();
        let content = |what: String| DataError::Content { path: images.clone(), what, remedy: remedy.to_owned() };
        let count = part.pixels.len() / (height * width);
        if count != part.labels.len() {
            let what = format!("holds {count} images, {} {} labels", labels.display(), part.labels.len());
            return Err(content(what));
        }
        let (h, w) = *shape.get_or_insert((height, width));
        if (h, w) != (height, width) {
            let what = format!("holds images of {height}x{width} pixels, the training part of {h}x{w}");
            return Err(content(what));
        }
    }
    let (height, width) = shape.unwrap_or((0, 0));
    Ok((ImageShape { channels: 1, height, width }, parts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Part, open};
    use std::fs;

    fn idx(magic: u32, sizes: &[u32], body: &[u8]) -> Vec<u8> {
        [magic].iter().chain(sizes).flat_map(|w| w.to_be_bytes()).chain(body.iter().copied()).collect()
    }

    /// A set of 2x2 images with these labels, every pixel its label; the files' names begin with `prefix`.
    fn set(folder: &Path, prefix: &str, test: &str, labels: [&[u8]; 2]) {
        fs::create_dir_all(folder).unwrap();
        for (part, labels) in ["train", test].into_iter().zip(labels) {
            let pixels: Vec<u8> = labels.iter().flat_map(|&l| [l; 4]).collect();
            let n = labels.len() as u32;
            let file = |kind: &str| folder.join(format!("{prefix}{part}-{kind}-ubyte"));
            fs::write(file("images-idx3"), idx(0x0803, &[n, 2, 2], &pixels)).unwrap();
            fs::write(file("labels-idx1"), idx(0x0801, &[n], labels)).unwrap();
        }
    }

    #[test]
    fn classes_are_the_labels_and_named_by_them() {
        let dir = tempfile::tempdir().unwrap();
        for (at, prefix, test) in
            [("a", "", "t10k"), ("b", "emnist-letters-", "test"), ("c/EMNIST/raw", "emnist-x-", "test")]
        {
            set(&dir.path().join(at), prefix, test, [&[1, 26, 3, 3], &[26, 1]]);
            let data = open(IDX, Some(&dir.path().join(at.split('/').next().unwrap()))).unwrap();
            assert_eq!(data.class_names(), ["1", "3", "26"], "{at}: no empty class 0");
            let labels = |part: Part| (0..data.len(part)).map(|i| data.label(part, i)).collect::<Vec<_>>();
            assert_eq!((labels(Part::Train), labels(Part::Test)), (vec![0, 2, 1, 1], vec![2, 0]));
            let mut x = [0.0; 4];
            data.pixels(Part::Test, 0, &mut x).unwrap();
            assert_eq!((x, data.published()), ([26.0 / 255.0; 4], None));
        }
    }

    #[test]
    fn one_of_several_sets_in_a_folder_is_named() {
        let dir = tempfile::tempdir().unwrap();
        set(dir.path(), "emnist-letters-", "test", [&[1, 2], &[1]]);
        set(dir.path(), "emnist-digits-", "test", [&[7, 8, 9], &[9]]);
        let error = open(IDX, Some(dir.path())).err().unwrap().to_string();
        assert!(error.contains("several sets of idx files, emnist-digits, emnist-letters"), "{error}");
        assert!(error.contains("--data-dir") && error.ends_with("emnist-letters"), "{error}");
        let data = open(IDX, Some(&dir.path().join("emnist-digits"))).unwrap();
        assert_eq!(data.class_names(), ["7", "8", "9"]);
    }

    #[test]
    fn what_is_wrong_is_one_line_that_never_says_to_fetch() {
        let dir = tempfile::tempdir().unwrap();
        let error = |name: &str, at: &Path| {
            let line = open(name, Some(at)).err().unwrap().to_string();
            assert!(!line.contains('\n') && !line.contains("fetch it again"), "{line}");
            line
        };
        let one = dir.path().join("one");
        set(&one, "", "t10k", [&[5, 5], &[5]]);
        assert!(error(IDX, &one).contains("holds one class, 5, where at least two are needed"));
        let more = dir.path().join("more");
        set(&more, "", "t10k", [&[1, 2], &[2, 3]]);
        assert!(error(IDX, &more).contains("label 1 is 3, a class of which the training part has no image"));
        let letters = dir.path().join("letters");
        set(&letters, "", "t10k", [&[1, 26], &[26]]);
        let line = error("mnist", &letters);
        assert!(line.contains("label 1 is 26, outside 0..9 of mnist") && line.contains("--data idx"), "{line}");
        let named = dir.path().join("named");
        set(&named, "emnist-letters-", "test", [&[1, 26], &[26]]);
        let line = error("mnist", &named);
        assert!(line.contains("emnist-letters-test-images-idx3-ubyte") && line.contains("--data idx"), "{line}");
        fs::remove_file(named.join("emnist-letters-test-labels-idx1-ubyte")).unwrap();
        let line = error(IDX, &named);
        assert!(line.starts_with("idx: emnist-letters-t10k-labels-idx1-ubyte[.gz] is not in "), "{line}");
        assert!(error(IDX, &dir.path().join("none")).contains("name the folder of the four idx files"));
        assert!(open(IDX, None).err().unwrap().to_string().contains("--data-dir"));
    }
}
