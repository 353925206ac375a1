//! The sections of a report, a file each: it is given the runs and gives the markup.

pub(crate) mod claims;
pub(crate) mod confusion;
pub(crate) mod curves;
pub(crate) mod layers;
pub(crate) mod means;
pub(crate) mod network;
pub(crate) mod pictures;
pub(crate) mod preparation;
pub(crate) mod spec;
pub(crate) mod summary;
pub(crate) mod timing;
