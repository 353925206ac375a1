//! Manual pages: one a command, in a form that man and mandoc take.

mod common;

use common::{bad, good, objects, text};
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

/// All commands with those below them, as `--help` lists them: `reclra-data-fetch`.
fn commands(above: &[&str]) -> Vec<String> {
    let (help, _) = good(&[above, &["--help"]].concat());
    let name = std::iter::once("reclra").chain(above.iter().copied()).collect::<Vec<_>>().join("-");
    let listed = help.split("Commands:\n").nth(1).unwrap_or_default();
    let lines = listed.lines().take_while(|l| !l.trim().is_empty()).filter(|l| !l.starts_with("    "));
    let below = lines.filter_map(|l| l.split_whitespace().next());
    std::iter::once(name).chain(below.flat_map(|c| commands(&[above, &[c]].concat()))).collect()
}

#[test]
fn each_command_has_its_page() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("man/man1");
    let (out, err) = good(&["man", "--out", text(&folder)]);
    assert_eq!(out, "");
    let pages: BTreeSet<String> =
        fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    let wanted: BTreeSet<String> = commands(&[]).iter().map(|c| format!("{c}.1")).collect();
    assert!(wanted.contains("reclra-train.1") && wanted.contains("reclra-data-fetch.1"), "{wanted:?}");
    assert_eq!(pages, wanted);
    assert!(err.contains(&format!("{} pages", pages.len())), "{err}");
    // Again it is the same; what says something else is somebody's.
    good(&["man", "--out", text(&folder)]);
    fs::write(folder.join("reclra.1"), "mine").unwrap();
    assert!(bad(&["man", "--out", text(&folder)], 2).contains("reclra.1: is there already and says something else"));
    assert_eq!(fs::read_to_string(folder.join("reclra.1")).unwrap(), "mine");
    good(&["man", "--overwrite", "--out", text(&folder)]);
    for name in &pages {
        let page = fs::read_to_string(folder.join(name)).unwrap();
        assert!(page.contains(".TH ") && page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{name}");
        for place in ["/home", "/root", "/tmp", "/work", text(dir.path())] {
            assert!(!page.contains(place), "{name} has {place}");
        }
        // Pages that a page refers to are there.
        for other in page.split("(1)").filter_map(|before| before.split_whitespace().next_back()) {
            let other = other.replace("\\-", "-").replace("\\fB", "").replace("\\fR", "");
            assert!(!other.starts_with("reclra-") || pages.contains(&format!("{other}.1")), "{name} names {other}");
        }
    }
    let train = fs::read_to_string(folder.join("reclra-train.1")).unwrap().replace("\\-", "-");
    assert!(train.contains("--tensorboard") && train.contains("--epochs") && train.contains("--quiet"), "{train}");
    lint(&folder);
}

/// By groff through man, and by mandoc, where they are.
fn lint(folder: &std::path::Path) {
    for page in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
        let mut man = Command::new("man");
        man.args(["--warnings", "-l"]).arg(&page).env("MANPAGER", "cat").env("LC_ALL", "C.UTF-8");
        if let Ok(output) = man.output() {
            let said = String::from_utf8_lossy(&output.stderr);
            // A container may have man and no groff, or a man that knows no -l: that says nothing of the page.
            let faults: Vec<&str> = said.lines().filter(|l| l.contains("warning: ") && l.contains("troff")).collect();
            assert!(faults.is_empty(), "{}: {faults:?}", page.display());
        }
        if let Ok(output) = Command::new("mandoc").args(["-T", "lint", "-W", "error"]).arg(&page).output() {
            assert!(output.status.success(), "{}: {}", page.display(), String::from_utf8_lossy(&output.stdout));
        }
    }
}

#[test]
fn the_first_page_is_printed() {
    let (out, err) = good(&["man"]);
    assert!(out.contains(".TH reclra 1") && out.contains("SUBCOMMANDS") && err.is_empty(), "{out}");
}

#[test]
fn json_lists_the_pages_and_a_file_is_no_folder() {
    let dir = tempfile::tempdir().unwrap();
    let (out, _) = good(&["man", "--json", "--quiet", "--out", text(dir.path())]);
    let objects = objects(&out);
    assert_eq!((objects.len(), &objects[0]["event"]), (1, &serde_json::json!("man")));
    assert!(objects[0]["pages"].as_array().unwrap().contains(&"reclra-train.1".into()));
    let line = bad(&["man", "--out", text(&dir.path().join("reclra.1"))], 2);
    assert!(line.contains("is a file") && line.contains("--out"), "{line}");
}
