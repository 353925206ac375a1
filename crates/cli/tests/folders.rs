//! Image folders and files of the wrong kind through the binary: refused in one line, or the same whatever the memory.

mod common;

use common::{bad, good, objects, text};
use std::fs;
use std::path::Path;

/// Twelve training and four test pictures of each class, 8x8, each class of one brightness.
fn pictures(at: &Path, classes: &[&str]) {
    for (part, count) in [("train", 12_u8), ("test", 4)] {
        for (n, class) in classes.iter().enumerate() {
            let folder = at.join(part).join(class);
            fs::create_dir_all(&folder).unwrap();
            for i in 0..count {
                let mut picture = b"P6 8 8 255\n".to_vec();
                picture.extend([40 * n as u8 + 3 * i; 192]);
                fs::write(folder.join(format!("{i:02}.ppm")), picture).unwrap();
            }
        }
    }
}

fn training<'a>(folder: &'a Path, run: &'a Path) -> Vec<&'a str> {
    let data = ["train", "--quiet", "--data", "image-folder", "--data-dir", text(folder), "--out", text(run)];
    [&data[..], &["--arch", "192-6-2", "--epochs", "2", "--batch", "4"]].concat()
}

#[test]
fn one_class_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    pictures(dir.path(), &["cat"]);
    let line = bad(&training(dir.path(), &dir.path().join("run")), 1);
    assert!(line.contains("has one class in train, `cat` (12 pictures)") && line.contains("at least two"), "{line}");
}

#[test]
fn a_broken_test_picture_counts_nowhere_whatever_the_memory() {
    let dir = tempfile::tempdir().unwrap();
    pictures(dir.path(), &["cat", "dog"]);
    fs::write(dir.path().join("test/cat/01.ppm"), "rubbish").unwrap();
    let judged = ["1024", "0"].map(|memory| {
        let run = dir.path().join(format!("run-{memory}"));
        let setting = format!("data.memory={memory}");
        good(&[&training(dir.path(), &run)[..], &["--set", &setting]].concat());
        let (out, _) = good(&["eval", text(&run), "--json"]);
        let mut found = objects(&out).remove(0);
        found.as_object_mut().unwrap().remove("loss");
        found
    });
    assert_eq!(judged[0], judged[1]);
    assert_eq!(judged[0]["samples"], 7);
}

#[test]
fn a_run_does_not_go_on_with_other_images() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    pictures(dir.path(), &["cat", "dog"]);
    good(&training(dir.path(), &run));
    let picture = dir.path().join("train/dog/03.ppm");
    let was = fs::read(&picture).unwrap();
    let all = |at: &Path| {
        let mut all: Vec<_> = fs::read_dir(at).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file()).collect();
        // The lock says which process held the folder last.
        all.retain(|p| !p.ends_with("lock"));
        all.sort();
        all.into_iter().map(|p| (fs::read(&p).unwrap(), p)).collect::<Vec<_>>()
    };
    let before = all(&run);
    let mut other = was.clone();
    *other.last_mut().unwrap() ^= 255;
    fs::write(&picture, other).unwrap();
    let line = bad(&["resume", text(&run), "--epochs", "1"], 1);
    assert!(line.contains("not the images the run began with (03.ppm has another content)"), "{line}");
    assert!(line.contains("restore them") && line.contains("begin a new run"), "{line}");
    assert!(all(&run) == before, "nothing is touched");
    fs::remove_file(dir.path().join("test/cat/00.ppm")).unwrap();
    fs::write(&picture, was).unwrap();
    let line = bad(&["resume", text(&run), "--epochs", "1"], 1);
    assert!(line.contains("(then 32 files, now 31 files)"), "{line}");
    pictures(dir.path(), &["cat", "dog"]);
    good(&["resume", text(&run), "--epochs", "1"]);
}

#[test]
fn files_of_another_kind_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let spec = file("spec.toml", "[train]\nepochs = 1");
    let model = file("model.toml", "[[block]]\nlayers = [{ kind = \"flatten\" }, { kind = \"dense\" }]");
    let packed = file("all.tar.gz", "\u{1f}");
    for (args, code, wants) in [
        (&["train", "--model", text(&spec)][..], 2, "spec.toml: is a spec, no model; give it with --config"),
        (&["train", text(&model)], 2, "model.toml: unknown key `block`, a model's: give the file with --model"),
        (&["train", "--wiring", "list"], 2, "needs its error synapses; give them with rule.synapses"),
        (&["train", "--model", text(&model), "--width", "8"], 2, "net.width = 8: is read by models by name only"),
        (
            &["train", "--data", "image-folder", "--data-dir", text(&packed)],
            1,
            "is packed, and pictures are read in place",
        ),
        (&["train", "--data", "mnist", "--data-dir", text(&packed)], 1, "that is a file: unpack it"),
    ] {
        let line = bad(args, code);
        assert!(line.contains(wants) && line.lines().count() == 1, "{args:?}: {line}");
    }
}

#[test]
fn whitening_by_few_images_is_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    pictures(dir.path(), &["cat", "dog"]);
    let run = dir.path().join("run");
    let args = training(dir.path(), &run);
    let loud: Vec<&str> = args.into_iter().filter(|a| *a != "--quiet").chain(["--set", "data.zca=true"]).collect();
    let (_, err) = good(&loud);
    let line = err.lines().find(|l| l.starts_with("warning: data.zca")).unwrap_or_else(|| panic!("{err}"));
    assert!(line.contains("training images of 192 pixels") && line.contains("data.zca_epsilon"), "{line}");
}
