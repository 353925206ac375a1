//! Event files read back by a reader of their own: bit by bit CRCs, lengths, then the messages.

use super::*;
use reclra_train::fit::{Angle, Layer, Start, fit_from};
use reclra_train::many::Many;
use reclra_train::run::{Prepared, prepare};
use reclra_train::spec::Settings;
use std::sync::atomic::AtomicBool;

/// CRC-32C from its definition: reflected polynomial 0x82f63b78.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |c, _| if c & 1 == 1 { (c >> 1) ^ 0x82f6_3b78 } else { c >> 1 })
    })
}

/// Undoes the mask.
fn unmasked(word: u32) -> u32 {
    word.wrapping_sub(0xa282_ead8).rotate_left(15)
}

fn events(path: &Path) -> Vec<Event> {
    let bytes = fs::read(path).unwrap();
    let (mut rest, mut events) = (&bytes[..], Vec::new());
    let word = |b: &[u8]| u32::from_le_bytes(b.try_into().unwrap());
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        assert_eq!(unmasked(word(&rest[8..12])), crc(&rest[..8]), "of the length");
        let body = &rest[12..12 + length];
        assert_eq!(unmasked(word(&rest[12 + length..16 + length])), crc(body), "of the message");
        events.push(Event::decode(body).unwrap());
        rest = &rest[16 + length..];
    }
    events
}

/// (step, tag, value) of all scalars.
fn scalars(events: &[Event]) -> Vec<(i64, String, f32)> {
    let all = events.iter().flat_map(|e| e.summary.iter().flat_map(|s| &s.value).map(|v| (e.step, v)));
    all.map(|(step, v)| (step, v.tag.clone(), v.simple_value.unwrap())).collect()
}

fn report() -> EpochReport {
    EpochReport {
        epoch: 3,
        step: 90,
        train_loss: 0.5,
        train_error: 0.25,
        validation_loss: 0.75,
        validation_error: Some(0.125),
        discrepancy: 1.5,
        layers: vec![Layer { region: "b1".to_owned(), discrepancy: 0.03125, mean_error: 0.0625 }],
        alignment: vec![Angle { region: "b1".to_owned(), degrees: 45.0 }],
        learning_rate: 0.001,
        samples_per_second: 4096.0,
        seconds: 2.0,
    }
}

/// Bytes written by TensorBoard's own `RecordWriter` for `Event(wall_time=1.5, step=90, summary={train/loss: 0.5})`.
#[test]
fn a_record_has_the_bytes_of_tensorboards_own_writer() {
    let value = vec![Scalar { tag: "train/loss".to_owned(), simple_value: Some(0.5) }];
    let event = Event { wall_time: 1.5, step: 90, summary: Some(Summary { value }), ..Event::default() };
    let mut bytes = Vec::new();
    record(&event, &mut bytes);
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex, GOLDEN);
}

const GOLDEN: &str = "200000000000000029eda95009000000000000f83f105a2a130a110a0a747261696e2f6c6f7373150000003f6205671b";

#[test]
fn an_epoch_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut board = TensorBoard::create(&dir.path().join("a/b"), None, None).unwrap();
    board.epoch(&report());
    board.epoch(&EpochReport { epoch: 4, step: 120, validation_error: None, train_loss: f64::NAN, ..report() });
    assert!(board.failed().is_none());
    let events = events(board.path());
    assert_eq!(events[0].file_version.as_deref(), Some("brain.Event:2"));
    assert_eq!((events[1].session_log.as_ref().unwrap().status, events[1].step), (START, 0));
    assert!(events.windows(2).all(|w| w[0].wall_time <= w[1].wall_time) && events[0].wall_time > 1.6e9);
    let all = scalars(&events);
    let first: Vec<(&str, f32)> = all.iter().filter(|s| s.0 == 90).map(|s| (s.1.as_str(), s.2)).collect();
    let expected = [
        ("train/loss", 0.5),
        ("train/error", 0.25),
        ("discrepancy/total", 1.5),
        ("learning_rate", 0.001),
        ("throughput", 4096.0),
        ("validation/loss", 0.75),
        ("validation/error", 0.125),
        ("discrepancy/b1", 0.03125),
        ("mean_error/b1", 0.0625),
        ("alignment/b1", 45.0),
    ];
    assert_eq!(first, expected);
    let second: Vec<&str> = all.iter().filter(|s| s.0 == 120).map(|s| s.1.as_str()).collect();
    assert_eq!(second.len(), 7, "no validation, and nothing that is not finite: {second:?}");
}

/// What counts after all files have been read in order, as TensorBoard does it.
fn surviving(folder: &Path) -> Vec<(i64, String, f32)> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let mut kept: Vec<(i64, String, f32)> = Vec::new();
    for event in files.iter().flat_map(|f| events(f)) {
        if event.session_log.is_some() {
            kept.retain(|(step, ..)| *step < event.step);
        }
        kept.extend(scalars(&[event]));
    }
    kept
}

/// Keeps the state after so many steps, in an epoch or after it.
struct Keep {
    after: u64,
    occasion: reclra_train::fit::Occasion,
    left: Option<Left>,
}

impl Observer for Keep {
    fn state(&mut self, state: &reclra_train::fit::State<'_>) {
        if state.learner.steps() == self.after && state.occasion == self.occasion {
            let (steps, place) = (self.after, state.place.clone());
            self.left = Some(Left { place, steps, state: state.learner.state() });
        }
    }
}

/// A run that goes on from a state, after another has written more than that, leaves what one run leaves: each step once.
#[test]
fn a_resumed_run_has_every_step_once() {
    use reclra_train::fit::Occasion::{Epoch, Step};
    let settings = Settings::parse("[train]\nepochs = 3\nbatch = 64\n[net]\narch = \"64-8-10\"", "test").unwrap();
    let Prepared { spec, dataset, .. } = prepare(&settings).unwrap();
    let go = |folder: &Path, from: Option<Left>, after, occasion| {
        let mut keep = Keep { after, occasion, left: None };
        let mut board = TensorBoard::create(folder, Some(5), from.as_ref()).unwrap();
        let start = from.map_or(Start::Fresh, |left| Start::Kept(Box::new(left)));
        let (stop, both) = (AtomicBool::new(false), &mut Many(vec![&mut board, &mut keep]));
        let outcome = fit_from(start, &spec, &*dataset, reclra::Device::cpu(1), both, &stop).unwrap();
        (outcome.learner.steps(), keep.left)
    };
    let what_counts = |folder: &Path| {
        let mut all = surviving(folder);
        all.retain(|(_, tag, _)| tag != "throughput");
        all
    };
    let dir = tempfile::tempdir().unwrap();
    let epoch = go(dir.path(), None, 0, Epoch).0 / 3;
    let whole = what_counts(dir.path());
    assert!(whole.iter().filter(|(_, tag, _)| tag == "step/loss").count() as u64 == 3 * epoch / 5);
    let again =
        [(7, Step), (10, Step), (epoch, Step), (epoch, Epoch), (epoch + 5, Step), (2 * epoch, Step), (0, Epoch)];
    for (after, occasion) in again {
        let dir = tempfile::tempdir().unwrap();
        let left = go(dir.path(), None, after, occasion).1;
        assert_eq!(left.is_none(), after == 0, "nothing is kept for a run that starts afresh");
        go(dir.path(), left, 0, Epoch);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        let mut all = what_counts(dir.path());
        let mut expected = whole.clone();
        // Of a state between the last step of an epoch and its report, or in the first, a logged step may be given up.
        all.retain(|(step, tag, _)| *step as u64 != after || !tag.starts_with("step/"));
        expected.retain(|(step, tag, _)| *step as u64 != after || !tag.starts_with("step/"));
        assert_eq!(all, expected, "after {after} {occasion:?}");
    }
}

#[test]
fn files_of_the_same_second_are_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut paths: Vec<PathBuf> = Vec::new();
    for _ in 0..12 {
        paths.push(TensorBoard::create(dir.path(), None, None).unwrap().path().to_owned());
    }
    assert!(paths.is_sorted() && paths.windows(2).all(|w| w[0] != w[1]), "{paths:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_once_and_ends_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut board = TensorBoard::create(dir.path(), None, None).unwrap();
    board.file = OpenOptions::new().append(true).open("/dev/full").unwrap();
    board.epoch(&report());
    board.epoch(&report());
    let line = board.failed().unwrap().to_string();
    assert!(line.contains("the disk is full") && line.contains("--tensorboard=DIR"), "{line}");
}

#[test]
fn a_file_where_the_folder_belongs_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let line = TensorBoard::create(file.path(), None, None).unwrap_err().to_string();
    assert!(line.contains("is a file, where a folder belongs") && line.contains("--tensorboard=DIR"), "{line}");
}
