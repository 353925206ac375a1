//! The forward network for numpy: a zip of npy members, not compressed, and the metadata as a JSON text.
//!
//! The npy header is one line of text after a length (numpy.lib.format, version 1.0), so it is written here.

use super::forward::{Forward, Tensor, floats};
use std::io::{Cursor, Read, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// What an npy member begins with: magic and version.
const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";
/// numpy's name of little-endian float32.
const FLOAT: &str = "<f4";
/// Member that holds the metadata.
const METADATA: &str = "metadata";

/// A name that does as a file name and as a Python identifier: `W.in->b1` as `W_in_b1`.
pub(super) fn portable(name: &str) -> String {
    name.replace("->", "_").replace(|c: char| !c.is_ascii_alphanumeric(), "_")
}

/// The bytes of the file.
///
/// # Errors
/// What the format could not hold.
pub(super) fn write(forward: &Forward) -> Result<Vec<u8>, String> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut add = |name: &str, bytes: &[u8]| -> Result<(), String> {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        let options = options.large_file(u32::try_from(bytes.len()).is_err());
        zip.start_file(format!("{name}.npy"), options).map_err(|e| e.to_string())?;
        zip.write_all(bytes).map_err(|e| e.to_string())
    };
    for tensor in &forward.tensors {
        add(&portable(&tensor.name), &npy(FLOAT, &tensor.shape, &tensor.bytes()))?;
    }
    let text: serde_json::Map<_, _> =
        forward.metadata.iter().map(|(key, text)| ((*key).to_owned(), text.as_str().into())).collect();
    // numpy keeps a text as an array without dimensions, four bytes a character.
    let characters: Vec<char> = serde_json::Value::Object(text).to_string().chars().collect();
    let bytes: Vec<u8> = characters.iter().flat_map(|&c| u32::from(c).to_le_bytes()).collect();
    add(METADATA, &npy(&format!("<U{}", characters.len()), &[], &bytes))?;
    zip.finish().map(Cursor::into_inner).map_err(|e| e.to_string())
}

/// An npy member: numbers of a type in a shape, row by row.
fn npy(descr: &str, shape: &[usize], bytes: &[u8]) -> Vec<u8> {
    // A trailing comma is what makes one number a tuple in Python.
    let sizes: String = shape.iter().map(|n| format!("{n},")).collect();
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}), }}");
    // Padded with blanks to the end of a line, so that the numbers begin at a multiple of 64.
    let begun = MAGIC.len() + 2;
    let length = (begun + header.len() + 1).next_multiple_of(64) - begun;
    header.extend(std::iter::repeat_n(' ', length - header.len() - 1).chain(['\n']));
    [MAGIC, &(length as u16).to_le_bytes(), header.as_bytes(), bytes].concat()
}

/// The float tensors of such a file.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Tensor>, String> {
    let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(|e| format!("no whole npz file ({e})"))?;
    let mut tensors = Vec::new();
    for i in 0..zip.len() {
        let mut member = zip.by_index(i).map_err(|e| e.to_string())?;
        let name = member.name().map_err(|e| e.to_string())?.trim_end_matches(".npy").to_owned();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).map_err(|e| format!("{name}: {e}"))?;
        if name != METADATA {
            tensors.push(tensor(&name, &bytes).ok_or_else(|| format!("{name} is no float32 in npy form"))?);
        }
    }
    Ok(tensors)
}

pub(super) fn tensor(name: &str, bytes: &[u8]) -> Option<Tensor> {
    let (length, rest) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<2>()?;
    let (header, numbers) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    let header = std::str::from_utf8(header).ok().filter(|h| h.contains(FLOAT))?;
    let (_, sizes) = header.split_once("'shape': (")?;
    let sizes = sizes.split_once(')')?.0.split(',').map(str::trim).filter(|s| !s.is_empty());
    let shape: Vec<usize> = sizes.map(|s| s.parse().ok()).collect::<Option<_>>()?;
    let values = floats(numbers).filter(|v| v.len() == shape.iter().product::<usize>())?;
    Some(Tensor { name: name.to_owned(), shape, values })
}
