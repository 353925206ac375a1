//! Standard output that nobody reads any more, or that has no room: what is kept in files is made to its end, and no exit code says
//! of a thing that was not done that it was.

#![cfg(unix)]

mod common;

use common::{good, mnist, objects, text, texts};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const SMALL: [&str; 4] = ["--epochs", "3", "--arch", "64-8-10"];

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("reclra"));
    command.args(args).env("RECLRA_RUNS", "no/runs").env_remove("RUST_BACKTRACE");
    command
}

/// Output to a pipe whose reader takes so many lines and leaves.
fn read_in_part(args: &[&str], lines: usize) -> (Option<i32>, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    // One that takes nothing leaves before anything is written.
    let reader = (lines > 0).then(|| BufReader::new(reader));
    let child = command(args).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    if let Some(mut reader) = reader {
        for _ in 0..lines {
            reader.read_line(&mut String::new()).unwrap();
        }
    }
    let output = child.wait_with_output().unwrap();
    (output.status.code(), texts(&output).1)
}

/// Output to a device that is always full.
#[cfg(target_os = "linux")]
fn to_full(args: &[&str]) -> Output {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    command(args).stdout(full).output().unwrap()
}

#[test]
fn what_is_kept_in_files_goes_on_without_a_reader() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let experiment = at("small.toml");
    fs::write(
        &experiment,
        "title = \"small\"\nabout = \"small\"\ndiffers = \"small\"\nseeds = [0]\n[[run]]\nname = \"one\"\n\
         set = { \"data.name\" = \"digits\", \"net.arch\" = \"64-8-10\", \"train.epochs\" = 2 }\n",
    )
    .unwrap();
    for (n, lines) in [0, 1].into_iter().enumerate() {
        let [run, many, reproduced, scale] =
            ["run", "many", "reproduced", "scale"].map(|name| at(&format!("{name}{n}")));
        let page = at(&format!("{n}.html"));
        let compare = ["compare", "--json", "--rules", "backprop,hebbian", "--seeds", "1", "--out", text(&many)];
        let reproduce =
            ["reproduce", text(&experiment), "--json", "--out", text(&reproduced), "--runs", text(&reproduced)];
        let bench =
            ["bench", "scale", "--json", "--quick", "--seconds", "0.01", "--widest", "64", "--out", text(&scale)];
        let export = ["export", text(&run), "--json"];
        let all: [(&[&str], &[&str], &Path); 7] = [
            (&["train", "--json", "--out", text(&run)], &SMALL, &run.join("result.json")),
            (&["resume", text(&run), "--json", "--epochs", "2"], &[], &run.join("result.json")),
            (&compare, &SMALL, &many.join("compare.md")),
            (&reproduce, &[], &reproduced.join("small.md")),
            (&export, &[], &run.join("export/forward.onnx")),
            (&["report", text(&run), "--json", "--out", text(&page)], &[], &page),
            (&bench, &[], &scale.join("scale.csv")),
        ];
        for (args, more, file) in all {
            let (code, err) = read_in_part(&[args, more].concat(), lines);
            assert_eq!(code, Some(0), "{args:?}: {err}");
            assert!(file.exists() && !err.contains("error:") && !err.contains("panic"), "{args:?}: {err}");
        }
        // The run that was resumed came to its end, too.
        let record: serde_json::Value = serde_json::from_slice(&fs::read(run.join("result.json")).unwrap()).unwrap();
        assert_eq!(record["epochs"].as_array().map(Vec::len), Some(5));
    }
}

/// As other programs, which SIGPIPE ends: a shell sees 141.
#[test]
fn what_is_only_printed_ends_with_its_reader() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    good(&[&["train", "--out", text(&run)][..], &SMALL].concat());
    let seven = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/seven.png");
    for args in [
        &["list"][..],
        &["completions", "bash"],
        &["man"],
        &["eval", text(&run)],
        &["eval", text(&run), "--json"],
        &["predict", text(&run), seven],
        &["inspect", text(&run)],
        &["runs", text(dir.path())],
        &["train", "--print-spec"],
        &["data", "info", "digits"],
    ] {
        let (code, err) = read_in_part(args, 0);
        assert_eq!((code, err.lines().any(|l| l.starts_with("error"))), (Some(141), false), "{args:?}: {err}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_at_standard_output_ends_no_run_and_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let [run, many] = ["run", "many"].map(|name| dir.path().join(name));
    let compare = ["compare", "--json", "--rules", "backprop,hebbian", "--seeds", "1", "--out", text(&many)];
    let all: [(&[&str], &[&str], &Path); 4] = [
        (&["train", "--json", "--out", text(&run)], &SMALL, &run.join("result.json")),
        (&["resume", text(&run), "--epochs", "1"], &[], &run.join("result.json")),
        (&compare, &SMALL, &many.join("compare.md")),
        (&["export", text(&run), "--json"], &[], &run.join("export/forward.onnx")),
    ];
    for (args, more, file) in all {
        let output = to_full(&[args, more].concat());
        let err = texts(&output).1;
        assert_eq!(output.status.code(), Some(1), "{args:?}: {err}");
        assert!(file.exists(), "{args:?}: {err}");
        assert_eq!(err.matches("warning: standard output: ").count(), 1, "{args:?}: {err}");
        assert!(err.lines().next_back().unwrap().starts_with("error: standard output: "), "{args:?}: {err}");
    }
    let output = to_full(&["eval", text(&run)]);
    let err = texts(&output).1;
    assert!(output.status.code() == Some(1) && err.lines().count() == 1, "{err}");
}

/// A download that nobody is told of is complete.
#[test]
fn a_download_goes_on_without_a_reader() {
    let dir = tempfile::tempdir().unwrap();
    let (code, err) = read_in_part(&["data", "fetch", "digits", "--json"], 0);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    mnist(dir.path());
    let (out, _) = good(&["data", "info", "mnist", "--data-dir", text(dir.path()), "--json"]);
    assert!(!objects(&out).is_empty());
}
