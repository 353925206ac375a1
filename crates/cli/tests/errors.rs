//! Bad input through the binary: one line that names the file or key and the remedy, the right exit code, nothing lost.

mod common;

use common::{TEST, TRAIN, bad, bars, good, idx, mnist, reclra, text, texts};
use std::fs;
use std::path::Path;

/// Each line is what a user typed, the exit code, and what the one line of error must name.
#[test]
fn what_is_asked_wrongly_is_refused() {
    let cases: &[(&[&str], i32, &[&str])] = &[
        // Flags, commands and names.
        (&["trian"], 2, &["trian", "did you mean `train`"]),
        (&["train", "--epoch", "3"], 2, &["--epoch", "did you mean `--epochs`"]),
        (&["train", "--data", "mnits"], 2, &["mnits", "did you mean `mnist`"]),
        (&["train", "--data", "zebra"], 2, &["zebra", "reclra list data"]),
        (&["train", "--rule", "rec-lar"], 2, &["rule.name", "rec-lar", "did you mean `rec-lra`"]),
        (&["train", "--act", "tahn"], 2, &["net.act", "did you mean `tanh`"]),
        (
            &["train", "--model", "resnet18", "--width", "2", "--batch", "1"],
            2,
            &["train.batch = 1", "b7.norm1", "2 or more"],
        ),
        (&["train", "--wiring", "chian"], 2, &["rule.wiring", "did you mean `chain`"]),
        (&["train", "--schedule", "liner"], 2, &["optim.schedule", "did you mean `linear`"]),
        (&["train", "--set", "optim.name=adm"], 2, &["optim.name", "did you mean `adam`"]),
        (&["train", "--set", "optim.lrr=1"], 2, &["optim.lrr", "did you mean `optim.lr`"]),
        (&["train", "--set", "optim.lr"], 2, &["optim.lr", "key=value"]),
        (&["train", "--set", "optim={lr=1}"], 2, &["unknown key `optim`, did you mean `optim.name`"]),
        (&["train", "--set", "net.w_std=1e300"], 2, &["net.w_std", "between 0 and a million"]),
        (&["train", "--data", "image-folder"], 2, &["data.dir", "--data-dir"]),
        (&["list", "rule"], 2, &["rule", "rules"]),
        (&["compare", "--rules", "bakprop"], 2, &["--rules", "did you mean `backprop`"]),
        (&["compare", "--rule", "backprop"], 2, &["--rules"]),
        (&["compare", "--grid", "optim.lrr=1"], 2, &["--grid", "did you mean `optim.lr`"]),
        (&["compare", "--grid", "optim.lr"], 2, &["--grid optim.lr", "key=value"]),
        (&["compare", "--grid", "optim.lr=1,1.0"], 2, &["--grid optim.lr=1,1.0", "a value twice"]),
        (&["predict", "no/such", "a.png", "--top", "0"], 2, &["--top", "from 1 on"]),
        (&["compare", "--target", "nan"], 2, &["--target", "0 to 100"]),
        // Values.
        (&["train", "--lr", "nan"], 2, &["optim.lr = nan", "finite number"]),
        (&["train", "--lr", "inf"], 2, &["optim.lr = inf", "finite number"]),
        (&["train", "--lr", "-1"], 2, &["optim.lr", "-1"]),
        (&["train", "--lr", "fast"], 2, &["optim.lr", "fast", "finite number"]),
        (&["train", "--batch", "0"], 2, &["train.batch = 0", "1 or more"]),
        (&["train", "--batch", "99999"], 2, &["train.batch = 99999", "training images"]),
        (&["train", "--batch", "2.5"], 2, &["train.batch = 2.5"]),
        (&["train", "--epochs", "0"], 2, &["train.epochs = 0", "1 or more"]),
        (&["train", "--epochs", "-3"], 2, &["train.epochs = -3: must be a whole number of 1 or more"]),
        (&["resume", "no/such", "--epochs", "-1"], 2, &["`-1`", "--epochs", "must be a whole number of 1 or more"]),
        (&["train", "--seed", "-1"], 2, &["seed = -1"]),
        (&["train", "--beta", "0"], 2, &["rule.beta", "positive"]),
        (&["train", "--shift", "99"], 2, &["data.shift = 99", "at most 7 pixels: images are 8x8"]),
        (&["train", "--threads", "0"], 2, &["--threads", "1 to 1024", "see `reclra train --help`"]),
        (
            &["runs", "compare", "--sort", "size"],
            2,
            &["--sort", "name, error, time", "see `reclra runs compare --help`"],
        ),
        (&["--no-such"], 2, &["--no-such", "see `reclra --help`"]),
        (&["train", "--set", "data.validation=1438"], 2, &["data.validation", "below"]),
        (&["train", "--set", "rule.kappa=[1.0]"], 2, &["rule.kappa", "4 regions"]),
        (&["train", "--set", "rule.depth=-1"], 2, &["rule.depth"]),
        // Architectures and wirings that cannot be.
        (&["train", "--arch", "784-256-10"], 2, &["net.arch", "does not fit digits", "write 64-256-10"]),
        (&["train", "--arch", "64-0-10"], 2, &["net.arch", "at least 1"]),
        (&["train", "--arch", "64"], 2, &["net.arch", "64-3x256-10"]),
        (&["train", "--arch", "64-999999999999x9-10"], 2, &["net.arch"]),
        (
            &["train", "--wiring", "list", "--set", "rule.synapses=out->b3,b3->b2,b2->b1,b1->b2"],
            2,
            &["error synapses form a cycle", "b1", "b2"],
        ),
        (&["train", "--wiring", "list", "--set", "rule.synapses=out->b3,out->b7"], 2, &["unknown region `b7`"]),
        (&["train", "--wiring", "list", "--set", "rule.synapses=out->b3"], 2, &["b1", "unreachable"]),
        (&["train", "--wiring", "list", "--set", "rule.synapses=out-b3"], 2, &["rule.synapses", "out-b3"]),
        // Files and folders.
        (&["train", "no/such.toml"], 2, &["no/such.toml", "no such file"]),
        (&["train", "--data", "mnist", "--data-dir", "no/such"], 1, &["no/such", "reclra data fetch mnist"]),
        (&["eval", "no/such"], 2, &["no/such", "reclra train --out"]),
        (&["predict", "no/such", "a.png"], 2, &["no/such"]),
        (&["reproduce", "fondation"], 2, &["fondation", "did you mean `foundation`"]),
    ];
    for (args, code, parts) in cases {
        let line = bad(args, *code);
        for part in *parts {
            assert!(line.contains(part), "reclra {args:?} does not say {part:?}: {line}");
        }
    }
}

/// A path that leads nowhere was asked wrongly, in every command that takes one.
#[test]
fn paths_that_lead_nowhere_are_asked_wrongly() {
    let cases: &[&[&str]] = &[
        &["train", "no/such"],
        &["train", "--config", "no/such"],
        &["train", "--init", "no/such"],
        &["resume", "no/such"],
        &["runs", "no/such"],
        &["runs", "compare", "no/such", "no/such"],
        &["runs", "clean", "no/such"],
        &["compare", "no/such"],
        &["eval", "no/such"],
        &["predict", "no/such", "a.png"],
        &["export", "no/such"],
        &["import", "no/such", "--out", "unused"],
        &["embed", "no/such"],
        &["report", "no/such"],
        &["inspect", "no/such"],
        &["bench", "step", "no/such"],
        &["reproduce", "no/such"],
    ];
    for args in cases {
        let line = bad(args, 2);
        assert!(line.contains("no/such"), "reclra {args:?}: {line}");
    }
    assert!(!Path::new("unused").exists());
}

#[test]
fn nothing_asked_shows_the_help() {
    let output = reclra(&[]).output().unwrap();
    let (out, err) = texts(&output);
    assert_eq!((output.status.code(), out.as_str()), (Some(2), ""));
    assert!(err.contains("Usage: reclra"), "{err}");
}

/// A spec with something wrong is named with its line or key.
#[test]
fn specs_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("my spec.toml");
    for (content, parts) in [
        ("[optim\nlr = 1", &["line 1"][..]),
        ("seed = 1\n[net]\nact = tanh", &["line 3"]),
        ("[optim]\nlearning_rate = 1e-3", &["unknown key `optim.learning_rate`"]),
        ("[optm]\nlr = 1e-3", &["unknown key `optm.lr`", "did you mean `optim.lr`"]),
        ("optim = 3", &["optim"]),
        ("[train]\nepochs = \"ten\"", &["train.epochs", "ten"]),
        ("[optim]\nlr = nan", &["optim.lr = nan", "finite number"]),
        ("[optim]\nlr = [1e-3]", &["optim.lr"]),
        ("seed = 1\nseed = 2", &["line 2", "duplicate key"]),
        ("[net]\narch = 64", &["net.arch", "text in quotes"]),
    ] {
        fs::write(&path, content).unwrap();
        let line = bad(&["train", text(&path)], 2);
        for part in parts {
            assert!(line.contains(part), "{content:?} does not say {part:?}: {line}");
        }
    }
    fs::write(&path, [0xff, 0xfe, b'a']).unwrap();
    assert!(bad(&["train", text(&path)], 2).contains("UTF-8"));
    fs::write(&path, "").unwrap();
    good(&["train", text(&path), "--print-spec"]);
    let line = bad(&["train", text(dir.path())], 2);
    assert!(line.contains("is a folder"), "{line}");
}

/// What is wrong with a file, and what the error must say.
type Spoil = (&'static str, fn(&Path), &'static [&'static str]);

fn replace(path: &Path, with: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, with(bytes)).unwrap();
}

#[test]
fn idx_files_are_checked() {
    let cases: &[Spoil] = &[
        (TRAIN.0, |p| fs::remove_file(p).unwrap(), &["is not in", "reclra data fetch mnist"]),
        (TEST.1, |p| fs::remove_file(p).unwrap(), &["is not in", "reclra data fetch mnist"]),
        (TRAIN.0, |p| fs::write(p, "").unwrap(), &["is empty"]),
        (TEST.1, |p| fs::write(p, "").unwrap(), &["is empty"]),
        (TRAIN.0, |p| replace(p, |b| b[..b.len() - 1].to_vec()), &["truncated", "14400 bytes", "14399"]),
        (TRAIN.0, |p| replace(p, |b| b[..7].to_vec()), &["truncated", "7 bytes"]),
        (TRAIN.0, |p| replace(p, |b| b[..3].to_vec()), &["3 bytes"]),
        (TRAIN.0, |p| replace(p, |b| [b, vec![0]].concat()), &["1 bytes too many"]),
        (TRAIN.0, |p| fs::copy(p.with_file_name(TRAIN.1), p).map(drop).unwrap(), &["labels where images", "swapped"]),
        (TRAIN.1, |p| fs::copy(p.with_file_name(TRAIN.0), p).map(drop).unwrap(), &["images where labels", "swapped"]),
        (TRAIN.0, |p| replace(p, |b| [&[0xff; 12], &b[12..]].concat()), &["begins with 0xffffffff"]),
        (
            TRAIN.0,
            |p| replace(p, |b| [&b[..4], &[0xff; 12], &b[16..]].concat()),
            &["truncated", "header promises", "14400 are there"],
        ),
        (TRAIN.0, |p| fs::write(p, idx(0x0803, &[400, 0, 6], &[])).unwrap(), &["0x6"]),
        (TRAIN.1, |p| replace(p, |b| [&b[..8], &[10], &b[9..]].concat()), &["label 0 is 10", "outside 0..9"]),
        (TRAIN.1, |p| fs::write(p, idx(0x0801, &[2], &[1, 2])).unwrap(), &["400 images", "2 labels"]),
        (TRAIN.0, |p| fs::write(p, "<html>Not found</html>").unwrap(), &["is no idx file"]),
        (TRAIN.0, |p| fs::write(p, [0x1f, 0x8b, 8, 0, 1, 2]).unwrap(), &["gzip"]),
        (TRAIN.0, |p| (fs::remove_file(p).unwrap(), fs::create_dir(p).unwrap()).1, &["is a folder"]),
        (
            TEST.0,
            |p| fs::write(p, idx(0x0803, &[100, 5, 5], &[0; 2500])).unwrap(),
            &["5x5", "the training part of 6x6"],
        ),
    ];
    for (n, (file, spoil, parts)) in cases.iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        mnist(dir.path());
        let out = dir.path().join("run");
        spoil(&dir.path().join(file));
        // A folder in a file's place is a wrong name, not a damaged file.
        let code = if parts.contains(&"is a folder") { 2 } else { 1 };
        let line = bad(&["train", "--data", "mnist", "--data-dir", text(dir.path()), "--out", text(&out)], code);
        for part in [&["idx", text(dir.path())], *parts].concat() {
            assert!(line.contains(part), "case {n}, {file}, does not say {part:?}: {line}");
        }
        assert!(!out.exists(), "case {n}: nothing is left behind");
    }
}

/// A header that claims four billion images must not make the program ask for the memory.
#[cfg(target_os = "linux")]
#[test]
fn a_header_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    mnist(dir.path());
    fs::write(dir.path().join(TRAIN.0), idx(0x0803, &[u32::MAX, 28, 28], &bars(10, 0).0)).unwrap();
    // 400 MB of address space are plenty for what is there, and a fraction of what the header promises.
    let script = "ulimit -v 400000; exec \"$0\" train --data mnist --data-dir \"$1\" --threads 1";
    let output = std::process::Command::new("sh")
        .args(["-c", script, text(assert_cmd::cargo::cargo_bin!("reclra")), text(dir.path())])
        .output()
        .unwrap();
    let (_, err) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("header promises"), "{err}");
}

/// The binary under `ulimit`, `-v` or `-d`, of so many kilobytes.
#[cfg(target_os = "linux")]
fn limited(limit: &str, args: &str) -> (Option<i32>, String) {
    let script = format!("ulimit {limit}; exec \"$0\" {args}");
    let binary = assert_cmd::cargo::cargo_bin!("reclra");
    let output = std::process::Command::new("sh").args(["-c", &script, text(binary)]).output().unwrap();
    (output.status.code(), texts(&output).1)
}

/// What cannot fit is refused before anything is done; what turns out not to fit ends with a line.
#[cfg(target_os = "linux")]
#[test]
fn memory_that_is_not_there_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let wide = format!("train --arch 64-3x4096-10 --threads 1 --out {}", text(&out));
    let (code, err) = limited("-v 500000", &wide);
    assert_eq!((code, err.lines().count()), (Some(1), 1), "{err}");
    assert!(err.contains("of memory and") && err.contains("MB are to be had") && err.contains("net.arch"), "{err}");
    assert!(!out.exists());
    // No limit that is asked for beforehand.
    let (code, err) = limited("-d 200000", &wide);
    let last = err.lines().next_back().unwrap_or_default();
    assert_eq!(code, Some(1), "{err}");
    assert!(last.starts_with("error: memory is used up, ") && last.contains("train.batch"), "{err}");
    let (code, err) = limited("-v 1000000", "train --model resnet8 --width 1000");
    assert!(code == Some(1) && err.contains("GB of memory") && err.contains("net.width"), "{err}");
}

#[test]
fn results_that_cannot_be_written_are_refused_before_the_work() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "mine").unwrap();
    let below = file.join("run");
    for (out, parts) in [(&file, "is a file, where a folder belongs"), (&below, "not a folder")] {
        let started = reclra(&["train", "--out", text(out)]).output().unwrap();
        let (_, err) = texts(&started);
        assert_eq!(started.status.code(), Some(2));
        assert!(err.contains(parts) && err.contains("--out") && !err.contains("epoch "), "{err}");
    }
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    // Where nobody may write, not even root.
    if cfg!(target_os = "linux") {
        let line = bad(&["train", "--out", "/proc/reclra"], 1);
        assert!(line.contains("/proc/reclra") && line.contains("--out"), "{line}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said() {
    for words in [&["list"][..], &["--help"], &["--version"], &["train", "--help"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("reclra"));
        let output = command.args(words).stdout(full).output().unwrap();
        let (_, err) = texts(&output);
        assert_eq!((output.status.code(), err.lines().count()), (Some(1), 1), "{words:?}: {err}");
        assert!(err.starts_with("error: standard output: "), "{words:?}: {err}");
    }
}

#[test]
fn models_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    good(&["train", "--epochs", "1", "--arch", "64-8-10", "--out", text(&run)]);
    let file = run.join("model.safetensors");
    let model = fs::read(&file).unwrap();
    let claims = |n: u64| [&n.to_le_bytes()[..], &model[8..]].concat();
    for (what, bytes) in [
        ("empty", vec![]),
        ("truncated", model[..model.len() - 1].to_vec()),
        ("half", model[..model.len() / 2].to_vec()),
        ("header only", model[..100].to_vec()),
        ("huge header", claims(u64::MAX)),
        ("text", b"hello".to_vec()),
        ("zeros", vec![0; 1000]),
    ] {
        fs::write(&file, bytes).unwrap();
        for args in [["eval", text(&run)], ["inspect", text(&run)]] {
            let line = bad(&args, 1);
            assert!(line.contains("model.safetensors"), "{what}: {line}");
        }
    }
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(bad(&["eval", text(&run)], 2).contains("is a folder"));
}

#[test]
fn pictures_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    good(&["train", "--epochs", "1", "--arch", "64-8-10", "--out", text(&run)]);
    let picture = dir.path().join("a.png");
    for bytes in [&b""[..], b"\x89PNG\r\n\x1a\n", b"hello", b"P5 99999 99999 255\n"] {
        fs::write(&picture, bytes).unwrap();
        let line = bad(&["predict", text(&run), text(&picture)], 1);
        assert!(line.contains("a.png"), "{line}");
    }
    let missing = bad(&["predict", text(&run), "no/such.png"], 2);
    assert!(missing.contains("no/such.png"), "{missing}");
    // Of the pictures in a folder, too.
    let folder = bad(&["predict", text(&run), text(dir.path())], 1);
    assert!(folder.contains("a.png"), "{folder}");
    // Rows there are not.
    let rows = dir.path().join("rows");
    fs::write(&rows, idx(0x0803, &[2, 8, 8], &[0; 128])).unwrap();
    let line = bad(&["predict", text(&run), text(&rows), "--rows", "1..5"], 1);
    assert!(line.contains("rows"), "{line}");
    fs::write(&picture, [&b"P5 8 8 255\n"[..], &[0; 64]].concat()).unwrap();
    let line = bad(&["predict", text(&run), text(&picture), "--rows", "0..1"], 2);
    assert!(line.contains("--rows = 0..1: ") && line.contains("has no rows; leave out --rows"), "{line}");
    assert!(bad(&["predict", text(&run), text(&rows), "--rows", "5..1"], 2).contains("first..end"));
}

/// What is printed for a program to read is not made plain on the way.
#[test]
fn a_printed_spec_is_the_spec() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("a\u{202e}b\u{85}c");
    fs::create_dir(&data).unwrap();
    mnist(&data);
    let (spec, _) = good(&["train", "--data", "mnist", "--data-dir", text(&data), "--print-spec"]);
    let read: toml::Table = spec.parse().unwrap();
    assert_eq!(read["data"]["dir"].as_str(), Some(text(&data)));
}

/// A run that diverges ends with the parameter and the remedy, and leaves no model.
#[test]
fn a_run_that_diverges_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let args = ["train", "--act", "relu", "--set", "optim.name=sgd", "--set", "optim.radius=0"];
    let output = reclra(&[&args[..], &["--lr", "1e30", "--out", text(&out)]].concat()).output().unwrap();
    let (_, err) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{err}");
    let last = err.lines().next_back().unwrap();
    assert!(last.contains("not a finite number") && last.contains("optim.lr"), "{last}");
    assert!(!out.join("model.safetensors").exists());
}
