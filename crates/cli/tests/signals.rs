//! Signals with which a system or a scheduler asks a run to end: the step is finished, the state saved, the way on said.

#![cfg(unix)]

mod common;

use common::going::{Going, checkpoints, same, signal};
use common::{good, text};
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const NET: [&str; 5] = ["--arch", "64-12-10", "--checkpoint-steps", "20", "--quiet"];

/// The binary with its messages kept, under a shell's words such as `trap '' HUP; exec`. The tests may be run under `nohup`,
/// which children inherit and a shell cannot undo: GNU env can.
fn start(before: &str, args: &[&str]) -> Going {
    let script = format!("{before} exec \"$0\" \"$@\"");
    let mut command = Command::new(if cfg!(target_os = "linux") { "env" } else { "sh" });
    if cfg!(target_os = "linux") {
        command.args(["--default-signal=HUP", "sh"]);
    }
    command.args(["-c", &script, text(assert_cmd::cargo::cargo_bin!("reclra"))]).args(args);
    Going(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
}

/// Waits until there is a checkpoint below a folder.
fn going(child: &mut Going, folder: &Path) {
    let begun = Instant::now();
    let deep = |folder: &Path| -> bool {
        let below = |f: &Path| fs::read_dir(f).into_iter().flatten().flatten().map(|e| e.path()).collect::<Vec<_>>();
        let mut all = vec![folder.to_owned()];
        while let Some(folder) = all.pop() {
            if folder.file_name().is_some_and(|n| n.to_str().is_some_and(|n| n.starts_with("step-"))) {
                return true;
            }
            all.extend(below(&folder).into_iter().filter(|p| p.is_dir()));
        }
        false
    };
    while !deep(folder) {
        assert!(child.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(60), "it is going");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Exit code and messages.
fn end(mut child: Going) -> (Option<i32>, String) {
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    (child.wait().unwrap().code(), err)
}

#[test]
fn a_run_is_saved_on_every_signal_that_asks_for_its_end() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["USR1", "USR2", "TERM", "HUP", "INT"] {
        let run = dir.path().join(name);
        let mut child = start("", &[&["train", "--epochs", "100000", "--out", text(&run)][..], &NET].concat());
        going(&mut child, &run);
        signal(&child, &format!("-{name}"));
        let (code, err) = end(child);
        assert_eq!(code, Some(130), "{name}: {err}");
        let resume = format!("go on with: reclra resume {}", text(&run));
        assert!(err.contains("interrupted after step") && err.contains(&resume), "{name}: {err}");
        let steps: u64 = err.split("after step ").nth(1).and_then(|t| t.split(';').next()).unwrap().parse().unwrap();
        let last = checkpoints(&run).pop().unwrap();
        assert!(last.ends_with(format!("step-{steps:010}")), "{name}: {} is not of step {steps}", last.display());
        // And so once it goes on.
        let mut child = start("", &["resume", text(&run), "--quiet"]);
        std::thread::sleep(Duration::from_millis(300));
        assert!(child.try_wait().unwrap().is_none(), "{name}: it goes on");
        signal(&child, &format!("-{name}"));
        let (code, err) = end(child);
        assert!(code == Some(130) && err.contains(&resume), "{name}: {code:?} {err}");
    }
}

#[test]
fn a_run_that_a_scheduler_ended_goes_on_to_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let [whole, run] = ["whole", "run"].map(|n| dir.path().join(n));
    let train = |out: &Path| {
        let args = [
            "train",
            "--epochs",
            "40",
            "--checkpoint-steps",
            "20",
            "--arch",
            "64-96-96-10",
            "--quiet",
            "--out",
            text(out),
        ];
        args.map(str::to_owned)
    };
    good(&train(&whole).each_ref().map(String::as_str));
    let mut child = start("", &train(&run).each_ref().map(String::as_str));
    going(&mut child, &run);
    // Schedulers tell every process of a job, and some tell it twice.
    (0..3).for_each(|_| signal(&child, "-USR1"));
    let (code, err) = end(child);
    assert!(code == Some(130) && err.contains("interrupted after step"), "{code:?} {err}");
    good(&["resume", text(&run), "--quiet"]);
    same(&whole, &run, "SIGUSR1");
}

#[test]
fn many_runs_are_saved_too() {
    let dir = tempfile::tempdir().unwrap();
    let (many, experiment, made) = (dir.path().join("many"), dir.path().join("small.toml"), dir.path().join("made"));
    fs::write(
        &experiment,
        "title = \"small\"\nabout = \"small\"\ndiffers = \"small\"\nseeds = [0]\n[[run]]\nname = \"one\"\n\
         set = { \"data.name\" = \"digits\", \"net.arch\" = \"64-8-10\", \"train.epochs\" = 100000 }\n",
    )
    .unwrap();
    let compare =
        ["compare", "--rules", "backprop,rec-lra", "--seeds", "1", "--epochs", "100000", "--out", text(&many)];
    let reproduce = ["reproduce", text(&experiment), "--out", text(&made), "--runs", text(&made)];
    for (args, more, folder) in [(&compare[..], &NET[..], &many), (&reproduce, &NET[2..], &made)] {
        let mut child = start("", &[args, more].concat());
        going(&mut child, folder);
        signal(&child, "-USR2");
        let (code, err) = end(child);
        assert_eq!(code, Some(130), "{args:?}: {err}");
        assert!(err.contains("interrupted; the same command goes on where it stopped"), "{args:?}: {err}");
    }
}

/// `nohup` and its like: a process that was started to outlive its terminal does.
#[test]
fn a_hangup_that_is_ignored_ends_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let mut child = start("trap '' HUP;", &[&["train", "--epochs", "100000", "--out", text(&run)][..], &NET].concat());
    going(&mut child, &run);
    signal(&child, "-HUP");
    std::thread::sleep(Duration::from_millis(500));
    assert!(child.try_wait().unwrap().is_none(), "it goes on");
    signal(&child, "-TERM");
    let (code, err) = end(child);
    assert!(code == Some(130) && err.contains("interrupted after step"), "{err}");
}
