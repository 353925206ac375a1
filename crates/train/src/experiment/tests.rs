//! Reading and making experiments; that those of the program are sound.

use super::*;

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
        panic!("{line}");
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
            stop: &never,
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

#[test]
fn mistakes_are_one_line() {
    let error = Experiment::read("fondation").unwrap_err().to_string();
    assert!(error.contains("did you mean `foundation`?"), "{error}");
    let error = Experiment::parse("title = 3", "x.toml").unwrap_err().to_string();
    assert!(error.starts_with("x.toml: line 1: ") && !error.contains('\n'), "{error}");
    let e = Experiment::parse(&TOY.replace("train.epochs", "train.epoch"), "toy").unwrap();
    let facts = crate::spec::toy_facts("digits", 8, 10, 1000, 100);
    let error = e.run[0].spec(0, &facts).unwrap_err().to_string();
    assert_eq!(error, "run `short`: experiment: unknown key `train.epoch`, did you mean `train.epochs`?");
}

#[test]
fn the_rough_time_of_an_experiment_is_told_without_data() {
    let seconds = |name: &str| rough(&Experiment::read(name).unwrap());
    for (name, least, most) in [("wall-clock", 20.0, 300.0), ("foundation", 60.0, 900.0), ("table1-mnist", 1800.0, 1e5)]
    {
        let s = seconds(name).unwrap();
        assert!((least..most).contains(&s), "{name}: {s}");
    }
    assert_eq!(seconds("table2"), None);
    assert!(rough(&Experiment::parse(TOY, "toy").unwrap()).is_some_and(|s| s > 0.0 && s < 1.0));
}
