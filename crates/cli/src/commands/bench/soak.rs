//! `reclra bench soak`: a run of very many steps, and what becomes of its memory, its speed and its files.

use crate::args::{BenchSoakArgs, Voice};
use crate::commands::setup::{device, environment, processor, settings};
use crate::failure::Failure;
use crate::output::{count, grouped};
use crate::signals::stop_flag;
use reclra_data::files::writable_folder;
use reclra_report::write_at_end;
use reclra_train::bench::{self, Stretch};
use reclra_train::run::prepare;
use reclra_train::runs::SPEC;
use serde_json::json;
use std::time::{Duration, Instant};

/// Time between two lines of progress.
const SAID: Duration = Duration::from_secs(2);

pub(crate) fn run(voice: Voice, args: &BenchSoakArgs) -> Result<(), Failure> {
    if let Some(out) = args.out.as_ref().filter(|out| out.join(SPEC).exists()) {
        return Err(Failure::Usage(format!(
            "{}: a run is there already; name another folder with --out",
            out.display()
        )));
    }
    let prepared = prepare(&settings(args.spec.spec.as_deref(), &args.spec.flags)?)?;
    let device = device(args.machine)?;
    let environment = environment(&prepared.spec.data, None, &prepared.facts, &device)?;
    let scratch =
        tempfile::tempdir().map_err(|e| Failure::Usage(format!("no temporary folder: {e}; name one with --out")))?;
    let folder = args.out.clone().unwrap_or_else(|| scratch.path().join("run"));
    writable_folder(&folder)?;
    let mut said = Instant::now();
    let mut told = |s: &Stretch, all: u64| {
        if said.elapsed() >= SAID {
            said = Instant::now();
            let held = s.resident.map_or(String::new(), |bytes| format!("  {} MB resident", megabytes(bytes)));
            voice.note(format_args!(
                "step {}/{}  {:.1} us a step{held}",
                grouped(s.step as usize),
                grouped(all as usize),
                s.step_us
            ));
        }
    };
    let stop = stop_flag();
    let what = (&prepared.spec, &*prepared.dataset, &prepared.facts);
    let Some(soak) = bench::soak(what, (&folder, &environment, &device), args.steps, (&stop, write_at_end), &mut told)?
    else {
        return Err(Failure::Interrupted("interrupted; nothing was measured".to_owned()));
    };
    voice.object("soak", &json!(soak))?;
    let memory = match (soak.resident, soak.growth) {
        (Some((first, last)), Some(growth)) => {
            format!(
                "{} MB resident after the warm-up, {} MB at the end, {:+.2} % at the most",
                megabytes(first),
                megabytes(last),
                100.0 * growth
            )
        }
        _ => "what is resident the system does not tell".to_owned(),
    };
    voice.result(format_args!(
        "{} on {}, {} in {}; {}\n{memory}\na step at the end takes {:.3} of what it took after the warm-up; stretches lie {:.2} apart (p90 over p10)\nlog {} bytes, lines of the epochs {} bytes",
        prepared.spec.rule.name(),
        prepared.facts.name,
        format_args!("{} steps", grouped(soak.steps as usize)),
        count(soak.epochs as usize, "epoch"),
        processor(&device),
        soak.drift,
        soak.noise,
        soak.log_bytes,
        soak.metrics_bytes,
    ))
}

fn megabytes(bytes: u64) -> String {
    format!("{:.2}", bytes as f64 * 1e-6)
}
