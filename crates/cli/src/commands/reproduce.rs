//! `reclra reproduce`: the runs of an experiment and its table.

use super::setup::{machine, runs_home, surroundings};
use crate::args::{EmbedArgs, ReproduceArgs, Voice};
use crate::failure::Failure;
use crate::output::{count, table};
use crate::progress::{Show, duration};
use crate::signals::stop_flag;
use reclra::Device;
use reclra_data::files::writable_folder;
use reclra_report::plot::by_epoch;
use reclra_report::write_at_end;
use reclra_train::experiment::{Experiment, KNOWN, Run, Witness, Work, estimate, markdown, rough};
use reclra_train::fit::Observer;
use reclra_train::runs::{Keeping, RunFolder};
use reclra_train::spec::RunSpec;
use serde_json::json;

pub(crate) fn run(voice: Voice, args: &ReproduceArgs) -> Result<(), Failure> {
    if args.name == "list" {
        return list(voice);
    }
    let mut experiment = Experiment::read(&args.name)?;
    if let Some(n) = args.seeds {
        experiment.seeds = (0..n).collect();
    }
    let path = std::path::Path::new(&args.name);
    let mut name = path.file_stem().map_or(args.name.clone(), |s| s.to_string_lossy().into_owned());
    if args.quick {
        experiment = experiment.quickly();
        name.push_str("-quick");
    }
    voice.note(&experiment.title);
    let plan = match experiment.plan(args.data_dir.as_deref()) {
        Ok(plan) => plan,
        Err(e) => {
            // What the paper says is told even where nothing can be measured.
            voice.note(&experiment.about);
            return Err(e.into());
        }
    };
    let mut noted: Vec<String> = Vec::new();
    for line in plan.iter().flat_map(|p| p.dataset.notes()) {
        if !noted.contains(&line) {
            voice.note(&line);
            noted.push(line);
        }
    }
    if experiment.without_claims(&plan) {
        voice.warn("the figures of the paper are about other images, and are left out of the table");
    }
    let home = runs_home().join(&name);
    let (out, runs) = (args.out.clone().unwrap_or_else(|| home.clone()), args.runs.clone().unwrap_or(home));
    let (machine, kept) = (machine(args.machine), experiment.kept(&out, &name));
    let device = Device::cpu(machine.threads);
    let ahead = estimate(&experiment, &plan, (&kept, &runs), &device)?;
    let megabytes = ahead.bytes as f64 * 1e-6;
    voice.object(
        "estimate",
        &json!({ "runs": ahead.runs, "kept": ahead.kept, "seconds": ahead.seconds, "bytes": ahead.bytes }),
    )?;
    if ahead.runs > 0 {
        voice.note(format_args!(
            "{} to make, {} there already: about {} on {} (from some measured steps), {megabytes:.0} MB of disk",
            count(ahead.runs, "run"),
            ahead.kept,
            duration(ahead.seconds),
            machine.description
        ));
    } else {
        voice.note(format_args!("all of its {} are there already", count(ahead.kept, "run")));
    }
    if args.dry_run {
        return Ok(());
    }
    writable_folder(&out)?;
    let _held = RunFolder::hold(&runs)?;
    let stop = stop_flag();
    let environment = surroundings(machine.threads, &device.to_string());
    let work = Work {
        name: &name,
        out: &out,
        runs: &runs,
        data_dir: args.data_dir.as_deref(),
        machine: &machine,
        environment: &environment,
        keeping: args.keep.keeping(Keeping::OF_MANY),
        stop: &stop,
        report: write_at_end,
        plot: by_epoch,
    };
    let mut shown = Shown { voice, total: plan.len(), started: 0 };
    let done = experiment.make(&plan, &work, &mut shown)?;
    for d in &done {
        voice.object("run", &json!(d))?;
    }
    super::report::of_many(&runs, plan.iter().map(|p| experiment.folder(p, &runs)))?;
    if experiment.embed {
        let folders = plan.iter().map(|p| experiment.folder(p, &runs)).collect();
        let names: Vec<String> = done.iter().map(|d| d.name.clone()).collect();
        let maps = EmbedArgs::plain(folders, out.join(&name), args.data_dir.clone(), args.machine);
        super::embed::named(voice, &maps, &names)?;
    }
    voice.note(format_args!("written to {}", out.join(format!("{name}.md")).display()));
    let specs: Vec<(usize, &RunSpec)> = plan.iter().map(|p| (p.run, &p.spec)).collect();
    voice.result(markdown(&experiment, &name, &machine, &specs, &done).trim_end())
}

/// The experiments there are.
fn list(voice: Voice) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for (name, text) in KNOWN {
        let e = Experiment::parse(text, name)?;
        let (runs, seconds) = (e.run.len() * e.seeds.len(), rough(&e));
        let size = if e.needs.is_empty() { count(runs, "run") } else { "cannot be made yet".to_owned() };
        voice.object(
            "experiment",
            &json!({ "name": name, "title": e.title, "runs": runs, "needs": e.needs, "seconds": seconds }),
        )?;
        rows.push(vec![(*name).to_owned(), size, seconds.map_or("-".to_owned(), magnitude), e.title]);
    }
    voice.result(table(&["name", "size", "takes about", "what"], &rows))?;
    voice.note("times are rough, for one core; --dry-run measures some steps on this machine");
    Ok(())
}

/// A time of which the order of magnitude is known: one digit of minutes or hours.
fn magnitude(seconds: f64) -> String {
    let digit = |v: f64| {
        let power = 10_f64.powf(v.log10().floor());
        (v / power).round() * power
    };
    match seconds / 60.0 {
        minutes if minutes < 1.0 => "a minute".to_owned(),
        minutes if minutes < 55.0 => format!("{} min", digit(minutes)),
        minutes => format!("{} h", digit((minutes / 60.0).max(1.0))),
    }
}

/// Shows the runs as they come.
struct Shown {
    voice: Voice,
    total: usize,
    started: usize,
}

impl Witness for Shown {
    fn next(&mut self, run: &Run, spec: &RunSpec, kept: bool) -> Box<dyn Observer + '_> {
        self.started += 1;
        let (started, total, name, seed) = (self.started, self.total, &run.name, spec.seed);
        if kept {
            self.voice.detail(format_args!("run {started} of {total}: {name}, seed {seed}: there already"));
            return Box::new(());
        }
        self.voice.note(format_args!("run {started} of {total}: {name}, seed {seed}"));
        Box::new(Show::new(self.voice, spec.epochs))
    }

    fn warn(&mut self, line: &str) {
        self.voice.warn(line);
    }
}
