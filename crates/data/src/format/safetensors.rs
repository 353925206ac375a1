//! Tensors as a safetensors file, written as they lie: what is kept of a large network takes no second copy of it in memory.
//!
//! The crate reads such files for us; of its writers one makes the whole file in memory, the other puts the metadata in the
//! random order of a hash map. Here it comes sorted, so that the same network is the same file.

use reclra::state::Kept;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{Result, Write};

/// Numbers that are turned into bytes at a time.
const CHUNK: usize = 1 << 14;

/// What the header says of a tensor.
#[derive(Serialize)]
struct Info<'a> {
    dtype: &'static str,
    shape: &'a [usize],
    data_offsets: [usize; 2],
}

/// Writes a file: the length of its header in 8 bytes, the header in JSON padded to a multiple of 8, the tensors by name.
///
/// # Errors
/// As `out`.
pub fn write(out: &mut impl Write, tensors: &[Kept], metadata: &BTreeMap<String, String>) -> Result<()> {
    let mut sorted: Vec<&Kept> = tensors.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let mut header = Vec::new();
    if !metadata.is_empty() {
        header.extend(b"\"__metadata__\":");
        serde_json::to_writer(&mut header, metadata)?;
    }
    let mut at = 0;
    for t in &sorted {
        let end = at + 4 * t.values.len();
        if !header.is_empty() {
            header.push(b',');
        }
        serde_json::to_writer(&mut header, &t.name)?;
        header.push(b':');
        serde_json::to_writer(&mut header, &Info { dtype: "F32", shape: &t.shape, data_offsets: [at, end] })?;
        at = end;
    }
    let mut header = [b"{", &header[..], b"}"].concat();
    header.resize(header.len().next_multiple_of(8), b' ');
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(&header)?;
    let mut bytes = vec![0; 4 * CHUNK];
    for chunk in sorted.iter().flat_map(|t| t.values.chunks(CHUNK)) {
        let room = &mut bytes[..4 * chunk.len()];
        room.as_chunks_mut::<4>().0.iter_mut().zip(chunk).for_each(|(b, v)| *b = v.to_le_bytes());
        out.write_all(room)?;
    }
    Ok(())
}

/// The crate writes metadata in the random order of a hash map; here it comes sorted, so that the same network is the same
/// file. A file is the length of its header in 8 bytes, the header in JSON padded to a multiple of 8, the tensors.
#[must_use]
pub fn with_metadata(file: Vec<u8>, metadata: &BTreeMap<String, String>) -> Vec<u8> {
    let Some((length, rest)) = file.split_first_chunk::<8>() else { return file };
    let (header, tensors) = rest.split_at((u64::from_le_bytes(*length) as usize).min(rest.len()));
    let inner = header.trim_ascii_end().strip_prefix(b"{").unwrap_or(header);
    let separator: &[u8] = if inner == b"}" { b"" } else { b"," };
    let json = serde_json::to_vec(metadata).unwrap_or_default();
    let mut header = [b"{\"__metadata__\":", &json[..], separator, inner].concat();
    header.resize(header.len().next_multiple_of(8), b' ');
    [&(header.len() as u64).to_le_bytes()[..], &header, tensors].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::safetensors::{Dtype, tensor::TensorView};

    fn kept(name: &str, shape: &[usize]) -> Kept {
        let n = shape.iter().product::<usize>();
        let values = (0..n).map(|i| i as f32 * 0.37 - name.len() as f32).collect();
        Kept { name: name.to_owned(), shape: shape.to_vec(), values }
    }

    #[test]
    fn a_file_is_that_of_the_crate_but_for_the_order_of_its_metadata() {
        // More than a chunk, none at all, a name that JSON must quote.
        let tensors = [kept("b", &[3, CHUNK]), kept("a \"quoted\" é", &[2, 2]), kept("none", &[0, 4]), kept("W", &[1])];
        let metadata: BTreeMap<String, String> =
            [("z", "1"), ("a", "line\nbreak")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        for metadata in [metadata, BTreeMap::new()] {
            let mut ours = Vec::new();
            write(&mut ours, &tensors, &metadata).unwrap();
            let bytes: Vec<Vec<u8>> =
                tensors.iter().map(|t| t.values.iter().flat_map(|v| v.to_le_bytes()).collect()).collect();
            let views = tensors
                .iter()
                .zip(&bytes)
                .map(|(t, bytes)| (t.name.as_str(), TensorView::new(Dtype::F32, t.shape.clone(), bytes).unwrap()));
            let theirs = ::safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap();
            let theirs = if metadata.is_empty() { theirs } else { with_metadata(theirs, &metadata) };
            assert!(ours == theirs, "{:?}", String::from_utf8_lossy(&ours[..200]));
        }
    }
}
