//! The `reclra` command line.

fn main() {}
