//! What the documents say can be done, done: every command in them is run, and the page of keys is that of the program.

#![cfg(unix)]

mod common;

use common::{good, idx, text};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The documents that tell a reader what to type.
fn documents() -> Vec<PathBuf> {
    let mut all = vec![root().join("README.md"), root().join("docs/performance.md"), root().join("docs/results.md")];
    let guide = fs::read_dir(root().join("docs/guide/src")).unwrap().map(|e| e.unwrap().path());
    all.extend(guide.filter(|p| p.extension().is_some_and(|e| e == "md")));
    all.retain(|p| p.exists());
    all.sort();
    all
}

/// The commands of a document: each line of its `sh` blocks that calls the program, and whether it is only looked at.
/// Blocks marked `sh,network` or `sh,slow` are.
fn commands(document: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let mut block: Option<bool> = None;
    for line in document.lines() {
        match (block, line.trim_start().strip_prefix("```")) {
            (None, Some(info)) => {
                block = match info.trim() {
                    "sh" => Some(false),
                    "sh,network" | "sh,slow" => Some(true),
                    _ => None,
                };
            }
            (Some(_), Some(_)) => block = None,
            (Some(looked_at), None) => {
                let line = line.trim().replace("cargo run --release --", "reclra");
                if line.starts_with("reclra ") {
                    found.push((line, looked_at));
                }
            }
            (None, None) => {}
        }
    }
    found
}

/// MNIST's files with 300 images to learn from: each kind a bright square at a place of its own.
fn small_mnist(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    for (images, labels, count) in [(common::TRAIN.0, common::TRAIN.1, 300_usize), (common::TEST.0, common::TEST.1, 60)]
    {
        let class = |i: usize| i % 10;
        let pixel = |i: usize, p: usize| {
            let (row, col, c) = (p / 28, p % 28, class(i));
            let bright = row / 5 == c / 4 && col / 7 == c % 4;
            (if bright { 200 } else { 0 }) + ((i * 31 + p * 17) % 50) as u8
        };
        let pixels: Vec<u8> = (0..count).flat_map(|i| (0..784).map(move |p| pixel(i, p))).collect();
        let classes: Vec<u8> = (0..count).map(|i| class(i) as u8).collect();
        let n = count as u32;
        fs::write(folder.join(images), idx(0x0803, &[n, 28, 28], &pixels)).unwrap();
        fs::write(folder.join(labels), idx(0x0801, &[n], &classes)).unwrap();
    }
}

#[test]
fn every_command_in_the_documents_runs() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    for name in ["mnist", "fashion-mnist"] {
        small_mnist(&data.join(name));
    }
    let bin = Path::new(assert_cmd::cargo::cargo_bin!("reclra")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut count = 0;
    for (n, document) in documents().iter().enumerate() {
        let place = dir.path().join(n.to_string());
        fs::create_dir(&place).unwrap();
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seven.png"), place.join("seven.png")).unwrap();
        for (line, looked_at) in commands(&fs::read_to_string(document).unwrap()) {
            // What stands behind a pipe need not be there; what is only looked at must at least be understood.
            let line = line.split(" | ").next().unwrap_or_default();
            let line =
                if looked_at { format!("{} --help", line.split(" #").next().unwrap_or(line)) } else { line.to_owned() };
            let mut shell = Command::new("sh");
            shell.args(["-c", &line]).current_dir(&place).env("PATH", &path).env("RECLRA_DATA", &data);
            shell.env_remove("RECLRA_RUNS").stdin(std::process::Stdio::null());
            let output = shell.output().unwrap();
            let (_, err) = common::texts(&output);
            assert!(output.status.success(), "{}: `{line}`: {err}", document.display());
            count += 1;
        }
    }
    assert!(count > 40, "{count} commands were found");
}

/// Renew it with `reclra list keys --page > docs/guide/src/keys.md`.
#[test]
fn the_page_of_keys_is_that_of_the_program() {
    let (page, _) = good(&["list", "keys", "--page"]);
    let path = root().join("docs/guide/src/keys.md");
    assert_eq!(fs::read_to_string(&path).unwrap(), page, "renew {}", text(&path));
    for key in reclra_train::spec::keys::KEYS {
        assert!(page.contains(&format!("| `{}` | ", key.path)), "{}", key.path);
        assert!(!key.meaning().is_empty() && !key.default().is_empty(), "{} lacks its default or meaning", key.path);
    }
}

/// Every page is in the table of contents, and the other way round.
#[test]
fn the_guide_has_all_its_pages() {
    let folder = root().join("docs/guide/src");
    let summary = fs::read_to_string(folder.join("SUMMARY.md")).unwrap();
    let mut named: Vec<String> =
        summary.split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(str::to_owned).collect();
    named.push("SUMMARY.md".to_owned());
    named.sort();
    let mut there: Vec<String> =
        fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    there.retain(|f| f.ends_with(".md"));
    there.sort();
    assert_eq!(there, named);
}
