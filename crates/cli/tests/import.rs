//! Weights from elsewhere: files as PyTorch writes them come back to the same predictions, to the bit.

mod common;

use common::{bad, good, objects, text};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::fs;
use std::path::{Path, PathBuf};

type Tensor = (String, Dtype, Vec<usize>, Vec<u8>);

/// A trained network and its forward network as tensors, in the order of layers.
fn exported(folder: &Path) -> (PathBuf, Vec<Tensor>) {
    let run = folder.join("run");
    let flags = ["--arch", "64-12-9-10", "--set", "optim.average=0.9"];
    good(&[&["train", "--epochs", "2", "--quiet", "--out", text(&run)], &flags[..]].concat());
    good(&["export", text(&run), "--format", "safetensors"]);
    let bytes = fs::read(run.join("export/forward.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let names = ["W.in->b1", "b.b1", "W.b1->b2", "b.b2", "W.b2->out", "b.out"];
    let one = |name: &str| {
        let view = file.tensor(name).unwrap();
        (name.to_owned(), view.dtype(), view.shape().to_vec(), view.data().to_vec())
    };
    (run, names.into_iter().map(one).collect())
}

fn write(path: &Path, tensors: &[Tensor]) {
    let views = tensors.iter().map(|(n, d, s, b)| (n.as_str(), TensorView::new(*d, s.clone(), b).unwrap()));
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// The same tensors under the names of a `torch.nn.Sequential`.
fn torch(tensors: &[Tensor]) -> Vec<Tensor> {
    let names = ["0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias"];
    tensors.iter().zip(names).map(|(t, n)| (n.to_owned(), t.1, t.2.clone(), t.3.clone())).collect()
}

/// The same as float64, each matrix turned: as other programs keep them.
fn turned(tensors: &[Tensor]) -> Vec<Tensor> {
    let turn = |(name, _, shape, bytes): &Tensor| {
        let values: Vec<f32> = bytes.chunks_exact(4).map(|c| f32::from_le_bytes(c.try_into().unwrap())).collect();
        let values = match shape[..] {
            [rows, cols] => {
                (0..cols).flat_map(|c| (0..rows).map(move |r| (r, c))).map(|(r, c)| values[r * cols + c]).collect()
            }
            _ => values,
        };
        let bytes = values.iter().flat_map(|&v| f64::from(v).to_le_bytes()).collect();
        (name.clone(), Dtype::F64, shape.iter().rev().copied().collect(), bytes)
    };
    tensors.iter().map(turn).collect()
}

/// What `reclra eval` says on the test digits: loss to the last digit, and who is taken for whom.
fn judged(run: &Path) -> serde_json::Value {
    objects(&good(&["eval", text(run), "--json"]).0)[0].clone()
}

const MAP: &str = "\"W.in->b1\" = { name = \"h1.kernel\", transpose = true }\n\"b.b1\" = \"h1.bias\"\n\
                   \"W.b1->b2\" = { name = \"h2.kernel\", transpose = true }\n\"b.b2\" = \"h2.bias\"\n\
                   \"W.b2->out\" = { name = \"top.kernel\", transpose = true }\n\"b.out\" = \"top.bias\"\n";

#[test]
fn weights_come_back_to_the_bit() {
    let dir = tempfile::tempdir().unwrap();
    let (run, ours) = exported(dir.path());
    let (want, spec) = (judged(&run), run.join("spec.toml"));
    let (weights, map) = (dir.path().join("w.safetensors"), dir.path().join("map.toml"));
    fs::write(&map, MAP).unwrap();
    let mut keras = turned(&ours);
    let names = ["h1.kernel", "h1.bias", "h2.kernel", "h2.bias", "top.kernel", "top.bias"];
    keras.iter_mut().zip(names).for_each(|(t, n)| t.0 = n.to_owned());
    for (n, (tensors, map)) in
        [(torch(&ours), "auto"), (ours.clone(), "auto"), (keras, text(&map))].into_iter().enumerate()
    {
        write(&weights, &tensors);
        let new = dir.path().join(format!("new{n}"));
        let args = ["import", text(&weights), "--map", map, "--spec", text(&spec), "--out", text(&new)];
        let (out, _) = good(&args);
        assert!(out.contains(tensors[0].0.as_str()) && out.lines().count() == 8, "{out}");
        assert_eq!(judged(&new), want, "network {n}");
        assert_eq!(fs::read_to_string(new.join("spec.toml")).unwrap(), fs::read_to_string(&spec).unwrap());
        // It is a run like any other: with the rule's synapses, and exported as it came.
        let (inspected, _) = good(&["inspect", text(&new)]);
        assert!(inspected.contains("E.out->b2") && inspected.contains("after 0 steps"), "{inspected}");
        good(&["export", text(&new), "--format", "safetensors"]);
        let again = fs::read(new.join("export/forward.safetensors")).unwrap();
        let again = SafeTensors::deserialize(&again).unwrap();
        assert!(ours.iter().all(|t| again.tensor(&t.0).unwrap().data() == t.3));
        let line = bad(&args, 2);
        assert!(line.contains("--overwrite"), "{line}");
    }
}

/// Pictures of three classes of 8 x 8 in colour.
fn pictures(folder: &Path) {
    for (part, class, n) in
        ["train", "test"].into_iter().flat_map(|p| (0..3_u32).flat_map(move |c| (0..3).map(move |n| (p, c, n))))
    {
        let file = folder.join(format!("{part}/{class}/{n}.png"));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let pixel = |x: u32, y: u32| image::Rgb([0, 1, 2].map(|c| (30 * x * (class + c + 1) + 7 * y * (n + c)) as u8));
        image::RgbImage::from_fn(8, 8, pixel).save(&file).unwrap();
    }
}

/// `Sequential(Conv2d, BatchNorm2d, ReLU, Flatten, Linear)` as PyTorch saves it: a kernel in four dimensions, a counter of batches.
#[test]
fn a_convolutional_network_of_pytorch_is_read_as_it_is_saved() {
    let dir = tempfile::tempdir().unwrap();
    let given = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import-conv");
    let (weights, model, map) = (given.join("w.safetensors"), given.join("net.toml"), given.join("map.toml"));
    let (data, ignoring) = (dir.path().join("data"), dir.path().join("map.toml"));
    pictures(&data);
    fs::write(&ignoring, fs::read_to_string(&map).unwrap() + "ignore = [\"1.num_batches_tracked\"]\n").unwrap();
    let network = ["--data", "image-folder", "--data-dir", text(&data), "--model", text(&model), "--batch", "2"];
    let mut seen = Vec::new();
    for (n, map) in [text(&map), text(&ignoring), "auto"].into_iter().enumerate() {
        let run = dir.path().join(format!("run{n}"));
        let args = ["import", text(&weights), "--map", map, "--out", text(&run)];
        let (_, err) = good(&[&args[..], &network].concat());
        assert_eq!(err, "not used: 1.num_batches_tracked; the network computes without\n");
        seen.push(judged(&run));
    }
    assert!(seen.iter().all(|s| *s == seen[0]), "{seen:?}");
    // The kernel goes out as it came in, to the bit, and can be read again.
    let (run, again) = (dir.path().join("run0"), dir.path().join("again"));
    good(&["export", text(&run), "--format", "safetensors", "--prepared-input"]);
    let file = run.join("export/forward.safetensors");
    let (out, theirs) = (fs::read(&file).unwrap(), fs::read(&weights).unwrap());
    let (out, theirs) = (SafeTensors::deserialize(&out).unwrap(), SafeTensors::deserialize(&theirs).unwrap());
    let (ours, kernel) = (out.tensor("b1.conv1.W").unwrap(), theirs.tensor("0.weight").unwrap());
    assert_eq!((ours.shape(), ours.data()), (&[4, 3, 3, 3][..], kernel.data()));
    good(&[&["import", text(&file), "--out", text(&again)][..], &network].concat());
    assert_eq!(judged(&again), seen[0]);
    // What a run can begin with.
    let begun = dir.path().join("begun");
    let (_, err) = good(
        &[
            &[
                "train",
                "--init",
                text(&weights),
                "--epochs",
                "1",
                "--set",
                "data.validation=0",
                "--rule",
                "backprop",
                "--out",
                text(&begun),
            ][..],
            &network,
        ]
        .concat(),
    );
    assert!(err.contains("not used: 1.num_batches_tracked"), "{err}");
    // Of another network's, the remedy is one that image networks have.
    let wide = dir.path().join("wide.toml");
    fs::write(&wide, fs::read_to_string(&model).unwrap().replace("out = 4", "out = 5")).unwrap();
    let line = bad(
        &[
            "import",
            text(&weights),
            "--data",
            "image-folder",
            "--data-dir",
            text(&data),
            "--model",
            text(&wide),
            "--out",
            text(&again),
            "--overwrite",
        ],
        1,
    );
    assert!(
        line.contains("0.weight is [4, 3, 3, 3] where b1.conv1.W needs [5, 3, 3, 3] or [5, 27]; set --model"),
        "{line}"
    );
}

/// An export of prepared images holds what prepares them, which is no weight.
#[test]
fn an_export_of_prepared_images_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let (run, again) = (dir.path().join("run"), dir.path().join("again"));
    let flags = ["--arch", "64-8-10", "--set", "data.normalise=mean-std"];
    good(&[&["train", "--epochs", "1", "--quiet", "--out", text(&run)], &flags[..]].concat());
    good(&["export", text(&run), "--format", "safetensors"]);
    let (_, err) =
        good(&[&["import", text(&run.join("export/forward.safetensors")), "--out", text(&again)], &flags[..]].concat());
    assert_eq!(err, "not used: prepare.mean, prepare.std; the network computes without\n");
    assert_eq!(judged(&again), judged(&run));
}

#[test]
fn halves_are_what_they_stand_for() {
    let dir = tempfile::tempdir().unwrap();
    let (run, ours) = exported(dir.path());
    let spec = run.join("spec.toml");
    // The upper half of a float32 is a bfloat16: cut both, one kept in full width.
    let cut: Vec<Tensor> = torch(&ours)
        .into_iter()
        .map(|(n, d, s, b)| (n, d, s, b.chunks_exact(4).flat_map(|c| [0, 0, c[2], c[3]]).collect()))
        .collect();
    let half = |(n, _, s, b): &Tensor| {
        (n.clone(), Dtype::BF16, s.clone(), b.chunks_exact(4).flat_map(|c| [c[2], c[3]]).collect::<Vec<u8>>())
    };
    let results = [cut.clone(), cut.iter().map(half).collect()].map(|tensors: Vec<Tensor>| {
        let (weights, new) = (dir.path().join("w"), dir.path().join("new"));
        write(&weights, &tensors);
        good(&["import", text(&weights), "--config", text(&spec), "--out", text(&new), "--overwrite"]);
        judged(&new)
    });
    assert_eq!(results[0], results[1]);
    assert_ne!(results[0]["loss"], judged(&run)["loss"], "something was cut");
}

/// Logits of 200 for two classes and 0 for the others: the loss is ln 2, or 200 more, whatever float32 makes of e^-200.
#[test]
fn a_loss_has_no_ceiling() {
    let dir = tempfile::tempdir().unwrap();
    let (weights, run) = (dir.path().join("w.safetensors"), dir.path().join("run"));
    let bias: Vec<f32> = (0..10).map(|class| if [3, 7].contains(&class) { 200.0 } else { 0.0 }).collect();
    let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let of = |name: &str, shape: &[usize], values: &[f32]| (name.to_owned(), Dtype::F32, shape.to_vec(), bytes(values));
    write(&weights, &[of("0.weight", &[10, 64], &[0.0; 640]), of("0.bias", &[10], &bias)]);
    good(&["import", text(&weights), "--data", "digits", "--arch", "64-10", "--out", text(&run)]);
    let found = judged(&run);
    let images =
        |row: &serde_json::Value| row.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum::<u64>() as f64;
    let counts: Vec<f64> = found["confusion"].as_array().unwrap().iter().map(images).collect();
    let all: f64 = counts.iter().sum();
    let want = 2.0_f64.ln() + 200.0 * (all - counts[3] - counts[7]) / all;
    let loss = found["loss"].as_f64().unwrap();
    assert!(want > 150.0 && (loss - want).abs() < 1e-6 * want, "{loss} for {want}");
}

#[test]
fn what_does_not_fit_is_named_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (run, ours) = exported(dir.path());
    let (weights, map, new) = (dir.path().join("w.safetensors"), dir.path().join("map.toml"), dir.path().join("new"));
    let spec = run.join("spec.toml");
    let said = |tensors: &[Tensor], more: &[&str]| {
        write(&weights, tensors);
        let args = ["import", text(&weights), "--config", text(&spec), "--out", text(&new)];
        let line = bad(&[&args[..], more].concat(), 1);
        assert!(!new.exists(), "{line}");
        line
    };
    let sound = torch(&ours);
    let with = |change: &dyn Fn(&mut Vec<Tensor>)| {
        let mut changed = sound.clone();
        change(&mut changed);
        changed
    };
    let line = said(&sound, &["--arch", "64-12-8-10"]);
    assert!(line.contains("2.weight is [9, 12] where W.b1->b2 needs [8, 12]; set --arch"), "{line}");
    let line = said(&sound, &["--arch", "64-12-10"]);
    assert!(line.contains("holds 3 layers where the network has 2"), "{line}");
    let line = said(&with(&|t| drop(t.remove(3))), &[]);
    assert!(line.contains("w.safetensors: layer 2 has no bias"), "{line}");
    let line = said(&with(&|t| t[5].0 = "mean".into()), &[]);
    assert!(line.contains("mean does not say which layer") && line.contains("--map"), "{line}");
    let line = said(&with(&|t| t[1].1 = Dtype::I32), &[]);
    assert!(line.contains("0.bias holds I32 numbers"), "{line}");
    let line = said(&with(&|t| t[1].3[..4].copy_from_slice(&f32::NAN.to_le_bytes())), &[]);
    assert!(line.contains("0.bias holds numbers that are not finite"), "{line}");
    // A map that names what is not there, and a file with more than the map uses.
    let text_of = |from: &str, to: &str| MAP.replace(", transpose = true", "").replace(from, to);
    let mut named = sound.clone();
    let names = ["h1.kernel", "h1.bias", "h2.kernel", "h2.bias", "top.kernel", "top.bias"];
    named.iter_mut().zip(names).for_each(|(t, n)| t.0 = n.to_owned());
    let args = ["--map", text(&map)];
    fs::write(&map, text_of("h2.bias", "h2.bais")).unwrap();
    assert!(said(&named, &args).contains("lacks the tensor h2.bais, which is to be b.b2, did you mean `h2.bias`?"));
    fs::write(&map, text_of("\"b.b2\"", "\"b.b3\"")).unwrap();
    assert!(said(&named, &args).contains("b.b3 is no parameter of the network, did you mean"));
    fs::write(&map, text_of("", "")).unwrap();
    named.push(("steps".to_owned(), Dtype::F32, vec![1], vec![0; 4]));
    assert!(said(&named, &args).contains("the tensor steps is not used"));
    fs::write(&map, "W = [").unwrap();
    assert!(said(&named, &args).contains("map.toml: line 1"));
    // Damaged, foreign and missing files.
    write(&weights, &sound);
    let whole = fs::read(&weights).unwrap();
    for cut in [0, 5, 60, whole.len() - 1] {
        fs::write(&weights, &whole[..cut]).unwrap();
        let line = bad(&["import", text(&weights), "--out", text(&new)], 1);
        assert!(line.contains("w.safetensors: no whole safetensors file"), "{line}");
    }
    assert!(bad(&["import", "no/such", "--out", text(&new)], 2).contains("no/such"));
    assert!(bad(&["import", text(&weights), "--map", "no/map", "--out", text(&new)], 2).contains("no/map"));
    assert!(bad(&["import", text(&weights)], 2).contains("--out"));
    assert!(!new.exists());
}
