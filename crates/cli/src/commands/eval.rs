//! `reclra eval`: error, top-5 error, confusion matrix, precision, recall and F1 of a trained network.

use super::setup::device;
use crate::args::{EvalArgs, PartName, Voice, word};
use crate::failure::Failure;
use crate::output::{grouped, table};
use crate::progress::percent;
use reclra_data::Part;
use reclra_train::fit::judge;
use reclra_train::metrics::{Scores, top5_tells};
use reclra_train::run::dataset_for;
use reclra_train::runs;
use reclra_train::spec::DataFacts;
use serde_json::json;

pub(crate) fn run(voice: Voice, args: &EvalArgs) -> Result<(), Failure> {
    let mut model = runs::load_model(&args.run, device(args.machine)?)?;
    let dataset = dataset_for(&model.spec, args.data_dir.as_deref(), model.prepare.as_ref())?;
    let facts = DataFacts::of(&*dataset);
    if !facts.same_data(&model.facts) {
        let line = format!(
            "{}: these are not the images the network was made for; name their folder with --data-dir",
            facts.name
        );
        return Err(Failure::Other(line));
    }
    let split = model.spec.split(&*dataset)?;
    let test: Vec<u32> = (0..dataset.len(Part::Test) as u32).collect();
    let (part, samples) = match args.part {
        PartName::Train => (Part::Train, split.train()),
        PartName::Validation => (Part::Train, split.validation()),
        PartName::Test => (Part::Test, &test[..]),
    };
    if samples.is_empty() {
        let validation = matches!(args.part, PartName::Validation);
        let what = if validation { "no validation images: data.validation is 0" } else { "no such images" };
        let line = format!("{}: {} has {what}; name another part with --part", args.run.display(), facts.name);
        return Err(Failure::Usage(line));
    }
    let part_name = word(args.part);
    let found = judge(&mut model.learner, &*dataset, part, samples)?;
    dataset.notes().iter().for_each(|line| voice.note(line));
    let Scores { top5_error, precision, recall, f1 } = found.scores();
    let constant = found.constant_error();
    let (judged, counts) = (found.evaluation, found.confusion);
    if judged.samples > 0 && judged.loss.is_nan() {
        return Err(not_finite(&args.run));
    }
    let error = (judged.samples > 0).then(|| judged.error());
    if let (Some(error), Some(constant)) = (error, constant)
        && error >= constant
    {
        let chance = percent(Some(constant));
        voice.warn(&format!("no better than chance: always naming the most frequent class errs in {chance}"));
    }
    let rows: Vec<Vec<u64>> =
        (0..counts.classes()).map(|t| (0..counts.classes()).map(|p| counts.count(t, p)).collect()).collect();
    voice.object(
        "eval",
        &json!({
            "part": part_name, "samples": judged.samples, "wrong": judged.wrong, "error": error, "loss": judged.loss,
            "constant_error": constant, "top5_error": top5_error, "precision": precision, "recall": recall, "f1": f1, "confusion": rows, "classes": facts.class_names,
        }),
    )?;
    if !voice.quiet {
        let scores: Vec<Vec<String>> = (0..counts.classes())
            .map(|c| {
                let [p, r, f] = counts.defined_scores(c);
                let wrong: u64 = (0..counts.classes()).filter(|&o| o != c).map(|o| counts.count(c, o)).sum();
                let taken = (0..counts.classes()).filter(|&o| o != c && counts.count(c, o) > 0);
                let most = taken.max_by_key(|&o| (counts.count(c, o), std::cmp::Reverse(o)));
                let most = most.map_or("-".into(), |o| format!("{} ({})", facts.class_names[o], counts.count(c, o)));
                let images = counts.count(c, c) + wrong;
                let share = |v: Option<f64>| v.map_or("-".to_owned(), |v| format!("{:.2}", 100.0 * v));
                vec![
                    facts.class_names[c].clone(),
                    images.to_string(),
                    wrong.to_string(),
                    share(p),
                    share(r),
                    share(f),
                    most,
                ]
            })
            .collect();
        voice.result(table(
            &["class", "images", "wrong", "precision %", "recall %", "F1 %", "most often taken for"],
            &scores,
        ))?;
        if judged.samples > 0 && counts.undefined() {
            voice.result(
                "- is a precision of a class never predicted, or a recall without images; macro means count it as 0",
            )?;
        }
        voice.result(format_args!(
            "{} of {} wrong, loss {:.4}, macro precision {:.2} %, recall {:.2} %, F1 {:.2} %",
            grouped(judged.wrong),
            grouped(judged.samples),
            judged.loss,
            100.0 * precision,
            100.0 * recall,
            100.0 * f1
        ))?;
        if top5_error.is_some() && top5_tells(facts.classes()) {
            voice.result(format_args!("{part_name} top-5 error {}", percent(top5_error)))?;
        }
    }
    voice.result(format_args!("{part_name} error {}", percent(error)))
}

/// Weights may be finite and sums of them not.
pub(super) fn not_finite(run: &std::path::Path) -> Failure {
    let what = "its outputs are no finite numbers: its weights are too large; train it anew with a smaller optim.lr";
    Failure::Other(format!("{}: {what}", run.display()))
}
