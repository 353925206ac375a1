//! What a run is: its spec, the training loop, checkpoints, run folders, sweeps, import and export, saved models.
//!
//! | module | what it is for |
//! |---|---|
//! | [`bench`] | how fast a step is, and how fast it could be |
//! | [`columns`] | columns that tables of results show when asked for |
//! | [`compare`] | rules x settings x seeds, with tables and plots |
//! | [`fit`] | the visible loop |
//! | [`import`] | weights made elsewhere |
//! | [`memory`] | what a network takes of memory in training |
//! | [`metrics`] | error, top-5 error, confusion matrix, precision, recall, F1 |
//! | [`model`] | saved models |
//! | [`experiment`] | results files, made by a command |
//! | [`export`] | the forward network for other programs |
//! | [`paper`] | what the paper claims |
//! | [`record`] | what came of one run |
//! | [`run`] | from settings to something that can run |
//! | [`runs`] | run folders: what is kept of a run, checkpoints, going on |
//! | [`spec`] | what one TOML file says, validated |
//! | [`warnings`] | what a user should know of a run's data and figures |

pub mod bench;
pub mod columns;
pub mod compare;
pub mod experiment;
pub mod export;
pub mod fit;
pub mod import;
pub mod judge;
pub mod many;
pub mod memory;
pub mod metrics;
pub mod model;
pub mod paired;
pub mod paper;
mod peak;
pub mod record;
pub mod run;
pub mod runs;
pub mod spec;
pub mod warnings;
