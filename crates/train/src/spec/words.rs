//! Words of a spec in other ways of writing them: any letter case, and the short names of rules and data sets.

use reclra::rules::{self, blocks};
use reclra::{models, wiring};
use reclra_data as data;

/// Short names of rules.
pub const SHORT: &[(&str, &str)] = &[
    ("bp", "backprop"),
    ("backpropagation", "backprop"),
    ("fa", "feedback-alignment"),
    ("dfa", "direct-feedback-alignment"),
    ("tp", "target-prop"),
    ("dtp", "difference-target-prop"),
    ("ep", "equilibrium-prop"),
    ("eqprop", "equilibrium-prop"),
];

/// The word that a value of that key stands for, if it is one of the key's words in another letter case or a short name.
///
/// Of the keys that are looked at before they are read: what others may hold is compared where it is read.
#[must_use]
pub fn canonical(key: &str, text: &str) -> Option<&'static str> {
    let of = |known: Vec<&'static str>| known.into_iter().find(|k| k.eq_ignore_ascii_case(text));
    match key {
        "rule.name" | "rule.inner" => rule(text),
        "data.name" => data::canonical(text),
        "net.model" => of(["mlp", "custom"].into_iter().chain(models::KNOWN.iter().map(|k| k.name)).collect()),
        "rule.wiring" => of(wiring::KNOWN.iter().chain(blocks::WIRINGS).map(|k| k.0).collect()),
        _ => None,
    }
}

/// A rule by its name in any letter case, with or without dashes, or by a short name.
fn rule(text: &str) -> Option<&'static str> {
    let letters = |text: &str| text.to_ascii_lowercase().replace(['-', '_', ' '], "");
    let word = letters(text);
    let short = SHORT.iter().find(|(short, _)| *short == word).map(|(_, name)| *name);
    short.or_else(|| rules::KNOWN.iter().map(|k| k.0).find(|name| letters(name) == word))
}

#[cfg(test)]
mod tests {
    use super::super::rules::names;
    use super::*;

    #[test]
    fn words_are_known_in_any_letter_case_and_by_short_names() {
        for (key, text, want) in [
            ("rule.name", "bp", Some("backprop")),
            ("rule.name", "BP", Some("backprop")),
            ("rule.name", "FA", Some("feedback-alignment")),
            ("rule.name", "dfa", Some("direct-feedback-alignment")),
            ("rule.name", "dtp", Some("difference-target-prop")),
            ("rule.name", "EP", Some("equilibrium-prop")),
            ("rule.name", "Rec-LRA", Some("rec-lra")),
            ("rule.name", "rec_lra", Some("rec-lra")),
            ("rule.name", "LRA-E", Some("lra-e")),
            ("rule.name", "rec-lar", None),
            ("rule.inner", "BP", Some("backprop")),
            ("data.name", "MNIST", Some("mnist")),
            ("data.name", "FashionMNIST", Some("fashion-mnist")),
            ("data.name", "Fashion-MNIST", Some("fashion-mnist")),
            ("data.name", "CIFAR10", Some("cifar10")),
            ("data.name", "CIFAR-10", Some("cifar10")),
            ("data.name", "cifar_10", Some("cifar10")),
            ("data.name", "cifar100", None),
            ("net.model", "ResNet18", Some("resnet18")),
            ("rule.wiring", "Skip", Some("skip")),
            ("net.arch", "64-10", None),
        ] {
            assert_eq!(canonical(key, text), want, "{key} = {text}");
        }
        // No short name hides a rule.
        assert!(SHORT.iter().all(|(short, name)| names().contains(name) && !names().contains(short)));
    }
}
