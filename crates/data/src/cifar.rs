//! CIFAR-10 in its published binary form: records of a label byte and 3,072 bytes of pixels (a plane of red, of green, of
//! blue, row by row), in six files that are unpacked, or read from the archive as it is published.

use super::entry::Entry;
use super::error::{DataError, Result};
use super::known;
use super::memory::{Labelled, MemoryImages};
use super::shape::ImageShape;
use crate::files::{self, FileError};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// The files of the training part, in order, and of the test part.
pub(super) const FILES: [&str; 6] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
    "test_batch.bin",
];
/// The folder that the archive unpacks to.
const FOLDER: &str = "cifar-10-batches-bin";
/// The archive, packed as published or unpacked by a browser.
const ARCHIVES: [&str; 2] = ["cifar-10-binary.tar.gz", "cifar-10-binary.tar"];
/// Pixels of an image.
pub(super) const SHAPE: ImageShape = ImageShape { channels: 3, height: 32, width: 32 };
/// Images in each file.
pub(super) const RECORDS: usize = 10_000;
/// Samples drawn for validation from the published 50,000.
pub(super) const VALIDATION: usize = 5_000;
/// Bytes of a label and its pixels.
const RECORD: usize = 1 + 3 * 32 * 32;

/// Where the images are.
pub(super) enum Place {
    /// Six files in a folder.
    Unpacked(PathBuf),
    /// The archive.
    Archive(PathBuf),
}

/// Looks for the unpacked files, then for the archive, in the folders of the entry.
///
/// # Errors
/// If there is neither.
pub(super) fn place(entry: &Entry, dir: Option<&Path>) -> Result<Place> {
    let folders = entry.folders(dir);
    let inner = folders.iter().flat_map(|f| [f.clone(), f.join(FOLDER)]);
    if let Some(found) = inner.into_iter().find(|f| FILES.iter().any(|name| f.join(name).exists())) {
        return Ok(Place::Unpacked(found));
    }
    let packed = folders.iter().flat_map(|f| ARCHIVES.map(|a| f.join(a)));
    let named = dir.filter(|d| d.is_file()).map(Path::to_owned);
    named.into_iter().chain(packed).find(|p| p.exists()).map(Place::Archive).ok_or_else(|| DataError::Missing {
        name: entry.name.to_owned(),
        file: format!("{FOLDER} or {}", ARCHIVES[0]),
        looked: folders.iter().map(|f| f.display().to_string()).collect(),
        remedy: remedy_fetch(entry),
    })
}

fn remedy_fetch(entry: &Entry) -> String {
    format!("run `reclra data fetch {}` or name the folder with --data-dir", entry.name)
}

/// Reads the data set; each file must hold so many `records`, [`RECORDS`] of the published ones.
///
/// # Errors
/// Names the file that is missing or wrong, and the remedy.
pub(super) fn load(entry: &Entry, dir: Option<&Path>, records: usize) -> Result<MemoryImages> {
    let place = place(entry, dir)?;
    let remedy = format!("fetch it again with `reclra data fetch {}`", entry.name);
    let mut parts = [Labelled::default(), Labelled::default()];
    let whole = records * RECORD;
    let mut take = |index: usize, path: &Path, bytes: &[u8]| {
        let part = &mut parts[usize::from(index == FILES.len() - 1)];
        part.labels.reserve(records * if index == 0 { FILES.len() - 1 } else { 1 });
        parse(part, bytes, records, entry.classes.len()).map_err(|what| bad(path, what, &remedy))
    };
    match place {
        Place::Unpacked(folder) => {
            for (index, name) in FILES.iter().enumerate() {
                let path = folder.join(name);
                if !path.exists() {
                    return Err(DataError::Missing {
                        name: entry.name.to_owned(),
                        file: (*name).to_owned(),
                        looked: vec![folder.display().to_string()],
                        remedy: remedy_fetch(entry),
                    });
                }
                let io = |e: &std::io::Error| FileError::io(&path, e, "name another folder with --data-dir");
                let bytes = files::open(&path).and_then(|f| up_to(f, whole)).map_err(|e| io(&e))?;
                take(index, &path, &bytes)?;
            }
        }
        Place::Archive(path) => {
            let found = from_archive(&path, whole, &remedy)?;
            for (index, (name, bytes)) in FILES.iter().zip(found).enumerate() {
                let within = path.join(name);
                let bytes = bytes.ok_or_else(|| bad(&path, format!("holds no {name}"), &remedy))?;
                take(index, &within, &bytes)?;
            }
        }
    }
    let names = entry.classes.iter().map(|&c| c.to_owned()).collect();
    let validation = validation(parts[0].labels.len());
    let published = known::is_cifar10(&parts, SHAPE);
    let mut images = MemoryImages::new(entry.name, SHAPE, names, 255, parts, validation);
    images.published = Some(published);
    if !published {
        images.notes.push(known::note(entry));
    }
    Ok(images)
}

/// A tenth, which is 5,000 of the published 50,000.
pub(super) fn validation(train: usize) -> usize {
    VALIDATION.min(train / 10)
}

/// The published archive unpacks to a fifth of it: a guard against what never ends.
const LARGEST: u64 = 1 << 30;

/// The six files within the archive, in any order; no more is read of one than a byte beyond what it may hold.
fn from_archive(path: &Path, whole: usize, remedy: &str) -> Result<[Option<Vec<u8>>; 6]> {
    let file = files::open(path).map_err(|e| FileError::io(path, &e, "name another folder with --data-dir"))?;
    let mut raw = BufReader::with_capacity(1 << 16, file);
    let packed = std::io::BufRead::fill_buf(&mut raw).is_ok_and(|head| head.starts_with(&[0x1f, 0x8b]));
    let reader: Box<dyn Read> =
        if packed { Box::new(flate2::bufread::MultiGzDecoder::new(raw)) } else { Box::new(raw) };
    let damaged =
        |e: std::io::Error| bad(path, format!("is no whole archive ({})", files::plain(&e.to_string())), remedy);
    let mut found = [const { None }; 6];
    let mut archive = tar::Archive::new(reader.take(LARGEST));
    for entry in archive.entries().map_err(damaged)? {
        let entry = entry.map_err(damaged)?;
        let name = entry.path().ok().and_then(|p| p.file_name().map(|n| n.to_string_lossy().into_owned()));
        let Some(index) = FILES.iter().position(|f| Some(*f) == name.as_deref()) else { continue };
        found[index] = Some(up_to(entry, whole).map_err(damaged)?);
    }
    // To the end: what was packed is whole only if its checksum is.
    let mut rest = archive.into_inner();
    std::io::copy(&mut rest, &mut std::io::sink()).map_err(damaged)?;
    if rest.limit() == 0 {
        return Err(bad(path, format!("unpacks to more than {LARGEST} bytes, which this archive does not"), remedy));
    }
    Ok(found)
}

/// What a reader has, up to a byte beyond `whole`.
fn up_to(reader: impl Read, whole: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(whole as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Adds the records of one file.
fn parse(part: &mut Labelled, bytes: &[u8], records: usize, classes: usize) -> Result<(), String> {
    let whole = records * RECORD;
    if bytes.len() > whole {
        return Err(format!("is too long: more than the {whole} bytes of {records} records of {RECORD}"));
    }
    if bytes.len() < whole {
        return Err(format!("is truncated: {} of {whole} bytes, {records} records of {RECORD}", bytes.len()));
    }
    for (n, record) in bytes.chunks_exact(RECORD).enumerate() {
        let (label, pixels) = (record[0], &record[1..]);
        if usize::from(label) >= classes {
            return Err(format!("label {n} is {label}, outside 0..{}", classes - 1));
        }
        part.labels.push(u16::from(label));
        part.pixels.extend_from_slice(pixels);
    }
    Ok(())
}

fn bad(path: &Path, what: String, remedy: &str) -> DataError {
    DataError::Content { path: path.to_owned(), what, remedy: remedy.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dataset, Part, entry};

    const FEW: usize = 7;

    /// File number `index` of `FEW` records: labels count up, a pixel tells its file, record and plane.
    fn file(index: usize) -> Vec<u8> {
        let record = |r: usize| {
            let planes = (0..3).flat_map(move |c| std::iter::repeat_n((100 * c + 10 * index + r) as u8, 1024));
            std::iter::once(((index + r) % 10) as u8).chain(planes)
        };
        (0..FEW).flat_map(record).collect()
    }

    fn written(folder: &Path) {
        std::fs::create_dir_all(folder).unwrap();
        FILES.iter().enumerate().for_each(|(i, name)| std::fs::write(folder.join(name), file(i)).unwrap());
    }

    fn archive(packed: bool) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        // Neither in order nor alone.
        for name in ["readme.html"].iter().chain(FILES.iter().rev()) {
            let bytes = FILES.iter().position(|f| f == name).map_or(b"hello".to_vec(), file);
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, format!("{FOLDER}/{name}"), &bytes[..]).unwrap();
        }
        let bytes = builder.into_inner().unwrap();
        if !packed {
            return bytes;
        }
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gz, &bytes).unwrap();
        gz.finish().unwrap()
    }

    fn read(dir: &Path) -> Result<MemoryImages> {
        load(entry("cifar10").unwrap(), Some(dir), FEW)
    }

    #[test]
    fn files_and_archives_give_the_same_images() {
        let dir = tempfile::tempdir().unwrap();
        type Write = dyn Fn(&Path);
        let layouts: [(&str, &Write); 5] = [
            ("files", &|d| written(d)),
            ("folder", &|d| written(&d.join(FOLDER))),
            ("named", &|d| written(&d.join("cifar10").join(FOLDER))),
            ("packed", &|d| std::fs::write(d.join(ARCHIVES[0]), archive(true)).unwrap()),
            ("plain", &|d| std::fs::write(d.join(ARCHIVES[1]), archive(false)).unwrap()),
        ];
        for (name, write) in layouts {
            let at = dir.path().join(name);
            std::fs::create_dir_all(&at).unwrap();
            write(&at);
            let data = read(&at).unwrap();
            assert_eq!((data.len(Part::Train), data.len(Part::Test), data.validation()), (5 * FEW, FEW, 3), "{name}");
            assert_eq!((data.shape().len(), data.class_names()[9].as_str()), (3072, "truck"));
            // Record 3 of the second file, record 6 of the test file.
            assert_eq!(data.label(Part::Train, FEW + 3), 4);
            let bytes = data.bytes(Part::Train, FEW + 3);
            assert_eq!([bytes[0], bytes[1024], bytes[3071]], [13, 113, 213]);
            assert_eq!((data.label(Part::Test, 6), data.bytes(Part::Test, 6)[2048]), (1, 0));
            let mut x = vec![0.0; 3072];
            data.pixels(Part::Train, FEW + 3, &mut x).unwrap();
            assert_eq!(x[1024], 113.0 / 255.0);
        }
    }

    #[test]
    fn what_is_wrong_is_one_line_with_file_and_remedy() {
        let mut labelled = file(2);
        labelled[4 * RECORD] = 10;
        let long = [file(2), vec![0]].concat();
        let cases: [(Vec<u8>, &str); 4] = [
            (file(2)[..RECORD * FEW - 5].to_vec(), "is truncated: 21506 of 21511 bytes, 7 records of 3073"),
            (Vec::new(), "is truncated: 0 of"),
            (long, "is too long: more than the 21511 bytes"),
            (labelled, "label 4 is 10, outside 0..9"),
        ];
        for (bytes, want) in cases {
            let dir = tempfile::tempdir().unwrap();
            written(dir.path());
            std::fs::write(dir.path().join(FILES[2]), bytes).unwrap();
            let error = read(dir.path()).unwrap_err().to_string();
            for part in [want, FILES[2], "reclra data fetch cifar10"] {
                assert!(error.contains(part) && !error.contains('\n'), "{part}: {error}");
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let error = read(dir.path()).unwrap_err().to_string();
        assert!(error.contains("cifar-10-batches-bin or cifar-10-binary.tar.gz is not in"), "{error}");
        written(dir.path());
        std::fs::remove_file(dir.path().join(FILES[4])).unwrap();
        let error = read(dir.path()).unwrap_err().to_string();
        assert!(error.starts_with("cifar10: data_batch_5.bin is not in") && error.contains("fetch"), "{error}");
        for cut in [10, 2000] {
            let dir = tempfile::tempdir().unwrap();
            let whole = archive(true);
            std::fs::write(dir.path().join(ARCHIVES[0]), &whole[..whole.len() - cut.min(whole.len() - 3)]).unwrap();
            let error = read(dir.path()).unwrap_err().to_string();
            let said = error.contains("is no whole archive") || error.contains("holds no");
            assert!(said && error.contains(ARCHIVES[0]) && !error.contains('\n'), "{error}");
        }
    }
}
