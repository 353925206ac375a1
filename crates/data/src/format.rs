//! Formats of files that others read too.

pub mod safetensors;
