//! Presets: whole sets of defaults. A key that is set by the user overrides any of them.

use crate::paper::protocol;
use reclra_data::DataFacts;
use toml::{Table, Value};

/// (name, one line) of each preset.
pub const KNOWN: &[(&str, &str)] = &[
    ("default", "what suits data, activation and depth within minutes"),
    ("paper", "the settings of the paper, and this project's reading of those that it leaves open"),
    ("tuned", "recipes of this project with lower errors: another schedule, more epochs, augmentation"),
];

/// What a preset stands for.
#[derive(Clone, Copy)]
pub(super) struct Preset {
    /// The values that it puts in place of the usual defaults, by key, for a data set and a model.
    pub(super) defaults: fn(&DataFacts, Option<&str>) -> Table,
    /// True for the settings of the paper.
    pub(super) is_paper: bool,
}

/// The presets of [`KNOWN`] by name.
pub(super) const PRESETS: &[(&str, Preset)] = &[
    ("default", Preset { defaults: |_, _| Table::new(), is_paper: false }),
    ("paper", Preset { defaults: paper, is_paper: true }),
    ("tuned", Preset { defaults: tuned, is_paper: false }),
];

/// True for the name of an image network.
fn is_image(model: Option<&str>) -> bool {
    model.is_some_and(|m| m != "mlp")
}

fn paper(facts: &DataFacts, model: Option<&str>) -> Table {
    let image = is_image(model);
    let mut set = protocol(image).set.clone();
    if image {
        // The paper names both for CIFAR-10 alone.
        let whitened = is_cifar(facts);
        set.insert("data.normalise".to_owned(), Value::from(if whitened { "gcn" } else { "none" }));
        set.insert("data.zca".to_owned(), Value::from(whitened));
        if model == Some("noise-resnet18") {
            let large = facts.shape.height.min(facts.shape.width) > 64;
            set.insert("net.width".to_owned(), Value::from(if large { 256 } else { 160 }));
        }
    }
    set
}

/// Perceptrons: Adam 1e-3 falling to 0, and on MNIST images shifted by up to a pixel, which on Fashion-MNIST does harm
/// (docs/results.md). Image networks: the usual defaults, and photographs of 32 x 32 are cut and mirrored
/// (docs/results/cifar10-long.md). Small data sets: the usual defaults.
fn tuned(facts: &DataFacts, model: Option<&str>) -> Table {
    let pairs: Vec<(&str, Value)> = match (is_image(model), small(facts)) {
        (true, false) if is_cifar(facts) => {
            vec![("data.crop", Value::from(4)), ("data.flip", Value::from(true)), ("train.epochs", Value::from(30))]
        }
        (false, false) => vec![
            ("data.shift", Value::from(i64::from(facts.name == "mnist"))),
            ("optim.lr", Value::from(1e-3)),
            ("optim.schedule", Value::from("linear")),
            ("train.epochs", Value::from(15)),
        ],
        _ => Vec::new(),
    };
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Photographs of 32 x 32 pixels, whatever their files are.
fn is_cifar(facts: &DataFacts) -> bool {
    (facts.shape.channels, facts.shape.height, facts.shape.width) == (3, 32, 32)
}

/// Whether a data set is so small that the settings of MNIST, a hundred thousand steps of 2e-4 from small weights, do not
/// carry over. Those used instead were chosen by validation error over twenty seeds.
pub(super) fn small(facts: &DataFacts) -> bool {
    facts.train < 5_000
}
