//! Values of a spec as the report writes them.

use reclra_data::text::NONE;
use reclra_train::spec::RunSpec;
use toml::Value;

/// A value of a spec without quotes; a dash where the key does not apply.
pub(super) fn value(spec: &RunSpec, key: &str) -> String {
    match spec.value(key) {
        None => NONE.to_owned(),
        Some(Value::String(s)) if s.is_empty() => "(none)".to_owned(),
        Some(Value::String(s)) => s.clone(),
        Some(v) => v.to_string(),
    }
}

/// The widths of a multilayer perceptron, or the model of an image network.
pub(super) fn network(spec: &RunSpec) -> String {
    if spec.net.image.is_some() { spec.network() } else { value(spec, "net.arch") }
}
