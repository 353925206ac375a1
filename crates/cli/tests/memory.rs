//! What `inspect` says a run will hold at its height, against what the system says it held (Linux), over the models.

#![cfg(target_os = "linux")]

mod common;

use common::{good, objects, text};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// How far the estimate may be off.
const WITHIN: f64 = 0.15;

/// 32x32 pictures, of two classes, in a folder.
fn pictures(dir: &Path) {
    for (part, count) in [("train", 300), ("test", 260)] {
        for n in 0..count {
            let folder = dir.join(part).join(["even", "odd"][n % 2]);
            fs::create_dir_all(&folder).unwrap();
            let pixels: Vec<u8> = (0..3072).map(|i| (i * (n + 3) % 251) as u8).collect();
            let picture = [b"P6 32 32 255\n", &pixels[..]].concat();
            fs::write(folder.join(format!("{n}.ppm")), picture).unwrap();
        }
    }
}

#[test]
fn a_run_holds_what_inspect_says() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("pictures");
    pictures(&folder);
    let images = ["--data", "image-folder", "--data-dir", text(&folder)];
    // Large enough that the program, which differs from build to build, is a small part.
    let cases: [(&str, &[&str], bool); 25] = [
        ("large perceptron", &["--arch", "64-2048-2048-10"], false),
        (
            "large perceptron, backprop, large batch",
            &["--arch", "64-2048-2048-10", "--rule", "backprop", "--batch", "500"],
            false,
        ),
        ("large perceptron, large batch", &["--arch", "64-2048-2048-10", "--batch", "500"], false),
        ("large perceptron, two threads", &["--arch", "64-2048-2048-10", "--threads", "2"], false),
        (
            "deep perceptron, direct feedback",
            &["--arch", "64-4x1024-10", "--rule", "direct-feedback-alignment", "--batch", "300"],
            false,
        ),
        (
            "deep perceptron, difference target-prop",
            &["--arch", "64-4x1024-10", "--rule", "difference-target-prop", "--batch", "300"],
            false,
        ),
        ("deep perceptron, alignment", &["--arch", "64-20x300-10", "--track-alignment"], false),
        (
            "large perceptron, large batch, alignment",
            &["--arch", "64-2x1500-10", "--batch", "500", "--track-alignment"],
            false,
        ),
        ("deep perceptron, LRA-E", &["--arch", "64-4x1024-10", "--rule", "lra-e", "--batch", "300"], false),
        ("deep perceptron, Hebbian", &["--arch", "64-4x1024-10", "--rule", "hebbian", "--batch", "300"], false),
        ("large perceptron, head-only", &["--arch", "64-2x1500-10", "--rule", "head-only", "--batch", "500"], false),
        (
            "large perceptron, equilibrium-prop",
            &["--arch", "64-2048-10", "--rule", "equilibrium-prop", "--batch", "400"],
            false,
        ),
        (
            "large perceptron, sgd, average",
            &["--arch", "64-2048-2048-10", "--set", "optim.name=sgd", "--set", "optim.average=0.9"],
            false,
        ),
        ("resnet8, skip", &["--model", "resnet8", "--width", "16", "--batch", "64", "--wiring", "skip"], true),
        ("resnet8, backprop", &["--model", "resnet8", "--width", "16", "--batch", "64", "--rule", "backprop"], true),
        (
            "resnet8, layer, inner rec-LRA",
            &["--model", "resnet8", "--width", "16", "--batch", "64", "--wiring", "layer", "--inner", "rec-lra"],
            true,
        ),
        (
            "noise-resnet8, skip",
            &["--model", "noise-resnet8", "--width", "16", "--batch", "64", "--wiring", "skip"],
            true,
        ),
        (
            "noise-free-resnet8, backprop",
            &["--model", "noise-free-resnet8", "--width", "16", "--batch", "64", "--rule", "backprop"],
            true,
        ),
        (
            "resnet8, skip, two threads",
            &["--model", "resnet8", "--width", "16", "--batch", "64", "--wiring", "skip", "--threads", "2"],
            true,
        ),
        ("resnet20, layer", &["--model", "resnet20", "--width", "16", "--batch", "32", "--wiring", "layer"], true),
        ("resnet18, skip", &["--model", "resnet18", "--width", "32", "--batch", "16", "--wiring", "skip"], true),
        (
            "noise-resnet18, skip",
            &["--model", "noise-resnet18", "--width", "32", "--batch", "16", "--wiring", "skip"],
            true,
        ),
        ("resnet8, head-only", &["--model", "resnet8", "--width", "16", "--batch", "64", "--rule", "head-only"], true),
        (
            "resnet8, feedback alignment",
            &["--model", "resnet8", "--width", "16", "--batch", "64", "--rule", "feedback-alignment"],
            true,
        ),
        ("lenet", &["--model", "lenet", "--batch", "250"], true),
    ];
    let mut off = Vec::new();
    println!("| run | MB said | MB held | said / held |\n|---|---|---|---|");
    for (name, flags, pictured) in cases {
        let data: &[&str] = if pictured { &images } else { &[] };
        // How many threads there are is no setting of the run.
        let settings = flags.iter().position(|f| *f == "--threads").map_or(flags, |at| &flags[..at]);
        let (said, _) = good(&[&["inspect", "--json"], data, settings].concat());
        let said = objects(&said)[0]["peak_memory"]["total"].as_f64().unwrap();
        let run = dir.path().join("run");
        let new = ["train", "--out", text(&run), "--overwrite", "--quiet", "--epochs", "1"];
        let one: &[&str] = if flags.contains(&"--threads") { &[] } else { &["--threads", "1"] };
        good(&[&new, data, flags, one].concat());
        let result: Value = serde_json::from_slice(&fs::read(run.join("result.json")).unwrap()).unwrap();
        let held = result["peak_memory"].as_f64().expect("Linux tells");
        println!("| {name} | {:.0} | {:.0} | {:.2} |", said * 1e-6, held * 1e-6, said / held);
        if (said / held - 1.0).abs() > WITHIN {
            off.push(format!("{name}: {said} said, {held} held"));
        }
    }
    assert!(off.is_empty(), "{off:#?}");
}

/// The best state waits to be written while training goes on, and a state that is gone on with was read from a file.
#[test]
fn later_epochs_and_a_resume_hold_what_is_said_too() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let settings = ["--arch", "64-2x2500-10", "--rule", "head-only", "--batch", "50", "--epochs"];
    let held = || -> f64 {
        let result: Value = serde_json::from_slice(&fs::read(run.join("result.json")).unwrap()).unwrap();
        result["peak_memory"].as_f64().expect("Linux tells")
    };
    let (said, _) = good(&[&["inspect", "--json"], &settings[..], &["3"]].concat());
    let said = objects(&said)[0]["peak_memory"]["total"].as_f64().unwrap();
    good(&[&["train", "--out", text(&run), "--quiet", "--threads", "1"], &settings[..], &["3"]].concat());
    let trained = held();
    good(&["resume", text(&run), "--quiet", "--threads", "1", "--epochs", "5"]);
    let resumed = held();
    println!("{said} said, {trained} held, {resumed} held by the resumed run");
    for held in [trained, resumed] {
        // A state once more in memory would be a third.
        assert!((said / held - 1.0).abs() <= WITHIN / 2.0, "{said} said, {held} held");
    }
}
