//! `reclra reproduce`: the runs of an experiment and its table.

use super::{machine, stop_flag};
use crate::args::{ReproduceArgs, Voice};
use crate::failure::Failure;
use crate::progress::Show;
use reclra_train::experiment::Experiment;
use reclra_train::files::writable_folder;
use reclra_train::fit::Observer;
use serde_json::json;

pub(crate) fn run(voice: Voice, args: &ReproduceArgs) -> Result<(), Failure> {
    let experiment = Experiment::read(&args.name)?;
    writable_folder(&args.out)?;
    let path = std::path::Path::new(&args.name);
    let name = path.file_stem().map_or(args.name.clone(), |s| s.to_string_lossy().into_owned());
    let (machine, stop) = (machine(args.machine), stop_flag());
    let total = experiment.run.len() * experiment.seeds.len();
    let mut started = 0;
    let mut told = |run: &reclra_train::experiment::Run, seed: u64, epochs: u64, kept: bool| -> Box<dyn Observer> {
        started += 1;
        if kept {
            voice.detail(format_args!("run {started} of {total}: {}, seed {seed}: there already", run.name));
            return Box::new(());
        }
        voice.note(format_args!("run {started} of {total}: {}, seed {seed}", run.name));
        Box::new(Show::new(voice, epochs, &stop))
    };
    let done = experiment.make(&name, &args.out, &machine, args.data_dir.as_deref(), &stop, &mut told)?;
    for d in &done {
        voice.object("run", &json!(d))?;
    }
    voice.note(format_args!("written to {}", args.out.join(format!("{name}.md")).display()));
    voice.result(experiment.markdown(&name, &machine, &done).trim_end())
}
