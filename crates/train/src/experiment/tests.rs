//! Reading and making experiments; that those of the program are sound.

use super::*;
use crate::fit::Observer;
use crate::fit::{Angle, EpochReport};
use crate::metrics::{Evaluation, Scores};
use crate::record::Record;
use crate::runs::{Environment, Keeping};
use crate::spec::{DataFacts, RunSpec};
use std::sync::atomic::AtomicBool;

const TOY: &str = r#"
    title = "Toy"
    about = "Two runs."
    seeds = [0, 1]
    [[run]]
    name = "short"
    goal = "test error <= 60 %"
    at_most = 60.0
    set = { "train.epochs" = 2, "net.arch" = "64-64-10", "data.shift" = 0 }
    [[run]]
    name = "hopeless"
    goal = "test error <= 0.001 %"
    at_most = 0.001
    set = { "train.epochs" = 1, "net.arch" = "64-16-10" }
"#;

/// Counts the runs that are made.
struct Counted(u32);

impl Witness for Counted {
    fn next(&mut self, _: &Run, _: &RunSpec, kept: bool) -> Box<dyn Observer + '_> {
        self.0 += u32::from(!kept);
        Box::new(())
    }

    fn warn(&mut self, line: &str) {
        // One run is made to fail.
        assert!(line.starts_with("hopeless, seed "), "{line}");
    }
}

#[test]
fn results_are_written_and_finished_runs_are_not_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let machine = Machine { version: "test".into(), description: "a machine".into(), threads: 1 };
    let (never, toy) = (AtomicBool::new(false), Experiment::parse(TOY, "toy").unwrap());
    let mut started = Counted(0);
    let environment = Environment::default();
    let make = |e: &Experiment, started: &mut Counted| {
        let runs = folder.path().join("runs");
        let work = Work {
            name: "toy",
            out: folder.path(),
            runs: &runs,
            data_dir: None,
            machine: &machine,
            environment: &environment,
            keeping: Keeping::OF_MANY,
            stop: &never,
            report: |folder, _| Ok(folder.to_owned()),
            plot: |_, _| Ok(String::new()),
        };
        e.make(&e.plan(None).unwrap(), &work, started).unwrap()
    };
    let first = make(&toy, &mut started);
    assert_eq!((first.len(), started.0), (4, 4));
    assert_eq!(make(&toy, &mut started), first);
    assert_eq!(started.0, 4, "nothing was run again");
    let text = std::fs::read_to_string(folder.path().join("toy.md")).unwrap();
    assert!(text.contains("| short |") && text.contains("| yes |") && text.contains("| no |"), "{text}");
    // Another spec under the same name is another run.
    let changed = Experiment::parse(&TOY.replace("\"train.epochs\" = 2", "\"train.epochs\" = 3"), "toy").unwrap();
    make(&changed, &mut started);
    assert_eq!(started.0, 6);
}

#[test]
fn the_experiments_of_the_program_are_sound() {
    let facts = crate::spec::toy_facts("mnist", 28, 10, 60_000, 2_000);
    for (name, _) in KNOWN {
        let e = Experiment::read(name).unwrap();
        for run in &e.run {
            let dataset = run.set.get("data.name").and_then(toml::Value::as_str).unwrap_or("digits");
            run.spec(0, &DataFacts { name: dataset.into(), ..facts.clone() }).unwrap();
        }
    }
}

/// The table of an experiment whose runs are planned.
fn table(experiment: &Experiment, machine: &Machine, done: &[Done]) -> String {
    let plan = experiment.plan(None).unwrap();
    let specs: Vec<(usize, &RunSpec)> = plan.iter().map(|p| (p.run, &p.spec)).collect();
    markdown(experiment, "toy", machine, &specs, done)
}

/// An experiment with columns and a record for each run.
fn with_columns() -> (Experiment, Vec<Done>) {
    let toy = TOY.replace("seeds =", "columns = [\"f1\", \"top5\", \"memory\"]\nseeds =");
    let toy = toy.replace("at_most = 60.0", "at_most = 60.0\nclaimed = { test = 3.5, f1 = 96.25 }");
    let experiment = Experiment::parse(&toy, "toy").unwrap();
    let facts = crate::spec::toy_facts("digits", 8, 10, 1000, 100);
    let done = |run: &Run, seed: u64, f1: f64| {
        let record = Record::unfinished(&run.spec(seed, &facts).unwrap(), Vec::new()).unwrap();
        let scores = Scores { top5_error: Some(0.0125), precision: 0.9, recall: 0.8, f1 };
        let test = Evaluation { samples: 200, wrong: 10, loss: 0.1 };
        let peak_memory = Some(100_000_000 + 2_000_000 * seed);
        let record = Record { scores: Some(scores), test: Some(test), peak_memory, warnings: Vec::new(), ..record };
        Done { name: run.name.clone(), made: Some("reclra test, on a machine".into()), record }
    };
    let [short, hopeless] = &experiment.run[..] else { panic!("two runs") };
    let failed = Record { failed: Some("diverged".into()), test: None, scores: None, ..done(hopeless, 0, 0.0).record };
    // Kept from before there were such figures.
    let old = Record { scores: None, peak_memory: None, ..done(hopeless, 1, 0.0).record };
    let name = || hopeless.name.clone();
    let rest =
        [failed, old].map(|record| Done { name: name(), made: Some("reclra test, on a machine".into()), record });
    let all = [done(short, 0, 0.95), done(short, 1, 0.93)].into_iter().chain(rest).collect();
    (experiment, all)
}

/// Nothing that holds for the experiment alone stands beside runs of other settings.
#[test]
fn a_quick_table_names_its_settings_and_sets_no_claim_beside_them() {
    let toy = TOY.replace("seeds =", "differs = \"smaller networks\"\nquick = { \"train.epochs\" = 1 }\nseeds =");
    let toy = toy.replace("at_most = 60.0", "at_most = 60.0\nclaimed = { test = 3.5 }\ndiffers = \"12 epochs\"");
    let experiment = Experiment::parse(&toy, "toy").unwrap().quickly();
    let facts = crate::spec::toy_facts("digits", 8, 10, 1000, 100);
    let done = |run: &Run| Done {
        name: run.name.clone(),
        made: None,
        record: Record {
            test: Some(Evaluation { samples: 200, wrong: 10, loss: 0.1 }),
            warnings: Vec::new(),
            ..Record::unfinished(&run.spec(0, &facts).unwrap(), Vec::new()).unwrap()
        },
    };
    let done: Vec<Done> = experiment.run.iter().map(done).collect();
    let machine = Machine { version: "test".into(), description: "a machine".into(), threads: 1 };
    let specs: Vec<(usize, RunSpec)> =
        experiment.run.iter().enumerate().map(|(n, run)| (n, run.spec(0, &facts).unwrap())).collect();
    let specs: Vec<(usize, &RunSpec)> = specs.iter().map(|(n, spec)| (*n, spec)).collect();
    let text = markdown(&experiment, "toy-quick", &machine, &specs, &done);
    assert!(text.contains("| short [1] |") && text.contains("| hopeless [1] |"), "{text}");
    let note = "\n[1] made with --quick: train.epochs = 1, one seed; it is compared with no figure of the paper\n";
    assert!(text.contains(note), "{text}");
    assert!(
        ["paper:", "3.50", "smaller networks", "12 epochs", "±", "goal"].iter().all(|w| !text.contains(w)),
        "{text}"
    );
    assert!(text.contains("seed 0, ") && !text.contains("over the seeds"), "{text}");
}

#[test]
fn a_table_has_the_columns_that_are_asked_for() {
    let (experiment, done) = with_columns();
    let machine = Machine { version: "test".into(), description: "a machine".into(), threads: 1 };
    insta::assert_snapshot!(table(&experiment, &machine, &done));
}

#[test]
fn a_table_made_in_pieces_says_of_what() {
    let (experiment, mut done) = with_columns();
    let machine = Machine { version: "test".into(), description: "a machine".into(), threads: 1 };
    let heading = |done: &[Done]| table(&experiment, &machine, done);
    assert!(heading(&done).contains("seeds 0 and 1, with reclra test, on a machine. Errors"));
    done[0].made = Some("reclra older, on another machine".into());
    let said = heading(&done);
    let pieces = "in pieces: 3 of the runs with reclra test, on a machine; 1 of the runs with reclra older, on another machine. ";
    assert!(said.contains(pieces), "{said}");
    // What made a run is not guessed: it need not be the program that writes the table.
    done.iter_mut().for_each(|d| d.made = None);
    let said = heading(&done);
    assert!(said.contains("with a program and a machine that were not recorded. Errors"), "{said}");
}

#[test]
fn the_alignment_of_blocks_is_told_where_it_was_measured() {
    let (experiment, mut done) = with_columns();
    let machine = Machine { version: "test".into(), description: "a machine".into(), threads: 1 };
    assert!(!table(&experiment, &machine, &done).contains("Angle"), "nobody measured it");
    let angles = |angles: &[(&str, f64)]| {
        let alignment = angles.iter().map(|&(region, degrees)| Angle { region: region.into(), degrees }).collect();
        vec![EpochReport::default(), EpochReport { alignment, ..EpochReport::default() }]
    };
    done[0].record.epochs = angles(&[("b1", 40.0), ("out", 0.0)]);
    done[1].record.epochs = angles(&[("b1", 50.0), ("b2", 91.5), ("out", 0.0)]);
    let text = table(&experiment, &machine, &done);
    let table = text.split_once("below 90 descends.\n\n").unwrap().1;
    assert_eq!(table, "| run | b1 | out | b2 |\n|---|---|---|---|\n| short | 45.0 | 0.0 | - |\n", "{text}");
}

#[test]
fn results_from_before_are_kept_as_they_are() {
    let (experiment, _) = with_columns();
    let folder = tempfile::tempdir().unwrap();
    let plan = experiment.plan(None).unwrap();
    let facts = &plan[0].facts;
    let record = Record::unfinished(&experiment.run[0].spec(0, facts).unwrap(), Vec::new()).unwrap();
    let old = serde_json::to_value([Done { name: "short".into(), made: None, record }]).unwrap();
    assert!(old[0].get("scores").is_none() && old[0].get("peak_memory").is_none(), "{old}");
    std::fs::write(folder.path().join("toy.json"), old.to_string()).unwrap();
    let kept = experiment.kept(folder.path(), "toy");
    assert_eq!(experiment.found(&plan[0], &kept, folder.path()), Some(kept[0].clone()));
    // Written before there was a key of today: as it has its default, the spec says the same.
    let before = |value: &str| {
        let mut old = kept.clone();
        let line = old[0].record.spec.lines().find(|l| l.starts_with("zoom = ")).unwrap().to_owned();
        old[0].record.spec = old[0].record.spec.replace(&format!("{line}\n"), value);
        experiment.found(&plan[0], &old, folder.path())
    };
    assert!(before("").is_some());
    assert!(before("zoom = 0.5\n").is_none());
}

#[test]
fn mistakes_are_one_line() {
    let error = Experiment::read("fondation").unwrap_err().to_string();
    assert!(error.contains("did you mean `foundation`?"), "{error}");
    let error = Experiment::parse("title = 3", "x.toml").unwrap_err().to_string();
    assert!(error.starts_with("x.toml: line 1: ") && !error.contains('\n'), "{error}");
    let columns = "title = \"\"\nabout = \"\"\ncolumns = [\"f1\", \"top-5\"]";
    let error = Experiment::parse(columns, "x.toml").unwrap_err().to_string();
    let known = "there are accuracy, top5, f1, precision, recall, memory";
    assert_eq!(error, format!("x.toml: line 3: unknown column `top-5`, did you mean `top5`?; {known}; mend that line"));
    let error = Experiment::parse(&TOY.replace("train.epochs", "train.epoch"), "toy").unwrap_err().to_string();
    assert_eq!(error, "toy: unknown key `train.epoch`, did you mean `train.epochs`?; mend that line");
    for (table, unknown) in
        [("[optimizr]", "optimizr"), ("[quick.optimizr]", "optimizr"), ("[run.optimizr]", "optimizr")]
    {
        let error = Experiment::parse(&format!("{TOY}\n{table}\n"), "toy").unwrap_err().to_string();
        assert!(error.contains(&format!("unknown key `{unknown}`")) && !error.contains('\n'), "{table}: {error}");
    }
    let error = Experiment::read("table1").unwrap_err().to_string();
    let four = "`table1-mnist`, `table1-fmnist`, `table1-cifar10` or `table1-imagenet`?";
    assert!(error.starts_with(&format!("unknown experiment `table1`, did you mean {four};")), "{error}");
}

#[test]
fn the_rough_time_of_an_experiment_is_told_without_data() {
    let seconds = |name: &str| rough(&Experiment::read(name).unwrap());
    for (name, least, most) in [("wall-clock", 20.0, 300.0), ("foundation", 60.0, 900.0), ("table1-mnist", 1800.0, 1e5)]
    {
        let s = seconds(name).unwrap();
        assert!((least..most).contains(&s), "{name}: {s}");
    }
    assert_eq!(seconds("table3"), None);
    assert!(rough(&Experiment::parse(TOY, "toy").unwrap()).is_some_and(|s| s > 0.0 && s < 1.0));
}
