//! Comparisons: rules times settings times seeds or folds, each run in a folder of its own, with tables and plots.
//!
//! A comparison is planned before anything runs ([`plan`]): settings that belong to one rule go to that rule alone, and
//! what a rule refuses is a row that says so. Where a rule has several settings, they are first tried on seeds of their own
//! and judged by validation error alone; the best of each rule is then run with the seeds that are reported. Finished runs are
//! found again by their spec, so that an interrupted comparison goes on where it was.

mod plan;
mod results;
mod rows;
mod store;
mod table;
mod trial;

pub use plan::{MOST_SEEDS, Plan, plan};
pub use results::{Results, TABLE, replaceable};
pub use rows::{Row, rows, tried_rows};
pub use store::{CompareError, Watch, run};
pub use trial::{Request, Trial};

use std::path::Path;

/// The folder, in that of a comparison, of the runs on which settings were tried.
pub const TRIED: &str = "settings-tried";

/// True of the folder of a run on which a comparison tried a setting: no result of it is reported.
#[must_use]
pub fn is_tried(run: &Path) -> bool {
    run.ancestors().nth(2).and_then(Path::file_name).is_some_and(|name| name == TRIED)
}

/// The specs of the runs that a comparison in a folder reports, in the order of its table; none where there is no table.
#[must_use]
pub fn reported(folder: &Path) -> Vec<String> {
    let told = results::told(folder).unwrap_or_default();
    let runs =
        told["rows"].as_array().into_iter().flatten().flat_map(|row| row["runs"].as_array().into_iter().flatten());
    runs.filter_map(|run| run["spec"].as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests;
