//! Names of idx files, as they are published and as archives change them.

use std::path::PathBuf;

/// Endings of the four files: training images and labels, test images and labels, which have two names.
pub(super) const ENDINGS: [(usize, &str); 6] = [
    (0, "train-images-idx3-ubyte"),
    (1, "train-labels-idx1-ubyte"),
    (2, "t10k-images-idx3-ubyte"),
    (3, "t10k-labels-idx1-ubyte"),
    (2, "test-images-idx3-ubyte"),
    (3, "test-labels-idx1-ubyte"),
];

/// A file's name without `.gz`, with a dash where some archives write a dot.
pub(super) fn plain(name: &str) -> String {
    name.strip_suffix(".gz").unwrap_or(name).replace(".idx", "-idx")
}

/// The name of an idx file in these folders that is none of the data set's own, as `is_own` tells; none if there is no such file.
pub(super) fn another(folders: &[PathBuf], is_own: &dyn Fn(&str) -> bool) -> Option<PathBuf> {
    let foreign = |path: &PathBuf| {
        let name = path.file_name().and_then(|n| n.to_str()).map(plain).unwrap_or_default();
        ENDINGS.iter().any(|(_, end)| name.ends_with(end)) && !is_own(&name)
    };
    let of = |folder: &PathBuf| {
        let mut all: Vec<PathBuf> = std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .filter_map(|e| Some(e.ok()?.path()))
            .filter(foreign)
            .collect();
        all.sort();
        all.into_iter().next()
    };
    folders.iter().find_map(of)
}
