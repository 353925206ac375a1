//! Judging a network on samples it does not learn from: error and loss, who is taken for whom, top-5 error, the angle between
//! update and gradient.

use crate::metrics::{Confusion, Evaluation, Scores, in_top};
use reclra::{Graph, Learner};
use reclra_data::{DataError, Dataset, Part, Split, drawn, gather};
use serde::{Deserialize, Serialize};

/// Samples the alignment is measured on: the mean update of so many hardly differs from that of all.
pub(crate) const ALIGNED: usize = 1000;

/// Samples evaluated at a time: enough to keep the kernels busy, few enough to stay in the cache.
pub(crate) const EVALUATED: usize = 256;

/// Samples of this network evaluated at a time: fewer where its feature maps are large.
#[must_use]
pub fn evaluated(graph: &Graph) -> usize {
    let widest = graph.regions().iter().map(|r| r.width).max().unwrap_or(1);
    if graph.has_blocks() { ((1 << 22) / widest.max(1)).clamp(8, EVALUATED) } else { EVALUATED }
}

/// Judges the given samples of a part, in order, without augmentation; those whose picture is broken are left out.
///
/// # Errors
/// If a sample cannot be read.
pub fn evaluate(
    learner: &mut Learner,
    dataset: &dyn Dataset,
    part: Part,
    samples: &[u32],
) -> Result<Evaluation, DataError> {
    let mut sum = Evaluation::default();
    each_chunk(dataset, part, samples, evaluated(learner.graph()), |x, labels| {
        let verdict = learner.evaluate(x, labels);
        sum.samples += labels.len();
        sum.wrong += verdict.wrong;
        sum.loss += verdict.loss / samples.len().max(1) as f64;
    })?;
    Ok(mean_of(sum, samples.len()))
}

/// A part of the data, judged: what is counted in one pass over it.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// Samples, mistakes, loss: those of [`evaluate`].
    pub evaluation: Evaluation,
    /// Who is taken for whom.
    pub confusion: Confusion,
    /// Samples whose class is not among the [`TOP`] of the largest outputs.
    pub beyond: usize,
}

/// Guesses that top-5 error allows.
const TOP: usize = 5;

impl Judged {
    /// The figures that follow.
    #[must_use]
    pub fn scores(&self) -> Scores {
        let (precision, recall, f1) = self.confusion.macro_scores();
        let top5_error = (self.confusion.classes() > TOP && self.evaluation.samples > 0)
            .then(|| self.beyond as f64 / self.evaluation.samples as f64);
        Scores { top5_error, precision, recall, f1 }
    }

    /// Share of the samples that are classified wrongly where the most frequent class is named every time; none for fewer than
    /// two classes.
    #[must_use]
    pub fn constant_error(&self) -> Option<f64> {
        let classes = self.confusion.classes();
        let of = |class: usize| (0..classes).map(|taken| self.confusion.count(class, taken)).sum::<u64>();
        let (all, most) = ((0..classes).map(of).sum::<u64>(), (0..classes).map(of).max().unwrap_or(0));
        (most < all).then(|| (all - most) as f64 / all as f64)
    }
}

/// Judges the given samples of a part as [`evaluate`] does, and counts who is taken for whom.
///
/// # Errors
/// If a sample cannot be read.
pub fn judge(learner: &mut Learner, dataset: &dyn Dataset, part: Part, samples: &[u32]) -> Result<Judged, DataError> {
    let classes = dataset.classes();
    let mut evaluation = Evaluation::default();
    let (mut confusion, mut beyond) = (Confusion::new(classes), 0);
    each_chunk(dataset, part, samples, evaluated(learner.graph()), |x, labels| {
        let (verdict, outputs) = learner.judge(x, labels);
        evaluation.samples += labels.len();
        evaluation.wrong += verdict.wrong;
        evaluation.loss += verdict.loss / samples.len().max(1) as f64;
        for (p, &label) in outputs.chunks_exact(classes).zip(labels) {
            confusion.add(label as usize, best(p));
            beyond += usize::from(!in_top(p, label as usize, TOP));
        }
    })?;
    Ok(Judged { evaluation: mean_of(evaluation, samples.len()), confusion, beyond })
}

/// The loss, a mean over so many samples, as the mean over those that were judged: broken pictures are left out.
fn mean_of(mut sum: Evaluation, asked: usize) -> Evaluation {
    if sum.samples < asked {
        sum.loss *= asked as f64 / sum.samples.max(1) as f64;
    }
    sum
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
        if !gather(dataset, part, chunk, &mut x, &mut labels)?.is_empty() {
            judge(&x, &labels);
        }
    }
    Ok(())
}

/// How well one region's update of W is aligned with the gradient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Angle {
    /// Name of the region.
    pub region: String,
    /// 0 is the gradient's direction, below 90 descends.
    pub degrees: f64,
}

/// The angles of all regions on training samples drawn at random, the same every time, unshifted, with the weights as they are;
/// nothing is learnt.
/// It costs a step on so many samples, without its update, and one of backprop.
///
/// # Errors
/// If a sample cannot be read.
pub(crate) fn alignment(
    learner: &mut Learner,
    dataset: &dyn Dataset,
    split: &Split,
    batch: usize,
) -> Result<Vec<Angle>, DataError> {
    // Feature maps are large: of an image network as many samples as a step has.
    let count = if learner.graph().has_blocks() { batch.max(1) } else { ALIGNED };
    let samples = drawn(split.train(), count);
    let (mut x, mut labels) = (Vec::new(), Vec::new());
    gather(dataset, Part::Train, &samples, &mut x, &mut labels)?;
    learner.errors_of(&x, &labels);
    let name = |i: usize| learner.graph().regions()[i].name.clone();
    Ok(learner.alignment().into_iter().map(|(i, degrees)| Angle { region: name(i), degrees }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use reclra::{BlockSpec, Extent, LayerSpec, Phi};

    /// Class 0: 3 right, 1 taken for 1. Class 1: 2 right, 2 taken for 0. The others are neither there nor said.
    fn judged(classes: usize) -> Judged {
        let mut confusion = Confusion::new(classes);
        for (truth, taken, n) in [(0, 0, 3), (0, 1, 1), (1, 1, 2), (1, 0, 2)] {
            (0..n).for_each(|_| confusion.add(truth, taken));
        }
        Judged { evaluation: Evaluation { samples: 8, wrong: 3, loss: 0.5 }, confusion, beyond: 1 }
    }

    #[test]
    fn figures_follow_from_the_counts() {
        let Scores { top5_error, precision, recall, f1 } = judged(2).scores();
        assert_eq!(top5_error, None, "two classes have no top-5 error");
        // Precision 3/5 and 2/3, recall 3/4 and 1/2, F1 2/3 and 4/7.
        let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!(
            near(precision, 19.0 / 30.0) && near(recall, 0.625) && near(f1, 13.0 / 21.0),
            "{precision} {recall} {f1}"
        );
        assert_eq!(judged(5).scores().top5_error, None);
        // Four of each class; of one class alone nothing can be told.
        assert_eq!(judged(2).constant_error(), Some(0.5));
        assert_eq!(Judged { confusion: Confusion::new(2), ..judged(2) }.constant_error(), None);
        let mut uneven = judged(6);
        (0..8).for_each(|_| uneven.confusion.add(5, 0));
        assert_eq!(uneven.constant_error(), Some(0.5));
        (0..16).for_each(|_| uneven.confusion.add(5, 5));
        assert_eq!(uneven.constant_error(), Some(0.25));
        // Four classes that were never said count 0.
        let six = judged(6).scores();
        assert_eq!(six.top5_error, Some(0.125));
        assert!(near(six.precision, precision / 3.0) && near(six.recall, recall / 3.0) && near(six.f1, f1 / 3.0));
    }

    #[test]
    fn of_no_sample_there_is_no_top_5_error() {
        let none = Judged { evaluation: Evaluation::default(), confusion: Confusion::new(6), beyond: 0 };
        assert_eq!(none.scores(), Scores::default());
    }

    #[test]
    fn large_feature_maps_are_evaluated_a_few_at_a_time() {
        let blocks = |places: usize| {
            let block = |name: &str, path, phi| BlockSpec { name: name.to_owned(), path, shortcut: None, phi };
            let dense = LayerSpec::Dense { out: 2, bias: true, gain: 1.0 };
            let body = block("b1", vec![LayerSpec::conv(2, 1, 1, 0)], Phi::Relu);
            let out = block("out", vec![LayerSpec::GlobalMean, dense], Phi::Softmax);
            evaluated(&Graph::of_blocks(Extent::new(1, 1, places), vec![body, out]).unwrap())
        };
        // 2^22 numbers at a time, of at least 8 and at most 256 samples.
        assert_eq!([1 << 12, 1 << 13, 1 << 14, 1 << 15, 1 << 20].map(blocks), [256, 256, 128, 64, 8]);
        assert_eq!(evaluated(&Graph::mlp(&[1 << 20, 2], Phi::Tanh, None).unwrap()), 256);
    }
}
