//! Planning, running, continuing and tabulating comparisons on the embedded digits.

use super::*;
use crate::columns::Columns;
use crate::data::digits;
use crate::experiment::Machine;
use crate::fit::Observer;
use crate::record::Record;
use crate::runs::{Environment, Keeping, Shared};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

fn facts() -> DataFacts {
    DataFacts::of(&digits().unwrap())
}

fn request(rules: &[&str], set: &[&str]) -> Request {
    let mut base = Settings::default();
    for s in ["net.arch=64-24-10", "train.epochs=2"].iter().chain(set) {
        base.assign(s).unwrap();
    }
    Request { base, rules: rules.iter().map(|r| (*r).to_owned()).collect(), grid: Vec::new(), seeds: 2 }
}

fn floats(values: &[f64]) -> Vec<Value> {
    values.iter().map(|&v| Value::Float(v)).collect()
}

/// Writes down which runs were made and which were there.
#[derive(Default)]
struct Heard(Mutex<Vec<Ended>>);

/// Name, seed, whether it was there already.
type Ended = (String, u64, bool);

impl Watch for Heard {
    fn begins(&self, _: &Trial, _: &RunSpec) -> Box<dyn Observer + '_> {
        Box::new(())
    }

    fn ended(&self, trial: &Trial, record: &Record, kept: bool) {
        self.0.lock().unwrap().push((trial.name(), record.seed, kept));
    }

    fn warn(&self, line: &str) {
        panic!("{line}");
    }
}

fn made(trials: &[Trial], folder: &std::path::Path, jobs: usize) -> (Vec<Vec<Record>>, Vec<Ended>) {
    let (heard, dataset, stop) = (Heard::default(), digits().unwrap(), AtomicBool::new(false));
    let environment = Environment::default();
    let shared = Shared {
        dataset: &dataset,
        facts: &facts(),
        environment: &environment,
        keeping: Keeping::OF_MANY,
        stop: &stop,
    };
    let records = run(trials, &shared, folder, (jobs, 1), &heard).unwrap();
    let mut heard = heard.0.into_inner().unwrap();
    heard.sort();
    (records, heard)
}

#[test]
fn a_grid_is_every_combination_and_goes_to_the_rules_that_have_the_key() {
    let mut r = request(&["rec-lra", "backprop"], &["rule.wiring=full"]);
    r.grid = vec![("optim.lr".to_owned(), floats(&[1e-3, 2e-3])), ("rule.beta".to_owned(), floats(&[0.1, 1.0]))];
    let names: Vec<String> = plan(&r, &facts()).unwrap().iter().map(Trial::name).collect();
    assert_eq!(
        names,
        [
            "rec-lra optim.lr=1e-3 rule.beta=0.1",
            "rec-lra optim.lr=1e-3 rule.beta=1.0",
            "rec-lra optim.lr=2e-3 rule.beta=0.1",
            "rec-lra optim.lr=2e-3 rule.beta=1.0",
            "backprop optim.lr=1e-3",
            "backprop optim.lr=2e-3",
        ]
    );
}

#[test]
fn what_is_wrong_for_all_is_refused() {
    let wrong = |r: &Request| plan(r, &facts()).unwrap_err().to_string();
    assert!(wrong(&request(&["bakprop"], &[])).contains("did you mean `backprop`"));
    assert!(wrong(&request(&["backprop", "backprop"], &[])).contains("named twice"));
    assert!(wrong(&request(&["backprop"], &["rule.beta=0.1"])).contains("rule.beta is no setting of backprop"));
    let grid = |key: &str| Request { grid: vec![(key.to_owned(), floats(&[1.0]))], ..request(&["rec-lra"], &[]) };
    assert!(wrong(&grid("seed")).contains("--seeds"));
    assert!(wrong(&grid("optim.lrr")).contains("did you mean `optim.lr`"));
}

#[test]
fn what_is_finished_is_not_run_again() {
    let dir = tempfile::tempdir().unwrap();
    let trials = plan(&request(&["rec-lra", "backprop"], &[]), &facts()).unwrap();
    let (first, heard) = made(&trials, dir.path(), 2);
    assert!(heard.len() == 4 && heard.iter().all(|h| !h.2), "{heard:?}");
    let files = |n: &str| dir.path().join("backprop/seed-1").join(n);
    assert_eq!(std::fs::read_to_string(files("metrics.jsonl")).unwrap().lines().count(), 2);
    let (again, heard) = made(&trials, dir.path(), 1);
    assert!(heard.iter().all(|h| h.2) && again == first);
    // A damaged result, and one of other settings, are made again; the numbers are the same for any number of jobs.
    std::fs::write(files("result.json"), "{").unwrap();
    let (mended, heard) = made(&trials, dir.path(), 1);
    assert_eq!(heard.iter().filter(|h| !h.2).count(), 1);
    assert_eq!(mended[1][1].test, first[1][1].test);
    let other = plan(&request(&["rec-lra", "backprop"], &["optim.lr=1e-4"]), &facts()).unwrap();
    let (_, heard) = made(&other, dir.path(), 2);
    assert!(heard.iter().all(|h| !h.2));
}

#[test]
fn what_diverges_or_is_refused_is_a_row_and_stops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut r = request(&["rec-lra", "backprop"], &["net.act=relu", "optim.name=sgd", "optim.radius=0"]);
    r.grid = vec![("optim.lr".to_owned(), floats(&[0.01, 1e30]))];
    let trials = plan(&r, &facts()).unwrap();
    let rows = rows(trials.clone(), made(&trials, dir.path(), 2).0);
    let notes: Vec<bool> = rows.iter().map(|r| r.note().contains("diverged (2 of 2)")).collect();
    assert_eq!(notes, [false, true, false, true]);
    assert_eq!(rows.iter().map(|r| r.chosen).collect::<Vec<_>>(), [true, false, true, false]);
    let none = Columns::default();
    let text = markdown(&rows, 5.0, &none);
    assert!(text.contains("| **backprop optim.lr=0.01** |") && text.contains("| - |"), "{text}");
    assert_eq!(csv(&rows, 5.0).lines().count(), 9);
    let machine = Machine { version: "0".into(), description: "a machine".into(), threads: 1 };
    let paths = written(&rows, Some(&rows), dir.path(), &machine, "Made by a test with", (5.0, &none)).unwrap();
    let text = std::fs::read_to_string(dir.path().join("compare.md")).unwrap();
    assert!(text.contains("Trials of tuning"));
    assert_eq!(paths.len(), 5);
    assert!(text.contains("a machine"));
    let svg = std::fs::read_to_string(dir.path().join("error-by-epoch.svg")).unwrap();
    assert!(svg.contains("backprop") && svg.contains("polygon") && svg.contains("polyline"), "{svg}");
    // Whoever was killed between any two of them goes on with the same comparison, and nobody else does.
    let other = plan(&request(&["lra-e"], &[]), &facts()).unwrap();
    for last in paths.iter().rev() {
        assert!(replaceable(dir.path(), &trials).is_ok() && replaceable(dir.path(), &other).is_err(), "{last:?}");
        std::fs::remove_file(last).unwrap();
    }
}

#[test]
fn columns_are_shown_where_they_are_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let trials = plan(&request(&["rec-lra", "backprop"], &["optim.lr=1e30", "net.act=relu"]), &facts()).unwrap();
    let (good, _) = made(&plan(&request(&["rec-lra"], &[]), &facts()).unwrap(), dir.path(), 2);
    let broken = Record { failed: Some("diverged".into()), test: None, scores: None, ..good[0][0].clone() };
    let rows = rows(trials, vec![good[0].clone(), vec![broken; 2]]);
    let asked = Columns::try_from(["top5", "f1"].map(str::to_owned).to_vec()).unwrap();
    let text = markdown(&rows, 5.0, &asked);
    let mut lines = text.lines().map(|l| l.split('|').map(str::trim).collect::<Vec<_>>());
    let (head, _, first, second) =
        (lines.next().unwrap(), lines.next().unwrap(), lines.next().unwrap(), lines.next().unwrap());
    assert_eq!(head[4..7], ["test error %", "top-5 error %", "F1 %"]);
    assert_eq!([first.len(), second.len()], [head.len(); 2]);
    assert!(first[5].contains(" ± ") && first[6].contains(" ± ") && second[5..7] == ["-", "-"], "{text}");
    assert!(text.contains("means over the classes"), "{text}");
    let table = csv(&rows, 5.0);
    let columns: Vec<usize> = table.lines().map(|l| l.split(',').count()).collect();
    assert!(columns.iter().all(|&n| n == columns[0]), "{table}");
    let shown = json(&rows);
    assert_eq!(shown[0]["test_f1_percent"]["mean"], crate::record::mean(&[good[0][0].f1(), good[0][1].f1()]).unwrap());
    assert_eq!(shown[1]["test_f1_percent"]["mean"], serde_json::Value::Null);
}

#[test]
fn tuning_gives_every_rule_the_same_number_of_trials() {
    let dir = tempfile::tempdir().unwrap();
    let r = request(&["rec-lra", "backprop"], &[]);
    let trials = plan_tuning(&r, 3, &facts()).unwrap();
    let of = |rule: &str| trials.iter().filter(|t| t.rule == rule).count();
    assert_eq!((of("rec-lra"), of("backprop")), (3, 3));
    assert!(trials.iter().all(|t| t.specs.as_ref().unwrap().len() == 1), "one seed each");
    assert_eq!(trials[0].label, "defaults");
    assert_eq!(plan_tuning(&r, 3, &facts()).unwrap(), trials, "the same again");
    let tuned = rows(trials.clone(), made(&trials, dir.path(), 2).0);
    let best = chosen(&r, &tuned, &facts()).unwrap();
    assert_eq!(best.len(), 2);
    assert!(best.iter().all(|t| t.specs.as_ref().unwrap().len() == 2), "all seeds");
    for t in &best {
        let row = tuned.iter().find(|row| row.trial.name() == t.name()).unwrap();
        assert!(row.chosen);
    }
    // The first seed is there already.
    let (_, heard) = made(&best, dir.path(), 1);
    assert_eq!(heard.iter().map(|h| (h.1, h.2)).collect::<Vec<_>>().iter().filter(|h| h.1).count(), 2);
}
