//! `reclra embed` through the binary: three files, the same twice, and what is asked wrongly.

mod common;

use common::{bad, good, mnist, objects, text};
use std::fs;
use std::path::Path;

/// A network of two hidden regions on the embedded digits.
fn train(out: &Path, epochs: &str, more: &[&str]) {
    let args = ["train", "--arch", "64-24-12-10", "--epochs", epochs, "--quiet", "--out", text(out)];
    good(&[&args[..], more].concat());
}

#[test]
fn runs_are_mapped_side_by_side_and_the_same_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    train(&a, "10", &[]);
    // Averaged weights are what is evaluated; equilibrium propagation settles.
    train(&b, "2", &["--seed", "1", "--set", "optim.average=0.9", "--rule", "equilibrium-prop"]);
    let shared = ["embed", text(&a), text(&b), "--samples", "150", "--perplexity", "12", "--iterations", "300"];
    let (out, err) = good(&[&shared[..], &["--json"]].concat());
    assert!(err.contains("b2, 12 units, 150 test samples"), "{err}");
    let said = objects(&out);
    assert_eq!(said.iter().map(|o| o["event"].as_str().unwrap()).collect::<Vec<_>>(), ["embed", "embed", "files"]);
    for (object, run) in said.iter().zip([&a, &b]) {
        assert_eq!((object["run"].as_str(), object["layer"].as_str()), (Some(text(run)), Some("b2")));
        assert_eq!((object["samples"].as_u64(), object["neighbours"].as_u64()), (Some(150), Some(5)));
        for error in ["map_error", "layer_error"] {
            assert!(object[error].as_f64().is_some_and(|e| (0.0..0.5).contains(&e)), "{object}");
        }
    }
    // The folder of the first run, and one line a sample of each run in the order of the test part.
    let csv = fs::read_to_string(a.join("embed.csv")).unwrap();
    let lines: Vec<Vec<&str>> = csv.lines().map(|l| l.split(',').collect()).collect();
    assert_eq!((lines.len(), lines[0].join(" ").as_str()), (301, "run sample label class x y"));
    // Samples are drawn at random from the 359, the same for both runs.
    let drawn: Vec<usize> = lines[1..].iter().map(|line| line[1].parse().unwrap()).collect();
    assert!(drawn[..150] == drawn[150..] && drawn[..150].is_sorted_by(|a, b| a < b) && drawn[149] < 359, "{drawn:?}");
    assert!(drawn[149] > 200, "from all of the part, not its beginning: {drawn:?}");
    for (n, line) in lines[1..].iter().enumerate() {
        assert_eq!(line[0], text([&a, &b][n / 150]));
        assert!(line[2] == line[3] && line[4..].iter().all(|v| v.parse::<f32>().unwrap().is_finite()));
    }
    assert!(fs::read_to_string(a.join("embed.svg")).unwrap().starts_with("<svg"));
    assert!(fs::read(a.join("embed.png")).unwrap().starts_with(b"\x89PNG"));
    // A map that is there is not replaced unasked.
    let refused = [&shared[..2], &["--method", "pca"]].concat();
    let line = bad(&refused, 2);
    assert!(line.contains("embed.csv: is there already") && line.contains("--out or add --overwrite"), "{line}");
    assert_eq!(fs::read_to_string(a.join("embed.csv")).unwrap(), csv);
    // Again, elsewhere, with another number of threads: the same bytes.
    let other = dir.path().join("maps");
    let (out, _) = good(&[&shared[..], &["--threads", "1", "--out", text(&other)]].concat());
    assert!(out.contains("5-NN error in the map") && out.lines().count() == 3, "{out}");
    for name in ["embed.csv", "embed.svg", "embed.png"] {
        assert!(fs::read(a.join(name)).unwrap() == fs::read(other.join(name)).unwrap(), "{name} is the same twice");
    }
}

#[test]
fn any_layer_part_and_method_can_be_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    train(&run, "2", &[]);
    let file = run.join("model.safetensors");
    for (flags, lines, said) in [
        (&["--layer", "in", "--method", "pca"][..], 360, "in, 64 units, 359 test samples; principal components"),
        (
            &["--layer", "out", "--part", "validation", "--iterations", "50"],
            145,
            "out, 10 units, 144 validation samples",
        ),
        (&["--layer", "b1", "--part", "train", "--samples", "40", "--method", "pca"], 41, "b1, 24 units, 40 train"),
    ] {
        let out = dir.path().join("new/folder");
        let (shown, err) = good(&[&["embed", text(&file), "--out", text(&out), "--overwrite"], flags].concat());
        assert!(err.contains(said), "{err}");
        assert_eq!(shown.contains("variance in the map"), flags.contains(&"pca"), "{shown}");
        assert_eq!(fs::read_to_string(out.join("embed.csv")).unwrap().lines().count(), lines);
    }
    let (_, err) = good(&["embed", text(&run), "--method", "pca", "--quiet"]);
    assert_eq!(err, "");
}

#[test]
fn what_is_asked_wrongly_is_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let (run, other, data) = (dir.path().join("run"), dir.path().join("other"), dir.path().join("data"));
    train(&run, "1", &[]);
    mnist(&data);
    let args = ["train", "--data", "mnist", "--data-dir", text(&data), "--arch", "36-8-10", "--epochs", "1"];
    good(&[&args[..], &["--set", "data.validation=0", "--out", text(&other)]].concat());
    let run = text(&run);
    let cases: &[(&[&str], i32, &[&str])] = &[
        (&["embed"], 2, &["<RUN>"]),
        (
            &["embed", run, "--layer", "b3"],
            2,
            &[run, "--layer", "unknown region `b3`", "did you mean `b", "in, b1, b2, out"],
        ),
        (&["embed", run, "--perplexity", "200"], 2, &[run, "--perplexity 200", "359 samples", "119.3"]),
        (&["embed", run, "--perplexity", "-1"], 2, &["--perplexity -1"]),
        (&["embed", run, "--samples", "50"], 2, &["--perplexity 30", "50 samples allow 1 to 16.3"]),
        (&["embed", run, "--samples", "5"], 2, &["5 samples are too few"]),
        (&["embed", run, "--samples", "0"], 2, &["--samples", "1 to 20000"]),
        (&["embed", run, "--iterations", "0"], 2, &["--iterations"]),
        (&["embed", run, "--method", "umap"], 2, &["--method", "tsne, pca"]),
        (&["embed", run, text(&other)], 2, &[text(&other), "mnist", "digits", "one data set"]),
        (&["embed", text(&other), "--part", "validation"], 2, &["0 samples are too few", "--part"]),
        (&["embed", text(&other), "--data-dir", "no/such"], 1, &["no/such"]),
        (&["embed", "no/such"], 2, &["no/such", "no such file"]),
        (&["embed", run, "no/such"], 2, &["no/such", "reclra train --out"]),
        (&["embed", run, "--method", "pca", "--out", &format!("{run}/spec.toml")], 2, &["spec.toml", "is a file"]),
    ];
    for (args, code, parts) in cases {
        let line = bad(args, *code);
        for part in *parts {
            assert!(line.contains(part), "reclra {args:?} does not say {part:?}: {line}");
        }
    }
    // Nothing was written.
    assert!(!dir.path().join("run/embed.csv").exists() && !dir.path().join("other/embed.csv").exists());
}
