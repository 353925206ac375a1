//! `reclra report`: one HTML file about one run or several.

use super::setup::device;
use crate::args::{ReportArgs, Voice};
use crate::failure::Failure;
use crate::output::{count, path_text};
use reclra_report::{Options, Subject, render, replaceable, save};
use reclra_train::compare::{self, TRIED, is_tried};
use reclra_train::runs::{REPORT, SPEC, View, view};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the steps of a network are timed.
const TIMED: Duration = Duration::from_secs(1);

pub(crate) fn run(voice: Voice, args: &ReportArgs) -> Result<(), Failure> {
    let out = match (&args.out, &args.runs[..]) {
        (Some(out), _) => out.clone(),
        (None, [one]) => one.join(REPORT),
        (None, _) => PathBuf::from(REPORT),
    };
    let views = views(voice, &args.runs)?;
    replaceable(&out, args.overwrite).map_err(|e| Failure::Usage(e.to_string()))?;
    if let Some(out) = &args.out
        && out.extension().is_some_and(|e| !["html", "htm"].iter().any(|known| e.eq_ignore_ascii_case(known)))
    {
        let line = format!("--out {}: a report is one HTML file; name one that ends in .html", out.display());
        return Err(Failure::Usage(line));
    }
    if out.exists() {
        voice.note(format_args!("{}: takes the place of the file that is there", out.display()));
    }
    let timing = args.timing.then_some(TIMED);
    let options = Options { device: device(args.machine)?, data_dir: args.data_dir.clone(), timing };
    let mut subjects = Vec::new();
    for (n, view) in views.iter().enumerate() {
        voice.note(format_args!("{} ({} of {})", view.folder.display(), n + 1, views.len()));
        let subject = Subject::gather(view, &options)?;
        if let Err(why) = &subject.findings {
            voice.note(format_args!("  without confusion matrix, mistakes and weights: {why}"));
        }
        subjects.push(subject);
    }
    let html = render(&subjects);
    save(&out, &html, args.overwrite)?;
    let missing: Vec<(&Path, &String)> =
        subjects.iter().filter_map(|s| Some((&*s.view.folder, s.findings.as_ref().err()?))).collect();
    voice.object(
        "report",
        &json!({
            "file": path_text(&out), "bytes": html.len(), "runs": views.iter().map(|v| path_text(&v.folder)).collect::<Vec<_>>(),
            "missing": missing.iter().map(|(run, why)| json!({ "run": path_text(run), "why": why })).collect::<Vec<_>>(),
        }),
    )?;
    voice.result(out.display())
}

/// The runs that were named, and those below folders that were named, each once.
fn views(voice: Voice, named: &[PathBuf]) -> Result<Vec<View>, Failure> {
    let mut views: Vec<View> = Vec::new();
    for folder in named {
        // What is no folder, or is one of a run, must be a run.
        let is_run = !folder.is_dir() || folder.join(SPEC).exists();
        let found = if is_run { vec![view::read(folder)?] } else { of_folder(voice, folder)? };
        if found.is_empty() {
            let line = "holds no run, that is no folder with a spec.toml; name one that `reclra train` has written, or one that holds such folders";
            return Err(Failure::Usage(format!("{}: {line}", folder.display())));
        }
        let new = found.into_iter().filter(|v| views.iter().all(|there| there.folder != v.folder)).collect::<Vec<_>>();
        views.extend(new);
    }
    Ok(views)
}

/// The runs below a folder. Of a comparison those that its table reports, in its order.
fn of_folder(voice: Voice, folder: &Path) -> Result<Vec<View>, Failure> {
    let mut found = super::runs::below(voice, &[folder.to_owned()], true)?;
    let (reported, all) = (compare::reported(folder), found.len());
    let place = |view: &View| reported.iter().position(|spec| *spec == view.spec.to_toml());
    // Of the folder of such runs itself, they are what is asked for.
    let is_told = |view: &View| {
        folder.ends_with(TRIED) || !is_tried(&view.folder) && (reported.is_empty() || place(view).is_some())
    };
    found.retain(is_told);
    found.sort_by_key(|view| place(view));
    if found.len() < all {
        voice.note(format_args!(
            "{}: {} left out that the comparison does not report (settings that were tried, or other rules); name their folders to see them",
            folder.display(),
            count(all - found.len(), "run"),
        ));
    }
    Ok(found)
}

/// One page about the runs of a command, by what their folders say. Runs without a folder are left out.
pub(super) fn of_many(out: &Path, folders: impl Iterator<Item = PathBuf>) -> Result<PathBuf, Failure> {
    let there = folders.filter(|f| f.join(SPEC).exists());
    let views: Vec<View> = there.map(|f| view::read(&f)).collect::<Result<_, _>>()?;
    let path = out.join(REPORT);
    save(&path, &render(&views.iter().map(Subject::bare).collect::<Vec<_>>()), true)?;
    Ok(path)
}
