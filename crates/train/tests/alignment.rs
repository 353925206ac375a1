//! The angle between every rule's updates and the gradient, tracked while it trains.

use reclra::Device;
use reclra_train::fit::{Outcome, fit};
use reclra_train::run::prepare;
use reclra_train::spec::{Settings, rule_names};
use std::sync::atomic::AtomicBool;

fn trained(rule: &str, tracked: bool) -> Outcome {
    let text =
        format!("rule.name = \"{rule}\"\ntrain.epochs = 6\nnet.arch = \"64-2x32-10\"\ntrain.alignment = {tracked}");
    let prepared = prepare(&Settings::parse(&text, "test").unwrap()).unwrap();
    fit(&prepared.spec, &*prepared.dataset, Device::cpu(1), &mut (), &AtomicBool::new(false)).unwrap()
}

#[test]
fn tracking_looks_and_does_not_touch() {
    for rule in rule_names() {
        let (plain, tracked) = (trained(rule, false), trained(rule, true));
        let weights = |o: &Outcome| o.learner.parameters().iter().map(|p| p.values()).collect::<Vec<_>>();
        assert_eq!(weights(&plain), weights(&tracked), "{rule}");
        assert!(plain.epochs.iter().all(|e| e.alignment.is_empty()), "{rule}");
        for epoch in &tracked.epochs {
            let names: Vec<&str> = epoch.alignment.iter().map(|a| a.region.as_str()).collect();
            assert_eq!(names, ["b1", "b2", "out"], "{rule}");
            assert!(epoch.alignment.iter().all(|a| (0.0..=180.0).contains(&a.degrees)), "{rule}: {epoch:?}");
        }
    }
}

#[test]
fn angles_are_those_the_rules_are_known_for() {
    let angles = |rule: &str| {
        let last = trained(rule, true).epochs.pop().expect("six epochs");
        last.alignment.into_iter().map(|a| a.degrees).collect::<Vec<f64>>()
    };
    assert!(angles("backprop").iter().all(|&a| a < 0.1), "backprop is the gradient");
    for rule in ["rec-lra", "feedback-alignment", "direct-feedback-alignment", "lra-e"] {
        let [b1, b2, out] = angles(rule)[..] else { panic!("three regions") };
        assert!(out < 0.1, "{rule}: the output's update is the gradient's: {out}");
        // Feedback comes to point downhill, but never quite along the gradient.
        assert!([b1, b2].iter().all(|a| (1.0..85.0).contains(a)), "{rule}: {b1} {b2}");
    }
}
