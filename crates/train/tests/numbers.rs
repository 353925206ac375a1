//! Numbers at their bounds through every rule and every layer: nothing that is not finite goes unsaid.

#[path = "common/toy.rs"]
mod toy;

use reclra::Device;
use reclra_train::fit::{FitError, Start, fit, fit_from};
use reclra_train::spec::{DataFacts, RunSpec, Settings, block_rule_names, rule_names};
use std::sync::atomic::AtomicBool;
use toy::Toy;

/// A pixel, given its place and what it would be.
type Pixel = fn(usize, f32) -> f32;

/// Every kind of layer in one net.
const ALL_LAYERS: &str = r#"
[[block]]
name = "a"
layers = [{ kind = "conv", out = 3, kernel = 3, pad = 1, bias = true }, { kind = "batch-norm" }, { kind = "act", phi = "tanh" }, { kind = "noise" }]
[[block]]
name = "b"
layers = [{ kind = "noise-map", out = 3 }, { kind = "batch-norm" }, { kind = "max-pool", kernel = 2 }]
[[block]]
name = "c"
layers = [{ kind = "conv", out = 6, kernel = 1, groups = 3 }, { kind = "mean-pool", kernel = 2 }, { kind = "pad", by = 1 }, { kind = "dropout", share = 0.2 }]
[[block]]
name = "d"
layers = [{ kind = "flatten" }, { kind = "dense", out = 5 }]
[[block]]
layers = [{ kind = "dense" }]
"#;

/// Settings of every rule on several networks, each with a word for it.
fn settings() -> Vec<(String, Settings)> {
    let mut all = Vec::new();
    let mut add = |what: String, lines: &[(&str, &str)]| {
        let mut settings = Settings::default();
        for (key, value) in [("train.epochs", "2"), ("train.batch", "3")].iter().chain(lines) {
            if let Ok(n) = value.parse::<i64>() {
                settings.put(key, n, "test").unwrap();
            } else {
                settings.put(key, *value, "test").unwrap();
            }
        }
        all.push((what, settings));
    };
    for rule in rule_names() {
        for act in ["tanh", "sigmoid", "relu", "lrelu", "elu", "sign"] {
            add(format!("{rule}, {act}"), &[("rule.name", rule), ("net.act", act), ("net.arch", "PIXELS-5-4-CLASSES")]);
        }
        add(format!("{rule}, width 1"), &[("rule.name", rule), ("net.arch", "PIXELS-1-1-CLASSES")]);
    }
    for rule in block_rule_names() {
        for model in ["resnet8", "noise-resnet8"] {
            for width in ["1", "2"] {
                add(
                    format!("{rule}, {model} of width {width}"),
                    &[("rule.name", rule), ("net.model", model), ("net.width", width)],
                );
            }
        }
        add(format!("{rule}, all layers"), &[("rule.name", rule), ("net.model", "custom"), ("net.layers", ALL_LAYERS)]);
    }
    for inner in ["backprop", "rec-lra", "hebbian"] {
        for wiring in ["skip", "layer"] {
            let lines =
                [("net.model", "custom"), ("net.layers", ALL_LAYERS), ("rule.inner", inner), ("rule.wiring", wiring)];
            add(format!("rec-lra, {wiring}, {inner}, all layers"), &lines);
        }
    }
    all
}

/// What became of a run: none if the rule refuses the network, else whether all was finite; what is not must be said.
fn made(settings: &Settings, toy: &Toy, weights: impl Fn(&mut [f64])) -> Option<Result<(), String>> {
    let facts = DataFacts::of(toy);
    let mut settings = settings.clone();
    if let Some(arch) = settings.get("net.arch").and_then(|v| v.as_str()) {
        let arch = arch.replace("PIXELS", &facts.pixels().to_string()).replace("CLASSES", &facts.classes().to_string());
        settings.put("net.arch", arch, "test").unwrap();
    }
    let spec = RunSpec::resolve(&settings, &facts).ok()?;
    let (device, never) = (Device::cpu(1), AtomicBool::new(false));
    let fresh = fit(&spec, toy, device.clone(), &mut (), &AtomicBool::new(true));
    let mut start = Vec::new();
    if let Ok(outcome) = &fresh {
        for p in outcome.learner.parameters() {
            let mut values = p.to_vec();
            weights(&mut values);
            start.push((p.param, values));
        }
    }
    match fit_from(Start::Weights(start), &spec, toy, device, &mut (), &never) {
        Ok(outcome) => {
            assert_eq!(outcome.learner.check_finite(), Ok(()), "it ended without a word");
            let losses = outcome.epochs.iter().flat_map(|e| [e.train_loss, e.validation_loss, e.discrepancy]);
            assert!(losses.into_iter().all(f64::is_finite), "{:?}", outcome.epochs);
            Some(Ok(()))
        }
        Err(e @ FitError::Diverged { .. }) => Some(Err(e.to_string())),
        Err(e) => panic!("{e}"),
    }
}

fn toy(pixel: Pixel) -> Toy {
    Toy::new(1, 8, 8, 3, 10).with(pixel)
}

#[test]
fn inputs_of_every_size_are_finite_or_said() {
    let kinds: &[(&str, Pixel)] = &[
        ("zero", |_, _| 0.0),
        ("constant", |_, _| 0.5),
        ("denormal", |_, x| x * 1e-40),
        ("tiny", |_, x| x * 1e-30),
        ("large", |_, x| x * 1e6),
        ("huge", |_, x| x * 1e30),
        ("at the bound", |_, _| f32::MAX),
        ("infinite", |i, x| if i == 3 { f32::INFINITY } else { x }),
    ];
    for (what, settings) in settings() {
        for (kind, pixel) in kinds {
            let result = std::panic::catch_unwind(|| made(&settings, &toy(*pixel), |_| {}));
            let outcome = result.unwrap_or_else(|_| panic!("{what}, {kind}"));
            // Small numbers and none at all are no trouble to anyone.
            if ["zero", "constant", "denormal", "tiny"].contains(kind) {
                assert!(outcome.is_none() || outcome == Some(Ok(())), "{what}, {kind}: {outcome:?}");
            }
        }
    }
}

/// Whatever is no number is said: no unit, pool or normalisation makes one of it.
#[test]
fn what_is_no_number_is_never_swallowed() {
    let mut tried = 0;
    for (what, settings) in settings() {
        let all = made(&settings, &toy(|_, _| f32::NAN), |_| {});
        assert!(all.is_none() || matches!(all, Some(Err(_))), "{what}: pixels that are no numbers were taken for some");
        for bad in [f64::NAN, f64::INFINITY] {
            let outcome = made(&settings, &toy(|_, x| x), |values| values[0] = bad);
            assert!(
                outcome.is_none() || matches!(outcome, Some(Err(_))),
                "{what}: weights of {bad} were taken for some"
            );
        }
        tried += usize::from(all.is_some());
    }
    assert!(tried > 80, "{tried}");
}

/// One class, a thousand, batches of one, a last batch that is smaller, networks of width 1.
#[test]
fn shapes_at_their_bounds_train() {
    for (what, settings) in settings() {
        for (classes, train, batch) in [(1, 7, 3), (2, 7, 1), (3, 8, 5), (1000, 9, 4)] {
            let mut settings = settings.clone();
            settings.put("train.batch", batch, "test").unwrap();
            settings.put("train.epochs", 1, "test").unwrap();
            let outcome = made(&settings, &Toy::new(1, 8, 8, classes, train), |_| {});
            assert!(
                outcome.is_none() || outcome == Some(Ok(())),
                "{what}, {classes} classes, batch {batch}: {outcome:?}"
            );
        }
    }
}
