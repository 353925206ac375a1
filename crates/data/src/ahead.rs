//! The batches of an epoch in order; where that is worth a thread, each is gathered while the step before it runs.
//!
//! Where samples have to be decoded two threads gather, each the batches of every other position, and within a batch the
//! samples are decoded by as many threads as there are cores ([`super::loader::gather`]): so none of these waits for the last
//! sample of a batch. No more than two batches a gatherer are there at a time. A batch is a pure function of (seed, epoch, position), so that whoever gathers it, and when, changes no bit of a result.

use super::error::DataError;
use super::loader::{Batch, Loader};
use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

/// Batches of an epoch that are timed before a thread is thought of.
const PROBED: u64 = 6;

/// Gatherers where samples have to be decoded.
const DECODING: usize = 2;

/// What it costs to hand a batch from thread to thread: two wake-ups.
const HANDOVER: Duration = Duration::from_micros(20);

/// Who gathers batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gathering {
    /// The thread that runs the steps, in between.
    Here,
    /// A thread of its own, one batch ahead.
    Beside {
        /// From the first batch on; else once the first ones have shown that it brings more than it costs.
        always: bool,
    },
}

impl Gathering {
    /// What suits steps on so many threads: a thread of its own only has a place where a core is left over.
    pub fn beside(computing: usize) -> Gathering {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        if computing < cores { Gathering::Beside { always: false } } else { Gathering::Here }
    }
}

/// Hands out the batches of an epoch in order, the one at `from` first, until `done` fails.
///
/// # Errors
/// What `done` returns, or that a sample cannot be read: then after all batches before it.
///
/// # Panics
/// With the panic of the data set, if it panics.
pub fn each_batch<E: From<DataError>>(
    loader: &Loader<'_>,
    (epoch, from): (u64, u64),
    gathering: Gathering,
    done: &mut dyn FnMut(u64, &Batch) -> Result<(), E>,
) -> Result<(), E> {
    let mut batch = Batch::default();
    let all = loader.batches();
    if loader.works() {
        return run_beside(loader, epoch, (from..all, DECODING), batch, done);
    }
    let (mut gathered, mut stepped) = (Duration::MAX, Duration::MAX);
    for position in from..all {
        let beside = match gathering {
            Gathering::Here => false,
            Gathering::Beside { always } => always || (position == from + PROBED && pays(gathered, stepped)),
        };
        if beside {
            return run_beside(loader, epoch, (position..all, 1), batch, done);
        }
        let begun = Instant::now();
        loader.fill(epoch, position, &mut batch)?;
        let filled = Instant::now();
        done(position, &batch)?;
        // The fastest of some: the first of an epoch shuffles, others are interrupted.
        gathered = gathered.min(filled - begun);
        stepped = stepped.min(filled.elapsed());
    }
    Ok(())
}

/// Whether gathering, which then hides behind the step or hides it, is worth the handover, and is no mere trifle of the
/// step.
fn pays(gathered: Duration, stepped: Duration) -> bool {
    gathered.min(stepped) > 2 * HANDOVER && gathered > stepped / 50
}

/// The same with threads that gather, each the batches of its own positions. Two batches go round with each: one is filled
/// while the other is worked on.
fn run_beside<E: From<DataError>>(
    loader: &Loader<'_>,
    epoch: u64,
    (positions, gatherers): (Range<u64>, usize),
    mut spare: Batch,
    done: &mut dyn FnMut(u64, &Batch) -> Result<(), E>,
) -> Result<(), E> {
    std::thread::scope(|scope| {
        let (mut lanes, mut threads) = (Vec::new(), Vec::new());
        for lane in 0..gatherers {
            let (give, empty) = sync_channel::<Batch>(2);
            let (hand, full) = sync_channel(2);
            let asked = positions.clone().skip(lane).step_by(gatherers);
            let gather = move || {
                for position in asked {
                    // Either end is dropped as soon as nobody wants more batches.
                    let Ok(mut batch) = empty.recv() else { return };
                    let filled = loader.fill(epoch, position, &mut batch).map(|()| batch);
                    let failed = filled.is_err();
                    if hand.send(filled).is_err() || failed {
                        return;
                    }
                }
            };
            let Ok(thread) = std::thread::Builder::new().name("reclra-batches".to_owned()).spawn_scoped(scope, gather)
            else {
                // Where the system has no thread left, there is no hurry.
                return positions.into_iter().try_for_each(|position| {
                    loader.fill(epoch, position, &mut spare)?;
                    done(position, &spare)
                });
            };
            // The channels have room for all batches there are, so that sending never waits; nor does it matter whether
            // the thread has left already.
            for batch in [std::mem::take(&mut spare), Batch::default()] {
                let _ = give.send(batch);
            }
            lanes.push((give, full));
            threads.push(thread);
        }
        for (turn, position) in positions.enumerate() {
            let (give, full) = &lanes[turn % gatherers];
            let Ok(filled) = full.recv() else { break };
            let batch = filled?;
            done(position, &batch)?;
            let _ = give.send(batch);
        }
        // Nobody waits for batches any more, whatever ended the others.
        drop(lanes);
        for thread in threads {
            thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dataset, ImageShape, MemoryImages, Part, Result, Split, digits};
    use proptest::prelude::*;

    const WAYS: [Gathering; 3] =
        [Gathering::Here, Gathering::Beside { always: true }, Gathering::Beside { always: false }];

    /// The digits with one that cannot be read, or whose reading panics, decoded when asked for if they are `lazy`.
    #[derive(Debug)]
    struct Broken {
        digits: MemoryImages,
        at: usize,
        panics: bool,
        lazy: bool,
    }

    impl Dataset for Broken {
        fn name(&self) -> &str {
            "broken"
        }
        fn shape(&self) -> ImageShape {
            self.digits.shape()
        }
        fn class_names(&self) -> &[String] {
            self.digits.class_names()
        }
        fn len(&self, part: Part) -> usize {
            self.digits.len(part)
        }
        fn label(&self, part: Part, index: usize) -> u32 {
            self.digits.label(part, index)
        }
        fn lazy(&self) -> bool {
            self.lazy
        }
        fn pixels(&self, part: Part, index: usize, out: &mut [f32]) -> Result<()> {
            assert!(!self.panics || index != self.at, "sample {index} is cursed");
            if index == self.at {
                return Err(DataError::Validation { asked: index, there: 0 });
            }
            self.digits.pixels(part, index, out)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn batches_are_those_of_the_loader_in_order_whoever_gathers(
            batch in 1_usize..400, shift in 0_usize..3, epoch in 0_u64..5, seed: u64,
        ) {
            let data = digits().unwrap();
            let split = Split::new(&data, 1000, seed).unwrap();
            let loader = Loader::new(&data, &split, batch, shift, seed);
            let mut expected = Batch::default();
            let decoded = Broken { digits: data.clone(), at: usize::MAX, panics: false, lazy: true };
            let decoding = Loader::new(&decoded, &split, batch, shift, seed);
            for (way, from) in WAYS.map(|w| (w, &loader)).into_iter().chain([(Gathering::Here, &decoding)]) {
                let mut next = 0;
                each_batch::<DataError>(from, (epoch, 0), way, &mut |position, got| {
                    assert_eq!(position, next);
                    loader.fill(epoch, position, &mut expected)?;
                    assert_eq!(got, &expected);
                    next += 1;
                    Ok(())
                }).unwrap();
                prop_assert_eq!(next, loader.batches());
            }
        }
    }

    #[test]
    fn a_sample_that_cannot_be_read_ends_the_epoch_at_its_batch() {
        let digits = digits().unwrap();
        let split = Split::new(&digits, 0, 0).unwrap();
        for at in [0, 700, 1400] {
            let [data, lazy] = [false, true].map(|lazy| Broken { digits: digits.clone(), at, panics: false, lazy });
            let [loader, decoding] = [&data, &lazy].map(|d| Loader::new(d, &split, 32, 0, 3));
            let mut ends = Vec::new();
            for (way, loader) in WAYS.map(|w| (w, &loader)).into_iter().chain([(Gathering::Here, &decoding)]) {
                let mut seen = 0;
                let error = each_batch::<DataError>(loader, (0, 0), way, &mut |_, batch| {
                    assert!(!batch.samples.contains(&(at as u32)));
                    seen += 1;
                    Ok(())
                });
                assert!(matches!(error, Err(DataError::Validation { asked, .. }) if asked == at), "{way:?}: {error:?}");
                ends.push(seen);
            }
            assert!(ends.iter().all(|&e| e == ends[0]), "{ends:?}");
        }
    }

    /// After every number of steps: nothing hangs, and no further batch is handed out.
    #[test]
    fn stopping_early_stops() {
        let data = digits().unwrap();
        let split = Split::new(&data, 0, 0).unwrap();
        let lazy = Broken { digits: data.clone(), at: usize::MAX, panics: false, lazy: true };
        let (loader, decoding) = (Loader::new(&data, &split, 100, 0, 3), Loader::new(&lazy, &split, 100, 0, 3));
        for (way, loader) in WAYS.map(|w| (w, &loader)).into_iter().chain([(Gathering::Here, &decoding)]) {
            for last in 0..loader.batches() {
                let mut seen = 0;
                let stopped = each_batch::<DataError>(loader, (0, 0), way, &mut |position, _| {
                    seen += 1;
                    if position == last { Err(DataError::Validation { asked: 7, there: 0 }) } else { Ok(()) }
                });
                assert!(matches!(stopped, Err(DataError::Validation { asked: 7, .. })), "{way:?}: {stopped:?}");
                assert_eq!(seen, last + 1);
            }
        }
    }

    #[test]
    fn an_epoch_can_begin_anywhere() {
        let data = digits().unwrap();
        let split = Split::new(&data, 0, 0).unwrap();
        let loader = Loader::new(&data, &split, 100, 1, 3);
        for way in WAYS {
            for from in 0..=loader.batches() {
                let mut got = Vec::new();
                each_batch::<DataError>(&loader, (2, from), way, &mut |position, batch| {
                    got.push((position, batch.clone()));
                    Ok(())
                })
                .unwrap();
                let mut expected = Batch::default();
                assert_eq!(got.len() as u64, loader.batches() - from);
                for (n, (position, batch)) in got.iter().enumerate() {
                    assert_eq!(*position, from + n as u64);
                    loader.fill(2, *position, &mut expected).unwrap();
                    assert_eq!(batch, &expected);
                }
            }
        }
    }

    #[test]
    fn panics_are_passed_on() {
        let digits = digits().unwrap();
        let split = Split::new(&digits, 0, 0).unwrap();
        let [broken, lazy] = [false, true].map(|lazy| Broken { digits: digits.clone(), at: 700, panics: true, lazy });
        let [loader, decoding] = [&broken, &lazy].map(|d| Loader::new(d, &split, 32, 0, 3));
        for (way, loader) in WAYS.map(|w| (w, &loader)).into_iter().chain([(Gathering::Here, &decoding)]) {
            for in_step in [false, true] {
                let run = || {
                    each_batch::<DataError>(loader, (0, 0), way, &mut |_, _| {
                        assert!(!in_step, "the step is cursed");
                        Ok(())
                    })
                };
                let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).expect_err("it panics");
                let said = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
                assert!(said.is_some_and(|s| s.contains("is cursed")), "{way:?} {in_step}: {said:?}");
            }
        }
    }

    #[test]
    fn a_thread_is_there_only_where_it_pays() {
        let us = Duration::from_micros;
        assert!(!pays(us(13), us(150)), "32 images of MNIST are gathered as fast as they are handed over");
        assert!(!pays(us(500), us(10)), "nothing to hide behind");
        assert!(!pays(us(60), us(30_000)), "a trifle of the step");
        assert!(pays(us(200), us(2000)));
    }
}
