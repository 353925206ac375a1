//! The paper's figures and settings where a user meets them: lists, presets, what is said of a run.

mod common;

use common::{bad, good, text};
use std::fs;
use std::path::Path;

#[test]
fn every_figure_of_the_paper_is_listed_with_its_place() {
    let (out, _) = good(&["list", "claims"]);
    let line = |id: &str| out.lines().find(|l| l.trim_start().starts_with(&format!("{id} "))).unwrap().to_owned();
    assert!(line("wall-clock/rec-lra").contains("total 192.00 min"), "{out}");
    assert!(line("table1/cifar10/cnn-backprop").ends_with("train 1.39 %, test 31.87 %; from earlier work"), "{out}");
    assert!(
        line("table3/rec-lra").ends_with("accuracy 69.52 %, f1 67.82 %, precision 68.12 %, recall 67.52 %"),
        "{out}"
    );
    let (page, _) = good(&["list", "claims", "--page"]);
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/results/paper.md");
    assert_eq!(fs::read_to_string(published).unwrap().trim_end(), page.trim_end());
    let (presets, _) = good(&["list", "presets"]);
    assert!(["default", "paper", "tuned"].iter().all(|p| presets.contains(&format!("  {p} "))), "{presets}");
}

#[test]
fn a_preset_changes_defaults_and_nothing_that_is_set() {
    let spec = |more: &[&str]| good(&[&["train", "--print-spec", "--preset", "paper"], more].concat()).0;
    let plain = spec(&[]);
    for line in
        ["preset = \"paper\"", "lr = 0.0002", "epochs = 100", "batch = 32", "radius = 1.0", "shift = 0", "w_std = 0.05"]
    {
        assert!(plain.lines().any(|l| l == line), "{line}: {plain}");
    }
    let image = spec(&["--model", "noise-resnet18", "--width", "8", "--lr", "0.01"]);
    for line in
        ["init = \"gaussian\"", "lr = 0.01", "batch = 10", "message = \"output\"", "stem = \"own\"", "width = 8"]
    {
        assert!(image.lines().any(|l| l == line), "{line}: {image}");
    }
    let line = bad(&["train", "--preset", "papper"], 2);
    assert!(
        line.contains("preset = \"papper\": must be one of default, paper, tuned, did you mean `paper`?"),
        "{line}"
    );
}

#[test]
fn a_run_says_in_what_it_is_not_the_papers_and_judges_two_networks() {
    let dir = tempfile::tempdir().unwrap();
    let (run, json) = (dir.path().join("run"), dir.path().join("json"));
    let args = ["train", "--preset", "paper", "--arch", "64-8-10", "--epochs", "4", "--lr", "0.1", "--out"];
    let (out, err) = good(&[&args[..], &[text(&run), "--verbose"]].concat());
    let told = err.lines().find(|l| l.starts_with("not the paper's settings: ")).unwrap();
    assert!(told.contains("optim.lr = 0.1 (paper: 2e-4)") && told.contains("train.epochs = 4 (paper: 100)"), "{told}");
    let result: serde_json::Value = serde_json::from_slice(&fs::read(run.join("result.json")).unwrap()).unwrap();
    let epochs = result["epochs"].as_array().unwrap();
    let errors: Vec<f64> = epochs.iter().map(|e| e["validation_error"].as_f64().unwrap()).collect();
    let lowest = errors.iter().copied().fold(1.0, f64::min);
    let first = 1 + errors.iter().position(|&e| e == lowest).unwrap();
    assert_eq!(result["chosen"]["epoch"], first, "{errors:?}");
    let share = |of: &serde_json::Value| of["wrong"].as_f64().unwrap() / of["samples"].as_f64().unwrap();
    let chosen = share(&result["chosen"]["test"]);
    let line =
        format!("test error {:.2} % with the network of epoch {first}, chosen by validation error", 100.0 * chosen);
    assert!(out.contains(&line), "{line}: {out}");
    assert!(out.trim_end().ends_with(&format!("test error {:.2} %", 100.0 * share(&result["test"]))), "{out}");
    let (out, _) = good(&[&args[..], &[text(&json), "--json"]].concat());
    let told: serde_json::Value = serde_json::from_str(out.lines().next_back().unwrap()).unwrap();
    assert_eq!(told["test_error_chosen"].as_f64(), Some(chosen), "{told}");
    let report = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(report.contains(&format!("of the network of epoch {first}, chosen by validation error")));
}

/// An experiment names a figure by its id; the table then has it, says whose it is, and lists what differs.
#[test]
fn an_experiment_quotes_the_paper_by_id() {
    let dir = tempfile::tempdir().unwrap();
    let (file, results) = (dir.path().join("own.toml"), dir.path().join("results"));
    let spec = "title = \"Own\"\nabout = \"Two rows.\"\nseeds = [0]\npreset = \"paper\"\nchoose = \"validation\"\n\
                [[run]]\nname = \"FA\"\nclaimed = \"table1/mnist/feedback-alignment\"\n\
                set = { \"train.epochs\" = 2, \"rule.name\" = \"feedback-alignment\" }\n\
                [[run]]\nname = \"ours\"\nclaimed = \"table1/mnist/rec-lra-tanh\"\nset = { \"train.epochs\" = 2, \"optim.lr\" = 3e-3 }\n";
    fs::write(&file, spec).unwrap();
    let (out, _) = good(&["reproduce", text(&file), "--out", text(&results), "--runs", text(&dir.path().join("runs"))]);
    assert!(out.contains("| FA [1]"), "{out}");
    assert!(out.contains("[1] the paper took this figure from earlier work"), "{out}");
    assert!(out.contains("| 1.85 (0.00) |") && out.contains("| 1.82 (0.00) |"), "{out}");
    let common = out.lines().find(|l| l.starts_with("Differs from the paper's settings in all rows: ")).unwrap();
    assert!(common.contains("data.name = digits (paper: mnist, fashion-mnist)"), "{common}");
    assert!(common.contains("train.epochs = 2 (paper: 100)") && !common.contains("optim.lr"), "{common}");
    assert!(out.contains("] differs from the paper's settings: optim.lr = 3e-3 (paper: 2e-4)"), "{out}");
    assert!(out.contains("the epoch with the lowest validation error") && !out.contains("s / epoch"), "{out}");
    fs::write(&file, spec.replace("feedback-alignment\"\nset", "feedback-aligment\"\nset")).unwrap();
    let line = bad(&["reproduce", text(&file)], 2);
    let want = "line 8: the paper has no row `table1/mnist/feedback-aligment`, did you mean `table1/mnist/feedback-alignment`?";
    assert!(line.contains(want), "{line}");
}
