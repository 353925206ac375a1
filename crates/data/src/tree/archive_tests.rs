//! Archives with more than plain files in them: links, members that stand twice, sparse ones.

use super::tests::as_tar;
use super::*;
use std::fs::File;
use std::io::Write;
use tar::{Builder, EntryType, Header};

/// A member: its type, its path, and its bytes or where it leads.
type Entry<'a> = (EntryType, &'a str, &'a str);

const FILE: EntryType = EntryType::Regular;

fn written(entries: &[Entry]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d.tar");
    let mut builder = Builder::new(File::create(&path).unwrap());
    for &(kind, name, what) in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        match kind {
            EntryType::Link | EntryType::Symlink => {
                header.set_size(0);
                builder.append_link(&mut header, name, what).unwrap();
            }
            _ => {
                header.set_size(what.len() as u64);
                builder.append_data(&mut header, name, what.as_bytes()).unwrap();
            }
        }
    }
    builder.finish().unwrap();
    (dir, path)
}

/// Paths and bytes of all pictures of the training part.
fn train(path: &Path) -> Vec<(String, String)> {
    let tree = Tree::read(path).unwrap();
    let branch = tree.parts[0].as_ref().unwrap();
    let one = |item: &Item| {
        let bytes = branch.bytes(item, &tree.classes).unwrap();
        (format!("{}/{}", tree.classes[item.label as usize], item.name), String::from_utf8(bytes).unwrap())
    };
    branch.items.iter().map(one).collect()
}

fn refused(entries: &[Entry], want: &str) {
    let (_dir, path) = written(entries);
    let line = Tree::read(&path).unwrap_err().to_string();
    assert!(line.contains("d.tar: ") && line.contains(want) && !line.contains('\n'), "{line}");
}

#[test]
fn links_are_the_pictures_that_they_lead_to() {
    let (_dir, path) = written(&[
        (FILE, "d/train/a/1.png", "one"),
        (EntryType::Link, "d/train/a/2.png", "d/train/a/1.png"),
        (EntryType::Link, "./d/train/a/3.png", "./d/train/a/2.png"),
        (EntryType::Symlink, "d/train/b/4.png", "../a/3.png"),
        (EntryType::Symlink, "d/train/b/5.png", "./4.png"),
        // From outside of the classes, before what it leads to; the name there has no ending.
        (EntryType::Symlink, "d/train/b/6.png", "../../../pool/x"),
        (FILE, "pool/x", "six"),
        // What is appended later is another file: a hard link keeps the old one, a symbolic one leads to the new one.
        (FILE, "d/train/c/7.png", "old"),
        (EntryType::Link, "d/train/c/8.png", "d/train/c/7.png"),
        (EntryType::Symlink, "d/train/c/9.png", "7.png"),
        (FILE, "d/train/c/7.png", "new"),
    ]);
    let want = [
        ("a/1.png", "one"),
        ("a/2.png", "one"),
        ("a/3.png", "one"),
        ("b/4.png", "one"),
        ("b/5.png", "one"),
        ("b/6.png", "six"),
        ("c/7.png", "new"),
        ("c/8.png", "old"),
        ("c/9.png", "new"),
    ];
    assert_eq!(train(&path), want.map(|(n, b)| (n.to_owned(), b.to_owned())));
    // A link that is no picture is passed over like a file that is none.
    let (_dir, path) = written(&[(FILE, "train/a/1.png", "x"), (EntryType::Symlink, "train/a/latest", "1.png")]);
    let notes = Tree::read(&path).unwrap().notes;
    assert!(notes.len() == 1 && notes[0].ends_with(": train/a/latest"), "{notes:?}");
}

#[test]
fn links_that_lead_to_no_picture_are_refused_by_name() {
    let one = (FILE, "train/a/1.png", "x");
    for (kind, name, to, want) in [
        (
            EntryType::Symlink,
            "train/b",
            "../pool",
            "holds a link to a folder: train/b -> ../pool; make it anew with tar -h",
        ),
        (EntryType::Symlink, "train/b", "a", "holds a link to a folder: train/b -> a"),
        (EntryType::Symlink, "train/b/9.png", "../a", "holds a link to a folder: train/b/9.png -> ../a"),
        (EntryType::Symlink, "train/b/9.png", "8.png", "holds a link to what it does not hold: train/b/9.png -> 8.png"),
        (EntryType::Symlink, "train/b/9.png", "/pool/1.png", "train/b/9.png -> /pool/1.png; make it anew with tar -h"),
        (EntryType::Symlink, "train/b/9.png", "../../../1.png", "to what it does not hold: train/b/9.png"),
        (EntryType::Symlink, "train/b/9.png", "9.png", "holds a link that leads in a circle: train/b/9.png"),
        (
            EntryType::Link,
            "train/b/9.png",
            "train/b/8.png",
            "-> train/b/8.png; make it anew with tar --hard-dereference",
        ),
        // A hard link comes after its file.
        (EntryType::Link, "train/b/9.png", "pool/late.png", "to what it does not hold: train/b/9.png -> pool/late.png"),
    ] {
        refused(&[one, (kind, name, to), (FILE, "pool/late.png", "y")], want);
    }
}

#[test]
fn of_members_of_one_name_the_last_counts() {
    let (_dir, path) = written(&[
        (FILE, "train/a/1.png", "first"),
        (FILE, "train/a/2.png", "two"),
        (FILE, "./train/a/1.png", "second"),
        (FILE, "train/b/1.png", "b"),
        (EntryType::Link, "train/b/1.png", "train/a/1.png"),
    ]);
    let want = [("a/1.png", "second"), ("a/2.png", "two"), ("b/1.png", "second")];
    assert_eq!(train(&path), want.map(|(n, b)| (n.to_owned(), b.to_owned())));
}

#[test]
fn sparse_members_are_refused_as_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    for old in [true, false] {
        let path = dir.path().join(format!("{old}.tar"));
        let mut builder = Builder::new(File::create(&path).unwrap());
        let mut header = Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(512);
        if old {
            header.set_entry_type(EntryType::GNUSparse);
            let gnu = header.as_gnu_mut().unwrap();
            gnu.sparse[0].offset = *b"00000010000\0";
            gnu.sparse[0].numbytes = *b"00000001000\0";
            gnu.realsize = *b"00000011000\0";
        } else {
            let records: [(&str, &[u8]); 3] =
                [("GNU.sparse.major", b"1"), ("GNU.sparse.name", b"train/a/1.png"), ("GNU.sparse.realsize", b"4608")];
            builder.append_pax_extensions(records).unwrap();
        }
        let name = if old { "train/a/1.png" } else { "train/a/GNUSparseFile.0/1.png" };
        builder.append_data(&mut header, name, &[1; 512][..]).unwrap();
        builder.finish().unwrap();
        let line = Tree::read(&path).unwrap_err().to_string();
        let want = "has sparse members, such as train/a/1.png, whose gaps are left out; make it anew without tar -S";
        assert!(line.contains(want), "{line}");
    }
}

#[test]
fn members_of_other_kinds_are_named() {
    let one = (FILE, "train/a/1.png", "x");
    refused(&[one, (EntryType::Fifo, "train/a/2.png", "")], "a device, a pipe or the like as a picture: train/a/2.png");
    refused(&[one, (EntryType::new(b'M'), "train/a/2.png", "")], "is one volume of several");
    let (_dir, path) = written(&[one, (EntryType::Fifo, "train/a/pipe", ""), (EntryType::new(b'V'), "label", "")]);
    let notes = Tree::read(&path).unwrap().notes;
    assert!(notes.len() == 1 && notes[0].ends_with(": train/a/pipe"), "{notes:?}");
}

#[test]
fn what_follows_the_end_of_an_archive_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let files = ["train/a/1.png", "train/b/1.png"].map(|n| (n.to_owned(), vec![1; 700]));
    let path = dir.path().join("all.tar");
    as_tar(&path, "", &files);
    assert_eq!(Tree::read(&path).unwrap().notes, [""; 0]);
    // Blocks of zeros fill archives up.
    File::options().append(true).open(&path).unwrap().write_all(&[0; 10_240]).unwrap();
    assert_eq!(Tree::read(&path).unwrap().notes, [""; 0]);
    let second = std::fs::read(&path).unwrap();
    File::options().append(true).open(&path).unwrap().write_all(&second).unwrap();
    let notes = Tree::read(&path).unwrap().notes;
    assert!(notes.len() == 1 && notes[0].starts_with("passed over 1 archive's rest, after the end"), "{notes:?}");
}

#[test]
fn folders_around_the_parts_are_taken_off() {
    for (names, classes, count) in [
        (&["d/train/a/1.png", "d/train/b/1.png", "d/README"][..], &["a", "b"][..], 2),
        (&["x/y/a/1.png", "x/y/b/1.png", "x/y/b/deep/2.png"], &["a", "b"], 3),
        (&["a/1.png", "b/1.png"], &["a", "b"], 2),
    ] {
        let entries: Vec<Entry> = names.iter().map(|n| (FILE, *n, "x")).collect();
        let (_dir, path) = written(&entries);
        let tree = Tree::read(&path).unwrap();
        assert_eq!(
            (&tree.classes[..], train(&path).len()),
            (&classes.iter().map(|c| c.to_string()).collect::<Vec<_>>()[..], count)
        );
    }
    refused(&[(FILE, "x/train/a/1.png", ""), (FILE, "y/train/a/1.png", "")], "has no train, but x/train; name");
    // The builder refuses such names.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d.tar");
    let mut builder = Builder::new(File::create(&path).unwrap());
    let mut header = Header::new_gnu();
    header.set_size(0);
    header.as_gnu_mut().unwrap().name[..16].copy_from_slice(b"../train/b/1.png");
    header.set_cksum();
    builder.append(&header, &[][..]).unwrap();
    builder.finish().unwrap();
    let line = Tree::read(&path).unwrap_err().to_string();
    assert!(line.contains("holds a name that leads out of it: ../train/b/1.png; make it anew"), "{line}");
}
