//! `reclra resume`: a run goes on from its newest whole checkpoint.

use super::train::{Run, announce};
use super::{device, environment};
use crate::args::{ResumeArgs, Voice};
use crate::failure::Failure;
use reclra_train::run::dataset_of;
use reclra_train::runs::{CHECKPOINTS, Environment, RunFolder, checkpoint, now, view, view::Standing};
use reclra_train::spec::{DataFacts, RunSpec, Settings};
use std::path::Path;

pub(crate) fn run(voice: Voice, args: &ResumeArgs) -> Result<(), Failure> {
    if args.watch.tui {
        crate::tui::Tui::possible(voice)?;
    }
    // Read before it is held: what is no run folder is left as it is.
    let seen = view::read(&args.run)?;
    let shown = args.run.display();
    if seen.standing == Standing::Diverged {
        let why = seen.record.failed.unwrap_or_default();
        return Err(Failure::Usage(format!(
            "{shown}: has diverged and would again ({why}); train anew with other settings"
        )));
    }
    if seen.standing == Standing::Imported {
        let line =
            format!("{shown}: holds weights from elsewhere, no run; train from them with: reclra train --init {shown}");
        return Err(Failure::Usage(line));
    }
    if seen.standing == Standing::Finished && args.epochs.is_none() {
        let line = format!("{shown}: is finished; add --epochs MORE to train it for longer");
        return Err(Failure::Usage(line));
    }
    if seen.standing == Standing::Finished && checkpoint::list(&args.run.join(CHECKPOINTS))?.is_empty() {
        let line = format!("{shown}: has no checkpoint to go on from; train anew with more epochs");
        return Err(Failure::Usage(line));
    }
    let folder = RunFolder::hold(&args.run)?;
    let view = view::read(&args.run)?;
    let dir = args.data_dir.as_deref().or(view.spec.data.dir.as_deref().map(Path::new));
    let dataset = dataset_of(&view.spec, dir)?;
    let facts = DataFacts::of(&*dataset);
    if facts != view.facts {
        let line =
            format!("{}: these are not the images the run began with; name their folder with --data-dir", facts.name);
        return Err(Failure::Other(line));
    }
    let spec = longer(&view.spec, args.epochs, &facts)?;
    let device = device(args.machine)?;
    let now_here = environment(&spec.data, dir, &facts, &device)?;
    // What it goes on from, before anything is changed.
    let found = checkpoint::newest(&folder.file(CHECKPOINTS), &mut |line| voice.warn(line))?;
    let before = view.environment.as_ref().and_then(|e| e.keeping).unwrap_or_default();
    let keeping = args.keep.keeping(before);
    let environment = match view.environment {
        Some(before) => {
            if before.data != now_here.data {
                voice.warn(&format!("{}: its files are not those the run began with", facts.name));
            }
            let mut resumed = before.resumed.clone();
            resumed.push(now());
            Environment { started: before.started, command: before.command, resumed, ..now_here }
        }
        None => now_here,
    };
    folder.begin(&spec, &Environment { keeping: Some(keeping), ..environment })?;
    announce(voice, &spec, &facts, &device, &folder)?;
    let run = Run { spec: &spec, facts: &facts, dataset: &*dataset, device, keeping, watch: &args.watch };
    run.make(voice, &folder, Some(found))
}

/// The spec with more epochs.
fn longer(spec: &RunSpec, more: Option<u64>, facts: &DataFacts) -> Result<RunSpec, Failure> {
    let Some(more) = more else { return Ok(spec.clone()) };
    let mut settings = Settings::parse(&spec.to_toml(), "spec.toml")?;
    settings.put("train.epochs", (spec.epochs + more) as i64, "--epochs")?;
    Ok(RunSpec::resolve(&settings, facts)?)
}
