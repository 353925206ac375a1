//! `reclra bench`: how fast training is on this machine.

mod scale;
mod soak;
mod step;

use super::setup::{device, processor, settings};
use crate::args::{BenchCommand, BenchEpochArgs, Voice};
use crate::failure::Failure;
use crate::output::count;
use reclra_train::bench;
use reclra_train::run::prepare;

pub(crate) fn run(voice: Voice, command: &BenchCommand) -> Result<(), Failure> {
    match command {
        BenchCommand::Step(args) => step::run(voice, args),
        BenchCommand::Epoch(args) => epoch(voice, args),
        BenchCommand::Scale(args) => scale::run(voice, args),
        BenchCommand::Soak(args) => soak::run(voice, args),
    }
}

/// Three decimals, more where nothing would be left.
fn seconds(v: f64) -> String {
    format!("{v:.*}", if v < 0.1 { 6 } else { 3 })
}

fn epoch(voice: Voice, args: &BenchEpochArgs) -> Result<(), Failure> {
    let prepared = prepare(&settings(args.spec.spec.as_deref(), &args.spec.flags)?)?;
    let device = device(args.machine)?;
    let times = bench::epoch(&prepared.spec, &*prepared.dataset, &device, usize::from(args.rounds))?;
    voice.object("epoch", &times)?;
    if times.over_steps < 0.9 {
        voice.note("the steps alone took longer than the epoch they are part of: the epoch is too short to time, or the machine was busy");
    }
    voice.result(format_args!(
        "{} on {}, {} of {}; {}\nepoch {} s, its steps alone {} s: {:.2} times",
        prepared.spec.rule.name(),
        prepared.facts.name,
        count(times.steps as usize, "step"),
        prepared.spec.batch,
        processor(&device),
        seconds(times.epoch_seconds),
        seconds(times.steps_seconds),
        times.over_steps,
    ))
}
