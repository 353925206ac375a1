//! `reclra train --tui`: a live view of one run. The training only leaves figures for it, at most five times a second; a
//! thread of its own draws them and reads keys, so that neither waits for the other.

mod draw;
mod layers;
mod state;
mod style;
#[cfg(test)]
mod tests;

use crate::args::Voice;
use crate::failure::Failure;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen};
use ratatui::crossterm::terminal::{disable_raw_mode, enable_raw_mode, size};
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};
use reclra_train::fit::{EpochReport, Observer, Progress, layers};
use state::State;
use std::io::{BufWriter, IsTerminal, Stderr, stderr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// From one frame to the next.
const FRAME: Duration = Duration::from_millis(200);
/// The thread waits no longer for a key: so long, at most, the end of a run waits for the thread.
const POLL: Duration = Duration::from_millis(50);
/// A thread that does not end within this has no terminal any more.
const GONE: Duration = Duration::from_secs(1);
/// A frame without news is drawn this often: the clock goes on.
const IDLE: Duration = Duration::from_secs(1);
/// The figures of the layers cost a pass over all error neurons: they may take this part of the time.
const SHARE: u32 = 200;
const USAGE: &str = "--tui needs a terminal; leave it out";

/// Whether the terminal is ours.
static UP: AtomicBool = AtomicBool::new(false);

/// Gives the terminal back as it was, if it is ours.
pub(crate) fn restore() {
    if UP.swap(false, Ordering::SeqCst) {
        // Nothing can be done about a terminal that no longer listens.
        let _ = execute!(stderr(), LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}

/// The live view of one run. The terminal is given back when it is dropped, and in a panic.
pub(crate) struct Tui {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
    running: Running,
    told: Option<Instant>,
    /// Until the next figures.
    pause: Duration,
}

/// What both threads see.
struct Shared {
    state: Mutex<State>,
    news: AtomicBool,
    over: AtomicBool,
    stop: Arc<AtomicBool>,
}

impl Shared {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.news.store(true, Ordering::Relaxed);
    }
}

/// Sums over the epoch so far.
#[derive(Clone, Copy, Default)]
struct Running {
    epoch: u64,
    /// Samples of the epoch at its last step.
    samples: u64,
    seen: u64,
    wrong: f64,
}

impl Running {
    fn add(&mut self, p: &Progress<'_>) {
        if self.epoch != p.epoch {
            // Of an epoch that is resumed only what follows is known.
            let before = if p.step == 1 { 0 } else { p.samples - p.samples / p.step };
            *self = Running { epoch: p.epoch, samples: before, ..Running::default() };
        }
        let n = p.samples.saturating_sub(self.samples);
        self.wrong += n as f64 * p.report.error;
        (self.seen, self.samples) = (self.seen + n, p.samples);
    }

    fn error(&self) -> f64 {
        self.wrong / self.seen.max(1) as f64
    }
}

impl Tui {
    /// Whether there is a terminal to show a run on.
    ///
    /// # Errors
    /// If there is none, or results are asked for in another form.
    pub(crate) fn possible(voice: Voice) -> Result<(), Failure> {
        let dumb = std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        if voice.quiet || voice.json || dumb || !stderr().is_terminal() {
            return Err(Failure::Usage(USAGE.to_owned()));
        }
        Ok(())
    }

    /// Takes the terminal. `title`: what runs. `stop` is set by q and Ctrl-C.
    ///
    /// # Errors
    /// If there is no terminal, or results are asked for in another form.
    pub(crate) fn start(voice: Voice, title: &str, epochs: u64, stop: &Arc<AtomicBool>) -> Result<Tui, Failure> {
        Tui::possible(voice)?;
        let state = Mutex::new(State::new(title, epochs));
        let (news, over) = (AtomicBool::new(true), AtomicBool::new(false));
        let shared = Arc::new(Shared { state, news, over, stop: stop.clone() });
        let terminal = take().map_err(|e| {
            restore();
            Failure::Usage(format!("{USAGE} ({e})"))
        })?;
        let seen = shared.clone();
        let thread = std::thread::spawn(move || {
            // From a terminal that fails no key comes: it is given back, so that Ctrl-C is a signal again.
            if show(&seen, terminal).is_err() {
                restore();
            }
        });
        Ok(Tui { shared, thread, running: Running::default(), told: None, pause: FRAME })
    }
}

type Screen = Terminal<CrosstermBackend<BufWriter<Stderr>>>;

fn take() -> std::io::Result<Screen> {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        restore();
        before(info);
    }));
    enable_raw_mode()?;
    UP.store(true, Ordering::SeqCst);
    execute!(stderr(), EnterAlternateScreen)?;
    fitted(size()?)
}

/// A screen of that size. It is not left to ratatui to follow the terminal's: it would ask for the cursor's place, which not
/// all terminals tell.
fn fitted((width, height): (u16, u16)) -> std::io::Result<Screen> {
    execute!(stderr(), Clear(ClearType::All))?;
    // Without a buffer each cell would be a call of the system.
    let backend = CrosstermBackend::new(BufWriter::with_capacity(1 << 16, stderr()));
    let viewport = Viewport::Fixed(Rect::new(0, 0, width, height));
    Terminal::with_options(backend, TerminalOptions { viewport })
}

/// The thread: keys in, frames out, until the run is over.
fn show(shared: &Shared, mut terminal: Screen) -> std::io::Result<()> {
    let (begun, mut drawn, mut fits) = (Instant::now(), None::<Instant>, size()?);
    while !shared.over.load(Ordering::Relaxed) {
        let since = drawn.map_or(IDLE, |d| d.elapsed());
        let due = since >= IDLE || (since >= FRAME && shared.news.load(Ordering::Relaxed));
        if due && UP.load(Ordering::SeqCst) {
            let now = size()?;
            if now != fits {
                (terminal, fits) = (fitted(now)?, now);
            }
            shared.news.store(false, Ordering::Relaxed);
            let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
            state.elapsed = begun.elapsed().as_secs_f64();
            state.stopping = shared.stop.load(Ordering::Relaxed);
            terminal.draw(|frame| draw::draw(frame, &state))?;
            drawn = Some(Instant::now());
        }
        if event::poll(POLL)? {
            if let Event::Key(key) = event::read()? {
                press(key, &shared.stop);
            }
            shared.news.store(true, Ordering::Relaxed);
        }
    }
    Ok(())
}

/// What the same keys do without a view: the first time the run is stopped, the second time the process ends.
fn press(key: KeyEvent, stop: &AtomicBool) {
    let interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    if key.kind != KeyEventKind::Press || !(interrupt || key.code == KeyCode::Char('q')) {
        return;
    }
    if stop.swap(true, Ordering::Relaxed) && interrupt {
        restore();
        std::process::exit(130);
    }
}

impl Observer for Tui {
    fn step(&mut self, p: &Progress<'_>) {
        self.running.add(p);
        // The last step of an epoch is always told: the curve reaches its end.
        let due = self.told.is_none_or(|t| t.elapsed() >= self.pause);
        if !due && p.step < p.steps {
            return;
        }
        let looked = due.then(|| {
            let begun = Instant::now();
            let layers = layers(p.learner);
            self.pause = FRAME.max(begun.elapsed() * SHARE);
            self.told = Some(Instant::now());
            layers
        });
        let rate = p.learner.optim().rate_at(p.learner.steps().saturating_sub(1));
        let error = self.running.error();
        self.shared.change(|s| s.step(p, error, rate, looked));
    }

    fn epoch(&mut self, report: &EpochReport) {
        self.shared.change(|s| s.epoch(report));
    }
}

impl Drop for Tui {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        // The library reads for ever from a terminal that is gone: such a thread is left to the end of the process.
        let begun = Instant::now();
        while !self.thread.is_finished() && begun.elapsed() < GONE {
            std::thread::sleep(POLL / 10);
        }
        restore();
    }
}
