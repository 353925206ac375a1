//! Checkpoints: a folder each, complete or not there at all, from which a run goes on to the very same bits.
//!
//! A checkpoint is written under a temporary name: the state, then the manifest with the state's hash, each synced; then
//! the folder is synced and renamed, and the folder above it synced. Whatever moment the power fails, what bears a
//! checkpoint's name is whole. Damage that comes later shows in the hashes: such a checkpoint is named and the one before
//! it is used.

use super::environment::sha256;
use crate::files::FileError;
use crate::fit::{Left, Place, State};
use crate::model::{metadata, serialize};
use crate::spec::{DataFacts, RunSpec};
use reclra::state::Kept;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The learner's state; a model file with moments beside the weights.
pub const STATE: &str = "state.safetensors";
/// What the checkpoint holds, written last.
pub const MANIFEST: &str = "manifest.json";
/// Beginnings of the names of folders; the number of steps follows.
const NAMES: [&str; 2] = ["step-", "best-"];
/// Beginning of the name of a folder that is not whole yet.
const UNFINISHED: &str = ".unfinished-";
/// Layout of the manifest.
const FORMAT: u32 = 1;

/// What a checkpoint says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Layout of this file.
    pub format: u32,
    /// Version of the program.
    pub version: String,
    /// The resolved spec of the run.
    pub spec: String,
    /// Steps done.
    pub steps: u64,
    /// Where the run stood, with all metrics so far.
    pub place: Place,
    /// Bytes of the metrics file that belong to the run up to here.
    pub metrics_bytes: u64,
    /// Bytes and SHA-256 of the state.
    pub state: (u64, String),
}

/// The manifest as it is on disk.
#[derive(Serialize, Deserialize)]
struct Sealed {
    manifest: Manifest,
    /// SHA-256 of `manifest` as compact JSON.
    sha256: String,
}

/// A checkpoint that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its folder.
    pub path: PathBuf,
    /// Steps, by its name.
    pub steps: u64,
    /// Whether it is kept as the best.
    pub best: bool,
}

const REMEDY: &str = "the checkpoint before it can be used; remove this one";

fn bad(path: &Path, what: impl Into<String>) -> FileError {
    FileError { path: path.to_owned(), what: what.into(), remedy: REMEDY }
}

/// A state on its way to the disk.
#[derive(Clone, Debug)]
pub struct Snapshot {
    state: Vec<Kept>,
    steps: u64,
    place: Place,
    metrics_bytes: u64,
    best: bool,
}

impl Snapshot {
    /// Copies a state.
    #[must_use]
    pub fn of(state: &State<'_>, metrics_bytes: u64, best: bool) -> Snapshot {
        let (learner, place) = (state.learner, state.place.clone());
        Snapshot { state: learner.state(), steps: learner.steps(), place, metrics_bytes, best }
    }

    /// Steps done.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Writes it as a checkpoint in `folder`, which is made if need be. Its path.
    ///
    /// # Errors
    /// Names what could not be written; what was there before is then untouched.
    pub fn save(&self, folder: &Path, spec: &RunSpec, facts: &DataFacts) -> Result<PathBuf, FileError> {
        let path = folder.join(format!("{}{:010}", NAMES[usize::from(self.best)], self.steps));
        let unfinished = folder.join(format!("{UNFINISHED}{}", self.steps));
        let state = serialize(&path.join(STATE), &self.state, metadata(spec, facts, self.steps))?;
        let manifest = Manifest {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            spec: spec.to_toml(),
            steps: self.steps,
            place: self.place.clone(),
            metrics_bytes: self.metrics_bytes,
            state: (state.len() as u64, sha256(&state)),
        };
        // A run resumed and stopped at once stands where it stood.
        if path.exists() && load(&path).is_ok_and(|(there, _)| there.state == manifest.state) {
            return Ok(path);
        }
        let sealed = Sealed { sha256: seal(&manifest), manifest };
        let json = serde_json::to_vec_pretty(&sealed).unwrap_or_default();
        let write = || -> std::io::Result<()> {
            fs::create_dir_all(&unfinished)?;
            for (name, bytes) in [(STATE, &state), (MANIFEST, &json)] {
                let mut file = File::create(unfinished.join(name))?;
                file.write_all(bytes)?;
                file.sync_all()?;
            }
            sync(&unfinished)?;
            if path.exists() {
                fs::remove_dir_all(&path)?;
            }
            fs::rename(&unfinished, &path)?;
            sync(folder)
        };
        write().map_err(|e| {
            // Room for the next attempt; that this one is gone does no harm.
            let _ = fs::remove_dir_all(&unfinished);
            FileError::io(&path, &e, "free some space; the checkpoint before it is kept")
        })?;
        Ok(path)
    }
}

fn seal(manifest: &Manifest) -> String {
    sha256(&serde_json::to_vec(manifest).unwrap_or_default())
}

/// Makes what was renamed or created in a folder last.
fn sync(folder: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

/// The checkpoints in a folder, the newest first.
#[must_use]
pub fn list(folder: &Path) -> Vec<Found> {
    let mut all: Vec<Found> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_name()?.to_str()?.to_owned();
            let (n, steps) = NAMES.iter().enumerate().find_map(|(n, p)| Some((n, name.strip_prefix(p)?)))?;
            Some(Found { steps: steps.parse().ok()?, best: n == 1, path })
        })
        .collect();
    all.sort_by_key(|f| (std::cmp::Reverse(f.steps), f.best));
    all
}

/// Reads a checkpoint and checks it against its manifest.
///
/// # Errors
/// Names the file that is missing or damaged.
pub fn load(path: &Path) -> Result<(Manifest, Left), FileError> {
    let (manifest_path, state_path) = (path.join(MANIFEST), path.join(STATE));
    let json = fs::read(&manifest_path).map_err(|e| FileError::io(&manifest_path, &e, REMEDY))?;
    let sealed: Sealed = serde_json::from_slice(&json).map_err(|e| bad(&manifest_path, format!("is damaged ({e})")))?;
    let manifest = sealed.manifest;
    if manifest.format != FORMAT {
        let what = format!("its format is {}, this version reads {FORMAT}", manifest.format);
        return Err(bad(&manifest_path, what));
    }
    if sealed.sha256 != seal(&manifest) {
        return Err(bad(&manifest_path, "is damaged (its hash does not fit)"));
    }
    let bytes = fs::read(&state_path).map_err(|e| FileError::io(&state_path, &e, REMEDY))?;
    if (bytes.len() as u64, sha256(&bytes)) != manifest.state {
        return Err(bad(&state_path, "is damaged (its hash does not fit the manifest)"));
    }
    let file = SafeTensors::deserialize(&bytes).map_err(|e| bad(&state_path, e.to_string()))?;
    let mut state = Vec::new();
    for (name, view) in file.tensors() {
        if view.dtype() != Dtype::F32 {
            return Err(bad(&state_path, format!("{name} is not of float32")));
        }
        let values = view.data().as_chunks::<4>().0.iter().map(|&c| f32::from_le_bytes(c)).collect();
        state.push(Kept { name, shape: view.shape().to_vec(), values });
    }
    let left = Left { place: manifest.place.clone(), steps: manifest.steps, state };
    Ok((manifest, left))
}

/// The newest checkpoint that is whole; of each that is not, `warn` is told.
pub fn newest(folder: &Path, warn: &mut dyn FnMut(&str)) -> Option<(PathBuf, Manifest, Left)> {
    list(folder).into_iter().find_map(|found| match load(&found.path) {
        Ok((manifest, left)) => Some((found.path, manifest, left)),
        Err(e) => {
            warn(&format!("{}: {}; the checkpoint before it is used", e.path.display(), e.what));
            None
        }
    })
}

/// Removes all but the newest `keep` checkpoints and the newest best one, and what was never finished. What cannot be
/// removed stays: it takes room, and does no harm.
pub fn prune(folder: &Path, keep: usize) {
    for best in [false, true] {
        let kind = list(folder).into_iter().filter(|f| f.best == best);
        for old in kind.skip(if best { keep.min(1) } else { keep }) {
            // Without its manifest it is no checkpoint: it goes first.
            let _ = fs::remove_file(old.path.join(MANIFEST));
            let _ = fs::remove_dir_all(&old.path);
        }
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|n| n.starts_with(UNFINISHED)) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
