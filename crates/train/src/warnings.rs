//! Warnings about a run: of its settings and data before it begins, and of its figures once it is over.

use crate::record::Record;
use crate::spec::{DataFacts, RunSpec, SpecError};
use reclra_data::text::count;
use reclra_data::{Dataset, Part};

/// Images below which the error of a part is coarse.
const FEW: usize = 100;
/// Growth of the training loss that is no fluctuation, and the loss below which any is.
const GROWN: (f64, f64) = (10.0, 0.1);

/// Warnings about the rule, the preparation of the data and the sizes of its parts.
///
/// # Errors
/// None for a resolved spec.
pub fn before(spec: &RunSpec, facts: &DataFacts, dataset: &dyn Dataset) -> Result<Vec<String>, SpecError> {
    let graph = spec.graph()?;
    let mut all = spec.rule.build(&graph)?.warnings(&graph);
    all.extend(spec.data.warning(facts));
    let parts = [
        (spec.data.validation, "validation image", "take more with data.validation"),
        (dataset.len(Part::Test), "test image", "take more if you can"),
    ];
    let few = parts.into_iter().filter(|(images, ..)| (1..FEW).contains(images));
    all.extend(few.map(|(images, what, remedy)| coarse(images, what, remedy)));
    Ok(all)
}

fn coarse(images: usize, what: &str, remedy: &str) -> String {
    let step = 100.0 / images as f64;
    format!("{}: one image is {step:.2} % of their error, which is that coarse; {remedy}", count(images, what))
}

/// Warnings about the figures of a run of that spec that came to its end: an error no better than that of a constant answer, a
/// training loss that grew.
#[must_use]
pub fn after(record: &Record, spec: &RunSpec) -> Vec<String> {
    let mut all = Vec::from_iter(record.at_chance());
    // A network that tells no class from another, as it does at the start.
    let start = (spec.net.widths.last().copied().unwrap_or(1) as f64).ln();
    let least = record.epochs.iter().min_by(|a, b| a.train_loss.total_cmp(&b.train_loss));
    if let (Some(least), Some(last)) = (least, record.epochs.last())
        && last.train_loss >= GROWN.1.max(GROWN.0 * least.train_loss.min(start))
    {
        let (before, since) = if least.train_loss < start {
            (least.train_loss, format!("in epoch {}", least.epoch))
        } else {
            (start, "before training".to_owned())
        };
        all.push(format!(
            "training loss {:.4} in the last epoch, from {before:.4} {since}: it grew more than tenfold; lower optim.lr",
            last.train_loss,
        ));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::EpochReport;
    use crate::metrics::Evaluation;
    use crate::run::{Prepared, prepare};
    use crate::spec::Settings;

    fn prepared(text: &str) -> Prepared {
        prepare(&Settings::parse(text, "spec").unwrap()).unwrap()
    }

    #[test]
    fn small_parts_are_called_coarse() {
        let of = |validation: usize| {
            let Prepared { spec, facts, dataset } = prepared(&format!("data.validation = {validation}"));
            before(&spec, &facts, &*dataset).unwrap()
        };
        assert_eq!((of(0), of(100), of(144)), (vec![], vec![], vec![]));
        let line = "4 validation images: one image is 25.00 % of their error, which is that coarse; take more with data.validation";
        assert_eq!(of(4), [line]);
        assert!(of(99)[0].starts_with("99 validation images: one image is 1.01 %"));
    }

    #[test]
    fn chance_and_growing_losses_are_warned_of() {
        let spec = prepared("").spec;
        let of = |losses: &[f64], wrong: usize, constant_error: Option<f64>| {
            let epoch = |(n, &train_loss)| EpochReport { epoch: n as u64 + 1, train_loss, ..EpochReport::default() };
            let epochs = losses.iter().enumerate().map(epoch).collect();
            let test = Some(Evaluation { samples: 50, wrong, loss: 1.0 });
            after(&Record { test, constant_error, ..Record::unfinished(&spec, epochs).unwrap() }, &spec)
        };
        let none: Vec<String> = Vec::new();
        assert_eq!(of(&[2.0, 1.0], 39, Some(0.8)), none, "better than chance by one image");
        assert_eq!(of(&[2.0, 1.0], 40, None), none, "one class alone has no chance level");
        let lines = of(&[2.0, 1.0], 40, Some(0.8));
        assert!(lines.len() == 1 && lines[0].starts_with("test error 80.00 %: no better than chance"), "{lines:?}");
        assert!(lines[0].contains("errs in 80.00 %"), "{lines:?}");
        assert_eq!(of(&[0.5, 0.05, 0.49], 1, Some(0.8)), none);
        let lines = of(&[0.5, 0.05, 0.1, 0.5], 1, Some(0.8));
        let line =
            "training loss 0.5000 in the last epoch, from 0.0500 in epoch 2: it grew more than tenfold; lower optim.lr";
        assert_eq!(lines, [line]);
        assert_eq!(of(&[0.5, 5.0], 1, Some(0.8)).len(), 1, "since the first epoch");
        let lines = of(&[400.0, 30.0], 1, Some(0.8));
        assert!(lines.len() == 1 && lines[0].contains("from 2.3026 before training"), "{lines:?}");
        assert_eq!(of(&[40.0, 20.0], 1, Some(0.8)), none);
        assert_eq!(of(&[0.5, 1e-4, 0.01], 1, Some(0.8)), none, "a small loss may vary");
    }
}
