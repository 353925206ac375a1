//! Planning, running, continuing and tabulating comparisons on the embedded digits.

use super::*;
use crate::columns::Columns;
use crate::experiment::Machine;
use crate::fit::Observer;
use crate::record::Record;
use crate::runs::{Environment, Keeping, Shared};
use crate::spec::{DataFacts, RunSpec, Settings};
use reclra_data::digits;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use toml::Value;

/// What stands for the plots.
const PLOTS: [&str; 2] = ["<svg>by epoch</svg>", "<svg>by time</svg>"];

fn facts() -> DataFacts {
    DataFacts::of(&digits().unwrap())
}

fn request(rules: &[&str], set: &[&str]) -> Request {
    let mut base = Settings::default();
    for s in ["net.arch=64-24-10", "train.epochs=2"].iter().chain(set) {
        base.assign(s).unwrap();
    }
    let rules = rules.iter().map(|r| (*r).to_owned()).collect();
    Request { base, rules, grid: Vec::new(), tune: None, seeds: 2, folds: None, tuning_seeds: 2 }
}

fn floats(values: &[f64]) -> Vec<Value> {
    values.iter().map(|&v| Value::Float(v)).collect()
}

/// Writes down which runs were made and which were there.
#[derive(Default)]
struct Heard(Mutex<Vec<Ended>>);

/// Name, seed, true if it was there already.
type Ended = (String, u64, bool);

impl Watch for Heard {
    fn begins(&self, _: &Trial, _: &RunSpec) -> Box<dyn Observer + '_> {
        Box::new(())
    }

    fn ended(&self, trial: &Trial, _: &RunSpec, record: &Record, kept: bool) {
        self.0.lock().unwrap().push((trial.name(), record.seed, kept));
    }

    fn warn(&self, line: &str) {
        panic!("{line}");
    }
}

/// The trials that are reported where nothing has to be chosen.
fn reported(request: &Request) -> Vec<Trial> {
    let plan = plan(request, &facts()).unwrap();
    assert!(plan.tried.is_empty());
    plan.reported(&[])
}

fn shown<'a>(rows: &'a [Row], columns: &'a Columns) -> Results<'a> {
    Results { rows, tried: &[], target: 5.0, columns, jobs: 2 }
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
        report: |folder, _| Ok(folder.to_owned()),
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
    let plan = plan(&r, &facts()).unwrap();
    let names: Vec<String> = plan.tried.iter().map(Trial::name).collect();
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
    // Seeds on which a setting is tried are not among those that are reported.
    let seeds = |trials: &[Trial]| trials[0].runs().iter().map(|s| s.seed).collect::<Vec<_>>();
    assert_eq!((seeds(&plan.tried), seeds(&plan.reported(&[]))), (vec![1000, 1001], vec![0, 1]));
    assert_eq!(plan.sizes(), (12, 4));
    // A rule with one setting alone has nothing to choose.
    let r = Request { grid: vec![("rule.beta".to_owned(), floats(&[0.1, 1.0]))], ..r };
    let plan = super::plan(&r, &facts()).unwrap();
    assert!(plan.tried.len() == 2 && plan.tried.iter().all(|t| t.rule == "rec-lra"));
    assert_eq!(plan.reported(&[]).iter().map(Trial::name).collect::<Vec<_>>(), ["rec-lra rule.beta=0.1", "backprop"]);
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
    // Without a validation part nothing can be chosen.
    let two = |set: &[&str]| Request {
        grid: vec![("optim.lr".into(), floats(&[1e-3, 2e-3]))],
        ..request(&["backprop"], set)
    };
    assert!(
        wrong(&two(&["data.validation=0"])).contains("data.validation = 0: must be at least 1, as --tune and --grid")
    );
    let folds = |set: &[&str]| Request { folds: Some(4), ..request(&["backprop"], set) };
    assert!(wrong(&folds(&["data.validation=9"])).contains("data.validation = 9: is set by --cross-validate 4"));
    assert!(wrong(&folds(&["data.fold=1/4"])).contains("data.fold = \"1/4\": is set by --cross-validate 4"));
    assert!(wrong(&grid("data.fold")).contains("--cross-validate"));
    assert!(
        wrong(&request(&["backprop"], &["seed=9223372036854775807"])).contains("leave room for the seeds after it")
    );
}

#[test]
fn what_is_finished_is_not_run_again() {
    let dir = tempfile::tempdir().unwrap();
    let trials = reported(&request(&["rec-lra", "backprop"], &[]));
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
    let other = reported(&request(&["rec-lra", "backprop"], &["optim.lr=1e-4"]));
    let (_, heard) = made(&other, dir.path(), 2);
    assert!(heard.iter().all(|h| !h.2));
}

#[test]
fn what_diverges_is_never_chosen_and_stops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut r = request(&["rec-lra", "backprop"], &["net.act=relu", "optim.name=sgd", "optim.radius=0"]);
    r.grid = vec![("optim.lr".to_owned(), floats(&[1e30, 0.01]))];
    let plan = plan(&r, &facts()).unwrap();
    let tried = tried_rows(plan.tried.clone(), &made(&plan.tried, dir.path(), 2).0);
    let notes: Vec<bool> = tried.iter().map(|r| r.note().contains("diverged (2 of 2)")).collect();
    assert_eq!(notes, [true, false, true, false]);
    assert_eq!(tried.iter().map(|r| r.chosen).collect::<Vec<_>>(), [false, true, false, true]);
    let chosen = plan.reported(&tried);
    assert_eq!(chosen.iter().map(Trial::name).collect::<Vec<_>>(), ["rec-lra optim.lr=0.01", "backprop optim.lr=0.01"]);
    let rows = rows(chosen.clone(), made(&chosen, dir.path(), 2).0);
    let none = Columns::default();
    let results = Results { tried: &tried, ..shown(&rows, &none) };
    // Of what was tried there is no test error anywhere.
    let text = results.tried();
    assert!(
        text.contains("| **backprop optim.lr=0.01** |") && text.contains("| backprop optim.lr=1e30 [1] | - |"),
        "{text}"
    );
    assert!(text.contains("tried on seeds 1000, 1001, none") && !text.contains("test"), "{text}");
    let trials = results.json()["trials"].clone();
    assert_eq!(trials.as_array().unwrap().len(), 4);
    assert!(
        !trials.to_string().contains("test_") && trials[1]["runs"][0]["test"].is_null() && trials[1]["chosen"] == true
    );
    let csv = results.csv();
    assert_eq!(csv.lines().count(), 1 + 4 + 8);
    let heads: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    let at = |name: &str| heads.iter().position(|h| *h == name).unwrap();
    for line in csv.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let tested = ["test_error_percent", "test_f1_percent", "test_recall_percent"].map(|h| !cells[at(h)].is_empty());
        assert_eq!(tested, [cells[at("stage")] == "report"; 3], "{line}");
    }
    let machine = Machine { version: "0".into(), description: "a machine".into(), threads: 1 };
    let paths = results.write(dir.path(), &machine, &PLOTS.map(str::to_owned)).unwrap();
    let text = std::fs::read_to_string(dir.path().join("compare.md")).unwrap();
    assert!(text.contains("## Settings tried") && text.contains("a machine"));
    assert_eq!(paths.len(), 5);
    let svg = std::fs::read_to_string(dir.path().join("error-by-epoch.svg")).unwrap();
    assert_eq!(svg, PLOTS[0]);
    // Whoever was killed between any two of them goes on with the same comparison, and nobody else does.
    let other = super::plan(&request(&["lra-e"], &[]), &facts()).unwrap();
    let more = super::plan(&Request { seeds: 3, ..r.clone() }, &facts()).unwrap();
    let fresh = super::plan(&Request { tuning_seeds: 1, ..r }, &facts()).unwrap();
    let may = |plan: &Plan| replaceable(dir.path(), plan, &facts()).is_ok();
    assert!(may(&more) && !may(&fresh), "more seeds lose nothing, fewer trials do");
    for last in paths.iter().rev() {
        assert!(may(&plan) && !may(&other), "{last:?}");
        std::fs::remove_file(last).unwrap();
    }
    std::fs::write(dir.path().join("compare.json"), "{}").unwrap();
    assert!(!may(&plan));
}

/// What is to be known of one run alone is told with its seed, what holds of all without.
#[test]
fn warnings_name_the_runs_that_they_are_about() {
    let dir = tempfile::tempdir().unwrap();
    let trials = reported(&request(&["rec-lra"], &[]));
    let mut records = made(&trials, dir.path(), 1).0;
    records[0][1].warnings = vec!["one is odd".to_owned(), "all are".to_owned()];
    records[0][0].warnings = vec!["all are".to_owned()];
    let rows = rows(trials, records);
    assert_eq!(rows[0].note(), "all are; seed 1: one is odd");
    let none = Columns::default();
    let text = |columns, jobs| Results { jobs, ..shown(&rows, columns) }.markdown();
    assert!(text(&none, 2).contains("Times are of 2 runs at a time") && !text(&none, 1).contains("at a time"));
    // Memory is measured of runs that are made alone: else it is said why there is none.
    let memory = Columns::try_from(vec!["memory".to_owned()]).unwrap();
    let why = "Memory is known only of runs made one at a time";
    assert!(!text(&none, 2).contains(why));
    let rows = rows_without_memory(&rows);
    assert!(Results { jobs: 2, ..shown(&rows, &memory) }.markdown().contains(why));
}

fn rows_without_memory(rows: &[Row]) -> Vec<Row> {
    let without = |r: &Record| Record { peak_memory: None, ..r.clone() };
    rows.iter().map(|row| Row { records: row.records.iter().map(without).collect(), ..row.clone() }).collect()
}

#[test]
fn columns_are_shown_where_they_are_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let trials = reported(&request(&["rec-lra", "backprop"], &["optim.lr=1e30", "net.act=relu"]));
    let (good, _) = made(&reported(&request(&["rec-lra"], &[])), dir.path(), 2);
    let broken = Record { failed: Some("diverged".into()), test: None, scores: None, ..good[0][0].clone() };
    let rows = rows(trials, vec![good[0].clone(), vec![broken; 2]]);
    let asked = Columns::try_from(["top5", "f1"].map(str::to_owned).to_vec()).unwrap();
    let results = shown(&rows, &asked);
    let text = results.markdown();
    let mut lines = text.lines().skip(2).map(|l| l.split('|').map(str::trim).collect::<Vec<_>>());
    let (head, _, first, second) =
        (lines.next().unwrap(), lines.next().unwrap(), lines.next().unwrap(), lines.next().unwrap());
    assert_eq!(head[4..8], ["test error %", "p against rec-lra", "top-5 error %", "F1 %"]);
    assert_eq!([first.len(), second.len()], [head.len(); 2]);
    assert!(first[6].contains(" ± ") && first[7].contains(" ± ") && second[6..8] == ["-", "-"], "{text}");
    assert_eq!((first[5], second[5]), ("reference", "- [3]"), "{text}");
    assert!(text.contains("[3] no paired test: it needs at least 3 seeds"), "{text}");
    assert!(text.contains("No difference between rows is shown"), "{text}");
    assert!(text.contains("means over the classes"), "{text}");
    let table = results.csv();
    let columns: Vec<usize> = table.lines().map(|l| l.split(',').count()).collect();
    assert!(columns.iter().all(|&n| n == columns[0]), "{table}");
    let shown = &results.json()["rows"];
    assert_eq!(shown[0]["test_f1_percent"]["mean"], crate::record::mean(&[good[0][0].f1(), good[0][1].f1()]).unwrap());
    assert_eq!(shown[1]["test_f1_percent"]["mean"], serde_json::Value::Null);
}

#[test]
fn tuning_gives_every_rule_the_same_number_of_trials() {
    let dir = tempfile::tempdir().unwrap();
    let r = Request { tune: Some(3), ..request(&["rec-lra", "backprop"], &[]) };
    let planned = plan(&r, &facts()).unwrap();
    let of = |rule: &str| planned.tried.iter().filter(|t| t.rule == rule).count();
    assert_eq!((of("rec-lra"), of("backprop")), (3, 3));
    assert_eq!(planned.tried[0].label, "defaults");
    assert_eq!(plan(&r, &facts()).unwrap(), planned, "the same again");
    let more = plan(&Request { tune: Some(5), ..r }, &facts()).unwrap();
    assert!(planned.tried.iter().all(|t| more.tried.contains(t)), "more are tried besides");
    let tried = tried_rows(planned.tried.clone(), &made(&planned.tried, dir.path(), 2).0);
    let best = planned.reported(&tried);
    assert_eq!(best.len(), 2);
    for t in &best {
        let row = tried.iter().find(|row| row.trial.name() == t.name()).unwrap();
        let least =
            tried.iter().filter(|o| o.trial.rule == t.rule).filter_map(Row::validation).fold(f64::MAX, f64::min);
        assert!(row.chosen && row.validation() == Some(least));
        // Each was tried on two splits, neither of which is reported.
        assert!(row.trial.runs().iter().all(|s| t.runs().iter().all(|o| o.seed != s.seed)) && t.runs().len() == 2);
    }
    let (_, heard) = made(&best, dir.path(), 1);
    assert!(heard.iter().all(|h| !h.2));
}

/// The paper chooses the standard deviation of W from 0.025 to 0.1; a rule's own defaults are among what is tried.
#[test]
fn what_is_worth_trying_holds_the_papers_range_and_every_default() {
    let rules = crate::spec::rule_names();
    for set in [&[][..], &["net.act=sigmoid", "net.arch=64-5x8-10"]] {
        // Every setting of the smallest space, that of backprop: the others draw as many.
        let all =
            |rules: &[&str]| plan(&Request { tune: Some(100_000), ..request(rules, set) }, &facts()).unwrap().tried;
        for rule in &rules {
            let tried = all(&[rule]);
            let values = |key: &str| {
                let mut all: Vec<f64> = tried.iter().filter_map(|t| t.runs().first()?.value(key)?.as_float()).collect();
                all.sort_by(f64::total_cmp);
                all.dedup();
                all
            };
            assert!([0.025, 0.05, 0.1].iter().all(|std| values("net.w_std").contains(std)), "{rule}");
            assert_eq!(tried[0].label, "defaults");
            let mut specs: Vec<String> = tried.iter().map(|t| t.runs()[0].to_toml()).collect();
            specs.sort();
            specs.dedup();
            assert_eq!(specs.len(), tried.len(), "{rule}: none is tried twice");
            for (key, given) in crate::spec::tuning(rule, false) {
                let default = tried[0].runs()[0].value(key).unwrap().as_float().unwrap();
                // Beside other values too, not in the defaults alone.
                let with = tried.iter().filter(|t| t.runs()[0].value(key).unwrap().as_float() == Some(default)).count();
                assert!(with > 1 && given.iter().all(|v| values(key).contains(v)), "{rule} {key}");
            }
        }
    }
}

/// Folds: each row has the same ones, all of them in folders of their own, and p is that of the validation error.
#[test]
fn cross_validation_covers_the_training_part_and_pairs_folds() {
    let dir = tempfile::tempdir().unwrap();
    let r = Request { seeds: 1, folds: Some(3), ..request(&["rec-lra", "hebbian"], &[]) };
    let trials = reported(&r);
    let images: usize = trials[0].runs().iter().map(|s| s.data.validation).sum();
    assert_eq!(images, 1438, "the folds are the training part");
    let rows = rows(trials.clone(), made(&trials, dir.path(), 2).0);
    for part in 1..=3 {
        assert!(dir.path().join(format!("hebbian/seed-0-fold-{part}-of-3/result.json")).exists(), "{part}");
    }
    let folders = trials[1].folders(dir.path(), &facts());
    assert_eq!(folders[2], dir.path().join("hebbian/seed-0-fold-3-of-3"));
    let none = Columns::default();
    let results = shown(&rows, &none);
    assert_eq!(results.folds(), Some(3));
    assert!(results.heading().contains("over the 3 folds that the training part is cut into"), "{}", results.heading());
    let errors = |n: usize| rows[n].records.iter().map(Record::validation_error).collect::<Vec<_>>();
    let test = crate::paired::paired(&errors(1), &errors(0)).unwrap();
    assert_eq!(results.against_first(&rows[1]), Ok(test));
    let text = results.markdown();
    assert!(text.contains(&format!("| {} |", crate::paired::shown(test.p))), "{text}");
    assert!(text.contains("t-test of the validation error against rec-lra over 3 folds. Training parts"), "{text}");
    let each: Vec<String> = errors(1).iter().map(|e| format!("{:.2}", e.unwrap())).collect();
    assert!(text.contains(&format!("| hebbian | {} |", each.join(" | "))), "{text}");
    let json = results.json();
    assert_eq!(json["rows"][1]["against_reference"]["p"], test.p);
    assert_eq!((json["folds"].as_u64(), json["reference"].as_str()), (Some(3), Some("rec-lra")));
    assert!(
        results.csv().lines().nth(6).unwrap().contains(&format!(",report,3/3,{:.6},", test.p)),
        "{}",
        results.csv()
    );
    // The same fold of other settings is no cross-validation.
    let one = reported(&Request { folds: None, ..request(&["rec-lra"], &["data.fold=1/2"]) });
    let rows = super::rows(one, vec![Vec::new()]);
    assert_eq!(shown(&rows, &none).folds(), None);
}

#[test]
fn the_table_says_what_was_run_and_why_a_figure_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let trials =
        reported(&Request { seeds: 3, ..request(&["rec-lra", "equilibrium-prop"], &["net.arch=64-12-12-10"]) });
    let rows = rows(trials.clone(), made(&trials, dir.path(), 2).0);
    let none = Columns::default();
    let results = Results { target: 0.5, ..shown(&rows, &none) };
    let text = results.markdown();
    let line = "Network 64-12-12-10 tanh; epochs 2; batch 32; optimizer adam, learning rate 0.003, schedule linear.

| rule |";
    assert!(text.starts_with(line), "{text}");
    assert_eq!(results.json()["rows"][1]["settings"]["train.epochs"], 2);
    assert!(
        text.contains("| - [1] |")
            && text.contains("[1] the validation error did not reach 0.5 %\n")
            && text.contains("| equilibrium-prop [2] |"),
        "{text}"
    );
    assert!(text.contains("the test error against rec-lra over 3 seeds."), "{text}");
    // Where rows differ, each has its own value.
    let varied = |lr: &str| plan(&request(&["backprop"], &[lr]), &facts()).unwrap().reported(&[]).remove(0);
    let two = [Trial { rule: "hebbian".into(), ..varied("optim.lr=1e-3") }, varied("optim.lr=0.5")];
    let two = super::rows(two.to_vec(), vec![Vec::new(), Vec::new()]);
    assert!(shown(&two, &none).markdown().contains("learning rate 0.001 (backprop: 0.5), schedule"));
    // With one seed there is neither a deviation nor a test.
    let single: Vec<Row> = rows
        .iter()
        .map(|r| Row {
            trial: Trial { specs: Ok(r.trial.runs()[..1].to_vec()), ..r.trial.clone() },
            records: r.records[..1].to_vec(),
            chosen: r.chosen,
        })
        .collect();
    let results = shown(&single, &none);
    let text = results.markdown();
    assert!(!text.contains('±') && text.contains("no paired test: it needs at least 3 seeds"), "{text}");
    assert!(
        !results.heading().contains("eviation over") && !results.heading().contains("Mean"),
        "{}",
        results.heading()
    );
    let machine = Machine { version: "0".into(), description: "m".into(), threads: 1 };
    let svg = results.write(dir.path(), &machine, &PLOTS.map(str::to_owned)).unwrap();
    let svg = std::fs::read_to_string(&svg[3]).unwrap();
    assert_eq!(svg, PLOTS[0]);
}
