//! The plots of a comparison.

use reclra::Device;
use reclra_data::{DataFacts, digits};
use reclra_report::plot::of_comparison;
use reclra_train::columns::Columns;
use reclra_train::compare::{Request, Results, Row, plan, rows};
use reclra_train::fit::fit;
use reclra_train::record::Record;
use reclra_train::spec::Settings;
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// Two rules on the digits, on so many seeds.
fn compared(seeds: u64) -> Vec<Row> {
    let mut base = Settings::default();
    ["net.arch=64-24-10", "train.epochs=2"].iter().for_each(|s| base.assign(s).unwrap());
    let rules = ["rec-lra", "backprop"].map(str::to_owned).to_vec();
    let request = Request { base, rules, seeds, ..Request::default() };
    let dataset = digits().unwrap();
    let trials = plan(&request, &DataFacts::of(&dataset)).unwrap().reported(&[]);
    let run = |spec| {
        let outcome = fit(spec, &dataset, Device::cpu(1), &mut (), &AtomicBool::new(false)).unwrap();
        Record::unfinished(spec, outcome.epochs).unwrap()
    };
    let records = trials.iter().map(|trial| trial.runs().iter().map(run).collect()).collect();
    rows(trials, records)
}

fn plots(seeds: u64) -> [String; 2] {
    let (rows, columns) = (compared(seeds), Columns::default());
    let results = Results { rows: &rows, tried: &[], target: 5.0, columns: &columns, jobs: 1 };
    of_comparison(&results, Path::new("out")).unwrap()
}

#[test]
fn rules_are_lines_with_bands_over_the_seeds() {
    let [by_epoch, by_time] = plots(2);
    for svg in [&by_epoch, &by_time] {
        assert!(svg.contains("backprop") && svg.contains("polygon") && svg.contains("polyline"), "{svg}");
    }
    assert!(by_epoch.contains("range over seeds"), "{by_epoch}");
}

#[test]
fn of_one_seed_there_is_no_range() {
    let [svg, _] = plots(1);
    assert!(svg.contains("validation error %") && !svg.contains("range"), "{svg}");
}
