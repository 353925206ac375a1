//! What the program says of itself: help, lists, drawings, completions, version.

mod common;

use common::{good, objects, reclra, text, texts};
use std::fs;

#[test]
fn help_is_as_written() {
    for command in [
        "",
        "train",
        "resume",
        "runs",
        "compare",
        "eval",
        "predict",
        "embed",
        "export",
        "import",
        "list",
        "inspect",
        "data",
        "report",
        "reproduce",
        "completions",
        "man",
    ] {
        let args: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let (out, err) = good(&args);
        assert_eq!(err, "");
        insta::assert_snapshot!(format!("help {command}").trim(), out);
    }
}

#[test]
fn the_version_names_the_commit() {
    let (out, _) = good(&["--version"]);
    let inside = out.trim().strip_prefix(concat!("reclra ", env!("CARGO_PKG_VERSION"), " (")).unwrap();
    let commit = inside.strip_suffix(')').unwrap();
    let hash = commit.len() == 10 && commit.chars().all(|c| c.is_ascii_hexdigit());
    assert!(hash || commit == "source archive", "{out}");
}

#[test]
fn everything_with_a_name_is_listed() {
    let (out, _) = good(&["list", "--json"]);
    let of = |topic: &str| -> Vec<String> {
        let entries = objects(&out).into_iter().filter(|o| o["topic"] == topic);
        entries.map(|o| o["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(of("data"), ["digits", "mnist", "fashion-mnist", "cifar10", "idx", "image-folder"]);
    assert_eq!(of("wirings"), ["chain", "gap", "full", "graph", "list", "skip", "layer"]);
    assert_eq!(of("activations"), ["tanh", "sigmoid", "relu", "lrelu", "elu", "sign", "identity"]);
    assert_eq!(of("optimisers"), ["adam", "sgd"]);
    assert_eq!(of("schedules"), ["constant", "linear", "cosine", "step"]);
    assert_eq!(of("plasticities"), ["mirror", "fixed", "algorithm1", "algorithm2", "readout"]);
    assert_eq!(of("models").len(), 8);
    assert!(of("layers").contains(&"noise-map".to_owned()));
    assert!(of("rules").contains(&"rec-lra".to_owned()));
    // Each is one line that says something, and each name works where it is used.
    let entries = objects(&out);
    assert!(entries.iter().all(|o| o["about"].as_str().is_some_and(|a| a.len() > 3 && !a.contains('\n'))));
    for (topic, flag) in [("activations", "--act"), ("schedules", "--schedule"), ("rules", "--rule")] {
        for name in of(topic) {
            good(&["train", flag, &name, "--print-spec"]);
        }
    }
    let specs = [good(&["train", "--print-spec"]).0, good(&["train", "--model", "resnet8", "--print-spec"]).0].concat();
    for key in of("keys") {
        let last = key.rsplit('.').next().unwrap();
        let elsewhere = ["gap", "synapses", "mix"].contains(&last) || key.starts_with("rule.");
        assert!(elsewhere || specs.contains(&format!("{last} = ")), "{key} is in the printed spec");
    }
}

#[test]
fn the_defaults_in_the_list_are_those_in_use() {
    let (keys, _) = good(&["list", "keys", "--json"]);
    let (spec, _) = good(&["train", "--print-spec"]);
    let spec: toml::Table = toml::from_str(&spec).unwrap();
    let mut checked = 0;
    for entry in objects(&keys) {
        let (name, about) = (entry["name"].as_str().unwrap(), entry["about"].as_str().unwrap());
        // `[0.9]` at the end of a line is a default for all runs; `[0; 1 for digits]` depends.
        let Some((_, default)) = about.trim_end_matches(']').rsplit_once('[') else { continue };
        let Ok(default) = default.parse::<f64>() else { continue };
        let value = name.split('.').try_fold(&toml::Value::Table(spec.clone()), |v, k| v.get(k)).cloned();
        let Some(value) = value else { continue };
        let value = value.as_float().or(value.as_integer().map(|i| i as f64));
        assert_eq!(value, Some(default), "{name}: {about}");
        checked += 1;
    }
    assert!(checked >= 8, "only {checked} defaults were found");
}

#[test]
fn a_network_is_shown() {
    let (out, _) = good(&["inspect", "--data", "mnist", "--act", "sign", "--arch", "784-2x20-10"]);
    insta::assert_snapshot!("inspect sign", out);
    let (out, _) = good(&["inspect", "--wiring", "graph", "--set", "rule.gap=1", "--json"]);
    let o = &objects(&out)[0];
    assert_eq!(o["waves"], serde_json::json!([["out"], ["b3"], ["b2"], ["b1"]]));
    assert_eq!(o["parameters"], 64 * 256 + 256 + 2 * (256 * 256 + 256) + 256 * 10 + 10);
    // 4 bytes a number. E mirrors the two W above the first hidden region and out's; from out to the others it has moments
    // of its own. Adam keeps two; signals are z of the input and h, z, e, d, y of the others.
    let (w, shared, apart) = (64 * 256 + 256 + 2 * (256 * 256 + 256) + 2570, 2 * 256 * 256 + 2560, 2 * 2560);
    assert_eq!(o["memory"]["weights"], 4 * w);
    assert_eq!(o["memory"]["rule"], 4 * (shared + apart));
    assert_eq!(o["memory"]["moments"], 8 * (w + apart));
    assert_eq!(o["memory"]["signals"], 4 * 32 * (64 + 5 * (3 * 256 + 10)));
    // What is evaluated in panels, what updates read turned, Gram matrices of three e and three z.
    assert_eq!(o["memory"]["kernels"], 4 * (256 * 256 + 32 * (64 + 3 * 256) + 6 * 32 * 32));
    // h of one region, z of two: 256 samples at a time.
    assert_eq!(o["memory"]["evaluation"], 4 * 256 * 3 * 256);
    let parts = ["weights", "average", "rule", "moments", "signals", "kernels", "evaluation", "alignment", "states"];
    let parts = parts.map(|p| o["memory"][p].as_u64().unwrap());
    assert_eq!(o["memory"]["total"], parts.iter().sum::<u64>());
    let flags = ["--arch", "64-4x8-10", "--wiring", "gap", "--set", "rule.gap=2", "--set", "net.residual=2"];
    let (dot, _) = good(&[&["inspect", "--dot"], &flags[..]].concat());
    insta::assert_snapshot!("inspect dot", dot);
}

#[test]
fn a_spec_file_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.toml");
    fs::write(&path, "[net]\narch = \"64-12-10\"\n[rule]\nplasticity = \"algorithm1\"\n").unwrap();
    let (out, err) = good(&["inspect", text(&path)]);
    assert!(out.contains("12x64") && err.contains("warning: plasticity algorithm1"), "{out}{err}");
    // Training says it too.
    let (_, err) = good(&["train", text(&path), "--epochs", "1", "--lr", "1e-6"]);
    assert!(err.contains("warning: plasticity algorithm1"), "{err}");
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (out, _) = good(&["completions", shell]);
        assert!(out.contains("reproduce") && out.contains("print-spec"), "{shell}");
    }
}

/// Colour is for terminals: what a file or another program gets has none, with `NO_COLOR` or without.
#[test]
fn no_colour_off_a_terminal() {
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "xterm-256color")] {
        for args in [&["--help"][..], &["train", "--epoch", "1"], &["train", "--epochs", "1"]] {
            let output = reclra(args).env(name, value).output().unwrap();
            let (out, err) = texts(&output);
            assert!(!out.contains('\u{1b}') && !err.contains('\u{1b}'), "{args:?}");
        }
    }
}
