//! The files that the program reads, in good order, and the commands that read them.

use super::common::{good, mnist, text};
use super::damage::{gzip, picture, tar};
use std::fs;
use std::path::Path;

/// A file that the program reads.
pub(super) struct Input {
    /// What it is.
    pub(super) what: &'static str,
    /// The file, below the folder of the test.
    pub(super) file: &'static str,
    /// The command that reads it; `{}` is the folder of the test.
    pub(super) command: &'static str,
}

const fn input(what: &'static str, file: &'static str, command: &'static str) -> Input {
    Input { what, file, command }
}

/// All of them.
pub(super) const INPUTS: &[Input] = &[
    input(
        "Images in idx",
        "mnist/train-images-idx3-ubyte",
        "train --data mnist --data-dir {}/mnist --arch 36-4-10 --epochs 1 --out {}/out",
    ),
    input(
        "Labels in idx",
        "mnist/t10k-labels-idx1-ubyte",
        "train --data mnist --data-dir {}/mnist --arch 36-4-10 --epochs 1 --out {}/out",
    ),
    input(
        "Images in idx, packed by gzip",
        "packed/train-images-idx3-ubyte.gz",
        "train --data mnist --data-dir {}/packed --arch 36-4-10 --epochs 1 --out {}/out",
    ),
    input(
        "Batch of CIFAR-10",
        "cifar/data_batch_1.bin",
        "train --data cifar10 --data-dir {}/cifar --epochs 1 --out {}/out",
    ),
    input(
        "Archive of CIFAR-10",
        "archive/cifar-10-binary.tar.gz",
        "train --data cifar10 --data-dir {}/archive --epochs 1 --out {}/out",
    ),
    input(
        "Picture of an image folder, PNG",
        "pictures/train/cat/0.png",
        "train --data image-folder --data-dir {}/pictures --arch 192-4-2 --set data.broken=0 --epochs 1 --batch 4 --out {}/out",
    ),
    input(
        "Picture of an image folder, JPEG",
        "pictures/train/dog/1.jpg",
        "train --data image-folder --data-dir {}/pictures --arch 192-4-2 --set data.broken=0 --epochs 1 --batch 4 --out {}/out",
    ),
    input(
        "Archive of pictures",
        "tar/train.tar",
        "train --data image-folder --data-dir {}/tar --arch 192-4-2 --epochs 1 --batch 4 --out {}/out",
    ),
    input("Spec", "spec.toml", "train {}/spec.toml --epochs 1 --arch 64-4-10 --out {}/out"),
    input("Network of one's own", "net.toml", "inspect --model {}/net.toml"),
    input("Experiment", "experiment.toml", "reproduce {}/experiment.toml --dry-run"),
    input(
        "Weights of another program",
        "weights.safetensors",
        "import {}/weights.safetensors --arch 64-8-10 --out {}/out",
    ),
    input(
        "Names of weights",
        "map.toml",
        "import {}/weights.safetensors --map {}/map.toml --arch 64-8-10 --out {}/out",
    ),
    input(
        "Weights to begin with",
        "weights.safetensors",
        "train --init {}/weights.safetensors --arch 64-8-10 --epochs 1 --out {}/out",
    ),
    input("Network of a run", "run/model.safetensors", "eval {}/run"),
    input("Picture to be classified", "seven.png", "predict {}/run {}/seven.png"),
    input("Spec of a run", "run/spec.toml", "report {}/run --out {}/out"),
    input("Metrics of a run", "run/metrics.jsonl", "report {}/run --out {}/out"),
    input("Surroundings of a run", "run/environment.json", "report {}/run --out {}/out"),
    input("Result of a run", "run/result.json", "report {}/run --out {}/out"),
    input("Manifest of a checkpoint", "left/checkpoints/best-0000000082/manifest.json", "resume {}/left"),
    input("State of a checkpoint", "left/checkpoints/best-0000000082/state.safetensors", "resume {}/left"),
];

/// Everything in good order.
pub(super) fn lay_out(at: &Path) {
    mnist(&at.join("mnist"));
    fs::create_dir_all(at.join("packed")).unwrap();
    for entry in fs::read_dir(at.join("mnist")).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{}.gz", path.file_name().unwrap().to_str().unwrap());
        fs::write(at.join("packed").join(name), gzip(&fs::read(&path).unwrap())).unwrap();
    }
    let batch: Vec<u8> = (0..3073 * 3).map(|i| if i % 3073 == 0 { (i / 3073) as u8 } else { i as u8 }).collect();
    let names = [
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
        "test_batch.bin",
    ];
    fs::create_dir_all(at.join("cifar")).unwrap();
    names.iter().for_each(|n| fs::write(at.join("cifar").join(n), &batch).unwrap());
    fs::create_dir_all(at.join("archive")).unwrap();
    let within: Vec<String> = names.iter().map(|n| format!("cifar-10-batches-bin/{n}")).collect();
    let files: Vec<(&str, &[u8])> = within.iter().map(|n| (n.as_str(), &batch[..])).collect();
    fs::write(at.join("archive/cifar-10-binary.tar.gz"), gzip(&tar(&files))).unwrap();
    let mut tarred = Vec::new();
    for (part, count) in [("train", 12), ("test", 2)] {
        for (class, salt) in [("cat", 0), ("dog", 200)] {
            let folder = at.join("pictures").join(part).join(class);
            fs::create_dir_all(&folder).unwrap();
            for n in 0..count {
                let (ending, format) =
                    if n % 2 == 0 { ("png", image::ImageFormat::Png) } else { ("jpg", image::ImageFormat::Jpeg) };
                let bytes = picture(8, format, salt + n);
                fs::write(folder.join(format!("{n}.{ending}")), &bytes).unwrap();
                if part == "train" {
                    tarred.push((format!("train/{class}/{n}.{ending}"), bytes));
                }
            }
        }
    }
    fs::create_dir_all(at.join("tar")).unwrap();
    let files: Vec<(&str, &[u8])> = tarred.iter().map(|(n, b)| (n.as_str(), &b[..])).collect();
    fs::write(at.join("tar/train.tar"), tar(&files)).unwrap();
    fs::write(at.join("spec.toml"), "[net]\narch = \"64-4-10\"\n[train]\nepochs = 1\n").unwrap();
    fs::write(at.join("net.toml"), "[[block]]\nname = \"b1\"\nlayers = [{ kind = \"conv\", out = 4, kernel = 3 }]\n[[block]]\nlayers = [{ kind = \"global-mean\" }, { kind = \"dense\" }]\n").unwrap();
    fs::write(at.join("experiment.toml"), "title = \"Two\"\nabout = \"Runs.\"\nseeds = [0]\n[[run]]\nname = \"one\"\nset = { \"net.arch\" = \"64-4-10\", \"train.epochs\" = 1 }\n").unwrap();
    let run = at.join("run");
    good(&["train", "--quiet", "--arch", "64-8-10", "--epochs", "2", "--threads", "1", "--out", text(&run)]);
    good(&["export", text(&run), "--format", "safetensors", "--out", text(&at.join("weights.safetensors"))]);
    let names = ["W.in->b1", "b.b1", "W.b1->out", "b.out"].map(|n| format!("\"{n}\" = \"{n}\"\n"));
    fs::write(at.join("map.toml"), names.concat()).unwrap();
    fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/seven.png"), at.join("seven.png")).unwrap();
    // A run that was left after its second checkpoint.
    let left = at.join("left");
    let command = [
        "train",
        "--quiet",
        "--arch",
        "64-8-10",
        "--epochs",
        "2",
        "--threads",
        "1",
        "--checkpoint-steps",
        "60",
        "--keep",
        "9",
    ];
    good(&[&command[..], &["--out", text(&left)]].concat());
    fs::remove_file(left.join("result.json")).unwrap();
}
