//! What is wrong with a spec.

use reclra_data::files;
use toml::Value;

/// What is wrong with a spec: one line that names the key and the remedy.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// Not TOML.
    #[error("{origin}, line {line}: {what}; mend the TOML syntax there")]
    Syntax {
        /// The file.
        origin: String,
        /// Line, from 1.
        line: usize,
        /// What the parser says.
        what: String,
    },
    /// A key that does not exist.
    #[error("{origin}: unknown key `{key}`{hint}{}", if .hint.is_empty() { "; `reclra list keys` shows all" } else { "" })]
    UnknownKey {
        /// The file or flag.
        origin: String,
        /// As written.
        key: String,
        /// `, did you mean ...?` or nothing.
        hint: String,
    },
    /// `--set` without a value.
    #[error("--set {0}: write it as key=value, optim.lr=1e-3 say")]
    Assignment(String),
    /// `--grid` without values.
    #[error("--grid {0}: write it as key=value,value, optim.lr=1e-3,3e-3 say")]
    Grid(String),
    /// `--grid` with a value twice.
    #[error("--grid {0}: names a value twice; leave one out")]
    Repeated(String),
    /// A value that does not do.
    #[error("{key} = {value}: {want}")]
    Value {
        /// The key.
        key: String,
        /// As written.
        value: String,
        /// What it must be.
        want: String,
    },
    /// A key of another rule.
    #[error("{key} is no setting of {rule}; it belongs to {owners}: remove it or choose another rule.name")]
    Foreign {
        /// The key.
        key: &'static str,
        /// The rule chosen.
        rule: String,
        /// The rules that have it.
        owners: String,
    },
    /// A key of another kind of network.
    #[error(
        "{key} is no setting of net.model {model}; it belongs to {}: remove it or choose another net.model",
        if *.mlp { "mlp" } else { "image networks" }
    )]
    OtherNet {
        /// The key.
        key: &'static str,
        /// The model chosen.
        model: String,
        /// Whether the key is one of multilayer perceptrons.
        mlp: bool,
    },
    /// More memory than there is.
    #[error(
        "this run takes {} of memory and {} are to be had: {remedy}, or free some (`reclra inspect` says what takes it)",
        size_of(*.needs), size_of(*.free)
    )]
    Memory {
        /// Bytes it takes.
        needs: u64,
        /// Bytes there are.
        free: u64,
        /// What takes less.
        remedy: &'static str,
    },
    /// A network or rule that cannot be.
    #[error("{}", reclra_data::files::one_line(&.0.to_string()))]
    Core(#[from] reclra::Error),
}

impl SpecError {
    pub(crate) fn bad(key: &str, value: &Value, want: String) -> SpecError {
        SpecError::Value { key: key.to_owned(), value: shown(value), want }
    }
}

/// Megabytes, from a gigabyte on gigabytes.
fn size_of(bytes: u64) -> String {
    if bytes < 1_000_000_000 { format!("{} MB", bytes / 1_000_000) } else { format!("{:.2} GB", bytes as f64 * 1e-9) }
}

/// Shorthand of this room.
pub type Result<T, E = SpecError> = std::result::Result<T, E>;

/// A value for a message: TOML in one line, and not a long one.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if text.contains(files::unruly) => files::plain(&format!("{text:?}")),
        value => files::plain(&value.to_string()),
    }
}
