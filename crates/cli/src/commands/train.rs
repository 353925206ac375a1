//! `reclra train`: resolve, fit, say what came of it, save.

use super::{device, settings, stop_flag};
use crate::args::{TrainArgs, Voice};
use crate::failure::Failure;
use crate::output::grouped;
use crate::progress::{Show, duration, percent};
use crate::tui::Tui;
use reclra_train::files::writable_folder;
use reclra_train::fit::{Observer, Outcome, fit};
use reclra_train::many::Many;
use reclra_train::model;
use reclra_train::run::{Prepared, prepare, resolve};
use reclra_train::tensorboard::TensorBoard;
use serde_json::json;

pub(crate) fn run(voice: Voice, args: TrainArgs) -> Result<(), Failure> {
    let settings = settings(args.spec.spec.as_deref(), &args.spec.flags)?;
    if args.print_spec {
        let (spec, _) = resolve(&settings)?;
        voice.object("spec", &json!({ "toml": spec.to_toml() }))?;
        return voice.result(spec.to_toml().trim_end());
    }
    let Prepared { spec, facts, dataset } = prepare(&settings)?;
    if let Some(out) = &args.out {
        if out.join(model::FILE).exists() && !args.overwrite {
            let line = format!("{}: holds a trained network; name another folder or add --overwrite", out.display());
            return Err(Failure::Usage(line));
        }
        writable_folder(out)?;
    }
    let device = device(args.machine)?;
    let graph = spec.graph()?;
    let rule = spec.rule.build(&graph)?;
    let images = facts.train - spec.data.validation;
    voice.note(format_args!(
        "{} on {}: {} parameters, {} training and {} validation images, {} epochs, seed {}; {device}",
        rule.name(),
        facts.name,
        grouped(graph.parameters()),
        grouped(images),
        grouped(spec.data.validation),
        spec.epochs,
        spec.seed,
    ));
    voice.detail(spec.to_toml().trim_end());
    let warnings = rule.warnings(&graph);
    warnings.iter().for_each(|w| voice.note(format_args!("warning: {w}")));
    voice.object("start", &json!({ "spec": spec.to_toml(), "data": facts, "warnings": warnings }))?;

    let stop = stop_flag();
    let mut board = tensorboard(&args)?;
    let title =
        format!("{} on {}, {} parameters, seed {}", rule.name(), facts.name, grouped(graph.parameters()), spec.seed);
    let mut tui = args.tui.then(|| Tui::start(voice, &title, spec.epochs, &stop)).transpose()?;
    let mut show = Show::new(Voice { quiet: voice.quiet || args.tui, ..voice }, spec.epochs, &stop);
    let mut all: Vec<&mut dyn Observer> = vec![&mut show];
    all.extend(board.as_mut().map(|b| b as &mut dyn Observer));
    all.extend(tui.as_mut().map(|t| t as &mut dyn Observer));
    let outcome = fit(&spec, &*dataset, device, &mut Many(all), &stop);
    drop(tui);
    show.finish();
    if let Some(error) = board.as_ref().and_then(TensorBoard::failed) {
        voice.note(format_args!("warning: {error}"));
    }
    let Outcome { learner, epochs, test, interrupted, took } = outcome?;
    if show.unread {
        return Err(Failure::Unread);
    }
    let saved = args.out.as_ref().map(|out| model::save(out, &spec, &facts, &learner)).transpose()?;
    if let Some(path) = &saved {
        voice.note(format_args!("saved {}", path.display()));
    }
    if interrupted {
        let kept = match &args.out {
            Some(out) => format!("what it had learnt is in {}", out.display()),
            None => "nothing was saved, as --out was not given".to_owned(),
        };
        return Err(Failure::Interrupted(format!("interrupted after step {}; {kept}", learner.steps())));
    }
    let last = epochs.last();
    let (train, validation) = (last.map(|e| e.train_error), last.and_then(|e| e.validation_error));
    let error = test.map(|t| t.error());
    voice.object(
        "result",
        &json!({
            "train_error": train, "validation_error": validation, "test_error": error, "test": test,
            "epochs": epochs.len(), "steps": learner.steps(), "seconds": took.as_secs_f64(), "seed": spec.seed,
            "saved": saved,
        }),
    )?;
    voice.note(format_args!("{} epochs in {}", epochs.len(), duration(took.as_secs_f64())));
    if !voice.quiet {
        voice.result(format_args!("train error {} (during the last epoch)", percent(train)))?;
        if validation.is_some() {
            voice.result(format_args!("validation error {}", percent(validation)))?;
        }
    }
    voice.result(format_args!("test error {}", percent(error)))
}

/// Where event files go, if they are wanted.
fn tensorboard(args: &TrainArgs) -> Result<Option<TensorBoard>, Failure> {
    let Some(folder) = &args.tensorboard else { return Ok(None) };
    let folder = folder.clone().or_else(|| Some(args.out.as_ref()?.join("tensorboard")));
    let usage = || Failure::Usage("--tensorboard needs a folder: --tensorboard=DIR, or --out RUN_DIR".to_owned());
    Ok(Some(TensorBoard::create(&folder.ok_or_else(usage)?, None, None)?))
}
