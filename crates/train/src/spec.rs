//! [`RunSpec`]: what one TOML file says about a run, validated once, into a type that cannot be wrong.
//!
//! Settings are collected as users write them ([`Settings`]), then resolved: every key gets its value, where nothing was
//! set the default that suits the data set, activation and depth (method section 5). The resolved spec prints as TOML
//! that gives the same run again.

mod data;
mod error;
mod image;
pub mod keys;
mod layers;
mod mlp;
mod nets;
mod noise;
mod optim;
pub mod preset;
mod read;
mod rules;
mod run_spec;
mod wiring;
mod words;

pub use data::opening;
pub use error::{Result, SpecError};
pub(crate) use mlp::ends;
pub use nets::{ImageNet, NetSpec};
pub(crate) use read::line_of;
pub use read::{Settings, same};
pub use reclra_data::{DataFacts, DataSpec};
pub use rules::{RuleSpec, names as rule_names, of_blocks as block_rule_names, tuning};
pub use run_spec::RunSpec;
pub use toml::Value;
pub use words::{SHORT, canonical};

/// Facts of a made-up data set of square grey images, for tests.
#[cfg(test)]
pub(crate) fn toy_facts(name: &str, side: usize, classes: usize, train: usize, validation: usize) -> DataFacts {
    DataFacts {
        name: name.to_owned(),
        class_names: (0..classes).map(|c| c.to_string()).collect(),
        white: 255,
        train,
        validation,
        published: None,
        shape: reclra_data::ImageShape { channels: 1, height: side, width: side },
    }
}

#[cfg(test)]
mod names_tests;
#[cfg(test)]
mod tests;
