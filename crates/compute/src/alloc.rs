//! Whether large blocks go back to the system as soon as they are freed.

use std::sync::atomic::{AtomicBool, Ordering};

/// Blocks of a megabyte or more go back to the system as soon as they are freed, where the system's allocator is glibc's, which
/// else comes to keep up to 32 MB of each size that was ever freed. Steps free nothing, so this costs no time; what a process
/// holds is then what it uses.
pub fn give_back_large_blocks() {
    GIVEN_BACK.store(true, Ordering::Relaxed);
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: sets a number of the allocator, which takes its own lock; nothing of ours is touched.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 20);
    }
}

/// Whether large blocks go back to the system.
static GIVEN_BACK: AtomicBool = AtomicBool::new(false);

/// Ends [`give_back_large_blocks`], if that was called, for work that takes and frees large blocks all the time: pages that come
/// fresh from the system with each photograph cost more than a quarter of the time that decoding takes.
pub fn keep_large_blocks() {
    if GIVEN_BACK.swap(false, Ordering::Relaxed) {
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        // SAFETY: as in `give_back_large_blocks`.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
            libc::mallopt(libc::M_TRIM_THRESHOLD, 64 << 20);
        }
    }
}
