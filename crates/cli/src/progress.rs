//! How a run is shown while it goes: a bar for the epoch and one for the run on a terminal, plain lines elsewhere, objects with `--json`.

use crate::args::Voice;
use crate::output::{grouped, say};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use reclra_train::fit::{EpochReport, Observer, Progress};
use std::io::IsTerminal;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Off a terminal, an epoch that takes longer than this gets a line in between.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// Of a run with more epochs than this only some leave a line; `--verbose` shows all.
const LINES: u64 = 25;

/// Fitting mean and deviation is shown once it takes longer than this, and then every [`PATIENCE`].
const SHOWN: Duration = Duration::from_secs(2);

/// Shows on how many images mean and deviation are fitted so far, where that takes its time.
pub(crate) fn fitting(voice: Voice) -> impl Fn(usize, usize) + Sync {
    let (begun, due) = (OnceLock::new(), AtomicU64::new(SHOWN.as_secs()));
    move |done, all| {
        let seconds = begun.get_or_init(Instant::now).elapsed().as_secs();
        let at = due.load(Ordering::Relaxed);
        let next = seconds + PATIENCE.as_secs();
        if seconds >= at && due.compare_exchange(at, next, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let (done, all) = (grouped(done), grouped(all));
            voice.note(format_args!("mean and deviation of the training images: {done} of {all} decoded"));
        }
    }
}

/// Shows one run.
pub(crate) struct Show {
    voice: Voice,
    epochs: u64,
    begun: Instant,
    said: Instant,
    /// The bars, if standard error is a terminal.
    bars: Option<Bars>,
    /// Share of the run that was done before it was begun or resumed here.
    before: Option<f64>,
    validation: Option<f64>,
    /// Lines that are said at the end: a view has the screen until then.
    held: Option<Vec<String>>,
}

/// One of the epoch, one of the run.
struct Bars {
    both: MultiProgress,
    epoch: ProgressBar,
    run: ProgressBar,
}

impl Bars {
    fn new() -> Bars {
        let both = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(8));
        let bar = |template: &str| {
            let bar = both.add(ProgressBar::new(1));
            bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        };
        let epoch = bar("{prefix} [{bar:24}] {pos}/{len} steps  {msg}");
        let run = bar("{prefix} [{bar:24}] {percent} %  {msg}");
        Bars { epoch, run, both }
    }
}

impl Show {
    pub(crate) fn new(voice: Voice, epochs: u64) -> Show {
        Show::of(voice, epochs, false)
    }

    /// The same of a run that has a view of its own: what would be said is said once that is gone.
    pub(crate) fn of(voice: Voice, epochs: u64, viewed: bool) -> Show {
        let bars = (!voice.quiet && !voice.json && !viewed && std::io::stderr().is_terminal()).then(Bars::new);
        let now = Instant::now();
        let held = viewed.then(Vec::new);
        Show { voice, epochs, begun: now, said: now, bars, before: None, validation: None, held }
    }

    /// Seconds until the end, if the rest goes as the part done here so far.
    fn left(&self, done: f64) -> f64 {
        let here = (done - self.before.unwrap_or(0.0)).max(1e-9);
        self.begun.elapsed().as_secs_f64() * (self.epochs as f64 - done).max(0.0) / here
    }

    fn prefix(&self, epoch: u64) -> String {
        let width = self.epochs.to_string().len();
        format!("epoch {epoch:>width$}/{}", self.epochs)
    }

    fn line(&mut self, text: &str) {
        match (&mut self.held, &self.bars) {
            (Some(held), _) => held.push(text.to_owned()),
            (None, Some(bars)) => drop(bars.both.println(text)),
            (None, None) => say(text),
        }
    }

    /// Takes the bars off the screen and says what was held back: the run is over.
    pub(crate) fn finish(&mut self) {
        self.held.take().into_iter().flatten().for_each(say);
        if let Some(bars) = &self.bars {
            bars.epoch.finish_and_clear();
            bars.run.finish_and_clear();
            let _ = bars.both.clear();
        }
    }
}

/// `12 s`, `3 min 05 s`, `2 h 10 min`.
pub(crate) fn duration(seconds: f64) -> String {
    let s = seconds.round() as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {:02} s", s / 60, s % 60),
        _ => format!("{} h {:02} min", s / 3600, s % 3600 / 60),
    }
}

pub(crate) fn percent(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), |v| format!("{:.2} %", 100.0 * v))
}

impl Observer for Show {
    fn step(&mut self, p: &Progress<'_>) {
        let share = p.step as f64 / p.steps as f64;
        let done = (p.epoch - 1) as f64 + share;
        let before = *self.before.get_or_insert(done - 1.0 / p.steps as f64);
        let figures = |show: &Show| {
            let rate = (done - before) * p.samples as f64 / share / show.begun.elapsed().as_secs_f64();
            (rate, duration(show.left(done)))
        };
        if let Some(bars) = &self.bars {
            if p.step == 1 || bars.epoch.length() != Some(p.steps) {
                bars.epoch.set_length(p.steps);
                bars.epoch.set_prefix(self.prefix(p.epoch));
                bars.run.set_length(self.epochs * p.steps);
                bars.run.set_prefix(format!("{:<1$}", "run", self.prefix(p.epoch).len()));
            }
            bars.epoch.set_position(p.step);
            bars.run.set_position((p.epoch - 1) * p.steps + p.step);
            // The bars are drawn eight times a second; the text need not be made more often.
            if p.step == 1 || p.step == p.steps || self.said.elapsed() > Duration::from_millis(125) {
                let (rate, left) = figures(self);
                bars.epoch.set_message(format!("loss {:.4}  discrepancy {:.4}", p.loss, p.discrepancy));
                let validation = percent(self.validation);
                bars.run.set_message(format!("validation error {validation}  {rate:.0} samples/s  {left} left"));
                self.said = Instant::now();
            }
        } else if !self.voice.quiet
            && !self.voice.json
            && self.held.is_none()
            && p.step < p.steps
            && self.said.elapsed() > PATIENCE
        {
            let (rate, left) = figures(self);
            say(format_args!(
                "{}  step {}/{}  loss {:.4}  discrepancy {:.4}  {rate:.0} samples/s  {left} left",
                self.prefix(p.epoch),
                p.step,
                p.steps,
                p.loss,
                p.discrepancy,
            ));
            self.said = Instant::now();
        }
    }

    fn epoch(&mut self, r: &EpochReport) {
        self.validation = r.validation_error;
        // A run is kept in files: without standard output it goes on.
        let _ = self.voice.object("epoch", r);
        let every = self.epochs.div_ceil(LINES);
        let shown = self.voice.verbose || r.epoch.is_multiple_of(every) || r.epoch == 1 || r.epoch == self.epochs;
        if !self.voice.quiet && !self.voice.json && shown {
            let line = format!(
                "{}  loss {:.4}  train error {}  validation error {}  discrepancy {:.4}  {:.0} samples/s  {} left",
                self.prefix(r.epoch),
                r.train_loss,
                percent(Some(r.train_error)),
                percent(r.validation_error),
                r.discrepancy,
                r.samples_per_second,
                duration(self.left(r.epoch as f64)),
            );
            self.line(&line);
            if !r.alignment.is_empty() {
                let angles: Vec<String> =
                    r.alignment.iter().map(|a| format!("{} {:.0}", a.region, a.degrees)).collect();
                self.line(&format!("  degrees from the gradient: {}", angles.join("  ")));
            }
            self.said = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn durations_read_well() {
        assert_eq!([0.4, 59.4, 61.0, 7800.0].map(super::duration), ["0 s", "59 s", "1 min 01 s", "2 h 10 min"]);
    }
}
