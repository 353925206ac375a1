//! Everything that touches the world: data sets, specs, the training loop, saved models.
//!
//! | module | what it is for |
//! |---|---|
//! | [`spec`] | what one TOML file says, validated |

pub mod spec;
