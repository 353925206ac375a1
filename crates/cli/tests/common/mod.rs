//! The binary, called as a user calls it, and small data sets in files.

#![allow(dead_code)] // each test file uses a part of it

pub(crate) mod going;

use assert_cmd::Command;
use std::fs;
use std::path::Path;
use std::process::Output;

/// `reclra` with the given arguments, in an environment of its own.
pub(crate) fn reclra(args: &[&str]) -> Command {
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("reclra");
    for name in ["RECLRA_DATA", "NO_COLOR", "COLUMNS", "RUST_BACKTRACE", "XDG_DATA_HOME"] {
        command.env_remove(name);
    }
    // Runs that are given no folder leave the source tree alone.
    command.env("RECLRA_RUNS", concat!(env!("CARGO_TARGET_TMPDIR"), "/runs"));
    command.args(args);
    command
}

/// Runs it and expects success. Standard output, standard error.
pub(crate) fn good(args: &[&str]) -> (String, String) {
    let output = reclra(args).output().unwrap();
    let (out, err) = texts(&output);
    assert!(output.status.success(), "reclra {args:?}: {err}");
    (out, err)
}

/// Runs it and expects one line of error and that exit code. The line, without `error: `.
pub(crate) fn bad(args: &[&str], code: i32) -> String {
    let output = reclra(args).output().unwrap();
    let (out, err) = texts(&output);
    assert_eq!(output.status.code(), Some(code), "reclra {args:?}: {err}");
    assert_eq!(out, "", "reclra {args:?} prints no result");
    let mut lines = err.lines();
    let line = lines.next_back().unwrap_or_default();
    // Notes may stand before the error; nothing else, and no trace.
    assert_eq!(lines.filter(|l| l.starts_with("error") || l.contains("panic")).count(), 0, "{err}");
    let line = line.strip_prefix("error: ").unwrap_or_else(|| panic!("reclra {args:?} says {err}"));
    assert!(!line.contains("panic") && !line.is_empty(), "{line}");
    line.to_owned()
}

/// Whether a tool is there that a test needs. Where it is not the test says so, past the capture of the test runner, and passes; or
/// it fails, if `RECLRA_REQUIRE_TOOLS` is set (`.ci/run` sets it).
pub(crate) fn tool(there: bool, missing: &str) -> bool {
    let required = std::env::var_os("RECLRA_REQUIRE_TOOLS").is_some_and(|v| !v.is_empty() && v != "0");
    assert!(there || !required, "{missing} (RECLRA_REQUIRE_TOOLS is set)");
    if !there {
        skipped(missing);
    }
    there
}

/// Says that a test checks nothing here, past the capture of the test runner.
pub(crate) fn skipped(why: &str) {
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("SKIPPED {name}: {why}\n").as_bytes());
}

/// The library that lets calls of a program fail (`faults.c`); none where there is no C compiler.
pub(crate) fn shim(dir: &Path) -> Option<std::path::PathBuf> {
    let (source, made) = (concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/faults.c"), dir.join("faults.so"));
    let done =
        std::process::Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o", text(&made), source, "-ldl"]).status();
    done.is_ok_and(|s| s.success()).then_some(made)
}

pub(crate) fn texts(output: &Output) -> (String, String) {
    (String::from_utf8(output.stdout.clone()).unwrap(), String::from_utf8(output.stderr.clone()).unwrap())
}

/// The number in a last line `test error 2.22 %`.
pub(crate) fn test_error(stdout: &str) -> f64 {
    let line = stdout.lines().next_back().unwrap();
    let number = line.strip_prefix("test error ").and_then(|l| l.strip_suffix(" %"));
    let number = number.unwrap_or_else(|| panic!("last line is {line:?}"));
    assert_eq!(number.split_once('.').map(|(_, d)| d.len()), Some(2), "two decimals: {line}");
    number.parse().unwrap()
}

/// Objects of a `--json` run.
pub(crate) fn objects(stdout: &str) -> Vec<serde_json::Value> {
    stdout.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"))).collect()
}

pub(crate) const TRAIN: (&str, &str) = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte");
pub(crate) const TEST: (&str, &str) = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte");
/// Side of the images that [`mnist`] writes.
pub(crate) const SIDE: usize = 6;

/// An idx file.
pub(crate) fn idx(magic: u32, sizes: &[u32], body: &[u8]) -> Vec<u8> {
    let words = std::iter::once(magic).chain(sizes.iter().copied());
    words.flat_map(u32::to_be_bytes).chain(body.iter().copied()).collect()
}

/// Ten kinds of images, each a bright bar at a place of its own, with some noise: (pixels, labels).
pub(crate) fn bars(count: usize, salt: usize) -> (Vec<u8>, Vec<u8>) {
    let labels: Vec<u8> = (0..count).map(|i| (i % 10) as u8).collect();
    let pixel = |i: usize, p: usize| {
        let (class, row, col) = (i % 10, p / SIDE, p % SIDE);
        let bar = if class < 5 { row == class } else { col == class - 5 };
        let noise = ((i + salt) * 31 + p * 17) % 40;
        (if bar { 200 + noise } else { noise }) as u8
    };
    let pixels = (0..count).flat_map(|i| (0..SIDE * SIDE).map(move |p| pixel(i, p))).collect();
    (pixels, labels)
}

/// A small data set in the files of MNIST: 400 training and 100 test images.
pub(crate) fn mnist(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    for ((images, labels), count, salt) in [(TRAIN, 400, 0), (TEST, 100, 7)] {
        let (pixels, classes) = bars(count, salt);
        let (n, side) = (count as u32, SIDE as u32);
        fs::write(folder.join(images), idx(0x0803, &[n, side, side], &pixels)).unwrap();
        fs::write(folder.join(labels), idx(0x0801, &[n], &classes)).unwrap();
    }
}

/// A path as text.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
