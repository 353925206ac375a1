//! Everything that touches the world: data sets, specs, the training loop, saved models.
//!
//! | module | what it is for |
//! |---|---|
//! | [`data`] | data sets, splits, batches |
//! | [`fit`] | the visible loop |
//! | [`metrics`] | error, confusion matrix, precision, recall, F1 |
//! | [`model`] | saved models |
//! | [`experiment`] | results files, made by a command |
//! | [`files`] | writing files so that none is ever half there |
//! | [`run`] | from settings to something that can run |
//! | [`spec`] | what one TOML file says, validated |

pub mod data;
pub mod experiment;
pub mod files;
pub mod fit;
pub mod metrics;
pub mod model;
pub mod run;
pub mod spec;
mod streams;
