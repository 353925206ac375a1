//! Checkpoints: a folder each, complete or not there at all, from which a run goes on to the very same bits.
//!
//! A checkpoint is written under a temporary name: the state, then the manifest with the state's hash, each synced; then
//! the folder is synced and renamed, and the folder above it synced. Whatever moment the power fails, what bears a
//! checkpoint's name is whole. Damage that comes later shows in the hashes: such a checkpoint is named and the one before
//! it is used.

use super::environment::{Hashing, sha256};
use crate::fit::{EpochReport, Left, Place, State, Sums};
use crate::metrics::Chosen;
use crate::model::metadata;
use crate::spec::{DataFacts, RunSpec};
use reclra::state::Kept;
use reclra_data::files::{self, FileError};
use reclra_data::format;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

/// The learner's state; a model file with moments beside the weights.
pub const STATE: &str = "state.safetensors";
/// What the checkpoint holds, written last.
pub const MANIFEST: &str = "manifest.json";
/// Beginnings of the names of folders; the number of steps follows.
const NAMES: [&str; 2] = ["step-", "best-"];
/// Beginning of the name of one that was found damaged.
const DAMAGED: &str = "damaged-";
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
    /// Lines of metrics that had found no room on the disk.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unwritten: String,
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

/// The same for writing, without a copy of what may be long: equal, letter by letter.
#[derive(Serialize)]
struct Told<'a> {
    format: u32,
    version: &'a str,
    spec: &'a str,
    steps: u64,
    place: PlaceTold<'a>,
    metrics_bytes: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    unwritten: &'a str,
    state: &'a (u64, String),
}

#[derive(Serialize)]
struct PlaceTold<'a> {
    epochs: &'a [EpochReport],
    position: u64,
    sums: &'a Sums,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    chosen: Option<Chosen>,
}

#[derive(Serialize)]
struct SealedTold<'a> {
    manifest: Told<'a>,
    sha256: String,
}

/// A checkpoint that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its folder.
    pub path: PathBuf,
    /// Steps, by its name.
    pub steps: u64,
    /// Of several with the same steps the highest is the newest.
    generation: u64,
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
    /// Epochs that were over; those who save it have them all.
    epochs: usize,
    /// Without its epochs.
    place: Place,
    metrics_bytes: u64,
    unwritten: String,
    best: bool,
}

impl Snapshot {
    /// Copies a state, with the metrics that are on the disk and those that are not. None if its weights are no longer
    /// finite: nobody could go on from there.
    #[must_use]
    pub fn of(state: &State<'_>, (metrics_bytes, unwritten): (u64, &str), best: bool) -> Option<Snapshot> {
        let (learner, &Place { ref epochs, position, ref sums, seconds, chosen }) = (state.learner, state.place);
        let (epochs, place) =
            (epochs.len(), Place { epochs: Vec::new(), position, sums: sums.clone(), seconds, chosen });
        let (state, steps, unwritten) = (learner.state(), learner.steps(), unwritten.to_owned());
        let moment = |k: &&Kept| !k.name.starts_with("first.") && !k.name.starts_with("second.");
        let finite = state.iter().filter(moment).all(|k| k.values.iter().all(|v| v.is_finite()));
        finite.then_some(Snapshot { state, steps, epochs, place, metrics_bytes, unwritten, best })
    }

    /// Steps done.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Writes it as a checkpoint in `folder`, which is made if need be, with those of the run's `epochs` that were over then.
    /// Its path.
    ///
    /// # Errors
    /// Names what could not be written; what was there before is then untouched.
    pub fn save(
        &self,
        folder: &Path,
        (spec, facts): (&RunSpec, &DataFacts),
        epochs: &[EpochReport],
    ) -> Result<PathBuf, FileError> {
        let name = format!("{}{:010}", NAMES[usize::from(self.best)], self.steps);
        // One of the same step that is there stays until this one is whole.
        let there = list(folder)?.into_iter().find(|f| (f.steps, f.best) == (self.steps, self.best));
        let path = there.as_ref().map_or(folder.join(&name), |f| folder.join(format!("{name}.{}", f.generation + 1)));
        let unfinished = folder.join(format!("{UNFINISHED}{}", self.steps));
        // Written once into a hash and once into the file: bytes of a large state are never held beside it.
        let (metadata, mut hash) = (metadata(spec, facts, self.steps), Hashing::default());
        format::safetensors::write(&mut hash, &self.state, &metadata)
            .map_err(|e| FileError::io(&path.join(STATE), &e, "report this, please"))?;
        let (text, of_state) = (spec.to_toml(), (hash.bytes(), hash.hex()));
        // A run resumed and stopped at once stands where it stood.
        let same = |f: &Found| load(&f.path).is_ok_and(|(m, _)| m.state == of_state);
        if let Some(there) = there.filter(same) {
            return Ok(there.path);
        }
        let Place { position, sums, seconds, chosen, .. } = &self.place;
        let manifest = Told {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION"),
            spec: &text,
            steps: self.steps,
            place: PlaceTold {
                epochs: &epochs[..self.epochs.min(epochs.len())],
                position: *position,
                sums,
                seconds: *seconds,
                chosen: *chosen,
            },
            metrics_bytes: self.metrics_bytes,
            unwritten: &self.unwritten,
            state: &of_state,
        };
        let sealed = SealedTold { sha256: seal(&manifest), manifest };
        let write = || -> std::io::Result<()> {
            fs::create_dir_all(&unfinished)?;
            let mut file = File::create(unfinished.join(STATE))?;
            format::safetensors::write(&mut file, &self.state, &metadata)?;
            file.sync_all()?;
            let mut file = BufWriter::new(File::create(unfinished.join(MANIFEST))?);
            serde_json::to_writer_pretty(&mut file, &sealed)?;
            file.into_inner()?.sync_all()?;
            sync(&unfinished)?;
            fs::rename(&unfinished, &path)?;
            sync(folder)
        };
        write().map_err(|e| {
            // Room for the next attempt; that this one is gone does no harm.
            let _ = fs::remove_dir_all(&unfinished);
            let before = list(folder).is_ok_and(|all| !all.is_empty());
            let remedy = if before {
                "free some space; the checkpoint before it is kept"
            } else {
                "free some space; there is no checkpoint yet"
            };
            FileError::io(&path, &e, remedy)
        })?;
        Ok(path)
    }
}

/// The hash of a manifest's compact JSON.
fn seal(manifest: &impl Serialize) -> String {
    let mut hash = Hashing::default();
    // Into a hash nothing fails to be written, and a manifest is nothing that JSON cannot say.
    let _ = serde_json::to_writer(&mut hash, manifest);
    hash.hex()
}

/// Makes what was renamed or created in a folder last.
fn sync(folder: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

/// The checkpoints in a folder, the newest first; none if there is no such folder.
///
/// # Errors
/// If the folder is there and cannot be read.
pub fn list(folder: &Path) -> Result<Vec<Found>, FileError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(FileError::io(folder, &e, "make it readable: the run goes on from what is in it")),
    };
    let mut all: Vec<Found> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_name()?.to_str()?.to_owned();
            let (n, rest) = NAMES.iter().enumerate().find_map(|(n, p)| Some((n, name.strip_prefix(p)?)))?;
            let (steps, generation) = rest.split_once('.').unwrap_or((rest, "0"));
            Some(Found { steps: steps.parse().ok()?, generation: generation.parse().ok()?, best: n == 1, path })
        })
        .collect();
    all.sort_by_key(|f| std::cmp::Reverse((f.steps, f.generation, !f.best)));
    Ok(all)
}

/// Why a checkpoint was not read.
#[derive(Debug)]
pub struct Unread {
    /// The file and what is wrong.
    pub error: FileError,
    /// Whether it is damaged; else it may be whole, and something stands in the way.
    pub damaged: bool,
}

impl From<FileError> for Unread {
    fn from(error: FileError) -> Unread {
        Unread { error, damaged: true }
    }
}

/// The bytes of a file of a checkpoint; one that is missing is damage.
fn bytes_of(path: &Path) -> Result<Vec<u8>, Unread> {
    files::read(path, files::NUMBERS, "make it readable").map_err(|e| {
        let damaged = e.missing();
        let remedy = if damaged { REMEDY } else { e.remedy };
        Unread { error: FileError { remedy, ..e }, damaged }
    })
}

/// Reads a checkpoint and checks it against its manifest.
///
/// # Errors
/// Names the file that is missing or damaged.
pub fn load(path: &Path) -> Result<(Manifest, Left), Unread> {
    let (manifest_path, state_path) = (path.join(MANIFEST), path.join(STATE));
    let json = bytes_of(&manifest_path)?;
    let sealed: Sealed = serde_json::from_slice(&json).map_err(|e| bad(&manifest_path, format!("is damaged ({e})")))?;
    let manifest = sealed.manifest;
    if manifest.format != FORMAT {
        let what = format!("its format is {}, this version reads {FORMAT}", manifest.format);
        let remedy = "go on with the version of the program that wrote it";
        return Err(Unread { error: FileError { path: manifest_path, what, remedy }, damaged: false });
    }
    if sealed.sha256 != seal(&manifest) {
        return Err(bad(&manifest_path, "is damaged (its hash does not fit)").into());
    }
    let bytes = bytes_of(&state_path)?;
    if (bytes.len() as u64, sha256(&bytes)) != manifest.state {
        return Err(bad(&state_path, "is damaged (its hash does not fit the manifest)").into());
    }
    let file = SafeTensors::deserialize(&bytes).map_err(|e| bad(&state_path, e.to_string()))?;
    let mut state = Vec::new();
    for (name, view) in file.tensors() {
        if view.dtype() != Dtype::F32 {
            return Err(bad(&state_path, format!("{name} is not of float32")).into());
        }
        let values = view.data().as_chunks::<4>().0.iter().map(|&c| f32::from_le_bytes(c)).collect();
        state.push(Kept { name, shape: view.shape().to_vec(), values });
    }
    let left = Left { place: manifest.place.clone(), steps: manifest.steps, state };
    Ok((manifest, left))
}

/// The newest checkpoint that is whole, none if there is no checkpoint at all. Of each that is damaged `warn` is told; it
/// gets another name, so that it is in nobody's way.
///
/// # Errors
/// If there are some and none can be read: to begin anew is then for a person to decide.
pub fn newest(folder: &Path, warn: &mut dyn FnMut(&str)) -> Result<Option<(Manifest, Left)>, FileError> {
    let all = list(folder)?;
    for found in &all {
        match load(&found.path) {
            Ok(whole) => return Ok(Some(whole)),
            Err(Unread { error, damaged: false }) => return Err(error),
            Err(Unread { error, .. }) => {
                warn(&format!("{}: {}; the checkpoint before it is used", error.path.display(), error.what));
                if let Some(name) = found.path.file_name().and_then(|n| n.to_str()) {
                    let _ = fs::rename(&found.path, folder.join(format!("{DAMAGED}{name}")));
                }
            }
        }
    }
    if all.is_empty() && !any(folder, DAMAGED) {
        return Ok(None);
    }
    let (path, what) = (folder.to_owned(), "holds no whole checkpoint, only damaged ones".to_owned());
    Err(FileError { path, what, remedy: "remove this folder to let the run begin anew" })
}

/// Whether something in a folder has a name that begins so.
fn any(folder: &Path, beginning: &str) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|e| e.file_name().to_str().is_some_and(|n| n.starts_with(beginning)))
}

/// Removes all but the newest `keep` checkpoints and the newest best one, and what was never finished; with `keep` 0 damaged
/// ones too. What cannot be removed stays: it takes room, and does no harm.
pub fn prune(folder: &Path, keep: usize) {
    for best in [false, true] {
        let kind = list(folder).unwrap_or_default().into_iter().filter(|f| f.best == best);
        for old in kind.skip(if best { keep.min(1) } else { keep }) {
            // Without its manifest it is no checkpoint: it goes first.
            let _ = fs::remove_file(old.path.join(MANIFEST));
            let _ = fs::remove_dir_all(&old.path);
        }
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_str().unwrap_or_default();
        if name.starts_with(UNFINISHED) || (keep == 0 && name.starts_with(DAMAGED)) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
