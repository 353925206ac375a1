//! Several observers of one run.

use crate::fit::{EpochReport, Observer, Progress, State};

/// Tells each of its observers, in order.
pub struct Many<'a>(pub Vec<&'a mut dyn Observer>);

impl Observer for Many<'_> {
    fn step(&mut self, progress: &Progress<'_>) {
        self.0.iter_mut().for_each(|o| o.step(progress));
    }

    fn epoch(&mut self, report: &EpochReport) {
        self.0.iter_mut().for_each(|o| o.epoch(report));
    }

    fn state(&mut self, state: &State<'_>) {
        self.0.iter_mut().for_each(|o| o.state(state));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Count(u32, u32, u32);

    impl Observer for Count {
        fn step(&mut self, _: &Progress<'_>) {
            self.0 += 1;
        }
        fn epoch(&mut self, _: &EpochReport) {
            self.1 += 1;
        }
        fn state(&mut self, _: &State<'_>) {
            self.2 += 1;
        }
    }

    #[test]
    fn each_is_told_everything() {
        let settings = crate::spec::Settings::parse("[train]\nepochs = 2\n[net]\narch = \"64-8-10\"", "test").unwrap();
        let crate::run::Prepared { spec, dataset, .. } = crate::run::prepare(&settings).unwrap();
        let (mut a, mut b) = (Count::default(), Count::default());
        let stop = std::sync::atomic::AtomicBool::new(false);
        let device = reclra::Device::cpu(1);
        let outcome = crate::fit::fit(&spec, &*dataset, device, &mut Many(vec![&mut a, &mut b]), &stop).unwrap();
        let steps = outcome.learner.steps() as u32;
        assert_eq!((a.0, a.1, a.2), (steps, 2, steps + 2));
        assert_eq!((b.0, b.1, b.2), (a.0, a.1, a.2));
    }
}
