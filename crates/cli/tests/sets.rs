//! What one commit, spec and seed promise on another processor: within an instruction set the same bits for any number of
//! threads; between two, whose lanes and fused operations round differently, numbers as near as that allows.

mod common;

use common::going::{metrics, same};
use common::{reclra, text, texts};
use safetensors::SafeTensors;
use std::fs;
use std::path::{Path, PathBuf};

/// Multilayer perceptrons: widths that fill no vector, one too large for a cache, every kernel that rules call.
const DENSE: [&[&str]; 6] = [
    &["--arch", "64-41-23-10", "--epochs", "2"],
    &["--arch", "64-33-17-10", "--set", "net.act=sign", "--epochs", "1"],
    &["--arch", "64-700-600-10", "--epochs", "1"],
    &["--arch", "64-41-23-10", "--rule", "backprop", "--epochs", "1", "--batch", "1000"],
    &["--arch", "64-41-23-10", "--rule", "difference-target-prop", "--epochs", "1"],
    &["--arch", "64-41-23-10", "--rule", "equilibrium-prop", "--epochs", "1"],
];

/// Image networks, for few steps: rounding has no time to grow into another run.
const IMAGES: [&[&str]; 2] = [
    &["--model", "resnet8", "--width", "4", "--epochs", "1", "--batch", "128"],
    &["--model", "noise-resnet8", "--width", "4", "--wiring", "skip", "--epochs", "1", "--batch", "128"],
];

/// A run in an instruction set; none where the processor lacks it.
fn trained(set: &str, threads: &str, flags: &[&str], out: &Path) -> Option<PathBuf> {
    let args = [&["train", "--out", text(out), "--quiet", "--threads", threads], flags].concat();
    let output = reclra(&args).env("RECLRA_SIMD", set).output().unwrap();
    let (_, err) = texts(&output);
    if err.contains("this processor has") {
        return None;
    }
    assert!(output.status.success(), "{set}: {err}");
    Some(out.to_owned())
}

/// The largest difference of two runs' weights, as a part of the largest weight of the same tensor.
fn apart(one: &Path, other: &Path) -> f64 {
    let bytes = [one, other].map(|run| fs::read(run.join("model.safetensors")).unwrap());
    let [a, b] = [&bytes[0], &bytes[1]].map(|b| SafeTensors::deserialize(b).unwrap());
    let numbers = |t: &SafeTensors<'_>, name: &str| -> Vec<f64> {
        let data = t.tensor(name).unwrap();
        data.data().chunks_exact(4).map(|c| f64::from(f32::from_le_bytes(c.try_into().unwrap()))).collect()
    };
    let mut worst = 0.0_f64;
    for name in a.names() {
        let (x, y) = (numbers(&a, name), numbers(&b, name));
        let size = x.iter().fold(1e-12, |m: f64, v| m.max(v.abs()));
        worst = x.iter().zip(&y).fold(worst, |w, (x, y)| w.max((x - y).abs() / size));
    }
    worst
}

/// The run in every set that this processor has, the one without vectors first; in each, three numbers of threads are
/// held to the same bits.
fn in_all_sets(flags: &[&str], dir: &Path) -> Vec<(&'static str, PathBuf)> {
    let mut found = Vec::new();
    for set in ["scalar", "neon", "avx2", "avx512"] {
        let at = |threads: &str| trained(set, threads, flags, &dir.join(format!("{set}-{threads}")));
        let Some(one) = at("1") else { continue };
        for threads in ["2", "3"] {
            same(&one, &at(threads).unwrap(), &format!("{flags:?}, {set}, {threads} threads"));
        }
        found.push((set, one));
    }
    found
}

/// The loss of the last epoch.
fn loss(run: &Path) -> f64 {
    metrics(run).iter().filter_map(|m| m["train_loss"].as_f64()).next_back().expect("an epoch was told of")
}

#[test]
fn perceptrons_round_by_set_and_learn_the_same() {
    for flags in DENSE {
        let dir = tempfile::tempdir().unwrap();
        for pair in in_all_sets(flags, dir.path()).windows(2) {
            let (sets, off) = ([pair[0].0, pair[1].0], apart(&pair[0].1, &pair[1].1));
            let losses = [loss(&pair[0].1), loss(&pair[1].1)];
            println!("{flags:?}: {sets:?}: weights {off:.1e} apart, losses {losses:?}");
            assert!(off < 0.01 && (losses[0] / losses[1] - 1.0).abs() < 1e-4, "{flags:?}, {sets:?}: {off}, {losses:?}");
        }
    }
}

/// A bias in front of a normalisation has no effect and no gradient but rounding, which Adam makes large: weights of image
/// networks are compared by what the network says.
#[test]
fn image_networks_round_by_set_and_say_the_same() {
    for flags in IMAGES {
        let dir = tempfile::tempdir().unwrap();
        for pair in in_all_sets(flags, dir.path()).windows(2) {
            let (sets, losses) = ([pair[0].0, pair[1].0], [loss(&pair[0].1), loss(&pair[1].1)]);
            println!("{flags:?}: {sets:?}: losses {losses:?}");
            assert!((losses[0] / losses[1] - 1.0).abs() < 1e-4, "{flags:?}, {sets:?}: {losses:?}");
        }
    }
}
