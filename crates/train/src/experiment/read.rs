//! Reading experiments, and what is wrong with them in a line.

use super::error::ExperimentError;
use super::file::Experiment;
use super::known::KNOWN;
use crate::spec::{Settings, line_of};
use reclra_data::files;
use reclra_data::hint::did_you_mean;
use std::path::Path;

impl Experiment {
    /// Reads an experiment: the name of one that comes with the program, or a file.
    ///
    /// # Errors
    /// If there is none, or the file is wrong.
    pub fn read(name: &str) -> Result<Experiment, ExperimentError> {
        let known = KNOWN.iter().find(|k| k.0 == name);
        let text = match known {
            Some(k) => k.1.to_owned(),
            None if Path::new(name).is_file() => files::read_text(Path::new(name), "name another file")?,
            None => {
                let names: Vec<&str> = KNOWN.iter().map(|k| k.0).collect();
                let hint = did_you_mean(name, &names);
                return Err(ExperimentError::Unknown { name: name.to_owned(), hint, known: names.join(", ") });
            }
        };
        Experiment::parse(&text, name)
    }

    /// Reads an experiment from TOML.
    ///
    /// # Errors
    /// If it is wrong.
    pub fn parse(text: &str, origin: &str) -> Result<Experiment, ExperimentError> {
        let mut experiment: Experiment = toml::from_str(text).map_err(|e: toml::de::Error| {
            let line = line_of(text, &e);
            let what = e.message().lines().next().unwrap_or("not TOML");
            let what = format!("line {line}: {}", unknown_field(what).as_deref().unwrap_or(what));
            ExperimentError::File { origin: origin.to_owned(), what }
        })?;
        if !experiment.preset.is_empty() {
            for run in &mut experiment.run {
                run.set.entry("preset".to_owned()).or_insert_with(|| toml::Value::from(experiment.preset.as_str()));
            }
        }
        // Those of `quick` too, which only some commands read.
        let mut probe = Settings::default();
        for (key, value) in experiment.run.iter().flat_map(|r| &r.set).chain(&experiment.quick) {
            probe.put(key, value.clone(), origin).map_err(|e| {
                let what = e.to_string();
                let what = what.strip_prefix(&format!("{origin}: ")).unwrap_or(&what).to_owned();
                ExperimentError::File { origin: origin.to_owned(), what }
            })?;
        }
        Ok(experiment)
    }
}

/// What the parser says of a field that is not known, as of an unknown key of a spec.
fn unknown_field(message: &str) -> Option<String> {
    let mut words = message.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    let field = words.next()?;
    let known: Vec<&str> = words.collect();
    Some(format!("unknown key `{field}`{}, it may have {}", did_you_mean(field, &known), known.join(", ")))
}
