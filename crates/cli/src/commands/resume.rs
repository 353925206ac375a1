//! `reclra resume`: a run goes on from its newest whole checkpoint.

use super::setup::{device, environment};
use super::train::{Run, announce};
use crate::args::{ResumeArgs, Voice};
use crate::failure::Failure;
use crate::output::count;
use reclra_train::run::dataset_of;
use reclra_train::runs::view::{self, Standing, View};
use reclra_train::runs::{CHECKPOINTS, DataFile, Environment, RunFolder, SPEC, checkpoint, now};
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
    let device = device(args.machine)?;
    let now_here = environment(&view.spec.data, dir, &facts, &device)?;
    let before = view.environment.as_ref().map_or(&[][..], |e| &e.data);
    let changed = changed(before, &now_here.data);
    if !facts.same_data(&view.facts) || changed.is_some() {
        let what = changed.map_or(String::new(), |what| format!(" ({what})"));
        return Err(Failure::Other(format!(
            "{}: these are not the images the run began with{what}; restore them, name their folder with --data-dir, or \
             begin a new run with reclra train",
            view.facts.name
        )));
    }
    let spec = longer(&view.spec, args.epochs, &facts)?;
    // What it goes on from, before anything is changed.
    let found = checkpoint::newest(&folder.file(CHECKPOINTS), &mut |line| voice.warn(line))?;
    if let Some((manifest, _)) = &found {
        same_run(&view, &manifest.spec)?;
    }
    let before = view.environment.as_ref().and_then(|e| e.keeping).unwrap_or_default();
    let keeping = args.keep.keeping(before);
    let environment = match view.environment {
        Some(before) => {
            if before.data != now_here.data {
                voice.warn(&format!("{}: its files are packed otherwise than when the run began", facts.name));
            }
            let mut resumed = before.resumed.clone();
            resumed.push(now());
            Environment { started: before.started, command: before.command, resumed, ..now_here }
        }
        None => now_here,
    };
    folder.begin(&spec, &Environment { keeping: Some(keeping), ..environment })?;
    announce(voice, (&spec, &facts, &*dataset), &device, &folder)?;
    dataset.notes().iter().for_each(|line| voice.note(line));
    let run = Run { spec: &spec, facts: &facts, dataset: &*dataset, device, keeping, watch: &args.watch };
    run.make(voice, &folder, Some(found))
}

/// What tells the files of now from those of before; nothing if they may hold the same: each is as it was, or is packed
/// where it was not, or the other way round.
fn changed(before: &[DataFile], now: &[DataFile]) -> Option<String> {
    let plain = |f: &DataFile| f.file.strip_suffix(".gz").unwrap_or(&f.file).to_owned();
    let same = |a: &DataFile, b: &DataFile| a == b || (a.file != b.file && plain(a) == plain(b));
    // An archive as it is published, in the place of what it holds.
    let published = |all: &[DataFile]| matches!(all, [one] if one.file.ends_with(".tar.gz"));
    if before.is_empty() || published(before) != published(now) {
        return None;
    }
    let described = |all: &[DataFile]| match all {
        [one] => format!("{} of {} bytes", one.file, one.bytes),
        all => count(all.len(), "file"),
    };
    if before.len() != now.len() {
        return Some(format!("then {}, now {}", described(before), described(now)));
    }
    // Files are listed in the order of their names, each place of its own: many may have one name.
    let (was, is) = before.iter().zip(now).find(|(was, is)| !same(was, is))?;
    Some(if was.file == is.file {
        format!("{} has another content", was.file)
    } else {
        format!("then {} of {} bytes, now {} of {} bytes", was.file, was.bytes, is.file, is.bytes)
    })
}

/// Refuses a checkpoint of another spec than the folder's, but for the number of epochs.
fn same_run(view: &View, checkpoint: &str) -> Result<(), Failure> {
    let before = RunSpec::resolve(&Settings::parse(checkpoint, "spec.toml")?.kept(), &view.facts)?.epochs;
    // More than then may be what an interrupted `--epochs` has left.
    let settings = Settings::with_epochs(checkpoint, view.spec.epochs.max(before))?;
    let then = RunSpec::resolve(&settings, &view.facts)?.to_toml();
    let now = view.spec.to_toml();
    if then == now {
        return Ok(());
    }
    let (then, now) = then.lines().zip(now.lines()).find(|(a, b)| a != b).unwrap_or(("other keys", "these keys"));
    Err(Failure::Other(format!(
        "{}: says `{now}` where its checkpoint was made with `{then}`; put it back, or begin a new run with reclra train",
        view.folder.join(SPEC).display()
    )))
}

/// The spec with more epochs.
fn longer(spec: &RunSpec, more: Option<u64>, facts: &DataFacts) -> Result<RunSpec, Failure> {
    let Some(more) = more else { return Ok(spec.clone()) };
    Ok(RunSpec::resolve(&Settings::with_epochs(&spec.to_toml(), spec.epochs + more)?, facts)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(all: &[(&str, &str)]) -> Vec<DataFile> {
        all.iter().map(|(f, s)| DataFile { file: (*f).into(), bytes: 7, sha256: (*s).into() }).collect()
    }

    #[test]
    fn what_changed_is_named_and_what_is_only_packed_is_no_change() {
        let before = files(&[("a.png", "1"), ("a.png", "2"), ("b.png", "3")]);
        let says = |now: &[(&str, &str)]| changed(&before, &files(now)).unwrap_or_default();
        assert_eq!(says(&[("a.png", "1"), ("a.png", "2"), ("b.png", "3")]), "");
        assert_eq!(says(&[("a.png", "1"), ("a.png", "2"), ("b.png", "4")]), "b.png has another content");
        assert_eq!(says(&[("a.png", "2"), ("a.png", "2"), ("b.png", "3")]), "a.png has another content");
        assert_eq!(says(&[("a.png", "1"), ("b.png", "3")]), "then 3 files, now 2 files");
        assert_eq!(
            says(&[("a.png", "1"), ("b.png", "3"), ("c.png", "3")]),
            "then a.png of 7 bytes, now b.png of 7 bytes"
        );
        let (plain, packed) = (files(&[("x-ubyte", "1")]), files(&[("x-ubyte.gz", "2")]));
        assert_eq!((changed(&plain, &packed), changed(&packed, &plain)), (None, None));
        let (archive, parts) = (files(&[("cifar.tar.gz", "1")]), files(&[("data.bin", "1"), ("test.bin", "2")]));
        assert_eq!((changed(&archive, &parts), changed(&[], &parts)), (None, None));
        assert_eq!(
            changed(&archive, &files(&[("cifar.tar.gz", "2")])),
            Some("cifar.tar.gz has another content".into())
        );
        let many = |n: usize, sha: &str| files(&[(&format!("{n} pictures"), sha)]);
        assert_eq!(
            changed(&many(40, "1"), &many(41, "2")).unwrap(),
            "then 40 pictures of 7 bytes, now 41 pictures of 7 bytes"
        );
    }
}
