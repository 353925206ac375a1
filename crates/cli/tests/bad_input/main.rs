//! Bad input of every kind, file by file: one line that names the file and the remedy, the right exit code, nothing touched.
//!
//! What came of each is docs/bad-input.md, which this test makes: `RECLRA_UPDATE=1 cargo test --test bad_input` writes it anew.

#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;
mod damage;
mod inputs;

use common::{mnist, text};
use damage::{Damage, damages, gzip, png, tar};
use flate2::Compression;
use flate2::write::GzEncoder;
use inputs::{INPUTS, Input, lay_out};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// All files below a folder with what is in them; of what is no file its kind.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap().map(Result::unwrap) {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            let small = kind.is_file() && entry.metadata().unwrap().len() < 1 << 30;
            let what = if small { fs::read(&path).unwrap() } else { format!("{kind:?}").into_bytes() };
            if kind.is_dir() {
                folders.push(path.clone());
            }
            all.insert(path, what);
        }
    }
    all
}

/// What came of a command: exit code, and the last line on standard error if it failed. It may take 20 seconds and 4 GB.
fn tried(command: &str, dir: &Path) -> (i32, String) {
    let args: Vec<String> = command.split(' ').map(|w| w.replace("{}", text(dir))).collect();
    let script = "ulimit -v 4000000; exec \"$0\" \"$@\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, text(assert_cmd::cargo::cargo_bin!("reclra"))]).args(&args);
    let mut child = shell
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if began.elapsed() > Duration::from_secs(20) => {
                let _ = child.kill();
                panic!("{command}: it does not end");
            }
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    let err = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    let code = status.code().unwrap_or_else(|| panic!("{command}: {status}: {err}"));
    assert!(!err.contains("internal error") && !err.contains("panicked"), "{command}: {err}");
    if code == 0 {
        let warning = err.lines().find(|l| l.starts_with("warning: "));
        return (0, warning.unwrap_or("(read)").to_owned());
    }
    assert!([1, 2].contains(&code), "{command}: exit code {code}: {err}");
    let errors: Vec<&str> = err.lines().filter_map(|l| l.strip_prefix("error: ")).collect();
    assert_eq!(errors.len(), 1, "{command}: one line of error: {err}");
    (code, errors[0].to_owned())
}

/// The command on an input in that state; the folder must be afterwards as it was before.
fn outcome(input: &Input, dir: &Path, state: &str) -> (i32, String) {
    let before = contents(dir);
    let (code, line) = tried(input.command, dir);
    let name = format!("{}, {state}", input.what);
    if code != 0 {
        let file = Path::new(input.file).file_name().unwrap().to_str().unwrap();
        let stem = file.split('.').next().unwrap();
        let key = ["data.", "net.", "rule.", "optim.", "train."].iter().any(|section| line.contains(section));
        // A network that says of itself to be of other images is told apart from the images.
        let named = line.contains(stem) || line.contains("checkpoints") || key || line.starts_with("digits: ");
        assert!(named, "{name}: the line names neither {file} nor a key: {line}");
        assert!(line.contains("; ") || line.contains(": "), "{name}: no remedy in {line}");
        assert!(!dir.join("out").exists(), "{name}: something is left behind");
    }
    let _ = fs::remove_dir_all(dir.join("out"));
    let _ = fs::remove_file(dir.join("out"));
    let after = contents(dir);
    if input.command.starts_with("resume") {
        // It goes on, and what is damaged gets another name; nothing else is taken away.
        let lost: Vec<_> =
            before.keys().filter(|k| !after.contains_key(*k) && !text(k).contains("/checkpoints/")).collect();
        assert!(lost.is_empty(), "{name}: {lost:?}");
    } else {
        let differ: Vec<_> = before.iter().filter(|(k, v)| after.get(*k) != Some(*v)).map(|(k, _)| k).collect();
        assert!(differ.is_empty() && after.len() == before.len(), "{name}: touched {differ:?}");
    }
    (code, line)
}

/// A file is replaced for as long as this lives.
fn with<T>(dir: &Path, input: &Input, change: impl FnOnce(&Path, &[u8]), then: impl FnOnce() -> T) -> T {
    let resumes = input.command.starts_with("resume");
    let (left, copy) = (dir.join("left"), dir.with_extension("copy"));
    if resumes {
        copied(&left, &copy);
    }
    let path = dir.join(input.file);
    let bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    change(&path, &bytes);
    let result = then();
    if resumes {
        fs::remove_dir_all(&left).unwrap();
        fs::rename(&copy, &left).unwrap();
    } else {
        if path.is_dir() && !path.is_symlink() {
            fs::remove_dir(&path).unwrap()
        } else {
            let _ = fs::remove_file(&path);
        }
        fs::write(&path, bytes).unwrap();
    }
    result
}

fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copied(&entry.path(), &target)
        } else {
            fs::copy(entry.path(), target).map(drop).unwrap()
        }
    }
}

#[test]
fn every_file_that_is_read_may_be_bad() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("d");
    fs::create_dir(&dir).unwrap();
    lay_out(&dir);
    let mut table = String::from(
        "# Bad input, file by file\n\nWhat the program says of each file that it reads when something else stands in its place. Made by \
         `RECLRA_UPDATE=1 cargo test --test bad_input`, which also checks that each of these ends with one line and exit code 1 or 2 \
         within 20 seconds and 4 GB, and leaves every file as it was.\n\nBesides what is listed, each file was cut to every power of two \
         of bytes, and had each of 24 bits turned: that was refused in the same way, or read where it is a matter of values \
         (a pixel, a weight, a digit of a number).\n",
    );
    for input in INPUTS {
        let (code, line) = outcome(input, &dir, "in order");
        let whole = !input.file.contains("cifar") && !input.file.contains("archive");
        assert!(code == 0 || !whole, "{}: in good order: {line}", input.what);
        if input.command.starts_with("resume") {
            // It went on to its end: left once more.
            fs::remove_file(dir.join("left/result.json")).unwrap();
        }
        let shown = input.command.replace("{}/", "");
        let _ = write!(
            table,
            "\n## {}\n\n`{}`, read by `reclra {shown}`\n\n| in its place | exit | what is said |\n|---|---|---|\n",
            input.what, input.file
        );
        // What a user names to be read once may be a pipe, and is waited for, as `cat` does.
        let may_wait = |d: &Damage| matches!(d, Damage::Fifo) && input.what == "Spec";
        for damage in damages().into_iter().filter(|d| !may_wait(d)) {
            let (code, line) = with(&dir, input, |path, _| damage.put(path), || outcome(input, &dir, damage.name()));
            let mut line = line.replace(text(&dir), "DIR").replace('|', "\\|");
            // What can be read depends on the memory there is.
            if let Some((before, rest)) = line.split_once("no more than ") {
                line = format!("{before}no more than N{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()));
            }
            let _ = writeln!(table, "| {} | {code} | {line} |", damage.name());
        }
        let bytes = fs::read(dir.join(input.file)).unwrap();
        let mut length = 1;
        while length < bytes.len() {
            with(
                &dir,
                input,
                |path, b| fs::write(path, &b[..length]).unwrap(),
                || outcome(input, &dir, &format!("cut to {length}")),
            );
            length *= 2;
        }
        for n in 0..24_u64 {
            let bit = (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16) % (8 * bytes.len() as u64);
            // The first bytes are those of headers.
            let bit = if n < 8 { bit % 1024.min(8 * bytes.len() as u64) } else { bit } as usize;
            let turned = |path: &Path, b: &[u8]| {
                let mut b = b.to_vec();
                b[bit / 8] ^= 1 << (bit % 8);
                fs::write(path, b).unwrap();
            };
            with(&dir, input, turned, || outcome(input, &dir, &format!("bit {bit} turned")));
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/bad-input.md");
    if std::env::var_os("RECLRA_UPDATE").is_some() {
        fs::write(path, &table).unwrap();
    }
    let there = fs::read_to_string(path).unwrap_or_default();
    let differ = there.lines().zip(table.lines()).find(|(a, b)| a != b);
    assert!(there == table, "docs/bad-input.md is not what is said now (RECLRA_UPDATE=1 writes it): {differ:?}");
}

/// What unpacks to more than any such file is stopped on the way.
#[test]
fn bombs_are_not_unpacked() {
    let dir = tempfile::tempdir().unwrap();
    mnist(dir.path());
    let zeros = {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        (0..1100).for_each(|_| encoder.write_all(&[0; 1 << 20]).unwrap());
        encoder.finish().unwrap()
    };
    let images = dir.path().join(common::TRAIN.0);
    fs::remove_file(&images).unwrap();
    fs::write(images.with_extension("gz"), &zeros).unwrap();
    fs::write(&images, &zeros).unwrap();
    let (code, line) = tried("train --data mnist --data-dir {}", dir.path());
    assert!(code == 1 && line.contains("unpacks to more than"), "{line}");
    let archive = dir.path().join("cifar-10-binary.tar.gz");
    let long = gzip(&tar(&[("x", &[0; 512])])[..1024]);
    fs::write(&archive, [long, zeros].concat()).unwrap();
    let (code, line) = tried("train --data cifar10 --data-dir {}", dir.path());
    assert!(code == 1 && line.contains("cifar-10-binary.tar.gz"), "{line}");
}

/// Nothing is unpacked anywhere: archives are read in place, whatever their names say.
#[test]
fn archives_do_not_leave_their_folder() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("inner");
    fs::create_dir(&dir).unwrap();
    let png = png(8);
    let outside = text(root.path()).to_owned() + "/train/a/evil.png";
    let files = [
        "../train/a/1.png",
        "train/a/../../../2.png",
        &outside,
        "train/b/3.png",
        "train/b/4.png",
        "train/a/5.png",
        "train/a/6.png",
    ];
    fs::write(dir.join("train.tar"), tar(&files.map(|n| (n, &png[..])))).unwrap();
    let mut links = ::tar::Builder::new(fs::File::create(dir.join("test.tar")).unwrap());
    for kind in [::tar::EntryType::Symlink, ::tar::EntryType::Link] {
        let mut header = ::tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        links.append_link(&mut header, "test/a/1.png", "/etc/passwd").unwrap();
    }
    links.finish().unwrap();
    let before = contents(root.path());
    tried("train --data image-folder --data-dir {} --arch 192-4-2 --epochs 1 --batch 1 --out {}/out", &dir);
    let _ = fs::remove_dir_all(dir.join("out"));
    assert_eq!(contents(root.path()), before, "nothing but the run was written");
}

/// Folders that are laid out strangely.
#[test]
fn strange_names_and_links_are_borne() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("with space");
    let command = "train --data image-folder --data-dir {} --arch 192-4-2 --epochs 1 --batch 1 --out {}/out";
    let run = |dir: &Path| {
        let args: Vec<String> = command.split(' ').map(|w| w.replace("{}", text(dir))).collect();
        let words: Vec<&str> = args.iter().map(String::as_str).collect();
        let output = common::reclra(&words).output().unwrap();
        let (_, err) = common::texts(&output);
        assert!(!err.contains("internal error"), "{err}");
        let _ = fs::remove_dir_all(dir.join("out"));
        (output.status.code().unwrap(), err)
    };
    for class in ["cat", "Hündin"] {
        fs::create_dir_all(dir.join("train").join(class)).unwrap();
        (0..6).for_each(|n| fs::write(dir.join(format!("train/{class}/a b {n}.png")), png(8)).unwrap());
    }
    assert_eq!(run(&dir).0, 0, "spaces and letters of any language are names like others");
    // A name that is no text is refused by name: passed over, a picture would be missed.
    use std::os::unix::ffi::OsStrExt;
    let odd = dir.join("train/cat").join(std::ffi::OsStr::from_bytes(b"\xff\xfe.png"));
    fs::write(&odd, png(8)).unwrap();
    let (code, err) = run(&dir);
    assert!(code == 1 && err.contains("is not UTF-8: `\u{fffd}\u{fffd}.png`; give it another name"), "{err}");
    fs::remove_file(&odd).unwrap();
    // Folders that lead back to themselves.
    symlink("..", dir.join("train/cat/loop")).unwrap();
    symlink(".", dir.join("train/self")).unwrap();
    let (code, err) = run(&dir);
    assert!(code == 0 || err.lines().filter(|l| l.starts_with("error: ")).count() == 1, "{err}");
    // What is no file counts as a broken picture.
    for (name, make) in [("pipe.png", "mkfifo"), ("link.png", "ln -s /dev/zero"), ("dead.png", "ln -s nowhere")] {
        let path = dir.join("train/cat").join(name);
        assert!(Command::new("sh").args(["-c", &format!("{make} \"$0\""), text(&path)]).status().unwrap().success());
        let (code, err) = run(&dir);
        assert!([0, 1].contains(&code) && (code == 0 || err.contains(name)), "{name}: {err}");
        fs::remove_file(&path).unwrap();
    }
    // Two classes that differ in case alone are two where the file system has them apart.
    fs::create_dir_all(dir.join("train/CAT")).unwrap();
    fs::write(dir.join("train/CAT/1.png"), png(8)).unwrap();
    let (code, err) = run(&dir);
    assert!(code != 0 && err.contains("192-4-3"), "{err}");
    // Who may not read is told so.
    let unreadable = dir.join("train/cat/a b 0.png");
    fs::set_permissions(&unreadable, std::os::unix::fs::PermissionsExt::from_mode(0o0)).unwrap();
    if fs::read(&unreadable).is_err() {
        fs::remove_dir_all(dir.join("train/CAT")).unwrap();
        let (_, err) = run(&dir);
        assert!(err.contains("a b 0.png") && err.contains("ermission denied"), "{err}");
    }
}
