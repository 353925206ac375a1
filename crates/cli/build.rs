//! Leaves the commit in `RECLRA_COMMIT`, so that `--version` and results say which source made them.

use std::process::Command;

fn main() {
    let git = |args: &[&str]| {
        let out = Command::new("git").args(args).output().ok().filter(|o| o.status.success())?;
        String::from_utf8(out.stdout).ok().map(|s| s.trim().to_owned())
    };
    // A source archive has no commit: the version has to do.
    let commit = git(&["rev-parse", "--short=10", "HEAD"]).unwrap_or_else(|| "source archive".to_owned());
    println!("cargo:rustc-env=RECLRA_COMMIT={commit}");
    for path in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", path]) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    println!("cargo:rerun-if-changed=build.rs");
}
