//! A disk that fails: every call that changes a file is let fail in turn, and nothing is lost that was said to be kept.
//!
//! `RECLRA_FAULTS=all cargo test --release -p reclra-cli --test faults -- --nocapture` tries every call, not a share of them.

#![cfg(target_os = "linux")]

mod common;

use common::going::metrics;
use common::{good, shim, text, texts};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Errors by name and number.
const ENOSPC: (&str, &str) = ("ENOSPC", "28");
const EIO: (&str, &str) = ("EIO", "5");
const SHORT: (&str, &str) = ("short", "0");

/// What is done to a run.
struct Fault<'a> {
    calls: &'a str,
    error: (&'a str, &'a str),
    at: u32,
    always: bool,
}

fn spec() -> Vec<&'static str> {
    "--arch 64-12-10 --epochs 4 --threads 1 --checkpoint-steps 60 --keep 2 --log-steps 40".split(' ').collect()
}

fn struck(shim: &Path, under: &Path, fault: &Fault<'_>, args: &[&str]) -> (Output, u32) {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("reclra"));
    let count = under.with_extension("count");
    command.args(args).env("LD_PRELOAD", shim).env("FAULT_UNDER", under).env("FAULT_COUNT", &count);
    command.env("FAULT_CALLS", fault.calls).env("FAULT_AT", fault.at.to_string()).env("FAULT_ERRNO", fault.error.1);
    if fault.always {
        command.env("FAULT_ALWAYS", "1");
    }
    let output = command.output().unwrap();
    let calls = fs::read_to_string(&count).map_or(0, |n| n.trim().parse().unwrap());
    (output, calls)
}

fn model(run: &Path) -> Vec<u8> {
    fs::read(run.join("model.safetensors")).unwrap_or_default()
}

#[test]
fn a_failing_disk_loses_nothing_that_was_kept() {
    let dir = tempfile::tempdir().unwrap();
    let Some(shim) = shim(dir.path()) else {
        common::tool(false, "there is no C compiler (cc)");
        return;
    };
    let all = std::env::var_os("RECLRA_FAULTS").is_some();
    let whole = dir.path().join("whole");
    good(&[&["train", "--quiet", "--out", text(&whole)][..], &spec()].concat());
    let mut table = Vec::new();
    for (calls, error, always) in [
        ("wotd", ENOSPC, true),
        ("w", ENOSPC, false),
        ("w", EIO, false),
        ("s", EIO, false),
        ("s", EIO, true),
        ("r", EIO, false),
        ("wsrotd", EIO, true),
        ("w", SHORT, true),
    ] {
        let fault = |at| Fault { calls, error, at, always };
        let under = dir.path().join("none");
        let run = [&["train", "--out", text(&under)][..], &spec()].concat();
        let (output, total) = struck(&shim, &under, &fault(0), &run);
        assert!(output.status.success() && total > 3, "{calls}: {total} calls, {}", texts(&output).1);
        fs::remove_dir_all(&under).unwrap();
        let stride = if all { 1 } else { (total / 7).max(1) };
        let (mut tried, mut ended, mut told) = (0, 0, 0);
        for at in (1..=total).step_by(stride as usize) {
            let name = format!("{calls} {} at {at}{}", error.0, if always { " and after" } else { "" });
            let under = dir.path().join("run");
            let run = [&["train", "--out", text(&under)][..], &spec()].concat();
            let (output, _) = struck(&shim, &under, &fault(at), &run);
            let (out, err) = texts(&output);
            assert!(output.status.code().is_some_and(|c| [0, 1].contains(&c)), "{name}: {:?} {err}", output.status);
            assert!(!err.contains("panic") && !err.contains("internal error"), "{name}: {err}");
            tried += 1;
            if output.status.success() {
                // It said to be over: then all is there.
                assert!(model(&under) == model(&whole), "{name}: the network is not what was said to be kept: {err}");
                assert!(under.join("result.json").exists() && out.contains("test error"), "{name}: {out}");
                ended += 1;
            } else {
                let last = err.lines().next_back().unwrap_or_default();
                assert!(last.starts_with("error: ") && last.contains(text(&under)), "{name}: {err}");
                told += 1;
            }
            // With the disk in order again, the run goes on to the same end.
            if under.join("result.json").exists() {
                // Over, whatever it was that failed after that.
            } else if under.join("spec.toml").exists() {
                let (_, err) = good(&["resume", text(&under), "--threads", "1"]);
                assert!(!err.contains("damaged"), "{name}: {err}");
            } else {
                // What describes a run that never began is in the way of a new one, which is told the remedy.
                good(&[&run[..], &["--quiet", "--overwrite"]].concat());
            }
            assert!(model(&under) == model(&whole), "{name}: it went on to other weights");
            assert_eq!(metrics(&under), metrics(&whole), "{name}");
            fs::remove_dir_all(&under).unwrap();
        }
        table.push(format!(
            "| {calls} | {} | {} | {tried} of {total} | {ended} | {told} |",
            error.0,
            if always { "from then on" } else { "once" }
        ));
    }
    println!(
        "| calls | error | how often | tried | went on to its end | ended with a line |\n|---|---|---|---|---|---|"
    );
    println!("{}", table.join("\n"));
}
