//! Everything that touches the world: data sets, specs, the training loop, saved models.
//!
//! | module | what it is for |
//! |---|---|
//! | [`model`] | saved models |
//! | [`files`] | writing files so that none is ever half there |
//! | [`spec`] | what one TOML file says, validated |

pub mod files;
pub mod model;
pub mod spec;
