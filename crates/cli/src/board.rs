//! How several runs at a time are shown: a bar over all and one for each on a terminal, a line for each finished run
//! elsewhere, objects with `--json`.

use crate::args::Voice;
use crate::output::count;
use crate::progress::{PATIENCE, duration};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use reclra_train::compare::{Trial, Watch};
use reclra_train::fit::{EpochReport, Observer, Progress};
use reclra_train::record::Record;
use reclra_train::spec::RunSpec;
use reclra_train::warnings;
use serde::Serialize;
use serde_json::json;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What runs are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stage {
    /// To choose a setting by the validation error: the test error is not shown.
    Trial,
    /// To be reported.
    Report,
}

/// Shows all runs of a comparison.
pub(crate) struct Board {
    voice: Voice,
    stage: Stage,
    total: usize,
    /// Held while one is told of, so that they are told of in order.
    finished: Mutex<usize>,
    /// Steps to be made by all runs, steps made, for the time left.
    begun: Instant,
    /// When something was last said off a terminal.
    said: Mutex<Instant>,
    bars: Option<(MultiProgress, ProgressBar)>,
}

impl Board {
    pub(crate) fn new(voice: Voice, stage: Stage, total: usize) -> Board {
        let bars = (!voice.quiet && !voice.json && std::io::stderr().is_terminal()).then(|| {
            let multi = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(8));
            let all = multi.add(ProgressBar::new(total as u64));
            all.set_style(style("[{bar:24}] {pos}/{len} runs  {msg}"));
            (multi, all)
        });
        let now = Instant::now();
        Board { voice, stage, total, finished: Mutex::new(0), begun: now, said: Mutex::new(now), bars }
    }

    fn say(&self, line: &str) {
        match &self.bars {
            Some((multi, _)) => drop(multi.println(line)),
            None if !self.voice.json => self.voice.note(line),
            None => {}
        }
        if let Ok(mut said) = self.said.lock() {
            *said = Instant::now();
        }
    }

    /// Takes the bars off the screen.
    pub(crate) fn finish(&self) {
        if let Some((multi, all)) = &self.bars {
            all.finish_and_clear();
            let _ = multi.clear();
        }
    }
}

/// Rule, setting, seed and fold.
fn run_name(trial: &Trial, spec: &RunSpec) -> String {
    let fold = spec.data.fold.map_or(String::new(), |f| format!(", fold {f}"));
    format!("{}, seed {}{fold}", trial.name(), spec.seed)
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Watch for Board {
    fn begins(&self, trial: &Trial, spec: &RunSpec) -> Box<dyn Observer + '_> {
        let name = run_name(trial, spec);
        let bar = self.bars.as_ref().map(|(multi, _)| {
            let bar = multi.add(ProgressBar::new(1));
            bar.set_style(style("  {prefix} [{bar:16}] {msg}"));
            bar.set_prefix(name.clone());
            bar
        });
        Box::new(Lane { board: self, name, epochs: spec.epochs, validation: None, told: Instant::now(), bar })
    }

    fn ended(&self, trial: &Trial, spec: &RunSpec, record: &Record, kept: bool) {
        let mut counted = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        *counted += 1;
        let finished = *counted;
        if let Some((_, all)) = &self.bars {
            all.set_position(finished as u64);
            let left = self.begun.elapsed().as_secs_f64() / finished as f64 * (self.total - finished) as f64;
            all.set_message(format!("about {} left", duration(left)));
        }
        let (name, total) = (run_name(trial, spec), self.total);
        let record = &if self.stage == Stage::Trial { record.untested() } else { record.clone() };
        let fold = spec.data.fold.map(|f| f.to_string());
        let object = json!({
            "rule": trial.rule, "setting": trial.label, "stage": self.stage, "fold": fold, "kept": kept, "record": record,
        });
        // Runs are kept in files: without standard output they go on.
        let _ = self.voice.object("run", &object);
        // Folds and trials are judged by the validation error.
        let by_validation = self.stage == Stage::Trial || spec.data.fold.is_some();
        let (part, error) = match by_validation {
            true => ("validation", record.validation_error()),
            false => ("test", record.test_error()),
        };
        let what = match (&record.failed, error) {
            (Some(why), _) => format!("diverged: {why}"),
            (None, Some(error)) => format!("{part} error {error:.2} % after {}", duration(record.seconds)),
            (None, None) => format!("no {part} part"),
        };
        let line = format!("[{finished}/{total}] {name}: {what}");
        if kept {
            self.voice.detail(format_args!("{line} (there already)"));
        } else {
            self.say(&line);
            let spec = trial.specs.iter().flatten().find(|s| s.seed == record.seed);
            for w in spec.map_or_else(Vec::new, |spec| warnings::after(record, spec)) {
                self.warn(&format!("{name}: {w}"));
            }
        }
    }

    fn warn(&self, line: &str) {
        match &self.bars {
            Some((multi, _)) => drop(multi.println(format!("warning: {line}"))),
            None => self.voice.warn(line),
        }
    }
}

/// One run on the board.
struct Lane<'a> {
    board: &'a Board,
    name: String,
    epochs: u64,
    validation: Option<f64>,
    told: Instant,
    bar: Option<ProgressBar>,
}

impl Observer for Lane<'_> {
    fn step(&mut self, p: &Progress<'_>) {
        if let Some(bar) = &self.bar {
            if p.epoch == 1 && p.step == 1 {
                bar.set_length(self.epochs * p.steps);
            }
            if self.told.elapsed() > Duration::from_millis(125) || p.step == p.steps {
                bar.set_position((p.epoch - 1) * p.steps + p.step);
                let validation = crate::progress::percent(self.validation);
                bar.set_message(format!(
                    "epoch {}/{}  loss {:.4}  validation {validation}",
                    p.epoch, self.epochs, p.loss
                ));
                self.told = Instant::now();
            }
        } else if self.board.said.lock().is_ok_and(|s| s.elapsed() > PATIENCE) {
            let finished = *self.board.finished.lock().unwrap_or_else(PoisonError::into_inner);
            let (name, total) = (&self.name, self.board.total);
            let at = format!("epoch {}/{}, step {}/{}", p.epoch, self.epochs, p.step, p.steps);
            self.board.say(&format!("{finished} of {} done; {name}: {at}, loss {:.4}", count(total, "run"), p.loss));
        }
    }

    fn epoch(&mut self, report: &EpochReport) {
        self.validation = report.validation_error;
    }
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
