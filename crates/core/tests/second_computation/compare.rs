//! A case run by the crate, and its numbers held against those of the reference.

use crate::build::{self, Spec};
use crate::images;
use reclra::rule::ParamId;
use reclra::{Device, Graph, Learner, StepReport};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The numbers of one file.
pub(crate) struct Numbers {
    root: Value,
    graph: fn(Spec<'_>) -> Graph,
    rule: fn(Spec<'_>, &Graph) -> Box<dyn reclra::rule::Rule>,
}

impl Numbers {
    pub(crate) fn perceptrons() -> Numbers {
        let root = serde_json::from_str(include_str!("../reference/perceptrons.json")).expect("JSON");
        Numbers { root, graph: build::perceptron, rule: build::rule }
    }

    pub(crate) fn images() -> Numbers {
        let root = serde_json::from_str(include_str!("../reference/images.json")).expect("JSON");
        Numbers { root, graph: images::graph, rule: images::rule }
    }
}

/// How near numbers must be: of the sum of magnitudes, and beside it absolute.
#[derive(Clone, Copy)]
pub(crate) struct Tolerance {
    /// Signals, updates, reports.
    signal: [f64; 2],
    /// Parameters after two steps: an optimizer that divides by small numbers magnifies.
    parameter: [f64; 2],
    /// Moments, which a state has in float32.
    moment: [f64; 2],
}

/// On the reference device.
pub(crate) const FLOAT64: Tolerance =
    Tolerance { signal: [1e-12, 1e-12], parameter: [1e-12, 1e-11], moment: [2e-7, 1e-15] };
/// On the fast path.
pub(crate) const FLOAT32: Tolerance = Tolerance { signal: [4e-6, 4e-6], parameter: [1e-5, 1e-5], moment: [1e-4, 1e-6] };

/// The kind of a parameter by its name, as in `reference/common.py`.
fn kind(name: &str) -> &str {
    match name.as_bytes() {
        [first, b'.', ..] if b"WbEBVc".contains(first) => &name[..1],
        [b'x', ..] => "x",
        _ => name.rsplit('.').next().expect("a last part"),
    }
}

/// Start values: the formula of `reference/common.py`.
fn start(root: &Value, case: Spec<'_>, name: &str, len: usize) -> Vec<f64> {
    let own = case.at("start").0.get(kind(name));
    let table = own.or_else(|| root["start"].get(kind(name))).unwrap_or_else(|| panic!("no start values for {name}"));
    let [offset, scale] = [0, 1].map(|n| table[n].as_f64().expect("a number"));
    let sum: usize = name.bytes().enumerate().map(|(k, byte)| (k + 1) * usize::from(byte)).sum();
    let phase = (sum % 997) as f64 / 10.0;
    let wave = |i: f64| (phase + 1.9 * i + 0.013 * i * i).sin();
    (0..len).map(|i| offset + (1024.0 * scale * wave(i as f64)).round() / 1024.0).collect()
}

/// Up to six numbers as they are; of more, two sums with weights that differ from place to place.
fn fingerprint(values: &[f64]) -> Vec<f64> {
    if values.len() <= 6 {
        return values.to_vec();
    }
    let weighted = |k: f64| {
        let weight = |i: usize| (0.7 + 1.1 * k + (0.61 + 0.37 * k) * i as f64).cos();
        values.iter().enumerate().map(|(i, v)| v * weight(i)).sum()
    };
    [0.0, 1.0].map(weighted).to_vec()
}

/// A case on a device, and what has been found different.
struct Run<'a> {
    label: String,
    expected: Spec<'a>,
    faults: Vec<String>,
}

impl Run<'_> {
    fn fault(&mut self, what: &str, text: String) {
        self.faults.push(format!("{}: {what}: {text}", self.label));
    }

    fn agree(&mut self, what: &str, ours: &[f64], theirs: &Value, [relative, absolute]: [f64; 2]) {
        let theirs: Vec<f64> =
            theirs.as_array().into_iter().flatten().map(|v| v.as_f64().unwrap_or(f64::NAN)).collect();
        let within = relative * ours.iter().map(|v| v.abs()).sum::<f64>() + absolute;
        let print = fingerprint(ours);
        let near = |(a, b): (&f64, &f64)| (a - b).abs() <= within;
        if print.len() != theirs.len() || !print.iter().zip(&theirs).all(near) {
            self.fault(what, format!("{print:?} against {theirs:?}"));
        }
    }

    /// Numbers by name: each there is on both sides, and they agree.
    fn agree_all(&mut self, what: &str, ours: &BTreeMap<String, Vec<f64>>, theirs: Spec<'_>, within: [f64; 2]) {
        let names: BTreeSet<&str> = theirs.0.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        let there: BTreeSet<&str> = ours.keys().map(String::as_str).collect();
        if names != there {
            self.fault(what, format!("{there:?} against {names:?}"));
        }
        for (name, values) in ours {
            self.agree(&format!("{what} {name}"), values, &theirs.0[name], within);
        }
    }
}

/// Numbers of a rule's synapse as they are kept, in the order in which the paper writes them.
fn written(name: &str, shape: &[usize], values: Vec<f64>) -> Vec<f64> {
    let transposed = matches!(kind(name), "E" | "B") && name.contains("->");
    match shape {
        &[rows, cols] if transposed => (0..rows * cols).map(|i| values[(i % rows) * cols + i / rows]).collect(),
        _ => values,
    }
}

/// Runs every case on every device, those with the squared norm or those with `others`; fails with all that differ.
pub(crate) fn check(numbers: &Numbers, devices: &[Device], within: Tolerance, others: bool) {
    let mut faults = Vec::new();
    let cases = numbers.root["cases"].as_array().expect("a list of cases");
    let wanted = |case: &&Value| Spec(&case["rule"]).has("mismatch") == others;
    assert!(cases.iter().any(|case| wanted(&case)));
    for case in cases.iter().filter(wanted) {
        for device in devices {
            faults.extend(run(numbers, Spec(case), device, within));
        }
    }
    let shown = faults.iter().take(40).cloned().collect::<Vec<_>>().join("\n");
    assert!(faults.is_empty(), "{} differences:\n{shown}", faults.len());
}

fn run(numbers: &Numbers, case: Spec<'_>, device: &Device, within: Tolerance) -> Vec<String> {
    let graph = (numbers.graph)(case.at("net"));
    let rule = (numbers.rule)(case.at("rule"), &graph);
    let mut net = Learner::new(graph.clone(), rule, 1.0, build::optim(case.at("optim")), device.clone(), 1)
        .expect("valid settings");
    let named: Vec<(ParamId, String, usize)> =
        net.parameters().iter().map(|n| (n.param, n.name.clone(), n.shape.iter().product())).collect();
    for (param, name, len) in &named {
        net.set(*param, &start(&numbers.root, case, name, *len)).expect("as many numbers");
    }
    let label = format!("{} on {device}", case.text("name"));
    let mut run = Run { label, expected: case.at("expected"), faults: Vec::new() };
    let labels = |n: usize| -> Vec<u32> {
        case.list("labels")[n].as_array().into_iter().flatten().map(|v| v.as_u64().expect("a class") as u32).collect()
    };
    let (batch, inputs) = (labels(0).len(), graph.regions()[0].width);
    let input = |name: &str| -> Vec<f32> {
        start(&numbers.root, case, name, batch * inputs).iter().map(|&v| v as f32).collect()
    };
    for n in 0..case.list("labels").len() {
        let samples: Vec<u32> = match case.list("samples").get(n) {
            Some(list) => list.as_array().into_iter().flatten().map(|v| v.as_u64().expect("a sample") as u32).collect(),
            None => Vec::new(),
        };
        let report = net.step_of(&input(&format!("x{}", n + 1)), &labels(n), &samples);
        step(&mut run, &net, n, report, &named, within);
    }
    after(&mut run, &mut net, within);
    let verdict = net.evaluate(&input("x3"), &labels(1));
    let outputs = net.predict(&input("x3"));
    let expected = run.expected.at("evaluation");
    let wrong = expected.count("wrong");
    if verdict.wrong != wrong {
        run.fault("evaluation", format!("{} wrong, not {wrong}", verdict.wrong));
    }
    let loss = Value::from(vec![expected.number("loss"), expected.number("distance")]);
    run.agree("evaluation", &[verdict.loss, verdict.distance], &loss, within.parameter.map(|t| 10.0 * t));
    let outputs: Vec<f64> = outputs.iter().map(|&v| f64::from(v)).collect();
    // Predictions are float32 on every device.
    run.agree("predictions", &outputs, &expected.0["outputs"], within.parameter.map(|t| t.max(1e-7)));
    run.faults
}

/// Signals, updates and report of a step that has been made.
fn step(
    run: &mut Run<'_>,
    net: &Learner,
    n: usize,
    report: StepReport,
    named: &[(ParamId, String, usize)],
    within: Tolerance,
) {
    let expected = Spec(&run.expected.list("steps")[n]);
    let of_step = |what: &str| format!("step {}, {what}", n + 1);
    let theirs = expected.at("report");
    let theirs = Value::from(vec![theirs.number("loss"), theirs.number("error"), theirs.number("discrepancy")]);
    // The second step begins with parameters of less accuracy.
    let signal = if n == 0 { within.signal } else { within.parameter };
    run.agree(&of_step("report"), &[report.loss, report.error, report.discrepancy], &theirs, signal);
    let (activity, errors) = (net.activity(), net.errors());
    for (letter, tensors) in
        [("h", &activity.h), ("z", &activity.z), ("d", &errors.d), ("y", &errors.y), ("e", &errors.e)]
    {
        let theirs = expected.at(letter);
        for (region, tensor) in net.graph().regions().iter().zip(tensors) {
            if theirs.has(&region.name) {
                let what = of_step(&format!("{letter} of {}", region.name));
                run.agree(&what, &tensor.to_vec(), &theirs.0[&region.name], signal);
            }
        }
    }
    let name = |param: ParamId| named.iter().find(|(p, ..)| *p == param).map_or("?", |(_, name, _)| name.as_str());
    let update = |(param, d): (ParamId, reclra::Tensor)| {
        let name = name(param).to_owned();
        let d = written(&name, d.shape(), d.to_vec());
        (name, d)
    };
    let updates = net.updates().into_iter().map(update).collect();
    run.agree_all(&of_step("update"), &updates, expected.at("updates"), signal);
}

/// Everything that two steps have changed.
fn after(run: &mut Run<'_>, net: &mut Learner, within: Tolerance) {
    let all = |list: Vec<reclra::learner::Named<'_>>| list.iter().map(|n| (n.name.clone(), n.to_vec())).collect();
    run.agree_all("parameter", &all(net.parameters()), run.expected.at("parameters"), within.parameter);
    let average = net.averaged().map(all).unwrap_or_default();
    run.agree_all("average", &average, run.expected.at("average"), within.parameter);
    for (key, prefix) in [("first", "first."), ("second", "second.")] {
        let mut moments = BTreeMap::new();
        for kept in net.state() {
            let Some(name) = kept.name.strip_prefix(prefix) else { continue };
            let values = kept.values.iter().map(|&v| f64::from(v)).collect();
            moments.insert(name.to_owned(), written(name, &kept.shape, values));
        }
        run.agree_all(key, &moments, run.expected.at(key), within.moment);
    }
}
