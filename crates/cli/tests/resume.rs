//! Interrupted in every way, a run goes on to the same bits as one that never was.

#![cfg(unix)]

mod common;

use common::going::{checkpoints, metrics, same, signal, start};
use common::{bad, good, objects, reclra, text, texts};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A run of a few steps that was interrupted in its second epoch.
fn interrupted(dir: &Path) -> (PathBuf, PathBuf) {
    let (whole, run) = (dir.join("whole"), dir.join("run"));
    let args = [
        "--epochs",
        "400",
        "--arch",
        "64-16-10",
        "--checkpoint-steps",
        "50",
        "--keep",
        "3",
        "--set",
        "optim.schedule=constant",
    ];
    good(&[&["train", "--quiet", "--out", text(&whole)][..], &args].concat());
    let mut child = start(&[&["train", "--out", text(&run)][..], &args].concat());
    while fs::read_dir(run.join("checkpoints")).map_or(0, Iterator::count) < 3 {
        assert!(child.try_wait().unwrap().is_none(), "it is still going");
        std::thread::sleep(Duration::from_millis(2));
    }
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    (whole, run)
}

#[test]
fn a_damaged_checkpoint_is_named_and_the_one_before_is_used() {
    for damage in ["flip", "cut", "no manifest", "manifest"] {
        let dir = tempfile::tempdir().unwrap();
        let (whole, run) = interrupted(dir.path());
        let newest = checkpoints(&run).pop().unwrap();
        let (state, manifest) = (newest.join("state.safetensors"), newest.join("manifest.json"));
        let mut bytes = fs::read(&state).unwrap();
        match damage {
            "flip" => {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                fs::write(&state, bytes).unwrap();
            }
            "cut" => fs::write(&state, &bytes[..bytes.len() / 3]).unwrap(),
            "no manifest" => fs::remove_file(&manifest).unwrap(),
            _ => {
                let text = fs::read_to_string(&manifest).unwrap();
                fs::write(&manifest, text.replacen("\"position\": ", "\"position\": 1", 1)).unwrap();
            }
        }
        let (_, err) = good(&["resume", text(&run)]);
        let name = newest.file_name().unwrap().to_str().unwrap();
        assert!(err.lines().any(|l| l.starts_with("warning: ") && l.contains(name)), "{damage}: {err}");
        assert!(err.contains("goes on after step "), "{damage}: {err}");
        same(&whole, &run, damage);
    }
}

/// Of one checkpoint that is damaged nobody is told to begin anew, and what comes later is not taken for older.
#[test]
fn what_is_written_after_a_damaged_checkpoint_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, run) = interrupted(dir.path());
    let all = checkpoints(&run);
    let newest = all.last().unwrap();
    let flip = |checkpoint: &Path| {
        let state = checkpoint.join("state.safetensors");
        let mut bytes = fs::read(&state).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&state, bytes).unwrap();
    };
    flip(newest);
    let mut child = start(&["resume", text(&run), "--keep", "1"]);
    while newest.exists() {
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(Duration::from_millis(150));
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let (_, err) = good(&["resume", text(&run)]);
    assert!(err.contains("goes on after step ") && !err.contains("warning"), "{err}");
    same(&whole, &run, "after damage");
    // All damaged: to begin anew is for a person to decide, and nothing is lost until then.
    let metrics_before = fs::read(run.join("metrics.jsonl")).unwrap();
    checkpoints(&run).iter().filter(|c| c.join("state.safetensors").exists()).for_each(|c| flip(c));
    let line = bad_with_warnings(&["resume", text(&run), "--epochs", "1"]);
    assert!(line.contains("no whole checkpoint"), "{line}");
    let line = bad(&["resume", text(&run), "--epochs", "1"], 2);
    assert!(line.contains("no checkpoint to go on from"), "{line}");
    assert_eq!(fs::read(run.join("metrics.jsonl")).unwrap(), metrics_before);
    assert!(run.join("result.json").exists());
}

/// The last line of a command that fails after warnings.
fn bad_with_warnings(args: &[&str]) -> String {
    let output = reclra(args).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    texts(&output).1.lines().next_back().unwrap().to_owned()
}

#[test]
fn without_any_checkpoint_it_begins_anew_to_the_same_end() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, run) = interrupted(dir.path());
    fs::remove_dir_all(run.join("checkpoints")).unwrap();
    let (_, err) = good(&["resume", text(&run)]);
    assert!(err.contains("begins anew"), "{err}");
    same(&whole, &run, "anew");
}

#[test]
fn a_longer_run_is_that_of_more_epochs_from_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let (short, long) = (dir.path().join("short"), dir.path().join("long"));
    let args = ["--arch", "64-16-10", "--set", "optim.schedule=constant", "--quiet"];
    good(&[&["train", "--epochs", "9", "--out", text(&long)], &args[..]].concat());
    good(&[&["train", "--epochs", "4", "--out", text(&short)], &args[..]].concat());
    let line = bad(&["resume", text(&short)], 2);
    assert!(line.contains("is finished; add --epochs"), "{line}");
    good(&["resume", text(&short), "--epochs", "5"]);
    same(&long, &short, "4 and 5 epochs");
    assert!(fs::read_to_string(short.join("spec.toml")).unwrap().contains("epochs = 9"));
}

/// A run that goes on. Once its metrics change it is at work, and listens to signals.
fn at_work(run: &Path) -> common::going::Going {
    let metrics = || fs::read(run.join("metrics.jsonl")).unwrap_or_default();
    let before = metrics();
    let mut child = start(&["resume", text(run)]);
    while metrics() == before {
        assert!(child.try_wait().unwrap().is_none(), "it is still going");
        std::thread::sleep(Duration::from_millis(2));
    }
    child
}

#[test]
fn ctrl_c_twice_leaves_at_once_and_damages_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let args = ["train", "--epochs", "100000", "--checkpoint-steps", "20", "--out", text(&run)];
    let mut child = start(&args);
    while fs::read_dir(run.join("checkpoints")).map_or(0, Iterator::count) < 2 {
        std::thread::sleep(Duration::from_millis(2));
    }
    signal(&child, "-INT");
    let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).stderr(Stdio::null()).status();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let mut child = at_work(&run);
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    good(&["eval", text(&run)]);
}

#[test]
fn a_folder_is_held_by_one_process_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let mut child = start(&["train", "--epochs", "100000", "--out", text(&run)]);
    while !run.join("spec.toml").exists() {
        std::thread::sleep(Duration::from_millis(2));
    }
    for args in [&["resume", text(&run)][..], &["train", "--out", text(&run), "--overwrite"]] {
        let line = bad(args, 1);
        assert!(line.contains("another process works in this folder") && line.contains(text(&run)), "{line}");
    }
    let (out, _) = good(&["runs", text(&run)]);
    assert!(out.contains("running"), "{out}");
    child.kill().unwrap();
    child.wait().unwrap();
    // The lock went with its process.
    let (out, _) = good(&["runs", text(&run)]);
    assert!(out.contains("interrupted"), "{out}");
    let mut child = at_work(&run);
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn numbers_that_are_not_finite_end_the_run_and_leave_the_last_good_state() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let args = ["--act", "relu", "--set", "optim.name=sgd", "--set", "optim.radius=0", "--rule", "backprop", "--quiet"];
    let wild = ["--lr", "1e30", "--checkpoint-steps", "1"];
    let line = bad(&[&["train", "--out", text(&run)], &args[..], &wild].concat(), 1);
    for part in ["step ", "region ", "not a finite number", "lower the learning rate", "the last good checkpoint is "] {
        assert!(line.contains(part), "{part:?} in {line}");
    }
    let kept = line.rsplit("the last good checkpoint is ").next().unwrap();
    assert!(Path::new(kept).join("manifest.json").exists(), "{kept}");
    // It can be read as a network: all its weights are finite, if too large for what they are multiplied with.
    good(&["inspect", kept]);
    let (out, _) = good(&["runs", text(&run)]);
    assert!(out.contains("diverged"), "{out}");
    let line = bad(&["resume", text(&run)], 2);
    assert!(line.contains("has diverged"), "{line}");
    // Numbers that overflow in the only step of an epoch show when it is judged.
    let once = dir.path().join("once");
    let line = bad(
        &[&["train", "--epochs", "1", "--batch", "1294", "--out", text(&once), "--lr", "1e20"], &args[..]].concat(),
        1,
    );
    assert!(line.contains("not a finite number"), "{line}");
    let (out, _) = good(&["runs", text(&once)]);
    assert!(out.contains("diverged"), "{out}");
    // With no step taken before, there is nothing to keep, and it is said.
    let line = bad(&[&["train", "--out", text(&run), "--overwrite", "--lr", "1e38"], &args[..]].concat(), 1);
    assert!(line.contains("checkpoint"), "{line}");
}

/// A file system of a few hundred kilobytes, where one may be made.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_and_training_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (small, whole) = (dir.path().join("small"), dir.path().join("whole"));
    fs::create_dir(&small).unwrap();
    let args = "train --epochs 30 --arch 64-64-10 --checkpoint-steps 100 --keep 2";
    let binary = assert_cmd::cargo::cargo_bin!("reclra").display().to_string();
    // Room for one checkpoint (20 kB of weights, and E and moments) but not for three and the network.
    let script = format!(
        "mount -t tmpfs -o size=SIZE none {0} || exit 77; {binary} {args} --out {0}/run; code=$?; ls {0}/run/checkpoints; \
         {binary} eval {0}/run --quiet; exit $code",
        text(&small)
    );
    let run = |size: &str| {
        let output = Command::new("unshare").args(["-m", "sh", "-c", &script.replace("SIZE", size)]).output();
        output.ok().filter(|o| o.status.code() != Some(77) && !String::from_utf8_lossy(&o.stderr).contains("unshare"))
    };
    let Some(output) = run("200k") else {
        common::skipped("no file system can be mounted here");
        return;
    };
    let (out, err) = texts(&output);
    let warning = err.lines().find(|l| l.starts_with("warning: ")).unwrap_or_else(|| panic!("{err}"));
    assert!(warning.contains("the disk is full") && warning.contains("training goes on"), "{warning}");
    assert!(err.contains("epoch 30/30"), "it went on to its end: {err}");
    assert!(out.contains("step-") || out.contains("best-"), "a good checkpoint is kept: {out}");
    assert!(out.contains("test error"), "and it can be judged: {out} {err}");
    let _ = whole;
}

/// The folder is all that is needed: moved, its spec makes the same run again.
#[test]
fn a_spec_of_a_run_makes_the_same_run() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    good(&["train", "--epochs", "3", "--lr", "2e-3", "--seed", "5", "--quiet", "--out", text(&first)]);
    good(&["train", text(&first.join("spec.toml")), "--quiet", "--out", text(&second)]);
    same(&first, &second, "from its spec");
    for file in ["spec.toml", "metrics.jsonl", "metrics.csv", "environment.json", "log.txt", "result.json", "lock"] {
        assert!(first.join(file).exists(), "{file}");
    }
    let csv = fs::read_to_string(first.join("metrics.csv")).unwrap();
    assert_eq!(csv.lines().count(), 4);
    assert!(csv.starts_with("epoch,step,train_loss,") && csv.contains("discrepancy.b1,"), "{csv}");
    // The table holds the numbers of the log, digit by digit.
    let log = fs::read_to_string(first.join("metrics.jsonl")).unwrap();
    let epochs: Vec<serde_json::Value> = objects(&log).into_iter().filter(|o| o["kind"] == "epoch").collect();
    let head: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    for (line, epoch) in csv.lines().skip(1).zip(&epochs) {
        for (name, cell) in head.iter().zip(line.split(',')) {
            let told = match name.split_once('.') {
                None => epoch[name].clone(),
                Some((what, region)) => {
                    let list = if what == "alignment" { "alignment" } else { "layers" };
                    let of = epoch[list].as_array().unwrap().iter().find(|l| l["region"] == region).unwrap();
                    of[if what == "alignment" { "degrees" } else { what }].clone()
                }
            };
            assert_eq!(cell.parse::<f64>().unwrap(), told.as_f64().unwrap(), "{name} in {line}");
        }
    }
    let env: Value = serde_json::from_slice(&fs::read(first.join("environment.json")).unwrap()).unwrap();
    for key in ["version", "commit", "cpu", "features", "threads", "data", "command", "started"] {
        assert!(!env[key].is_null() && env[key] != "", "{key} in {env}");
    }
    assert_eq!(env["data"][0]["sha256"].as_str().map(str::len), Some(64));
}

/// A run that began with the weights of another, and was left before its first checkpoint, begins with them again.
#[test]
fn a_run_can_begin_with_the_weights_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let [first, second, again] = ["first", "second", "again"].map(|n| dir.path().join(n));
    let arch = ["--arch", "64-16-10", "--quiet", "--epochs", "1"];
    good(&["train", "--out", text(&first), "--arch", "64-16-10", "--quiet", "--epochs", "10"]);
    good(&[&["train", "--init", text(&first), "--out", text(&second)], &arch[..]].concat());
    let loss = |run: &Path| metrics(run)[0]["train_loss"].as_f64().unwrap();
    assert!(loss(&second) < 0.8 * loss(&first), "{} {}", loss(&second), loss(&first));
    good(&[&["train", "--init", text(&first.join("model.safetensors")), "--out", text(&again)], &arch[..]].concat());
    fs::remove_file(again.join("result.json")).unwrap();
    fs::remove_dir_all(again.join("checkpoints")).unwrap();
    good(&["resume", text(&again)]);
    same(&second, &again, "begun with other weights");
    let line = bad(&["train", "--init", text(&first), "--arch", "64-17-10", "--out", text(&dir.path().join("x"))], 1);
    assert!(line.contains("W.in->b1"), "{line}");
    assert!(!dir.path().join("x").exists());
}

/// A folder that holds something of a user's is no place for a run.
#[test]
fn what_a_user_has_in_a_folder_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["log.txt", "metrics.csv", "spec.toml", "report.html", "environment.json"] {
        let out = dir.path().join(name.replace('.', "-"));
        fs::create_dir(&out).unwrap();
        fs::write(out.join(name), "mine").unwrap();
        let line = bad(&["train", "--epochs", "1", "--out", text(&out)], 2);
        assert!(line.contains(name) && line.contains("--overwrite"), "{line}");
        assert_eq!(fs::read(out.join(name)).unwrap(), b"mine");
        assert_eq!(fs::read_dir(&out).unwrap().count(), 1, "nothing else is there");
    }
    let out = dir.path().join("locked");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("lock"), "mine").unwrap();
    let line = bad(&["train", "--epochs", "1", "--out", text(&out)], 1);
    assert!(line.contains("no lock of a run"), "{line}");
    assert_eq!(fs::read(out.join("lock")).unwrap(), b"mine");
    let run = dir.path().join("run");
    good(&["train", "--epochs", "1", "--quiet", "--out", text(&run)]);
    let line = bad(&["compare", "--rules", "backprop", "--out", text(&run)], 2);
    assert!(line.contains("is the folder of a run"), "{line}");
}

#[test]
fn runs_are_listed_compared_and_cleaned() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let train = |more: &[&str]| {
        let mut command = reclra(&[&["train", "--epochs", "2", "--arch", "64-16-10", "--quiet"], more].concat());
        assert!(command.env("RECLRA_RUNS", &home).output().unwrap().status.success());
    };
    train(&[]);
    train(&["--lr", "1e-3", "--seed", "3"]);
    let names: Vec<String> =
        fs::read_dir(&home).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert!(
        names.iter().all(|n| n.starts_with("digits-rec-lra-20")) && names.iter().any(|n| n.ends_with("-3")),
        "{names:?}"
    );
    let (out, _) = good(&["runs", text(&home)]);
    assert_eq!(out.lines().filter(|l| l.contains("finished") && l.contains("2/2")).count(), 2, "{out}");
    let (out, _) = good(&["runs", "compare", text(&home)]);
    assert!(out.contains("optim.lr") && out.contains("0.001") && !out.contains("optim.beta1"), "{out}");
    // Folders of one name are told apart by what is above them.
    let many = dir.path().join("many");
    let compare = ["compare", "--rules", "backprop,hebbian", "--seeds", "1", "--epochs", "1", "--arch", "64-8-10"];
    good(&[&compare[..], &["--quiet", "--out", text(&many)]].concat());
    let (out, _) = good(&["runs", "compare", text(&many)]);
    let heads: Vec<&str> = out.lines().next().unwrap().split_whitespace().collect();
    assert!(heads.contains(&"backprop/seed-0") && heads.contains(&"hebbian/seed-0"), "{out}");
    let (out, _) = good(&["runs", "compare", "--json", "--sort", "name", text(&many)]);
    assert_eq!(objects(&out)[0]["runs"], serde_json::json!(["backprop/seed-0", "hebbian/seed-0"]));
    // The best by validation error stands first, unless told.
    let figures = |sort: &[&str], what: &str| -> Vec<String> {
        let (out, _) = good(&[&["runs", "compare", "--json", text(&home)], sort].concat());
        let row = objects(&out).into_iter().find(|o| o["what"] == what).unwrap();
        row["values"].as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
    };
    let ascending = |texts: Vec<String>| {
        let numbers: Vec<f64> = texts.iter().map(|t| t.parse().unwrap()).collect();
        numbers.len() == 2 && numbers.is_sorted()
    };
    assert!(ascending(figures(&[], "validation error %")));
    assert!(ascending(figures(&["--sort", "time"], "seconds an epoch")));
    // Runs of one name are told apart.
    let twins = [home.join("x/seed-0"), home.join("y/seed-0")];
    twins.iter().for_each(|t| train(&["--out", text(t)]));
    let (out, _) = good(&["runs", "compare", text(&twins[0]), text(&twins[1])]);
    let heads: Vec<&str> = out.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(heads, ["x/seed-0", "y/seed-0"], "{out}");
    twins.iter().for_each(|t| fs::remove_dir_all(t).unwrap());
    // Their names end in the seed.
    assert!(ascending(figures(&["--sort", "name"], "seed")));
    let (out, _) = good(&["runs", "clean", text(&home)]);
    assert!(out.contains("would be freed") && out.contains("--yes"), "{out}");
    let kept = || walk(&home).iter().filter(|p| p.ends_with("state.safetensors")).count();
    assert!(kept() >= 2);
    good(&["runs", "clean", "--yes", text(&home)]);
    assert_eq!(kept(), 0);
    let (out, _) = good(&["runs", "clean", text(&home)]);
    assert!(out.contains("nothing to free"), "{out}");
    let one = walk(&home).into_iter().find(|p| p.ends_with("spec.toml")).unwrap();
    let run = one.parent().unwrap();
    good(&["eval", text(run)]);
    let line = bad(&["resume", text(run), "--epochs", "2"], 2);
    assert!(line.contains("no checkpoint"), "{line}");
    let line = bad(&["runs", text(&dir.path().join("none"))], 2);
    assert!(line.contains("none") && line.contains("no such"), "{line}");
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    entries.flat_map(|p| if p.is_dir() { walk(&p) } else { vec![p] }).collect()
}
