//! `reclra train --tensorboard`, judged by TensorBoard's own reader.
//!
//! That reader is in `tests/env`, a Python environment with `tensorboard`; without it these tests say so and do nothing,
//! or fail if `RECLRA_REQUIRE_TOOLS` is set.

mod common;

use common::{bad, good, objects, text};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

type Scalars = BTreeMap<String, Vec<(u64, f64, f64)>>;

/// The Python of `tests/env`, if TensorBoard is in it.
fn python() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/env/bin/python");
    let there = Command::new(&path).args(["-c", "import tensorboard"]).output().is_ok_and(|o| o.status.success());
    common::tool(there, "tests/env has no TensorBoard: run tests/setup.sh").then_some(path)
}

/// What TensorBoard reads: tag -> (step, wall time, value).
fn read(python: &Path, folder: &Path) -> Scalars {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/read_events.py");
    let output = Command::new(python).arg(script).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The scalars that the epochs of a `--json` run should have come to.
fn expected(stdout: &str) -> BTreeMap<String, Vec<(u64, f64)>> {
    let mut all: BTreeMap<String, Vec<(u64, f64)>> = BTreeMap::new();
    for epoch in objects(stdout).iter().filter(|o| o["event"] == "epoch") {
        let step = epoch["step"].as_u64().unwrap();
        let mut put = |tag: String, v: &Value| all.entry(tag).or_default().push((step, v.as_f64().unwrap()));
        for (tag, key) in [
            ("train/loss", "train_loss"),
            ("train/error", "train_error"),
            ("validation/loss", "validation_loss"),
            ("validation/error", "validation_error"),
            ("discrepancy/total", "discrepancy"),
            ("learning_rate", "learning_rate"),
            ("throughput", "samples_per_second"),
        ] {
            put(tag.to_owned(), &epoch[key]);
        }
        for layer in epoch["layers"].as_array().unwrap() {
            let region = layer["region"].as_str().unwrap();
            put(format!("discrepancy/{region}"), &layer["discrepancy"]);
            put(format!("mean_error/{region}"), &layer["mean_error"]);
        }
        for angle in epoch["alignment"].as_array().into_iter().flatten() {
            put(format!("alignment/{}", angle["region"].as_str().unwrap()), &angle["degrees"]);
        }
    }
    all
}

#[test]
fn tensorboard_reads_what_json_says() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    let before = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let folder = dir.path().join("events");
    let flag = format!("--tensorboard={}", text(&folder));
    let (out, _) =
        good(&["train", "--epochs", "3", "--schedule", "linear", "--track-alignment", "--json", "--quiet", &flag]);
    let (read, expected) = (read(&python, &folder), expected(&out));
    let tags = |of: BTreeSet<&String>| of.into_iter().cloned().collect::<Vec<_>>();
    assert_eq!(tags(read.keys().collect()), tags(expected.keys().collect()));
    assert!(expected.len() >= 7 + 3 * 4, "{:?}", expected.keys());
    for (tag, points) in &read {
        let steps: Vec<u64> = points.iter().map(|p| p.0).collect();
        assert_eq!(steps, expected[tag].iter().map(|p| p.0).collect::<Vec<_>>(), "{tag}");
        for ((_, time, value), (_, wanted)) in points.iter().zip(&expected[tag]) {
            assert_eq!(*value as f32, *wanted as f32, "{tag}");
            assert!(*time >= before && *time < before + 600.0, "{tag} at {time}");
        }
        assert!(points.windows(2).all(|w| w[0].1 <= w[1].1), "{tag}");
    }
}

/// A second run into the same folder takes the place of the first.
#[test]
fn a_run_made_anew_supersedes_the_one_before() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    let out = text(dir.path()).to_owned();
    good(&["train", "--epochs", "3", "--out", &out, "--tensorboard"]);
    let (said, _) =
        good(&["train", "--epochs", "2", "--seed", "5", "--out", &out, "--overwrite", "--tensorboard", "--json"]);
    let read = read(&python, &dir.path().join("tensorboard"));
    let points: Vec<(u64, f32)> = read["train/loss"].iter().map(|p| (p.0, p.2 as f32)).collect();
    let wanted: Vec<(u64, f32)> = expected(&said)["train/loss"].iter().map(|p| (p.0, p.1 as f32)).collect();
    assert_eq!(points, wanted);
}

#[test]
fn the_folder_is_the_runs_own_unless_told_and_must_be_one() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    good(&["train", "--epochs", "1", "--quiet", "--out", text(&run), "--tensorboard"]);
    assert_eq!(std::fs::read_dir(run.join("tensorboard")).unwrap().count(), 1);
    let file = tempfile::NamedTempFile::new().unwrap();
    let line = bad(&["train", &format!("--tensorboard={}", text(file.path()))], 2);
    assert!(line.contains("is a file") && line.contains("--tensorboard=DIR"), "{line}");
}
