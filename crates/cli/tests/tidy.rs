//! The house in order: what ARCHITECTURE.md promises of every file, checked.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every file below `folder` with that ending, build outputs left out: (path from the root, content).
fn files(folder: &str, ending: &str) -> Vec<(String, String)> {
    fn walk(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
        // What git ignores: builds, runs, the benchmark's Python.
        let ignored = ["target", ".git", "runs", "env"];
        for entry in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            if entry.is_dir() {
                if entry.file_name().is_none_or(|n| !ignored.iter().any(|i| n == *i)) {
                    walk(&entry, ending, found);
                }
            } else if entry.to_str().is_some_and(|p| p.ends_with(ending)) {
                found.push(entry);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), ending, &mut found);
    found.sort();
    let name = |p: &Path| p.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
    found.iter().map(|p| (name(p), fs::read_to_string(p).unwrap())).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// cli -> report -> train -> data -> core -> compute, never up, and every crate is known here.
#[test]
fn dependencies_run_downward() {
    let order = ["reclra-compute", "reclra", "reclra-data", "reclra-train", "reclra-report", "reclra-cli"];
    let manifests = files("crates", "Cargo.toml");
    assert_eq!(manifests.len(), order.len());
    for (path, text) in manifests {
        let manifest: toml::Table = toml::from_str(&text).unwrap();
        let name = manifest["package"]["name"].as_str().unwrap();
        let floor = order.iter().position(|o| *o == name).unwrap_or_else(|| panic!("{path}: {name} has no floor"));
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let wanted = manifest.get(section).and_then(|s| s.as_table()).into_iter().flat_map(|t| t.keys());
            for other in wanted {
                if let Some(below) = order.iter().position(|o| o == other) {
                    assert!(below < floor, "{path}: {name} must not depend on {other}");
                }
            }
        }
    }
}

/// Why each dependency is there stands in ARCHITECTURE.md.
#[test]
fn every_dependency_has_its_reason() {
    let text = read("ARCHITECTURE.md");
    let mut missing = BTreeSet::new();
    for (_, manifest) in files("crates", "Cargo.toml") {
        let manifest: toml::Table = toml::from_str(&manifest).unwrap();
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let wanted = manifest.get(section).and_then(|s| s.as_table()).into_iter().flat_map(|t| t.keys());
            missing.extend(wanted.filter(|d| !d.starts_with("reclra") && !text.contains(&format!("`{d}`"))).cloned());
        }
    }
    assert!(missing.is_empty(), "no reason is given for {missing:?}");
}

#[test]
fn every_module_says_what_it_is_for() {
    let all = files("crates", ".rs");
    assert!(all.len() > 50);
    for (path, text) in all {
        let first = text.lines().find(|l| !l.starts_with("#![")).unwrap_or_default();
        assert!(first.starts_with("//! "), "{path} begins with {first:?}");
    }
}

#[test]
fn files_are_short() {
    for (path, text) in files("crates", ".rs") {
        let lines = text.lines().count();
        assert!(lines <= 500, "{path} has {lines} lines: what is the second thing in it?");
    }
}

#[test]
fn unsafe_stays_in_the_compute_crate() {
    // And in the one file of the binary that talks to the system about its own process.
    let allowed = |path: &str| path.starts_with("crates/compute/src") || path == "crates/cli/src/process.rs";
    for (path, text) in files("crates", ".rs") {
        let code = text.lines().filter(|l| !l.trim_start().starts_with("//"));
        for line in code.filter(|_| !allowed(&path) && !path.ends_with("tidy.rs")) {
            let said = line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == "unsafe");
            assert!(!said, "{path}: {line}");
        }
    }
    // And there, each has its reason.
    for (path, text) in files("crates", ".rs").into_iter().filter(|(path, _)| allowed(path)) {
        let lines: Vec<&str> = text.lines().collect();
        for (n, line) in lines.iter().enumerate() {
            let opens = line.contains("unsafe {") || line.contains("unsafe impl");
            if opens && !line.trim_start().starts_with("//") {
                let near = lines[n.saturating_sub(6)..=n].iter().any(|l| l.contains("SAFETY:"));
                assert!(near, "{path}:{}: no SAFETY comment above it", n + 1);
            }
        }
    }
}

/// What `.ci/run` runs is what the README tells a newcomer to run.
#[test]
fn the_readme_and_the_ci_agree() {
    let (readme, ci) = (read("README.md"), read(".ci/run"));
    let test = ci.lines().map(str::trim).find(|l| l.starts_with("cargo test")).expect("`.ci/run` runs the tests");
    assert!(readme.contains(test), "the README does not say `{test}`");
    let clippy = "cargo clippy --workspace --all-targets -- -D warnings";
    for line in ["cargo fmt --check", clippy] {
        assert!(ci.contains(line), ".ci/run does not call `{line}`");
    }
}

/// Links between the project's own documents lead somewhere.
#[test]
fn documents_link_to_what_is_there() {
    for (path, text) in files(".", ".md") {
        let folder = root().join(&path).parent().unwrap().to_path_buf();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") {
                assert!(folder.join(target).exists(), "{path} links to {target}, which is not there");
            }
        }
    }
}

/// Files that documents and comments name in backticks are there: `crates/...` and the like from the root, a name that ends in .rs anywhere. NAME
/// stands for a name that a reader chooses.
#[test]
fn named_files_are_there() {
    let folders = ["crates/", "docs/", "experiments/", "fuzz/", "bench/", "tests/", ".ci/"];
    let endings = [".rs", ".sh", ".py"];
    let known: Vec<String> = endings.iter().flat_map(|e| files(".", e)).map(|(path, _)| format!("/{path}")).collect();
    let there = |word: &str| {
        let word = word.trim_end_matches('/');
        let above = word.split_once("/NAME").map_or(word, |(above, _)| above);
        let named = endings.iter().any(|e| word.ends_with(e)) && known.iter().any(|k| k.ends_with(&format!("/{word}")));
        // What `tests/setup.sh` makes is there only once that was run.
        word.starts_with("tests/env") || named || root().join(above).exists()
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let mut missing = BTreeSet::new();
    let comments = |text: &str| {
        let lines = text.lines().filter(|l| l.trim_start().starts_with("//"));
        lines.map(|l| format!("{l}\n")).collect::<String>()
    };
    let rust = files(".", ".rs").into_iter().map(|(path, text)| (path, comments(&text)));
    let texts: Vec<(String, String)> = files(".", ".md").into_iter().chain(rust).collect();
    for (path, text) in &texts {
        for line in text.lines() {
            // Every other part stands between backticks.
            let quoted = line.split('`').skip(1).step_by(2).flat_map(str::split_whitespace);
            for word in quoted.map(|w| w.trim_matches(|c: char| "(),:;".contains(c))) {
                let is_file = folders.iter().any(|f| word.starts_with(f)) || endings.iter().any(|e| word.ends_with(e));
                if is_file && word.chars().all(plain) && !word.contains("...") && !word.starts_with('.') && !there(word)
                {
                    missing.insert(format!("{path}: {word}"));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// What is committed works on other machines: no path of this one, no private registry.
#[test]
fn nothing_points_at_one_machine() {
    for ending in [".rs", ".toml", ".md", ".snap", ".sh", ".py", ".json"] {
        for (path, text) in files(".", ending) {
            if path.ends_with("tidy.rs") {
                continue;
            }
            for word in ["/work/", "/root/", "/home/"] {
                assert!(!text.contains(word), "{path} has {word}");
            }
        }
    }
}

/// Full names of the tests in these files, `data::split::folds_cover` say: the path of the file and the name of the function.
fn test_names(files: &[(String, String)], folder: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (path, text) in files {
        let module = path.trim_start_matches(folder).trim_start_matches('/').trim_end_matches(".rs").replace('/', "::");
        let mut lines = text.lines().map(str::trim);
        while lines.by_ref().any(|line| line == "#[test]") {
            let function = lines.by_ref().find_map(|line| line.strip_prefix("fn ")).unwrap_or_default();
            names.push(format!("{module}::{}", function.split('(').next().unwrap_or_default()));
        }
    }
    names
}

/// Every deliberate mutation changes a text that stands once in its file, and names a test that is there.
#[test]
fn deliberate_mutations_fit_the_code() {
    let list: toml::Table = toml::from_str(&read("tests/mutants.toml")).unwrap();
    for mutant in list["mutant"].as_array().unwrap() {
        let text = |key: &str| mutant.get(key).and_then(|v| v.as_str());
        let [file, find, breaks] = ["file", "find", "breaks"].map(|key| text(key).unwrap());
        assert_eq!(read(file).matches(find).count(), 1, "{file}: {breaks}: {find:?} must stand there once");
        let Some(killed_by) = text("killed_by") else {
            assert!(text("equivalent").is_some(), "{file}: {breaks}: has neither killed_by nor equivalent");
            continue;
        };
        let package = file.split("/src/").next().unwrap();
        let (target, filter) = killed_by.split_once(' ').unwrap_or((killed_by, ""));
        let folder = format!("{package}/{}", if target == "--lib" { "src" } else { "tests" });
        let mut of_target = files(&folder, ".rs");
        if target != "--lib" {
            let places = [format!("{folder}/{target}.rs"), format!("{folder}/{target}/")];
            of_target.retain(|(path, _)| places.iter().any(|place| path.starts_with(place)));
        }
        let there = test_names(&of_target, &folder).iter().any(|name| name.contains(filter));
        assert!(there, "{file}: {breaks}: there is no test `{killed_by}` in {folder}");
    }
}
