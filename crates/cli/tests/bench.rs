//! `reclra bench` through the binary: what it prints, what it writes, what it refuses. Not how fast anything is.

mod common;

use common::{bad, good, objects, reclra, text, texts};
use serde_json::Value;
use std::fs;

const STEP: [&str; 8] = ["bench", "step", "--seconds", "0.05", "--arch", "20-8-4", "--batch", "4"];

/// A finite positive number.
fn positive(object: &Value, key: &str) {
    let number = object[key].as_f64();
    assert!(number.is_some_and(|n| n.is_finite() && n > 0.0), "{key} is {} in {object}", object[key]);
}

#[test]
fn a_step_is_taken_apart() {
    let (out, err) = good(&[&STEP[..], &["--json", "--quiet"]].concat());
    assert_eq!(err, "");
    let all = objects(&out);
    let step = all.iter().find(|o| o["event"] == "step").unwrap_or_else(|| panic!("no step in {out}"));
    for key in ["median_us", "p10_us", "p90_us", "over_floor", "gflops", "gigabytes_per_second", "floor_us"] {
        positive(step, key);
    }
    for phase in ["forward", "messages", "update"] {
        for key in ["median_us", "floor_us", "over_floor", "gflops", "gigabytes_per_second"] {
            positive(&step[phase], key);
        }
    }
    assert_eq!((&step["widths"], &step["batch"]), (&serde_json::json!([20, 8, 4]), &serde_json::json!(4)));
    assert!(step["p10_us"].as_f64() <= step["median_us"].as_f64());
    assert!(step["median_us"].as_f64() <= step["p90_us"].as_f64());
}

#[test]
fn a_step_is_shown_phase_by_phase() {
    let (out, err) = good(&STEP);
    assert!(err.contains("ceiling: "), "{err}");
    for word in ["20-8-4", "batch 4", "us a step", "GFLOP/s", "forward", "messages", "update", "times floor"] {
        assert!(out.contains(word), "{word:?} is not in {out}");
    }
}

#[test]
fn an_epoch_is_held_against_its_steps() {
    let args = ["bench", "epoch", "--rounds", "1", "--arch", "64-8-10", "--threads", "1"];
    let (out, _) = good(&args);
    assert!(out.contains("on digits, 41 steps of 32") && out.contains("its steps alone"), "{out}");
    let (out, _) = good(&[&args[..], &["--json", "--quiet"]].concat());
    let all = objects(&out);
    let epoch = all.iter().find(|o| o["event"] == "epoch").unwrap_or_else(|| panic!("no epoch in {out}"));
    assert_eq!(epoch["steps"], 41);
    for key in ["epoch_seconds", "steps_seconds", "over_steps"] {
        positive(epoch, key);
    }
}

#[test]
fn scaling_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("scale");
    let args = ["bench", "scale", "--quick", "--seconds", "0.01", "--widest", "64", "--out", text(&out)];
    let (table, _) = good(&args);
    let csv = fs::read_to_string(out.join("scale.csv")).unwrap();
    let mut rows = csv.lines();
    assert!(rows.next().unwrap().starts_with("axis,at,threads,rule,widths,batch,median_us"), "{csv}");
    let rows: Vec<&str> = rows.collect();
    assert_eq!(rows.len() + 1, table.lines().count(), "a line of the table for each row: {table}{csv}");
    for axis in ["width", "depth", "batch"] {
        assert!(rows.iter().any(|r| r.starts_with(&format!("{axis},"))), "{csv}");
        let svg = fs::read_to_string(out.join(format!("scale-{axis}.svg"))).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains(axis), "{svg}");
    }
}

#[test]
fn a_long_run_stays_as_large_and_its_log_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let small = ["bench", "soak", "--threads", "1", "--arch", "64-8-10", "--json", "--quiet"];
    // Many steps of an epoch, as in a real run; the figures of an epoch are all that is added.
    let (out, _) = good(&[&small[..], &["--steps", "100000", "--batch", "1"]].concat());
    let soak = objects(&out).remove(0);
    assert_eq!((soak["steps"].as_u64(), soak["stretches"].as_array().unwrap().len()), (Some(100_000), 100));
    if let Some(growth) = soak["growth"].as_f64() {
        assert!(growth < 0.02, "{out}");
    }
    // Very many epochs: the log tells of a thousand.
    let (out, _) = good(&[&small[..], &["--steps", "24000", "--batch", "400", "--out", text(&run)]].concat());
    let soak = objects(&out).remove(0);
    assert!(soak["epochs"].as_u64().unwrap() > 5_000, "{out}");
    let log = fs::read_to_string(run.join("log.txt")).unwrap();
    assert_eq!(log.len() as u64, soak["log_bytes"].as_u64().unwrap());
    let epochs = log.lines().filter(|l| l.contains(" epoch ")).count();
    assert!((500..=1010).contains(&epochs), "{epochs}");
    // Its spec is that of so many epochs.
    let spec = fs::read_to_string(run.join("spec.toml")).unwrap();
    assert!(spec.contains(&format!("epochs = {}", soak["epochs"].as_u64().unwrap() + 1)), "{spec}");
    // Every epoch stands in the metrics, and the run can go on.
    let lines = fs::read_to_string(run.join("metrics.jsonl")).unwrap().lines().count();
    assert_eq!(lines as u64, soak["epochs"].as_u64().unwrap());
    let line = bad(&[&small[..], &["--out", text(&run)]].concat(), 2);
    assert!(line.contains(text(&run)) && line.contains("--out"), "{line}");
}

#[test]
fn what_cannot_be_measured_is_refused() {
    for (args, parts) in [
        (&["bench", "step", "--seconds", "0"][..], &["--seconds", "0.01 to 600"][..]),
        (&["bench", "step", "--seconds", "nan"], &["--seconds", "0.01 to 600"]),
        (&["bench", "scale", "--seconds", "soon"], &["--seconds", "0.01 to 600"]),
        (&["bench", "epoch", "--rounds", "0"], &["--rounds", "1"]),
        (&["bench", "scale", "--widest", "63"], &["--widest", "64"]),
        (&["bench", "step", "--arch", "20"], &["net.arch"]),
        (&["bench", "stpe"], &["stpe", "did you mean `step`"]),
    ] {
        let line = bad(args, 2);
        for part in parts {
            assert!(line.contains(part), "reclra {args:?} does not say {part:?}: {line}");
        }
    }
}

#[test]
fn an_instruction_set_there_is_not_is_refused() {
    let output = reclra(&STEP).env("RECLRA_SIMD", "mmx").output().unwrap();
    let (out, err) = texts(&output);
    assert_eq!((output.status.code(), out.as_str(), err.lines().count()), (Some(2), "", 1), "{err}");
    assert!(err.starts_with("error: RECLRA_SIMD = mmx: this processor has "), "{err}");
}
