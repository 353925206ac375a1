//! Fitting what is done to images on those that are trained on.

mod zca;

use super::{LEAST, Normalise, Prepare};
use crate::channel_moments::channel_moments;
use crate::config::DataSpec;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::shape::Part;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl Prepare {
    /// Fits what the spec asks for on these samples of the training part, which should hold none that validate. A
    /// whitening is looked up in the folder `cache` and kept there, if one is given.
    ///
    /// # Errors
    /// If a sample cannot be read, or the data cannot be whitened.
    pub fn fit(dataset: &dyn Dataset, samples: &[u32], spec: &DataSpec, cache: Option<&Path>) -> Result<Prepare> {
        Prepare::fit_shown(dataset, samples, spec, cache, &|_, _| {})
    }

    /// The same; `progress` is called with the number of images that were looked at and of all, from any thread.
    ///
    /// # Errors
    /// As [`Prepare::fit`].
    pub fn fit_shown(
        dataset: &dyn Dataset,
        samples: &[u32],
        spec: &DataSpec,
        cache: Option<&Path>,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Prepare> {
        let mut prepare = Prepare { normalise: spec.normalise, ..Prepare::none(dataset.shape()) };
        prepare.fitted = fingerprint(samples, spec);
        // Broken pictures, of which those that are decoded later are passed over then.
        let there = |s: &u32| dataset.memory().is_none_or(|m| m.whole(Part::Train, *s as usize).is_ok());
        let whole: Vec<u32> = samples.iter().copied().filter(there).collect();
        let samples = &whole[..];
        if spec.normalise == Normalise::MeanStd {
            let moments = channel_moments(dataset, samples, &|done| progress(done, samples.len()))?;
            // A channel without any contrast is only centred.
            let of = |[mean, std]: [f64; 2]| [mean as f32, if std < LEAST { 1.0 } else { std as f32 }];
            prepare.channels = moments.into_iter().map(of).collect();
        }
        if let Some(epsilon) = spec.zca {
            prepare.whitening = Some(Arc::new(zca::fit(dataset, samples, &prepare, epsilon, cache)?));
        }
        Ok(prepare)
    }
}

/// What tells a fit from another one of the same data set.
pub(crate) fn fingerprint(samples: &[u32], spec: &DataSpec) -> String {
    let mut hasher = Sha256::new();
    hasher.update(format!("{} {:?} {}", spec.normalise.name(), spec.zca, samples.len()));
    samples.iter().for_each(|s| hasher.update(s.to_le_bytes()));
    hasher.finalize().iter().take(8).map(|b| format!("{b:02x}")).collect()
}

/// The folder in which what takes long to compute is kept: `RECLRA_CACHE`, else `reclra` in the user's cache folder.
#[must_use]
pub fn cache_home() -> Option<PathBuf> {
    let set = std::env::var_os("RECLRA_CACHE").filter(|v| !v.is_empty()).map(PathBuf::from);
    set.or_else(|| dirs::cache_dir().map(|c| c.join("reclra")))
}
