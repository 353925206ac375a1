//! From settings to something that can run: the data set they name, opened, and the spec resolved against it.

use crate::fit::FitError;
use crate::memory;
use crate::spec::{DataFacts, RunSpec, Settings, SpecError, opening};
use reclra_data::files::FileError;
use reclra_data::{self as data, DataError, Dataset, MemoryImages, Prepare};
use std::path::Path;
use std::sync::Arc;

/// Why something about a run, a whole comparison or a report cannot be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Data that cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A spec that cannot be.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A file that cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A run that only has to be started.
pub struct Prepared {
    /// The resolved spec.
    pub spec: RunSpec,
    /// What it knows of its data.
    pub facts: DataFacts,
    /// The data.
    pub dataset: Arc<dyn Dataset>,
}

/// Opens the data set the settings name (the embedded digits if none), resolves them against it and prepares its samples.
///
/// # Errors
/// If data cannot be read or the spec cannot be.
pub fn prepare(settings: &Settings) -> Result<Prepared, FitError> {
    prepare_shown(settings, &|_, _| {})
}

/// The same; `progress` is called with the number of images that mean and deviation were fitted on so far and of all, from any
/// thread.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_shown(settings: &Settings, progress: &(dyn Fn(usize, usize) + Sync)) -> Result<Prepared, FitError> {
    let Prepared { spec, facts, dataset } = opened(settings)?;
    memory::fits(&spec, &facts, false)?;
    let split = spec.split(&*dataset)?;
    let dataset = data::ready_shown(dataset, &split, &spec.data, progress)?;
    Ok(Prepared { spec, facts, dataset })
}

/// The same with the data as they are stored.
fn opened(settings: &Settings) -> Result<Prepared, FitError> {
    let dataset = open(settings)?;
    let facts = DataFacts::of(&*dataset);
    let spec = RunSpec::resolve(settings, &facts)?;
    Ok(Prepared { spec, facts, dataset })
}

/// The data set of a run, its samples prepared as the run prepares them; `dir` is its folder, if not that of the spec.
///
/// # Errors
/// If data cannot be read.
pub fn dataset_of(spec: &RunSpec, dir: Option<&Path>) -> Result<Arc<dyn Dataset>, DataError> {
    let dir = dir.or(spec.data.dir.as_deref().map(Path::new));
    let dataset = data::open_with(&spec.data.name, dir, &spec.data.opening)?;
    let there = dataset.len(data::Part::Train);
    if spec.data.validation >= there || spec.data.fold.is_some_and(|fold| fold.of > there) {
        // Other data than those of the run: left as they are, whoever asked will compare what is known of both.
        return Ok(dataset);
    }
    let split = spec.split(&*dataset)?;
    data::ready_shared(dataset, &split, &spec.data)
}

/// The data set of a trained network, prepared as its file says, and fitted anew only where that says nothing.
///
/// # Errors
/// If data cannot be read.
pub fn dataset_for(
    spec: &RunSpec,
    dir: Option<&Path>,
    prepare: Option<&Prepare>,
) -> Result<Arc<dyn Dataset>, DataError> {
    let Some(prepare) = prepare else { return dataset_of(spec, dir) };
    let dir = dir.or(spec.data.dir.as_deref().map(Path::new));
    let dataset = data::open_with(&spec.data.name, dir, &spec.data.opening)?;
    // Other data than those of the run are left as they are.
    if dataset.shape() == prepare.shape() { data::with_prepare(dataset, prepare.clone()) } else { Ok(dataset) }
}

/// Opens the data set the settings name, the embedded digits if none.
///
/// # Errors
/// If data cannot be read.
pub fn open(settings: &Settings) -> Result<Arc<dyn Dataset>, FitError> {
    let (name, dir) = (text(settings, "data.name", "digits")?, text(settings, "data.dir", "")?);
    Ok(data::open_with(&name, folder(&dir), &opening(settings)?)?)
}

/// The resolved spec alone: where the files of the data set are not there, by what is published of it.
///
/// # Errors
/// If the spec cannot be, or the data is there and cannot be read.
pub fn resolve(settings: &Settings) -> Result<(RunSpec, DataFacts), FitError> {
    resolve_held(settings).map(|(spec, facts, _)| (spec, facts))
}

/// The same, with the bytes that the data set holds in memory once it has been read.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_held(settings: &Settings) -> Result<(RunSpec, DataFacts, u64), FitError> {
    match opened(settings) {
        Ok(p) => {
            let held = p.dataset.memory().map_or(0, MemoryImages::held);
            Ok((p.spec, p.facts, held))
        }
        Err(FitError::Data(missing @ DataError::Missing { .. })) => {
            let name = text(settings, "data.name", "digits")?;
            let (facts, samples) = data::entry(&name)?.published().ok_or(missing)?;
            let held = samples as u64 * facts.pixels() as u64;
            Ok((RunSpec::resolve(settings, &facts)?, facts, held))
        }
        Err(e) => Err(e),
    }
}

fn text(settings: &Settings, key: &'static str, default: &str) -> Result<String, SpecError> {
    match settings.get(key) {
        None => Ok(default.to_owned()),
        Some(v) => v.as_str().map(str::to_owned).ok_or_else(|| SpecError::bad(key, v, "must be text in quotes".into())),
    }
}

fn folder(dir: &str) -> Option<&Path> {
    (!dir.is_empty()).then(|| Path::new(dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_resolves_without_its_data_as_with_it() {
        let empty = tempfile::tempdir().unwrap();
        let text = format!("data.name = \"mnist\"\ndata.dir = {:?}", empty.path().display().to_string());
        let settings = Settings::parse(&text, "spec").unwrap();
        assert!(matches!(prepare(&settings), Err(FitError::Data(DataError::Missing { .. }))));
        let (spec, facts) = resolve(&settings).unwrap();
        assert_eq!((facts.pixels(), facts.classes(), facts.train, facts.validation), (784, 10, 60_000, 2_000));
        assert_eq!(spec.net.widths, [784, 256, 256, 256, 10]);
        let digits = resolve(&Settings::default()).unwrap();
        assert_eq!(digits.1, prepare(&Settings::default()).unwrap().facts);
    }
}
