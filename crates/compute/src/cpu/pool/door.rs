//! How a kernel is handed to threads that wait: a door that opens when there is work and closes when the tasks are taken.
//!
//! Written against `super::sync`: the standard library in the program, loom in `tests/pool_model.rs`, which runs every order in
//! which two or three threads can pass through here.

use super::sync::{self, AtomicBool, AtomicPtr, AtomicUsize, Condvar, Mutex, SPINS};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

/// Set in [`Shared::inside`] while no worker may enter the job.
const CLOSED: usize = 1 << (usize::BITS - 1);

/// What a task that panicked left.
pub(crate) type Payload = Box<dyn std::any::Any + Send>;

/// A kernel in flight, on the stack of the thread that called [`Shared::hand_out`].
struct Job<'a> {
    task: &'a (dyn Fn(usize) + Sync),
    tasks: usize,
    next: AtomicUsize,
    panic: Mutex<Option<Payload>>,
}

impl Job<'_> {
    /// Takes tasks until none is left. The first panic of a task is kept, and the remaining tasks are dropped.
    fn work(&self) {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            loop {
                let i = self.next.fetch_add(1, Ordering::Relaxed);
                if i >= self.tasks {
                    break;
                }
                (self.task)(i);
            }
        }));
        if let Err(payload) = outcome {
            self.next.store(self.tasks, Ordering::Relaxed);
            self.panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(payload);
        }
    }
}

/// What the threads of a pool share.
pub(crate) struct Shared {
    /// Counts the jobs handed out; a worker that sees it change looks at `job`.
    epoch: AtomicUsize,
    job: AtomicPtr<()>,
    /// Workers that have entered the current job and not yet left it, and whether the door is [`CLOSED`]. Only those
    /// inside are waited for: a worker that has lost its core to another process must not hold up a job that the
    /// other threads have long finished.
    inside: AtomicUsize,
    stop: AtomicBool,
    parked: Mutex<usize>,
    wake: Condvar,
}

impl Shared {
    /// With the door closed and nothing to do.
    pub(crate) fn new() -> Self {
        Shared {
            epoch: AtomicUsize::new(0),
            job: AtomicPtr::new(std::ptr::null_mut()),
            inside: AtomicUsize::new(CLOSED),
            stop: AtomicBool::new(false),
            parked: Mutex::new(0),
            wake: Condvar::new(),
        }
    }

    /// Calls `task(i)` once for every `i` in `0..tasks`, here and on every worker that comes in time; gives back the first
    /// panic of a task. One call at a time: it is the caller who sees to that.
    pub(crate) fn hand_out(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) -> Option<Payload> {
        let job = Job { task, tasks, next: AtomicUsize::new(0), panic: Mutex::new(None) };
        self.job.store((&raw const job).cast_mut().cast(), Ordering::Relaxed);
        self.inside.store(0, Ordering::Release); // whoever enters sees the pointer
        self.call();
        job.work();
        // All tasks are taken. Close the door, then wait for those inside: what they wrote is seen after that.
        let mut inside = self.inside.fetch_or(CLOSED, Ordering::AcqRel) | CLOSED;
        let mut spins = 0_usize;
        while inside != CLOSED {
            spins += 1;
            // A worker may have lost its core in the middle of a task: stop burning ours then.
            if spins.is_multiple_of(SPINS) {
                sync::yield_now()
            } else {
                sync::spin_loop()
            }
            inside = self.inside.load(Ordering::Acquire);
        }
        job.panic.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends every worker home.
    pub(crate) fn end(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.call();
    }

    /// Counts the epoch on, and wakes who is parked.
    fn call(&self) {
        // SeqCst pairs with the worker's count under `parked`: either it sees the new epoch, or we see it parked.
        self.epoch.fetch_add(1, Ordering::SeqCst);
        if *self.parked.lock().unwrap_or_else(PoisonError::into_inner) > 0 {
            self.wake.notify_all();
        }
    }

    /// A worker's whole life: waits for jobs and takes part in each for which it comes in time, until [`Shared::end`].
    pub(crate) fn serve(&self) {
        let mut seen = 0;
        loop {
            let mut spins = 0;
            while self.epoch.load(Ordering::SeqCst) == seen {
                spins += 1;
                if spins < SPINS {
                    sync::spin_loop();
                    continue;
                }
                let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
                *parked += 1;
                while self.epoch.load(Ordering::SeqCst) == seen {
                    parked = self.wake.wait(parked).unwrap_or_else(PoisonError::into_inner);
                }
                *parked -= 1;
            }
            seen = self.epoch.load(Ordering::SeqCst);
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            // Whoever comes late finds the door closed, or open for a later job: either is well.
            let enter = |inside: usize| (inside & CLOSED == 0).then_some(inside + 1);
            if self.inside.fetch_update(Ordering::AcqRel, Ordering::Relaxed, enter).is_err() {
                continue;
            }
            // SAFETY: `hand_out` published the pointer before it opened the door, and keeps `job` alive on its stack until
            // the door is closed and nobody is inside; leaving is the last thing done with it here.
            let job = unsafe { &*self.job.load(Ordering::Acquire).cast_const().cast::<Job<'_>>() };
            job.work();
            self.inside.fetch_sub(1, Ordering::Release);
        }
    }
}
