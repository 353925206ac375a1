//! Event files for TensorBoard: scalars of epochs and steps, in the framing of TFRecord.
//!
//! A record is its length (8 bytes, little-endian), the masked CRC-32C of these 8 bytes, the message, its masked
//! CRC-32C. The messages are a part of TensorFlow's `event.proto` and `summary.proto`, with its field numbers.
//!
//! | tag | what, and when |
//! |---|---|
//! | `train/loss`, `train/error` | means over an epoch |
//! | `validation/loss`, `validation/error` | after an epoch, if there is a validation part |
//! | `discrepancy/total`, `discrepancy/REGION`, `mean_error/REGION` | means over an epoch |
//! | `alignment/REGION` | degrees from the gradient after an epoch, if tracked |
//! | `learning_rate`, `throughput` | of the last step of an epoch; training samples a second |
//! | `step/loss`, `step/error`, `step/discrepancy` | of one step, every so many steps |
//!
//! Errors are shares from 0 to 1. The step of every scalar is the number of steps done since the start of the run.

use prost::Message;
use reclra_data::files::{FileError, writable_folder};
use reclra_train::fit::{EpochReport, Left, Observer, Progress};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const REMEDY: &str = "free some space or choose another folder with --tensorboard=DIR";
/// What the name of an event file begins with; seconds since 1970 follow, by which TensorBoard orders files.
const NAME: &str = "events.out.tfevents.";

/// An `Event`: one of the last three.
#[derive(Clone, PartialEq, Message)]
pub struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub wall_time: f64,
    /// Steps done.
    #[prost(int64, tag = "2")]
    pub step: i64,
    /// Opens a file.
    #[prost(string, optional, tag = "3")]
    pub file_version: Option<String>,
    /// Scalars.
    #[prost(message, optional, tag = "5")]
    pub summary: Option<Summary>,
    /// A start or an end.
    #[prost(message, optional, tag = "7")]
    pub session_log: Option<SessionLog>,
}

/// Scalars of one step.
#[derive(Clone, PartialEq, Message)]
pub struct Summary {
    /// Each with its tag.
    #[prost(message, repeated, tag = "1")]
    pub value: Vec<Scalar>,
}

/// A `Summary.Value` that is a number.
#[derive(Clone, PartialEq, Message)]
pub struct Scalar {
    /// Its name.
    #[prost(string, tag = "1")]
    pub tag: String,
    /// The number.
    #[prost(float, optional, tag = "2")]
    pub simple_value: Option<f32>,
}

/// What TensorBoard calls a session.
#[derive(Clone, PartialEq, Message)]
pub struct SessionLog {
    /// [`START`]: what was written before with this step or a later one no longer counts.
    #[prost(int32, tag = "1")]
    pub status: i32,
}

/// `SessionLog.SessionStatus.START`.
pub const START: i32 = 1;

/// CRC-32C, rotated and shifted as TFRecord wants it.
fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Appends the event as a record.
fn record(event: &Event, out: &mut Vec<u8>) {
    let (length, body) = ((event.encoded_len() as u64).to_le_bytes(), event.encode_to_vec());
    out.extend(length);
    out.extend(masked(&length).to_le_bytes());
    out.extend(&body);
    out.extend(masked(&body).to_le_bytes());
}

/// Writes one run. What it has been told is with the operating system when a call returns: nothing waits in memory.
#[derive(Debug)]
pub struct TensorBoard {
    path: PathBuf,
    file: File,
    every: Option<u64>,
    failed: Option<FileError>,
}

impl TensorBoard {
    /// A new event file in `folder`, which is made if need be. `every`: steps from one logged step to the next; none
    /// without it. `from`: where the run goes on; what the folder has of later steps no longer counts. A run that
    /// begins supersedes all that the folder has.
    ///
    /// # Errors
    /// If the folder or the file cannot be written.
    pub fn create(folder: &Path, every: Option<u64>, from: Option<&Left>) -> Result<TensorBoard, FileError> {
        writable_folder(folder).map_err(|e| FileError { remedy: REMEDY, ..e })?;
        let fail = |path: &Path, e: &std::io::Error| FileError::io(path, e, REMEDY);
        let begun = latest(folder).map_err(|e| fail(folder, &e))?.map_or(0, |l| l + 1).max(now() as u64);
        let path = folder.join(format!("{NAME}{begun:010}.reclra"));
        let file = OpenOptions::new().append(true).create_new(true).open(&path).map_err(|e| fail(&path, &e))?;
        let mut board = TensorBoard { path, file, every: every.filter(|&n| n > 0), failed: None };
        let version = Event { file_version: Some("brain.Event:2".to_owned()), ..Event::default() };
        let session = SessionLog { status: START };
        let start = Event { step: superseded(from) as i64, session_log: Some(session), ..Event::default() };
        board.put(&[version, start]);
        match board.failed.take() {
            Some(error) => Err(error),
            None => Ok(board),
        }
    }

    /// The file that is written.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The first write that failed. Nothing is written after it; the training is not held up.
    #[must_use]
    pub fn failed(&self) -> Option<&FileError> {
        self.failed.as_ref()
    }

    /// In one write, so that a process that is killed leaves whole records.
    fn put(&mut self, events: &[Event]) {
        if self.failed.is_some() {
            return;
        }
        let (mut bytes, wall_time) = (Vec::new(), now());
        events.iter().for_each(|e| record(&Event { wall_time, ..e.clone() }, &mut bytes));
        if let Err(error) = self.file.write_all(&bytes) {
            self.failed = Some(FileError::io(&self.path, &error, REMEDY));
        }
    }

    /// Numbers that are not finite draw no curve: they are left out.
    fn scalars(&mut self, step: u64, scalars: impl IntoIterator<Item = (String, f64)>) {
        let finite = scalars.into_iter().filter(|(_, v)| v.is_finite());
        let value = finite.map(|(tag, v)| Scalar { tag, simple_value: Some(v as f32) }).collect();
        self.put(&[Event { step: step as i64, summary: Some(Summary { value }), ..Event::default() }]);
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}

/// The latest start among the event files there are: files are read in the order of their names, so that the next must
/// not have an earlier one, nor the same.
fn latest(folder: &Path) -> std::io::Result<Option<u64>> {
    let mut latest = None;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let start = name.to_str().and_then(|n| n.strip_prefix(NAME)).and_then(|n| n.split('.').next()?.parse().ok());
        latest = latest.max(start);
    }
    Ok(latest)
}

/// The first step whose scalars are written again.
fn superseded(from: Option<&Left>) -> u64 {
    let Some(left) = from else { return 0 };
    // Kept after the last step of an epoch and before its report, which may have been written and comes again.
    let epochs = left.place.epochs.len() as u64;
    let report_comes = left.place.position > 0 && left.steps == left.place.position * (epochs + 1);
    if report_comes { left.steps } else { left.steps + 1 }
}

impl Observer for TensorBoard {
    fn step(&mut self, p: &Progress<'_>) {
        let step = p.learner.steps();
        if self.every.is_some_and(|n| step.is_multiple_of(n)) {
            let r = &p.report;
            let all = [("step/loss", r.loss), ("step/error", r.error), ("step/discrepancy", r.discrepancy)];
            self.scalars(step, all.map(|(tag, v)| (tag.to_owned(), v)));
        }
    }

    fn epoch(&mut self, r: &EpochReport) {
        let mut all = vec![
            ("train/loss".to_owned(), r.train_loss),
            ("train/error".to_owned(), r.train_error),
            ("discrepancy/total".to_owned(), r.discrepancy),
            ("learning_rate".to_owned(), r.learning_rate),
            ("throughput".to_owned(), r.samples_per_second),
        ];
        if let Some(error) = r.validation_error {
            all.push(("validation/loss".to_owned(), r.validation_loss));
            all.push(("validation/error".to_owned(), error));
        }
        for layer in &r.layers {
            all.push((format!("discrepancy/{}", layer.region), layer.discrepancy));
            all.push((format!("mean_error/{}", layer.region), layer.mean_error));
        }
        all.extend(r.alignment.iter().map(|a| (format!("alignment/{}", a.region), a.degrees)));
        self.scalars(r.step, all);
    }
}

#[cfg(test)]
mod tests;
