//! `reclra train`: resolve, fit, say what came of it, save.

use super::{device, settings, stop_flag};
use crate::args::{TrainArgs, Voice};
use crate::failure::Failure;
use crate::output::grouped;
use crate::progress::{Show, duration, percent};
use reclra_train::files::writable_folder;
use reclra_train::fit::{Outcome, fit};
use reclra_train::model;
use reclra_train::run::{Prepared, prepare, resolve};
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
    let mut show = Show::new(voice, spec.epochs, &stop);
    let outcome = fit(&spec, &*dataset, device, &mut show, &stop);
    show.finish();
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
