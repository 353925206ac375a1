//! `reclra compare` from end to end, through the binary: tables, files, going on after an interruption, rows that failed.

mod common;

use common::{bad, good, objects, reclra, text, texts};
use serde_json::Value;
use std::fs;

const SMALL: [&str; 6] = ["--arch", "64-16-10", "--epochs", "3", "--seeds", "2"];

/// The cells of a table's row that begins with this name.
fn row<'a>(table: &'a str, name: &str) -> Vec<&'a str> {
    let line =
        table.lines().find(|l| l.starts_with(&format!("| {name} "))).unwrap_or_else(|| panic!("{name}: {table}"));
    line.split('|').map(str::trim).collect()
}

/// A record without what clock and allocator say.
fn timeless(mut record: Value) -> Value {
    ["seconds", "peak_memory"].iter().for_each(|k| drop(record.as_object_mut().unwrap().remove(*k)));
    for epoch in record["epochs"].as_array_mut().unwrap() {
        ["seconds", "samples_per_second"].iter().for_each(|k| drop(epoch.as_object_mut().unwrap().remove(*k)));
    }
    record
}

/// The records of all runs of a `--json` comparison, by rule, setting and seed, and whether each was there already.
fn runs(stdout: &str) -> Vec<(String, bool, Value)> {
    let mut all: Vec<_> = objects(stdout)
        .into_iter()
        .filter(|o| o["event"] == "run")
        .map(|o| {
            let name = format!("{} {} {}", o["rule"], o["setting"], o["record"]["seed"]);
            (name, o["kept"].as_bool().unwrap(), timeless(o["record"].clone()))
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

#[test]
fn all_rules_in_one_table_with_files_and_plots() {
    let dir = tempfile::tempdir().unwrap();
    let out = text(dir.path());
    let (table, err) = good(&[&["compare", "--out", out][..], &SMALL].concat());
    assert!(err.contains("[20/20]") && err.contains(out), "{err}");
    let (listed, _) = good(&["list", "rules"]);
    let rules: Vec<&str> = listed.lines().filter_map(|l| l.strip_prefix("  ")?.split_whitespace().next()).collect();
    assert_eq!(rules.len(), 10, "{listed}");
    for rule in &rules {
        let cells = row(&table, rule);
        for (n, what) in [(2, "train"), (3, "validation"), (4, "test")] {
            let (mean, deviation) = cells[n].split_once(" ± ").unwrap_or_else(|| panic!("{rule}, {what}: {table}"));
            let number = |t: &str| t.parse::<f64>().unwrap();
            assert!((0.0..=100.0).contains(&number(mean)) && number(deviation) >= 0.0);
        }
        assert_eq!(cells[8], "1210", "parameters of 64-16-10");
    }
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    assert!(read("compare.md").contains(table.trim()), "the same table");
    assert!(
        table.starts_with("Network 64-16-10 tanh; epochs 3; batch 32; optimizer adam, learning rate 0.003"),
        "{table}"
    );
    // Two seeds make no test, and the table says so.
    let cells = row(&table, "backprop");
    let note = cells[5].strip_prefix("- ").unwrap_or_else(|| panic!("{table}"));
    assert!(table.contains(&format!("{note} no paired test: it needs at least 3 seeds")), "{table}");
    let csv = read("compare.csv");
    assert_eq!(csv.lines().count(), 1 + 20);
    assert!(csv.lines().all(|l| l.split(',').count() >= 13), "{csv}");
    let json: Value = serde_json::from_str(&read("compare.json")).unwrap();
    let mean = json["rows"][0]["test_error_percent"]["mean"].as_f64().unwrap();
    assert!(row(&table, "rec-lra")[4].starts_with(&format!("{mean:.2}")), "{table}");
    for plot in ["error-by-epoch.svg", "error-by-time.svg"] {
        let svg = read(plot);
        assert!(rules.iter().all(|r| svg.contains(&format!("{r}\n"))), "{plot} names every rule");
        assert!(svg.matches("<polyline").count() >= 10, "{plot}");
    }
    for file in ["spec.toml", "metrics.jsonl", "result.json"] {
        assert!(dir.path().join("backprop/seed-1").join(file).exists(), "{file}");
    }
    let spec = dir.path().join("backprop/seed-1/spec.toml");
    let (again, _) = good(&["train", text(&spec)]);
    let result: Value = serde_json::from_str(&read("backprop/seed-1/result.json")).unwrap();
    let wrong = result["test"]["wrong"].as_f64().unwrap();
    assert!(
        again.contains(&format!("test error {:.2} %", 100.0 * wrong / 359.0)),
        "a run's spec gives the run: {again}"
    );
}

#[test]
fn a_run_that_diverges_or_is_refused_is_a_row_and_stops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut args = vec!["compare", "--rules", "backprop,equilibrium-prop", "--out", text(dir.path())];
    args.extend(["--set", "optim.name=sgd", "--set", "optim.radius=0", "--grid", "optim.lr=0.1,1e30"]);
    args.extend(["--set", "net.residual=1", "--act", "relu", "--arch", "64-2x16-10", "--epochs", "3", "--seeds", "2"]);
    args.extend(["--tune-seeds", "2"]);
    let (out, _) = good(&args);
    let (tried, table) = out.split_once("\nNetwork ").unwrap();
    assert!(row(tried, "**backprop optim.lr=0.1**")[2].contains('±'), "{out}");
    assert_eq!(row(tried, "backprop optim.lr=1e30 [1]")[2], "-", "{out}");
    assert!(tried.contains("[1] diverged (2 of 2): step "), "{out}");
    assert!(row(table, "backprop optim.lr=0.1")[4].contains('±') && !table.contains("1e30"), "{out}");
    assert!(table.contains("refused: the rule equilibrium-prop cannot train region"), "{out}");
    // Where nothing can be chosen from, a run that diverges is a row of the table.
    let dir = tempfile::tempdir().unwrap();
    let mut args = vec!["compare", "--rules", "backprop", "--grid", "optim.lr=1e30", "--out", text(dir.path())];
    args.extend(["--set", "optim.name=sgd", "--set", "optim.radius=0", "--act", "relu", "--arch", "64-16-10"]);
    args.extend(["--epochs", "2", "--seeds", "2"]);
    let (table, _) = good(&args);
    assert_eq!(row(&table, "backprop optim.lr=1e30 [1]")[2..5], ["-", "-", "-"], "{table}");
    assert!(table.contains("[1] diverged (2 of 2): step "), "{table}");
}

/// The lines of a text that hold a word.
fn lines_with<'a>(text: &'a str, what: &str) -> Vec<&'a str> {
    text.lines().filter(|l| l.contains(what)).collect()
}

/// What is chosen is chosen by the validation error, on seeds that are not reported, and its test error alone is shown.
#[test]
fn settings_are_chosen_without_the_test_part() {
    let dir = tempfile::tempdir().unwrap();
    let mut args =
        vec!["compare", "--rules", "rec-lra,backprop", "--grid", "optim.lr=3e-4,3e-3", "--out", text(dir.path())];
    args.extend(SMALL);
    args.extend(["--tune-seeds", "2", "--jobs", "1"]);
    let (out, err) = good(&args);
    let to_try = "8 runs to try 4 settings and choose one of each rule by validation error, then 4 runs to report";
    assert!(err.contains(to_try), "{err}");
    let (tried, table) = out.split_once("\nNetwork ").unwrap();
    assert!(
        tried.starts_with("Settings tried on seeds 1000, 1001, none of which is reported.") && !tried.contains("test")
    );
    assert_eq!((lines_with(tried, "| ").len(), lines_with(table, "backprop").len()), (5, 1), "{out}");
    // Runs that are tried are told of by their validation error, those that are reported by their test error.
    let finished = |what: &str| lines_with(&err, what).iter().filter(|l| l.starts_with('[')).count();
    assert_eq!((finished(": validation error "), finished(": test error ")), (8, 4), "{err}");
    assert!(lines_with(&err, "test error").iter().all(|l| l.contains("seed 0:") || l.contains("seed 1:")), "{err}");
    let json: Value = serde_json::from_slice(&fs::read(dir.path().join("compare.json")).unwrap()).unwrap();
    let trials = json["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 4);
    assert!(trials.iter().all(|t| t["runs"].as_array().unwrap().iter().all(|r| r["test"].is_null())));
    let mean = |t: &Value| t["validation_error_percent"]["mean"].as_f64().unwrap();
    for rule in json["rows"].as_array().unwrap() {
        let mine: Vec<&Value> = trials.iter().filter(|t| t["rule"] == rule["rule"]).collect();
        let least = mine.iter().map(|t| mean(t)).fold(f64::MAX, f64::min);
        let chosen = mine.iter().find(|t| t["setting"] == rule["setting"]).unwrap();
        assert!(chosen["chosen"] == true && mean(chosen) == least, "{rule}");
    }
    // The objects of a program are no way around it.
    let (out, _) = good(&[&args[..], &["--json"]].concat());
    let of = |stage: &str| {
        objects(&out).into_iter().filter(|o| o["event"] == "run" && o["stage"] == stage).collect::<Vec<_>>()
    };
    assert_eq!((of("trial").len(), of("report").len()), (8, 4));
    assert!(of("trial").iter().all(|o| o["record"]["test"].is_null() && o["kept"] == true));
    assert!(of("report").iter().all(|o| o["record"]["test"]["samples"] == 359));
    // Nor are a report on the folder and the list of runs.
    let page = dir.path().join("again.html");
    let (out, err) = good(&["report", text(dir.path()), "--out", text(&page), "--json"]);
    let shown: Vec<String> =
        objects(&out)[0]["runs"].as_array().unwrap().iter().map(|r| r.as_str().unwrap().to_owned()).collect();
    assert!(shown.len() == 4 && shown[0].contains("/rec-lra") && shown[3].contains("/backprop"), "{shown:?}");
    assert!(err.contains("8 runs left out"), "{err}");
    let (list, _) = good(&["runs", text(dir.path())]);
    let (tried, told): (Vec<&str>, Vec<&str>) =
        lines_with(&list, "seed-").into_iter().partition(|l| l.contains("settings-tried"));
    let hidden = |l: &str| l.split_whitespace().any(|cell| cell == "-");
    assert!(tried.len() == 8 && tried.iter().all(|l| hidden(l)), "{list}");
    assert!(told.len() == 4 && !told.iter().any(|l| hidden(l)), "{list}");
}

/// Three seeds make a test: in the table, the CSV, the JSON and the report.
#[test]
fn rules_are_tested_against_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let mut args = vec!["compare", "--rules", "backprop,hebbian", "--seeds", "3", "--out", text(dir.path())];
    args.extend(["--arch", "64-24-10", "--epochs", "4"]);
    let (table, _) = good(&args);
    let p = row(&table, "hebbian")[5];
    assert_eq!(row(&table, "backprop")[5], "reference", "{table}");
    assert!(table.contains("paired two-sided t-test of the test error against backprop over 3 seeds"), "{table}");
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    let json: Value = serde_json::from_str(&read("compare.json")).unwrap();
    let test = &json["rows"][1]["against_reference"];
    let (t, exact) = (test["t"].as_f64().unwrap(), test["p"].as_f64().unwrap());
    // Two degrees of freedom: p = 1 - t / sqrt(t^2 + 2).
    assert!((exact - (1.0 - t.abs() / (t * t + 2.0).sqrt())).abs() < 1e-9, "{test}");
    assert!(p == format!("{exact:.3}") || (p == "<0.001" && exact < 0.001), "{p} {exact}");
    let csv = read("compare.csv");
    assert_eq!(csv.matches(&format!(",report,,{exact:.6},")).count(), 3, "{csv}");
    let page = read("report.html");
    assert!(page.contains("p against backprop") && page.contains(&format!(">{}<", p.replace('<', "&lt;"))), "{p}");
    assert!(page.find("id=\"means\"").unwrap() < page.find("id=\"curves\"").unwrap());
    assert!(page.find("id=\"curves\"").unwrap() < page.find("id=\"run\"").unwrap());
}

/// Each image of the training part validates once; folds are in folders of their own, and go on.
#[test]
fn rules_are_cross_validated() {
    let dir = tempfile::tempdir().unwrap();
    let mut args = vec!["compare", "--rules", "backprop,hebbian", "--cross-validate", "4", "--out", text(dir.path())];
    args.extend(["--arch", "64-16-10", "--epochs", "2", "--json"]);
    let (out, _) = good(&args);
    let all = objects(&out);
    let folds: Vec<&str> = all.iter().filter_map(|o| o["fold"].as_str()).collect();
    assert_eq!(folds.len(), 8);
    let spec =
        |n: usize| fs::read_to_string(dir.path().join(format!("backprop/seed-0-fold-{n}-of-4/spec.toml"))).unwrap();
    assert!(spec(2).contains("fold = \"2/4\"") && spec(2).contains("validation = 360"), "{}", spec(2));
    let (again, _) = good(&args);
    assert!(runs(&again).iter().all(|r| r.1), "all are there");
    let (table, err) = good(&args[..args.len() - 1]);
    assert!(table.contains("Validation error in percent, fold by fold") && table.contains("| fold 4 |"), "{table}");
    assert!(table.contains("over 4 folds") && !err.contains("test error"), "{table} {err}");
    let md = fs::read_to_string(dir.path().join("compare.md")).unwrap();
    assert!(md.contains("over the 4 folds that the training part is cut into"), "{md}");
    let page = fs::read_to_string(dir.path().join("report.html")).unwrap();
    assert!(
        page.contains("differ in the fold alone")
            && page.contains("into 4 parts whose sizes differ by one image at most")
    );
    // The network of a fold is judged on its own part.
    let fold = dir.path().join("backprop/seed-0-fold-2-of-4");
    let (out, _) = good(&["eval", text(&fold), "--part", "validation"]);
    let result: Value = serde_json::from_slice(&fs::read(fold.join("result.json")).unwrap()).unwrap();
    let error = 100.0 * result["epochs"][1]["validation_error"].as_f64().unwrap();
    assert!(out.contains(&format!("{error:.2} %")), "{error}: {out}");
    let line = bad(&["compare", "--cross-validate", "4", "--seeds", "3"], 2);
    assert!(line.contains("--cross-validate") && line.contains("--seeds"), "{line}");
}

#[test]
fn a_setting_of_a_rules_own_default_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut args = vec!["compare", "--rules", "rec-lra,backprop,equilibrium-prop", "--out", text(dir.path())];
    args.extend(["--arch", "64-2x16-10", "--epochs", "1", "--seeds", "1"]);
    let (table, _) = good(&args);
    assert!(table.contains("| equilibrium-prop [3] |"), "{table}");
    assert!(table.contains("[3] net.w_std = 0.05, not 0.15, by this rule's default"), "{table}");
    let dir = tempfile::tempdir().unwrap();
    args[4] = text(dir.path());
    args.extend(["--set", "net.w_std=0.1"]);
    assert!(!good(&args).0.contains("net.w_std"), "the same for all where it is set");
}

#[test]
fn tuning_tries_the_same_number_of_settings_of_every_rule() {
    let dir = tempfile::tempdir().unwrap();
    let mut args = vec!["compare", "--rules", "rec-lra,hebbian", "--tune", "3", "--json", "--out", text(dir.path())];
    args.extend(SMALL);
    args.extend(["--tune-seeds", "2"]);
    let (out, _) = good(&args);
    let count = |rule: &str| runs(&out).iter().filter(|r| r.0.starts_with(&format!("\"{rule}\""))).count();
    // Three trials on two seeds, then the best on two others.
    assert_eq!((count("rec-lra"), count("hebbian")), (8, 8));
    let last = objects(&out).pop().unwrap();
    assert_eq!((last["event"].as_str(), last["rows"].as_array().unwrap().len()), (Some("comparison"), 2));
    assert_eq!(last["trials"].as_array().unwrap().len(), 6);
}

/// Ctrl-C in the middle: what is finished stays, the same command goes on, and ends as if nothing had been.
#[cfg(unix)]
#[test]
fn an_interrupted_comparison_goes_on_where_it_stopped() {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Command, Stdio};
    let [dir, whole] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let args = |out| {
        let mut args = vec!["compare", "--rules", "rec-lra,backprop", "--json", "--out", out, "--jobs", "1"];
        args.extend(["--epochs", "25", "--seeds", "3", "--arch", "64-64-10"]);
        args
    };
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("reclra"))
        .args(args(text(dir.path())))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    lines.read_line(&mut first).unwrap();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    let output = child.wait_with_output().unwrap();
    let (_, err) = texts(&output);
    assert_eq!(output.status.code(), Some(130), "{err}");
    assert_eq!(err, "error: interrupted; the same command goes on where it stopped\n");
    let before = runs(&format!("{first}{rest}"));
    assert!((1..6).contains(&before.len()), "interrupted in the middle: {}", before.len());

    let (out, _) = good(&args(text(dir.path())));
    let after = runs(&out);
    assert_eq!(after.len(), 6);
    let kept: Vec<&String> = after.iter().filter(|r| r.1).map(|r| &r.0).collect();
    assert_eq!(kept, before.iter().map(|r| &r.0).collect::<Vec<_>>(), "what was finished is not run again");
    let (out, _) = good(&args(text(whole.path())));
    let figures = |runs: &[(String, bool, Value)]| runs.iter().map(|r| (r.0.clone(), r.2.clone())).collect::<Vec<_>>();
    assert_eq!(figures(&after), figures(&runs(&out)), "as if it had never been interrupted");
    // A third time nothing is left to do.
    assert!(runs(&good(&args(text(dir.path()))).0).iter().all(|r| r.1));
}

/// A table that tells of other runs is not replaced unasked; one that tells of fewer is.
#[test]
fn another_comparison_does_not_take_the_place_of_one() {
    let home = tempfile::tempdir().unwrap();
    // A folder that is yet to be made.
    let dir = home.path().join("new/one");
    let compare = |rules: &'static str, seeds: &'static str| {
        let shape = ["--arch", "64-8-10", "--epochs", "1", "--seeds", seeds];
        [&["compare", "--rules", rules, "--out", text(&dir)][..], &shape].concat()
    };
    good(&compare("backprop", "1"));
    let table = || fs::read_to_string(dir.join("compare.md")).unwrap();
    let first = table();
    let line = bad(&compare("rec-lra", "1"), 2);
    assert!(line.contains("compare.md: is there and tells of other runs") && line.contains("--overwrite"), "{line}");
    assert!(table() == first && !dir.join("rec-lra").exists());
    // With more seeds, and with another rule beside it, nothing is lost.
    good(&compare("backprop", "2"));
    good(&compare("backprop,rec-lra", "2"));
    let tells_of = |rule: &str| table().contains(&format!("\n| {rule} "));
    assert!(tells_of("rec-lra") && tells_of("backprop"));
    good(&[&compare("rec-lra", "1")[..], &["--overwrite"]].concat());
    assert!(!tells_of("backprop") && dir.join("backprop/seed-1/result.json").exists());
    // A file of somebody else.
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("compare.md"), "my notes").unwrap();
    let mut args = compare("backprop", "1");
    args[4] = text(other.path());
    assert!(bad(&args, 2).contains("compare.md"));
}

#[test]
fn a_damaged_result_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let args = [&["compare", "--rules", "backprop", "--json", "--out", text(dir.path())][..], &SMALL].concat();
    let (first, _) = good(&args);
    let result = dir.path().join("backprop/seed-0/result.json");
    let bytes = fs::read(&result).unwrap();
    fs::write(&result, &bytes[..bytes.len() / 2]).unwrap();
    let again = runs(&reclra(&args).output().map(|o| texts(&o).0).unwrap());
    assert_eq!(again.iter().map(|r| r.1).collect::<Vec<_>>(), [false, true]);
    assert_eq!(again.iter().map(|r| &r.2).collect::<Vec<_>>(), runs(&first).iter().map(|r| &r.2).collect::<Vec<_>>());
}
