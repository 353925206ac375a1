//! Experiments: one TOML file a published table, figure or set of runs, from which a command makes a results file.
//!
//! Every figure in the documentation comes from such a file. Each run has a folder of its own and goes on where it was
//! left; finished runs are kept beside the table and made again only if their spec has changed.

mod done;
mod error;
mod estimate;
mod file;
mod known;
mod make;
mod markdown;
mod read;
mod run;

pub use done::{Done, Machine};
pub use error::ExperimentError;
pub use estimate::{Estimate, estimate, rough};
pub use file::Experiment;
pub use known::{KNOWN, about};
pub use make::{Planned, Plot, Witness, Work};
pub use markdown::markdown;
pub use run::{Choose, Claimed, Metric, Run};

#[cfg(test)]
mod tests;
