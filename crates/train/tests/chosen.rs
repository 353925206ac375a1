//! The test part is judged twice: by the network of the last epoch, and by that of the epoch with the lowest validation error.

use reclra::Device;
use reclra_train::fit::{Left, Observer, Occasion, Outcome, Start, State, fit_from};
use reclra_train::run::{Prepared, prepare};
use reclra_train::spec::Settings;
use std::sync::atomic::AtomicBool;

/// Few steps of large ones, so that errors go up and down.
const SPEC: &str = "net.arch = \"64-12-10\"\noptim.lr = 0.1\noptim.schedule = \"constant\"\ndata.shift = 0\n";

fn run(more: &str, start: Start, observer: &mut dyn Observer) -> Outcome {
    let Prepared { spec, dataset, .. } = prepare(&Settings::parse(&format!("{SPEC}{more}"), "spec").unwrap()).unwrap();
    fit_from(start, &spec, &*dataset, Device::cpu(1), observer, &AtomicBool::new(false)).unwrap()
}

/// Keeps the run as it is after an epoch.
struct After(u64, Option<Left>);

impl Observer for After {
    fn state(&mut self, state: &State<'_>) {
        if state.occasion == Occasion::Epoch && state.place.epochs.len() as u64 == self.0 {
            let (place, steps) = (state.place.clone(), state.learner.steps());
            self.1 = Some(Left { place, steps, state: state.learner.state() });
        }
    }
}

#[test]
fn the_epoch_with_the_lowest_validation_error_is_judged_too() {
    let mut all = After(9, None);
    let outcome = run("train.epochs = 12", Start::Fresh, &mut all);
    let errors: Vec<f64> = outcome.epochs.iter().map(|e| e.validation_error.unwrap()).collect();
    let lowest = errors.iter().copied().fold(1.0, f64::min);
    let first = 1 + errors.iter().position(|&e| e == lowest).unwrap();
    let chosen = outcome.chosen.unwrap();
    assert_eq!(chosen.epoch, first as u64, "{errors:?}");
    assert!(first < 12, "the last epoch is not the best here: {errors:?}");
    // The same network, had the run ended there.
    let short = run(&format!("train.epochs = {first}"), Start::Fresh, &mut ());
    assert_eq!((short.test, short.scores), (Some(chosen.test), Some(chosen.scores)));
    assert_eq!(short.chosen.map(|c| (c.epoch, c.test)), Some((first as u64, chosen.test)));
    assert_ne!(outcome.test, Some(chosen.test));
    // A run that is gone on with knows of the epochs before.
    let left = all.1.unwrap();
    let resumed = run("train.epochs = 12", Start::Kept(Box::new(left.clone())), &mut ());
    assert_eq!((resumed.chosen, resumed.test), (outcome.chosen, outcome.test));
    // One that was begun by a program that did not keep it says nothing rather than something else.
    let mut old = left;
    old.place.chosen = None;
    let resumed = run("train.epochs = 12", Start::Kept(Box::new(old)), &mut ());
    let later = errors[9..].iter().any(|&e| e < errors[..9].iter().copied().fold(1.0, f64::min));
    assert_eq!(resumed.chosen.is_some(), later);
    assert_eq!(resumed.test, outcome.test);
}

#[test]
fn without_a_validation_part_nothing_is_chosen() {
    assert_eq!(run("train.epochs = 2\ndata.validation = 0", Start::Fresh, &mut ()).chosen, None);
}
