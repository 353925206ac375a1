//! What a run was made with: program, machine, data, so that a figure can be traced to where it came from.

use super::keeping::Keeping;
use crate::spec::{DataFacts, DataSpec};
use reclra_data::files::{self, FileError};
use reclra_data::text::count;
use reclra_data::{DataError, entry};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Where a run was made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Version of the program.
    pub version: String,
    /// Commit it was built from.
    pub commit: String,
    /// Operating system and architecture.
    pub system: String,
    /// Name of the processor.
    pub cpu: String,
    /// Instruction set in use.
    pub features: String,
    /// Cores the process may use.
    pub cores: usize,
    /// Threads that computed.
    pub threads: usize,
    /// The command, word by word.
    pub command: Vec<String>,
    /// When it began, RFC 3339 in UTC; resumed runs keep the first.
    pub started: String,
    /// When it was resumed, each time.
    #[serde(default)]
    pub resumed: Vec<String>,
    /// The files of the data set.
    pub data: Vec<DataFile>,
    /// What was known of it.
    pub facts: Option<DataFacts>,
    /// What is kept, and how often: the same when the run goes on, unless told otherwise.
    #[serde(default)]
    pub keeping: Option<Keeping>,
}

/// One file a run has read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFile {
    /// Its name, without folders.
    pub file: String,
    /// Bytes as they are on disk, packed perhaps.
    pub bytes: u64,
    /// SHA-256 of these bytes.
    pub sha256: String,
}

impl Environment {
    /// Processor, threads, instruction set in a line.
    #[must_use]
    pub fn machine(&self) -> String {
        format!("{}, {}, {}", self.cpu, count(self.threads, "thread"), self.features)
    }
}

/// Name of the processor.
#[must_use]
pub fn cpu() -> String {
    let name = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        text.lines().find_map(|l| l.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim().to_owned()))
    });
    name.unwrap_or_else(|| format!("a {} processor", std::env::consts::ARCH))
}

/// Now, as RFC 3339 in UTC to the second.
#[must_use]
pub fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// The files of a data set and what is in them; the embedded digits are files of the program.
///
/// # Errors
/// If a file cannot be read.
pub fn data_files(data: &DataSpec, dir: Option<&Path>) -> Result<Vec<DataFile>, DataError> {
    let known = entry(&data.name)?;
    let dir = dir.or(data.dir.as_deref().map(Path::new));
    if known.embedded() {
        let one = |(file, bytes): &(&str, &[u8])| DataFile {
            file: format!("{file} (embedded)"),
            bytes: bytes.len() as u64,
            sha256: sha256(bytes),
        };
        return Ok(reclra_data::EMBEDDED.iter().map(one).collect());
    }
    let sources = known.sources(dir)?;
    let remedy = "make it readable, or name another folder with --data-dir";
    // What is no file is a broken picture, and named where pictures are read.
    if sources.len() > MANY || sources.iter().any(|p| !p.is_file()) {
        return Ok(vec![listing(&sources)]);
    }
    let one = |path: &PathBuf| {
        let (bytes, sha256) =
            files::open(path).and_then(|mut file| digest(&mut file)).map_err(|e| FileError::io(path, &e, remedy))?;
        let file = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        Ok(DataFile { file, bytes, sha256 })
    };
    sources.iter().map(one).collect()
}

/// Files that are written down one by one; of more, such as the pictures of a folder, names and lengths are.
const MANY: usize = 32;

/// One entry for many files: the SHA-256 of a line each with the last three words of its path and its length.
fn listing(paths: &[PathBuf]) -> DataFile {
    let (mut hasher, mut bytes) = (Sha256::new(), 0);
    for path in paths {
        let length = std::fs::metadata(path).map_or(0, |m| m.len());
        let words: Vec<_> = path.iter().rev().take(3).map(|w| w.to_string_lossy()).collect();
        let name: Vec<&str> = words.iter().rev().map(AsRef::as_ref).collect();
        hasher.update(format!("{} {length}\n", name.join("/")));
        bytes += length;
    }
    let file = format!("{} pictures (hash of their names and lengths)", paths.len());
    DataFile { file, bytes, sha256: hex(&hasher.finalize()) }
}

/// Length and SHA-256 of what a reader gives.
fn digest(reader: &mut dyn Read) -> std::io::Result<(u64, String)> {
    let (mut hasher, mut buffer, mut bytes) = (Sha256::new(), vec![0; 1 << 16], 0);
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok((bytes, hex(&hasher.finalize()))),
            n => {
                hasher.update(&buffer[..n]);
                bytes += n as u64;
            }
        }
    }
}

/// SHA-256 of some bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The same of what is written into it.
#[derive(Default)]
pub(super) struct Hashing {
    hash: Sha256,
    bytes: u64,
}

impl Hashing {
    /// How many bytes were written.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The hash of all so far.
    pub(super) fn hex(self) -> String {
        hex(&self.hash.finalize())
    }
}

impl std::io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_standard() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc"), abc);
        assert_eq!(digest(&mut &b"abc"[..]).unwrap(), (3, abc.to_owned()));
    }

    #[test]
    fn the_embedded_digits_are_two_files() {
        let spec = DataSpec::default();
        let files = data_files(&spec, None).unwrap();
        assert!(files.len() == 2 && files[0].bytes > 10_000 && files[0].sha256.len() == 64, "{files:?}");
    }
}
