//! A fixed set of worker threads that split the outputs of one kernel between them.
//!
//! A training step of a small network is a dozen kernels of some ten microseconds each, so waking a sleeping thread
//! for each of them would cost more than the work. Workers spin for a short while after each kernel and park only
//! when nothing comes. Tasks are handed out by a counter: which worker computes an output is left open, how it is
//! computed is not, so results are the same bits for any number of threads.

use door::Shared;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

mod door;
mod sync;

/// Worker threads; the calling thread is one of them. Cheap to keep, joined when dropped.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    handles: Vec<JoinHandle<()>>,
    /// One job at a time: two threads may share a device, their kernels then run one after the other.
    turn: Mutex<()>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pool({} threads)", self.threads())
    }
}

impl Pool {
    /// A pool of `threads` threads in all, the caller's included. Where the system refuses to start one, the pool
    /// is smaller: results do not depend on it.
    pub(crate) fn new(threads: usize) -> Self {
        let shared = Arc::new(Shared::new());
        let handles = (1..threads.max(1))
            .map_while(|i| {
                let shared = shared.clone();
                let serve = move || {
                    let _denormals = FlushDenormals::on();
                    shared.serve();
                };
                std::thread::Builder::new().name(format!("reclra-{i}")).spawn(serve).ok()
            })
            .collect();
        Pool { shared, handles, turn: Mutex::new(()) }
    }

    /// Threads that take part, the caller's included.
    pub(crate) fn threads(&self) -> usize {
        self.handles.len() + 1
    }

    /// Calls `task(i)` once for every `i` in `0..tasks`, on all threads, and returns when all are done.
    ///
    /// # Panics
    /// With the panic of a task, if one panics.
    pub(crate) fn for_each(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        let _denormals = FlushDenormals::on();
        if self.handles.is_empty() || tasks <= 1 {
            return (0..tasks).for_each(task);
        }
        let panic = {
            let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            self.shared.hand_out(tasks, task)
        };
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.end();
        for handle in self.handles.drain(..) {
            let _ = handle.join(); // a worker never panics: tasks are caught
        }
    }
}

/// While alive, numbers below 1e-38 count as zero on this thread; the former mode comes back on drop.
///
/// Adam's second moments fade into denormals after some hundred steps, and each operation on one costs a hundred
/// cycles: without this a step slows down threefold.
pub(crate) struct FlushDenormals {
    #[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), allow(dead_code))]
    before: u64,
}

impl FlushDenormals {
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn on() -> Self {
        let mut mode = 0_u32;
        // SAFETY: stores the SSE control register to a local, and loads it back with FTZ (bit 15) and DAZ (bit 6),
        // which every x86-64 processor has; rounding and exception masks stay as they are.
        unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut mode, options(nostack)) };
        let flushed = mode | 0x8040;
        if flushed != mode {
            // SAFETY: as above.
            unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const flushed, options(nostack)) };
        }
        FlushDenormals { before: u64::from(mode) }
    }

    #[cfg(target_arch = "aarch64")]
    pub(crate) fn on() -> Self {
        let before: u64;
        // SAFETY: reads the floating-point control register and sets FZ (bit 24); nothing else changes.
        unsafe {
            std::arch::asm!("mrs {}, fpcr", out(reg) before, options(nomem, nostack));
            std::arch::asm!("msr fpcr, {}", in(reg) before | (1 << 24), options(nomem, nostack));
        }
        FlushDenormals { before }
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    pub(crate) fn on() -> Self {
        FlushDenormals { before: 0 }
    }
}

impl Drop for FlushDenormals {
    fn drop(&mut self) {
        #[cfg(target_arch = "x86_64")]
        {
            let mode = self.before as u32;
            if mode & 0x8040 != 0x8040 {
                // SAFETY: restores what `on` read from this very register on this thread.
                unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const mode, options(nostack)) };
            }
        }
        #[cfg(target_arch = "aarch64")]
        // SAFETY: restores what `on` read from this very register on this thread.
        unsafe {
            std::arch::asm!("msr fpcr, {}", in(reg) self.before, options(nomem, nostack));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn every_task_runs_once_on_any_number_of_threads() {
        for threads in [1, 2, 5] {
            let pool = Pool::new(threads);
            for tasks in [0, 1, 2, 3, 64, 1000] {
                let hits: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                for _ in 0..50 {
                    pool.for_each(tasks, &|i| {
                        hits[i].fetch_add(1, Ordering::Relaxed);
                    });
                }
                assert!(hits.iter().all(|h| h.load(Ordering::Relaxed) == 50), "{threads} threads, {tasks} tasks");
            }
        }
    }

    /// Many short jobs, each with numbers of its own on the caller's stack, and more threads than any small machine has
    /// cores: a worker that comes late must never meet a job that is over.
    #[test]
    fn late_workers_meet_no_job_that_is_over() {
        let pool = Pool::new(9);
        for round in 0..3000_usize {
            let tasks = 2 + round % 7;
            let got: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
            pool.for_each(tasks, &|i| {
                got[i].fetch_add(round + i + 1, Ordering::Relaxed);
            });
            for (i, g) in got.into_iter().enumerate() {
                assert_eq!(g.into_inner(), round + i + 1);
            }
        }
    }

    /// Tasks that wait for each other end only if as many threads take part.
    #[test]
    fn all_threads_take_part() {
        for threads in [2, 4] {
            let (pool, here) = (Pool::new(threads), AtomicUsize::new(0));
            let start = std::time::Instant::now();
            pool.for_each(threads, &|_| {
                here.fetch_add(1, Ordering::Relaxed);
                while here.load(Ordering::Relaxed) < threads && start.elapsed().as_secs() < 20 {
                    std::thread::yield_now();
                }
                assert_eq!(here.load(Ordering::Relaxed), threads, "the others did not come");
            });
        }
    }

    #[test]
    fn workers_wake_after_parking() {
        let pool = Pool::new(3);
        for pause in [0, 1, 20] {
            std::thread::sleep(std::time::Duration::from_millis(pause));
            let sum = AtomicUsize::new(0);
            pool.for_each(10, &|i| {
                sum.fetch_add(i, Ordering::Relaxed);
            });
            assert_eq!(sum.into_inner(), 45);
        }
    }

    #[test]
    fn a_panic_in_a_task_reaches_the_caller_and_the_pool_lives_on() {
        let pool = Pool::new(2);
        let caught = catch_unwind(AssertUnwindSafe(|| pool.for_each(8, &|i| assert!(i != 5, "task five"))));
        let message = caught.expect_err("the panic is passed on");
        assert!(message.downcast_ref::<&str>().is_some_and(|m| m.contains("task five")));
        let sum = AtomicUsize::new(0);
        pool.for_each(4, &|i| {
            sum.fetch_add(i, Ordering::Relaxed);
        });
        assert_eq!(sum.into_inner(), 6);
    }

    #[test]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn denormals_are_zero_inside_and_back_outside() {
        let tiny = std::hint::black_box(f32::MIN_POSITIVE);
        let half = |x: f32| std::hint::black_box(x * std::hint::black_box(0.5));
        assert!(half(tiny) > 0.0);
        let pool = Pool::new(2);
        pool.for_each(64, &|_| assert_eq!(half(tiny).to_bits(), 0));
        assert!(half(tiny) > 0.0);
    }
}
