//! What can be wrong with data: one line that names the file and the remedy.

use crate::files::FileError;
use std::path::PathBuf;

/// Data that cannot be had or cannot be right.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// No data set of that name.
    #[error("unknown data set `{}`{}", crate::files::plain(.name), if .hint.is_empty() { "; `reclra list data` shows all" } else { .hint.as_str() })]
    Unknown {
        /// As written.
        name: String,
        /// `, did you mean ...?` or nothing.
        hint: String,
    },
    /// Files that are not there.
    #[error("{name}: {file} is not in {}; {remedy}", .looked.join(" or "))]
    Missing {
        /// Data set.
        name: String,
        /// The file, without `.gz`.
        file: String,
        /// Where it was looked for.
        looked: Vec<String>,
        /// What to do.
        remedy: String,
    },
    /// A file that cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file that is not what it should be.
    #[error("{}: {what}; {remedy}", crate::files::shown(.path))]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// A picture that is broken, one of the few that may be: it is left out, or another one stands in.
    #[error("{}: {why}; mend or remove it", crate::files::shown(.path))]
    Broken {
        /// The picture.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// More validation samples than were published for it.
    #[error("data.validation = {asked}: must be at most the {there} images of val")]
    Stored {
        /// As asked.
        asked: usize,
        /// Samples published for validation.
        there: usize,
    },
    /// A setting that these data do not allow.
    #[error("{key} = {value}: {want}")]
    Setting {
        /// The key.
        key: &'static str,
        /// As set.
        value: String,
        /// What it must be.
        want: String,
    },
    /// A part of the training part that cannot be.
    #[error(
        "data.fold = \"{fold}\": must be a part from 1 to the number of parts, and those from 2 to the {there} training images"
    )]
    Fold {
        /// As asked.
        fold: super::fold::Fold,
        /// Training samples.
        there: usize,
    },
    /// More validation samples than there are.
    #[error("data.validation = {asked}: must be below the {there} training images")]
    Validation {
        /// As asked.
        asked: usize,
        /// Training samples.
        there: usize,
    },
}

/// Shorthand of this room.
pub type Result<T, E = DataError> = std::result::Result<T, E>;

/// Whether a sample was read; false if its picture is one of the few that may be broken.
pub(super) fn whole(read: Result<()>) -> Result<bool> {
    match read {
        Ok(()) => Ok(true),
        Err(DataError::Broken { .. }) => Ok(false),
        Err(e) => Err(e),
    }
}
