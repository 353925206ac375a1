//! Networks taken elsewhere: exports held against ONNX Runtime, numpy and safetensors (`tests/setup.sh` installs them).

mod common;

use common::{bad, good, idx, objects, text};
use reclra_train::data::{Dataset, Part, digits};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The stored bytes of every test digit.
fn test_digits() -> (usize, Vec<u8>) {
    let digits = digits().unwrap();
    let (count, mut x, mut bytes) = (digits.len(Part::Test), [0.0; 64], Vec::new());
    for i in 0..count {
        digits.pixels(Part::Test, i, &mut x).unwrap();
        bytes.extend(x.map(|v| (v * f32::from(digits.white())) as u8));
    }
    (count, bytes)
}

/// What `reclra predict` says of all images in an idx file: probabilities.
fn predicted(run: &Path, images: &Path) -> serde_json::Value {
    let (out, _) = good(&["predict", text(run), text(images), "--json"]);
    objects(&out).iter().map(|o| o["probabilities"].clone()).collect()
}

/// Every activation, wirings, a residual net, an average, no biases, rules.
const NETWORKS: &[(&str, &[&str])] = &[
    ("tanh", &["--arch", "64-2x24-10"]),
    ("sign", &["--arch", "64-3x20-10", "--act", "sign", "--wiring", "full"]),
    ("lrelu", &["--arch", "64-6x20-10", "--act", "lrelu", "--set", "net.residual=2", "--rule", "backprop"]),
    ("elu", &["--arch", "64-24-10", "--act", "elu", "--set", "optim.average=0.95"]),
    ("sigmoid", &["--arch", "64-2x24-10", "--act", "sigmoid", "--wiring", "full"]),
    ("relu", &["--arch", "64-2x24-10", "--act", "relu", "--set", "net.bias=false"]),
    ("identity", &["--arch", "64-24-10", "--act", "identity"]),
    ("equilibrium", &["--arch", "64-24-10", "--act", "sigmoid", "--rule", "equilibrium-prop"]),
];

fn tools() -> Option<PathBuf> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/env/bin/python");
    if python.exists() {
        return Some(python);
    }
    assert!(std::env::var_os("RECLRA_REQUIRE_TOOLS").is_none(), "tests/env is missing: run tests/setup.sh");
    eprintln!("skipped: tests/env is missing; tests/setup.sh makes it");
    None
}

#[test]
fn others_compute_what_we_compute() {
    let Some(python) = tools() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (count, bytes) = test_digits();
    let images = dir.path().join("images");
    fs::write(&images, idx(0x0803, &[count as u32, 8, 8], &bytes)).unwrap();
    fs::write(dir.path().join("images.bin"), bytes).unwrap();
    for (name, flags) in NETWORKS {
        let run = dir.path().join(name);
        good(&[&["train", "--epochs", "4", "--quiet", "--out", text(&run)], *flags].concat());
        for format in ["onnx", "safetensors", "npz"] {
            let file = run.join(format!("forward.{format}"));
            good(&["export", text(&run), "--format", format, "--out", text(&file)]);
        }
        good(&["export", text(&run), "--raw-pixels", "--out", text(&run.join("raw.onnx"))]);
        fs::write(run.join("expected.json"), predicted(&run, &images).to_string()).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx_check.py");
    let output = Command::new(python).arg(script).arg(dir.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let said: serde_json::Value = serde_json::from_str(said.trim()).unwrap();
    eprintln!("largest differences: {said}");
    for (name, _) in NETWORKS {
        let of = |file: &str| said[name][file].as_f64().unwrap_or(f64::INFINITY);
        assert!(["onnx", "raw", "safetensors", "npz"].map(of).iter().all(|d| *d <= 1e-5), "{name}: {said}");
    }
}

#[test]
fn an_export_says_what_it_wrote_and_replaces_nothing_unasked() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    good(&["train", "--epochs", "1", "--arch", "64-8-10", "--out", text(&run)]);
    let (out, _) = good(&["export", text(&run)]);
    let file = run.join("export/forward.onnx");
    let last = out.lines().next_back().unwrap();
    assert!(last.contains(text(&file)) && last.contains("4 tensors (trained weights)"), "{out}");
    let row = out.lines().find(|l| l.starts_with("W.b1->out ")).unwrap();
    assert_eq!(row.split_whitespace().last(), Some("10x8"), "{out}");
    let bytes = fs::read(&file).unwrap();
    let line = bad(&["export", text(&run)], 2);
    assert!(line.contains("forward.onnx") && line.contains("--overwrite"), "{line}");
    // The file itself does as well as its folder.
    let model = run.join("model.safetensors");
    good(&["export", text(&model), "--overwrite"]);
    assert_eq!(fs::read(&file).unwrap(), bytes);
    let (out, _) = good(&["export", text(&run), "--format", "npz", "--json", "--quiet"]);
    let o = &objects(&out)[0];
    assert_eq!((&o["event"], &o["format"], &o["weights"]), (&"export".into(), &"npz".into(), &"trained".into()));
    assert_eq!(o["bytes"].as_u64(), Some(fs::metadata(run.join("export/forward.npz")).unwrap().len()));
    assert_eq!(o["tensors"][0], serde_json::json!({ "name": "W_in_b1", "shape": [8, 64] }));

    for (args, code, words) in [
        (vec!["export", text(&run), "--format", "onyx"], 2, &["onyx", "onnx"][..]),
        (vec!["export", text(&run), "--format", "npz", "--raw-pixels", "--overwrite"], 2, &["--raw-pixels", "onnx"]),
        (vec!["export", "no/such"], 2, &["no/such", "reclra train --out"]),
        (vec!["export", text(&run), "--out", text(&file.join("below.onnx"))], 1, &["forward.onnx", "--out"]),
        (vec!["export", text(&run), "--out", text(&model), "--overwrite"], 2, &["the trained network itself"]),
        (vec!["export", text(&run), "--out", text(&run), "--overwrite"], 2, &["run: is a folder"]),
    ] {
        let line = bad(&args, code);
        assert!(words.iter().all(|w| line.contains(w)), "{args:?}: {line}");
    }
    good(&["eval", text(&run)]);
    // What was exported is no run.
    let line = bad(&["eval", text(&file)], 1);
    assert!(line.contains("forward.onnx"), "{line}");
}

#[test]
fn what_settles_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["train", "--rule", "equilibrium-prop", "--arch", "64-2x8-10", "--epochs", "1", "--out"];
    good(&[&args[..], &[text(dir.path())]].concat());
    let line = bad(&["export", text(dir.path())], 1);
    assert!(line.contains("equilibrium-prop") && line.contains("settle"), "{line}");
    assert!(!dir.path().join("export").exists());
}
