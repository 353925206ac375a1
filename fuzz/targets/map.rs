//! Fuzz target of the door `map`.

#![no_main]

#[path = "../doors.rs"]
mod doors;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| doors::through("map", bytes));
