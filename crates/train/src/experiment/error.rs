//! Why an experiment did not come to its end.

use crate::spec::SpecError;
use reclra_data::DataError;
use reclra_data::files::FileError;
use std::path::PathBuf;

/// Why an experiment did not come to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExperimentError {
    /// No such experiment.
    #[error("unknown experiment `{name}`{hint}; name a file or one of: {known}")]
    Unknown {
        /// As written.
        name: String,
        /// `, did you mean ...?` or nothing.
        hint: String,
        /// All there are.
        known: String,
    },
    /// A file that says nothing sensible.
    #[error("{origin}: {what}; mend that line")]
    File {
        /// The file.
        origin: String,
        /// What is wrong.
        what: String,
    },
    /// Parts that are missing.
    #[error("{title}: cannot be made yet: it needs {needs}")]
    Needs {
        /// Title of the experiment.
        title: String,
        /// What is missing.
        needs: String,
    },
    /// A spec that cannot be.
    #[error("run `{run}`: {error}")]
    Spec {
        /// Name of the run.
        run: String,
        /// What is wrong.
        error: SpecError,
    },
    /// Data that cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Results that cannot be written.
    #[error(transparent)]
    Write(#[from] FileError),
    /// A plot that could not be drawn.
    #[error("{0}: the plot could not be drawn: {1}; please report it")]
    Plot(PathBuf, String),
    /// Stopped from outside; what is finished is kept.
    #[error("interrupted; the same command goes on where it stopped")]
    Interrupted,
}
