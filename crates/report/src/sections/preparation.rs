//! The data and what is done to them before the network sees them, in words made from the spec.

use crate::parts::wide;
use crate::subject::Subject;
use maud::{Markup, html};
use reclra_data::Normalise;
use reclra_data::text::{count, grouped};
use reclra_train::runs::DataFile;
use reclra_train::spec::DataSpec;

pub(crate) fn section(runs: &[Subject<'_>]) -> Markup {
    let several = runs.len() > 1;
    let mut told: Vec<(Vec<String>, Vec<&str>)> = Vec::new();
    let mut files: Vec<&[DataFile]> = Vec::new();
    for run in runs {
        let words = words(run, several);
        match told.iter_mut().find(|(w, _)| *w == words) {
            Some((_, names)) => names.push(&run.title),
            None => told.push((words, vec![&run.title])),
        }
        let data = run.view.environment.as_ref().map_or(&[][..], |e| &e.data);
        if !data.is_empty() && !files.contains(&data) {
            files.push(data);
        }
    }
    html! {
        @for (words, names) in &told {
            @if told.len() > 1 { h3 { (names.join(", ")) } }
            @for w in words { p { (w) } }
        }
        @if files.is_empty() {
            p { "The hashes of the files were not written down: there is no environment.json." }
        }
        @for list in files { (hashes(list)) }
    }
}

/// A paragraph on what there is, on what is done, on the order.
fn words(run: &Subject<'_>, several: bool) -> Vec<String> {
    let (spec, facts) = (&run.view.spec, &run.view.facts);
    let trained = facts.train - spec.data.validation;
    let seed = if several { "the seed of the run".to_owned() } else { format!("seed {}", spec.seed) };
    let test = run.view.record.test.map(|t| t.samples).or(run.findings.as_ref().ok().map(|f| f.samples.1));
    let colours =
        if facts.shape.channels == 1 { "grey".to_owned() } else { format!("{} channels of", facts.shape.channels) };
    let (h, w) = (facts.shape.height, facts.shape.width);
    let mut there = format!("{}: {h}\u{d7}{w} {colours} pixels, {} classes", facts.name, facts.classes());
    there += &match test {
        Some(n) => format!("; {} in the training part, {} in the test part.", count(facts.train, "image"), grouped(n)),
        None => format!("; {} in the training part.", count(facts.train, "image")),
    };
    there += &match (spec.data.validation, spec.data.fold) {
        (n, Some(fold)) => {
            let part = match several {
                true => "each run validates on one".to_owned(),
                false => format!("this run validates on part {}", fold.part),
            };
            format!(
                " The training part is cut with {seed} into {} parts whose sizes differ by one image at most, whatever the class: {part}, {}, and the \
                 other {} are trained on. The test part is judged once, after the last epoch, and chooses nothing.",
                fold.of,
                count(n, "image"),
                grouped(trained),
            )
        }
        (0, None) => " All of it is trained on: there is no validation part.".to_owned(),
        (n, None) => format!(
            " {} of the training part are drawn at random with {seed} for validation, whatever their class; the \
             other {} are trained on. The test part is judged once, after the last epoch, and chooses nothing.",
            count(n, "image"),
            grouped(trained),
        ),
    };
    let done = format!(
        "Each byte of a pixel is divided by {}, so that pixels lie between 0 and 1; {}. {}",
        facts.white,
        taken_out(&spec.data),
        varied(&spec.data)
    );
    let steps = trained.div_ceil(spec.batch);
    let rest = trained % spec.batch;
    let order = format!(
        "A step takes {}, so an epoch is {}{}. The order of an epoch is a function of (seed, epoch) and a batch one of \
         (seed, epoch, position), shifts included: no generator is carried along, so a run that is resumed draws the same.",
        count(spec.batch, "image"),
        count(steps, "step"),
        if rest == 0 { String::new() } else { format!(", the last of {}", count(rest, "image")) },
    );
    vec![there, done, order]
}

/// What is taken out of every image.
fn taken_out(data: &DataSpec) -> String {
    let first = match data.normalise {
        Normalise::None => "nothing is subtracted, no mean and no deviation taken out",
        Normalise::MeanStd => {
            "the mean of each channel over the images trained on is subtracted, and their deviation divided by"
        }
        Normalise::Gcn => "each image's own mean of each channel is subtracted (global contrast normalisation)",
        Normalise::GcnStd => {
            "each image's own mean of each channel is subtracted, and its deviation divided by (global contrast normalisation)"
        }
    };
    match data.zca {
        Some(epsilon) => {
            format!("{first}; then images are whitened (ZCA, fitted on the images trained on, epsilon {epsilon})")
        }
        None => first.to_owned(),
    }
}

/// How training images are varied.
fn varied(data: &DataSpec) -> String {
    let mut ways = Vec::new();
    if data.shift > 0 {
        ways.push(format!(
            "moved by up to {} each way, what comes in from outside being 0",
            count(data.shift, "pixel")
        ));
    }
    if data.augment.crop > 0 {
        let pad = count(data.augment.crop, "pixel");
        ways.push(format!("padded by {pad} of 0 on each side and cut to its size at a random place"));
    }
    if data.augment.zoom < 1.0 {
        let least = 100.0 * data.augment.zoom;
        ways.push(format!("cut to a random part of {least:.0} % of its area or more, which is brought to size"));
    }
    if data.augment.flip {
        ways.push("mirrored left to right in half of the cases".to_owned());
    }
    if ways.is_empty() {
        return "Images are not shifted, turned or otherwise varied.".to_owned();
    }
    format!(
        "Each training image is {}, at random and anew in every epoch. Validation and test images stay as they are.",
        ways.join("; ")
    )
}

fn hashes(files: &[DataFile]) -> Markup {
    wide(&html! {
        table {
            caption { "Files as the run read them" }
            thead { tr { @for h in ["file", "bytes", "SHA-256"] { th scope="col" { (h) } } } }
            tbody {
                @for f in files {
                    tr { th scope="row" { code { (f.file) } } td.n { (grouped(f.bytes as usize)) } td { code { (f.sha256) } } }
                }
            }
        }
    })
}
