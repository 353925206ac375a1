//! The data sets by name: one entry each. Adding one means a module that reads it and an entry here.

use super::error::{DataError, Result};
use super::idx_names;
use crate::files;
use crate::hint::did_you_mean;
use std::path::{Path, PathBuf};

/// Name of image folders of the user's.
pub(super) const IMAGE_FOLDER: &str = "image-folder";
/// Name of sets of idx files of the user's.
pub(super) const IDX: &str = "idx";

/// A data set that can be named.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// As after `--data`.
    pub name: &'static str,
    /// One line for lists.
    pub about: &'static str,
    /// The files it is made of: training images and labels, test images and labels. None if it is embedded.
    pub files: &'static [FileEntry],
    /// Where the files can be fetched: each followed by a file's name gives its address. Tried in order.
    pub mirrors: &'static [&'static str],
    /// Names of the classes, by label.
    pub classes: &'static [&'static str],
    /// How it is read.
    pub form: Form,
}

/// What a data set is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The program itself, which embeds the digits.
    Embedded,
    /// Four idx files.
    Idx,
    /// CIFAR-10 in its binary version.
    Cifar10,
    /// A folder of the user's.
    Folder,
    /// Four idx files of the user's.
    IdxFolder,
}

/// A file of a data set.
#[derive(Clone, Copy, Debug)]
pub struct FileEntry {
    /// Name without `.gz`; of an archive that is published packed, such as a `.tar.gz`, its whole name.
    pub name: &'static str,
    /// Bytes when decoded; of an archive, as it is.
    pub size: u64,
    /// SHA-256 of the decoded content; of an archive, as it is.
    pub sha256: &'static str,
}

impl FileEntry {
    /// Whether it is an archive that stays packed.
    pub(super) fn is_packed(&self) -> bool {
        self.name.ends_with(".gz")
    }
}

const fn file(name: &'static str, size: u64, sha256: &'static str) -> FileEntry {
    FileEntry { name, size, sha256 }
}

const ENTRIES: &[Entry] = &[
    Entry {
        name: "digits",
        form: Form::Embedded,
        about: "1,797 handwritten digits of 8x8 pixels, embedded in the program",
        files: &[],
        mirrors: &[],
        classes: &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    },
    Entry {
        name: "mnist",
        form: Form::Idx,
        about: "70,000 handwritten digits of 28x28 pixels",
        files: &[
            file(
                "train-images-idx3-ubyte",
                47_040_016,
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            ),
            file("train-labels-idx1-ubyte", 60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
            file(
                "t10k-images-idx3-ubyte",
                7_840_016,
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            ),
            file("t10k-labels-idx1-ubyte", 10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
        ],
        mirrors: &[
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "http://yann.lecun.com/exdb/mnist/",
        ],
        classes: &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    },
    Entry {
        name: "fashion-mnist",
        form: Form::Idx,
        about: "70,000 pictures of clothes of 28x28 pixels, ten kinds",
        files: &[
            file(
                "train-images-idx3-ubyte",
                47_040_016,
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            ),
            file("train-labels-idx1-ubyte", 60_008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
            file(
                "t10k-images-idx3-ubyte",
                7_840_016,
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            ),
            file("t10k-labels-idx1-ubyte", 10_008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
        ],
        mirrors: &[
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ],
        classes: &["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"],
    },
    Entry {
        name: "cifar10",
        form: Form::Cifar10,
        about: "60,000 colour pictures of 32x32 pixels, ten kinds of animals and vehicles",
        files: &[file(
            "cifar-10-binary.tar.gz",
            170_052_171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        )],
        mirrors: &["https://www.cs.toronto.edu/~kriz/"],
        classes: &["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
    },
    Entry {
        name: IDX,
        form: Form::IdxFolder,
        about: "images of your own in four idx files, as MNIST's are: classes are the labels in the files of --data-dir",
        files: &[],
        mirrors: &[],
        classes: &[],
    },
    Entry {
        name: IMAGE_FOLDER,
        form: Form::Folder,
        about: "pictures of your own: train/CLASS/*, val/CLASS/*, test/CLASS/* in the folder or tar file of --data-dir",
        files: &[],
        mirrors: &[],
        classes: &[],
    },
];

/// All data sets.
#[must_use]
pub fn entries() -> &'static [Entry] {
    ENTRIES
}

/// Other names of data sets than their own with other dashes or letter case.
const ALIASES: &[(&str, &str)] = &[("fmnist", "fashion-mnist"), ("folder", IMAGE_FOLDER)];

/// The data set's own name, from that name in any letter case, with or without dashes: `CIFAR-10` is `cifar10`.
#[must_use]
pub fn canonical(name: &str) -> Option<&'static str> {
    let letters = |text: &str| -> String {
        text.chars().filter(|c| !['-', '_', ' '].contains(c)).flat_map(char::to_lowercase).collect()
    };
    let name = letters(name);
    let alias = ALIASES.iter().find(|(short, _)| *short == name).map(|(_, own)| *own);
    alias.or_else(|| ENTRIES.iter().map(|e| e.name).find(|own| letters(own) == name))
}

/// The data set of that name, in any letter case.
///
/// # Errors
/// If there is none; the message names the nearest.
pub fn entry(name: &str) -> Result<&'static Entry> {
    let own = canonical(name);
    ENTRIES.iter().find(|e| Some(e.name) == own).ok_or_else(|| {
        let known: Vec<&str> = ENTRIES.iter().map(|e| e.name).collect();
        DataError::Unknown { name: name.to_owned(), hint: did_you_mean(name, &known) }
    })
}

/// The folder in which data sets have folders of their own: `RECLRA_DATA`, else `reclra` in the user's data folder.
#[must_use]
pub fn data_home() -> PathBuf {
    let set = std::env::var_os("RECLRA_DATA").filter(|v| !v.is_empty()).map(PathBuf::from);
    set.unwrap_or_else(|| dirs::data_dir().unwrap_or_else(|| PathBuf::from(".")).join("reclra"))
}

impl Entry {
    /// Folders in which its files are looked for.
    #[must_use]
    pub fn folders(&self, dir: Option<&Path>) -> Vec<PathBuf> {
        match dir {
            Some(dir) => {
                // The layout of torchvision: the folder that holds it, or its own.
                let torch = match self.name {
                    "mnist" => Some("MNIST"),
                    "fashion-mnist" => Some("FashionMNIST"),
                    _ => None,
                };
                let torch = torch.into_iter().flat_map(|own| [dir.join(own).join("raw"), dir.join("raw")]);
                [dir.to_owned(), dir.join(self.name)].into_iter().chain(torch).collect()
            }
            None => vec![data_home().join(self.name)],
        }
    }

    /// Where a file is, gzip or plain, in the first folder that has it.
    ///
    /// # Errors
    /// If no folder has it: names the folders and how to fetch it.
    pub fn find(&self, file: &str, dir: Option<&Path>) -> Result<PathBuf> {
        let folders = self.folders(dir);
        let names = names(file);
        let places = folders.iter().flat_map(|f| names.iter().map(move |n| f.join(n)));
        places.into_iter().find(|p| p.exists()).ok_or_else(|| DataError::Missing {
            name: self.name.to_owned(),
            file: format!("{file}[.gz]"),
            looked: folders.iter().map(|f| f.display().to_string()).collect(),
            remedy: match dir {
                Some(dir) if dir.is_file() => {
                    "that is a file: unpack it and name the folder with --data-dir".to_owned()
                }
                _ if let Some(other) =
                    idx_names::another(&folders, &|name| self.files.iter().any(|f| f.name == name)) =>
                {
                    format!("read idx files of other names, such as {}, with --data idx", files::shown(&other))
                }
                _ => format!("run `reclra data fetch {}` or name the folder with --data-dir", self.name),
            },
        })
    }

    /// Whether it is part of the program.
    #[must_use]
    pub fn embedded(&self) -> bool {
        self.form == Form::Embedded
    }

    /// Whether it is a folder of the user's, which must be named and of which nothing is published.
    #[must_use]
    pub fn own(&self) -> bool {
        matches!(self.form, Form::Folder | Form::IdxFolder)
    }
}

/// What a file may be called, in the order of looking.
pub(super) fn names(file: &str) -> Vec<String> {
    if file.ends_with(".gz") {
        return vec![file.to_owned()];
    }
    // Some archives write a dot for the first dash of the ending.
    let dotted = file.replace("-idx", ".idx");
    vec![file.to_owned(), format!("{file}.gz"), dotted.clone(), format!("{dotted}.gz")]
}
