//! `reclra train`: resolve, fit in a run folder, say what came of it.

use super::setup::{device, environment, processor, runs_home, settings};
use crate::args::{TrainArgs, Voice, WatchArgs};
use crate::failure::Failure;
use crate::output::{count, grouped, path_text, quoted};
use crate::progress::{Show, duration, fitting, percent};
use crate::signals::stop_flag;
use crate::tui::Tui;
use reclra::Device;
use reclra_data::Dataset;
use reclra_data::files::{self, FileError, write_atomically};
use reclra_report::tensorboard::TensorBoard;
use reclra_report::write_at_end;
use reclra_train::fit::{Left, Observer};
use reclra_train::many::Many;
use reclra_train::metrics::top5_tells;
use reclra_train::run::{Prepared, prepare_shown, resolve};
use reclra_train::runs::checkpoint::Manifest;
use reclra_train::runs::view::Standing;
use reclra_train::runs::{self, End, Environment, Keeping, RunFolder, Task};
use reclra_train::spec::{DataFacts, RunSpec};
use reclra_train::{import, model, paper, warnings};
use serde_json::json;
use std::path::{Path, PathBuf};

pub(crate) fn run(voice: Voice, args: TrainArgs) -> Result<(), Failure> {
    let settings = settings(args.spec.spec.as_deref(), &args.spec.flags)?;
    if args.print_spec {
        let (spec, _) = resolve(&settings)?;
        voice.object("spec", &json!({ "toml": spec.to_toml() }))?;
        return voice.exactly(spec.to_toml().trim_end());
    }
    if args.watch.tui {
        Tui::possible(voice)?;
    }
    let Prepared { spec, facts, dataset } = prepare_shown(&settings, &fitting(voice))?;
    if let Some(out) = args.out.as_ref().filter(|_| !args.overwrite) {
        vacant(out)?;
    }
    let device = device(args.machine)?;
    let keeping = args.keep.keeping(Keeping::default());
    let environment = Environment { keeping: Some(keeping), ..environment(&spec.data, None, &facts, &device)? };
    let init = args.init.as_deref().map(|from| weights(voice, from, &spec)).transpose()?;
    let path = match &args.out {
        Some(out) => out.clone(),
        None => runs::fresh(&runs_home(), &format!("{}-{}", facts.name, spec.rule.name()), spec.seed)?,
    };
    let folder = RunFolder::hold(&path)?;
    clear(&folder)?;
    if let Some(bytes) = init {
        write_atomically(&folder.file(runs::INIT), &bytes)?;
    }
    folder.begin(&spec, &environment)?;
    announce(voice, (&spec, &facts, &*dataset), &device, &folder)?;
    let mut said: Vec<String> = Vec::new();
    let mut tell = |dataset: &dyn Dataset| {
        for line in dataset.notes().into_iter().filter(|l| !said.contains(l)).collect::<Vec<_>>() {
            voice.note(&line);
            folder.log(&line);
            said.push(line);
        }
    };
    tell(&*dataset);
    let run = Run { spec: &spec, facts: &facts, dataset: &*dataset, device, keeping, watch: &args.watch };
    let made = run.make(voice, &folder, None);
    // Which pictures are broken is seen when they are decoded.
    tell(&*dataset);
    made
}

/// The file of weights to begin with, which must fit.
fn weights(voice: Voice, from: &Path, spec: &RunSpec) -> Result<Vec<u8>, Failure> {
    let file = if from.is_dir() { from.join(model::FILE) } else { from.to_owned() };
    super::import::note(voice, &import::read(&file, None, spec)?);
    let remedy = "name a run or a safetensors file with --init";
    Ok(files::read(&file, files::NUMBERS, remedy)?)
}

/// The files of a run that another one replaces.
const REPLACED: [&str; 7] =
    [runs::RESULT, model::FILE, runs::METRICS, runs::TABLE, runs::LOG, runs::REPORT, runs::INIT];

/// Refuses a folder in which a run would replace something.
fn vacant(out: &Path) -> Result<(), Failure> {
    let there = |name: &&str| out.join(name).exists();
    // Written before the spec: alone, it is what a full disk has left of a run that never began.
    let left = |name: &&str| *name == runs::ENVIRONMENT && runs::environment(out).is_some();
    let all = REPLACED.iter().chain(&[runs::CHECKPOINTS, runs::SPEC, runs::ENVIRONMENT]);
    let Some(name) = all.into_iter().find(|n| there(n) && !left(n)) else {
        return Ok(());
    };
    let shown = out.display();
    if ![runs::SPEC, runs::METRICS].iter().all(there) {
        let line = format!("{shown}: holds {name}, which a run would replace; name another folder or add --overwrite");
        return Err(Failure::Usage(line));
    }
    // What can be done with it depends on what became of it.
    let standing = runs::view::read(out).map(|view| view.standing);
    let kept = || runs::checkpoint::list(&out.join(runs::CHECKPOINTS)).is_ok_and(|all| !all.is_empty());
    let resume = format!("reclra resume {}", quoted(out));
    let instead = "name another folder with --out, or add --overwrite";
    Err(Failure::Usage(match standing {
        Ok(Standing::Finished) if kept() => {
            format!("{shown}: holds a finished run; {instead}, or train it for longer: {resume} --epochs MORE")
        }
        Ok(Standing::Finished) => format!("{shown}: holds a finished run; {instead}"),
        Ok(Standing::Diverged) => format!("{shown}: holds a run that diverged; {instead}"),
        Ok(Standing::Running) => {
            format!("{shown}: holds a run that another process works on; name another folder with --out")
        }
        Ok(_) => format!("{shown}: holds an interrupted run; {instead}, or go on: {resume}"),
        Err(_) => format!("{shown}: holds a run that is damaged; {instead}"),
    }))
}

/// Takes away what another run has left in the folder.
fn clear(folder: &RunFolder) -> Result<(), Failure> {
    for name in [runs::SPEC, runs::ENVIRONMENT].into_iter().chain(REPLACED) {
        let path = folder.file(name);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                let remedy = "remove it, or choose another folder with --out";
                return Err(FileError::io(&path, &e, remedy).into());
            }
            _ => {}
        }
    }
    runs::checkpoint::prune(&folder.file(runs::CHECKPOINTS), 0);
    Ok(())
}

/// Says what is going to be trained.
pub(super) fn announce(
    voice: Voice,
    (spec, facts, dataset): (&RunSpec, &DataFacts, &dyn Dataset),
    device: &Device,
    folder: &RunFolder,
) -> Result<(), Failure> {
    let graph = spec.graph()?;
    let rule = spec.rule.build(&graph)?;
    let line = format!(
        "{} on {}: {}, {} training and {}, {}, seed {}; {}",
        rule.name(),
        facts.name,
        count(graph.parameters(), "parameter"),
        grouped(facts.train - spec.data.validation),
        count(spec.data.validation, "validation image"),
        count(spec.epochs as usize, "epoch"),
        spec.seed,
        processor(device),
    );
    voice.note(&line);
    folder.log(&line);
    voice.detail(spec.to_toml().trim_end());
    voice.detail(paper::told(spec));
    let warnings = warnings::before(spec, facts, dataset)?;
    for w in &warnings {
        voice.note(format_args!("warning: {w}"));
        folder.log(&format!("warning: {w}"));
    }
    voice.object(
        "start",
        &json!({ "spec": spec.to_toml(), "data": facts, "warnings": warnings, "run": path_text(folder.path()) }),
    )
}

/// A run that is to be made and shown.
pub(super) struct Run<'a> {
    pub(super) spec: &'a RunSpec,
    pub(super) facts: &'a DataFacts,
    pub(super) dataset: &'a dyn Dataset,
    pub(super) device: Device,
    pub(super) keeping: Keeping,
    pub(super) watch: &'a WatchArgs,
}

impl WatchArgs {
    /// Event files, if they are wanted; of a run that goes on, from where it does.
    fn tensorboard(
        &self,
        folder: &RunFolder,
        found: Option<&(Manifest, Left)>,
        steps: u64,
    ) -> Result<Option<TensorBoard>, Failure> {
        let Some(place) = &self.tensorboard else { return Ok(None) };
        let place = place.clone().unwrap_or_else(|| folder.file("tensorboard"));
        Ok(Some(TensorBoard::create(&place, Some(steps), found.map(|(_, left)| left))?))
    }
}

impl Run<'_> {
    /// Makes it in its folder, from its beginning or, of one that was `begun`, from the checkpoint that was found if there
    /// is any, and says what came of it.
    pub(super) fn make(
        self,
        voice: Voice,
        folder: &RunFolder,
        begun: Option<Option<(Manifest, Left)>>,
    ) -> Result<(), Failure> {
        let Run { spec, facts, dataset, device, keeping, .. } = self;
        let stop = stop_flag();
        let mut board = self.watch.tensorboard(folder, begun.as_ref().and_then(Option::as_ref), keeping.log_steps)?;
        let title = format!("{} on {}, {}, seed {}", spec.rule.name(), facts.name, folder.path().display(), spec.seed);
        let mut tui = self.watch.tui.then(|| Tui::start(voice, &title, spec.epochs, &stop)).transpose()?;
        if let (Some(tui), Some(_)) = (&mut tui, &begun) {
            // The curves of a run that goes on begin where it began.
            runs::view::read(folder.path())?.record.epochs.iter().for_each(|e| tui.epoch(e));
        }
        let mut show = Show::of(voice, spec.epochs, self.watch.tui);
        let mut all: Vec<&mut dyn Observer> = vec![&mut show];
        all.extend(board.as_mut().map(|b| b as &mut dyn Observer));
        all.extend(tui.as_mut().map(|t| t as &mut dyn Observer));
        let mut all = Many(all);
        let task = Task { folder, spec, facts, dataset, device, keeping, report: write_at_end };
        let mut warn = |line: &str| voice.warn(line);
        let end = match begun {
            None => runs::make(&task, &mut all, &stop, &mut warn),
            Some(found) => {
                match &found {
                    None => voice.note("there is no checkpoint: it begins anew"),
                    Some((manifest, _)) => voice.note(format_args!("goes on after step {}", manifest.steps)),
                }
                runs::resume(&task, found, &mut all, &stop, &mut warn)
            }
        };
        drop(tui);
        show.finish();
        if let Some(error) = board.as_ref().and_then(TensorBoard::failed) {
            voice.warn(&error.to_string());
        }
        report(voice, (spec, facts), folder.path(), end?)
    }
}

/// Says how a run ended.
fn report(voice: Voice, (spec, facts): (&RunSpec, &DataFacts), folder: &Path, end: End) -> Result<(), Failure> {
    let (record, learner) = match end {
        End::Finished { record, learner } => (record, learner),
        End::Diverged { record } => {
            let why = record.failed.unwrap_or_default();
            let kept = runs::checkpoint::list(&folder.join(runs::CHECKPOINTS)).unwrap_or_default();
            let kept = kept.first().map_or_else(
                || "no checkpoint had been due".to_owned(),
                |c| format!("the last good checkpoint is {}", c.path.display()),
            );
            return Err(Failure::Other(format!("{why}; {kept}")));
        }
        End::Interrupted { steps, saved } => {
            let resume = format!("reclra resume {}", quoted(folder));
            let before = runs::checkpoint::list(&folder.join(runs::CHECKPOINTS)).is_ok_and(|all| !all.is_empty());
            let kept = match saved {
                Some(_) => format!("go on with: {resume}"),
                None if before => {
                    format!("its state could not be written; go on from the checkpoint before it with: {resume}")
                }
                None => {
                    format!("its state could not be written, and there is no checkpoint yet; begin anew with: {resume}")
                }
            };
            return Err(Failure::Interrupted(format!("interrupted after step {steps}; {kept}")));
        }
    };
    for line in warnings::after(&record, spec) {
        voice.warn(&line);
    }
    let last = record.epochs.last();
    let (train, validation) = (last.map(|e| e.train_error), last.and_then(|e| e.validation_error));
    let error = record.test.map(|t| t.error());
    let saved: PathBuf = folder.join(model::FILE);
    voice.object(
        "result",
        &json!({
            "train_error": train, "validation_error": validation, "test_error": error, "test": record.test,
            "test_error_chosen": record.chosen.map(|c| c.test.error()), "chosen": record.chosen,
            "scores": record.scores, "constant_error": record.constant_error, "warnings": record.warnings, "peak_memory": record.peak_memory, "epochs": record.epochs.len(), "steps": learner.steps(), "seconds": record.seconds, "seed": spec.seed,
            "saved": path_text(saved), "run": path_text(folder),
        }),
    )?;
    voice.note(format_args!(
        "{} in {}; kept in {}",
        count(record.epochs.len(), "epoch"),
        duration(record.seconds),
        folder.display()
    ));
    if !voice.quiet {
        voice.result(format_args!("train error {} (during the last epoch)", percent(train)))?;
        if validation.is_some() {
            voice.result(format_args!("validation error {}", percent(validation)))?;
        }
        if let Some(chosen) = record.chosen {
            let (error, epoch) = (percent(Some(chosen.test.error())), chosen.epoch);
            voice.result(format_args!(
                "test error {error} with the network of epoch {epoch}, chosen by validation error"
            ))?;
        }
        let top5 = record.scores.and_then(|s| s.top5_error);
        if top5.is_some() && top5_tells(facts.classes()) {
            voice.result(format_args!("top-5 test error {}", percent(top5)))?;
        }
    }
    voice.result(format_args!("test error {}", percent(error)))
}
