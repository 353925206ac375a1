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

pub(super) const INPUTS: &[Input] = &[
    Input {
        what: "Images in idx",
        file: "mnist/train-images-idx3-ubyte",
        command: "train --data mnist --data-dir {}/mnist --arch 36-4-10 --epochs 1 --out {}/out",
    },
    Input {
        what: "Labels in idx",
        file: "mnist/t10k-labels-idx1-ubyte",
        command: "train --data mnist --data-dir {}/mnist --arch 36-4-10 --epochs 1 --out {}/out",
    },
    Input {
        what: "Images in idx, packed by gzip",
        file: "packed/train-images-idx3-ubyte.gz",
        command: "train --data mnist --data-dir {}/packed --arch 36-4-10 --epochs 1 --out {}/out",
    },
    Input {
        what: "Batch of CIFAR-10",
        file: "cifar/data_batch_1.bin",
        command: "train --data cifar10 --data-dir {}/cifar --epochs 1 --out {}/out",
    },
    Input {
        what: "Archive of CIFAR-10",
        file: "archive/cifar-10-binary.tar.gz",
        command: "train --data cifar10 --data-dir {}/archive --epochs 1 --out {}/out",
    },
    Input {
        what: "Picture of an image folder, PNG",
        file: "pictures/train/cat/0.png",
        command: "train --data image-folder --data-dir {}/pictures --arch 192-4-2 --set data.broken=0 --epochs 1 --batch 4 --out {}/out",
    },
    Input {
        what: "Picture of an image folder, JPEG",
        file: "pictures/train/dog/1.jpg",
        command: "train --data image-folder --data-dir {}/pictures --arch 192-4-2 --set data.broken=0 --epochs 1 --batch 4 --out {}/out",
    },
    Input {
        what: "Archive of pictures",
        file: "tar/train.tar",
        command: "train --data image-folder --data-dir {}/tar --arch 192-4-2 --epochs 1 --batch 4 --out {}/out",
    },
    Input { what: "Spec", file: "spec.toml", command: "train {}/spec.toml --epochs 1 --arch 64-4-10 --out {}/out" },
    Input { what: "Network of one's own", file: "net.toml", command: "inspect --model {}/net.toml" },
    Input { what: "Experiment", file: "experiment.toml", command: "reproduce {}/experiment.toml --dry-run" },
    Input {
        what: "Weights of another program",
        file: "weights.safetensors",
        command: "import {}/weights.safetensors --arch 64-8-10 --out {}/out",
    },
    Input {
        what: "Names of weights",
        file: "map.toml",
        command: "import {}/weights.safetensors --map {}/map.toml --arch 64-8-10 --out {}/out",
    },
    Input {
        what: "Weights to begin with",
        file: "weights.safetensors",
        command: "train --init {}/weights.safetensors --arch 64-8-10 --epochs 1 --out {}/out",
    },
    Input { what: "Network of a run", file: "run/model.safetensors", command: "eval {}/run" },
    Input { what: "Picture to be classified", file: "seven.png", command: "predict {}/run {}/seven.png" },
    Input { what: "Spec of a run", file: "run/spec.toml", command: "report {}/run --out {}/out" },
    Input { what: "Metrics of a run", file: "run/metrics.jsonl", command: "report {}/run --out {}/out" },
    Input { what: "Surroundings of a run", file: "run/environment.json", command: "report {}/run --out {}/out" },
    Input { what: "Result of a run", file: "run/result.json", command: "report {}/run --out {}/out" },
    Input {
        what: "Manifest of a checkpoint",
        file: "left/checkpoints/best-0000000082/manifest.json",
        command: "resume {}/left",
    },
    Input {
        what: "State of a checkpoint",
        file: "left/checkpoints/best-0000000082/state.safetensors",
        command: "resume {}/left",
    },
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
