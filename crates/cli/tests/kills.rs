//! Killed without a word at random moments, again and again, runs go on to the bits of one that was left alone: every rule
//! that keeps a state of its own, an image network, one run and many of a comparison, on one thread and on two.
//!
//! `RECLRA_KILLS=200 cargo test -p reclra-cli --test kills -- --nocapture` strikes at least so often at one command
//! and at the other, and says what came of it.

#![cfg(unix)]

mod common;

use common::going::{metrics, same, start};
use common::{good, text};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is trained: its name and the flags of its spec. Each takes some tenths of a second, most of them spent on writing
/// checkpoints.
const CASES: [(&str, &[&str]); 4] = [
    ("rec-lra", &["--rule", "rec-lra", "--arch", "64-24-16-10", "--epochs", "12"]),
    ("backprop", &["--rule", "backprop", "--arch", "64-24-16-10", "--epochs", "12"]),
    ("equilibrium-prop", &["--rule", "equilibrium-prop", "--arch", "64-24-16-10", "--epochs", "12"]),
    ("resnet8", &["--model", "resnet8", "--width", "2", "--epochs", "2"]),
];

/// What all of them have: an average of the weights, and shifted images, so that every generator counts.
const ALL: [&str; 6] = ["--shift", "1", "--set", "optim.average=0.99", "--log-steps", "3"];

/// Kills of each command, spread over what is trained.
fn wanted() -> u32 {
    std::env::var("RECLRA_KILLS").ok().map_or(24, |n| n.parse().expect("RECLRA_KILLS is a number"))
}

/// When to strike next, in microseconds: a multiplicative generator is random enough.
fn moment(rng: &mut u64, most: u64) -> Duration {
    *rng = rng.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    Duration::from_micros(2_000 + (*rng >> 33) % most)
}

/// Starts a command again and again and kills it, until `over`. How often it was killed.
fn killed(next: impl Fn() -> Vec<String>, over: impl Fn() -> bool, most: u64, rng: &mut u64) -> u32 {
    let mut kills = 0;
    loop {
        let args = next();
        let mut child = start(&args.iter().map(String::as_str).collect::<Vec<_>>());
        // On a busy machine a process needs longer until it has done something worth going on from.
        std::thread::sleep(moment(rng, most * u64::from(1 + kills / 8)));
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none_or(|status| status.success()), "{args:?}: {ended:?}");
        child.kill().unwrap();
        child.wait().unwrap();
        kills += u32::from(ended.is_none());
        if over() {
            return kills;
        }
        assert!(kills < 2000, "{args:?}: it makes no progress");
    }
}

fn owned(parts: &[&[&str]]) -> Vec<String> {
    parts.concat().into_iter().map(str::to_owned).collect()
}

#[test]
fn a_killed_run_goes_on_to_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let share = wanted().div_ceil(2 * CASES.len() as u32);
    let (mut all, mut runs) = (0, 0);
    for (name, flags) in CASES {
        let spec = [flags, &ALL[..]].concat();
        let whole = dir.path().join(name);
        good(&[&["train", "--out", text(&whole), "--quiet", "--threads", "1"][..], &spec].concat());
        for threads in ["1", "2"] {
            let (mut kills, mut rng) = (0, 7 + threads.len() as u64);
            while kills < share {
                let run = dir.path().join(format!("{name}-{threads}-{runs}"));
                let next = || match run.join("spec.toml").exists() {
                    // What is kept and logged is remembered.
                    true => owned(&[&["resume", text(&run), "--threads", threads]]),
                    false => {
                        let new = ["train", "--out", text(&run), "--overwrite", "--threads", threads];
                        owned(&[&new, &["--checkpoint-steps", "7"], &spec])
                    }
                };
                kills += killed(next, || run.join("result.json").exists(), 60_000, &mut rng);
                runs += 1;
                same(&whole, &run, &format!("{name} on {threads} threads, run {runs}"));
                assert!(runs < 1000, "{name}: it ends before it can be killed");
                fs::remove_dir_all(&run).unwrap();
            }
            all += kills;
        }
    }
    println!("train, resume: {all} kills, {runs} of {runs} runs ended with the bits of one that was left alone");
}

/// The folders of a comparison's runs, by their place in it.
fn folders(comparison: &Path) -> Vec<PathBuf> {
    let list = |folder: &Path| -> Vec<PathBuf> {
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()).collect()
    };
    let mut all: Vec<PathBuf> = list(comparison).iter().flat_map(|rule| list(rule)).collect();
    all.sort();
    all
}

#[test]
fn a_killed_comparison_goes_on_to_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let share = wanted().div_ceil(2);
    let comparisons: [(&str, &[&str]); 2] = [
        ("rules", &["--rules", "rec-lra,backprop,equilibrium-prop", "--arch", "64-24-16-10", "--epochs", "6"]),
        ("resnet8", &["--rules", "rec-lra,backprop", "--model", "resnet8", "--width", "2", "--epochs", "1"]),
    ];
    let (mut all, mut runs) = (0, 0);
    for (name, flags) in comparisons {
        let whole = dir.path().join(name);
        let common = [flags, &ALL[..], &["--seeds", "2", "--quiet"]].concat();
        good(&[&["compare", "--out", text(&whole), "--jobs", "1"][..], &common].concat());
        let (mut kills, mut rng) = (0, 3);
        while kills < share {
            let other = dir.path().join(format!("{name}-{runs}"));
            let keeping = ["--jobs", ["1", "2"][runs % 2], "--checkpoint-steps", "5"];
            let next = || owned(&[&["compare", "--out", text(&other)], &keeping, &common]);
            // The report is the last that is written.
            kills += killed(next, || other.join("report.html").exists(), 120_000, &mut rng);
            runs += 1;
            good(&next().iter().map(String::as_str).collect::<Vec<_>>());
            let (a, b) = (folders(&whole), folders(&other));
            assert_eq!(a.len(), b.len(), "{name}");
            for (one, two) in a.iter().zip(&b) {
                assert_eq!(one.strip_prefix(&whole).unwrap(), two.strip_prefix(&other).unwrap());
                let bytes = |run: &Path| fs::read(run.join("model.safetensors")).unwrap();
                assert!(bytes(one) == bytes(two), "{}: the weights differ", two.display());
                assert_eq!(metrics(one), metrics(two), "{}", two.display());
            }
            assert!(runs < 1000, "{name}: it ends before it can be killed");
            fs::remove_dir_all(&other).unwrap();
        }
        all += kills;
    }
    println!("compare: {all} kills, {runs} of {runs} comparisons ended with the bits of one that was left alone");
}
