//! What happens around a run: the clock is set back, its folder moved, copied or made read-only, its data taken away while it
//! goes. None of it changes a number or loses what was kept.

#![cfg(target_os = "linux")]

mod common;

use common::going::{same, signal, start};
use common::{bad, good, mnist, shim, text, texts};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

const SPEC: &str = "--epochs 300 --arch 64-16-10 --checkpoint-steps 400 --quiet";

fn train(out: &Path) -> Vec<&str> {
    ["train", "--out", text(out)].into_iter().chain(SPEC.split(' ')).collect()
}

/// Starts a run and ends it by Ctrl-C once it has two checkpoints.
fn interrupted(args: &[&str], run: &Path) {
    let mut child = start(args);
    while fs::read_dir(run.join("checkpoints")).map_or(0, Iterator::count) < 2 {
        assert!(child.try_wait().unwrap().is_none(), "it is still going");
        std::thread::sleep(Duration::from_millis(2));
    }
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

/// What a command needs to copy a folder as users do.
fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").args(["-r", text(from), text(to)]).status().unwrap().success());
}

/// The names, lengths and content of all files in a folder.
fn content(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
        match entry.is_dir() {
            true => all.extend(content(&entry)),
            false => all.push((entry.clone(), fs::read(&entry).unwrap())),
        }
    }
    all.sort();
    all
}

#[test]
fn a_run_folder_may_be_moved_and_copied() {
    let dir = tempfile::tempdir().unwrap();
    let [whole, run, copied, moved] = ["whole", "run", "copied", "un dossier déplacé/loin"].map(|n| dir.path().join(n));
    good(&train(&whole));
    interrupted(&train(&run), &run);
    copy(&run, &copied);
    fs::create_dir(moved.parent().unwrap()).unwrap();
    fs::rename(&run, &moved).unwrap();
    let before = content(&moved);
    good(&["resume", text(&copied), "--quiet"]);
    same(&whole, &copied, "copied");
    assert!(content(&moved) == before, "what goes on is the copy alone");
    good(&["resume", text(&moved), "--quiet"]);
    same(&whole, &moved, "moved");
    // Moved while it goes, a run keeps what it has, and is gone on with where it is now.
    let mut child = start(&train(&run));
    while fs::read_dir(run.join("checkpoints")).map_or(0, Iterator::count) < 2 {
        assert!(child.try_wait().unwrap().is_none(), "it is still going");
        std::thread::sleep(Duration::from_millis(2));
    }
    let away = dir.path().join("away");
    fs::rename(&run, &away).unwrap();
    child.wait().unwrap();
    if !away.join("result.json").exists() {
        good(&["resume", text(&away), "--quiet"]);
    }
    same(&whole, &away, "moved while it went");
}

#[test]
fn a_clock_that_goes_backwards_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let Some(shim) = shim(dir.path()) else {
        common::tool(false, "there is no C compiler (cc)");
        return;
    };
    let back = |args: &[&str]| -> Output {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("reclra"));
        command.args(args).env("LD_PRELOAD", &shim).env("CLOCK_BACK", "1").env("RECLRA_RUNS", dir.path().join("home"));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", texts(&output).1);
        output
    };
    let [whole, run] = ["whole", "run"].map(|n| dir.path().join(n));
    good(&train(&whole));
    back(&[&train(&run)[..], &["--tensorboard"]].concat());
    same(&whole, &run, "the clock goes backwards");
    // It is that clock that was asked.
    let started = |run: &Path| {
        let text = fs::read_to_string(run.join("environment.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["started"].as_str().unwrap().to_owned()
    };
    assert!(started(&run) < started(&whole), "{} {}", started(&run), started(&whole));
    let _ = fs::remove_dir_all(&run);
    interrupted(&train(&run), &run);
    back(&["resume", text(&run), "--quiet"]);
    same(&whole, &run, "the clock goes backwards once it goes on");
    // Names made of the time are those of no other run; lists are made, and what is newest is told by steps.
    for _ in 0..3 {
        back(&["train", "--epochs", "1", "--quiet"]);
    }
    assert_eq!(fs::read_dir(dir.path().join("home")).unwrap().count(), 3);
    assert_eq!(texts(&back(&["runs", text(&dir.path().join("home"))])).0.matches("finished").count(), 3);
}

/// Commands where the folder is mounted read-only, which even the superuser cannot write to; none where that cannot be.
fn read_only(folder: &Path, args: &[&str]) -> Option<Output> {
    let binary = assert_cmd::cargo::cargo_bin!("reclra");
    let script = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" || exit 77; shift; exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script, "sh", text(folder), text(binary)]).args(args);
    let output = command.output().ok()?;
    (output.status.code() != Some(77) && !texts(&output).1.contains("unshare:")).then_some(output)
}

#[test]
fn a_folder_that_cannot_be_written_to_is_read_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let [whole, run] = ["whole", "run"].map(|n| dir.path().join(n));
    good(&train(&whole));
    interrupted(&train(&run), &run);
    let Some(first) = read_only(dir.path(), &["eval", text(&whole)]) else {
        common::skipped("no folder can be mounted read-only here");
        return;
    };
    assert_eq!(texts(&first).0, good(&["eval", text(&whole)]).0);
    let before = content(dir.path());
    for args in [&["runs", text(dir.path())][..], &["inspect", text(&whole)], &["runs", "compare", text(dir.path())]] {
        let output = read_only(dir.path(), args).unwrap();
        assert!(output.status.success(), "{args:?}: {}", texts(&output).1);
    }
    let new = dir.path().join("new");
    for args in [
        &["resume", text(&run)][..],
        &["train", "--epochs", "1", "--out", text(&new)],
        &["compare", "--rules", "backprop", "--epochs", "1", "--out", text(&new)],
        &["export", text(&whole), "--out", text(&new.with_extension("onnx"))],
        &["report", text(&whole)],
        &["embed", text(&whole), "--out", text(&new)],
        &["train", "--epochs", "1", "--out", text(&whole), "--overwrite"],
    ] {
        let output = read_only(dir.path(), args).unwrap();
        let (out, err) = texts(&output);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {err}");
        let line = err.lines().next_back().unwrap();
        assert!(line.starts_with("error: ") && line.contains("the file system is read-only"), "{args:?}: {line}");
        assert!(line.contains(text(dir.path())) && !err.contains("panic") && out.is_empty(), "{args:?}: {line} {out}");
    }
    assert!(content(dir.path()) == before, "no file was touched");
    good(&["resume", text(&run), "--quiet"]);
    same(&whole, &run, "after all that");
}

#[test]
fn data_that_is_taken_away_in_the_middle_is_missed_only_where_it_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    let [data, away, whole, run] = ["data", "away", "whole", "run"].map(|n| dir.path().join(n));
    fs::create_dir(&data).unwrap();
    mnist(&data);
    let args = |out: &Path| -> Vec<String> {
        let line = "train --data mnist --arch 36-12-10 --epochs 200 --checkpoint-steps 50 --quiet --out";
        let mut args: Vec<String> = line.split(' ').map(str::to_owned).collect();
        args.extend([text(out), "--data-dir", text(&data)].map(str::to_owned));
        args
    };
    let (one, two) = (args(&whole), args(&run));
    let strs = |a: &[String]| a.iter().map(|s| Box::leak(s.clone().into_boxed_str()) as &str).collect::<Vec<_>>();
    good(&strs(&one));
    // What was read stays read.
    let mut child = start(&strs(&two));
    while fs::read_dir(run.join("checkpoints")).map_or(0, Iterator::count) < 2 {
        assert!(child.try_wait().unwrap().is_none(), "it is still going");
        std::thread::sleep(Duration::from_millis(2));
    }
    fs::rename(&data, &away).unwrap();
    assert!(child.wait().unwrap().success());
    same(&whole, &run, "its data was taken away while it went");
    // Who goes on needs it again, and is told which file, and how.
    fs::rename(&away, &data).unwrap();
    fs::remove_dir_all(&run).unwrap();
    interrupted(&strs(&two), &run);
    fs::rename(&data, &away).unwrap();
    let before = content(&run);
    let line = bad(&["resume", text(&run)], 1);
    assert!(line.contains(text(&data)) && line.contains("--data-dir"), "{line}");
    let untouched = content(&run).into_iter().filter(|(path, _)| !path.ends_with("lock"));
    assert!(untouched.eq(before.into_iter().filter(|(path, _)| !path.ends_with("lock"))), "the run is as it was");
    good(&["resume", text(&run), "--data-dir", text(&away), "--quiet"]);
    same(&whole, &run, "with its data at another place");
}
