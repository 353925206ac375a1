//! Frames of made-up runs, at every size.

use super::draw::draw;
use super::press;
use super::state::{At, State};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use reclra_train::fit::{Angle, EpochReport, Layer};
use std::sync::atomic::{AtomicBool, Ordering};

fn layer(region: &str, discrepancy: f64, mean_error: f64) -> Layer {
    Layer { region: region.to_owned(), discrepancy, mean_error }
}

fn report(epoch: u64) -> EpochReport {
    let x = epoch as f64;
    EpochReport {
        epoch,
        step: 45 * epoch,
        train_loss: 2.0 / x,
        train_error: 0.8 / (x * x),
        validation_loss: 2.0 / x,
        validation_error: Some(0.6 / (x * x) + 0.02),
        discrepancy: 1.0 / x,
        alignment: vec![
            Angle { region: "b1".to_owned(), degrees: 78.4 },
            Angle { region: "b2".to_owned(), degrees: 61.0 },
            Angle { region: "out".to_owned(), degrees: 0.0 },
        ],
        ..EpochReport::default()
    }
}

/// In the middle of the eighth of twelve epochs.
fn running() -> State {
    let mut s = State::new("rec-lra on digits, 151,306 parameters, seed 0", 12);
    s.layers = vec![layer("b1", 3.2e-4, 1.5e-3), layer("b2", 4.4e-3, 2.0e-2), layer("out", 8.1e-2, 1.1e-1)];
    (1..=7).for_each(|epoch| s.epoch(&report(epoch)));
    s.within_loss = (1..=22).map(|step| (7.0 + f64::from(step) / 45.0, 0.3 - 0.002 * f64::from(step))).collect();
    s.within = (1..=22).map(|step| (7.0 + f64::from(step) / 45.0, 0.015 - 0.0001 * f64::from(step))).collect();
    let (speed, left) = (Some(21_345.6), Some(75.0));
    let (loss, discrepancy, rate) = (0.0712, 0.1234, 1e-3);
    s.at = Some(At { epoch: 8, step: 22, steps: 45, loss, discrepancy, rate, speed, left });
    s.elapsed = 118.0;
    s
}

fn frame(s: &State, width: u16, height: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|f| draw(f, s)).unwrap();
    terminal
}

fn text(s: &State, width: u16, height: u16) -> String {
    frame(s, width, height).backend().to_string()
}

#[test]
fn a_run_is_shown() {
    insta::assert_snapshot!("wide", text(&running(), 110, 24));
    insta::assert_snapshot!("narrow", text(&running(), 60, 24));
    insta::assert_snapshot!("large", text(&running(), 200, 50));
    insta::assert_snapshot!("low", text(&running(), 44, 5));
}

/// On a wide terminal every part of the width has something to show.
#[test]
fn no_large_part_of_a_wide_screen_is_empty() {
    for (width, height) in [(120, 40), (200, 50)] {
        let mut s = running();
        for count in [3_usize, 12] {
            s.layers = (1..=count).map(|i| layer(&format!("b{i}"), 0.1, 0.1)).collect();
            let text = text(&s, width, height);
            assert!(text.contains("loss: ") && text.contains("layers") && text.contains("error in %"), "{text}");
            let lines: Vec<Vec<char>> = text.lines().map(|l| l.chars().collect()).collect();
            for half in [0..usize::from(width) / 2, usize::from(width) / 2..usize::from(width)] {
                let blank = lines.iter().filter(|l| l[half.clone()].iter().all(|c| " │".contains(*c))).count();
                // The lines above and below the charts are short.
                assert!(blank <= 5, "{blank} lines of {half:?} are empty:\n{text}");
            }
        }
    }
}

#[test]
fn the_first_frame_waits_for_a_step() {
    let s = State::new("rec-lra on digits", 12);
    assert!(text(&s, 80, 24).contains("the first step is being made"));
}

#[test]
fn what_there_is_too_much_of_is_counted() {
    let mut s = running();
    s.layers = (0..40).map(|i| layer(&format!("b{i}"), 0.1, 0.1)).collect();
    let text = text(&s, 110, 24);
    assert!(text.contains("b14 ") && text.contains("and 25 more") && !text.contains("b15 "), "{text}");
}

#[test]
fn a_longer_bar_is_a_larger_value() {
    let s = running();
    let text = text(&s, 110, 24);
    let bar = |region: &str| {
        let line = text.lines().find(|l| l.contains(&format!("│ {region} "))).unwrap();
        let cells = line.split(&format!("│ {region} ")).nth(1).unwrap().trim_start();
        cells.chars().take_while(|c| ('▏'..='█').contains(c) || *c == '█').count()
    };
    assert!(0 < bar("b1") && bar("b1") < bar("b2") && bar("b2") < bar("out"), "{text}");
}

/// Figures that a diverging or odd run may have.
fn odd() -> Vec<State> {
    let mut broken = running();
    broken.layers = vec![layer("b1", f64::NAN, f64::INFINITY), layer("b2", 0.0, 0.0), layer("out", 1e300, 1e-300)];
    broken.train.push((8.0, f64::NAN));
    broken.validation = vec![(1.0, 0.0), (2.0, f64::INFINITY), (3.0, 1.0)];
    broken.alignment[0].degrees = f64::NAN;
    broken.at.as_mut().unwrap().left = Some(f64::INFINITY);
    let mut long = running();
    long.title = "a title far wider than any terminal ".repeat(20);
    long.layers = (0..300).map(|i| layer(&"région-très-longue-".repeat(i % 4), 0.1, 0.1)).collect();
    long.epochs = u64::MAX;
    let mut one = State::new("", 0);
    one.at = Some(At::default());
    one.epoch(&EpochReport::default());
    one.stopping = true;
    vec![State::new("", 1), broken, long, one]
}

#[test]
fn no_size_is_too_small_or_too_large() {
    let s = running();
    for (width, height) in (1..=200).flat_map(|w| (1..=60).map(move |h| (w, h))) {
        frame(&s, width, height);
    }
    for s in odd() {
        for (width, height) in (1..=200).step_by(13).flat_map(|w| (1..=60).map(move |h| (w, h))) {
            frame(&s, width, height);
        }
    }
}

/// A terminal that changes its size between two frames.
#[test]
fn a_resized_terminal_is_drawn_anew() {
    let (s, mut terminal) = (running(), Terminal::new(TestBackend::new(110, 24)).unwrap());
    for (width, height) in [(110, 24), (0, 0), (20, 5), (1, 1), (200, 60), (44, 5)] {
        terminal.backend_mut().resize(width, height);
        terminal.draw(|f| draw(f, &s)).unwrap();
    }
    assert_eq!(terminal.backend().to_string(), text(&s, 44, 5));
}

#[test]
fn keys_stop_the_run() {
    for (code, modifiers, stops) in [
        (KeyCode::Char('q'), KeyModifiers::NONE, true),
        (KeyCode::Char('c'), KeyModifiers::CONTROL, true),
        (KeyCode::Char('c'), KeyModifiers::NONE, false),
        (KeyCode::Char('p'), KeyModifiers::NONE, false),
    ] {
        let stop = AtomicBool::new(false);
        press(KeyEvent::new(code, modifiers), &stop);
        assert_eq!(stop.load(Ordering::Relaxed), stops, "{code:?}");
    }
    // A second q is no second Ctrl-C: this test would end here.
    let stop = AtomicBool::new(true);
    press(KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE), &stop);
}
