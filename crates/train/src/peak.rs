//! The most memory that the process has held resident while a run was made.

use std::fs;
use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The runs of this process.
static RUNS: Runs = Runs(Mutex::new(Counts { running: 0, begun: 0 }));

/// Counts runs, to know which of them had the process to themselves.
struct Runs(Mutex<Counts>);

struct Counts {
    /// Runs that are being made.
    running: u64,
    /// Runs that ever began.
    begun: u64,
}

/// A run whose memory is watched, from here to its end.
pub(crate) struct Peak {
    runs: &'static Runs,
    /// Its number among all that ever began, if none was being made when it did.
    alone: Option<u64>,
}

impl Peak {
    /// From now on. What was held before and no longer is does not count where the system lets that be forgotten (Linux, by
    /// `/proc/self/clear_refs`); elsewhere it does.
    pub(crate) fn begin() -> Peak {
        let peak = RUNS.begin();
        if peak.alone.is_some() {
            // Not everywhere is this allowed, and it changes the meaning of the figure only.
            let file = fs::OpenOptions::new().write(true).open("/proc/self/clear_refs");
            let _ = file.and_then(|mut f| f.write_all(b"5"));
        }
        peak
    }

    /// Bytes: program, data and network together. None where the system does not tell, and if another run was made meanwhile,
    /// as nobody can say whose memory it was then.
    pub(crate) fn bytes(&self) -> Option<u64> {
        let nth = self.alone?;
        (self.runs.counts().begun == nth).then(resident).flatten()
    }
}

impl Drop for Peak {
    fn drop(&mut self) {
        self.runs.counts().running -= 1;
    }
}

impl Runs {
    fn begin(&'static self) -> Peak {
        let mut counts = self.counts();
        counts.running += 1;
        counts.begun += 1;
        Peak { runs: self, alone: (counts.running == 1).then_some(counts.begun) }
    }

    /// The counts are whole whatever became of the thread that held them.
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// VmHWM of the process in bytes.
fn resident() -> Option<u64> {
    high_water(&fs::read_to_string("/proc/self/status").ok()?)
}

/// The high water mark in the text of a `status` file.
fn high_water(status: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_water_mark_is_read() {
        assert_eq!(high_water("Name:\treclra\nVmHWM:\t    1234 kB\nVmRSS:\t 1 kB\n"), Some(1234 * 1024));
        assert_eq!((high_water("VmRSS: 1 kB"), high_water("VmHWM: many kB")), (None, None));
        if cfg!(target_os = "linux") {
            let held = vec![1_u8; 32 << 20];
            assert!(resident().is_some_and(|bytes| bytes > held.iter().map(|&b| u64::from(b)).sum()));
        }
    }

    #[test]
    fn runs_that_share_the_process_have_no_figure() {
        static OWN: Runs = Runs(Mutex::new(Counts { running: 0, begun: 0 }));
        let known = |peak: &Peak| peak.bytes().is_some();
        let here = resident().is_some();
        let first = OWN.begin();
        assert_eq!(known(&first), here);
        let second = OWN.begin();
        assert!(!known(&first) && !known(&second));
        drop(second);
        assert!(!known(&first), "the other may have held the most");
        drop(first);
        assert_eq!(known(&OWN.begin()), here);
    }
}
