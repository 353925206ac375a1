//! `reclra train`, `eval` and `predict` from end to end, through the binary, on real files.

mod common;

use common::{bad, good, mnist, objects, reclra, test_error, text, texts};
use std::fs;
use std::path::Path;

#[test]
fn the_default_run_learns_the_digits() {
    let (mut sum, seeds) = (0.0, 5);
    for seed in 0..seeds {
        let (out, _) = good(&["train", "--seed", &seed.to_string()]);
        sum += test_error(&out);
    }
    let mean = sum / f64::from(seeds);
    assert!(mean <= 2.5, "mean of five seeds: {mean}");
}

#[test]
fn a_result_is_the_same_for_any_number_of_threads() {
    let run = |threads| {
        let (out, _) = good(&["train", "--epochs", "3", "--threads", threads, "--json"]);
        let keep = |mut o: serde_json::Value| {
            // What clock and allocator say differs from run to run, and so does where the run is kept.
            let fields = o.as_object_mut().unwrap();
            ["seconds", "samples_per_second", "peak_memory", "run", "saved"]
                .iter()
                .for_each(|k| drop(fields.remove(*k)));
            o
        };
        objects(&out).into_iter().map(keep).collect::<Vec<_>>()
    };
    assert_eq!(run("1"), run("2"));
    assert_eq!(run("1"), run("5"));
}

#[test]
fn json_is_an_object_a_line() {
    let (out, err) = good(&["train", "--epochs", "4", "--json", "--quiet"]);
    assert_eq!(err, "");
    let objects = objects(&out);
    let events: Vec<&str> = objects.iter().map(|o| o["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["start", "epoch", "epoch", "epoch", "epoch", "result"]);
    let epoch = &objects[4];
    assert_eq!(epoch["epoch"], 4);
    for key in ["train_loss", "validation_error", "discrepancy", "samples_per_second", "learning_rate"] {
        assert!(epoch[key].as_f64().is_some_and(f64::is_finite), "{key} in {epoch}");
    }
    let result = &objects[5];
    assert_eq!(result["test"]["samples"], 359);
    assert!(result["test_error"].as_f64().unwrap() < 0.5, "{result}");
}

#[test]
fn alignment_is_tracked_shown_and_logged() {
    let (_, err) = good(&["train", "--epochs", "2", "--rule", "feedback-alignment", "--track-alignment"]);
    let lines: Vec<&str> = err.lines().filter(|l| l.contains("degrees from the gradient: b1 ")).collect();
    assert_eq!(lines.len(), 2, "{err}");
    let (out, _) = good(&["train", "--epochs", "1", "--json", "--set", "train.alignment=true"]);
    let objects = objects(&out);
    let angles = objects[1]["alignment"].as_array().unwrap();
    assert_eq!(angles.len(), 4);
    assert!(angles.iter().all(|a| a["degrees"].as_f64().is_some() && a["region"].is_string()), "{angles:?}");
}

#[test]
fn quiet_leaves_the_result_alone() {
    let (out, err) = good(&["train", "--epochs", "1", "--quiet"]);
    assert_eq!((out.lines().count(), err.as_str()), (1, ""));
    test_error(&out);
}

#[test]
fn off_a_terminal_lines_are_plain() {
    let (out, err) = good(&["train", "--epochs", "3"]);
    assert!(!format!("{out}{err}").contains(['\u{1b}', '\r']), "{out}{err}");
    let epochs: Vec<&str> = err.lines().filter(|l| l.starts_with("epoch ")).collect();
    assert_eq!(epochs.len(), 3);
    for part in ["loss", "validation error", "discrepancy", "samples/s", "left"] {
        assert!(epochs.iter().all(|l| l.contains(part)), "{part} in {epochs:?}");
    }
}

#[test]
fn a_printed_spec_gives_the_same_run() {
    let dir = tempfile::tempdir().unwrap();
    let flags = ["--act", "sign", "--arch", "64-2x40-10", "--wiring", "graph", "--set", "rule.gap=1", "--seed", "9"];
    let (spec, _) = good(&[&["train", "--print-spec"], &flags[..]].concat());
    let path = dir.path().join("spec.toml");
    fs::write(&path, &spec).unwrap();
    let path = text(&path);
    assert_eq!(good(&["train", path, "--print-spec"]).0, spec, "resolving twice changes nothing");
    let small = ["--epochs", "2"];
    let from_flags = good(&[&["train"], &flags[..], &small[..]].concat()).0;
    assert_eq!(good(&[&["train", path], &small[..]].concat()).0, from_flags);
    assert_eq!(good(&[&["train", "--config", path], &small[..]].concat()).0, from_flags);
    // A flag weighs more than the file.
    let changed = good(&["train", path, "--seed", "4", "--print-spec"]).0;
    assert_eq!(changed, spec.replace("seed = 9", "seed = 4"));
}

#[test]
fn activation_and_depth_choose_their_defaults() {
    let spec = |args: &[&str]| -> toml::Table {
        let all = [&["train", "--data", "mnist", "--print-spec"], args].concat();
        let out = reclra(&all).env("RECLRA_DATA", "nowhere").output().unwrap();
        toml::from_str(&texts(&out).0).unwrap()
    };
    let tanh = spec(&[]);
    assert_eq!(tanh["rule"]["wiring"].as_str(), Some("chain"));
    assert_eq!(tanh["optim"]["lr"].as_float(), Some(2e-4));
    let sign = spec(&["--act", "sign"]);
    assert_eq!(sign["rule"]["wiring"].as_str(), Some("full"));
    assert_eq!((sign["rule"]["e_std"].as_float(), sign["optim"]["radius"].as_float()), (Some(1.0), Some(0.0)));
    let sigmoid = spec(&["--act", "sigmoid", "--arch", "784-8x256-10"]);
    assert_eq!((sigmoid["rule"]["beta"].as_float(), sigmoid["net"]["w_std"].as_float()), (Some(1.0), Some(0.025)));
    let deep = spec(&["--arch", "784-8x256-10"]);
    assert_eq!((deep["rule"]["wiring"].as_str(), deep["rule"]["gap"].as_integer()), (Some("gap"), Some(2)));
    let wide = spec(&["--arch", "784-3x1024-10"]);
    assert_eq!(wide["rule"]["e_std"].as_float(), Some(0.05));
}

/// Trains on `folder` and saves; the test error it reported.
fn trained(folder: &Path, out: &Path) -> f64 {
    let args = ["train", "--data", "mnist", "--data-dir", text(folder), "--arch", "36-30-10", "--out", text(out)];
    test_error(&good(&[&args[..], &["--epochs", "60", "--shift", "0"]].concat()).0)
}

#[test]
fn what_is_saved_is_judged_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (data, run) = (dir.path().join("data"), dir.path().join("run"));
    mnist(&data);
    let error = trained(&data, &run);
    assert!(error < 10.0, "it has learnt: {error}");
    let (out, _) = good(&["eval", text(&run)]);
    assert_eq!(test_error(&out), error);
    assert_eq!(out.lines().filter(|l| l.split_whitespace().nth(1) == Some("10")).count(), 10, "ten images a class");
    // Moved, with the data elsewhere: the folder is all that is needed.
    let (moved, elsewhere) = (dir.path().join("m o v e d"), dir.path().join("elsewhere"));
    fs::rename(&run, &moved).unwrap();
    fs::rename(&data, &elsewhere).unwrap();
    let line = bad(&["eval", text(&moved)], 1);
    assert!(line.contains("--data-dir"), "{line}");
    let (out, _) = good(&["eval", text(&moved), "--data-dir", text(&elsewhere), "--json"]);
    let eval = &objects(&out)[0];
    assert!((100.0 * eval["error"].as_f64().unwrap() - error).abs() < 1e-9);
    let counts = eval["confusion"].as_array().unwrap().iter().flat_map(|r| r.as_array().unwrap().iter());
    assert_eq!(counts.map(|c| c.as_u64().unwrap()).sum::<u64>(), 100);
    for part in ["train", "validation"] {
        let (out, _) = good(&["eval", text(&moved), "--data-dir", text(&elsewhere), "--part", part]);
        assert!(out.lines().next_back().unwrap().starts_with(&format!("{part} error ")), "{out}");
    }
    // The spec is in the file.
    let (seen, _) = good(&["inspect", text(&moved)]);
    assert!(seen.contains("W.in->b1 30x36") && seen.contains("E.out->b1 30x10"), "{seen}");
}

#[test]
fn images_are_classified() {
    let dir = tempfile::tempdir().unwrap();
    let (data, run) = (dir.path().join("data"), dir.path().join("run"));
    mnist(&data);
    trained(&data, &run);
    let rows = data.join(common::TEST.0);
    let (out, _) = good(&["predict", text(&run), text(&rows), "--rows", "0..20", "--json"]);
    let objects = objects(&out);
    assert_eq!(objects.len(), 20);
    let right = objects.iter().enumerate().filter(|(i, o)| o["label"] == i % 10).count();
    assert!(right >= 17, "{right} of 20");
    let sum: f64 = objects[3]["probabilities"].as_array().unwrap().iter().map(|p| p.as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-5, "probabilities: {sum}");
    // The same image as a picture file, and inverted.
    let (pixels, _) = common::bars(10, 7);
    let one = &pixels[3 * 36..4 * 36];
    let pnm = |name: &str, bytes: Vec<u8>| {
        let path = dir.path().join(name);
        fs::write(&path, [b"P5 6 6 255\n".to_vec(), bytes].concat()).unwrap();
        path
    };
    let (plain, inverse) = (pnm("three.pgm", one.to_vec()), pnm("inverse.pgm", one.iter().map(|p| 255 - p).collect()));
    let (a, _) = good(&["predict", text(&run), text(&plain), "--json"]);
    assert_eq!(common::objects(&a)[0]["probabilities"], objects[3]["probabilities"]);
    let (b, _) = good(&["predict", text(&run), text(&inverse), "--invert", "--json"]);
    let p = |o: &serde_json::Value| o["probabilities"][3].as_f64().unwrap();
    assert!((p(&common::objects(&b)[0]) - p(&objects[3])).abs() < 1e-5, "{b}");
    let (line, _) = good(&["predict", text(&run), text(&plain)]);
    assert!(line.contains("three.pgm: 3  (3 "), "{line}");
}

#[test]
fn data_is_found_where_the_user_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let run = |name: &str, value: &Path| {
        let mut command = reclra(&["train", "--data", "mnist", "--arch", "36-10-10", "--epochs", "1", "--quiet"]);
        let output = command.env(name, value).output().unwrap();
        assert!(output.status.success(), "{name}: {output:?}");
        texts(&output).0
    };
    mnist(&dir.path().join("mnist"));
    let plain = run("RECLRA_DATA", dir.path());
    mnist(&dir.path().join("reclra/mnist"));
    assert_eq!(run("XDG_DATA_HOME", dir.path()), plain);
    // Packed, and under the names with a dot: the same.
    for file in [common::TRAIN.0, common::TRAIN.1, common::TEST.0, common::TEST.1] {
        let path = dir.path().join("mnist").join(file);
        let bytes = fs::read(&path).unwrap();
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packed, &bytes).unwrap();
        fs::write(dir.path().join("mnist").join(file.replace("-idx", ".idx") + ".gz"), packed.finish().unwrap())
            .unwrap();
        fs::remove_file(path).unwrap();
    }
    assert_eq!(run("RECLRA_DATA", dir.path()), plain);
}

#[test]
fn shifts_and_validation_follow_the_seed() {
    let error = |args: &[&str]| good(&[&["train", "--epochs", "2", "--json", "--quiet"], args].concat()).0;
    let losses = |text: &str| -> Vec<f64> {
        objects(text).iter().filter(|o| o["event"] == "epoch").map(|o| o["train_loss"].as_f64().unwrap()).collect()
    };
    let (a, b) = (losses(&error(&["--shift", "0"])), losses(&error(&["--shift", "1"])));
    assert_ne!(a, b, "the shift is made");
    assert_eq!(b, losses(&error(&["--shift", "1"])));
    assert_ne!(b, losses(&error(&["--shift", "1", "--seed", "1"])));
    let none = error(&["--set", "data.validation=0"]);
    assert_eq!(objects(&none).last().unwrap()["validation_error"], serde_json::Value::Null);
}

#[test]
fn figures_that_are_not_there_are_not_printed() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    // A network that learns next to nothing never predicts some classes.
    let small = [
        "train",
        "--arch",
        "64-10",
        "--epochs",
        "1",
        "--lr",
        "1e-6",
        "--set",
        "data.validation=0",
        "--out",
        text(&out),
    ];
    good(&small);
    // A part without images has no error, and a network that never says a class no precision of it.
    for json in [&[][..], &["--json"]] {
        let line = bad(&[&["eval", text(&out), "--part", "validation"], json].concat(), 2);
        assert!(
            line.contains("digits has no validation images: data.validation is 0") && line.contains("--part"),
            "{line}"
        );
    }
    let (said, _) = good(&["eval", text(&out)]);
    let row =
        |c: &str| said.lines().find(|l| l.trim_start().starts_with(c)).unwrap().split_whitespace().collect::<Vec<_>>();
    let never: Vec<Vec<&str>> = ["0 ", "1 ", "2 ", "3 ", "4 ", "5 ", "6 ", "7 ", "8 ", "9 "]
        .map(row)
        .into_iter()
        .filter(|r| r[3] == "-")
        .collect();
    assert!(!never.is_empty() && never.iter().all(|r| r[4] == "0.00" && r[1] == r[2]), "{said}");
    assert!(said.contains("- is a precision of a class never predicted"), "{said}");
}

#[test]
fn a_trained_network_is_not_overwritten_unasked() {
    let dir = tempfile::tempdir().unwrap();
    let out = text(dir.path());
    let args = ["train", "--epochs", "1", "--out", out];
    good(&args);
    let model = fs::read(dir.path().join("model.safetensors")).unwrap();
    let line = bad(&[&args[..], &["--seed", "3"]].concat(), 2);
    assert!(line.contains("--overwrite"), "{line}");
    assert_eq!(fs::read(dir.path().join("model.safetensors")).unwrap(), model);
    good(&[&args[..], &["--seed", "3", "--overwrite"]].concat());
    assert_ne!(fs::read(dir.path().join("model.safetensors")).unwrap(), model);
}

/// Ctrl-C, and what `kill` sends.
#[cfg(unix)]
#[test]
fn an_interrupted_run_saves_and_says_so() {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Command, Stdio};
    for signal in ["-INT", "-TERM"] {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(assert_cmd::cargo::cargo_bin!("reclra"))
            .args(["train", "--epochs", "100000", "--verbose", "--out", text(dir.path())])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("epoch ") {
            line.clear();
            assert!(lines.read_line(&mut line).unwrap() > 0, "the run has begun");
        }
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let mut rest = String::new();
        lines.read_to_string(&mut rest).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}");
        let last = rest.lines().next_back().unwrap();
        assert!(last.starts_with("error: interrupted after step ") && last.contains(text(dir.path())), "{last}");
        let (out, _) = good(&["eval", text(dir.path())]);
        test_error(&out);
    }
}

/// The experiments that come with the program can be read, and an interrupted or repeated one does nothing twice.
#[test]
fn experiments_are_made_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tiny.toml");
    let spec = "title = \"Tiny\"\nabout = \"Two runs.\"\nseeds = [0, 1]\ncolumns = [\"top5\", \"f1\"]\n[[run]]\nname = \"one\"\nat_most = 99.0\n\
                set = { \"train.epochs\" = 1 }\n[[run]]\nname = \"two\"\nat_most = 1.0\n\
                set = { \"train.epochs\" = 1, \"optim.lr\" = 1e-9 }\n";
    fs::write(&file, spec).unwrap();
    let results = dir.path().join("results");
    let runs = dir.path().join("runs");
    let args = ["reproduce", text(&file), "--out", text(&results), "--runs", text(&runs)];
    let (out, err) = good(&args);
    assert!(err.contains("run 4 of 4: two, seed 1"), "{err}");
    let row = |name: &str| out.lines().find(|l| l.starts_with(&format!("| {name} "))).unwrap().to_owned();
    assert!(row("one").contains("| yes |") && row("two").contains("| no |"), "{out}");
    assert!(out.contains("| top-5 error % | F1 % |"), "{out}");
    assert_eq!(fs::read_to_string(results.join("tiny.md")).unwrap().trim(), out.trim());
    let (again, err) = good(&args);
    assert_eq!(again, out);
    // The figures are those of `eval`.
    let kept: serde_json::Value = serde_json::from_slice(&fs::read(results.join("tiny.json")).unwrap()).unwrap();
    let (eval, _) = good(&["eval", text(&runs.join("one/seed-0")), "--json"]);
    let eval: serde_json::Value = serde_json::from_str(&eval).unwrap();
    for figure in ["top5_error", "precision", "recall", "f1"] {
        assert_eq!(kept[0]["scores"][figure], eval[figure], "{figure}");
    }
    assert!(kept[0]["scores"]["top5_error"].as_f64() < eval["error"].as_f64(), "{eval}");
    assert_eq!(kept[0]["peak_memory"].as_u64().is_some(), cfg!(target_os = "linux"), "{}", kept[0]["peak_memory"]);
    assert!(!err.contains("seed"), "nothing is run again: {err}");
    // A changed run is made again, alone.
    fs::write(&file, spec.replace("name = \"two\"", "name = \"three\"")).unwrap();
    let (_, err) = good(&args);
    assert!(err.contains("three, seed 0") && !err.contains("one, seed"), "{err}");
}

/// One of a thing is said to be one.
#[test]
fn one_is_no_plural() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let (_, err) = good(&["train", "--epochs", "1", "--threads", "1", "--arch", "64-8-10", "--out", text(&run)]);
    assert!(err.contains(", 1 epoch, seed 0; CPU, 1 thread, ") && err.contains("\n1 epoch in "), "{err}");
    let (out, _) = good(&["runs", "clean", text(&run)]);
    assert!(out.contains("the checkpoints of 1 run that is over; add --yes"), "{out}");
}
