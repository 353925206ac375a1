//! `reclra list`: everything that has a name, with one line each.

use crate::args::{ListArgs, Voice};
use crate::failure::Failure;
use reclra::rules::blocks;
use reclra::{optim, phi, rules, wiring};
use reclra_train::spec::keys::{KEYS, page};
use reclra_train::{data, experiment};
use serde_json::json;

/// What can be listed.
pub(crate) const TOPICS: [&str; 11] = [
    "data",
    "rules",
    "models",
    "layers",
    "activations",
    "wirings",
    "plasticities",
    "optimisers",
    "schedules",
    "keys",
    "experiments",
];

pub(crate) fn run(voice: Voice, args: &ListArgs) -> Result<(), Failure> {
    let topic = args.topic.as_deref();
    if args.page {
        return voice.result(page().trim_end());
    }
    for (n, name) in TOPICS.iter().filter(|t| topic.is_none_or(|chosen| chosen == **t)).enumerate() {
        let entries = entries(name);
        for (entry, about) in &entries {
            voice.object("entry", &json!({ "topic": name, "name": entry, "about": about }))?;
        }
        if topic.is_none() {
            voice.result(format_args!("{}{name}", if n > 0 { "\n" } else { "" }))?;
        }
        let width = entries.iter().map(|e| e.0.len()).max().unwrap_or(0);
        for (entry, about) in entries {
            voice.result(format_args!("  {entry:width$}  {about}"))?;
        }
    }
    Ok(())
}

fn entries(topic: &str) -> Vec<(String, String)> {
    let owned = |list: &[(&str, &str)]| list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    match topic {
        "data" => data::entries().iter().map(|e| (e.name.to_owned(), e.about.to_owned())).collect(),
        "rules" => owned(rules::KNOWN),
        "activations" => phi::KNOWN.iter().map(|k| (k.name.to_owned(), k.about.to_owned())).collect(),
        "wirings" => owned(&[wiring::KNOWN, blocks::WIRINGS].concat()),
        "models" => owned(reclra::models::KNOWN),
        "layers" => owned(reclra::layers::KNOWN),
        "plasticities" => owned(&[rules::PLASTICITIES, blocks::PLASTICITIES].concat()),
        "optimisers" => owned(optim::METHODS),
        "schedules" => owned(optim::SCHEDULES),
        "keys" => KEYS.iter().map(|k| (k.path.to_owned(), k.about.to_owned())).collect(),
        _ => experiment::KNOWN.iter().map(|k| (k.0.to_owned(), experiment::about(k.1))).collect(),
    }
}
