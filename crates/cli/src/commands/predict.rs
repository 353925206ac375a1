//! `reclra predict`: class and probabilities of pictures.

use super::setup::device;
use crate::args::{PredictArgs, Voice};
use crate::failure::Failure;
use reclra_data::{Normalise, pictures_for, pictures_in};
use reclra_train::fit::best;
use reclra_train::runs;
use serde_json::json;

pub(crate) fn run(voice: Voice, args: &PredictArgs) -> Result<(), Failure> {
    let mut model = runs::load_model(&args.run, device(args.machine)?)?;
    let prepared = model.spec.data.normalise != Normalise::None || model.spec.data.zca.is_some();
    if prepared && model.prepare.is_none() {
        let what = "does not hold how images are prepared for it, which only a run that is over does; let it end: reclra resume";
        return Err(Failure::Other(format!("{}: {what}", args.run.display())));
    }
    let names = model.facts.class_names.clone();
    let mut files = Vec::new();
    for file in &args.files {
        if !file.is_dir() {
            files.push(file.clone());
            continue;
        }
        let (pictures, notes) = pictures_in(file)?;
        notes.iter().for_each(|line| voice.note(line));
        files.extend(pictures);
    }
    for file in &files {
        let spec = (&model.facts, &model.spec.data);
        for picture in pictures_for(file, spec, model.prepare.as_ref(), args.rows.clone(), args.invert)? {
            if let Some(changed) = &picture.changed {
                voice.note(format_args!("{}: {changed}", picture.name));
            }
            let p = model.learner.predict(&picture.pixels);
            if p.iter().any(|p| !p.is_finite()) {
                return Err(super::eval::not_finite(&args.run));
            }
            let class = best(&p);
            voice.object(
                "prediction",
                &json!({ "image": picture.name, "class": names[class], "label": class, "probabilities": p }),
            )?;
            let mut order: Vec<usize> = (0..p.len()).collect();
            order.sort_by(|&a, &b| p[b].total_cmp(&p[a]));
            let shown = order.iter().take(args.top);
            let list: Vec<String> = shown.map(|&c| format!("{} {:.2} %", names[c], 100.0 * p[c])).collect();
            voice.result(format_args!("{}: {}  ({})", picture.name, names[class], list.join(", ")))?;
        }
    }
    Ok(())
}
