//! Every name is what it says: it resolves to a thing whose own name it is.

use super::keys::{KEYS, Key};
use super::optim::{METHODS, SCHEDULES};
use super::*;
use reclra::optim::Method;
use reclra::optim::Schedule;
use reclra::phi;
use reclra::rules::blocks::{BlockWiring, Inner, MapPlasticity, MapSynapse, Message};
use reclra::{Noise, Wiring, layers, models, rules, wiring};

fn resolve(text: &str) -> RunSpec {
    let settings = Settings::parse(text, "spec.toml").unwrap_or_else(|e| panic!("{text}: {e}"));
    RunSpec::resolve(&settings, &toy_facts("toy", 9, 3, 60, 0)).unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// The words that the table of keys gives a key.
fn words(path: &str) -> Vec<String> {
    let key: &Key = KEYS.iter().find(|k| k.path == path).unwrap();
    let meaning = key.meaning().replace(['(', ')', ':', ';', ','], " ");
    meaning.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn rules() {
    let known: Vec<&str> = rules::KNOWN.iter().map(|k| k.0).collect();
    assert_eq!(rule_names(), known);
    let image = block_rule_names();
    for name in &known {
        let spec = resolve(&format!("rule.name = {name:?}"));
        assert_eq!((spec.rule.name(), spec.rule.build(&spec.graph().unwrap()).unwrap().name()), (*name, *name));
        let text = format!("rule.name = {name:?}\nnet.model = \"resnet8\"\nnet.width = 2");
        if image.contains(name) {
            let spec = resolve(&text);
            let graph = spec.graph().unwrap();
            assert_eq!((spec.rule.name(), spec.rule.build(&graph).unwrap().name()), (*name, *name), "on blocks");
            assert!(!tuning(name, true).is_empty());
        } else {
            let settings = Settings::parse(&text, "spec.toml").unwrap();
            let line = RunSpec::resolve(&settings, &toy_facts("toy", 9, 3, 60, 0)).unwrap_err().to_string();
            assert!(line.starts_with(&format!("rule.name = {name:?}: cannot train net.model resnet8: ")), "{line}");
        }
        for (key, values) in tuning(name, false) {
            assert!(keys::find(key).is_some_and(|k| k.rules.is_empty() || k.rules.contains(name)), "{name} {key}");
            assert!(!values.is_empty());
        }
    }
    assert!(tuning("no-rule", false).is_empty());
}

fn rec_lra(text: &str) -> reclra::RecLraConfig {
    let RuleSpec::RecLra(config) = resolve(text).rule else { panic!("{text}") };
    config
}

fn blocks(text: &str) -> reclra::rules::blocks::RecLraBlocksConfig {
    let RuleSpec::RecLraBlocks(config) = resolve(&format!("net.model = \"resnet8\"\nnet.width = 2\n{text}")).rule
    else {
        panic!("{text}")
    };
    config
}

#[test]
fn wirings_and_plasticities() {
    for (name, _) in wiring::KNOWN {
        let list = "rule.synapses = [\"out->b3\", \"b3->b2\", \"b2->b1\"]";
        let more = if *name == "list" { list } else { "" };
        assert_eq!(rec_lra(&format!("rule.wiring = {name:?}\n{more}")).wiring.name(), *name);
        assert!(words("rule.wiring").iter().any(|w| w == name));
    }
    let gap = |name: &str| rec_lra(&format!("rule.wiring = {name:?}\nrule.gap = 3")).wiring;
    assert_eq!((gap("gap"), gap("graph")), (Wiring::Gap(3), Wiring::Graph(3)));
    for (name, value, _) in rules::PLASTICITIES {
        let plasticity = rec_lra(&format!("rule.plasticity = {name:?}")).plasticity;
        assert_eq!((plasticity, plasticity.name()), (*value, *name));
    }
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let list = "rule.wiring = \"list\"\nrule.synapses = [\"out->b3\", \"b3->b2\", \"b2->b1\", \"b1->stem\"]";
    let laid = BlockWiring::List(vec![pair("out", "b3"), pair("b3", "b2"), pair("b2", "b1"), pair("b1", "stem")]);
    for (text, want) in [
        ("rule.wiring = \"skip\"", BlockWiring::Skip),
        ("rule.wiring = \"layer\"", BlockWiring::Layer),
        ("rule.wiring = \"gap\"\nrule.gap = 3", BlockWiring::Gap(3)),
        (list, laid),
    ] {
        assert_eq!(blocks(text).wiring, want);
    }
}

#[test]
fn what_blocks_have() {
    for (name, want) in [("backprop", Inner::Backprop), ("rec-lra", Inner::RecLra), ("hebbian", Inner::Hebbian)] {
        assert_eq!(blocks(&format!("rule.inner = {name:?}")).inner, want);
    }
    for (name, want) in [
        ("channel", MapSynapse::Channel),
        ("grid", MapSynapse::Grid(2)),
        ("full", MapSynapse::Full),
        ("low-rank", MapSynapse::LowRank(4)),
        ("seeded", MapSynapse::Seeded),
    ] {
        assert_eq!(blocks(&format!("rule.synapse = {name:?}")).synapse, want);
    }
    for (name, want) in
        [("mirror", MapPlasticity::Mirror), ("readout", MapPlasticity::Readout), ("fixed", MapPlasticity::Fixed)]
    {
        assert_eq!(blocks(&format!("rule.plasticity = {name:?}")).plasticity, want);
    }
    for (name, want) in [("output", Message::Output), ("readout", Message::Readout), ("both", Message::Both)] {
        assert_eq!(blocks(&format!("rule.message = {name:?}")).message, want);
    }
    assert!(blocks("rule.stem = \"inside\"").stem_inside && !blocks("rule.stem = \"own\"").stem_inside);
}

#[test]
fn errors_methods_schedules_activations_and_preparation() {
    for (name, want) in [
        ("l2", reclra::Mismatch::L2),
        ("l1", reclra::Mismatch::L1),
        ("mixed", reclra::Mismatch::Mixed { a: 0.5 }),
        ("lp", reclra::Mismatch::L2),
    ] {
        assert_eq!(rec_lra(&format!("rule.error = {name:?}")).mismatch, want);
    }
    let lp = "rule.error = \"lp\"\nrule.p = 3\nrule.q = 1.5";
    assert_eq!(rec_lra(lp).mismatch, reclra::Mismatch::Lp { p: 3.0, q: 1.5 });
    assert_eq!(blocks(lp).mismatch, reclra::Mismatch::Lp { p: 3.0, q: 1.5 });
    assert!(rec_lra(lp) != rec_lra(""));
    let method = |name: &str| resolve(&format!("optim.name = {name:?}")).optim(1).method;
    assert!(matches!(method("adam"), Method::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }));
    assert!(matches!(method("sgd"), Method::Sgd { momentum: 0.9, nesterov: false }));
    let names = |known: &[(&'static str, &str)]| known.iter().map(|k| k.0).collect::<Vec<_>>();
    assert_eq!(names(reclra::optim::METHODS), METHODS.iter().map(|k| k.0).collect::<Vec<_>>());
    assert_eq!(names(reclra::optim::SCHEDULES), SCHEDULES.iter().map(|k| k.0).collect::<Vec<_>>());
    let schedule = |name: &str| resolve(&format!("optim.schedule = {name:?}")).optim(1).schedule;
    assert_eq!(schedule("constant"), Schedule::Constant);
    assert_eq!(schedule("linear"), Schedule::Linear);
    assert_eq!(schedule("cosine"), Schedule::Cosine);
    assert_eq!(schedule("step"), Schedule::Step { every: 10, factor: 0.1 });
    for known in phi::KNOWN {
        let spec = resolve(&format!("net.act = {:?}", known.name));
        assert_eq!((spec.net.act, spec.net.act.name()), (known.phi, known.name));
        assert_eq!(spec.graph().unwrap().regions()[1].phi, known.phi);
    }
    for normalise in reclra_data::Normalise::ALL {
        assert_eq!(resolve(&format!("data.normalise = {:?}", normalise.name())).data.normalise, normalise);
    }
}

#[test]
fn models_and_layers() {
    let mut seen = Vec::new();
    for models::Known { name, .. } in models::KNOWN {
        let blocks =
            resolve(&format!("net.model = {name:?}\nnet.width = 3\ntrain.batch = 4")).net.image.unwrap().blocks;
        assert!(!seen.contains(&blocks), "{name} is another model's network");
        seen.push(blocks);
    }
    for (name, want) in [("gaussian", Noise::Gaussian(0.2)), ("uniform", Noise::Uniform(0.2)), ("none", Noise::None)] {
        let custom = format!(
            "[[block]]\nlayers = [{{ kind = \"noise\", noise = {name:?}, level = 0.2 }}, {{ kind = \"flatten\" }}, {{ kind = \"dense\" }}]"
        );
        let spec = resolve(&format!("net.model = \"custom\"\nnet.layers = {custom:?}"));
        assert_eq!(spec.net.image.unwrap().blocks[0].path[0], reclra::LayerSpec::Noise(want));
    }
    for (kind, _) in layers::KNOWN {
        let more = match *kind {
            "conv" => ", out = 3, kernel = 3",
            "noise-map" => ", out = 3",
            "max-pool" | "mean-pool" => ", kernel = 2",
            "pad" => ", by = 1",
            "dense" => ", out = 5",
            _ => "",
        };
        let custom = format!(
            "[[block]]\nlayers = [{{ kind = {kind:?}{more} }}]\n[[block]]\nlayers = [{{ kind = \"flatten\" }}, {{ kind = \"dense\" }}]"
        );
        let spec = resolve(&format!("net.model = \"custom\"\nnet.layers = {custom:?}"));
        let made = spec.graph().unwrap().regions()[1].inside.as_ref().unwrap().path()[0].layer.kind();
        let is = match *kind {
            "noise-map" => "noise",
            "batch-norm" => "norm",
            kind => kind,
        };
        assert_eq!(made, is);
    }
}

#[test]
fn presets() {
    let names: Vec<&str> = preset::KNOWN.iter().map(|k| k.0).collect();
    assert_eq!(names, preset::PRESETS.iter().map(|k| k.0).collect::<Vec<_>>());
    for name in names {
        let spec = resolve(&format!("preset = \"{name}\""));
        assert_eq!(spec.value("preset").and_then(Value::as_str), Some(name));
    }
}
