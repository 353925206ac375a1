//! The pool's core under loom: every order in which the threads can take their turns, and every value that their atomics may
//! then show them.
//!
//! `src/pool/door.rs` is compiled here once more, against loom's atomics and locks. A worker that enters a job that is over would
//! touch atomics that are gone, and one whose writes are not seen when the caller goes on touches a cell out of turn: loom tells
//! of either, as of a thread that nobody wakes.

mod sync {
    pub(crate) use loom::hint::spin_loop;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize};
    pub(crate) use loom::sync::{Condvar, Mutex};
    pub(crate) use loom::thread::yield_now;

    /// Workers park at once: a spin is a turn in which nothing happens.
    pub(crate) const SPINS: usize = 1;
}

#[path = "../src/pool/door.rs"]
mod door;

use door::Shared;
use loom::cell::UnsafeCell;
use loom::sync::Arc;

/// One cell a task, which nobody but the task and, after the job, the caller may touch.
struct Outputs(Vec<UnsafeCell<usize>>);

// SAFETY: loom's cells tell when two threads reach one without an order between them; finding that is what they are here for.
unsafe impl Sync for Outputs {}

impl Outputs {
    fn new(tasks: usize) -> Self {
        Outputs((0..tasks).map(|_| UnsafeCell::new(0)).collect())
    }

    fn add(&self, i: usize, n: usize) {
        // SAFETY: loom panics before two threads hold the pointer at once.
        self.0[i].with_mut(|cell| unsafe { *cell += n });
    }

    fn get(&self, i: usize) -> usize {
        // SAFETY: as above.
        self.0[i].with(|cell| unsafe { *cell })
    }
}

/// All orders of `workers` workers and a caller that hands out jobs of so many tasks and then ends the pool.
fn explore(workers: usize, jobs: &'static [usize], preemptions: Option<usize>) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = preemptions;
    model.check(move || {
        let shared = Arc::new(Shared::new());
        let hands: Vec<_> = (0..workers)
            .map(|_| {
                let shared = shared.clone();
                loom::thread::spawn(move || shared.serve())
            })
            .collect();
        for (round, &tasks) in jobs.iter().enumerate() {
            let outputs = Outputs::new(tasks);
            assert!(shared.hand_out(tasks, &|i| outputs.add(i, round + i + 1)).is_none());
            // Each task was done, once, and what it wrote is seen here.
            (0..tasks).for_each(|i| assert_eq!(outputs.get(i), round + i + 1));
        }
        shared.end();
        hands.into_iter().for_each(|hand| hand.join().unwrap());
    });
}

#[test]
fn a_worker_and_two_jobs_in_every_order_of_four_preemptions() {
    explore(1, &[2, 2], Some(4));
}

#[test]
fn two_workers_and_a_job_in_every_order_of_three_preemptions() {
    explore(2, &[2], Some(3));
}

#[test]
fn a_pool_that_gets_no_job_ends() {
    explore(2, &[], None);
}

#[test]
fn the_first_panic_comes_back_whoever_met_it() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    // Hundreds of orders, each with a message, unless it is kept back.
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !panic.payload().is::<usize>() {
            told(panic);
        }
    }));
    model.check(|| {
        let shared = Arc::new(Shared::new());
        let worker = shared.clone();
        let hand = loom::thread::spawn(move || worker.serve());
        let payload = shared
            .hand_out(2, &|i| {
                if i == 1 {
                    std::panic::panic_any(i)
                }
            })
            .expect("the panic is kept");
        assert_eq!(payload.downcast_ref::<usize>(), Some(&1));
        shared.end();
        hand.join().unwrap();
    });
}
