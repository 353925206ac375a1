//! `reclra data fetch`: shows a download as it goes, with a bar a file on a terminal, plain lines elsewhere, objects
//! with `--json`.

use crate::args::{FetchArgs, Voice};
use crate::failure::Failure;
use crate::output::{count, grouped, path_text};
use crate::progress::duration;
use crate::signals::stop_flag;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use reclra_data::{self as data, FetchEvent, FetchOptions};
use serde_json::json;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Off a terminal, a file that takes longer than this gets a line in between.
const PATIENCE: Duration = Duration::from_secs(10);
/// With `--json`, the time between two objects of progress.
const BEAT: Duration = Duration::from_secs(1);

pub(super) fn run(voice: Voice, args: FetchArgs) -> Result<(), Failure> {
    let entry = data::entry(&args.name)?;
    if entry.own() {
        let line = format!(
            "{}: its images are your own; name their folder with --data-dir, there is nothing to fetch",
            entry.name
        );
        return Err(Failure::Usage(line));
    }
    if entry.embedded() {
        voice.object("fetched", &json!({ "name": entry.name, "embedded": true, "files": [] }))?;
        return voice.result(format_args!("{} is embedded in the program; nothing to fetch", entry.name));
    }
    let options = FetchOptions {
        folder: data::fetch_folder(entry, args.data_dir.as_deref()),
        mirrors: args.mirror,
        only_named: args.only_mirror,
        timeout: Duration::from_secs(args.timeout),
    };
    let stop = stop_flag();
    let mut show = Show::new(voice);
    let fetched = data::fetch(entry, &options, &stop, &mut |event| show.event(event));
    show.clear();
    let files = fetched?;
    voice.object("fetched", &json!({ "name": entry.name, "folder": path_text(&options.folder), "files": files.iter().map(path_text).collect::<Vec<_>>() }))?;
    voice.result(format_args!("{}: {} in {}", entry.name, count(files.len(), "file"), options.folder.display()))
}

/// Shows one fetch.
struct Show {
    voice: Voice,
    /// Whether standard error is a terminal that is to be written to.
    bars: bool,
    /// The bar of the file.
    bar: Option<ProgressBar>,
    /// When the file began, and the bytes that were there then.
    begun: (Instant, u64),
    said: Instant,
}

impl Show {
    fn new(voice: Voice) -> Show {
        let bars = !voice.quiet && !voice.json && std::io::stderr().is_terminal();
        let now = Instant::now();
        Show { voice, bars, bar: None, begun: (now, 0), said: now }
    }

    fn event(&mut self, event: FetchEvent<'_>) {
        match event {
            FetchEvent::Present { file, path } => {
                self.object("present", &json!({ "file": file, "path": path_text(path) }));
                self.line(&format!("{file}: there already"));
            }
            FetchEvent::Started { file, url, resumed, total } => {
                self.object("start", &json!({ "file": file, "url": url, "resumed": resumed, "total": total }));
                let size = total.map_or(String::new(), |t| format!(", {} bytes", grouped(t as usize)));
                let after = if resumed > 0 { format!(", {} there", grouped(resumed as usize)) } else { String::new() };
                self.line(&format!("{file}: from {url}{size}{after}"));
                (self.begun, self.said) = ((Instant::now(), resumed), Instant::now());
                self.bar = self.bars.then(|| bar(file, resumed, total));
            }
            FetchEvent::Received { file, bytes, total } => self.received(file, bytes, total),
            FetchEvent::Silent { file, url, seconds } => {
                self.object("silent", &json!({ "file": file, "url": url, "seconds": seconds }));
                match &self.bar {
                    Some(bar) => bar.set_message(format!("silent for {seconds} s")),
                    None if self.voice.json => {}
                    None => self.voice.note(format_args!("{url}: silent for {seconds} s")),
                }
            }
            FetchEvent::StartedOver { file, url, reason } => {
                self.object("start_over", &json!({ "file": file, "url": url, "reason": reason }));
                self.line(&format!("{file}: what was there is of no use, {reason}; once more from the beginning"));
            }
            FetchEvent::MirrorFailed { file, url, reason, next } => {
                self.object("mirror_failed", &json!({ "file": file, "url": url, "reason": reason, "next": next }));
                let next = next.map_or("no mirror is left".to_owned(), |n| format!("trying {n}"));
                self.line(&format!("{url}: {reason}; {next}"));
            }
            FetchEvent::Done { file, path } => {
                self.object("done", &json!({ "file": file, "path": path_text(path) }));
                self.line(&format!("{file}: complete, content as published"));
            }
            FetchEvent::Removed { file, path } => {
                self.object("removed", &json!({ "file": file, "path": path_text(path) }));
                self.line(&format!("{}: removed, its content was wrong", path.display()));
            }
            _ => {}
        }
    }

    fn received(&mut self, file: &str, bytes: u64, total: Option<u64>) {
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
            bar.set_message("");
        } else if self.voice.json {
            if self.said.elapsed() > BEAT {
                self.said = Instant::now();
                self.object("progress", &json!({ "file": file, "bytes": bytes, "total": total }));
            }
        } else if self.said.elapsed() > PATIENCE {
            self.said = Instant::now();
            let speed = (bytes - self.begun.1) as f64 / self.begun.0.elapsed().as_secs_f64();
            let of = total.map_or(String::new(), |t| {
                let left = duration(t.saturating_sub(bytes) as f64 / speed.max(1.0));
                format!(" of {}, {left} left", grouped(t as usize))
            });
            let speed = grouped((speed / 1000.0) as usize);
            self.voice.note(format_args!("{file}: {}{of}, {speed} kB/s", grouped(bytes as usize)));
        }
    }

    /// A line for a person; the bar of the file is over by then.
    fn line(&mut self, text: &str) {
        self.clear();
        if !self.voice.json {
            self.voice.note(text);
        }
    }

    fn object(&mut self, event: &str, value: &serde_json::Value) {
        // Files are fetched: without standard output that goes on.
        let _ = self.voice.object(event, value);
    }

    /// Takes the bar off the screen.
    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// Bytes, speed and time left of a file.
fn bar(file: &str, resumed: u64, total: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(8));
    let template = if total.is_some() {
        "{prefix} [{bar:24}] {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left  {msg}"
    } else {
        "{prefix} {bytes}  {bytes_per_sec}  {msg}"
    };
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_prefix(file.to_owned());
    bar.set_position(resumed);
    bar.reset_eta();
    bar
}
