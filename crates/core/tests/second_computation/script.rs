//! The script and its numbers: that they belong together, and that the draws are those of their keys.

use reclra::Device;
use reclra::compute::rng::Key;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference"))
}

/// Differences of two files of numbers, texts and structure exactly, numbers to 1e-12.
fn differences(path: &str, a: &Value, b: &Value, found: &mut Vec<String>) {
    match (a, b) {
        (Value::Array(x), Value::Array(y)) if x.len() == y.len() => {
            x.iter().zip(y).enumerate().for_each(|(i, (x, y))| differences(&format!("{path}/{i}"), x, y, found));
        }
        (Value::Object(x), Value::Object(y)) if x.keys().eq(y.keys()) => {
            x.iter().for_each(|(k, x)| differences(&format!("{path}/{k}"), x, &y[k], found));
        }
        (Value::Number(x), Value::Number(y)) => {
            let [x, y] = [x, y].map(|n| n.as_f64().unwrap_or(f64::NAN));
            if (x - y).abs() > 1e-12 * (1.0 + x.abs()) {
                found.push(format!("{path}: {x} against {y}"));
            }
        }
        _ if a == b => {}
        _ => found.push(format!("{path}: {a} against {b}")),
    }
}

#[test]
fn the_script_makes_the_numbers() {
    let python = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/env/bin/python"));
    let has_numpy = Command::new(python).args(["-c", "import numpy"]).status().is_ok_and(|s| s.success());
    if !has_numpy {
        let required = std::env::var("RECLRA_REQUIRE_TOOLS").is_ok_and(|v| v == "1");
        assert!(!required, "tests/env has no NumPy, and RECLRA_REQUIRE_TOOLS is 1: run tests/setup.sh");
        eprintln!("left out: tests/env has no NumPy; tests/setup.sh makes it");
        return;
    }
    let made = std::env::temp_dir().join(format!("reclra-reference-{}", std::process::id()));
    std::fs::create_dir_all(&made).expect("a folder for temporary files");
    let output = Command::new(python).arg(folder().join("compute.py")).arg(&made).output().expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut found = Vec::new();
    for file in ["perceptrons.json", "images.json"] {
        let read = |folder: &Path| -> Value {
            let text = std::fs::read_to_string(folder.join(file)).expect("the file is there");
            serde_json::from_str(&text).expect("JSON")
        };
        differences(file, &read(folder()), &read(&made), &mut found);
    }
    std::fs::remove_dir_all(&made).expect("the folder is ours");
    assert!(found.is_empty(), "run reference/compute.py; {} differ: {:?}", found.len(), &found[..found.len().min(5)]);
}

/// The draws of a key, written as a path: the seed, then children by number or by name.
fn draw(path: &str, how: &str, len: usize) -> Vec<f64> {
    let mut parts = path.split('/');
    let seed = parts.next().and_then(|s| s.parse().ok()).expect("a seed");
    let child = |key: Key, part: &str| part.parse().map_or_else(|_| key.child_named(part), |n| key.child(n));
    let key = parts.fold(Key::new(seed), child);
    match how.split_once(' ') {
        None if how == "normal" => key.normal(len, 1.0),
        None if how == "uniform" => key.uniform(len, 1.0),
        Some(("drop", share)) => {
            let share: f64 = share.parse().expect("a share");
            let device = Device::oracle();
            let mut kept = device.zeros(&[len, 1]);
            device.drop_units(&device.tensor(&[len, 1], &vec![1.0; len]), share, key, &mut kept);
            kept.to_vec().iter().map(|&v| f64::from(u8::from(v != 0.0))).collect()
        }
        _ => panic!("unknown draw: {how}"),
    }
}

#[test]
fn draws_are_those_of_their_keys() {
    let path = folder().join("draws.json");
    let text = std::fs::read_to_string(&path).expect("the draws are there");
    let mut list: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let write = std::env::var("RECLRA_WRITE_DRAWS").is_ok_and(|v| v == "1");
    for entry in &mut list {
        let text = |key: &str| entry[key].as_str().expect("text");
        let drawn = draw(text("key"), text("how"), entry["len"].as_u64().expect("a count") as usize);
        if write {
            entry["values"] = Value::from(drawn);
            continue;
        }
        let there: Vec<f64> = entry["values"].as_array().expect("a list").iter().filter_map(Value::as_f64).collect();
        assert_eq!(there.len(), drawn.len(), "{}", entry["key"]);
        assert!(there.iter().zip(&drawn).all(|(a, b)| (a - b).abs() < 1e-14), "{}", entry["key"]);
    }
    if write {
        let rows: Vec<String> = list.iter().map(Value::to_string).collect();
        std::fs::write(&path, format!("[\n{}\n]\n", rows.join(",\n"))).expect("it can be written");
    }
}
