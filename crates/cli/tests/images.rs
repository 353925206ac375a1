//! Image networks through the binary: models by name and from a file, resumed, judged, exported, and refused in one line.

mod common;

use common::{bad, good, objects, test_error, text};
use std::fs;
use std::path::Path;

/// A narrow net on the embedded digits: seconds.
const SMALL: [&str; 5] = ["train", "--model", "resnet8", "--width", "4"];

const MODEL: &str = r#"
[[block]]
name = "stem"
layers = [{ kind = "conv", out = 4, kernel = 3, pad = 1 }, { kind = "batch-norm" }]

[[block]]
layers = [{ kind = "noise-map", out = 4, noise = "uniform", level = 0.2 }, { kind = "batch-norm" }, { kind = "dropout", share = 0.1 }]
shortcut = []

[[block]]
layers = [{ kind = "mean-pool", kernel = 2 }, { kind = "flatten" }, { kind = "dense", out = 12 }]
act = "tanh"

[[block]]
layers = [{ kind = "dense" }]
"#;

fn state(run: &Path) -> Vec<u8> {
    fs::read(run.join("model.safetensors")).unwrap()
}

#[test]
fn a_net_of_blocks_trains_resumes_to_the_same_bits_and_is_judged() {
    let dir = tempfile::tempdir().unwrap();
    for (name, rule) in [
        ("layer", &["--wiring", "layer", "--inner", "rec-lra"][..]),
        ("skip", &["--wiring", "skip", "--inner", "hebbian"]),
        ("direct", &["--rule", "direct-feedback-alignment"]),
    ] {
        let (whole, halves) = (dir.path().join(format!("{name}-whole")), dir.path().join(format!("{name}-halves")));
        let epochs = ["--epochs", "2", "--schedule", "constant", "--out", text(&whole)];
        let (trained, _) = good(&[&SMALL, rule, &epochs].concat());
        good(&[&SMALL, rule, &["--epochs", "1", "--schedule", "constant", "--out", text(&halves)]].concat());
        good(&["resume", text(&halves), "--epochs", "1", "--threads", "2"]);
        let weights = |run: &Path| {
            let tensors = state(run);
            let file = safetensors::SafeTensors::deserialize(&tensors).unwrap();
            let mut all: Vec<(String, Vec<u8>)> =
                file.tensors().into_iter().map(|(n, t)| (n, t.data().to_vec())).collect();
            all.sort();
            all
        };
        assert!(weights(&whole) == weights(&halves), "{name}: not the same bits");
        let (judged, _) = good(&["eval", text(&whole)]);
        assert_eq!(test_error(&judged), test_error(&trained), "{judged}");
    }
    let run = dir.path().join("layer-whole");
    let report = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(report.contains("region stem"), "the filters of the stem are shown");
    let onnx = bad(&["export", text(&run)], 1);
    assert!(onnx.contains("safetensors or npz"), "{onnx}");
    good(&["export", text(&run), "--format", "safetensors"]);
    let (shown, _) = good(&["inspect", text(&run)]);
    assert!(shown.contains("shortcut.conv1") && shown.contains("stem.norm1.variance"), "{shown}");
}

#[test]
fn it_learns_the_digits() {
    let dir = tempfile::tempdir().unwrap();
    for rule in [&["--rule", "backprop"][..], &["--wiring", "skip"], &["--wiring", "layer"]] {
        let run = dir.path().join(rule[1]);
        let all = [
            &["train", "--model", "resnet8", "--width", "8", "--epochs", "15", "--batch", "16"],
            rule,
            &["--out", text(&run)],
        ];
        let (out, _) = good(&all.concat());
        assert!(test_error(&out) < 15.0, "{rule:?}: {out}");
    }
}

#[test]
fn a_model_of_ones_own_is_part_of_the_spec() {
    let dir = tempfile::tempdir().unwrap();
    let (file, run, again) = (dir.path().join("net.toml"), dir.path().join("a"), dir.path().join("b"));
    fs::write(&file, MODEL).unwrap();
    good(&["train", "--model", text(&file), "--rule", "backprop", "--epochs", "1", "--out", text(&run)]);
    fs::remove_file(&file).unwrap();
    good(&["train", text(&run.join("spec.toml")), "--out", text(&again)]);
    assert!(state(&run) == state(&again), "the spec alone gives the same network");
    let (out, _) = good(&["inspect", text(&run), "--json"]);
    let regions = objects(&out)[0]["regions"].as_array().unwrap().clone();
    let names: Vec<&str> = regions.iter().map(|r| r["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["in", "stem", "b2", "b3", "out"]);
}

#[test]
fn what_cannot_be_is_refused_in_one_line_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("net.toml");
    let refuse = |from: &str, to: &str| {
        assert!(MODEL.contains(from));
        fs::write(&file, MODEL.replacen(from, to, 1)).unwrap();
        bad(&["train", "--model", text(&file), "--rule", "backprop", "--epochs", "1"], 2)
    };
    for (from, to, says) in [
        ("out = 4, kernel", "outs = 4, kernel", "unknown key `outs`, did you mean `out`?"),
        ("kind = \"conv\"", "kind = \"convv\"", "did you mean `conv`?"),
        ("kernel = 3", "kernel = 30", "larger than the padded image"),
        ("pad = 1", "pad = -1", "block stem, layer 1 (conv)"),
        ("out = 12", "out = \"x\"", "must be a whole number"),
        ("act = \"tanh\"", "act = \"tank\"", "did you mean `tanh`?"),
        ("shortcut = []", "shortcut = [{ kind = \"max-pool\", kernel = 2 }]", "make them equal"),
        ("[[block]]", "[[blok]]", "unknown key `blok`, did you mean `block`?"),
        ("name = \"stem\"", "name = \"out\"", "called `out`"),
        ("[{ kind = \"dense\" }]", "[{ kind = \"dense\", out = 9 }]", "10"),
    ] {
        let line = refuse(from, to);
        assert!(line.contains(says) && line.lines().count() == 1, "{from} -> {to}: {line}");
    }
    for (flags, says) in [
        (&["--model", "resnet9"][..], "did you mean `resnet"),
        (&["--model", "resnet8", "--arch", "64-10"], "net.arch is no setting of net.model resnet8"),
        (&["--width", "8"], "belongs to image networks"),
        (&["--model", "resnet8", "--rule", "equilibrium-prop"], "rules that can are rec-lra"),
        (&["--model", "resnet8", "--wiring", "chain"], "skip, layer, gap, list"),
        (&["--model", "resnet8", "--wiring", "list", "--set", "rule.synapses=out->b9"], "b9"),
        (&["--model", "no/such.toml"], "no/such.toml"),
    ] {
        let line = bad(&[&["train"], flags].concat(), 2);
        assert!(line.contains(says) && line.lines().count() == 1, "{flags:?}: {line}");
    }
}
