//! A data set whose samples come prepared: whoever reads them, to train, judge or look, gets what the network sees.

use super::config::DataSpec;
use super::dataset::Dataset;
use super::error::{Result, whole};
use super::memory::MemoryImages;
use super::prepare::fit::{cache_home, fingerprint};
use super::prepare::{Normalise, Prepare};
use super::shape::{ImageShape, Part};
use super::split::Split;
use super::view::Zoom;
use std::sync::Arc;

/// A data set as a run needs it: the one that was given where nothing is to be prepared, or was already; else one around it.
pub enum Ready<'a> {
    /// As given.
    Same(&'a dyn Dataset),
    /// With every sample prepared.
    Prepared(Box<dyn Dataset + 'a>),
}

impl Ready<'_> {
    /// The data set.
    #[must_use]
    pub fn dataset(&self) -> &dyn Dataset {
        match self {
            Ready::Same(dataset) => *dataset,
            Ready::Prepared(dataset) => &**dataset,
        }
    }
}

/// Makes a data set ready as the spec says, fitted on the samples of the split that are trained on; a whitening is kept in
/// the user's cache folder. What was prepared for another split is prepared anew, from the beginning.
///
/// # Errors
/// If a sample cannot be read, or the data cannot be whitened.
pub fn ready<'a>(dataset: &'a dyn Dataset, split: &Split, spec: &DataSpec) -> Result<Ready<'a>> {
    if fits(dataset, split, spec) {
        return Ok(Ready::Same(dataset));
    }
    let raw = dataset.raw().unwrap_or(dataset);
    let prepare = Prepare::fit(raw, split.train(), spec, cache_home().as_deref())?;
    if prepare.is_none() {
        return Ok(Ready::Same(raw));
    }
    Ok(Ready::Prepared(Box::new(Prepared::new(Inner::Lent(raw), prepare)?)))
}

/// The same of a data set that is shared.
///
/// # Errors
/// As [`ready`].
pub fn ready_shared(dataset: Arc<dyn Dataset>, split: &Split, spec: &DataSpec) -> Result<Arc<dyn Dataset>> {
    ready_shown(dataset, split, spec, &|_, _| {})
}

/// The same; `progress` is called with the number of images that were looked at and of all, from any thread.
///
/// # Errors
/// As [`ready`].
pub fn ready_shown(
    dataset: Arc<dyn Dataset>,
    split: &Split,
    spec: &DataSpec,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Arc<dyn Dataset>> {
    if fits(&*dataset, split, spec) {
        return Ok(dataset);
    }
    let raw = dataset.raw().unwrap_or(&*dataset);
    let prepare = Prepare::fit_shown(raw, split.train(), spec, cache_home().as_deref(), progress)?;
    with_prepare(dataset, prepare)
}

/// A data set whose samples are prepared by what was fitted before: that of a saved model.
///
/// # Errors
/// If a sample of data that are to be whitened cannot be read.
pub fn with_prepare(dataset: Arc<dyn Dataset>, prepare: Prepare) -> Result<Arc<dyn Dataset>> {
    if prepare.is_none() && dataset.raw().is_none() {
        return Ok(dataset);
    }
    Ok(Arc::new(Prepared::new(Inner::Shared(dataset), prepare)?))
}

/// Whether a data set is what the spec asks for already.
fn fits(dataset: &dyn Dataset, split: &Split, spec: &DataSpec) -> bool {
    match dataset.prepared() {
        None => spec.normalise == Normalise::None && spec.zca.is_none(),
        Some(prepare) => prepare.fitted == fingerprint(split.train(), spec),
    }
}

enum Inner<'a> {
    Lent(&'a dyn Dataset),
    Shared(Arc<dyn Dataset>),
}

/// A data set and what is done to its samples.
struct Prepared<'a> {
    inner: Inner<'a>,
    prepare: Prepare,
    /// All samples of both parts, where preparing one by one would cost too much.
    done: Option<[Vec<f32>; 2]>,
}

impl<'a> Prepared<'a> {
    fn new(inner: Inner<'a>, prepare: Prepare) -> Result<Prepared<'a>> {
        let mut made = Prepared { inner, prepare, done: None };
        if made.prepare.whitens() {
            made.done = Some([made.whitened(Part::Train)?, made.whitened(Part::Test)?]);
        }
        Ok(made)
    }

    fn whitened(&self, part: Part) -> Result<Vec<f32>> {
        let (inner, n) = (self.inner(), self.shape().len());
        let mut all = vec![0.0; inner.len(part) * n];
        // A broken picture leaves zeros, which nobody is given.
        let read = |(i, row): (usize, &mut [f32])| whole(inner.pixels(part, i, row)).map(|_| ());
        all.chunks_exact_mut(n).enumerate().try_for_each(read)?;
        self.prepare.apply_all(&mut all);
        Ok(all)
    }

    fn inner(&self) -> &dyn Dataset {
        match &self.inner {
            Inner::Lent(dataset) => *dataset,
            // What was prepared otherwise is taken as it was before.
            Inner::Shared(dataset) => dataset.raw().unwrap_or(&**dataset),
        }
    }
}

impl Dataset for Prepared<'_> {
    fn name(&self) -> &str {
        self.inner().name()
    }

    fn shape(&self) -> ImageShape {
        self.inner().shape()
    }

    fn class_names(&self) -> &[String] {
        self.inner().class_names()
    }

    fn len(&self, part: Part) -> usize {
        self.inner().len(part)
    }

    fn label(&self, part: Part, index: usize) -> u32 {
        self.inner().label(part, index)
    }

    fn pixels(&self, part: Part, index: usize, out: &mut [f32]) -> Result<()> {
        if let Some(done) = &self.done {
            if let Some(images) = self.inner().memory() {
                images.whole(part, index)?;
            }
            let n = out.len();
            out.copy_from_slice(&done[usize::from(part == Part::Test)][index * n..(index + 1) * n]);
            return Ok(());
        }
        self.inner().pixels(part, index, out)?;
        self.prepare.apply(out);
        Ok(())
    }

    fn zoomed(&self, part: Part, index: usize, zoom: Zoom, out: &mut [f32]) -> Result<()> {
        self.inner().zoomed(part, index, zoom, out)?;
        self.prepare.apply(out);
        Ok(())
    }

    fn white(&self) -> u8 {
        self.inner().white()
    }

    fn validation(&self) -> usize {
        self.inner().validation()
    }

    fn stored_validation(&self) -> usize {
        self.inner().stored_validation()
    }

    fn lazy(&self) -> bool {
        self.inner().lazy()
    }

    fn published(&self) -> Option<bool> {
        self.inner().published()
    }

    fn notes(&self) -> Vec<String> {
        self.inner().notes()
    }

    fn memory(&self) -> Option<&MemoryImages> {
        None
    }

    fn prepared(&self) -> Option<&Prepare> {
        Some(&self.prepare)
    }

    fn raw(&self) -> Option<&dyn Dataset> {
        Some(self.inner())
    }
}
