//! From what users write (a TOML file, `--set`, flags) to a table of settings, and from there to typed values.

use super::error::{Result, SpecError};
use super::keys::{self, KEYS};
use super::words;
use reclra_data::files;
use reclra_data::hint::did_you_mean;
use toml::{Table, Value};

/// What users set, from all sources: later ones override earlier ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    table: Table,
    /// Whether they are those of a run that was made before.
    kept: bool,
}

/// The line, from 1, that a TOML error is about.
pub(crate) fn line_of(text: &str, error: &toml::de::Error) -> usize {
    error.span().map_or(1, |s| 1 + text[..s.start.min(text.len())].matches('\n').count())
}

impl Settings {
    /// Reads a TOML text; `origin` names it in messages.
    ///
    /// # Errors
    /// If it is no TOML, or holds a key that does not exist.
    pub fn parse(text: &str, origin: &str) -> Result<Settings> {
        let table: Table = text.parse().map_err(|e: toml::de::Error| {
            let line = line_of(text, &e);
            let what = e.message().lines().next().unwrap_or("not TOML").to_owned();
            SpecError::Syntax { origin: origin.to_owned(), line, what }
        })?;
        let mut settings = Settings::default();
        for (section, value) in table {
            match value {
                Value::Table(inner) if inner.is_empty() && keys::find(&section).is_none() => {
                    let known = sections();
                    if !known.contains(&section.as_str()) {
                        let (origin, hint) = (origin.to_owned(), did_you_mean(&section, &known));
                        return Err(SpecError::UnknownKey { origin, key: files::plain(&section), hint });
                    }
                }
                // A key outside of all sections, such as the seed.
                Value::Table(_) if keys::find(&section).is_some() => settings.put(&section, value, origin)?,
                Value::Table(inner) => {
                    for (name, value) in inner {
                        settings.put(&format!("{section}.{name}"), value, origin)?;
                    }
                }
                Value::Array(_) if section == "block" => {
                    let hint = ", a model's: give the file with --model, or name a spec";
                    let (origin, hint) = (origin.to_owned(), hint.to_owned());
                    let key = files::plain(&section);
                    return Err(SpecError::UnknownKey { origin, key, hint });
                }
                value => settings.put(&section, value, origin)?,
            }
        }
        Ok(settings)
    }

    /// Sets one key; a later setting of the same key wins.
    ///
    /// # Errors
    /// If there is no such key.
    pub fn put(&mut self, path: &str, value: impl Into<Value>, origin: &str) -> Result<()> {
        if keys::find(path).is_none() {
            // A section that is there is no hint.
            let sections = sections().into_iter().filter(|s| path.split('.').next() != Some(s));
            let known: Vec<&str> = KEYS.iter().map(|k| k.path).chain(sections).collect();
            let (origin, key) = (origin.to_owned(), files::plain(path));
            let within = KEYS.iter().find(|k| k.path.split('.').next() == Some(path));
            let hint = within.map_or_else(|| did_you_mean(path, &known), |k| format!(", did you mean `{}`?", k.path));
            return Err(SpecError::UnknownKey { origin, key, hint });
        }
        let value = value.into();
        let own = value.as_str().and_then(|text| words::canonical(path, text));
        self.table.insert(path.to_owned(), own.map_or(value, Value::from));
        Ok(())
    }

    /// Sets one key from `key=value`, as after `--set`. The value is TOML; what is no TOML is taken as text.
    ///
    /// # Errors
    /// If there is no `=`, or no such key.
    pub fn assign(&mut self, assignment: &str) -> Result<()> {
        let (path, value) = Settings::assignment(assignment)?;
        self.put(path, value, "--set")
    }

    /// Key and value of `key=value`, as after `--set`.
    ///
    /// # Errors
    /// If there is no `=`.
    pub fn assignment(text: &str) -> Result<(&str, Value)> {
        let (path, text) = text.split_once('=').ok_or_else(|| SpecError::Assignment(text.to_owned()))?;
        Ok((path.trim(), value(text.trim())))
    }

    /// Reads `key=v1,v2`, as after `--grid`: the key and the values it takes.
    ///
    /// # Errors
    /// If there is no `=`, no value or no such key.
    pub fn values(assignment: &str) -> Result<(String, Vec<Value>)> {
        let wrong = || SpecError::Grid(assignment.to_owned());
        let (path, text) = assignment.split_once('=').ok_or_else(wrong)?;
        let (path, text) = (path.trim(), text.trim());
        if text.is_empty() {
            return Err(wrong());
        }
        // A list in TOML if it is one, so that values may be lists themselves; else words.
        let values = match value(&format!("[{text}]")) {
            Value::Array(values) => values,
            _ => text.split(',').map(|v| value(v.trim())).collect(),
        };
        if (1..values.len()).any(|n| values[..n].iter().any(|v| same(v, &values[n]))) {
            return Err(SpecError::Repeated(assignment.to_owned()));
        }
        let mut probe = Settings::default();
        values.iter().try_for_each(|v| probe.put(path, v.clone(), "--grid"))?;
        Ok((path.to_owned(), values))
    }

    /// The same as those of a run that was made before: what it did not read then is no mistake of anybody's now.
    #[must_use]
    pub fn kept(self) -> Settings {
        Settings { kept: true, ..self }
    }

    /// Those of a resolved spec that a run has kept, with another number of epochs.
    ///
    /// # Errors
    /// If the text is no spec.
    pub fn with_epochs(spec: &str, epochs: u64) -> Result<Settings> {
        let mut settings = Settings::parse(spec, "spec.toml")?.kept();
        settings.put("train.epochs", epochs as i64, "spec.toml")?;
        Ok(settings)
    }

    /// What a user has set for a key, if anything.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Value> {
        self.table.get(path)
    }

    /// The settings of `other` over these.
    #[must_use]
    pub fn with(mut self, other: &Settings) -> Settings {
        self.table.extend(other.table.iter().map(|(k, v)| (k.clone(), v.clone())));
        self
    }

    /// Keys set so far.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.table.keys().map(String::as_str)
    }
}

/// Whether it is a whole number beyond those of TOML, which are then taken as text.
fn large_text(value: Option<&Value>) -> bool {
    let digits = |text: &str| text.len() > 18 && text.bytes().all(|b| b.is_ascii_digit());
    value.and_then(Value::as_str).is_some_and(digits)
}

/// A value as written on a command line: TOML; what is no TOML is taken as text.
fn value(text: &str) -> Value {
    let parsed = format!("v = {text}").parse::<Table>().ok().and_then(|mut t| t.remove("v"));
    // One value, not a way to smuggle in a table.
    parsed.filter(|v| !v.is_table()).unwrap_or_else(|| Value::String(text.to_owned()))
}

/// True if two values are the same: 1 and 1.0 are.
#[must_use]
pub fn same(a: &Value, b: &Value) -> bool {
    let number = |v: &Value| v.as_float().or(v.as_integer().map(|i| i as f64));
    a == b || number(a).is_some_and(|n| Some(n) == number(b))
}

/// The sections of a spec, each once.
fn sections() -> Vec<&'static str> {
    let mut all: Vec<&str> = KEYS.iter().filter_map(|k| Some(k.path.split_once('.')?.0)).collect();
    all.dedup();
    all
}

/// Hands out typed values, and writes down each as resolved.
pub(super) struct Reader<'a> {
    settings: &'a Settings,
    /// Defaults in place of those that are asked with.
    pub(super) preset: Table,
    /// Whether the preset is `paper`.
    pub(super) paper: bool,
    /// Every key read so far with its value, nested by section.
    pub(super) resolved: Table,
}

impl<'a> Reader<'a> {
    pub(super) fn new(settings: &'a Settings) -> Self {
        Reader { settings, preset: Table::new(), paper: false, resolved: Table::new() }
    }

    /// Whether the settings are those of a run that was made before.
    pub(super) fn kept(&self) -> bool {
        self.settings.kept
    }

    fn record(&mut self, path: &'static str, value: Value) {
        debug_assert!(keys::find(path).is_some(), "{path} is missing in KEYS");
        match path.split_once('.') {
            Some((section, name)) => {
                let table = self.resolved.entry(section).or_insert_with(|| Value::Table(Table::new()));
                if let Value::Table(table) = table {
                    table.insert(name.to_owned(), value);
                }
            }
            None => {
                self.resolved.insert(path.to_owned(), value);
            }
        }
    }

    fn read<T>(
        &mut self,
        path: &'static str,
        want: &str,
        default: T,
        from: impl Fn(&Value) -> Option<T>,
        to: impl Fn(&T) -> Value,
    ) -> Result<T> {
        let value = match self.settings.get(path) {
            None => self.preset.get(path).and_then(&from).unwrap_or(default),
            Some(v) => from(v).ok_or_else(|| SpecError::bad(path, v, format!("must be {want}")))?,
        };
        self.record(path, to(&value));
        Ok(value)
    }

    /// A count.
    pub(super) fn count(&mut self, path: &'static str, default: u64) -> Result<u64> {
        self.whole(path, default, 0)
    }

    /// A count of at least one.
    pub(super) fn positive(&mut self, path: &'static str, default: u64) -> Result<u64> {
        self.whole(path, default, 1)
    }

    fn whole(&mut self, path: &'static str, default: u64, least: u64) -> Result<u64> {
        let whole = |v: &Value| v.as_integer().and_then(|i| u64::try_from(i).ok()).filter(|&n| n >= least);
        // TOML has no larger ones.
        let large = |v: &Value| v.as_float().is_some_and(|x| x >= i64::MAX as f64);
        let large = large_text(self.settings.get(path)) || self.settings.get(path).is_some_and(large);
        let most = if large { format!(", at most {}", i64::MAX) } else { String::new() };
        self.read(path, &format!("a whole number of {least} or more{most}"), default, whole, |&v| {
            Value::Integer(i64::try_from(v).unwrap_or(i64::MAX))
        })
    }

    /// A finite number.
    pub(super) fn number(&mut self, path: &'static str, default: f64) -> Result<f64> {
        let number = |v: &Value| v.as_float().or(v.as_integer().map(|i| i as f64)).filter(|x| x.is_finite());
        self.read(path, "a finite number", default, number, |&v| Value::Float(v))
    }

    /// true or false.
    pub(super) fn flag(&mut self, path: &'static str, default: bool) -> Result<bool> {
        self.read(path, "true or false", default, Value::as_bool, |&v| Value::Boolean(v))
    }

    /// Any text.
    pub(super) fn text(&mut self, path: &'static str, default: &str) -> Result<String> {
        let text = |v: &Value| v.as_str().map(str::to_owned);
        self.read(path, "text in quotes", default.to_owned(), text, |v| Value::String(v.clone()))
    }

    /// One of several words.
    pub(super) fn choice(&mut self, path: &'static str, default: &str, known: &[&str]) -> Result<String> {
        let word = self.text(path, default)?;
        if let Some(known) = known.iter().find(|k| k.eq_ignore_ascii_case(&word)) {
            self.record(path, Value::from(*known));
            return Ok((*known).to_owned());
        }
        let want = format!("must be one of {}{}", known.join(", "), did_you_mean(&word, known));
        Err(SpecError::bad(path, &Value::String(word), want))
    }

    /// What one of several words stands for.
    pub(super) fn pick<T: Clone>(
        &mut self,
        path: &'static str,
        default: &str,
        known: &[(&'static str, T)],
    ) -> Result<T> {
        let names: Vec<&str> = known.iter().map(|k| k.0).collect();
        let word = self.choice(path, default, &names)?;
        let found = known.iter().find(|k| k.0 == word);
        Ok(found.expect("a choice is one of its words").1.clone())
    }

    /// A list of numbers.
    pub(super) fn numbers(&mut self, path: &'static str) -> Result<Vec<f64>> {
        let number = |v: &Value| v.as_float().or(v.as_integer().map(|i| i as f64)).filter(|x| x.is_finite());
        let list = |v: &Value| v.as_array().and_then(|a| a.iter().map(number).collect());
        self.read(path, "a list of numbers", Vec::new(), list, |v: &Vec<f64>| {
            Value::Array(v.iter().map(|&x| Value::Float(x)).collect())
        })
    }

    /// A list of words; a single text is split at commas.
    pub(super) fn words(&mut self, path: &'static str) -> Result<Vec<String>> {
        let list = |v: &Value| match v {
            Value::String(s) => Some(s.split(',').map(|w| w.trim().to_owned()).filter(|w| !w.is_empty()).collect()),
            v => v.as_array().and_then(|a| a.iter().map(|w| w.as_str().map(str::to_owned)).collect()),
        };
        self.read(path, "a list of texts", Vec::new(), list, |v: &Vec<String>| {
            Value::Array(v.iter().map(|w| Value::String(w.clone())).collect())
        })
    }

    /// Refuses a setting that nothing `reads` beside the others; its `default`, which a resolved spec holds, is no mistake.
    pub(super) fn unread(&self, path: &str, default: impl Into<Value>, read: bool, by: &str) -> Result<()> {
        let default = default.into();
        match self.settings.get(path) {
            Some(v) if !read && !self.settings.kept && !same(v, &default) => {
                Err(SpecError::bad(path, v, format!("is read by {by} or remove it")))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a value, unless it is that of a run that was made before.
    pub(super) fn refused(&self, path: &str, value: &Value, want: String) -> Result<()> {
        if self.settings.kept { Ok(()) } else { Err(SpecError::bad(path, value, want)) }
    }

    /// Refuses keys that belong to other networks only.
    pub(super) fn only_of(&self, model: &str) -> Result<()> {
        let image = model != "mlp";
        let foreign = |k: &&keys::Key| !k.nets.hold(image);
        match KEYS.iter().filter(foreign).find(|k| self.settings.get(k.path).is_some()) {
            None => Ok(()),
            Some(k) => Err(SpecError::OtherNet { key: k.path, model: model.to_owned(), mlp: image }),
        }
    }

    /// Refuses keys that belong to other rules only.
    pub(super) fn only_for(&self, rule: &str) -> Result<()> {
        let foreign = |k: &&keys::Key| !k.rules.is_empty() && !k.rules.contains(&rule);
        match KEYS.iter().filter(foreign).find(|k| self.settings.get(k.path).is_some()) {
            None => Ok(()),
            Some(k) => Err(SpecError::Foreign { key: k.path, rule: rule.to_owned(), owners: k.rules.join(", ") }),
        }
    }
}
