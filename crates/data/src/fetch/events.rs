//! How a data set is fetched, what is told of it meanwhile, and why it was not.

use crate::files::FileError;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What helps where a file cannot be written.
pub(super) const REMEDY: &str = "free some space or name another folder with --data-dir";
/// How a data set is fetched.
#[derive(Clone, Debug)]
pub struct FetchOptions {
    /// Folder for its files; made if it is not there.
    pub folder: PathBuf,
    /// Mirrors tried before the data set's own, in this order: addresses to which file names are added.
    pub mirrors: Vec<String>,
    /// Whether the data set's own mirrors are left alone.
    pub only_named: bool,
    /// Silence after which a mirror is given up, be it in connecting or amid a file.
    pub timeout: Duration,
}

/// What happens meanwhile.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum FetchEvent<'a> {
    /// A file is there already, with the right content.
    Present {
        /// Name without `.gz`.
        file: &'a str,
        /// Where it is.
        path: &'a Path,
    },
    /// A mirror begins to send.
    Started {
        /// Name without `.gz`.
        file: &'a str,
        /// Its address.
        url: &'a str,
        /// Bytes that were there and are not fetched again.
        resumed: u64,
        /// Bytes in all, if the mirror tells.
        total: Option<u64>,
    },
    /// Some bytes have come.
    Received {
        /// Name without `.gz`.
        file: &'a str,
        /// Bytes there so far.
        bytes: u64,
        /// Bytes in all, if the mirror tells.
        total: Option<u64>,
    },
    /// Nothing has come for a while.
    Silent {
        /// Name without `.gz`.
        file: &'a str,
        /// Its address.
        url: &'a str,
        /// Since when.
        seconds: u64,
    },
    /// The bytes that were there are of no use; the mirror is asked for the whole file.
    StartedOver {
        /// Name without `.gz`.
        file: &'a str,
        /// Its address.
        url: &'a str,
        /// Why, in a few words.
        reason: &'a str,
    },
    /// A mirror did not give the file.
    MirrorFailed {
        /// Name without `.gz`.
        file: &'a str,
        /// What was asked for.
        url: &'a str,
        /// Why, in a few words.
        reason: &'a str,
        /// The mirror that is tried next, if there is one.
        next: Option<&'a str>,
    },
    /// A file with wrong content that would have been found before the right one was removed.
    Removed {
        /// Name without `.gz`.
        file: &'a str,
        /// Where it was.
        path: &'a Path,
    },
    /// A file is there now, with the right content.
    Done {
        /// Name without `.gz`.
        file: &'a str,
        /// Where it is.
        path: &'a Path,
    },
}

/// Why a data set was not fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Asked to stop. What has come so far is kept.
    #[error("interrupted; the same command goes on where this one stopped")]
    Interrupted,
    /// A mirror whose address is none.
    #[error("mirror `{url}`: {what}")]
    Mirror {
        /// As given.
        url: String,
        /// What is wrong with it.
        what: String,
    },
    /// Nobody to ask.
    #[error("no mirror to fetch {0} from; name one with --mirror")]
    NoMirror(String),
    /// No mirror has the right file.
    #[error(
        "{file}: no mirror gave it ({}); name another with --mirror or put the files in {} by hand",
        .tried.join("; "), crate::files::shown(.folder)
    )]
    AllFailed {
        /// Name without `.gz`.
        file: String,
        /// Where it belongs.
        folder: PathBuf,
        /// A line for each mirror: address and reason.
        tried: Vec<String>,
    },
    /// Another fetch goes on there.
    #[error("{}: another fetch is at work there; wait for it or name another folder with --data-dir", crate::files::shown(.0))]
    Busy(PathBuf),
    /// A file of that name is there and right, but for another data set.
    #[error("{}: belongs to {owner}, it is not replaced; name another folder with --data-dir", crate::files::shown(.path))]
    Taken {
        /// The file.
        path: PathBuf,
        /// The other data set.
        owner: &'static str,
    },
    /// The folder or a file in it.
    #[error(transparent)]
    File(#[from] FileError),
}
