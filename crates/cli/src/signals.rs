//! Requests to end: on a signal the step in flight is finished and the run saved.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set by Ctrl-C and the signals with which a system or a scheduler asks a process to end: SIGTERM, SIGHUP, SIGUSR1,
/// SIGUSR2. A second SIGINT, SIGTERM or SIGHUP ends the process at once, which damages nothing: files appear whole or not at
/// all.
pub(crate) fn stop_flag() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    // If no handler can be set the default one ends the process: nothing to report.
    let _ = listen(stop.clone());
    stop
}

#[cfg(unix)]
fn listen(stop: Arc<AtomicBool>) -> std::io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
    // Under `nohup` a run goes on when its terminal is gone.
    let hangup = (!crate::process::hangup_is_ignored()).then_some(SIGHUP);
    let mut signals =
        signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGUSR1, SIGUSR2].into_iter().chain(hangup))?;
    let watch = move || {
        let mut asked = false;
        for signal in signals.forever() {
            stop.store(true, Ordering::Relaxed);
            // A scheduler's notice may come several times, and before its SIGTERM.
            if [SIGUSR1, SIGUSR2].contains(&signal) {
                continue;
            }
            if std::mem::replace(&mut asked, true) {
                crate::tui::restore();
                std::process::exit(130);
            }
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(watch).map(drop)
}

#[cfg(not(unix))]
fn listen(stop: Arc<AtomicBool>) -> std::io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::flag;
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 130, stop.clone())?;
        flag::register(signal, stop.clone())?;
    }
    Ok(())
}
