//! The defaults in the table of keys against those of resolved specs, in every combination of what they depend on.

use super::*;
use crate::spec::{DataFacts, RunSpec, Settings, rule_names, toy_facts};
use reclra_data::ImageShape;
use toml::Value;

/// A situation: data, network and what is set.
#[derive(Clone, Copy, Debug)]
struct Case {
    few: bool,
    colour: bool,
    folder: bool,
    /// Hidden widths, or a model.
    net: &'static str,
    act: &'static str,
    rule: &'static str,
    /// Further settings.
    set: &'static str,
}

impl Case {
    fn facts(&self) -> DataFacts {
        let train = if self.few { 1_438 } else { 60_000 };
        let facts = toy_facts(if self.folder { "image-folder" } else { "mnist" }, 16, 10, train, train / 10);
        let channels = if self.colour { 3 } else { 1 };
        DataFacts { shape: ImageShape { channels, ..facts.shape }, ..facts }
    }

    fn image(&self) -> bool {
        !self.net.starts_with(|c: char| c.is_ascii_digit())
    }

    fn hidden(&self) -> usize {
        self.net.split_once('x').and_then(|(n, _)| n.parse().ok()).unwrap_or(0)
    }

    fn has(&self, set: &str) -> bool {
        self.set.contains(set)
    }

    /// The wiring of rec-LRA on an image network.
    fn skip(&self) -> bool {
        self.image() && self.rule == "rec-lra" && !self.layered()
    }

    fn layered(&self) -> bool {
        self.image() && ["layer", "gap"].iter().any(|w| self.has(&format!("wiring={w}")))
    }

    fn learns(&self) -> bool {
        !self.has("plasticity=fixed") && !self.has("synapse=seeded")
    }

    fn settings(&self) -> Settings {
        let mut settings = Settings::default();
        let mut set = |text: &str| settings.assign(text).unwrap();
        set(&format!("rule.name={}", self.rule));
        if self.image() {
            set(&format!("net.model={}", self.net));
        } else {
            if self.act != "tanh" {
                set(&format!("net.act={}", self.act));
            }
            set(&format!("net.arch={}-{}-10", self.facts().pixels(), self.net));
        }
        self.set.split_whitespace().for_each(&mut set);
        if self.folder {
            set("data.size=16");
        }
        settings
    }

    /// Whether a default is for this situation, by the words after its value.
    fn is(&self, condition: &str) -> bool {
        let (few, image, rule, act) = (self.few, self.image(), self.rule, self.act);
        match condition {
            "for fewer than 5,000 training images" => few,
            "for grey images, fewer than 5,000 training images" => few && !self.colour,
            "for image-folder with data.size" => self.folder,
            "for colour" => self.colour,
            "for image networks" => image,
            "for image networks on fewer than 5,000 training images" => image && few,
            "for fewer than 5,000 training images, sign and image networks" => few || image || act == "sign",
            "for sign and image networks" => image || act == "sign",
            "for sign" => !image && act == "sign",
            "for sigmoid and sign" => !image && ["sigmoid", "sign"].contains(&act),
            "for rec-lra with sigmoid" => !image && rule == "rec-lra" && act == "sigmoid",
            "for rec-lra with sigmoid and sign" => !image && rule == "rec-lra" && ["sigmoid", "sign"].contains(&act),
            "for sigmoid with more than 3 hidden regions" => !image && act == "sigmoid" && self.hidden() > 3,
            "for more than 3 hidden regions" => !image && self.hidden() > 3,
            "for equilibrium-prop with more than 1 hidden region" => rule == "equilibrium-prop" && self.hidden() > 1,
            "from width 1024" => self.net.ends_with("x1024"),
            "for equilibrium-prop and hebbian" => ["equilibrium-prop", "hebbian"].contains(&rule),
            "for equilibrium-prop" | "for lra-e" | "for target-prop" => condition == format!("for {rule}"),
            "for feedback-alignment on image networks" => image && rule == "feedback-alignment",
            "for target-prop on image networks" => image && rule == "target-prop",
            "for sgd" => self.has("optim.name=sgd"),
            "for lenet" => self.net == "lenet",
            "for rule.inner rec-lra" => self.has("inner=rec-lra"),
            "for the wiring skip" => self.skip(),
            "for the wirings layer, gap, list" => self.layered(),
            "for the wirings layer, gap, list with error synapses that learn" => self.layered() && self.learns(),
            "under the preset paper" => self.has("preset=paper"),
            "for fixed plasticity" => self.has("plasticity=fixed"),
            "for low-rank error synapses" => self.has("synapse=low-rank"),
            "for the wiring skip with a readout of each block" => {
                self.skip() && self.learns() && !self.has("synapse=low-rank") && !self.has("plasticity=mirror")
            }
            _ => panic!("the test does not know the condition {condition:?}"),
        }
    }
}

/// Keys whose default is told in words that depend on the data set alone.
const IN_WORDS: [&str; 3] = ["data.name", "data.validation", "net.arch"];

/// The default that the table documents for a situation: the last one that applies.
fn documented(key: &Key, case: &Case) -> Option<Value> {
    let clauses = key.default().split("; ").map(|c| c.split_once(' ').unwrap_or((c, "")));
    let value = clauses.filter(|(_, condition)| condition.is_empty() || case.is(condition)).last()?.0;
    let parsed = format!("v = {value}").parse::<toml::Table>().ok().and_then(|mut t| t.remove("v"));
    Some(parsed.unwrap_or_else(|| Value::from(value)))
}

#[test]
fn documented_defaults_are_those_of_resolved_specs() {
    let (mut checked, mut seen) = (0, std::collections::BTreeSet::new());
    let mut check = |case: Case| {
        let settings = case.settings();
        // What a rule cannot do, a spec does not say.
        let Ok(spec) = RunSpec::resolve(&settings, &case.facts()) else { return };
        for key in KEYS.iter().filter(|k| settings.get(k.path).is_none() && !IN_WORDS.contains(&k.path)) {
            let Some(value) = spec.value(key.path) else { continue };
            let want = documented(key, &case).unwrap();
            assert!(crate::spec::same(value, &want), "{} = {value}, documented {want}, {case:?}", key.path);
            checked += 1;
            seen.insert(key.path);
        }
    };
    for few in [false, true] {
        for rule in rule_names() {
            let base = Case { few, colour: false, folder: false, net: "3x256", act: "tanh", rule, set: "" };
            for net in ["1x8", "2x8", "3x8", "4x8", "3x1024"] {
                for act in ["tanh", "sigmoid", "sign"] {
                    for set in ["", "optim.name=sgd"] {
                        check(Case { net, act, set, ..base });
                    }
                }
            }
            for colour in [false, true] {
                for net in ["resnet8", "lenet"] {
                    check(Case { net, colour, ..base });
                }
            }
        }
        let base = Case { few, colour: true, folder: false, net: "resnet8", act: "tanh", rule: "rec-lra", set: "" };
        for set in [
            "rule.wiring=layer",
            "rule.wiring=gap",
            "rule.wiring=layer rule.plasticity=fixed",
            "rule.wiring=layer rule.synapse=seeded",
            "rule.inner=rec-lra",
            "rule.inner=rec-lra rule.wiring=layer",
            "rule.inner=hebbian optim.name=sgd",
            "rule.plasticity=mirror",
            "rule.plasticity=fixed",
            "rule.synapse=low-rank",
            "rule.synapse=seeded",
            "rule.synapse=grid",
        ] {
            check(Case { set, ..base });
        }
        check(Case { net: "lenet", set: "rule.wiring=layer", ..base });
        check(Case { folder: true, ..base });
    }
    let unseen: Vec<&str> = KEYS.iter().map(|k| k.path).filter(|k| !seen.contains(k)).collect();
    // The model, the rule and the layers of a model of one's own are always set here.
    assert_eq!(unseen, ["data.name", "data.validation", "net.arch", "rule.name"], "{checked} checked");
    assert!(checked > 5_000, "{checked}");
}
