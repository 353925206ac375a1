//! Trees of names, from folders and archives.

use super::names::PARTS;
use super::*;
use std::ffi::OsStr;
use std::fs::File;

/// Files of a tree by path, as a folder.
pub(crate) fn as_folder(at: &Path, files: &[(String, Vec<u8>)]) {
    for (name, bytes) in files {
        let path = at.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// The files below `prefix` as a tar file, in reverse order.
pub(crate) fn as_tar(at: &Path, prefix: &str, files: &[(String, Vec<u8>)]) {
    let mut builder = tar::Builder::new(File::create(at).unwrap());
    for (name, bytes) in files.iter().rev().filter(|(n, _)| n.starts_with(prefix)) {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, format!("./{name}"), &bytes[..]).unwrap();
    }
    builder.finish().unwrap();
}

fn toy() -> Vec<(String, Vec<u8>)> {
    let names =
        ["train/b/2.PNG", "train/b/1.jpg", "train/a/x.ppm", "train/a/notes.txt", "train/a/.hid.png", "val/b/9.bmp"];
    let long = format!("train/b/{}.jpeg", "n".repeat(150));
    names.iter().map(|n| (*n).to_owned()).chain([long]).map(|n| (n.clone(), n.into_bytes())).collect()
}

#[test]
fn folders_and_archives_give_the_same_tree_sorted_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let places = ["folder", "parts", "one"].map(|n| dir.path().join(n));
    as_folder(&places[0], &toy());
    std::fs::create_dir(&places[1]).unwrap();
    PARTS.iter().for_each(|p| as_tar(&places[1].join(format!("{p}.tar")), p, &toy()));
    as_tar(&places[2].with_extension("tar"), "", &toy());
    let mut listed = Vec::new();
    for place in places.iter().chain([&places[2].with_extension("tar")]) {
        let tree = Tree::read(place).unwrap();
        assert_eq!(tree.classes, ["a", "b"], "{place:?}");
        let note = tree.notes.join("; ");
        assert!(
            note.contains("passed over 2 files, hidden or not JPEG, PNG, BMP or PNM by name: "),
            "{place:?}: {note}"
        );
        assert!(note.contains("train/a/.hid.png, ") && note.contains("train/a/notes.txt"), "{place:?}: {note}");
        assert!(tree.parts[2].is_none());
        let mut all = Vec::new();
        for branch in tree.parts.iter().flatten() {
            for item in &branch.items {
                let path = branch.path(item, &tree.classes);
                let bytes = String::from_utf8(branch.bytes(item, &tree.classes).unwrap()).unwrap();
                assert!(bytes.ends_with(path.file_name().unwrap().to_str().unwrap()), "{path:?} {bytes}");
                all.push(bytes);
            }
        }
        listed.push(all);
    }
    assert_eq!(listed[0][..3], ["train/a/x.ppm", "train/b/1.jpg", "train/b/2.PNG"]);
    assert_eq!((listed[0].len(), listed[0][4].as_str()), (5, "val/b/9.bmp"));
    assert!(listed.iter().all(|l| *l == listed[0]), "{listed:?}");
}

#[cfg(unix)]
#[test]
fn names_that_no_text_can_hold_are_refused_by_folder_and_archive() {
    use std::os::unix::ffi::OsStrExt;
    let of = |bytes: &'static [u8]| OsStr::from_bytes(bytes);
    let dir = tempfile::tempdir().unwrap();
    for (n, (class, name, want)) in [
        (of(b"cl\xffss"), of(b"1.png"), "holds a name that is not UTF-8: `cl\u{fffd}ss`; give it another name"),
        (of(b"a"), of(b"\xe9.png"), "holds a name that is not UTF-8: `\u{fffd}.png`"),
        (
            of(b"a\x1b[31m"),
            of(b"1.png"),
            "holds a name that has letters that are not shown but obeyed, such as control characters: `a [31m`",
        ),
        (
            of(b"a"),
            of(b"1\n2.png"),
            "holds a name that has letters that are not shown but obeyed, such as control characters: `1 2.png`",
        ),
        (of(b"a"), of("1\u{202e}2.png".as_bytes()), "holds a name that has letters that are not shown but obeyed"),
        // Neither class nor picture: passed over, whatever it is called.
        (of(b".\xff"), of(b"1.png"), ""),
        (of(b"a"), of(b"\xff.txt"), ""),
    ]
    .into_iter()
    .enumerate()
    {
        let (root, tar) = (dir.path().join(n.to_string()), dir.path().join(format!("{n}-in.tar")));
        as_folder(&root, &[("train/b/0.png".to_owned(), vec![1])]);
        std::fs::create_dir_all(root.join("train").join(class)).unwrap();
        std::fs::write(root.join("train").join(class).join(name), [1]).unwrap();
        let mut builder = tar::Builder::new(File::create(&tar).unwrap());
        builder.append_dir_all(".", &root).unwrap();
        builder.finish().unwrap();
        for place in [&root, &tar] {
            match Tree::read(place) {
                Ok(tree) => assert!(want.is_empty() && tree.classes == ["b"], "{place:?}: {:?}", tree.classes),
                Err(e) => assert!(!want.is_empty() && e.to_string().contains(want), "{place:?}: {e}"),
            }
        }
    }
}

#[test]
fn what_is_no_image_folder_is_said_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let (empty, odd, cut) = (dir.path().join("empty"), dir.path().join("odd"), dir.path().join("cut.tar"));
    std::fs::create_dir(&empty).unwrap();
    let files = ["train/a/1.png", "test/z/1.png"].map(|n| (n.to_owned(), vec![1; 2000]));
    as_folder(&odd, &files);
    as_tar(&cut, "", &files);
    let whole = std::fs::read(&cut).unwrap();
    std::fs::write(&cut, &whole[..700]).unwrap();
    for (place, want) in [
        (&empty, "has neither train/CLASS/* nor train.tar"),
        (&odd, "has a class `z` that train has not; remove it, or add it to train"),
        (&dir.path().join("none"), "there is no such file or folder"),
    ] {
        let error = Tree::read(place).unwrap_err().to_string();
        assert!(error.contains(want) && !error.contains('\n'), "{error}");
    }
    // Packed archives: named, beside the name, and of a part, which must not be passed over.
    let packed = dir.path().join("packed");
    as_folder(&packed, &[("train/a/1.png".to_owned(), vec![1])]);
    for (archive, place) in
        [("all.tgz", "all.tgz"), ("set.tar.gz", "set.tar.gz"), ("set.tar.gz", "set"), ("packed/test.tar.gz", "packed")]
    {
        std::fs::write(dir.path().join(archive), [0x1f, 0x8b, 8, 0]).unwrap();
        let error = Tree::read(&dir.path().join(place)).unwrap_err().to_string();
        let want = format!("{archive}: is packed, and pictures are read in place; unpack it: `gunzip -k ");
        assert!(error.contains(&want) && !error.contains('\n'), "{error}");
    }
    // An archive that was cut off: either it is seen at once, or the picture is short.
    if let Err(e) = Tree::read(&cut) {
        assert!(e.to_string().contains("cut.tar"), "{e}");
    }
}

/// Files with their names as content, as a folder and as an archive of it.
fn both(names: &[&str]) -> (tempfile::TempDir, [PathBuf; 2]) {
    let dir = tempfile::tempdir().unwrap();
    let files: Vec<_> = names.iter().map(|n| ((*n).to_owned(), n.as_bytes().to_vec())).collect();
    let places = [dir.path().join("d"), dir.path().join("t.tar")];
    as_folder(&places[0], &files);
    as_tar(&places[1], "", &files);
    (dir, places)
}

/// Contents of the pictures of a part.
fn contents(tree: &Tree, part: usize) -> Vec<String> {
    let Some(branch) = &tree.parts[part] else { return Vec::new() };
    let one = |i: &Item| String::from_utf8(branch.bytes(i, &tree.classes).unwrap()).unwrap();
    branch.items.iter().map(one).collect()
}

#[test]
fn pictures_below_a_class_folder_belong_to_the_class() {
    // In the order of `os.walk`, and so of torchvision's ImageFolder: folder by folder.
    let names = [
        "train/a/2.png",
        "train/a/z.png",
        "train/a/b/1.png",
        "train/a/b-c/1.png",
        "train/a/b/c/0.png",
        "train/b/x/y/1.png",
    ];
    let (_dir, places) = both(&names);
    for place in &places {
        let tree = Tree::read(place).unwrap();
        assert_eq!(tree.classes, ["a", "b"]);
        assert_eq!(contents(&tree, 0), names, "{place:?}");
        assert_eq!(tree.notes, [""; 0]);
    }
}

#[test]
fn validation_parts_have_three_names_and_one_at_a_time() {
    for name in ["val", "valid", "validation"] {
        let held = format!("{name}/a/1.png");
        let (_dir, places) = both(&["train/a/1.png", "train/b/1.png", &held, "test/b/1.png"]);
        for place in &places {
            let tree = Tree::read(place).unwrap();
            assert_eq!((contents(&tree, 1), contents(&tree, 2).len()), (vec![held.clone()], 1), "{place:?}");
            assert_eq!(tree.parts[1].as_ref().unwrap().name, name);
        }
    }
    let (dir, places) = both(&["train/a/1.png", "train/b/1.png", "val/a/1.png", "validation/a/1.png"]);
    for place in &places {
        let line = Tree::read(place).unwrap_err().to_string();
        assert!(line.contains("has both val and validation, which are the same part; keep one of them"), "{line}");
    }
    // A folder and an archive of one part.
    std::fs::remove_dir_all(places[0].join("validation")).unwrap();
    std::fs::copy(&places[1], dir.path().join("d/test.tar")).unwrap();
    std::fs::create_dir(dir.path().join("d/test")).unwrap();
    let line = Tree::read(&places[0]).unwrap_err().to_string();
    assert!(line.contains("has both test and test.tar, which are the same part"), "{line}");
}

#[test]
fn nothing_is_passed_over_without_a_note_that_names_it() {
    let names = [
        "train/a/1.png",
        "train/b/1.png",
        "train/2.png",
        "val/1.png",
        "val/2.png",
        "val/3.png",
        "val/4.png",
        "5.png",
        "extra/a/1.png",
        "testing/a/1.png",
        "Train/a/1.png",
        "README.md",
        "train/c/none.txt",
    ];
    let (_dir, places) = both(&names);
    for place in &places {
        let tree = Tree::read(place).unwrap();
        assert_eq!(
            (&tree.classes[..], contents(&tree, 0).len(), &tree.parts[1]),
            (&["a".to_owned(), "b".to_owned()][..], 2, &None)
        );
        let want = [
            "passed over 2 files, hidden or not JPEG, PNG, BMP or PNM by name: README.md, train/c/none.txt",
            "passed over 6 pictures, in no class folder: 5.png, train/2.png, val/1.png and 3 more",
            "passed over 3 folders, not one of train, val, valid, validation, test: Train/, extra/, testing/",
        ];
        assert_eq!(tree.notes[..3], want, "{place:?}");
    }
    // Only a folder on the disk is there without what is in it.
    let notes = Tree::read(&places[0]).unwrap().notes;
    assert_eq!(notes[3..], ["passed over 1 class folder, without pictures: train/c/"]);
}

#[test]
fn class_folders_alone_are_the_training_part() {
    let names = ["a/1.png", "b/1.png", "b/deep/2.png"];
    let (_dir, places) = both(&names);
    for place in &places {
        let tree = Tree::read(place).unwrap();
        assert_eq!(
            (contents(&tree, 0), tree.parts[0].as_ref().unwrap().name.as_str()),
            (names.map(str::to_owned).to_vec(), "")
        );
    }
    // What looks like parts by other names is no class.
    for (names, want) in [
        (&["Train/a/1.png", "Val/a/1.png"][..], "has neither train/CLASS/* nor train.tar, but Train; name"),
        (&["testing/a/1.png", "cats/a/1.png"], "but testing; name the training part `train`"),
        (&["one/train/a/1.png", "two/train/a/1.png"], "has no train, but one/train; name the folder above train"),
        (&["1.png", "2.png"], "has neither train/CLASS/* nor train.tar"),
        (
            &["train/1.png", "train/2.png"],
            "has no class folder in train, only pictures of no class (train/1.png, train/2.png)",
        ),
    ] {
        let (_dir, places) = both(names);
        for place in &places {
            let line = Tree::read(place).unwrap_err().to_string();
            assert!(line.contains(want) && !line.contains('\n'), "{place:?}: {line}");
        }
    }
}

#[cfg(unix)]
#[test]
fn links_to_folders_are_followed_and_circles_end() {
    use std::os::unix::fs::symlink;
    let (_dir, [root, _]) = both(&["train/a/1.png", "train/b/1.png", "pool/2.png"]);
    symlink("../../pool", root.join("train/a/more")).unwrap();
    symlink("..", root.join("train/a/up")).unwrap();
    symlink(&root, root.join("pool/top")).unwrap();
    symlink("1.png", root.join("train/a/same.png")).unwrap();
    symlink("self.png", root.join("train/b/self.png")).unwrap();
    let tree = Tree::read(&root).unwrap();
    assert_eq!(
        contents(
            &Tree {
                parts: [
                    tree.parts[0].clone().map(|mut b| {
                        b.items.truncate(3);
                        b
                    }),
                    None,
                    None
                ],
                ..tree.clone()
            },
            0
        ),
        ["train/a/1.png", "train/a/1.png", "pool/2.png"]
    );
    assert_eq!(
        tree.parts[0].as_ref().unwrap().items.len(),
        5,
        "a link to itself is a broken picture, seen when it is read"
    );
    let circles = &tree.notes[tree.notes.len() - 1];
    assert_eq!(circles, "passed over 2 links, to a folder around it: train/a/more/top, train/a/up");
}
