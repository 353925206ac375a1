//! The lists of `reclra list`: by topic, everything that has a name, with one line each.

use reclra::rules::blocks;
use reclra::{layers, models, optim, phi, rules, wiring};
use reclra_data as data;
use reclra_train::spec::SHORT;
use reclra_train::spec::keys::KEYS;
use reclra_train::spec::preset;
use reclra_train::{experiment, paper};

/// A name with one line.
pub(crate) type Listed = (String, String);

/// Makes a list.
pub(crate) type List = fn() -> Vec<Listed>;

/// What can be listed.
pub(crate) const LISTS: [(&str, List); 13] = [
    ("data", || data::entries().iter().map(|e| listed(e.name, e.about)).collect()),
    ("rules", || {
        rules::KNOWN.iter().map(|(name, about)| listed(name, &format!("{about}{}", short_names(name)))).collect()
    }),
    ("models", || models::KNOWN.iter().map(|k| listed(k.name, k.about)).collect()),
    ("layers", || owned(layers::KNOWN)),
    ("activations", || phi::KNOWN.iter().map(|k| listed(k.name, k.about)).collect()),
    ("wirings", || owned(&[wiring::KNOWN, blocks::WIRINGS].concat())),
    ("plasticities", || {
        let own = rules::PLASTICITIES.iter().map(|k| listed(k.0, k.2));
        own.chain(owned(blocks::PLASTICITIES)).collect()
    }),
    ("optimisers", || owned(optim::METHODS)),
    ("schedules", || owned(optim::SCHEDULES)),
    ("keys", || KEYS.iter().map(|k| listed(k.path, k.about)).collect()),
    ("presets", || owned(preset::KNOWN)),
    ("claims", || paper::claims().map(|c| (c.id(), c.line())).collect()),
    ("experiments", || experiment::KNOWN.iter().map(|k| (k.0.to_owned(), experiment::about(k.1))).collect()),
];

fn listed(name: &str, about: &str) -> Listed {
    (name.to_owned(), about.to_owned())
}

/// Short names of a rule, in brackets; nothing if it has none.
fn short_names(rule: &str) -> String {
    let all: Vec<&str> = SHORT.iter().filter(|(_, name)| *name == rule).map(|(short, _)| *short).collect();
    if all.is_empty() { String::new() } else { format!(" [short: {}]", all.join(", ")) }
}

fn owned(list: &[(&str, &str)]) -> Vec<Listed> {
    list.iter().map(|(name, about)| listed(name, about)).collect()
}
