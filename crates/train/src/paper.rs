//! The paper's figures and settings, read from one file (`data/paper.toml`): each figure with its table, row and column, and
//! in what a run differs from the paper's settings.

mod claims;
mod differences;
mod page;

pub use claims::{
    Claim, EARLIER, Figure, Measure, Origin, Protocol, Row, SOURCE, Table, claim, claimed, claims, data_of, figures,
    protocol, tables,
};
pub use differences::{Difference, differences, listed, told};
pub use page::page;

#[cfg(test)]
mod tests;
