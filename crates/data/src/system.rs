//! What the system has left for this process.

/// Bytes that this process may still take: what the system has to give, and no more than a control group leaves. None where
/// the system does not tell.
#[must_use]
pub fn available() -> Option<u64> {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    let of_group = system.cgroup_limits().map_or(u64::MAX, |group| group.total_memory.saturating_sub(group.rss));
    Some(system.available_memory().min(of_group)).filter(|&bytes| bytes > 0).map(|bytes| bytes.min(address_space()))
}

/// What `ulimit -v` leaves the process. It counts addresses: the program and its libraries as they are mapped, stacks of threads
/// as long as they may grow.
#[cfg(unix)]
#[must_use]
pub fn address_space() -> u64 {
    let limit = rustix::process::getrlimit(rustix::process::Resource::As).current;
    limit.map_or(u64::MAX, |limit| limit.saturating_sub(mapped()).saturating_sub(STACKS))
}

/// Bytes of addresses of the threads that a run begins with: they read ahead and write checkpoints.
#[cfg(unix)]
const STACKS: u64 = 4 * (2 << 20);

/// Bytes of addresses that the process has by now; 0 where the system does not tell.
#[cfg(unix)]
fn mapped() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let size = status.lines().find_map(|l| l.strip_prefix("VmSize:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    size.map_or(0, |kilobytes| kilobytes << 10)
}

/// What limits of addresses leave the process: all, on this system.
#[cfg(not(unix))]
#[must_use]
pub fn address_space() -> u64 {
    u64::MAX
}
