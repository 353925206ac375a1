//! `reclra train --tui` through a pseudo-terminal, its screen read by a terminal emulator.

#![cfg(unix)]

mod common;

use common::bad;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Past this a run hangs, however slow the machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A run on a terminal of its own.
struct Session {
    child: Box<dyn Child + Send + Sync>,
    master: Option<Box<dyn MasterPty + Send>>,
    writer: Option<Box<dyn Write + Send>>,
    /// The terminal is being closed: nothing more is read.
    closed: Arc<AtomicBool>,
    screen: Arc<Mutex<vt100::Parser>>,
    reader: Option<std::thread::JoinHandle<Vec<u8>>>,
}

fn cells(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).unwrap()
}

impl Session {
    fn start(args: &[&str]) -> Session {
        let (rows, cols) = (24, 100);
        let pair = native_pty_system().openpty(PtySize { rows, cols, ..PtySize::default() }).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_reclra"));
        command.args(args);
        command.env("TERM", "xterm-256color");
        command.env_remove("RUST_BACKTRACE");
        command.env_remove("NO_COLOR");
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut output = pair.master.try_clone_reader().unwrap();
        let screen = Arc::new(Mutex::new(vt100::Parser::new(cells(rows), cells(cols), 0)));
        let closed = Arc::new(AtomicBool::new(false));
        let (seen, leave) = (screen.clone(), closed.clone());
        let reader = std::thread::spawn(move || {
            let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
            // At the end a pseudo-terminal reports an error, not an end.
            while let Ok(n @ 1..) = output.read(&mut buffer) {
                if leave.load(Ordering::Relaxed) {
                    break;
                }
                all.extend(&buffer[..n]);
                seen.lock().unwrap().process(&buffer[..n]);
            }
            all
        });
        let writer = pair.master.take_writer().unwrap();
        Session { child, master: Some(pair.master), writer: Some(writer), closed, screen, reader: Some(reader) }
    }

    fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// Waits until the screen is as wanted.
    fn until(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let text = self.text();
            if wanted(&text) {
                return text;
            }
            assert!(begun.elapsed() < PATIENCE, "{what} does not come:\n{text}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn key(&mut self, key: &[u8]) {
        let writer = self.writer.as_mut().unwrap();
        writer.write_all(key).unwrap();
        writer.flush().unwrap();
    }

    fn resize(&self, rows: u16, cols: u16) {
        self.screen.lock().unwrap().screen_mut().set_size(cells(rows), cells(cols));
        self.master.as_ref().unwrap().resize(PtySize { rows, cols, ..PtySize::default() }).unwrap();
    }

    /// Waits for the exit code.
    fn code(&mut self) -> u32 {
        let begun = Instant::now();
        loop {
            match self.child.try_wait().unwrap() {
                Some(status) => return status.exit_code(),
                None => assert!(begun.elapsed() < PATIENCE, "it does not end:\n{}", self.text()),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Closes the window.
    fn close(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        // Frames come: so does the end of the reader.
        self.reader.take().unwrap().join().unwrap();
        drop((self.writer.take(), self.master.take()));
    }

    /// Exit code, the screen at the end, and whether the terminal is as it was.
    fn end(mut self) -> (u32, String) {
        let code = self.code();
        let bytes = self.reader.take().unwrap().join().unwrap();
        let parser = self.screen.lock().unwrap();
        assert!(!parser.screen().alternate_screen(), "the alternate screen is left");
        assert!(!parser.screen().hide_cursor(), "the cursor is back");
        for shown in [&b"\x1b[?1049h"[..], b"error in %", b"q or Ctrl-C"] {
            assert!(bytes.windows(shown.len()).any(|w| w == shown), "{:?} was never shown", shown.escape_ascii());
        }
        (code, parser.screen().contents())
    }
}

/// Whatever a test comes to, no run goes on.
impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const LONG: [&str; 5] = ["train", "--tui", "--track-alignment", "--epochs", "100000"];

#[test]
fn a_run_is_shown_until_its_end() {
    let (code, text) = Session::start(&["train", "--tui", "--epochs", "6"]).end();
    assert_eq!(code, 0, "{text}");
    // What a run without the view leaves is on the screen proper: its epochs and the result.
    for part in
        ["rec-lra on digits", "epoch 1/6  loss", "epoch 6/6  loss", "6 epochs in", "validation error", "test error"]
    {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    assert!(!text.contains("error in %"), "{text}");
}

#[test]
fn q_stops_the_run_as_ctrl_c_does() {
    for key in [&b"q"[..], b"\x03"] {
        let mut session = Session::start(&LONG);
        let text = session.until("an epoch", |t| t.contains("best"));
        for part in
            ["rec-lra on digits", "epoch ", "left", "validation", "b1 ", "out ", "discrepancy", "°", "q or Ctrl-C"]
        {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        session.key(key);
        let (code, text) = session.end();
        assert_eq!(code, 130, "{text}");
        assert!(text.contains("interrupted after step") && text.contains(" 1/100000  loss "), "{text}");
    }
}

#[test]
fn a_terminal_may_change_its_size() {
    let mut session = Session::start(&LONG);
    session.until("the view", |t| t.contains("best"));
    for (rows, cols, part) in [(5, 20, "epoch "), (1, 1, ""), (40, 150, "layers"), (24, 60, "q or Ctrl-C")] {
        session.resize(rows, cols);
        std::thread::sleep(Duration::from_millis(300));
        session.until(part, |t| t.contains(part));
    }
    session.key(b"q");
    assert_eq!(session.end().0, 130);
}

#[cfg(target_os = "linux")]
#[test]
fn a_request_to_end_gives_the_terminal_back() {
    let session = Session::start(&LONG);
    session.until("the view", |t| t.contains("best"));
    let id = session.child.process_id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(session.end().0, 130);
}

/// A view whose window is gone waits for nothing.
#[test]
fn a_closed_window_ends_the_run() {
    let mut session = Session::start(&LONG);
    session.until("the view", |t| t.contains("best"));
    session.close();
    session.code();
}

#[test]
fn off_a_terminal_it_is_refused() {
    let line = bad(&["train", "--tui"], 2);
    assert_eq!(line, "--tui needs a terminal; leave it out");
    for flag in ["--json", "--quiet"] {
        let line = bad(&["train", "--tui", flag], 2);
        assert!(line.contains("--tui") && line.contains("cannot be used with"), "{line}");
    }
}
