//! The limits of the system and this process: [`Telling`], an allocator that ends it with a line where memory is refused, instead
//! of an abort; fewer addresses taken; a file that may not grow as an error; a terminal that may be lost.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

/// The system's allocator; where that has nothing more, a line on standard error and exit code 1. Files are not harmed: they
/// appear whole or not at all.
pub(crate) struct Telling {
    /// What the line ends with.
    pub(crate) remedy: &'static str,
}

/// Where address space is limited (`ulimit -v`), all threads take from one arena of glibc's allocator. Else each sets aside
/// 64 MB of addresses of its own, used or not: then a run may end for want of addresses whose memory would have fitted.
pub(crate) fn spare_addresses() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: writes to the structure that it is given, which is ours.
        let told = unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) } == 0;
        if told && limit.rlim_cur != libc::RLIM_INFINITY {
            // SAFETY: sets a number of the allocator, which takes its own lock; nothing of ours is touched.
            unsafe {
                libc::mallopt(libc::M_ARENA_MAX, 1);
            }
        }
    }
}

/// A file that grows beyond `ulimit -f` is an error of writing, as a full disk is, and no signal that ends the process.
pub(crate) fn large_files_are_errors() {
    #[cfg(unix)]
    // SAFETY: no code of ours runs at the signal; it is ignored.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

/// True if the process was started so that the loss of its terminal does not end it (`nohup`).
#[cfg(unix)]
pub(crate) fn hangup_is_ignored() -> bool {
    let mut now = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: without a new action the call only writes the present one to the structure it is given, which is ours and
    // of which all zeros are a value.
    unsafe {
        libc::sigaction(libc::SIGHUP, std::ptr::null(), now.as_mut_ptr()) == 0
            && now.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

/// Whether the line is being written: what that takes must not end here again.
static TELLING: AtomicBool = AtomicBool::new(false);

impl Telling {
    fn given(&self, pointer: *mut u8, bytes: usize) -> *mut u8 {
        if pointer.is_null() { self.refused(bytes) } else { pointer }
    }

    #[cold]
    fn refused(&self, bytes: usize) -> *mut u8 {
        if !TELLING.swap(true, Ordering::SeqCst) {
            let mut line = [0_u8; 256];
            let mut rest = &mut line[..];
            let _ = writeln!(rest, "error: memory is used up, {bytes} bytes more were asked for; {}", self.remedy);
            let left = rest.len();
            let _ = std::io::stderr().write_all(&line[..line.len() - left]);
            std::process::exit(1);
        }
        std::ptr::null_mut()
    }
}

// SAFETY: every call goes to the system's allocator as it is, which keeps the contract; what it gives is passed on.
unsafe impl GlobalAlloc for Telling {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those that the system's allocator wants.
        self.given(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        self.given(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above; the pointer came from the same allocator.
        self.given(unsafe { System.realloc(pointer, layout, size) }, size)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) };
    }
}
