//! What is there of a data set: its files, how many samples of what, and how bright they are.

use super::channel_moments::{channel_moments, drawn};
use super::content::{self, Verdict};
use super::dataset::Dataset;
use super::entry::Entry;
use super::error::Result;
use super::opening::Opening;
use super::shape::{ImageShape, Part};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// A data set as it is found.
#[derive(Clone, Debug, Serialize)]
pub struct Info {
    /// As after `--data`.
    pub name: &'static str,
    /// One line for lists.
    pub about: &'static str,
    /// Whether it is part of the program and needs no files.
    pub embedded: bool,
    /// Folders in which its files are looked for.
    #[serde(serialize_with = "crate::files::as_text::all")]
    pub looked: Vec<PathBuf>,
    /// Its files.
    pub files: Vec<FileInfo>,
    /// What the files hold, unless there is a problem.
    pub measured: Option<Measured>,
    /// Why it cannot be used: one line with the remedy.
    pub problem: Option<String>,
}

/// A file of a data set as it is found.
#[derive(Clone, Debug, Serialize)]
pub struct FileInfo {
    /// Name without `.gz`.
    pub name: &'static str,
    /// Where it is; none if it is missing.
    #[serde(serialize_with = "crate::files::as_text::perhaps")]
    pub path: Option<PathBuf>,
    /// Bytes on the disk.
    pub bytes: u64,
    /// Whether it decodes to what was published, which its SHA-256 tells.
    pub published: bool,
    /// If not, what is wrong with it, in a few words.
    pub wrong: Option<String>,
}

/// What a data set holds.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Images to train on.
    pub train: usize,
    /// Images to test with.
    pub test: usize,
    /// Pixels of an image.
    pub shape: ImageShape,
    /// Names of the classes, by label.
    pub classes: Vec<String>,
    /// Training images of the rarest and of the most frequent class.
    pub train_per_class: [usize; 2],
    /// Test images of the rarest and of the most frequent class.
    pub test_per_class: [usize; 2],
    /// Mean of the pixels of the training images, from 0 to 1.
    pub mean: f64,
    /// Their standard deviation.
    pub std: f64,
    /// Mean and standard deviation of each channel.
    pub channels: Vec<[f64; 2]>,
    /// How many training images these come from: all, or some where each has to be decoded.
    pub looked_at: usize,
    /// Whether the images are held in memory; else each is decoded when it is asked for.
    pub in_memory: bool,
    /// What was done in reading them.
    pub notes: Vec<String>,
}

/// Images, drawn at random, that are looked at where each has to be decoded.
const LOOKED_AT: usize = 1000;
/// What pictures of many sizes are brought to.
const SIZE: usize = 224;

/// Looks at a data set; `dir` is the folder of its files, or one that has a folder of its name.
#[must_use]
pub fn info(entry: &Entry, dir: Option<&Path>) -> Info {
    info_with(entry, dir, &Opening::default())
}

/// The same of a data set opened as told.
#[must_use]
pub fn info_with(entry: &Entry, dir: Option<&Path>, opening: &Opening) -> Info {
    let embedded = entry.embedded();
    let files = entry.files.iter().map(|file| {
        let path = entry.find(file.name, dir).ok();
        let verdict = path.as_deref().filter(|p| p.is_file()).map(|p| content::check(p, file));
        let wrong = match verdict {
            Some(Ok(Verdict::Right { .. })) | None => None,
            Some(Ok(Verdict::Short(why) | Verdict::Wrong { why, .. })) => Some(why),
            Some(Err(e)) => Some(e.to_string()),
        };
        let right = path.as_deref().is_some_and(Path::is_file) && wrong.is_none();
        let bytes = path.as_deref().and_then(|p| p.metadata().ok()).map_or(0, |m| m.len());
        FileInfo { name: file.name, path, bytes, published: right, wrong }
    });
    let files = files.collect();
    let open = |opening: &Opening| entry.load(dir, opening).and_then(|data| measure(&*data));
    let (measured, problem) = match open(opening) {
        Ok(measured) => (Some(measured), None),
        // Pictures of many sizes: still, what they are can be said.
        Err(e) if entry.own() && opening.size == 0 => match open(&Opening { size: SIZE, ..*opening }) {
            Ok(mut measured) => {
                measured.notes.push(format!("looked at with data.size = {SIZE}: {e}"));
                (Some(measured), None)
            }
            Err(_) => (None, Some(e.to_string())),
        },
        Err(e) => (None, Some(e.to_string())),
    };
    let looked = if embedded || entry.own() { Vec::new() } else { entry.folders(dir) };
    Info { name: entry.name, about: entry.about, embedded, looked, files, measured, problem }
}

fn measure(data: &dyn Dataset) -> Result<Measured> {
    let (looked_at, channels) = brightness(data)?;
    // All channels have as many pixels.
    let mean = channels.iter().map(|c| c[0]).sum::<f64>() / channels.len().max(1) as f64;
    let square = channels.iter().map(|c| c[1].powi(2) + (c[0] - mean).powi(2)).sum::<f64>();
    let std = (square / channels.len().max(1) as f64).sqrt();
    let per_class = |part: Part| {
        let mut counts = vec![0; data.classes()];
        (0..data.len(part)).for_each(|i| counts[data.label(part, i) as usize] += 1);
        [counts.iter().copied().min().unwrap_or(0), counts.iter().copied().max().unwrap_or(0)]
    };
    Ok(Measured {
        train: data.len(Part::Train),
        test: data.len(Part::Test),
        shape: data.shape(),
        classes: data.class_names().to_vec(),
        train_per_class: per_class(Part::Train),
        test_per_class: per_class(Part::Test),
        mean,
        std,
        channels,
        looked_at,
        in_memory: data.memory().is_some(),
        notes: data.notes(),
    })
}

/// Mean and standard deviation of each channel of the training images, and of how many.
fn brightness(data: &dyn Dataset) -> Result<(usize, Vec<[f64; 2]>)> {
    let there = data.len(Part::Train);
    let all: Vec<u32> = (0..there as u32).collect();
    let samples = if data.lazy() { drawn(&all, LOOKED_AT) } else { all };
    Ok((samples.len(), channel_moments(data, &samples, &|_| {})?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry;

    #[test]
    fn digits_are_measured() {
        let info = info(entry("digits").unwrap(), None);
        let m = info.measured.unwrap();
        assert!(info.embedded && info.files.is_empty() && info.looked.is_empty() && info.problem.is_none());
        assert_eq!((m.train + m.test, m.classes.len(), m.shape.len()), (1797, 10, 64));
        assert_eq!(
            (m.train_per_class[0] + m.test_per_class[0], m.train_per_class[1] + m.test_per_class[1]),
            (174, 183)
        );
        // Of all 1,797 images, by the file these come from: 4.8842 and 6.0168 of 16.
        assert!((m.mean - 4.884 / 16.0).abs() < 0.005 && (m.std - 6.017 / 16.0).abs() < 0.005, "{} {}", m.mean, m.std);
    }

    #[test]
    fn what_is_missing_and_what_is_wrong_is_said() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("t10k-labels-idx1-ubyte"), b"hello").unwrap();
        let info = info(entry("mnist").unwrap(), Some(dir.path()));
        let missing: Vec<&str> = info.files.iter().filter(|f| f.path.is_none()).map(|f| f.name).collect();
        assert_eq!(missing.len(), 3);
        let file = &info.files[3];
        assert!(!file.published && file.bytes == 5 && file.wrong.is_some(), "{file:?}");
        let looked = ["", "mnist", "MNIST/raw", "raw"].map(|inner| dir.path().join(inner));
        assert_eq!(info.looked, looked);
        let problem = info.problem.unwrap();
        assert!(problem.contains("reclra data fetch mnist") && !problem.contains('\n'), "{problem}");
    }
}
