//! The published tables are what the program makes of the published runs, and the page of the paper's figures is the program's.
//!
//! `RECLRA_RENEW=1 cargo test -p reclra-train --test results` writes them again.

use reclra_data::{self as data, ImageShape};
use reclra_train::experiment::{Experiment, KNOWN, Machine, markdown};
use reclra_train::paper;
use reclra_train::spec::{DataFacts, RunSpec};
use std::fs;
use std::path::{Path, PathBuf};

fn results() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/results")
}

/// What the data of a run are, without their files: those of a folder are the ten classes of CIFAR-10 or of Imagenette.
fn facts(set: &std::collections::BTreeMap<String, toml::Value>) -> DataFacts {
    let name = set.get("data.name").and_then(toml::Value::as_str).unwrap_or("digits");
    if let Some((facts, _)) = data::entry(name).unwrap().published() {
        return facts;
    }
    let side = set.get("data.size").and_then(toml::Value::as_integer).map_or(32, |s| s as usize);
    DataFacts {
        name: name.to_owned(),
        class_names: (0..10).map(|c| c.to_string()).collect(),
        white: 255,
        train: if side == 32 { 50_000 } else { 1_300 },
        validation: if side == 32 { 5_000 } else { 130 },
        shape: ImageShape { channels: 3, height: side, width: side },
        published: None,
    }
}

fn same(path: &Path, text: &str) {
    if std::env::var_os("RECLRA_RENEW").is_some() {
        fs::write(path, text).unwrap();
    }
    let there = fs::read_to_string(path).unwrap_or_default();
    let differs = there.lines().zip(text.lines()).find(|(a, b)| a != b);
    assert!(there == text, "{}: renew it with RECLRA_RENEW=1; {differs:?}", path.display());
}

#[test]
fn published_tables_are_made_of_the_published_runs() {
    let mut tables = 0;
    for (name, _) in KNOWN {
        let experiment = Experiment::read(name).unwrap();
        let done = experiment.kept(&results(), name);
        if done.is_empty() {
            continue;
        }
        let planned: Vec<(usize, RunSpec, DataFacts)> = (0..experiment.run.len())
            .map(|n| {
                let facts = facts(&experiment.run[n].set);
                (n, experiment.run[n].spec(0, &facts).unwrap(), facts)
            })
            .collect();
        for d in &done {
            assert!(d.made.is_some(), "{name}, {}: says not what made it", d.name);
            let n = experiment.run.iter().position(|r| r.name == d.name);
            let run = &experiment.run[n.unwrap_or_else(|| panic!("{name} has no row `{}`", d.name))];
            let facts = &planned[n.unwrap()].2;
            let spec = run.spec(d.record.seed, facts).unwrap();
            assert!(spec.is_that_of(&d.record.spec, facts), "{name}, {}: other settings than today's", d.name);
        }
        let specs: Vec<(usize, &RunSpec)> = planned.iter().map(|(n, spec, _)| (*n, spec)).collect();
        let machine = Machine { version: String::new(), description: String::new(), threads: 1 };
        same(&results().join(format!("{name}.md")), &markdown(&experiment, name, &machine, &specs, &done));
        tables += 1;
    }
    assert!(tables > 5, "{tables}");
}

#[test]
fn the_page_of_the_papers_figures_is_that_of_the_program() {
    same(&results().join("paper.md"), &paper::page());
}

/// Sentences of the documents that quote the paper say what the file says.
#[test]
fn documents_quote_the_paper_as_the_file_has_it() {
    use paper::Measure::{EpochLeast, EpochMost, Test};
    let value = |id: &str, m| paper::claim(id).unwrap().value(m).unwrap();
    let read = |path: &str| {
        let text = fs::read_to_string(results().join("../..").join(path)).unwrap();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let best = |data: &str| value(&format!("table1/{data}/rec-lra-tanh"), Test);
    let said =
        format!("The paper reports {} % on MNIST and {} % on Fashion-MNIST", best("mnist"), best("fashion-mnist"));
    assert!(read("README.md").contains(&said), "{said}");
    let ratio = |most| value("wall-clock/rec-lra", EpochLeast) / value("wall-clock/backprop", most);
    let said =
        format!("The paper claims {:.2} to {:.2} for rec-LRA against backprop", ratio(EpochMost), ratio(EpochLeast));
    assert!(read("docs/performance.md").contains(&said), "{said}");
    let quoted = |rule: &str, data: &str| value(&format!("table1/{data}/{rule}"), Test);
    let results = read("docs/results.md");
    for said in [
        format!("MNIST (1.83) is where the quoted row is ({})", quoted("feedback-alignment", "mnist")),
        format!("(7.90 against {})", quoted("target-prop", "mnist")),
        format!("(16.22 against {})", quoted("target-prop", "fashion-mnist")),
    ] {
        assert!(results.contains(&said), "{said}");
    }
}
