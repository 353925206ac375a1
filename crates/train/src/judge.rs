//! Judging a network on samples it does not learn from: error and loss, who is taken for whom.

use crate::data::{DataError, Dataset, Part, gather};
use crate::metrics::{Confusion, Evaluation};
use reclra::{Graph, Learner};

/// Samples evaluated at a time: enough to keep the kernels busy, few enough to stay in the cache.
pub(crate) const EVALUATED: usize = 256;

/// Samples of this network evaluated at a time: fewer where its feature maps are large.
pub(crate) fn evaluated(graph: &Graph) -> usize {
    let widest = graph.regions().iter().map(|r| r.width).max().unwrap_or(1);
    if graph.has_blocks() { ((1 << 22) / widest.max(1)).clamp(8, EVALUATED) } else { EVALUATED }
}

/// Judges the given samples of a part, in order, without augmentation.
///
/// # Errors
/// If a sample cannot be read.
pub fn evaluate(
    learner: &mut Learner,
    dataset: &dyn Dataset,
    part: Part,
    samples: &[u32],
) -> Result<Evaluation, DataError> {
    let mut sum = Evaluation { samples: samples.len(), ..Evaluation::default() };
    each_chunk(dataset, part, samples, evaluated(learner.graph()), |x, labels| {
        let verdict = learner.evaluate(x, labels);
        sum.wrong += verdict.wrong;
        sum.loss += verdict.loss / samples.len().max(1) as f64;
    })?;
    Ok(sum)
}

/// Who is taken for whom among the given samples of a part.
///
/// # Errors
/// If a sample cannot be read.
pub fn confusion(
    learner: &mut Learner,
    dataset: &dyn Dataset,
    part: Part,
    samples: &[u32],
) -> Result<Confusion, DataError> {
    let classes = dataset.classes();
    let mut counts = Confusion::new(classes);
    each_chunk(dataset, part, samples, evaluated(learner.graph()), |x, labels| {
        for (p, &label) in learner.predict(x).chunks_exact(classes).zip(labels) {
            counts.add(label as usize, best(p));
        }
    })?;
    Ok(counts)
}

/// The largest of some outputs; the first of equals.
#[must_use]
pub fn best(outputs: &[f32]) -> usize {
    (0..outputs.len()).rev().max_by(|&a, &b| outputs[a].total_cmp(&outputs[b])).unwrap_or(0)
}

fn each_chunk(
    dataset: &dyn Dataset,
    part: Part,
    samples: &[u32],
    size: usize,
    mut judge: impl FnMut(&[f32], &[u32]),
) -> Result<(), DataError> {
    let (mut x, mut labels) = (Vec::new(), Vec::new());
    for chunk in samples.chunks(size) {
        gather(dataset, part, chunk, &mut x, &mut labels)?;
        judge(&x, &labels);
    }
    Ok(())
}
