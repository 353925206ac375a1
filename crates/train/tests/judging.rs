//! Judging by what is counted of it one sample at a time: error, loss, confusion, top-5 error, with more than ten classes, in more than
//! one chunk, with broken pictures.

#[path = "common/toy.rs"]
mod toy;

use reclra::{Device, Graph, HeadOnly, Learner, Optim, Phi};
use reclra_data::{DataError, Dataset, ImageShape, Part, Result};
use reclra_train::judge::{best, evaluate, judge};
use reclra_train::metrics::{Evaluation, top5_tells};
use toy::Toy;

const CLASSES: usize = 12;

/// The toy data set, some of whose pictures are broken.
struct Partly(Toy);

fn is_broken(index: usize) -> bool {
    index % 7 == 3
}

impl Dataset for Partly {
    fn name(&self) -> &str {
        self.0.name()
    }
    fn shape(&self) -> ImageShape {
        self.0.shape()
    }
    fn class_names(&self) -> &[String] {
        self.0.class_names()
    }
    fn len(&self, part: Part) -> usize {
        self.0.len(part)
    }
    fn label(&self, part: Part, index: usize) -> u32 {
        self.0.label(part, index)
    }
    fn pixels(&self, part: Part, index: usize, out: &mut [f32]) -> Result<()> {
        if is_broken(index) {
            return Err(DataError::Broken { path: "toy".into(), why: "it is broken".into() });
        }
        self.0.pixels(part, index, out)
    }
}

/// More samples than are judged at a time, in no order.
fn samples() -> Vec<u32> {
    (0..600_u32).map(|i| i * 7 % 601).collect()
}

fn learner() -> Learner {
    let graph = Graph::mlp(&[6, 9, CLASSES], Phi::Tanh, None).unwrap();
    Learner::new(graph, Box::new(HeadOnly), 0.8, Optim::default(), Device::cpu(1), 3).unwrap()
}

#[test]
fn judging_counts_what_each_sample_adds() {
    let toy = || Toy::new(1, 2, 3, CLASSES, 601);
    let whole: &dyn Dataset = &toy();
    let partly: &dyn Dataset = &Partly(toy());
    for (dataset, broken) in [(whole, false), (partly, true)] {
        let mut net = learner();
        let (mut counts, mut wrong, mut beyond, mut loss, mut there) = (vec![0_u64; CLASSES * CLASSES], 0, 0, 0.0, 0);
        for &sample in samples().iter().filter(|&&s| !broken || !is_broken(s as usize)) {
            let mut x = [0.0; 6];
            dataset.pixels(Part::Train, sample as usize, &mut x).unwrap();
            let label = dataset.label(Part::Train, sample as usize) as usize;
            let outputs = net.predict(&x);
            let said = (0..CLASSES).fold(0, |a, b| if outputs[b] > outputs[a] { b } else { a });
            counts[label * CLASSES + said] += 1;
            wrong += usize::from(said != label);
            beyond += usize::from(outputs.iter().filter(|&&v| v > outputs[label]).count() >= 5);
            loss -= f64::from(outputs[label]).ln();
            there += 1;
        }
        let judged = judge(&mut net, dataset, Part::Train, &samples()).unwrap();
        assert_eq!((judged.evaluation.samples, judged.evaluation.wrong), (there, wrong));
        assert!((judged.evaluation.loss - loss / there as f64).abs() < 1e-5);
        assert!((judged.evaluation.error() - wrong as f64 / there as f64).abs() < 1e-12);
        for (truth, said) in (0..CLASSES).flat_map(|t| (0..CLASSES).map(move |p| (t, p))) {
            assert_eq!(judged.confusion.count(truth, said), counts[truth * CLASSES + said], "{truth} taken for {said}");
        }
        assert_eq!(judged.beyond, beyond);
        assert!(beyond > 0 && beyond < wrong && wrong < there, "{beyond} {wrong} {there}");
        assert_eq!(judged.scores().top5_error, Some(beyond as f64 / there as f64));
        let evaluation = evaluate(&mut net, dataset, Part::Train, &samples()).unwrap();
        assert_eq!(
            Evaluation { loss: 0.0, ..evaluation },
            Evaluation { loss: 0.0, ..judged.evaluation },
            "both ways of judging agree"
        );
        assert!((evaluation.loss - judged.evaluation.loss).abs() < 1e-12);
    }
}

#[test]
fn the_first_of_equal_outputs_is_the_prediction() {
    assert_eq!(best(&[0.1, 0.4, 0.4, 0.1]), 1);
    assert_eq!(best(&[0.25; 4]), 0);
    assert_eq!(best(&[]), 0);
}

#[test]
fn top_5_error_is_shown_for_more_than_ten_classes() {
    assert_eq!([2, 10, 11, 1000].map(top5_tells), [false, false, true, true]);
}
