//! `reclra runs`: what runs there are, how they differ, what room their checkpoints take.

use super::setup::runs_home;
use crate::args::{Order, RunsArgs, RunsCommand, Voice};
use crate::failure::Failure;
use crate::output::{count, path_text, table};
use reclra_data::files::{FileError, no_file};
use reclra_train::compare::is_tried;
use reclra_train::runs::view::{self, Standing, View};
use reclra_train::runs::{CHECKPOINTS, RunFolder, SPEC, checkpoint};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Levels below a folder in which runs are looked for: those of comparisons lie three deep.
const DEPTH: usize = 4;

pub(crate) fn run(voice: Voice, args: &RunsArgs) -> Result<(), Failure> {
    match &args.command {
        None => list(voice, &home_or(voice, &args.folders)?),
        Some(RunsCommand::Compare { folders, sort }) => {
            let mut views = home_or(voice, folders)?;
            match sort {
                // They are found by name.
                Order::Name => {}
                Order::Time => sorted(&mut views, |v| v.record.epochs.last().map(|_| v.record.epoch_seconds())),
                Order::Error => sorted(&mut views, |v| v.record.validation_error()),
            }
            compare(voice, &views)
        }
        Some(RunsCommand::Clean { folders, yes }) => clean(voice, &home_or(voice, folders)?, *yes),
    }
}

/// The runs in some folders, or where runs are kept that are given no folder.
fn home_or(voice: Voice, folders: &[PathBuf]) -> Result<Vec<View>, Failure> {
    if folders.is_empty() { below(voice, &[runs_home()], false) } else { below(voice, folders, true) }
}

/// The runs in some folders, by folder. One that is damaged is named and left out. `named`: the folders must be there.
pub(super) fn below(voice: Voice, folders: &[PathBuf], named: bool) -> Result<Vec<View>, Failure> {
    let mut found = BTreeSet::new();
    for folder in folders {
        no_file(folder, "name a folder that `reclra train` has written")?;
        if !folder.is_dir() && named {
            let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
            return Err(FileError::io(folder, &missing, "name a folder that `reclra train` has written").into());
        }
        // Below it, what cannot be read is passed over: it may be no business of this user's.
        match std::fs::read_dir(folder) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(FileError::io(folder, &e, "make it readable, or name another folder").into());
            }
            _ => search(folder, DEPTH, &mut found),
        }
    }
    let (mut views, mut damaged) = (Vec::new(), Vec::new());
    for folder in found {
        match view::read(&folder) {
            Ok(view) => views.push(view),
            Err(e) => damaged.push(e),
        }
    }
    // Where nothing else is, what is wrong with it is the answer.
    if views.is_empty() && damaged.len() == 1 {
        return Err(damaged.remove(0).into());
    }
    damaged.iter().for_each(|e| voice.warn(&e.to_string()));
    Ok(views)
}

fn search(folder: &Path, depth: usize, found: &mut BTreeSet<PathBuf>) {
    if folder.join(SPEC).is_file() {
        found.insert(folder.to_owned());
    } else if depth > 0 {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|e| e.path()).filter(|p| p.is_dir()).for_each(|p| search(&p, depth - 1, found));
    }
}

/// The least first; runs without a figure last, by name.
fn sorted(views: &mut [View], of: impl Fn(&View) -> Option<f64>) {
    let figure = |v: &View| of(v).filter(|f| !f.is_nan()).unwrap_or(f64::INFINITY);
    views.sort_by(|a, b| figure(a).total_cmp(&figure(b)));
}

fn percent(v: Option<f64>) -> String {
    v.map_or("-".to_owned(), |v| format!("{v:.2}"))
}

/// None of a run on which a setting was tried: it is chosen by validation alone.
fn test_error(view: &View) -> Option<f64> {
    if is_tried(&view.folder) { None } else { view.record.test_error() }
}

/// Bytes of all files below a folder.
fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|e| if e.path().is_dir() { size(&e.path()) } else { e.metadata().map_or(0, |m| m.len()) }).sum()
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 * 1e-6)
}

fn list(voice: Voice, views: &[View]) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for v in views {
        let (done, total, bytes) = (v.record.epochs.len(), v.spec.epochs, size(&v.folder));
        let started = v.environment.as_ref().map_or(String::new(), |e| e.started.clone());
        voice.object(
            "run",
            &json!({
                "folder": path_text(&v.folder), "standing": v.standing, "rule": v.record.rule, "data": v.facts.name, "seed": v.spec.seed,
                "epochs": done, "of": total, "started": started, "bytes": bytes,
                "validation_error": v.record.validation_error().map(|e| e / 100.0),
                "test_error": test_error(v).map(|e| e / 100.0),
            }),
        )?;
        rows.push(vec![
            v.folder.display().to_string(),
            v.standing.name().to_owned(),
            v.record.rule.clone(),
            v.facts.name.clone(),
            v.spec.network(),
            format!("{done}/{total}"),
            percent(v.record.validation_error()),
            percent(test_error(v)),
            megabytes(bytes),
        ]);
    }
    if rows.is_empty() {
        voice.note("there are no runs here; `reclra train` makes one");
        return Ok(());
    }
    let head = ["run", "standing", "rule", "data", "network", "epochs", "validation %", "test %", "MB"];
    voice.result(table(&head, &rows))
}

/// The keys in which the specs differ, then the figures: a column a run.
fn compare(voice: Voice, views: &[View]) -> Result<(), Failure> {
    if views.len() < 2 {
        return Err(Failure::Usage("runs compare: name at least two runs, or a folder that holds them".to_owned()));
    }
    let value =
        |v: &View, key: &str| v.spec.value(key).map_or("-".to_owned(), |x| x.to_string().trim_matches('"').to_owned());
    let keys = reclra_train::spec::keys::KEYS.iter().map(|k| k.path);
    let differing = keys.filter(|k| views.iter().any(|v| value(v, k) != value(&views[0], k)));
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut add = |name: &str, of: &dyn Fn(&View) -> String| {
        rows.push(std::iter::once(name.to_owned()).chain(views.iter().map(of)).collect());
    };
    for key in differing {
        add(key, &|v| value(v, key));
    }
    add("standing", &|v| v.standing.name().to_owned());
    add("epochs", &|v| v.record.epochs.len().to_string());
    add("train error %", &|v| percent(v.record.train_error()));
    add("validation error %", &|v| percent(v.record.validation_error()));
    add("test error %", &|v| percent(test_error(v)));
    add("seconds an epoch", &|v| match v.record.epochs[..] {
        [] => "-".to_owned(),
        _ => format!("{:.3}", v.record.epoch_seconds()),
    });
    add("parameters", &|v| v.record.parameters.to_string());
    add("commit", &|v| v.environment.as_ref().map_or("-".to_owned(), |e| e.commit.clone()));
    add("machine", &|v| v.environment.as_ref().map_or("-".to_owned(), |e| e.machine()));
    let data = |v: &View| v.environment.as_ref().map(|e| e.data.clone());
    if views.iter().any(|v| v.facts.name == views[0].facts.name && data(v) != data(&views[0])) {
        voice.warn("the runs were made on data files of the same name with other contents");
    }
    let names = view::distinct_names(&views.iter().map(|v| v.folder.as_path()).collect::<Vec<_>>());
    for row in &rows {
        voice.object("row", &json!({ "what": row[0], "values": row[1..], "runs": names }))?;
    }
    let heads: Vec<&str> = std::iter::once("").chain(names.iter().map(String::as_str)).collect();
    voice.result(table(&heads, &rows))
}

/// Checkpoints of runs that are over; those of others are what they go on from.
fn clean(voice: Voice, views: &[View], yes: bool) -> Result<(), Failure> {
    let (mut freed, mut runs) = (0, 0);
    for v in views.iter().filter(|v| matches!(v.standing, Standing::Finished | Standing::Diverged)) {
        let checkpoints = v.folder.join(CHECKPOINTS);
        let bytes = size(&checkpoints);
        if bytes == 0 {
            continue;
        }
        if yes {
            let _held = RunFolder::hold(&v.folder)?;
            checkpoint::prune(&checkpoints, 0);
            let _ = std::fs::remove_dir(&checkpoints);
        }
        (freed, runs) = (freed + bytes, runs + 1);
        voice.object("clean", &json!({ "folder": path_text(&checkpoints), "bytes": bytes, "removed": yes }))?;
        voice.result(format_args!("{:>10} MB  {}", megabytes(bytes), checkpoints.display()))?;
    }
    let over = |n| format!("{} that {} over", count(n, "run"), if n == 1 { "is" } else { "are" });
    let line = match (runs, yes) {
        (0, _) => "there is nothing to free".to_owned(),
        (n, true) => format!("freed {} MB: the checkpoints of {}", megabytes(freed), over(n)),
        (n, false) => {
            format!("{} MB would be freed: the checkpoints of {}; add --yes", megabytes(freed), over(n))
        }
    };
    voice.result(line)
}
