//! `reclra bench scale`: how the cost of a step grows.

use super::step::{random_spec, said};
use crate::args::{BenchScaleArgs, SpecArgs, Voice};
use crate::commands::setup::settings;
use crate::failure::Failure;
use crate::output::{count, table};
use reclra::Device;
use reclra_data::files::writable_folder;
use reclra_report::scaling::{Scaling, write_scaling};
use reclra_train::bench::{self, Ceiling, StepTimes};
use std::time::Duration;

pub(crate) fn run(voice: Voice, args: &BenchScaleArgs) -> Result<(), Failure> {
    let given = settings(args.spec.spec.as_deref(), &args.spec.flags)?;
    if let Some(key) = ["net.arch", "train.batch", "net.model"].into_iter().find(|key| given.get(key).is_some()) {
        let line =
            format!("{key} is not a setting of bench scale, which varies width, depth and batch itself; leave it out");
        return Err(Failure::Usage(line));
    }
    writable_folder(&args.out)?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let budget = Duration::from_secs_f64(args.seconds);
    let mut all: Vec<Scaling> = Vec::new();
    let mut threads: Vec<usize> = (0..).map(|n| 1 << n).take_while(|&t| t < cores).collect();
    threads.push(cores);
    // From `from` in doublings up to `to`; the quick way takes the first of four.
    let points = |from: usize, to: usize| {
        std::iter::successors(Some(from), |n| Some(2 * n)).take_while(move |&n| n <= to).step_by(if args.quick {
            4
        } else {
            1
        })
    };
    for cores in threads {
        let device = Device::cpu(cores);
        let ceiling = Ceiling::measure(&device);
        voice.note(said(&ceiling));
        let mut timed = |axis: &str, at: usize, depth: usize, width: usize, batch: usize| -> Result<(), Failure> {
            let mut spec: SpecArgs = args.spec.clone();
            spec.flags.arch = Some(format!("784-{depth}x{width}-10"));
            spec.flags.batch = Some(batch.to_string());
            let times = bench::step(&random_spec(&spec)?, &device, &ceiling, budget)?;
            voice.note(format_args!("{axis} {at}, {}: {:.1} us", count(cores, "thread"), times.median_us));
            voice.object("scale", &serde_json::json!({ "axis": axis, "at": at, "step": times }))?;
            all.push(Scaling { axis: axis.to_owned(), at, times });
            Ok(())
        };
        for width in points(64, args.widest as usize) {
            timed("width", width, 3, width, 32)?;
        }
        for depth in points(2, 64) {
            timed("depth", depth, depth, 256, 32)?;
        }
        for batch in points(1, 1024) {
            timed("batch", batch, 5, 256, batch)?;
        }
    }
    let files = write_scaling(&all, &args.out)?;
    voice.object("files", &files)?;
    let row = |s: &Scaling| {
        let StepTimes { threads, median_us, floor_us, over_floor, gflops, .. } = &s.times;
        let mut cells = vec![s.axis.clone(), s.at.to_string(), threads.to_string()];
        cells.extend([median_us, floor_us, over_floor, gflops].map(|x| format!("{x:.2}")));
        cells
    };
    let head = ["axis", "at", "threads", "us", "floor us", "times floor", "GFLOP/s"];
    voice.result(table(&head, &all.iter().map(row).collect::<Vec<_>>()))?;
    voice.note(format_args!("written to {}", args.out.display()));
    Ok(())
}
