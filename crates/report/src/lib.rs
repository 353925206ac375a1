//! What a person looks at: reports, plots, maps of what a layer sees, event files for TensorBoard.
//!
//! A report is one HTML file about one run or several that a person reads without anything else, on paper too. Nothing in it
//! comes from elsewhere: styles, script and pictures are inside.
//!
//! A section is one file of `sections/`; it is given the runs and gives the markup, and knows nothing of the others.

mod chart;
mod drawing;
pub mod embed;
mod findings;
mod fonts;
mod groups;
mod page;
mod parts;
pub mod plot;
mod png;
mod scale;
pub mod scaling;
mod sections;
mod subject;
pub mod tensorboard;
mod words;
mod write;

pub use drawing::picture;
pub use findings::{Findings, Mistake};
pub use subject::{Options, Subject};
pub use write::{html, render, replaceable, save, write, write_at_end};

#[cfg(test)]
pub(crate) mod tests;
