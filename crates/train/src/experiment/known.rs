//! The experiments that come with the program: one TOML file each.

use super::file::Experiment;

/// (name, content) of each.
pub const KNOWN: &[(&str, &str)] = &[
    ("table1-mnist", include_str!("../../../../experiments/table1-mnist.toml")),
    ("table1-fmnist", include_str!("../../../../experiments/table1-fmnist.toml")),
    ("table1-cifar10", include_str!("../../../../experiments/table1-cifar10.toml")),
    ("cifar10", include_str!("../../../../experiments/cifar10.toml")),
    ("cifar10-skip", include_str!("../../../../experiments/cifar10-skip.toml")),
    ("cifar10-long", include_str!("../../../../experiments/cifar10-long.toml")),
    ("cifar10-alignment", include_str!("../../../../experiments/cifar10-alignment.toml")),
    ("table1-imagenet", include_str!("../../../../experiments/table1-imagenet.toml")),
    ("imagenette", include_str!("../../../../experiments/imagenette.toml")),
    ("table2", include_str!("../../../../experiments/table2.toml")),
    ("table3", include_str!("../../../../experiments/table3.toml")),
    ("figure4", include_str!("../../../../experiments/figure4.toml")),
    ("figure5", include_str!("../../../../experiments/figure5.toml")),
    ("wall-clock", include_str!("../../../../experiments/wall-clock.toml")),
    ("foundation", include_str!("../../../../experiments/foundation.toml")),
    ("rules", include_str!("../../../../experiments/rules.toml")),
];

/// The title of an experiment that comes with the program, and what it needs that is not there yet.
#[must_use]
pub fn about(text: &str) -> String {
    Experiment::parse(text, "experiment").map_or(String::new(), |e| {
        if e.needs.is_empty() { e.title } else { format!("{}: cannot be made yet", e.title) }
    })
}
