//! The doors of the program: one function for each kind of file or text that it reads, given any bytes at all.
//!
//! Each may refuse, with one line; none may panic, hang, or take memory by a header's word. The fuzz targets call these, and so
//! does a test, with the corpus.

use reclra::Device;
use reclra_data::{self as data, Dataset, Part};
use reclra_train::experiment::Experiment;
use reclra_train::import::{self, NameMap};
use reclra_train::run;
use reclra_train::runs::{self, checkpoint, view};
use reclra_train::spec::{DataFacts, RunSpec, Settings};
use std::fmt::Display;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

/// A door: its name, and what it does with bytes in a folder of its own.
pub(crate) type Door = (&'static str, fn(&[u8], &Path));

/// All of them.
pub(crate) const DOORS: &[Door] = &[
    ("idx", idx),
    ("cifar", cifar),
    ("tar", tar),
    ("picture", picture),
    ("spec", spec),
    ("layers", layers),
    ("experiment", experiment),
    ("model", saved),
    ("import", imported),
    ("map", map),
    ("manifest", manifest),
    ("state", state),
    ("run", folder),
];

/// Through the door of that name, in a folder that stays as long as the thread.
#[allow(dead_code)] // by the fuzz targets
pub(crate) fn through(name: &str, bytes: &[u8]) {
    thread_local! {
        static FOLDER: tempfile::TempDir = tempfile::tempdir().expect("a folder of our own");
    }
    let (_, door) = DOORS.iter().find(|d| d.0 == name).expect("a door of that name");
    FOLDER.with(|folder| door(bytes, folder.path()));
}

/// Refusals are one line that says something.
fn line<T>(result: Result<T, impl Display>) -> Option<T> {
    result.map_err(|e| assert!(!e.to_string().is_empty() && !e.to_string().contains('\n'), "{e}")).ok()
}

/// The first byte says which file the rest is.
fn idx(bytes: &[u8], dir: &Path) {
    let names =
        ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];
    let words = |magic: u32, sizes: &[u32], body: usize| {
        let head = std::iter::once(magic).chain(sizes.iter().copied()).flat_map(u32::to_be_bytes);
        head.chain(std::iter::repeat_n(1, body)).collect::<Vec<u8>>()
    };
    let good =
        [words(0x803, &[4, 2, 2], 16), words(0x801, &[4], 4), words(0x803, &[4, 2, 2], 16), words(0x801, &[4], 4)];
    for (name, content) in names.iter().zip(good) {
        write(&dir.join(name), &content);
    }
    let (which, rest) = bytes.split_first().unwrap_or((&0, &[]));
    write(&dir.join(names[usize::from(*which) % 4]), rest);
    all(line(data::open("mnist", Some(dir))));
}

fn cifar(bytes: &[u8], dir: &Path) {
    write(&dir.join("cifar-10-binary.tar.gz"), bytes);
    line(data::open("cifar10", Some(dir)));
}

fn tar(bytes: &[u8], dir: &Path) {
    write(&dir.join("train.tar"), bytes);
    all(line(data::open("image-folder", Some(dir))));
}

/// Reads a few samples of what was opened.
fn all(opened: Option<std::sync::Arc<dyn Dataset>>) {
    let Some(dataset) = opened else { return };
    let mut pixels = vec![0.0; dataset.shape().len()];
    for i in 0..dataset.len(Part::Train).min(8) {
        line(dataset.pixels(Part::Train, i, &mut pixels));
        assert!((dataset.label(Part::Train, i) as usize) < dataset.classes());
    }
}

fn digits() -> &'static DataFacts {
    static FACTS: OnceLock<DataFacts> = OnceLock::new();
    FACTS.get_or_init(|| DataFacts::of(&data::digits().expect("embedded")))
}

fn picture(bytes: &[u8], dir: &Path) {
    let path = dir.join("picture");
    write(&path, bytes);
    line(data::pictures(&path, digits(), None, false));
}

/// A spec, read as of now and as of a kept run, and printed.
fn spec(bytes: &[u8], _: &Path) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(settings) = line(Settings::parse(text, "spec")) else { return };
    for settings in [settings.clone(), settings.kept()] {
        let Some(spec) = line(RunSpec::resolve(&settings, digits())) else { continue };
        let again = Settings::parse(&spec.to_toml(), "again").and_then(|s| RunSpec::resolve(&s.kept(), digits()));
        assert_eq!(again.map(|s| s.to_toml()), Ok(spec.to_toml()));
        line(reclra_train::memory::Memory::of_spec(&spec, 1000));
    }
}

fn layers(bytes: &[u8], _: &Path) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut settings = Settings::default();
    if line(settings.put("net.model", "custom", "test")).is_some()
        && line(settings.put("net.layers", text, "test")).is_some()
    {
        line(RunSpec::resolve(&settings, digits()));
    }
}

fn experiment(bytes: &[u8], _: &Path) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(experiment) = line(Experiment::parse(text, "experiment")) else { return };
    for run in &experiment.run {
        line(run.spec(0, digits()));
    }
}

fn saved(bytes: &[u8], dir: &Path) {
    let path = dir.join("model.safetensors");
    write(&path, bytes);
    line(runs::load_model(&path, Device::cpu(1)));
}

fn small() -> &'static RunSpec {
    static SPEC: OnceLock<RunSpec> = OnceLock::new();
    SPEC.get_or_init(|| {
        let settings = Settings::parse("net.arch = \"64-2-10\"", "spec").expect("sound");
        run::resolve(&settings).expect("sound").0
    })
}

fn imported(bytes: &[u8], dir: &Path) {
    let path = dir.join("weights.safetensors");
    write(&path, bytes);
    line(import::read(&path, None, small()));
}

fn map(bytes: &[u8], dir: &Path) {
    let path = dir.join("map.toml");
    write(&path, bytes);
    line(NameMap::read(&path));
}

fn manifest(bytes: &[u8], dir: &Path) {
    write(&dir.join("manifest.json"), bytes);
    write(&dir.join("state.safetensors"), b"none");
    if let Err(unread) = checkpoint::load(dir) {
        line::<()>(Err(unread.error));
    }
}

/// What the state alone says, its manifest taken as it comes.
fn state(bytes: &[u8], dir: &Path) {
    let path = dir.join("model.safetensors");
    write(&path, bytes);
    line(import::weights_of(&path, small()));
    line(runs::load_model(dir, Device::cpu(1)));
}

/// The text files of a run, parted by zeros: spec, metrics, result, environment.
fn folder(bytes: &[u8], dir: &Path) {
    let mut parts = bytes.split(|&b| b == 0);
    for name in ["spec.toml", "metrics.jsonl", "result.json", "environment.json"] {
        let _ = fs::remove_file(dir.join(name));
        if let Some(part) = parts.next().filter(|p| !p.is_empty()) {
            write(&dir.join(name), part);
        }
    }
    line(view::read(dir));
}

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("a file of our own");
}
