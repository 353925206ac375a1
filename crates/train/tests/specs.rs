//! Random specs: each trains with finite numbers, is told to diverge, or is refused with one line; none panics.
//!
//! `RECLRA_SPECS=10000 cargo test --release -p reclra-train --test specs -- --nocapture` tries so many and says what became of
//! them; `RECLRA_SPECS_FROM=N` begins at the N-th.

#[path = "common/toy.rs"]
mod toy;

use rand::RngExt;
use rand::seq::IndexedRandom;
use reclra::Device;
use reclra_compute::rng::Key;
use reclra_data::ready;
use reclra_train::fit::{FitError, fit};
use reclra_train::memory;
use reclra_train::spec::{DataFacts, RunSpec, Settings, keys::KEYS, rule_names};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use toy::Toy;

/// What no key should be broken by.
const ODD: &[&str] = &[
    "0",
    "-1",
    "1",
    "2",
    "nan",
    "inf",
    "-inf",
    "1e-300",
    "1e300",
    "-0.0",
    "0.5",
    "1e-40",
    "9223372036854775807",
    "true",
    "[]",
    "\"\"",
    "\"x\"",
    "[1.0, 0.5, 1.0, 1.0]",
    "{}",
    "1979-05-27",
];

/// Blocks of a network of one's own, sound ones and others, as a TOML text within a spec.
fn layers(rng: &mut impl RngExt) -> String {
    let wild = rng.random_bool(0.3);
    let mut one = |usual: &[&str], odd: &[&str]| {
        let from = if wild && rng.random_bool(0.1) { odd } else { usual };
        (*from.choose(rng).unwrap()).to_owned()
    };
    const ODD: &[&str] = &["0", "-1", "17", "65536", "1048576", "\"x\"", "[1, 2]", "[3]", "nan"];
    let mut text = String::new();
    let blocks: usize = one(&["1", "2", "3", "4"], &["0", "30"]).parse().unwrap();
    for n in 0..blocks {
        text.push_str("[[block]]\n");
        if n + 1 < blocks {
            let name = one(&["n"], &["\"\"", "same", "a b", "out"]);
            text.push_str(&format!(
                "name = \"{}\"\n",
                if name == "n" { format!("n{n}") } else { name.replace('"', "") }
            ));
            text.push_str(&format!("act = \"{}\"\n", one(&["relu", "tanh", "sign", "identity"], &["softmax", "x"])));
        }
        let mut list = |most: &[&str]| {
            let mut all = Vec::new();
            for _ in 0..one(most, &["0", "9"]).parse::<usize>().unwrap() {
                let kind = one(
                    &[
                        "conv",
                        "conv",
                        "noise-map",
                        "noise",
                        "batch-norm",
                        "act",
                        "max-pool",
                        "mean-pool",
                        "global-mean",
                        "pad",
                        "flatten",
                        "dropout",
                        "dense",
                    ],
                    &["convo", ""],
                );
                let mut fields = vec![format!("kind = \"{kind}\"")];
                let mut may = |key: &str, value: String| fields.push(format!("{key} = {value}"));
                if ["conv", "noise-map", "dense"].contains(&kind.as_str()) {
                    may("out", one(&["1", "2", "3", "4"], ODD));
                }
                if ["conv", "max-pool", "mean-pool"].contains(&kind.as_str()) {
                    may("kernel", one(&["1", "2", "3", "[1, 3]"], ODD));
                    may("stride", one(&["1", "2", "[2, 1]"], ODD));
                    may("pad", one(&["0", "1"], ODD));
                    may("dilation", one(&["1", "1", "2"], ODD));
                }
                match kind.as_str() {
                    "conv" => may("groups", one(&["1", "1", "2"], ODD)),
                    "pad" => may("by", one(&["1", "2"], ODD)),
                    "dropout" => may("share", one(&["0.5", "0.0"], &["1.0", "-1", "nan"])),
                    "batch-norm" => may("epsilon", one(&["1e-5", "1"], &["0", "-1", "1e-300"])),
                    _ => {}
                }
                all.push(format!("{{ {} }}", fields.join(", ")));
            }
            all.join(", ")
        };
        let (path, shortcut) = (list(&["1", "2", "3"]), list(&["0", "1"]));
        if n + 1 < blocks {
            text.push_str(&format!("layers = [{path}]\n"));
            if one(&["no", "no", "yes"], &["yes"]) == "yes" {
                text.push_str(&format!("shortcut = [{shortcut}]\n"));
            }
        } else {
            text.push_str("layers = [{ kind = \"global-mean\" }, { kind = \"dense\" }]\n");
        }
    }
    format!("'''\n{text}'''")
}

/// What is likely to be read, so that most specs come far: keys beside which no line stands take [`ODD`] values alone.
fn likely(key: &str) -> &'static [&'static str] {
    match key {
        "seed" => &["0", "1", "77"],
        "data.name" => &["\"toy\""],
        "data.dir" => &["\"\""],
        "data.size" => &["0", "8"],
        "data.broken" | "data.memory" | "data.validation" => &["0", "1"],
        "data.fold" => &["\"\"", "\"1/2\"", "\"2/3\""],
        "data.shift" | "data.crop" => &["0", "1", "3", "7"],
        "data.zoom" => &["1.0", "0.3"],
        "data.normalise" => &["\"none\"", "\"mean-std\"", "\"gcn\"", "\"gcn-std\""],
        "data.zca_epsilon" => &["1e-3", "1.0"],
        "data.flip" | "data.zca" | "net.bias" | "rule.symmetric" | "rule.persistent" | "rule.oja"
        | "optim.nesterov" | "train.alignment" => &["true", "false"],
        "net.model" => &[
            "\"mlp\"",
            "\"resnet8\"",
            "\"noise-resnet8\"",
            "\"noise-free-resnet8\"",
            "\"resnet20\"",
            "\"lenet\"",
            "\"noise-resnet18\"",
            "\"custom\"",
        ],
        "net.arch" => {
            &["\"P-C\"", "\"P-1-C\"", "\"P-3x5-C\"", "\"P-9-2-7x3-C\"", "\"P-1048576-C\"", "\"P-3x1048576-C\""]
        }
        "net.act" => &["\"tanh\"", "\"sigmoid\"", "\"relu\"", "\"lrelu\"", "\"elu\"", "\"sign\"", "\"identity\""],
        "net.residual" => &["0", "1", "2", "5"],
        "net.w_std" | "rule.e_std" | "rule.b_std" | "rule.v_std" | "rule.twin_std" | "rule.sigma" => {
            &["0.0", "0.05", "1.0", "30.0"]
        }
        "net.layers" => &["'[[block]]'", "'['", "'name = 3'"],
        "net.width" => &["1", "2", "5", "16384"],
        "preset" => &["\"default\"", "\"paper\"", "\"tuned\""],
        "net.init" => &["\"he\"", "\"gaussian\""],
        "net.noise" => &["\"gaussian\"", "\"uniform\"", "\"none\""],
        "net.level" | "net.gain" | "net.head_gain" => &["0.0", "0.1", "1.0", "1e4"],
        "rule.inner" => &["\"backprop\"", "\"rec-lra\"", "\"hebbian\""],
        "rule.synapse" => &["\"channel\"", "\"grid\"", "\"full\"", "\"low-rank\"", "\"seeded\""],
        "rule.grid" | "rule.rank" => &["1", "2", "7"],
        "rule.wiring" => &["\"chain\"", "\"gap\"", "\"full\"", "\"graph\"", "\"list\"", "\"skip\"", "\"layer\""],
        "rule.gap" => &["1", "2", "3"],
        "rule.synapses" => &["[\"out->b1\"]", "\"out->b2, b2->b1\"", "[\"out->b1\", \"b1->b2\"]"],
        "rule.depth" => &["0", "1", "2"],
        "rule.beta" | "rule.gamma" | "rule.e_rate" | "rule.v_rate" | "rule.rate" | "rule.fall" => {
            &["0.01", "0.1", "1.0", "0.0", "100.0"]
        }
        "rule.plasticity" => &["\"mirror\"", "\"fixed\"", "\"algorithm1\"", "\"algorithm2\"", "\"readout\""],
        "rule.stem" => &["\"own\"", "\"inside\""],
        "rule.message" => &["\"output\"", "\"readout\"", "\"both\""],
        "rule.error" => &["\"l2\"", "\"l1\"", "\"mixed\"", "\"lp\""],
        "rule.p" | "rule.q" => &["1", "2", "3.5"],
        "rule.mix" | "optim.average" => &["0.0", "0.3", "1.0"],
        "rule.kappa" => &["[]", "[1.0]", "[1.0, 0.5, 1.0, 1.0]"],
        "rule.eta" => &["0.3", "10.0", "1000.0"],
        "rule.free" | "rule.nudged" => &["1", "3"],
        "optim.name" => &["\"adam\"", "\"sgd\""],
        "optim.lr" => &["1e-3", "0.1", "10.0", "1e30"],
        "optim.schedule" => &["\"constant\"", "\"linear\"", "\"cosine\"", "\"step\""],
        "optim.warmup_epochs" => &["0", "0.5", "3"],
        "optim.step_epochs" => &["1", "2"],
        "optim.step_factor" => &["0.1", "1.0"],
        "optim.beta1" | "optim.beta2" | "optim.momentum" => &["0.9", "0.0", "0.999"],
        "optim.epsilon" => &["1e-8", "1.0"],
        "optim.weight_decay" => &["0.0", "0.1"],
        "optim.radius" => &["0.0", "1.0"],
        "train.epochs" => &["1", "3"],
        "train.batch" => &["1", "2", "3", "5", "8"],
        _ => &[],
    }
}

/// The spec of that number.
fn text(n: u64, facts: &DataFacts) -> String {
    let mut rng = Key::new(n).rng();
    let rules = rule_names();
    let rule = rules.choose(&mut rng).unwrap();
    let image = rng.random_bool(if facts.shape.height < 8 { 0.03 } else { 0.5 });
    let mut lines = vec![format!("rule.name = \"{rule}\"")];
    // Without these most would be refused for their batch, or take long.
    let mut small = vec!["train.epochs = 3".to_owned(), format!("train.batch = {}", rng.random_range(1..=5))];
    if image {
        let model = likely("net.model")[1..].choose(&mut rng).unwrap();
        lines.push(format!("net.model = {model}"));
        small.push(if *model == "\"custom\"" {
            format!("net.layers = {}", layers(&mut rng))
        } else {
            "net.width = 2".to_owned()
        });
    } else {
        small.push(format!("net.arch = \"P-{}x4-C\"", rng.random_range(1..=6)));
    }
    let odd = rng.random_bool(0.3);
    for key in KEYS.iter().filter(|k| !["rule.name", "net.model"].contains(&k.path)) {
        let own = key.rules.is_empty() || key.rules.contains(rule);
        let fits = key.nets.hold(image) && own;
        if !rng.random_bool(if fits { 0.15 } else { 0.003 }) {
            continue;
        }
        let all = likely(key.path);
        let value =
            if all.is_empty() || (odd && rng.random_bool(0.2)) { ODD.choose(&mut rng) } else { all.choose(&mut rng) };
        lines.push(format!("{} = {}", key.path, value.unwrap()));
    }
    small.retain(|s| !lines.iter().any(|l| l.split(" = ").next() == s.split(" = ").next()));
    let text = [lines, small].concat().join("\n");
    text.replace("\"P-", &format!("\"{}-", facts.pixels())).replace("-C\"", &format!("-{}\"", facts.classes()))
}

/// What became of a spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Trained,
    /// Good, and more than a test has time for: a network is not made of it.
    Large,
    Diverged,
    Refused,
}

fn try_it(text: &str, toy: &Toy, facts: &DataFacts) -> std::result::Result<(Fate, String), String> {
    let refused = |line: String| {
        if line.contains('\n') || line.is_empty() {
            Err(format!("not one line: {line:?}"))
        } else {
            Ok((Fate::Refused, line))
        }
    };
    let settings = match Settings::parse(text, "spec") {
        Ok(settings) => settings,
        Err(e) => return refused(e.to_string()),
    };
    let spec = match RunSpec::resolve(&settings, facts) {
        Ok(spec) => spec,
        Err(e) => return refused(e.to_string()),
    };
    // What is printed is read again as the same.
    let again = RunSpec::resolve(&Settings::parse(&spec.to_toml(), "again").map_err(|e| e.to_string())?, facts);
    if again.as_ref().map(RunSpec::to_toml) != Ok(spec.to_toml()) {
        return Err(format!("printed and read again it is another: {again:?}"));
    }
    if let Err(e) = memory::fits(&spec, facts, false) {
        return refused(e.to_string());
    }
    // More epochs or units than a test has time for.
    let bytes = memory::Memory::of_spec(&spec, facts.train).map_err(|e| e.to_string())?.total;
    let large = bytes > 100_000_000 || spec.epochs > 3;
    let split = match spec.split(toy) {
        Ok(split) => split,
        Err(e) => return refused(e.to_string()),
    };
    if large {
        return Ok((Fate::Large, "left out as too large for a test".into()));
    }
    let ready = match ready(toy, &split, &spec.data) {
        Ok(ready) => ready,
        Err(e) => return refused(e.to_string()),
    };
    match fit(&spec, ready.dataset(), Device::cpu(1), &mut (), &AtomicBool::new(false)) {
        Ok(outcome) => {
            outcome.learner.check_finite().map_err(|name| format!("{name} is not finite, and nobody said so"))?;
            let losses = outcome.epochs.iter().flat_map(|e| [Some(e.train_loss), Some(e.validation_loss)]);
            let finite = losses.flatten().all(f64::is_finite);
            if finite && outcome.learner.steps() >= 3.min(spec.epochs) {
                Ok((Fate::Trained, String::new()))
            } else {
                Err(format!("after {} steps: {:?}", outcome.learner.steps(), outcome.epochs))
            }
        }
        Err(e @ FitError::Diverged { .. }) => refused(e.to_string()).map(|(_, line)| (Fate::Diverged, line)),
        Err(e) => refused(e.to_string()),
    }
}

/// The spec without the key that a line says is read by something else only; none if the line says another thing.
fn without_unread(text: &str, line: &str) -> Option<String> {
    let (key, _) = line.split_once(" = ").filter(|_| line.contains("is read by "))?;
    let begins = format!("{key} = ");
    text.lines()
        .any(|l| l.starts_with(&begins))
        .then(|| text.lines().filter(|l| !l.starts_with(&begins)).collect::<Vec<_>>().join("\n"))
}

#[test]
fn random_specs_train_or_are_refused_with_a_line() {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |v| v.parse().unwrap());
    let (from, count) = (number("RECLRA_SPECS_FROM", 0), number("RECLRA_SPECS", 600));
    // Grey, colour, one class, a thousand classes, a single pixel.
    let toys = [
        Toy::new(1, 8, 9, 3, 9),
        Toy::new(3, 8, 8, 10, 12),
        Toy::new(1, 9, 8, 1, 7),
        Toy::new(1, 8, 8, 1000, 11),
        Toy::new(1, 1, 1, 2, 8),
    ];
    let mut fates = std::collections::BTreeMap::new();
    std::panic::set_hook(Box::new(|_| {}));
    let mut broken = Vec::new();
    for n in from..from + count {
        let toy = &toys[(n % toys.len() as u64) as usize];
        let facts = DataFacts::of(toy);
        let mut text = text(n, &facts);
        let mut fate;
        loop {
            fate = catch_unwind(AssertUnwindSafe(|| try_it(&text, toy, &facts)));
            // What the other settings leave unread is removed, as the line says, so that more than refusals are tried.
            let Ok(Ok((Fate::Refused, line))) = &fate else { break };
            let Some(rest) = without_unread(&text, line) else { break };
            text = rest;
        }
        match fate {
            Ok(Ok((fate, line))) => {
                *fates.entry(fate).or_insert(0) += 1;
                if std::env::var_os("RECLRA_SPECS_SAY").is_some() {
                    eprintln!("{n} {fate:?} {line}");
                }
            }
            Ok(Err(what)) => broken.push(format!("spec {n}: {what}\n{text}")),
            Err(panic) => {
                let what = panic.downcast_ref::<String>().cloned();
                let what = what.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
                broken.push(format!("spec {n} panicked: {}\n{text}", what.unwrap_or_default()));
            }
        }
    }
    let _ = std::panic::take_hook();
    println!("{count} random specs: {fates:?}");
    assert!(
        broken.is_empty(),
        "{} of {count}:\n{}",
        broken.len(),
        broken.iter().take(5).cloned().collect::<Vec<_>>().join("\n\n")
    );
    // Else nothing was tried.
    let trained = fates.get(&Fate::Trained).copied().unwrap_or(0);
    assert!(count < 100 || (trained > count / 5 && trained < count), "{fates:?}");
}

#[test]
fn every_key_has_values_to_be_tried() {
    let bare: Vec<&str> = KEYS.iter().map(|k| k.path).filter(|p| *p != "rule.name" && likely(p).is_empty()).collect();
    assert!(bare.is_empty(), "write down what these may be: {bare:?}");
}
