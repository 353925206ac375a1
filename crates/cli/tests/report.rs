//! `reclra report`: run folders in, one HTML file out, opened in a real browser where there is one.

mod common;

use common::{bad, good, mnist, objects, text};
use reclra::Device;
use reclra_train::fit::fit;
use reclra_train::model;
use reclra_train::record::Record;
use reclra_train::run::{Prepared, prepare};
use reclra_train::runs::view::Line;
use reclra_train::runs::{ENVIRONMENT, Environment, METRICS, RESULT, SPEC, StepRow, data_files};
use reclra_train::spec::Settings;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;

/// A run folder as training leaves it, of a small network.
fn run_folder(folder: &Path, spec: &str) {
    fs::create_dir_all(folder).unwrap();
    let settings = Settings::parse(&format!("{spec}\ntrain.alignment = true"), "spec").unwrap();
    let Prepared { spec, facts, dataset } = prepare(&settings).unwrap();
    let outcome = fit(&spec, &*dataset, Device::cpu(1), &mut (), &AtomicBool::new(false)).unwrap();
    let mut metrics = String::new();
    for e in &outcome.epochs {
        let loss = e.train_loss;
        let step = StepRow {
            epoch: e.epoch,
            step: e.step,
            loss,
            error: 0.1,
            discrepancy: 0.2,
            learning_rate: 1e-3,
            layers: e.layers.clone(),
        };
        for line in [Line::Step(step), Line::Epoch(e.clone())] {
            writeln!(metrics, "{}", serde_json::to_string(&line).unwrap()).unwrap();
        }
    }
    let environment = Environment {
        version: "0.1.0".into(),
        command: ["reclra", "train", "<i>&\"quoted\"</i>"].map(String::from).into(),
        threads: 1,
        data: data_files(&spec.data, None).unwrap(),
        facts: Some(facts.clone()),
        ..Environment::default()
    };
    model::save(folder, &spec, &facts, &outcome.learner).unwrap();
    let record = Record { test: outcome.test, seconds: 1.0, ..Record::unfinished(&spec, outcome.epochs).unwrap() };
    fs::write(folder.join(METRICS), metrics).unwrap();
    fs::write(folder.join(ENVIRONMENT), serde_json::to_string(&environment).unwrap()).unwrap();
    fs::write(folder.join(RESULT), serde_json::to_string(&record).unwrap()).unwrap();
}

const DIGITS: &str = "net.arch = \"64-8x12-10\"\ntrain.epochs = 3\nrule.wiring = \"full\"";

#[test]
fn a_report_is_one_file_beside_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run <1> & \"2\"");
    run_folder(&run, DIGITS);
    let (out, err) = good(&["report", text(&run), "--threads", "1"]);
    let path = run.join("report.html");
    assert_eq!(out.trim(), text(&path));
    assert!(err.contains("(1 of 1)") && !err.contains("without"), "{err}");
    let html = fs::read_to_string(&path).unwrap();
    assert!(html.starts_with("<!DOCTYPE html>") && html.contains("run &lt;1&gt; &amp; &quot;2&quot;"));
    assert!(html.contains("&lt;i&gt;&amp;&quot;quoted&quot;&lt;/i&gt;") && !html.contains("<i>&"));
    // The same folder gives the same file; a report may be replaced by another.
    let (out, err) = good(&["report", text(&run), "--quiet", "--json"]);
    let o = &objects(&out)[0];
    assert_eq!((o["event"].as_str(), o["bytes"].as_u64(), err.as_str()), (Some("report"), Some(html.len() as u64), ""));
    assert_eq!(fs::read_to_string(&path).unwrap(), html);
    let (_, _) = good(&["report", text(&run), "--timing", "--quiet"]);
    assert!(fs::read_to_string(&path).unwrap().contains("Measured while this report was made"));
}

#[test]
fn what_cannot_be_shown_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (run, data) = (dir.path().join("run"), dir.path().join("data"));
    mnist(&data);
    let spec = |dir: &Path| {
        format!(
            "data.name = \"mnist\"\ndata.dir = {:?}\nnet.arch = \"36-8-10\"\ntrain.epochs = 2\ntrain.batch = 10",
            text(dir)
        )
    };
    run_folder(&run, &spec(&data));
    let moved = dir.path().join("moved");
    fs::rename(&data, &moved).unwrap();
    let (out, err) = good(&["report", text(&run), "--json"]);
    assert!(err.contains("without confusion matrix") && err.contains("data fetch mnist"), "{err}");
    let missing = objects(&out)[0]["missing"].as_array().unwrap().clone();
    assert!(missing.len() == 1 && missing[0]["why"].as_str().unwrap().contains("train-images"), "{missing:?}");
    let html = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(html.contains("The confusion matrix cannot be shown"), "{html}");
    let other = "These images are not those of the published mnist";
    assert!(html.contains(other) && !html.contains("1.82 %"), "the paper's figures are about other images");
    // With the data named it is all there; without the network it is not.
    let (out, _) = good(&["report", text(&run), "--json", "--data-dir", text(&moved)]);
    assert_eq!(objects(&out)[0]["missing"], serde_json::json!([]));
    fs::remove_file(run.join("model.safetensors")).unwrap();
    let (_, err) = good(&["report", text(&run), "--data-dir", text(&moved)]);
    assert!(err.contains("model.safetensors is not in the folder"), "{err}");
}

/// A folder of runs gives one report over all of them, however deep they lie.
#[test]
fn a_folder_of_runs_is_one_report() {
    let dir = tempfile::tempdir().unwrap();
    let all = dir.path().join("all");
    let small = "net.arch = \"64-6-10\"\ntrain.epochs = 1\nseed = ";
    for (n, name) in ["one", "deep/two", "deep/three"].into_iter().enumerate() {
        run_folder(&all.join(name), &format!("{small}{n}"));
    }
    let (out, err) = good(&["report", text(&all), "--json"]);
    let path = all.join("report.html");
    assert_eq!(objects(&out)[0]["file"], text(&path));
    assert_eq!(objects(&out)[0]["runs"].as_array().map(Vec::len), Some(3));
    assert!(err.contains("(3 of 3)"), "{err}");
    let html = fs::read_to_string(&path).unwrap();
    assert!(["one", "two", "three"].iter().all(|name| html.contains(name)));
    // A run that is named and lies in a folder that is named, too, is there once.
    let file = dir.path().join("some.html");
    let (out, _) = good(&["report", text(&all.join("one")), text(&all), "--out", text(&file), "--json"]);
    assert_eq!(objects(&out)[0]["runs"].as_array().map(Vec::len), Some(3));
    // What is damaged is named, and the others are shown.
    fs::write(all.join("one").join(RESULT), "{").unwrap();
    let (out, err) = good(&["report", text(&all), "--json"]);
    assert_eq!(objects(&out)[0]["runs"].as_array().map(Vec::len), Some(2));
    assert!(err.contains("warning: ") && err.contains("one/result.json"), "{err}");
    let none = dir.path().join("none");
    fs::create_dir(&none).unwrap();
    let line = bad(&["report", text(&none)], 2);
    assert!(
        line.contains(
            "none: holds no run, that is no folder with a spec.toml; name one that `reclra train` has written"
        ),
        "{line}"
    );
}

#[test]
fn what_is_wrong_is_one_line_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    run_folder(&run, DIGITS);
    assert!(bad(&["report"], 2).contains("RUN"));
    let line = bad(&["report", text(&dir.path().join("none"))], 2);
    assert!(line.contains("spec.toml") && line.contains("name a folder that `reclra train` has written"), "{line}");
    let notes = dir.path().join("notes.html");
    fs::write(&notes, "my notes").unwrap();
    let line = bad(&["report", text(&run), "--out", text(&notes)], 2);
    assert!(line.contains("notes.html: is there and is no report of reclra") && line.contains("--overwrite"), "{line}");
    assert_eq!(fs::read_to_string(&notes).unwrap(), "my notes");
    good(&["report", text(&run), "--out", text(&notes), "--overwrite"]);
    let line = bad(&["report", text(&run), "--out", text(&dir.path().join("no/such/x.html"))], 2);
    assert!(line.contains("x.html: its folder is not there") && line.contains("--out"), "{line}");
    for (file, content) in [(METRICS, "{\"kind\":\n{}\n"), (RESULT, "{"), (SPEC, "seed = ")] {
        let whole = fs::read(run.join(file)).unwrap();
        fs::write(run.join(file), content).unwrap();
        let line = bad(&["report", text(&run)], 1);
        assert!(line.contains(file), "{line}");
        fs::write(run.join(file), whole).unwrap();
    }
}

/// The browser, if there is one.
fn browser() -> Option<PathBuf> {
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = names.iter().flat_map(|n| folders.iter().map(move |f| f.join(n))).find(|p| p.is_file());
    common::tool(found.is_some(), "no browser is on the PATH: tests/chromium.sh installs one")
        .then_some(found)
        .flatten()
}

/// A page that shows another in a frame of that width (a browser's own window has a least width), presses a key on each
/// of its charts, and writes down what came of it as attributes of its body.
fn framed(page: &Path, width: u32) -> String {
    let inner = fs::read_to_string(page).unwrap().replace('&', "&amp;").replace('"', "&quot;");
    let script = r#"
        addEventListener("load", () => {
            const inner = document.querySelector("iframe").contentDocument, root = inner.documentElement, out = document.body.dataset;
            out.ready = root.dataset.ready;
            out.error = root.dataset.error;
            out.width = root.clientWidth;
            out.overflow = root.scrollWidth - root.clientWidth;
            let shown = 0;
            for (const plot of inner.querySelectorAll(".plot")) {
                plot.dispatchEvent(new KeyboardEvent("keydown", { key: "End" }));
                shown += /^(epoch|step) \d/.test(plot.querySelector(".tip").textContent);
            }
            out.charts = inner.querySelectorAll(".plot").length;
            out.shown = shown;
            out.blank = [...inner.images].filter((i) => i.naturalWidth === 0).length;
        });"#;
    format!(
        "<!DOCTYPE html><body><iframe srcdoc=\"{inner}\" style=\"width:{width}px;height:900px;border:0\"></iframe>\
         <script>{script}</script></body>"
    )
}

/// What the browser finds of a page at a width: the attributes of [`framed`].
fn opened(browser: &Path, page: &Path, width: u32) -> impl Fn(&str) -> String + use<> {
    let dir = tempfile::tempdir().unwrap();
    let outer = dir.path().join("outer.html");
    fs::write(&outer, framed(page, width)).unwrap();
    let output = Command::new(browser)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--dump-dom"])
        // No name is resolved: whatever a page asked of the network would fail.
        .args(["--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1400,1000"])
        .arg(format!("--user-data-dir={}", dir.path().join("profile").display()))
        .arg(format!("file://{}", outer.display()))
        .output()
        .unwrap();
    let dom = String::from_utf8(output.stdout).unwrap();
    let body =
        dom.split_once("<body").unwrap_or_else(|| panic!("no page: {dom}")).1.split_once('>').unwrap().0.to_owned();
    move |name| {
        let found = body.split_once(&format!("data-{name}=\"")).map(|(_, rest)| rest.split('"').next().unwrap());
        found.unwrap_or_else(|| panic!("no {name} in {body}")).to_owned()
    }
}

#[test]
fn pages_work_in_a_browser_and_fit_a_telephone() {
    let Some(browser) = browser() else { return };
    let dir = tempfile::tempdir().unwrap();
    let runs = ["a", "b", "c"].map(|n| dir.path().join(n));
    run_folder(&runs[0], DIGITS);
    run_folder(&runs[1], &format!("{DIGITS}\nseed = 1"));
    run_folder(&runs[2], "net.arch = \"64-12-10\"\ntrain.epochs = 2\nrule.name = \"backprop\"");
    let (one, all) = (dir.path().join("one.html"), dir.path().join("all.html"));
    good(&["report", text(&runs[0]), "--out", text(&one)]);
    good(&["report", text(&runs[0]), text(&runs[1]), text(&runs[2]), "--out", text(&all)]);
    for page in [&one, &all] {
        for width in [390, 1280] {
            let found = opened(&browser, page, width);
            assert_eq!((found("ready"), found("error")), ("yes".to_owned(), "undefined".to_owned()));
            assert_eq!(found("width"), width.to_string());
            assert_eq!(found("overflow"), "0", "{} scrolls sideways at {width}", page.display());
            assert!(found("charts").parse::<usize>().unwrap() >= 10 && found("shown") == found("charts"));
            assert_eq!(found("blank"), "0", "pictures that cannot be shown");
        }
    }
}
