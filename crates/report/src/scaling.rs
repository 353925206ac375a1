//! How the time of a step grows with width, depth, batch and threads, as a table and plots.

use crate::plot;
use reclra_data::files::{FileError, write_atomically};
use reclra_data::text::count;
use reclra_train::bench::StepTimes;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// One point of a scaling measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Scaling {
    /// width, depth or batch.
    pub axis: String,
    /// Its value.
    pub at: usize,
    /// What was measured there.
    pub times: StepTimes,
}

/// Writes `scale.csv`, and a plot for each axis with time and floor by number of threads. Their paths.
///
/// # Errors
/// If a file cannot be written.
pub fn write_scaling(all: &[Scaling], folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let mut csv = String::from(
        "axis,at,threads,rule,widths,batch,median_us,p10_us,p90_us,floor_us,gflops,gigabytes_per_second\n",
    );
    let mut axes: BTreeMap<&str, BTreeMap<usize, Vec<&Scaling>>> = BTreeMap::new();
    for s in all {
        let t = &s.times;
        let _ = writeln!(
            csv,
            "{},{},{},{},{},{},{:.2},{:.2},{:.2},{:.2},{:.2},{:.2}",
            s.axis,
            s.at,
            t.threads,
            t.rule,
            t.arch(),
            t.batch,
            t.median_us,
            t.p10_us,
            t.p90_us,
            t.floor_us,
            t.gflops,
            t.gigabytes_per_second
        );
        axes.entry(&s.axis).or_default().entry(t.threads).or_default().push(s);
    }
    let mut paths = vec![folder.join("scale.csv")];
    write_atomically(&paths[0], csv.as_bytes())?;
    for (axis, by_threads) in axes {
        let mut lines = Vec::new();
        for (threads, points) in by_threads {
            let threads = count(threads, "thread");
            let line = |of: fn(&StepTimes) -> f64| points.iter().map(|s| (s.at as f64, of(&s.times))).collect();
            lines.push((format!("step, {threads}"), line(|t| t.median_us)));
            lines.push((format!("floor, {threads}"), line(|t| t.floor_us)));
        }
        let path = folder.join(format!("scale-{axis}.svg"));
        let svg = plot::log_log(&lines, axis, "microseconds a step").map_err(|what| FileError {
            path: path.clone(),
            what,
            remedy: "please report it",
        })?;
        write_atomically(&path, svg.as_bytes())?;
        paths.push(path);
    }
    Ok(paths)
}
