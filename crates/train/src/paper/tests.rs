//! The figures of the paper against a table typed a second time, and the settings against the preset that has them.

use super::claims::{FILE, File, printed};
use super::*;
use crate::experiment::{Experiment, KNOWN};
use crate::spec::{DataFacts, RunSpec, Settings, toy_facts};
use Measure::*;
use std::collections::BTreeMap;

/// Id of a row, true if the authors trained it, measures with figures.
type Cells = (&'static str, bool, &'static [(Measure, f64)]);

/// Every cell.
const CELLS: &[Cells] = &[
    ("table1/mnist/backprop", false, &[(Test, 1.48), (Train, 0.00)]),
    ("table1/mnist/target-prop", false, &[(Test, 1.86), (Train, 0.00)]),
    ("table1/mnist/equilibrium-prop", false, &[(Test, 9.21), (Train, 7.59)]),
    ("table1/mnist/lra-e", false, &[(Test, 1.97), (Train, 0.16)]),
    ("table1/mnist/feedback-alignment", false, &[(Test, 1.85), (Train, 0.00)]),
    ("table1/mnist/direct-feedback-alignment", false, &[(Test, 2.75), (Train, 0.85)]),
    ("table1/mnist/rec-lra-tanh", true, &[(Test, 1.82), (Train, 0.00)]),
    ("table1/mnist/rec-lra-lrelu", true, &[(Test, 2.26), (Train, 0.22)]),
    ("table1/mnist/rec-lra-elu", true, &[(Test, 1.93), (Train, 0.09)]),
    ("table1/mnist/rec-lra-sign", true, &[(Test, 2.33), (Train, 0.85)]),
    ("table1/fashion-mnist/backprop", false, &[(Test, 12.98), (Train, 12.10)]),
    ("table1/fashion-mnist/target-prop", false, &[(Test, 19.66), (Train, 21.078)]),
    ("table1/fashion-mnist/equilibrium-prop", false, &[(Test, 20.97), (Train, 16.56)]),
    ("table1/fashion-mnist/lra-e", false, &[(Test, 12.31), (Train, 9.84)]),
    ("table1/fashion-mnist/feedback-alignment", false, &[(Test, 12.89), (Train, 12.09)]),
    ("table1/fashion-mnist/direct-feedback-alignment", false, &[(Test, 13.09), (Train, 12.58)]),
    ("table1/fashion-mnist/rec-lra-tanh", true, &[(Test, 11.87), (Train, 6.57)]),
    ("table1/fashion-mnist/rec-lra-lrelu", true, &[(Test, 14.13), (Train, 8.95)]),
    ("table1/fashion-mnist/rec-lra-elu", true, &[(Test, 13.17), (Train, 9.39)]),
    ("table1/fashion-mnist/rec-lra-sign", true, &[(Test, 14.879), (Train, 12.42)]),
    ("table1/cifar10/cnn-backprop", false, &[(Train, 1.39), (Test, 31.87)]),
    ("table1/cifar10/cnn-target-prop", false, &[(Train, 28.69), (Test, 39.47)]),
    ("table1/cifar10/cnn-feedback-alignment", false, &[(Train, 17.46), (Test, 37.44)]),
    ("table1/cifar10/cnn-direct-feedback-alignment", false, &[(Train, 32.74), (Test, 44.41)]),
    ("table1/cifar10/backprop", true, &[(Train, 5.00), (Test, 5.94)]),
    ("table1/cifar10/rec-lra", true, &[(Train, 5.88), (Test, 6.12)]),
    ("table1/imagenet/target-prop", false, &[(Test, 98.34), (Top5, 94.56)]),
    ("table1/imagenet/feedback-alignment", false, &[(Test, 93.08), (Top5, 82.54)]),
    ("table1/imagenet/backprop", true, &[(Test, 28.15), (Top5, 9.81)]),
    ("table1/imagenet/rec-lra", true, &[(Test, 30.48), (Top5, 11.97)]),
    ("table2/backprop", true, &[(Accuracy, 91.15), (F1, 90.24), (Precision, 89.51), (Recall, 90.58)]),
    ("table2/rec-lra", true, &[(Accuracy, 90.88), (F1, 89.96), (Precision, 89.20), (Recall, 88.61)]),
    ("table3/backprop", true, &[(Accuracy, 71.84), (F1, 70.04), (Precision, 70.12), (Recall, 69.96)]),
    ("table3/rec-lra", true, &[(Accuracy, 69.52), (F1, 67.82), (Precision, 68.12), (Recall, 67.52)]),
    ("wall-clock/backprop", true, &[(EpochLeast, 2.5), (EpochMost, 2.7), (Total, 3.0 * 60.0 + 45.0)]),
    ("wall-clock/rec-lra", true, &[(EpochLeast, 2.127), (EpochMost, 2.127), (Total, 3.0 * 60.0 + 12.0)]),
];

#[test]
fn every_cell_is_the_printed_one() {
    toml::from_str::<File>(FILE).unwrap();
    let ids: Vec<String> = claims().map(|c| c.id()).collect();
    assert_eq!(ids, CELLS.iter().map(|c| c.0).collect::<Vec<_>>());
    for (id, own, cells) in CELLS {
        let claim = claim(id).unwrap();
        assert_eq!(claim.row.origin == Origin::Paper, *own, "{id}");
        assert_eq!(claim.origin().is_none(), *own, "{id}");
        assert_eq!(claim.row.values, cells.iter().copied().collect::<BTreeMap<_, _>>(), "{id}");
        for (measure, _) in *cells {
            assert!(claim.table.columns.contains_key(measure), "{id}: {measure:?} has no column");
            let place = claim.place(*measure);
            assert!(place.starts_with(&claim.table.source) && !place.ends_with(", "), "{place}");
        }
    }
    let tanh = claim("table1/mnist/rec-lra-tanh").unwrap();
    assert_eq!(tanh.place(Test), "Table 1, rec-LRA, tanh (ours), MNIST, Test");
}

/// What is said of the tables beside their figures follows from the figures.
#[test]
fn the_contradictions_that_are_noted_are_there() {
    let value = |id: &str, m| claim(id).unwrap().value(m).unwrap();
    for row in ["table2/backprop", "table2/rec-lra"] {
        let mean = (value(row, Precision) + value(row, Recall)) / 2.0;
        assert!(value(row, F1) > mean + 0.1, "{row}");
        let error = value(&row.replace("table2", "table1/cifar10"), Test);
        assert!(100.0 - value(row, Accuracy) > error + 2.0, "{row}");
        assert_eq!(claim(row).unwrap().notes().count(), 1);
    }
    for row in ["table3/backprop", "table3/rec-lra"] {
        let mean = (value(row, Precision) + value(row, Recall)) / 2.0;
        assert!((value(row, F1) - mean).abs() < 1e-9, "{row}");
        assert!((100.0 - value(row, Accuracy) - value(&row.replace("table3", "table1/imagenet"), Test)).abs() < 0.02);
        assert_eq!(claim(row).unwrap().notes().count(), 1);
    }
    for row in ["table2/backprop", "table2/rec-lra", "table3/backprop", "table3/rec-lra"] {
        assert!(value(row, Accuracy) > value(row, Recall) + 0.5, "{row}");
    }
    // rec-LRA is the faster one.
    let ratio = |most| value("wall-clock/rec-lra", EpochLeast) / value("wall-clock/backprop", most);
    assert_eq!([EpochMost, EpochLeast].map(|m| (100.0 * ratio(m)).round()), [79.0, 85.0]);
    assert_eq!(value("wall-clock/backprop", Total) / 90.0, 2.5);
}

#[test]
fn a_network_is_compared_with_the_rows_of_its_rule_activation_and_data() {
    let of = |rule, act, image, data| claimed(rule, act, image, data).iter().map(Claim::id).collect::<Vec<_>>();
    assert_eq!(of("rec-lra", "sign", false, "fashion-mnist"), ["table1/fashion-mnist/rec-lra-sign"]);
    assert_eq!(of("target-prop", "tanh", false, "mnist"), ["table1/mnist/target-prop"]);
    assert_eq!(of("target-prop", "elu", false, "mnist"), [""; 0]);
    assert_eq!(of("rec-lra", "sigmoid", false, "mnist"), [""; 0]);
    assert_eq!(of("rec-lra", "tanh", false, "digits"), [""; 0]);
    assert_eq!(of("rec-lra", "tanh", false, "cifar10"), [""; 0]);
    assert_eq!(of("backprop", "relu", true, "cifar10"), ["table1/cifar10/backprop", "table2/backprop"]);
    assert_eq!(of("feedback-alignment", "relu", true, "cifar10"), ["table1/cifar10/cnn-feedback-alignment"]);
    assert_eq!(
        of("rec-lra", "relu", true, data_of("image-folder", 1000)),
        ["table1/imagenet/rec-lra", "table3/rec-lra"]
    );
    assert_eq!(of("rec-lra", "relu", true, data_of("image-folder", 10)), [""; 0]);
    assert_eq!(of("rec-lra", "tanh", true, "mnist"), [""; 0]);
}

#[test]
fn names_are_those_of_a_spec() {
    let (rules, acts) = (crate::spec::rule_names(), reclra::phi::KNOWN);
    for c in claims() {
        assert!(rules.contains(&c.row.rule.as_str()), "{}", c.id());
        assert!(c.row.act.as_deref().is_none_or(|a| acts.iter().any(|k| k.name == a)), "{}", c.id());
        assert!(c.table.data == "imagenet" || reclra_data::entry(&c.table.data).is_ok(), "{}", c.id());
    }
    for image in [false, true] {
        let p = protocol(image);
        for key in p.set.keys().chain(&p.open) {
            assert!(crate::spec::keys::find(key).is_some(), "{key}");
        }
        assert!(p.activations.iter().all(|a| acts.iter().any(|k| k.name == a)));
        assert!(p.rules.iter().all(|r| rules.contains(&r.as_str())));
    }
}

/// Figures of the paper stand in no experiment: each is named by its id.
#[test]
fn experiments_name_figures_by_their_ids() {
    let digits = |text: &str| text.chars().filter(|c| c.is_ascii_digit()).count();
    let printed: Vec<String> = CELLS
        .iter()
        .flat_map(|c| c.2)
        .map(|(_, v)| printed(*v))
        // Two or more decimals and three digits are no accident; 2.50 is.
        .filter(|text| digits(text) >= 3 && !text.ends_with('0'))
        .collect();
    assert!(printed.len() > 60);
    let mut named = 0;
    for (name, text) in KNOWN {
        for line in text.lines() {
            let words: Vec<&str> = line.split(|c: char| !(c.is_ascii_digit() || c == '.')).collect();
            // A figure of ours in words on a goal may be the same number.
            let goal = line.starts_with("goal") || line.starts_with("at_most") || line.starts_with("at_least");
            let quoted = printed.iter().find(|p| words.iter().any(|w| w.trim_end_matches('.') == p.as_str()));
            assert!(goal || quoted.is_none(), "{name}: `{line}` quotes {quoted:?}; name its id with `claimed`");
        }
        let experiment = Experiment::parse(text, name).unwrap();
        for claimed in experiment.run.iter().filter_map(|r| r.claimed.as_ref()) {
            assert!(claimed.row().is_some(), "{name}: figures in the file; name an id");
            named += 1;
        }
    }
    assert!(named > 30, "{named}");
}

fn resolved(text: &str, facts: &DataFacts) -> RunSpec {
    RunSpec::resolve(&Settings::parse(text, "spec").unwrap(), facts).unwrap()
}

fn cifar() -> DataFacts {
    let facts = toy_facts("cifar10", 32, 10, 50_000, 5_000);
    DataFacts { shape: reclra_data::ImageShape { channels: 3, ..facts.shape }, ..facts }
}

#[test]
fn under_the_preset_nothing_differs_but_what_is_set() {
    let mnist = toy_facts("mnist", 28, 10, 60_000, 2_000);
    let of = |text: &str| listed(&differences(&resolved(&format!("preset = \"paper\"\n{text}"), &mnist)).unwrap());
    for act in ["tanh", "lrelu", "elu", "sign"] {
        for arch in ["784-3x1024-10", "784-5x256-10", "784-8x256-10"] {
            assert_eq!(of(&format!("net.act = \"{act}\"\nnet.arch = \"{arch}\"")), "", "{act} {arch}");
        }
    }
    let deep = "net.arch = \"784-8x256-10\"\n";
    assert_eq!(of(&format!("{deep}net.act = \"sigmoid\"")), "");
    assert_eq!(of(&format!("{deep}train.epochs = 100")), "", "figure 4 has 100 epochs of them");
    assert_eq!(of(&format!("{deep}train.epochs = 20")), "train.epochs = 20 (paper: 500, in Figure 4 100)");
    let wide = "net.arch = \"784-3x1024-10\"\n";
    assert_eq!(of(&format!("{wide}rule.name = \"backprop\"")), "");
    assert_eq!(
        of(&format!("{wide}train.epochs = 12\noptim.radius = 0\nrule.beta = 0.5\noptim.lr = 1e-3\ndata.shift = 1")),
        "data.shift = 1 (paper: 0); rule.beta = 0.5 (paper: not said; 0.1 in the preset); optim.lr = 1e-3 (paper: 2e-4); \
         optim.radius = 0 (paper: re-projected; c not said, 1 in the preset); train.epochs = 12 (paper: 100)"
    );
    assert_eq!(of(""), "net.arch = 784-3x256-10 (paper: 3x1024, 5x256, 8x256)");
    assert_eq!(
        of(&format!("{wide}rule.name = \"hebbian\"\nnet.act = \"relu\"")),
        "net.act = relu (paper: tanh, sigmoid, lrelu, elu, sign); rule.name = hebbian (paper: not there)"
    );
    assert_eq!(of(&format!("{wide}rule.name = \"lra-e\"")), "rule.name = lra-e (paper: from earlier work only)");
}

#[test]
fn the_usual_defaults_differ_in_what_they_differ_in() {
    let mnist = toy_facts("mnist", 28, 10, 60_000, 2_000);
    let of = |text: &str, facts: &DataFacts| listed(&differences(&resolved(text, facts)).unwrap());
    assert_eq!(of("net.arch = \"784-3x1024-10\"", &mnist), "train.epochs = 12 (paper: 100)");
    let sign = of("net.arch = \"784-3x1024-10\"\nnet.act = \"sign\"\ntrain.epochs = 100", &mnist);
    assert_eq!(
        sign,
        "optim.lr = 1e-3 (paper: 2e-4); optim.schedule = linear (paper: not said; constant in the preset); \
         optim.radius = 0 (paper: re-projected; c not said, 1 in the preset)"
    );
    let digits = of("", &toy_facts("digits", 8, 10, 1_300, 300));
    assert!(
        digits.starts_with("data.name = digits (paper: mnist, fashion-mnist); data.shift = 1 (paper: 0); "),
        "{digits}"
    );
    let image = of("net.model = \"resnet8\"\nrule.wiring = \"skip\"", &cifar());
    for part in [
        "data.normalise = mean-std (paper: gcn)",
        "data.zca = false (paper: true)",
        "net.model = resnet8 (paper: noise-resnet18)",
        "net.width = the model's own (paper: 160)",
        "net.init = he (paper: gaussian)",
        "rule.stem = inside (paper: own)",
        "rule.message = both (paper: output)",
        "optim.lr = 0.01 (paper: 1e-4)",
        "train.epochs = 10 (paper: 100)",
        "train.batch = 64 (paper: 10)",
    ] {
        assert!(image.contains(part), "{part}: {image}");
    }
}

#[test]
fn image_networks_under_the_preset_are_those_of_the_paper() {
    for rule in ["rec-lra", "backprop"] {
        let text = format!("preset = \"paper\"\nnet.model = \"noise-resnet18\"\nrule.name = \"{rule}\"");
        let spec = resolved(&text, &cifar());
        assert_eq!(differences(&spec).unwrap(), []);
        assert_eq!(spec.graph().unwrap().parameters(), 8_771_690);
        assert_eq!((spec.batch, spec.epochs, spec.data.validation), (10, 100, 5_000));
        assert_eq!((spec.optim(1).rate, spec.optim(1).radius), (1e-4, Some(1.0)));
        assert_eq!((spec.data.normalise.name(), spec.data.zca), ("gcn", Some(1e-3)));
        let large = DataFacts {
            name: "image-folder".into(),
            class_names: (0..1000).map(|c| c.to_string()).collect(),
            shape: reclra_data::ImageShape { channels: 3, height: 224, width: 224 },
            ..cifar()
        };
        let spec = resolved(&format!("{text}\ndata.name = \"image-folder\"\ndata.size = 224"), &large);
        assert_eq!(differences(&spec).unwrap(), []);
        assert_eq!(spec.graph().unwrap().parameters(), 24_449_768);
        assert_eq!((spec.data.zca, spec.data.augment.flip, spec.data.augment.zoom), (None, false, 1.0));
    }
}

#[test]
fn the_page_has_every_row() {
    let page = page();
    assert!(claims().all(|c| page.contains(&format!("| `{}` |", c.id()))));
    assert!(page.contains("| 31.87 | literature |") && page.contains("| 2.127 |"), "{page}");
    assert_eq!([0.0, 12.1, 21.078, 2.5, 225.0].map(printed), ["0.00", "12.10", "21.078", "2.50", "225.00"]);
}
