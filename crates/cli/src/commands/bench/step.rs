//! `reclra bench step`: the time of a step, phase by phase.

use crate::args::{BenchStepArgs, SpecArgs, Voice};
use crate::commands::setup::{device, processor, settings};
use crate::failure::Failure;
use crate::output::{count, grouped, table};
use reclra::Device;
use reclra_train::bench::{self, Ceiling, StepTimes};
use reclra_train::spec::{RunSpec, Settings};
use std::time::Duration;

/// A spec for random samples of the network's widths.
pub(super) fn random_spec(args: &SpecArgs) -> Result<RunSpec, Failure> {
    let settings: Settings = settings(args.spec.as_deref(), &args.flags)?;
    Ok(RunSpec::resolve(&settings, &bench::random_facts(&settings)?)?)
}

pub(super) fn run(voice: Voice, args: &BenchStepArgs) -> Result<(), Failure> {
    let spec = random_spec(&args.spec)?;
    let device = device(args.machine)?;
    let ceiling = Ceiling::measure(&device);
    voice.note(said(&ceiling));
    let times = bench::step(&spec, &device, &ceiling, Duration::from_secs_f64(args.seconds))?;
    voice.object("bench", &serde_json::json!({ "ceiling": ceiling }))?;
    voice.object("step", &times)?;
    voice.result(report(&times, &device))
}

/// The ceiling in a line.
pub(super) fn said(ceiling: &Ceiling) -> String {
    let size = |bytes: u64| match bytes {
        u64::MAX => String::new(),
        b if b < 1 << 20 => format!(" ({} KiB)", b >> 10),
        b => format!(" ({} MiB)", b >> 20),
    };
    let caches: Vec<String> = ceiling
        .caches
        .iter()
        .map(|c| format!("{}{} {:.0} GB/s", c.name, size(c.bytes), c.bytes_per_second * 1e-9))
        .collect();
    format!("ceiling: {:.0} GFLOP/s; {}", ceiling.flops * 1e-9, caches.join(", "))
}

fn report(t: &StepTimes, device: &Device) -> String {
    let head = format!(
        "{} on {}, batch {}; {}\n{:.1} us a step (p10 {:.1}, p90 {:.1}; {}), {} samples/s\n\
         {:.1} GFLOP/s, {:.1} GB/s; floor {:.1} us, {:.2} times the floor; {} MB of weights and moments, in {}\n",
        t.rule,
        t.arch(),
        t.batch,
        processor(device),
        t.median_us,
        t.p10_us,
        t.p90_us,
        count(t.steps, "step"),
        grouped(t.samples_per_second as usize),
        t.gflops,
        t.gigabytes_per_second,
        t.floor_us,
        t.over_floor,
        megabytes(t.parameter_bytes as f64 * 1e-6),
        t.level_of_memory,
    );
    let rows: Vec<Vec<String>> = [("forward", t.forward), ("messages", t.messages), ("update", t.update)]
        .into_iter()
        .map(|(name, p)| {
            let one = |x: f64| format!("{x:.1}");
            let over = format!("{:.2}", p.over_floor);
            let cells = [p.median_us, p.gflops, p.gigabytes_per_second, p.floor_us].map(one);
            [name.to_owned()].into_iter().chain(cells).chain([over]).collect()
        })
        .collect();
    head + &table(&["phase", "us", "GFLOP/s", "GB/s", "floor us", "times floor"], &rows)
}

/// A decimal, more where nothing would be left.
fn megabytes(v: f64) -> String {
    format!("{v:.*}", if v < 0.1 { 4 } else { 1 })
}
