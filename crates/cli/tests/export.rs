//! Networks taken elsewhere: exports held against ONNX Runtime, numpy and safetensors (`tests/setup.sh` installs them).

mod common;

use common::{bad, good, idx, objects, text};
use reclra_data::{Dataset, Part, digits};
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

/// The Python of `tests/env`.
fn tools() -> Option<PathBuf> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/env/bin/python");
    common::tool(python.exists(), "tests/env is missing: run tests/setup.sh").then_some(python)
}

/// What a script of Python says, which must end well.
fn checked(python: &Path, script: &str, folder: &Path) -> serde_json::Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(script);
    let output = Command::new(python).arg(script).arg(folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(said.trim()).unwrap()
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
        good(&["export", text(&run), "--prepared-input", "--out", text(&run.join("prepared.onnx"))]);
        fs::write(run.join("expected.json"), predicted(&run, &images).to_string()).unwrap();
    }
    let said = checked(&python, "onnx_check.py", dir.path());
    eprintln!("largest differences: {said}");
    for (name, _) in NETWORKS {
        let of = |file: &str| said[name][file].as_f64().unwrap_or(f64::INFINITY);
        assert!(["onnx", "prepared", "safetensors", "npz"].map(of).iter().all(|d| *d <= 1e-5), "{name}: {said}");
    }
}

/// How images are prepared: a name, and flags.
const PREPARED: &[(&str, &[&str])] = &[
    ("plain", &[]),
    ("mean-std", &["--set", "data.normalise=mean-std"]),
    ("gcn", &["--set", "data.normalise=gcn"]),
    ("gcn-std", &["--set", "data.normalise=gcn-std"]),
    ("zca", &["--set", "data.normalise=none", "--set", "data.zca=true", "--set", "data.zca_epsilon=0.1"]),
    ("mean-std-zca", &["--set", "data.normalise=mean-std", "--set", "data.zca=true", "--set", "data.zca_epsilon=0.1"]),
    ("gcn-std-zca", &["--set", "data.normalise=gcn-std", "--set", "data.zca=true", "--set", "data.zca_epsilon=0.1"]),
];

const BLOCKS: &str = "[[block]]\nlayers = [{ kind = \"conv\", out = 5, kernel = [2, 3], pad = [0, 1] }, { kind = \"batch-norm\" }]\n\
                      [[block]]\nlayers = [{ kind = \"flatten\" }, { kind = \"dense\" }]\n";

/// A folder of small colour pictures of two classes, and the stored bytes of those to be classified, channel by channel.
fn pictures(folder: &Path) -> (Vec<PathBuf>, Vec<u8>) {
    let (mut asked, mut bytes, mut state) = (Vec::new(), Vec::new(), 7_u32);
    for (part, class, n) in
        ["train", "test"].into_iter().flat_map(|p| (0..2_u32).flat_map(move |c| (0..8).map(move |n| (p, c, n))))
    {
        let picture = image::RgbImage::from_fn(4, 4, |x, y| {
            image::Rgb([0, 1, 2].map(|channel| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let light = if class == 0 { 20 * x + 30 * channel } else { 25 * y + 10 * x };
                (light + (state >> 26)) as u8
            }))
        });
        let file = folder.join(format!("{part}/{class}/{n}.png"));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        picture.save(&file).unwrap();
        if part == "test" {
            bytes.extend((0..3).flat_map(|c| picture.pixels().map(move |p| p.0[c])));
            asked.push(file);
        }
    }
    (asked, bytes)
}

/// Stored bytes go in, and out comes what `predict` says of the files: however images are prepared.
#[test]
fn exports_prepare_pixels_as_the_program_does() {
    let Some(python) = tools() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (data, blocks, out) = (dir.path().join("data"), dir.path().join("net.toml"), dir.path().join("nets"));
    let (asked, bytes) = pictures(&data);
    fs::create_dir(&out).unwrap();
    fs::write(out.join("images.bin"), bytes).unwrap();
    fs::write(&blocks, BLOCKS).unwrap();
    let mut names = Vec::new();
    for (kind, network) in [("mlp", &["--arch", "48-6-2"]), ("conv", &["--model", text(&blocks)])] {
        for (name, flags) in PREPARED {
            let run = out.join(format!("{kind}-{name}"));
            let data = ["train", "--data", "image-folder", "--data-dir", text(&data), "--epochs", "6", "--batch", "4"];
            let rule = ["--rule", "backprop", "--set", "data.validation=0", "--quiet", "--out", text(&run)];
            let cache = ("RECLRA_CACHE", dir.path().join("cache"));
            let args = [&data[..], &rule, network, flags].concat();
            let trained = common::reclra(&args).env(cache.0, cache.1).output().unwrap();
            assert!(trained.status.success(), "{}", common::texts(&trained).1);
            for format in ["onnx", "safetensors", "npz"].into_iter().filter(|f| kind == "mlp" || *f != "onnx") {
                good(&[
                    "export",
                    text(&run),
                    "--format",
                    format,
                    "--out",
                    text(&run.join(format!("forward.{format}"))),
                ]);
            }
            if kind == "mlp" {
                good(&["export", text(&run), "--prepared-input", "--out", text(&run.join("prepared.onnx"))]);
            }
            let args: Vec<&str> =
                ["predict", "--json", text(&run)].into_iter().chain(asked.iter().map(|p| text(p))).collect();
            let said: Vec<_> = objects(&good(&args).0).iter().map(|o| o["probabilities"].clone()).collect();
            fs::write(run.join("expected.json"), serde_json::Value::from(said).to_string()).unwrap();
            names.push(format!("{kind}-{name}"));
        }
    }
    let said = checked(&python, "pixels_check.py", &out);
    eprintln!("largest differences: {said}");
    for name in &names {
        let all = said[name].as_object().unwrap_or_else(|| panic!("{name} was not checked"));
        assert_eq!(all.len(), if name.starts_with("mlp") { 4 } else { 2 }, "{name}: {all:?}");
        assert!(all.values().all(|d| d.as_f64().unwrap() <= 1e-5), "{name}: {all:?}");
    }
}

/// A checkpoint does not hold how images are prepared; the network alone needs none of it.
#[test]
fn a_network_that_does_not_hold_how_images_are_prepared_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let flags = ["--epochs", "1", "--arch", "64-8-10", "--set", "data.normalise=mean-std"];
    good(&[&["train", "--quiet", "--out", text(&run)], &flags[..]].concat());
    let checkpoint = fs::read_dir(run.join("checkpoints")).unwrap().next().unwrap().unwrap().path();
    let file = dir.path().join("net");
    for format in ["onnx", "npz", "safetensors"] {
        let args = ["export", text(&checkpoint), "--format", format, "--out", text(&file), "--overwrite"];
        let line = bad(&args, 1);
        assert!(line.contains("does not hold how images are prepared") && line.contains("--prepared-input"), "{line}");
        let (_, err) = good(&[&args[..], &["--prepared-input"]].concat());
        assert!(err.contains("data.normalise = mean-std, fitted on the training images"), "{err}");
    }
    // Of a run that is over the few numbers are told in full.
    let (_, err) = good(&["export", text(&run), "--prepared-input"]);
    let model = fs::read(run.join("model.safetensors")).unwrap();
    let model = safetensors::SafeTensors::deserialize(&model).unwrap();
    let mean = model.tensor("prepare.mean").unwrap().data().first_chunk::<4>().map(|c| f32::from_le_bytes(*c)).unwrap();
    assert!(err.contains(&format!("[{mean:?}]")), "{err}");
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
    let (_, err) = good(&["export", text(&run), "--overwrite"]);
    assert!(err.contains("each the stored byte (0 to 16) as a float; the graph divides it by 16"), "{err}");
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
        (vec!["export", "no/such"], 2, &["no/such", "reclra train --out"]),
        (vec!["export", text(&run), "--out", text(&file.join("below.onnx"))], 2, &["forward.onnx", "--out"]),
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
