//! A data set of one small file, and fetching it.

pub(crate) mod server;

use reclra_data::{Entry, FetchError, FetchEvent, FetchOptions, FileEntry, Form, fetch};
use server::Server;
use sha2::Digest;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub(crate) const NAME: &str = "toy-idx1-ubyte";
pub(crate) const PACKED: &str = "/toy-idx1-ubyte.gz";
/// Of silence.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(300);

/// Bytes that cannot be packed.
pub(crate) fn content(seed: u32) -> Vec<u8> {
    let mut state = seed;
    let step = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..200_000).map(step).collect()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(bytes).unwrap();
    gz.finish().unwrap()
}

/// The published file is `content(1)`.
pub(crate) fn toy() -> (Vec<u8>, Entry) {
    let bytes = content(1);
    let sha256: String = sha2::Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
    let file = FileEntry { name: NAME, size: bytes.len() as u64, sha256: sha256.leak() };
    let files = Box::leak(Box::new([file]));
    (gzip(&bytes), Entry { name: "toy", about: "", files, mirrors: &[], classes: &[], form: Form::Idx })
}

/// A fetch and what was told meanwhile.
pub(crate) struct Try {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) told: Vec<String>,
    /// The published file, packed.
    pub(crate) packed: Vec<u8>,
    pub(crate) entry: Entry,
}

impl Try {
    pub(crate) fn new() -> Try {
        let (packed, entry) = toy();
        Try { dir: tempfile::tempdir().unwrap(), told: Vec::new(), packed, entry }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn fetch(&mut self, mirrors: &[&str]) -> Result<Vec<PathBuf>, FetchError> {
        self.fetch_until(mirrors, &AtomicBool::new(false), u64::MAX)
    }

    /// Sets `stop` when so many bytes have come.
    pub(crate) fn fetch_until(
        &mut self,
        mirrors: &[&str],
        stop: &AtomicBool,
        bytes: u64,
    ) -> Result<Vec<PathBuf>, FetchError> {
        let options = FetchOptions {
            folder: self.dir.path().to_owned(),
            mirrors: mirrors.iter().map(|&m| m.to_owned()).collect(),
            only_named: true,
            timeout: TIMEOUT,
        };
        let (dir, told) = (self.dir.path().to_owned(), &mut self.told);
        let named = |file: &str| std::fs::read(dir.join(format!("{file}.gz"))).ok();
        let part = |url: &str| dir.join(format!("{}.part", url.rsplit('/').next().unwrap()));
        let (mut before, mut into) = (None, PathBuf::new());
        fetch(&self.entry, &options, stop, &mut |event| match event {
            FetchEvent::Received { file, bytes: b, .. } => {
                assert!(named(file) == before, "unchecked bytes under the final name");
                assert_eq!(into.metadata().unwrap().len(), b);
                stop.fetch_or(b >= bytes, Ordering::Relaxed);
            }
            FetchEvent::Started { file, url, resumed, .. } => {
                (before, into) = (named(file), part(url));
                told.push(format!("from {resumed}"));
            }
            FetchEvent::StartedOver { reason, .. } => told.push(format!("over: {reason}")),
            FetchEvent::MirrorFailed { reason, .. } => told.push(format!("failed: {reason}")),
            FetchEvent::Present { .. } => told.push("present".into()),
            FetchEvent::Removed { .. } => told.push("removed".into()),
            FetchEvent::Done { .. } => told.push("done".into()),
            _ => unreachable!(),
        })
    }

    /// The right file is there under this name, and no other but the lock.
    pub(crate) fn good(&self, paths: &[PathBuf], name: &str, bytes: &[u8]) {
        assert_eq!(paths, [self.path(name)]);
        assert!(std::fs::read(self.path(name)).unwrap() == bytes, "other bytes");
        assert_eq!(self.names(), [name]);
    }

    /// Files in the folder, without the lock.
    pub(crate) fn names(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.dir.path()).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = files.filter(|n| n != ".fetch.lock").collect();
        names.sort();
        names
    }

    /// Fails at this only mirror for this reason and leaves these files.
    pub(crate) fn fails(&mut self, mirror: &Server, reason: &str, leaves: &[&str]) {
        let error = self.fetch(&[&mirror.url]).unwrap_err();
        assert!(matches!(&error, FetchError::AllFailed { tried, .. } if tried.len() == 1), "{error:?}");
        let line = error.to_string();
        assert!(line.contains(reason) && line.contains(&mirror.url) && !line.contains('\n'), "{line}");
        assert!(line.contains("--mirror") && line.contains(&self.dir.path().display().to_string()), "{line}");
        assert_eq!(self.names(), leaves, "{line}");
        // The next mirror makes it good, whatever this one has left.
        let good = Server::of(PACKED, self.packed.clone());
        let paths = self.fetch(&[&mirror.url, &good.url]).unwrap();
        self.good(&paths, &format!("{NAME}.gz"), &self.packed);
    }
}
