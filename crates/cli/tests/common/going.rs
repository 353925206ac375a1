//! Runs that are cut off in their middle, and what must be the same of one that went on and one that never stopped.

use super::objects;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A process that does not outlive its test, whatever comes of that.
pub(crate) struct Going(pub(crate) Child);

impl Drop for Going {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl std::ops::Deref for Going {
    type Target = Child;
    fn deref(&self) -> &Child {
        &self.0
    }
}

impl std::ops::DerefMut for Going {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

/// The binary with output thrown away, to be killed.
pub(crate) fn start(args: &[&str]) -> Going {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("reclra"));
    Going(command.args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

pub(crate) fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// The lines of the metrics without what a clock says.
pub(crate) fn metrics(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let mut lines = objects(&text);
    for line in &mut lines {
        let fields = line.as_object_mut().unwrap();
        for timing in ["seconds", "samples_per_second"] {
            fields.remove(timing);
        }
    }
    lines
}

/// All that must not depend on an interruption: weights, metrics, log of steps, the last state, the verdict.
pub(crate) fn same(whole: &Path, other: &Path, what: &str) {
    let bytes = |run: &Path| fs::read(run.join("model.safetensors")).unwrap();
    assert!(bytes(whole) == bytes(other), "{what}: the weights differ");
    assert_eq!(metrics(whole), metrics(other), "{what}");
    let last = |run: &Path| fs::read(checkpoints(run).last().unwrap().join("state.safetensors")).unwrap();
    assert!(last(whole) == last(other), "{what}: the last states differ");
    let test = |run: &Path| {
        let json: Value = serde_json::from_slice(&fs::read(run.join("result.json")).unwrap()).unwrap();
        json["test"].clone()
    };
    assert_eq!(test(whole), test(other), "{what}");
}

/// The checkpoints by step; the best is one of them.
pub(crate) fn checkpoints(run: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = fs::read_dir(run.join("checkpoints")).unwrap().map(|e| e.unwrap().path()).collect();
    let name = |p: &PathBuf| p.file_name().unwrap().to_str().unwrap().to_owned();
    all.retain(|p| name(p).starts_with("step-") || name(p).starts_with("best-"));
    all.sort_by_key(|p| name(p)[5..].to_owned());
    all
}
