//! The idx format of MNIST: big-endian magic and sizes, then bytes. Plain or gzip, told by content, not by name.
//!
//! A header is a claim: nothing is allocated by its word. The file is decoded up to a bound, and what is there must be
//! exactly what the header says.

use super::error::{DataError, Result};
use crate::files;
use std::io::Read;
use std::path::Path;

/// No file of this kind decodes to more: a guard against decompression bombs.
const LARGEST: u64 = 1 << 30;
const IMAGES: u32 = 0x0803;
const LABELS: u32 = 0x0801;

/// The decoded content of a file, gzip or plain.
pub(super) fn read(path: &Path, remedy: &str) -> Result<Vec<u8>> {
    decode(files::read(path, LARGEST, "name another folder with --data-dir")?).map_err(|what| bad(path, what, remedy))
}

/// Unpacks gzip; anything else is taken as it is.
pub(super) fn decode(raw: Vec<u8>) -> Result<Vec<u8>, String> {
    if !raw.starts_with(&[0x1f, 0x8b]) {
        return Ok(raw);
    }
    let mut out = Vec::new();
    let mut decoder = flate2::read::MultiGzDecoder::new(&raw[..]).take(LARGEST + 1);
    decoder.read_to_end(&mut out).map_err(|e| match e.kind() {
        std::io::ErrorKind::UnexpectedEof => "is truncated: its gzip stream has no end".to_owned(),
        _ => format!("is damaged: {e}"),
    })?;
    if out.len() as u64 > LARGEST {
        return Err(format!("unpacks to more than {LARGEST} bytes, which no idx file of ours does"));
    }
    Ok(out)
}

/// Images of an idx3 file: (bytes, rows, columns).
pub(super) fn parse_images(bytes: &[u8], path: &Path, remedy: &str) -> Result<(Vec<u8>, usize, usize)> {
    let [count, rows, cols] = header(bytes, path, remedy, IMAGES)?;
    if rows == 0 || cols == 0 || count == 0 {
        return Err(bad(path, format!("holds {count} images of {rows}x{cols} pixels"), remedy));
    }
    Ok((body(bytes, 16, [count, rows, cols], path, remedy)?, rows, cols))
}

/// Labels of an idx1 file, each below `classes`.
pub(super) fn parse_labels(bytes: &[u8], path: &Path, classes: usize, remedy: &str) -> Result<Vec<u8>> {
    let [count] = header(bytes, path, remedy, LABELS)?;
    let labels = body(bytes, 8, [count, 1, 1], path, remedy)?;
    if let Some(at) = labels.iter().position(|&l| usize::from(l) >= classes) {
        let what = format!("label {at} is {}, outside 0..{}", labels[at], classes - 1);
        return Err(bad(path, what, remedy));
    }
    Ok(labels)
}

fn header<const N: usize>(bytes: &[u8], path: &Path, remedy: &str, magic: u32) -> Result<[usize; N]> {
    if bytes.is_empty() {
        return Err(bad(path, "is empty", remedy));
    }
    let word = |i: usize| bytes.get(4 * i..4 * i + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    let kind = |m: u32| if m == IMAGES { "images" } else { "labels" };
    match word(0) {
        Some(found) if found == magic => {}
        Some(found @ (IMAGES | LABELS)) => {
            let what = format!("holds {} where {} belong: are the two files swapped?", kind(found), kind(magic));
            return Err(bad(path, what, remedy));
        }
        found => {
            let found = found.map_or(format!("{} bytes", bytes.len()), |f| format!("{f:#010x}"));
            let what = format!("is no idx file of {}: it begins with {found}, not {magic:#010x}", kind(magic));
            return Err(bad(path, what, remedy));
        }
    }
    let mut sizes = [0; N];
    for (i, size) in sizes.iter_mut().enumerate() {
        let truncated = || bad(path, format!("is truncated: {} bytes are no whole header", bytes.len()), remedy);
        *size = word(i + 1).ok_or_else(truncated)? as usize;
    }
    Ok(sizes)
}

fn body(bytes: &[u8], start: usize, sizes: [usize; 3], path: &Path, remedy: &str) -> Result<Vec<u8>> {
    let promised = sizes.iter().try_fold(1_usize, |a, &b| a.checked_mul(b));
    let found = bytes.len() - start;
    match promised {
        Some(n) if n == found => Ok(bytes[start..].to_vec()),
        Some(n) if n < found => Err(bad(path, format!("has {} bytes too many after its data", found - n), remedy)),
        _ => {
            let promised = sizes.iter().map(|&s| s as f64).product::<f64>();
            Err(bad(path, format!("is truncated: its header promises {promised} bytes, {found} are there"), remedy))
        }
    }
}

fn bad(path: &Path, what: impl Into<String>, remedy: &str) -> DataError {
    DataError::Content { path: path.to_owned(), what: what.into(), remedy: remedy.to_owned() }
}
