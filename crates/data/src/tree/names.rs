//! Names in an image folder: of its parts, of pictures, and those that are refused.

use crate::error::{DataError, Result};
use crate::files;
use std::ffi::OsStr;
use std::path::Path;

/// Endings of pictures; other files are passed over.
const ENDINGS: [&str; 8] = ["jpg", "jpeg", "png", "bmp", "pnm", "ppm", "pgm", "pbm"];
/// Names of the folders, in order: to train on, to validate with, to test with.
pub(crate) const PARTS: [&str; 3] = ["train", "val", "test"];
/// The same with all names that each part may have.
pub(super) const NAMES: [&[&str]; 3] = [&["train"], &["val", "valid", "validation"], &["test"]];
/// Remedy where a folder cannot be read.
pub(super) const UNREADABLE: &str = "make it readable, or name another folder with --data-dir";

/// Returns true if a file has the name of a picture; hidden files have not.
pub(super) fn is_picture(name: &str) -> bool {
    let ending = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map(|(_, e)| e.to_ascii_lowercase());
    !name.starts_with('.') && ending.is_some_and(|e| ENDINGS.contains(&e.as_str()))
}

/// Returns true if a file or folder is hidden by its name.
pub(super) fn hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// The name of a class or of a picture in `at`. One that no text can hold, or that would move the cursor of a terminal, is
/// refused: it goes into models, tables and messages, and left out it would be missed.
pub(super) fn plain_name<'a>(at: &Path, name: &'a OsStr) -> Result<&'a str> {
    let refused = |what: &str| {
        let shown = name.to_string_lossy();
        bad(at, format!("holds a name that {what}: `{}`", files::one_line(&shown)), "give it another name")
    };
    let text = name.to_str().ok_or_else(|| refused("is not UTF-8"))?;
    if text.contains(files::unruly) {
        return Err(refused("has letters that are not shown but obeyed, such as control characters"));
    }
    Ok(text)
}

/// Refuses what stands at a path.
pub(crate) fn bad(path: &Path, what: String, remedy: &str) -> DataError {
    DataError::Content { path: path.to_owned(), what, remedy: remedy.to_owned() }
}
