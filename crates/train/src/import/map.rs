//! The map of names: a TOML table from our parameters to the tensors of a file.

use crate::spec::line_of;
use reclra_data::files::{self, FileError};
use reclra_data::hint::did_you_mean;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Which tensor of a weights file each parameter is.
#[derive(Clone, Debug, PartialEq)]
pub struct NameMap {
    /// The file it was read from, for messages.
    pub(super) path: PathBuf,
    /// Of our names, in the order of the file.
    pub(super) entries: Vec<(String, Entry)>,
    /// Tensors that are to be left where they are.
    pub(super) ignore: Vec<String>,
}

/// What one parameter is in the weights file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) transpose: bool,
}

/// Key of the tensors that are not used.
const IGNORE: &str = "ignore";
/// Keys of an entry that is a table.
const ENTRY: [&str; 2] = ["name", "transpose"];

impl NameMap {
    /// Reads a map: `"W.in->b1" = "fc1.weight"`, or `{ name = "fc1.weight", transpose = true }` for what the file holds as
    /// n_from x n_to; `ignore = ["..."]` lists tensors that are not used.
    ///
    /// # Errors
    /// Names the file and the line or key.
    pub fn read(path: &Path) -> Result<NameMap, FileError> {
        let remedy = "write lines such as \"W.in->b1\" = \"fc1.weight\"";
        let bad = |what: String| FileError { path: path.to_owned(), what, remedy };
        let text = files::read_text(path, remedy)?;
        let table: Table = text.parse().map_err(|e: toml::de::Error| {
            let why = e.message().lines().next().unwrap_or("not TOML").to_owned();
            bad(format!("line {}: {why}", line_of(&text, &e)))
        })?;
        let mut map = NameMap { path: path.to_owned(), entries: Vec::new(), ignore: Vec::new() };
        for (key, value) in table {
            if key == IGNORE {
                let names = value.as_array().and_then(|a| a.iter().map(|v| Some(v.as_str()?.to_owned())).collect());
                map.ignore = names.ok_or_else(|| bad("ignore must be a list of names in quotes".to_owned()))?;
                continue;
            }
            let entry = entry(&value).ok_or_else(|| {
                // A key without quotes is a table within a table in TOML.
                let table = value.as_table();
                let other = table.and_then(|t| t.keys().find(|k| !ENTRY.contains(&k.as_str())));
                match other {
                    Some(other) if table.is_some_and(|t| ENTRY.iter().any(|k| t.contains_key(*k))) => {
                        let hint = did_you_mean(other, &ENTRY);
                        bad(format!("{key}: unknown key `{other}`{hint}, it may have {}", ENTRY.join(", ")))
                    }
                    Some(inner) => bad(format!("{key}.{inner} must stand in quotes, \"{key}.{inner}\"")),
                    None if !did_you_mean(&key, &[IGNORE]).is_empty() => {
                        bad(format!("unknown key `{key}`, did you mean `{IGNORE}`?"))
                    }
                    None => bad(format!("{key} must be a name, or {{ name = \"...\", transpose = true }}")),
                }
            })?;
            map.entries.push((key, entry));
        }
        Ok(map)
    }
}

fn entry(value: &Value) -> Option<Entry> {
    match value {
        Value::String(name) => Some(Entry { name: name.clone(), transpose: false }),
        Value::Table(t) => {
            let name = t.get("name")?.as_str()?.to_owned();
            let transpose = t.get("transpose").map_or(Some(false), Value::as_bool)?;
            let known = t.keys().all(|k| ENTRY.contains(&k.as_str()));
            known.then_some(Entry { name, transpose })
        }
        _ => None,
    }
}
