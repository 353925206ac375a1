//! What a report has to find out with the network and the data themselves: who is taken for whom on the test part, its
//! worst mistakes, what the first region looks for.

use reclra::Learner;
use reclra_data::{DataError, Dataset, ImageShape, Part, gather};
use reclra_train::fit::best;
use reclra_train::judge::evaluated;
use reclra_train::metrics::Confusion;

/// Mistakes shown.
const MISTAKES: usize = 24;
/// Units of the first region shown.
const UNITS: usize = 64;

/// What was found.
#[derive(Clone, Debug)]
pub struct Findings {
    /// Who is taken for whom in the test part.
    pub confusion: Confusion,
    /// Samples of the test part that were classified wrongly, those of the highest loss first.
    pub mistakes: Vec<Mistake>,
    /// Rows of the first region's W, one a unit; none if no region has a synapse from the input.
    pub weights: Vec<Vec<f32>>,
    /// Units of that region in all.
    pub units: usize,
    /// Pixels of a sample.
    pub shape: ImageShape,
    /// Pixels of a row of W: those of a sample, or of the window of a convolution.
    pub window: ImageShape,
    /// Training and test samples of the data set.
    pub samples: (usize, usize),
}

/// A sample that was classified wrongly.
#[derive(Clone, Debug, PartialEq)]
pub struct Mistake {
    /// Place in the test part.
    pub index: usize,
    /// Its class.
    pub truth: usize,
    /// The class it was taken for.
    pub taken: usize,
    /// Probability of the class it was taken for.
    pub probability: f64,
    /// Probability of its own class.
    pub of_truth: f64,
    /// Its pixels.
    pub pixels: Vec<f32>,
}

impl Findings {
    /// Judges the test part sample by sample and copies the first weights.
    ///
    /// # Errors
    /// If a sample cannot be read.
    pub fn find(learner: &mut Learner, dataset: &dyn Dataset) -> Result<Findings, DataError> {
        let (classes, shape) = (dataset.classes(), dataset.shape());
        let mut confusion = Confusion::new(classes);
        let mut mistakes: Vec<Mistake> = Vec::new();
        let (mut x, mut labels, mut judged) = (Vec::new(), Vec::new(), 0);
        let test: Vec<u32> = (0..dataset.len(Part::Test) as u32).collect();
        for chunk in test.chunks(evaluated(learner.graph())) {
            let kept = gather(dataset, Part::Test, chunk, &mut x, &mut labels)?;
            if kept.is_empty() {
                continue;
            }
            judged += kept.len();
            let outputs = learner.predict(&x);
            let rows = outputs.chunks_exact(classes).zip(x.chunks_exact(shape.len()));
            for ((&index, &label), (p, pixels)) in kept.iter().zip(&labels).zip(rows) {
                let (truth, taken) = (label as usize, best(p));
                confusion.add(truth, taken);
                if truth != taken {
                    mistakes.push(Mistake {
                        index: index as usize,
                        truth,
                        taken,
                        probability: f64::from(p[taken]),
                        of_truth: f64::from(p[truth]),
                        pixels: pixels.to_vec(),
                    });
                }
            }
            // The loss is -ln of the probability of the true class: the smallest of these are the worst.
            mistakes.sort_by(|a, b| a.of_truth.total_cmp(&b.of_truth).then(a.index.cmp(&b.index)));
            mistakes.truncate(MISTAKES);
        }
        // Shown as they are stored, not as they are prepared for the network.
        if let Some(raw) = dataset.raw() {
            mistakes.iter_mut().try_for_each(|m| raw.pixels(Part::Test, m.index, &mut m.pixels))?;
        }
        let (weights, units, window) = first_weights(learner, shape);
        let samples = (dataset.len(Part::Train), judged);
        Ok(Findings { confusion, mistakes, weights, units, shape, window, samples })
    }
}

/// The first rows of the W that leads from the input into the first region, how many there are, and their shape. A first
/// convolution whose window is wider than a place has its filters shown.
fn first_weights(learner: &Learner, shape: ImageShape) -> (Vec<Vec<f32>>, usize, ImageShape) {
    let region = &learner.graph().regions()[1];
    let (first, window) = match &region.inside {
        None => (region.sources.first() == Some(&0)).then_some((learner.graph().weight(1, 0), shape)),
        Some(block) => block.path().first().and_then(|stage| stage.layer.window()).map(|[height, width]| {
            (learner.graph().inside(1, 0), ImageShape { channels: shape.channels, height, width })
        }),
    }
    .filter(|(_, window)| window.height * window.width > 1)
    .unzip();
    let list = learner.averaged().unwrap_or_else(|| learner.parameters());
    let (Some(first), Some(window)) = (first, window) else { return (Vec::new(), 0, shape) };
    match list.iter().find(|p| p.param == first) {
        Some(w) if w.shape.get(1) == Some(&window.len()) => {
            let rows = w.values().chunks_exact(window.len().max(1)).take(UNITS).map(<[f32]>::to_vec).collect();
            (rows, w.shape[0], window)
        }
        _ => (Vec::new(), 0, shape),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::trained;

    #[test]
    fn mistakes_are_the_worst_of_the_test_part_and_agree_with_the_matrix() {
        let (_, mut learner, dataset) = trained(&[("train.epochs", 2)]);
        let found = Findings::find(&mut learner, &*dataset).unwrap();
        assert_eq!(found.samples, (1438, 359));
        assert_eq!((found.weights.len(), found.weights[0].len(), found.units), (20, 64, 20));
        // One by one, the naive way.
        let mut all = Vec::new();
        for i in 0..359 {
            let mut pixels = vec![0.0; 64];
            dataset.pixels(Part::Test, i, &mut pixels).unwrap();
            let (p, truth) = (learner.predict(&pixels), dataset.label(Part::Test, i) as usize);
            if best(&p) != truth {
                all.push((p[truth], i, best(&p), pixels));
            }
        }
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let wrong: u64 = (0..10)
            .flat_map(|t| (0..10).map(move |p| (t, p)))
            .filter(|(t, p)| t != p)
            .map(|(t, p)| found.confusion.count(t, p))
            .sum();
        assert_eq!(wrong as usize, all.len());
        assert!(all.len() > MISTAKES, "{} mistakes after two epochs", all.len());
        assert_eq!(found.mistakes.len(), MISTAKES);
        for (m, (_, index, taken, pixels)) in found.mistakes.iter().zip(&all) {
            assert_eq!((m.index, m.taken, &m.pixels), (*index, *taken, pixels));
            assert!(m.probability >= m.of_truth, "{m:?}");
        }
    }
}
