//! What a program seldom meets: nobody reads its messages, paths are not UTF-8, the spec of a run was emptied or changed, a model
//! says of its data what cannot be.

mod common;

use common::{bad, good, reclra, text, texts};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const SMALL: [&str; 4] = ["--epochs", "2", "--arch", "64-8-10"];

/// Standard error is a pipe that nobody reads, from the first line on.
#[test]
fn messages_that_nobody_reads_end_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (run, many) = (dir.path().join("run"), dir.path().join("many"));
    let train = [&["train", "--out", text(&run), "--verbose"][..], &SMALL].concat();
    let compare = [&["compare", "--rules", "backprop", "--seeds", "1", "--out", text(&many)][..], &SMALL].concat();
    for (args, code) in [(&train[..], 0), (&compare, 0), (&["train", "--epochs", "0"], 2), (&["eval", text(&run)], 0)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("reclra"));
        let output = command.args(args).stderr(writer).stdout(std::process::Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        assert_eq!(output.stdout.is_empty(), code != 0, "{args:?}");
    }
    assert!(run.join("result.json").exists() && many.join("compare.md").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn paths_that_are_not_utf8_are_paths() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let odd = |name: &[u8]| dir.path().join(std::ffi::OsStr::from_bytes(name));
    let (run, many, page, init) = (odd(b"r\xffn"), odd(b"m\xffny"), odd(b"p\xffge.html"), odd(b"\xff.safetensors"));
    let all: [(&str, &[&str], &[&Path]); 10] = [
        ("train --epochs 1 --arch 64-8-10 --out", &[], &[&run]),
        ("compare --rules backprop,rec-lra --seeds 1 --epochs 1 --arch 64-8-10 --out", &[], &[&many]),
        ("report --overwrite --out", &[], &[&page, &run]),
        ("runs", &[], &[dir.path()]),
        ("runs compare", &[], &[&many]),
        ("resume", &["--epochs", "1"], &[&run]),
        ("inspect", &[], &[&run]),
        ("eval", &[], &[&run]),
        ("export", &["--format", "safetensors", "--out"], &[&run, &init]),
        ("runs clean", &["--yes"], &[&run]),
    ];
    for json in [true, false] {
        for (words, more, paths) in all {
            let mut command = reclra(&[]);
            command.args(json.then_some("--json")).args(words.split(' '));
            // `--out` of export stands between the run and the file.
            match (words, paths) {
                ("export", [run, out]) => command.arg(run).args(more).arg(out).arg("--overwrite"),
                _ => command.args(paths).args(more),
            };
            command.args((json && words.starts_with("train")).then_some("--overwrite"));
            command.args((!json && words.starts_with("train")).then_some("--overwrite"));
            let output = command.output().unwrap();
            let err = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{words}, {json}: {err}");
            assert!(!err.contains("internal error"), "{words}: {err}");
        }
    }
    assert!(
        run.join("model.safetensors").exists() && many.join("compare.md").exists() && page.exists() && init.exists()
    );
}

#[cfg(unix)]
#[test]
fn a_spec_that_was_emptied_or_changed_is_not_gone_on_with() {
    use common::going::{signal, start};
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let args = [
        "train",
        "--out",
        text(&run),
        "--epochs",
        "4000",
        "--arch",
        "64-12-10",
        "--checkpoint-steps",
        "50",
        "--batch",
        "7",
        "--quiet",
    ];
    let mut child = start(&args);
    while fs::read_dir(run.join("checkpoints")).map_or(0, Iterator::count) < 2 {
        assert!(child.try_wait().unwrap().is_none(), "it is still going");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let path = run.join("spec.toml");
    let spec = fs::read_to_string(&path).unwrap();
    let without =
        |key: &str| spec.lines().filter(|l| !l.starts_with(key)).map(|l| format!("{l}\n")).collect::<String>();
    let shorter = spec.replace("epochs = 4000", "epochs = 1");
    for (text_now, says) in [
        (String::new(), "spec.toml: is empty"),
        ("# nothing\n".to_owned(), "spec.toml: is empty"),
        (without("arch"), "says `arch = \"64-3x256-10\"` where its checkpoint was made with `arch = \"64-12-10\"`"),
        (without("batch"), "where its checkpoint was made with `batch = "),
        (spec.replace("seed = ", "seed = 9"), "where its checkpoint was made with `seed = "),
    ] {
        fs::write(&path, &text_now).unwrap();
        let line = bad(&["resume", text(&run)], 1);
        assert!(line.contains(says) && line.contains("spec.toml"), "{says}: {line}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text_now);
    }
    fs::write(&path, &shorter).unwrap();
    let line = bad(&["resume", text(&run)], 1);
    assert!(line.contains("says `epochs = 1` where its checkpoint was made with `epochs = 4000`"), "{line}");
    // Of a run that is over, the result says what it was.
    let over = dir.path().join("over");
    good(&[&["train", "--out", text(&over)][..], &SMALL].concat());
    let path = over.join("spec.toml");
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("64-8-10", "64-9-10")).unwrap();
    assert!(bad(&["report", text(&over)], 1).contains("spec.toml: is not the spec of result.json"));
}

/// What stands in the way of `--out` is named, with what can be done with it: the words work.
#[test]
fn a_folder_in_use_says_what_works() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let train = [&["train", "--out", text(&run), "--quiet"][..], &SMALL].concat();
    good(&train);
    let line = bad(&train, 2);
    let resume = format!("reclra resume {} --epochs MORE", text(&run));
    assert!(line.contains("holds a finished run") && line.contains("--overwrite") && line.ends_with(&resume), "{line}");
    let line = bad(&["train", text(&run)], 2);
    let spec = run.join("spec.toml");
    assert!(line.contains("the folder of a run") && line.contains(text(&spec)) && line.contains("resume"), "{line}");
    good(&["train", text(&spec), "--out", text(&dir.path().join("same")), "--quiet"]);
    good(&["resume", text(&run), "--epochs", "1", "--quiet"]);
    // Without checkpoints it cannot be made longer.
    good(&["runs", "clean", "--yes", text(&run)]);
    let line = bad(&train, 2);
    assert!(line.contains("holds a finished run") && !line.contains("resume"), "{line}");
    good(&[&train[..], &["--overwrite"]].concat());
    // One that was interrupted goes on.
    fs::remove_file(run.join("result.json")).unwrap();
    let line = bad(&train, 2);
    assert!(
        line.contains("holds an interrupted run") && line.ends_with(&format!("reclra resume {}", text(&run))),
        "{line}"
    );
    // One that has diverged does not.
    let run = dir.path().join("diverged");
    let train =
        ["train", "--out", text(&run), "--quiet", "--rule", "backprop", "--arch", "64-8-10", "--act", "identity"];
    let train =
        [&train[..], &["--lr", "1e30", "--epochs", "3", "--set", "optim.name=sgd", "--set", "optim.radius=0"]].concat();
    bad(&train, 1);
    let line = bad(&train, 2);
    assert!(line.contains("holds a run that diverged") && !line.contains("resume"), "{line}");
}

/// The environment is written before the spec: a disk that is full in between leaves it alone in the folder.
#[test]
fn what_a_run_that_never_began_has_left_is_in_nobodys_way() {
    let dir = tempfile::tempdir().unwrap();
    let (run, next) = (dir.path().join("run"), dir.path().join("next"));
    let train = |out| [&["train", "--out", text(out)][..], &SMALL].concat();
    good(&train(&run));
    fs::create_dir(&next).unwrap();
    fs::copy(run.join("environment.json"), next.join("environment.json")).unwrap();
    good(&train(&next));
    // With a spec it is a run; and what is no environment of ours is somebody's.
    assert!(bad(&train(&next), 2).contains("holds a finished run"));
    let own = dir.path().join("own");
    fs::create_dir(&own).unwrap();
    fs::write(own.join("environment.json"), "{\"mine\": 1}").unwrap();
    assert!(bad(&train(&own), 2).contains("holds environment.json, which a run would replace"));
}

/// Reports and exports take the place of no file that a run keeps, also through a link.
#[test]
fn what_a_run_keeps_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    good(&[&["train", "--out", text(&run), "--checkpoint-steps", "20"][..], &SMALL].concat());
    let link = dir.path().join("link");
    #[cfg(unix)]
    std::os::unix::fs::symlink("run/result.json", &link).unwrap();
    let checkpoint = fs::read_dir(run.join("checkpoints")).unwrap().next().unwrap().unwrap().path();
    let mut kept: Vec<_> =
        ["spec.toml", "result.json", "model.safetensors", "metrics.jsonl", "environment.json", "log.txt"]
            .map(|name| run.join(name))
            .into();
    kept.extend(fs::read_dir(checkpoint).unwrap().map(|e| e.unwrap().path()));
    kept.extend(link.exists().then(|| link.clone()));
    for path in kept {
        let before = fs::read(&path).unwrap();
        for command in ["report", "export"] {
            let line = bad(&[command, text(&run), "--out", text(&path), "--overwrite"], 2);
            assert!(line.contains(text(&path)) && line.contains("name another file with --out"), "{line}");
        }
        assert_eq!(fs::read(&path).unwrap(), before, "{path:?}");
    }
    good(&["report", text(&run), "--overwrite"]);
    good(&["export", text(&run), "--overwrite", "--out", text(&run.join("mine.onnx"))]);
}

/// `ulimit -f` is told by a signal that ends a process, or by an error: here by an error.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_may_not_grow_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let binary = assert_cmd::cargo::cargo_bin!("reclra");
    let limited = |args: &[&str]| {
        let script = "ulimit -c 0; ulimit -f 16; exec \"$0\" \"$@\"";
        let output = std::process::Command::new("sh").args(["-c", script, text(binary)]).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", texts(&output).1);
        texts(&output).1
    };
    let train = ["train", "--quiet", "--threads", "1", "--arch", "64-100-10", "--epochs", "1", "--out"];
    let err = limited(&[&train[..], &[text(&run)]].concat());
    // No checkpoint is said to be kept where there is none.
    assert!(err.contains("there is no checkpoint yet; training goes on") && !err.contains("is kept"), "{err}");
    let line = err.lines().next_back().unwrap();
    assert!(line.starts_with("error: ") && line.contains(text(&run)) && line.contains("too large"), "{err}");
    let left = |e: &fs::DirEntry| e.file_name().to_str().unwrap().starts_with(".reclra-");
    assert_eq!(fs::read_dir(&run).unwrap().filter(|e| left(e.as_ref().unwrap())).count(), 0);
    let over = dir.path().join("over");
    good(&[&train[..], &[text(&over)]].concat());
    let err = limited(&["resume", text(&over), "--epochs", "1", "--quiet"]);
    assert!(err.contains("the checkpoint before it is kept; training goes on"), "{err}");
}

#[test]
fn outputs_that_are_no_numbers_are_said() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    good(&[&["train", "--out", text(&run)][..], &SMALL].concat());
    let file = run.join("model.safetensors");
    let mut model = fs::read(&file).unwrap();
    let first = 8 + u64::from_le_bytes(model[..8].try_into().unwrap()) as usize;
    model[first..].as_chunks_mut::<4>().0.iter_mut().for_each(|w| *w = 3e38_f32.to_le_bytes());
    fs::write(&file, model).unwrap();
    let picture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/seven.png");
    for args in [&["eval", text(&run)][..], &["predict", text(&run), picture]] {
        let line = bad(args, 1);
        assert!(line.contains(text(&run)) && line.contains("no finite numbers"), "{line}");
    }
}

#[test]
fn runs_that_cannot_be_read_are_told_from_none() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    good(&[&["train", "--out", text(&run)][..], &SMALL].concat());
    let spec = run.join("spec.toml");
    assert!(bad(&["runs", text(&spec)], 2).contains("is a file, where a folder belongs; name a folder"));
    fs::write(&spec, "").unwrap();
    assert!(bad(&["runs", text(&run)], 1).contains("spec.toml: is empty"));
}

/// A path, a flag or a name in the wrong place: what was meant is said, and the exit code is that of a wrong command line.
#[test]
fn what_stands_in_the_wrong_place_is_named_with_the_right_one() {
    let dir = tempfile::tempdir().unwrap();
    let (run, both) = (dir.path().join("run"), dir.path().join("both"));
    good(&[&["train", "--out", text(&run)][..], &SMALL].concat());
    let small = ["--arch", "64-8-10", "--epochs", "1", "--seeds", "1"];
    good(&[&["compare", "--rules", "rec-lra,bp", "--out", text(&both)][..], &small].concat());
    let file = |name: &str| text(&dir.path().join(name)).to_owned();
    let (table, pdf, npz, metrics) = (file("both/compare.md"), file("x.pdf"), file("x.npz"), file("run/metrics.csv"));
    for (args, wanted) in [
        (&["compare", text(&run)][..], "run: is the folder of a run"),
        (&["compare", text(&both)], "both: is the folder of a comparison; `reclra report "),
        (&["train", text(&both)], "is the folder of a comparison"),
        (&["train", text(dir.path())], "is a folder, not a file; name a spec"),
        (&["compare", "--rules", "rec-lra", "backprop"], "several to compare with --rules A,backprop"),
        (&["train", "fa"], "fa: is a rule, where a spec belongs; name one rule with --rule fa"),
        (&["report", &table], "compare.md: is a file, where a folder belongs"),
        (&["resume", &metrics], "metrics.csv: is a file, where a folder belongs"),
        (&["report", text(&run), "--out", &pdf], "x.pdf: a report is one HTML file"),
        (
            &["export", text(&run), "--format", "onnx", "--out", &npz],
            "x.npz: ends as a file of --format npz; end it in .onnx",
        ),
        (&["compare", "--tune-seeds", "2"], "--tune-seeds: nothing is tried without --tune or --grid"),
        (&["compare", "--target", "-1"], "'--target <PERCENT>': must be a number from 0 to 100"),
        (&["compare", "--seeds", "-1"], "'--seeds <N>'"),
        (&["train", "--set", "net.foo=1"], "unknown key `net.foo`; `reclra list keys` shows all"),
    ] {
        let line = bad(args, 2);
        assert!(line.contains(&wanted.replace('\'', "`")), "{args:?}: {line}");
    }
    assert!([pdf, npz].iter().all(|p| !Path::new(p).exists()));
}

/// A model file with another word in what it says of its data.
fn saying(model: &[u8], change: impl Fn(&str) -> String) -> Vec<u8> {
    let length = u64::from_le_bytes(model[..8].try_into().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&model[8..8 + length]).unwrap();
    let data = header["__metadata__"]["reclra.data"].as_str().unwrap().to_owned();
    let changed = change(&data);
    assert_ne!(changed, data, "the change changes something");
    header["__metadata__"]["reclra.data"] = json!(changed);
    let mut text = header.to_string().into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    [&(text.len() as u64).to_le_bytes()[..], &text, &model[8 + length..]].concat()
}

#[test]
fn what_a_model_says_of_its_data_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    good(&[&["train", "--out", text(&run)][..], &SMALL].concat());
    let file = run.join("model.safetensors");
    let model = fs::read(&file).unwrap();
    let changes = [
        ("name = \"digits\"", "name = \"\\u001b[31mdigits\""),
        ("\"3\"", "\"3\\n4\""),
        ("\"3\"", "\"\\u007f\""),
        ("train = ", "train = 4611686018427387904 #"),
        ("height = ", "height = 9223372036854775807 #"),
        ("white = ", "white = 0 #"),
        ("channels = ", "channels = 0 #"),
    ];
    for (from, to) in changes {
        fs::write(&file, saying(&model, |data| data.replacen(from, to, 1))).unwrap();
        for command in ["inspect", "eval"] {
            let line = bad(&[command, text(&run)], 1);
            assert!(line.contains("model.safetensors") && line.contains("reclra.data is damaged"), "{to}: {line}");
        }
    }
    fs::write(&file, saying(&model, |data| format!("{data} "))).unwrap();
    good(&["inspect", text(&run)]);
}

#[test]
fn bounds_and_places_are_said() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "mine").unwrap();
    for (args, says) in [
        (["train", "--batch", "18446744073709551615"], "at most 9223372036854775807"),
        (["train", "--seed", "18446744073709551615"], "at most 9223372036854775807"),
        (["train", "--arch", "64-10000000-10"], "at most 1048576"),
        (["train", "--threads", "-1"], "1 to 1024"),
    ] {
        let line = bad(&args, 2);
        assert!(line.contains(says) && !line.contains("-- -1"), "{line}");
    }
    let output = reclra(&["runs"]).env("RECLRA_RUNS", &file).output().unwrap();
    let (_, err) = texts(&output);
    assert!(output.status.code() == Some(2) && err.contains(text(&file)) && err.lines().count() == 1, "{err}");
}

/// Address space a little above and below what a run takes: it is refused before it is begun, or trains to its end.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn a_tight_limit_is_met_before_the_run_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let mut refused = 0;
    let limits = [100, 140, 160, 170, 180, 190, 200, 220, 250];
    for limit in limits {
        let out = dir.path().join(limit.to_string());
        let script = format!(
            "ulimit -v {limit}000; exec \"$0\" train --threads 1 --quiet --arch 64-2048-2048-10 --batch 500 --epochs 1 --out \"$1\""
        );
        let binary = assert_cmd::cargo::cargo_bin!("reclra");
        let output = std::process::Command::new("sh").args(["-c", &script, text(binary), text(&out)]).output().unwrap();
        let (_, err) = texts(&output);
        if output.status.success() {
            assert!(out.join("result.json").exists());
        } else {
            assert_eq!(output.status.code(), Some(1), "{limit}: {err}");
            assert!(err.contains("MB of memory and") && err.contains("are to be had"), "{limit}: {err}");
            assert!(!out.exists(), "{limit}");
            refused += 1;
        }
    }
    assert!((2..limits.len()).contains(&refused), "{refused} of {limits:?} were refused");
}
