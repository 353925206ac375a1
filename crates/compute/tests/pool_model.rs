//! The pool's core under loom: every order in which the threads can take their turns, and every value that their atomics may
//! then show them.
//!
//! `src/cpu/pool/door.rs` is compiled here once more, against loom's atomics and locks. A worker that enters a job that is over would
//! touch atomics that are gone, and one whose writes need not be seen when the caller goes on is shown to it as if it had not
//! written: loom finds either, and a thread that nobody wakes.

mod sync {
    pub(crate) use loom::hint::spin_loop;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize};
    pub(crate) use loom::sync::{Condvar, Mutex};
    pub(crate) use loom::thread::yield_now;

    /// Workers park at once: a spin is a turn in which nothing happens.
    pub(crate) const SPINS: usize = 1;
}

#[path = "../src/cpu/pool/door.rs"]
mod door;

use door::Shared;
use loom::sync::Arc;
use std::sync::atomic::Ordering;
use sync::AtomicUsize;

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
            let outputs: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
            let task = |i: usize| {
                outputs[i].fetch_add(round + i + 1, Ordering::Relaxed);
            };
            assert!(shared.hand_out(tasks, &task).is_none());
            // Each task was done, once, and what it wrote is seen here, though nothing but the door orders it.
            outputs.iter().enumerate().for_each(|(i, o)| assert_eq!(o.load(Ordering::Relaxed), round + i + 1));
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
