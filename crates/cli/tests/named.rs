//! Data sets by name and by content, short names, settings that contradict each other, and warnings about how a run went.

mod common;

use common::*;
use std::fs;
use std::path::Path;

/// A set of idx files of 6x6 images: class `n` of `labels` is a bar at a place of its own.
fn set(folder: &Path, names: [&str; 4], labels: &[u8], counts: [usize; 2]) {
    fs::create_dir_all(folder).unwrap();
    for (files, count) in names.chunks_exact(2).zip(counts) {
        let (mut pixels, mut classes) = (Vec::new(), Vec::new());
        for i in 0..count {
            let class = i % labels.len();
            pixels.extend((0..SIDE * SIDE).map(|p| if p == class { 250 } else { ((i + p) % 20) as u8 }));
            classes.push(labels[class]);
        }
        let (n, side) = (count as u32, SIDE as u32);
        fs::write(folder.join(files[0]), idx(0x0803, &[n, side, side], &pixels)).unwrap();
        fs::write(folder.join(files[1]), idx(0x0801, &[n], &classes)).unwrap();
    }
}

const PLAIN: [&str; 4] = [TRAIN.0, TRAIN.1, TEST.0, TEST.1];
const EMNIST: [&str; 4] = [
    "emnist-letters-train-images-idx3-ubyte",
    "emnist-letters-train-labels-idx1-ubyte",
    "emnist-letters-test-images-idx3-ubyte",
    "emnist-letters-test-labels-idx1-ubyte",
];

#[test]
fn idx_files_of_any_number_of_classes_are_a_data_set() {
    let dir = tempfile::tempdir().unwrap();
    let letters: Vec<u8> = (1..=26).collect();
    for (name, files) in [("plain", PLAIN), ("named", EMNIST)] {
        let (folder, run) = (dir.path().join(name), dir.path().join(format!("run-{name}")));
        set(&folder, files, &letters, [260, 130]);
        let data = [
            "train",
            "--data",
            "idx",
            "--data-dir",
            text(&folder),
            "--arch",
            "36-16-26",
            "--lr",
            "1e-2",
            "--shift",
            "0",
        ];
        let (out, _) = good(&[&data[..], &["--epochs", "8", "--batch", "8", "--out", text(&run)]].concat());
        assert!(test_error(&out) < 20.0, "{out}");
        let (out, _) = good(&["eval", text(&run), "--json"]);
        let classes = objects(&out)[0]["classes"].as_array().unwrap().clone();
        assert_eq!((classes.len(), classes[0].as_str(), classes[25].as_str()), (26, Some("1"), Some("26")));
        let line = bad(&["train", "--data", "mnist", "--data-dir", text(&folder)], 1);
        assert!(line.contains("--data idx") && !line.contains("fetch it again"), "{line}");
        let (out, _) = good(&["data", "info", "idx", "--data-dir", text(&folder)]);
        assert!(out.contains("260 for training, 130 for testing") && out.contains("26: 1, 2, 3"), "{out}");
    }
}

#[test]
fn the_layout_of_torchvision_is_found() {
    let dir = tempfile::tempdir().unwrap();
    mnist(&dir.path().join("tv/MNIST/raw"));
    mnist(&dir.path().join("tv/FashionMNIST/raw"));
    for (data, at) in
        [("mnist", "tv"), ("mnist", "tv/MNIST"), ("fashion-mnist", "tv"), ("FashionMNIST", "tv/FashionMNIST")]
    {
        let folder = dir.path().join(at);
        let (out, _) =
            good(&["train", "--data", data, "--data-dir", text(&folder), "--arch", "36-4-10", "--epochs", "1", "-q"]);
        assert!(test_error(&out) <= 100.0);
    }
    let line = bad(&["train", "--data", "mnist", "--data-dir", text(dir.path())], 1);
    assert!(line.contains("MNIST/raw"), "{line}");
}

#[test]
fn other_images_in_the_format_of_mnist_are_trained_on_with_a_note_and_no_claims() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, run) = (dir.path().join("data"), dir.path().join("run"));
    mnist(&folder);
    let words =
        ["train", "--data", "mnist", "--data-dir", text(&folder), "--arch", "36-8-10", "--epochs", "2", "--lr", "1e-2"];
    let (_, err) = good(&[&words[..], &["--out", text(&run)]].concat());
    assert!(err.contains("mnist: this is not the published mnist"), "{err}");
    assert!(err.contains("warning: 40 validation images: one image is 2.50 % of their error"), "{err}");
    let report = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(report.contains("These images are not those of the published mnist"), "no note");
    assert!(!report.contains("1.82"), "the paper's figure for MNIST");
    assert!(report.contains("40 validation images"), "the warning");
    let facts: serde_json::Value = serde_json::from_slice(&fs::read(run.join("environment.json")).unwrap()).unwrap();
    assert_eq!(facts["facts"]["published"], false);
    good(&["eval", text(&run)]);
    let more = [&words[..], &["--print-spec", "--data", "x"]].concat();
    assert!(bad(&more, 2).contains("cannot be used multiple times"));
}

#[test]
fn names_are_understood_in_any_letter_case_and_shown_as_they_are() {
    let value = |spec: &str, key: &str| {
        let (section, name) = key.split_once('.').unwrap();
        spec.parse::<toml::Table>().unwrap()[section][name].as_str().unwrap().to_owned()
    };
    for (rule, own) in [
        ("BP", "backprop"),
        ("fa", "feedback-alignment"),
        ("DFA", "direct-feedback-alignment"),
        ("dtp", "difference-target-prop"),
        ("ep", "equilibrium-prop"),
        ("Rec-LRA", "rec-lra"),
    ] {
        let (spec, _) = good(&["train", "--rule", rule, "--print-spec"]);
        assert_eq!(value(&spec, "rule.name"), own);
    }
    let none = tempfile::tempdir().unwrap();
    for (data, own) in [
        ("MNIST", "mnist"),
        ("FashionMNIST", "fashion-mnist"),
        ("CIFAR10", "cifar10"),
        ("CIFAR-10", "cifar10"),
        ("Digits", "digits"),
    ] {
        let dir = if own == "digits" { "" } else { text(none.path()) };
        let (spec, _) = good(&["train", "--data", data, "--set", &format!("data.dir={dir}"), "--print-spec"]);
        assert_eq!(value(&spec, "data.name"), own);
        assert!(
            reclra(&["data", "info", data]).output().is_ok_and(|o| !texts(&o).1.contains("unknown data set")),
            "{data}"
        );
    }
    good(&["data", "fetch", "DIGITS"]);
    let out = none.path().join("compare");
    let words =
        ["compare", "--rules", "BP,fa", "--seeds", "1", "--epochs", "1", "--arch", "64-8-10", "--out", text(&out)];
    let (table, _) = good(&words);
    assert!(table.contains("backprop") && table.contains("feedback-alignment"), "{table}");
    assert!(bad(&["compare", "--rules", "bp,backprop"], 2).contains("named twice"));
    let (rules, _) = good(&["list", "rules"]);
    assert!(rules.contains("[short: dfa]") && rules.contains("one weight a channel and class"), "{rules}");
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    for (words, line) in [
        (&["--set", "optim.lr=1", "--lr", "2"][..], "optim.lr is given twice, 1 by --set and 2 by --lr; leave one out"),
        (
            &["--set", "optim.lr=1", "--set", "optim.lr=2"],
            "optim.lr is given twice, 1 by --set and 2 by --set; leave one out",
        ),
        (&["--rule", "bp", "--set", "rule.name=fa"], "rule.name is given twice"),
        (&["--set", "train.alignment=false", "--track-alignment"], "train.alignment is given twice"),
        (&["--data-dir", "x", "--set", "data.dir=y"], "data.dir is given twice"),
        (&["--set", "optim.momentum=0.5"], "optim.momentum = 0.5: is read by sgd only"),
        (&["--data-dir", "x"], "data.dir = \"x\": is read by data sets of files only"),
    ] {
        let found = bad(&[&["train"], words].concat(), 2);
        assert!(found.starts_with(line), "{found}");
    }
    let grid = ["compare", "--rules", "bp", "--grid", "optim.lr=1e-3,1e-2", "--lr", "1"];
    assert!(bad(&grid, 2).starts_with("optim.lr is given twice, by --grid and by a flag"));
    assert!(bad(&["bench", "scale", "--arch", "64-10"], 2).starts_with("net.arch is not a setting of bench scale"));
    // The same value twice is no contradiction.
    good(&[
        "train",
        "--set",
        "optim.lr=1",
        "--lr",
        "1.0",
        "--rule",
        "BP",
        "--set",
        "rule.name=backprop",
        "--print-spec",
    ]);
    let dir = tempfile::tempdir().unwrap();
    let spec = dir.path().join("a.toml");
    fs::write(&spec, "[optimizr]\n").unwrap();
    assert!(bad(&["train", text(&spec)], 2).contains("unknown key `optimizr`, did you mean `optim`?"));
    fs::write(&spec, "[optim]\nlr = 1.0\n").unwrap();
    let (printed, _) = good(&["train", text(&spec), "--lr", "2", "--print-spec"]);
    assert!(printed.contains("lr = 2.0"), "a flag still overrides the file");
}

#[test]
fn a_default_batch_shrinks_to_a_small_set_and_one_that_was_asked_for_does_not() {
    let dir = tempfile::tempdir().unwrap();
    set(dir.path(), PLAIN, &[0, 1, 2], [12, 12]);
    let data = ["--data", "idx", "--data-dir", text(dir.path()), "--arch", "36-4-3", "--epochs", "1"];
    let (run, many) = (dir.path().join("run"), dir.path().join("many"));
    good(&[&["train", "-q", "--out", text(&run)], &data[..]].concat());
    assert!(fs::read_to_string(run.join("spec.toml")).unwrap().contains("batch = 11"));
    good(&[&["compare", "--rules", "bp", "--seeds", "1", "--out", text(&many)], &data[..]].concat());
    good(&[&["bench", "epoch", "--rounds", "1"], &data[..]].concat());
    let line = bad(&[&["train", "--batch", "12"], &data[..]].concat(), 2);
    assert_eq!(line, "train.batch = 12: must be at most the 11 training images");
}

#[test]
fn a_run_that_ends_at_chance_says_so_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let (run, many) = (dir.path().join("run"), dir.path().join("many"));
    let words = ["--lr", "1e3", "--epochs", "3", "--set", "optim.radius=0", "--rule", "bp", "--act", "sigmoid"];
    let (out, err) = good(&[&["train", "-q", "--out", text(&run)], &words[..]].concat());
    assert!(test_error(&out) > 85.0, "{out}");
    assert!(err.contains("warning: test error ") && err.contains("no better than chance"), "{err}");
    // The most frequent class of the 359 test images has 37.
    assert!(err.contains("errs in 89.69 %"), "{err}");
    let result: serde_json::Value = serde_json::from_slice(&fs::read(run.join("result.json")).unwrap()).unwrap();
    let warnings = result["warnings"].as_array().unwrap();
    assert!(warnings.iter().any(|w| w.as_str().unwrap().contains("no better than chance")), "{warnings:?}");
    assert!((result["constant_error"].as_f64().unwrap() - 322.0 / 359.0).abs() < 1e-9);
    assert!(fs::read_to_string(run.join("report.html")).unwrap().contains("no better than chance"));
    let (_, err) = good(&["eval", text(&run), "-q"]);
    assert!(err.contains("no better than chance"), "{err}");
    let words: Vec<&str> = words.iter().copied().filter(|w| !["--rule", "bp"].contains(w)).collect();
    let all = [&["compare", "--rules", "bp", "--seeds", "1", "-q", "--out", text(&many)], &words[..]].concat();
    let (_, err) = good(&all);
    assert!(err.contains("warning: backprop, seed 0: test error "), "{err}");
    let (_, err) = good(&["train", "--epochs", "3", "-q"]);
    assert_eq!(err, "", "a run that learns has no warnings");
}

#[test]
fn what_a_word_begins_comes_first_and_boxes_show_shapes() {
    let line = bad(&["reproduce", "table1"], 2);
    assert!(line.contains("did you mean `table1-mnist`, `table1-fmnist`, "), "{line}");
    let (dot, _) = good(&["inspect", "--model", "resnet8", "--width", "32", "--dot"]);
    assert!(dot.contains("32x8x8") && dot.contains("1x8x8") && !dot.contains("2048"), "{dot}");
    let (svg, _) = good(&["inspect", "--model", "resnet8", "--width", "32", "--svg"]);
    assert!(svg.contains(">32x8x8<") && !svg.contains("2,048"), "{svg}");
}
