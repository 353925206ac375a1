//! Recognition of published content: a file is what it decodes to, whatever its name says.

use super::entry::{Entry, FileEntry, entries};
use super::error::{DataError, Result};
use super::memory::Labelled;
use super::shape::ImageShape;
use sha2::{Digest, Sha256};
use std::path::Path;

/// The published file of that decoded content; none if no data set has it.
pub(super) fn published(bytes: &[u8]) -> Option<(&'static Entry, &'static FileEntry)> {
    among(entries(), bytes)
}

fn among<'a>(entries: &'a [Entry], bytes: &[u8]) -> Option<(&'a Entry, &'a FileEntry)> {
    let all = || entries.iter().flat_map(|e| e.files.iter().map(move |f| (e, f)));
    // Most files of the user's own differ in size: nothing is hashed for those.
    all().find(|(_, f)| f.size == bytes.len() as u64)?;
    let hash: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
    all().find(|(_, f)| f.sha256 == hash)
}

/// True if the decoded content is that of this file of the data set, false if no data set has it.
///
/// # Errors
/// If it is the content of another file, of this data set or another one.
pub(super) fn check(entry: &Entry, file: &FileEntry, path: &Path, bytes: &[u8]) -> Result<bool> {
    compare((entry, file), published(bytes), path)
}

fn compare(wanted: (&Entry, &FileEntry), found: Option<(&Entry, &FileEntry)>, path: &Path) -> Result<bool> {
    let (entry, file) = wanted;
    let bad = |what: String, remedy: String| DataError::Content { path: path.to_owned(), what, remedy };
    match found {
        None => Ok(false),
        Some((owner, there)) if owner.name != entry.name => Err(bad(
            format!("is not of {}: it has the content of {} of {}", entry.name, there.name, owner.name),
            format!("name the data set with --data {}", owner.name),
        )),
        Some((_, there)) if there.name != file.name => Err(bad(
            format!("is not {}: it has the content of {}", file.name, there.name),
            format!("fetch it again with `reclra data fetch {}`", entry.name),
        )),
        Some(_) => Ok(true),
    }
}

/// The note about a data set whose content is not the published one.
pub(super) fn note(entry: &Entry) -> String {
    format!(
        "{0}: this is not the published {0}, but other images in its format: errors are not comparable with published ones, and \
         no figures of the paper are shown beside them",
        entry.name
    )
}

/// Sum and sum of squares of the bytes of each channel, training part first, then the test part: of the published CIFAR-10,
/// whose channel means and standard deviations these give (0.4914, 0.4822, 0.4465 and 0.2470, 0.2435, 0.2616 of the training part).
const CIFAR10: [[[u64; 2]; 3]; 2] = [
    [[6_415_714_204, 1_007_102_432_534], [6_295_060_180, 971_356_520_230], [5_829_907_619, 891_641_299_129]],
    [[1_290_492_328, 203_142_822_772], [1_266_775_083, 195_994_125_155], [1_176_108_223, 180_646_015_723]],
];

/// True if these are the images of the published CIFAR-10, told by sums over their bytes, which the archive and the unpacked files
/// have in common.
pub(super) fn is_cifar10(parts: &[Labelled; 2], shape: ImageShape) -> bool {
    parts.each_ref().map(|p| p.labels.len()) == [50_000, 10_000] && sums(parts, shape) == CIFAR10.map(Vec::from)
}

fn sums(parts: &[Labelled; 2], shape: ImageShape) -> [Vec<[u64; 2]>; 2] {
    let plane = shape.height * shape.width;
    parts.each_ref().map(|part| {
        let mut counts = vec![[0_u64; 256]; shape.channels];
        for (n, pixels) in part.pixels.chunks_exact(plane).enumerate() {
            let counts = &mut counts[n % shape.channels];
            pixels.iter().for_each(|&v| counts[usize::from(v)] += 1);
        }
        let sum = |c: &[u64; 256], power| c.iter().zip(0_u64..).map(|(n, v)| n * v.pow(power)).sum();
        counts.iter().map(|c| [sum(c, 1), sum(c, 2)]).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry;

    #[test]
    fn sums_are_taken_channel_by_channel() {
        let part = |pixels: &[u8]| Labelled { pixels: pixels.to_vec(), labels: Vec::new() };
        let shape = ImageShape { channels: 2, height: 1, width: 2 };
        let found = sums(&[part(&[1, 2, 3, 4, 5, 6, 7, 8]), part(&[255, 0, 0, 255])], shape);
        assert_eq!(found[0], [[14, 1 + 4 + 25 + 36], [22, 9 + 16 + 49 + 64]]);
        assert_eq!(found[1], [[255, 65_025], [255, 65_025]]);
        assert!(!is_cifar10(&[part(&[]), part(&[])], ImageShape { channels: 3, height: 32, width: 32 }));
    }

    /// The published means and deviations, of pixels from 0 to 1, as they are quoted everywhere.
    #[test]
    fn the_sums_of_cifar10_give_the_published_means_and_deviations() {
        let quoted = [
            [[0.491_399_68, 0.247_032_23], [0.482_158_41, 0.243_485_13], [0.446_530_91, 0.261_587_84]],
            [[0.494_214_28, 0.246_652_52], [0.485_131_39, 0.242_892_26], [0.450_409_09, 0.261_592_38]],
        ];
        for (images, (sums, quoted)) in [50_000.0, 10_000.0].into_iter().zip(CIFAR10.iter().zip(quoted)) {
            for ([sum, squares], [mean, std]) in sums.iter().zip(quoted) {
                let n = images * 1024.0;
                let found = *sum as f64 / n;
                let deviation = (*squares as f64 / n - found * found).sqrt();
                assert!((found / 255.0 - mean).abs() < 6e-9 && (deviation / 255.0 - std).abs() < 6e-9, "{mean} {std}");
            }
        }
    }

    #[test]
    fn content_of_another_file_is_named() {
        let file = |name, content: &[u8]| {
            let hash: String = Sha256::digest(content).iter().map(|b| format!("{b:02x}")).collect();
            FileEntry { name, size: content.len() as u64, sha256: hash.leak() }
        };
        let toy = |name, files: Vec<FileEntry>| Entry { name, files: files.leak(), ..*entry("mnist").unwrap() };
        let one = toy("one", vec![file("train", b"aaaa"), file("test", b"bbbb")]);
        let all = [one, toy("two", vec![file("train", b"cccc"), file("test", b"dddd")])];
        let of = |n: usize, bytes: &[u8]| {
            compare((&all[0], &all[0].files[n]), among(&all, bytes), Path::new("x")).map_err(|e| e.to_string())
        };
        assert_eq!(
            (of(0, b"aaaa"), of(1, b"bbbb"), of(0, b"eeee"), of(0, b"a")),
            (Ok(true), Ok(true), Ok(false), Ok(false))
        );
        let line = "x: is not of one: it has the content of test of two; name the data set with --data two";
        assert_eq!(of(1, b"dddd").unwrap_err(), line);
        assert!(of(1, b"aaaa").unwrap_err().starts_with("x: is not test: it has the content of train; fetch it again"));
    }

    #[test]
    fn content_that_no_data_set_has_is_unknown() {
        let mnist = entry("mnist").unwrap();
        let path = Path::new("x");
        assert!(!check(mnist, &mnist.files[0], path, b"hello").unwrap());
        // The right size alone is not enough.
        assert!(!check(mnist, &mnist.files[3], path, &vec![0; 10_008]).unwrap());
    }
}
