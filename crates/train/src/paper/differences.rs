//! In what the settings of a run differ from those of the paper, found by resolving the same run under the preset `paper`.

use super::claims::{claims, data_of, protocol};
use crate::spec::{DataFacts, Result, RunSpec, Settings};
use reclra_data::{self as data, ImageShape};
use toml::Value;

/// A setting of a run that is not the paper's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The key.
    pub key: String,
    /// The paper's value.
    pub paper: String,
    /// The run's.
    pub run: String,
}

/// The same as a text: `train.epochs = 12 (paper: 100)`, joined by semicolons.
#[must_use]
pub fn listed(differences: &[Difference]) -> String {
    let line = |d: &Difference| format!("{} = {} (paper: {})", d.key, d.run, d.paper);
    differences.iter().map(line).collect::<Vec<_>>().join("; ")
}

/// What a user is told of a run's differences, in a line.
#[must_use]
pub fn told(spec: &RunSpec) -> String {
    match differences(spec) {
        Ok(none) if none.is_empty() => "these are the paper's settings".to_owned(),
        Ok(some) => format!("not the paper's settings: {}", listed(&some)),
        Err(e) => format!("cannot be compared with the paper's settings: {e}"),
    }
}

/// Keys that say where and how data are kept and what is measured: they change no result.
const OTHER: &[&str] = &["seed", "preset", "data.dir", "data.size", "data.broken", "data.memory", "train.alignment"];

/// The settings of a run that are not those of the preset `paper` for its rule, network and data, in the order of the keys.
///
/// # Errors
/// If the run cannot be resolved under that preset.
pub fn differences(spec: &RunSpec) -> Result<Vec<Difference>> {
    let paper = counterpart(spec)?;
    let image = spec.net.image.is_some();
    let protocol = protocol(image);
    let mut found = Vec::new();
    for key in crate::spec::keys::KEYS.iter().filter(|k| !OTHER.contains(&k.path)) {
        let (theirs, ours) = (paper.value(key.path), spec.value(key.path));
        let said = match key.path {
            "data.name" => foreign(data_of(&spec.data.name, spec.classes()), &protocol.data),
            "net.arch" => foreign(&hidden(&spec.net.widths), &protocol.networks),
            "net.act" => foreign(spec.net.act.name(), &protocol.activations),
            "rule.name" => of_others(spec.rule.name(), &protocol.rules),
            "train.epochs" => epochs(spec, theirs, ours),
            _ if theirs == ours => None,
            "optim.radius" if spec.optim(1).radius.is_none() => {
                Some("re-projected; c not said, 1 in the preset".to_owned())
            }
            path => {
                let text = theirs.map_or_else(|| "none".to_owned(), |v| shown(path, v));
                let open = protocol.open.iter().any(|o| o == path);
                Some(if open { format!("not said; {text} in the preset") } else { text })
            }
        };
        if let (Some(paper), Some(run)) = (said, ours) {
            let (key, run) = (key.path.to_owned(), shown(key.path, run));
            found.push(Difference { key, paper, run });
        }
    }
    Ok(found)
}

/// The run that the paper would make of the same rule on the same data.
fn counterpart(spec: &RunSpec) -> Result<RunSpec> {
    let mut settings = Settings::default();
    let mut put = |key: &str, value: Value| settings.put(key, value, "paper");
    let copied = ["data.size", "net.arch", "net.act", "rule.name"];
    put("preset", Value::from("paper"))?;
    for key in copied {
        if let Some(value) = spec.value(key) {
            put(key, value.clone())?;
        }
    }
    put("data.name", Value::from(spec.data.name.as_str()))?;
    if spec.net.image.is_some() {
        put("net.model", Value::from("noise-resnet18"))?;
    }
    RunSpec::resolve(&settings, &facts(spec))
}

/// Facts of data like those of the run; of those that the preset needs none but the shape and the name.
fn facts(spec: &RunSpec) -> DataFacts {
    let known = data::entry(&spec.data.name).ok().and_then(|e| e.published()).map(|(facts, _)| facts.validation);
    let shape = spec.net.image.as_ref().map_or(ImageShape { channels: 1, height: 1, width: spec.net.widths[0] }, |i| {
        ImageShape { channels: i.input.channels, height: i.input.height, width: i.input.width }
    });
    DataFacts {
        name: spec.data.name.clone(),
        class_names: (0..spec.classes()).map(|c| c.to_string()).collect(),
        white: 255,
        train: usize::MAX >> 16,
        validation: known.unwrap_or(spec.data.validation),
        shape,
        published: None,
    }
}

/// What the paper has instead of something that is none of its own.
fn foreign(ours: &str, theirs: &[String]) -> Option<String> {
    (!theirs.iter().any(|t| t == ours)).then(|| theirs.join(", "))
}

/// What is to be said of a rule that the authors did not train.
fn of_others(rule: &str, trained: &[String]) -> Option<String> {
    foreign(rule, trained).map(|_| {
        let quoted = claims().any(|c| c.row.rule == rule);
        if quoted { "from earlier work only" } else { "not there" }.to_owned()
    })
}

/// Hidden layers of equal width as `3x1024`; others joined by dashes.
fn hidden(widths: &[usize]) -> String {
    let hidden = &widths[1..widths.len() - 1];
    match hidden {
        [] => "none".to_owned(),
        [first, ..] if hidden.iter().all(|w| w == first) => format!("{}x{first}", hidden.len()),
        _ => hidden.iter().map(usize::to_string).collect::<Vec<_>>().join("-"),
    }
}

/// The paper's epochs, if those of the run are others. Networks of 8 x 256 are trained for 500 in table 1 and 100 in figure 4.
fn epochs(spec: &RunSpec, theirs: Option<&Value>, ours: Option<&Value>) -> Option<String> {
    let text = theirs.map(Value::to_string)?;
    let both = spec.net.image.is_none() && hidden(&spec.net.widths) == "8x256" && text == "500";
    if theirs == ours || (both && spec.epochs == 100) {
        return None;
    }
    Some(if both { format!("{text}, in Figure 4 100") } else { text })
}

/// A value in few characters: `2e-4`, `gcn`.
fn shown(key: &str, value: &Value) -> String {
    match value {
        Value::Integer(0) if key == "net.width" => "the model's own".to_owned(),
        Value::String(text) if key == "net.layers" && !text.is_empty() => "own layers".to_owned(),
        Value::String(text) if text.is_empty() => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Float(x) if *x != 0.0 && x.abs() < 1e-2 => format!("{x:e}"),
        Value::Float(x) => x.to_string(),
        other => reclra_data::files::plain(&other.to_string()),
    }
}
