//! Names, shapes and types of weights from elsewhere.

mod blocks;

use super::*;
use crate::spec::{Settings, toy_facts};
use std::path::PathBuf;

type Made = (&'static str, Dtype, Vec<usize>, Vec<u8>);

fn f32s(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn ramp(n: usize) -> Vec<f32> {
    (0..n).map(|i| i as f32 * 0.25 - 1.0).collect()
}

/// float32 tensors whose elements count up.
fn made(name: &'static str, shape: &[usize]) -> Made {
    (name, Dtype::F32, shape.to_vec(), f32s(&ramp(shape.iter().product())))
}

fn write(folder: &Path, tensors: &[Made]) -> PathBuf {
    let view = |t: &Made| (t.0, t.1, t.2.clone(), t.3.clone());
    let owned: Vec<_> = tensors.iter().map(view).collect();
    let views = owned.iter().map(|(n, d, s, b)| (*n, TensorView::new(*d, s.clone(), b).unwrap()));
    let path = folder.join("w.safetensors");
    std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    path
}

fn spec(text: &str) -> RunSpec {
    let facts = toy_facts("toy", 2, 3, 50, 5);
    RunSpec::resolve(&Settings::parse(&format!("train.batch = 4\n{text}"), "spec").unwrap(), &facts).unwrap()
}

const NET: &str = "net.arch = \"4-2-3\"";

/// What reading says with a map, if any.
fn said(tensors: &[Made], map: Option<&str>, text: &str) -> Result<Vec<Imported>, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), tensors);
    let read = || {
        let map = map.map(|text| {
            std::fs::write(dir.path().join("map.toml"), text).unwrap();
            NameMap::read(&dir.path().join("map.toml"))
        });
        Ok(read(&path, map.transpose()?.as_ref(), &spec(text))?.tensors)
    };
    read().map_err(|e: FileError| e.to_string())
}

#[test]
fn layers_are_told_by_their_numbers() {
    for names in [
        ["0.weight", "0.bias", "2.weight", "2.bias"],
        ["net.9.weight", "net.9.bias", "net.10.weight", "net.10.bias"],
        ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"],
        ["l.0.lin.weight", "l.0.lin.bias", "l.1.lin.weight", "l.1.lin.bias"],
        ["W.in->b1", "b.b1", "W.b1->out", "b.out"],
    ] {
        let [a, b, c, d] = names;
        let list = said(&[made(d, &[3]), made(c, &[3, 2]), made(b, &[2]), made(a, &[2, 4])], None, NET).unwrap();
        let from: Vec<&str> = list.iter().map(|i| i.from.as_str()).collect();
        assert_eq!(from, names);
        assert_eq!(
            list.iter().map(|i| i.name.as_str()).collect::<Vec<_>>(),
            ["W.in->b1", "b.b1", "W.b1->out", "b.out"]
        );
        assert_eq!(list[2].values, ramp(6).into_iter().map(f64::from).collect::<Vec<_>>());
    }
    let bare = said(&[made("0.weight", &[2, 4]), made("2.weight", &[3, 2])], None, &format!("{NET}\nnet.bias = false"));
    assert_eq!(bare.unwrap().len(), 2);
}

#[test]
fn names_that_do_not_tell_are_refused() {
    let four = |a, b| said(&[made(a, &[2, 4]), made("x0.bias", &[2]), made(b, &[3, 2])], None, NET).unwrap_err();
    for (a, b, word) in [
        ("hidden.weight", "out.weight", "hidden.weight"),
        ("x0.weight", "y1.weight", "y1.weight"),
        ("x0.weight", "x1.gain", "x1.gain"),
        ("x0.weight", "x", "the name x "),
    ] {
        let line = four(a, b);
        assert!(line.contains("does not say which layer") && line.contains(word) && line.contains("--map"), "{line}");
    }
    let line = four("x0.weight", "x1.weight");
    assert!(line.contains("layer 1 has no bias") && line.contains("net.bias=false"), "{line}");
    let line = said(&[made("0.weight", &[2, 4]), made("0.bias", &[2])], None, NET).unwrap_err();
    assert!(line.contains("holds 1 layers where the network has 2"), "{line}");
    // 0 and 00 are one number.
    let line = four("x00.weight", "x0.weight");
    assert!(line.contains("does not say"), "{line}");
    let line = said(&[made("W.in->b1", &[2, 4]), made("b.b1", &[2])], None, NET).unwrap_err();
    assert!(line.contains("lacks the tensor W.b1->out"), "{line}");
    let extra = ["W.in->b1", "W.b1->out", "b.b1", "b.out", "b.b2"].map(|n| match n {
        "W.in->b1" => made(n, &[2, 4]),
        "W.b1->out" => made(n, &[3, 2]),
        n => made(n, &[if n == "b.out" { 3 } else { 2 }]),
    });
    assert!(said(&extra, None, NET).unwrap_err().contains("the tensor b.b2 is not used"));
}

const MAP: &str = "\"W.in->b1\" = { name = \"h.k\", transpose = true }\n\"b.b1\" = \"h.b\"\n\
                   \"W.b1->out\" = { name = \"o.k\" }\n\"b.out\" = \"o.b\"\n";

fn mapped() -> Vec<Made> {
    vec![made("h.k", &[4, 2]), made("h.b", &[2]), made("o.k", &[3, 2]), made("o.b", &[3])]
}

#[test]
fn a_map_names_and_turns() {
    let list = said(&mapped(), Some(MAP), NET).unwrap();
    // 4 x 2 counting up by rows, read by columns.
    assert_eq!((list[0].transposed, &list[0].shape[..]), (true, &[2, 4][..]));
    assert_eq!(list[0].values, [-1.0, -0.5, 0.0, 0.5, -0.75, -0.25, 0.25, 0.75]);
    let more = [mapped(), vec![made("steps", &[1])]].concat();
    let line = said(&more, Some(MAP), NET).unwrap_err();
    assert!(line.contains("the tensor steps is not used") && line.contains("ignore"), "{line}");
    assert_eq!(said(&more, Some(&format!("ignore = [\"steps\"]\n{MAP}")), NET).unwrap(), list);
}

#[test]
fn a_wrong_map_is_named() {
    for (from, to, words) in [
        ("W.in->b1", "W.in->b2", &["W.in->b2 is no parameter", "did you mean `W.in->b1`?", "map.toml"][..]),
        ("h.k", "h.kk", &["w.safetensors: lacks the tensor h.kk", "W.in->b1", "did you mean `h.k`?"]),
        ("\"b.out\" = \"o.b\"\n", "", &["map.toml: lacks b.out"]),
        ("o.b", "h.b", &["h.b is given twice, to b.out too"]),
        (", transpose = true", "", &["h.k is [4, 2] where W.in->b1 needs [2, 4]", "transpose = true"]),
        ("name = \"o.k\"", "name = \"o.k\", transpose = true", &["o.k is [3, 2]", "remove its transpose"]),
        ("\"h.b\"", "{ name = \"h.b\", transpose = true }", &["b.b1 is no matrix"]),
        ("\"h.b\"", "7", &["b.b1 must be a name"]),
        ("\"h.b\"", "{ name = \"h.b\", turn = true }", &["b.b1: unknown key `turn`", "it may have name, transpose"]),
        ("transpose = true", "transpos = true", &["W.in->b1: unknown key `transpos`, did you mean `transpose`?"]),
        ("\"b.b1\"", "b.b1", &["b.b1 must stand in quotes"]),
        ("\"W.b1->out\"", "W.b1->out", &["map.toml: line 3"]),
    ] {
        let map = MAP.replace(from, to);
        assert_ne!(map, MAP, "{from}");
        let line = said(&mapped(), Some(&map), NET).unwrap_err();
        assert!(words.iter().all(|w| line.contains(w)) && !line.contains('\n'), "{line}");
    }
    for (ignore, word) in [
        ("ignore = [\"o.c\"]\n", "ignores o.c"),
        ("ignore = 3\n", "ignore must be a list"),
        ("ignor = []\n", "unknown key `ignor`, did you mean `ignore`?"),
    ] {
        let line = said(&mapped(), Some(&format!("{ignore}{MAP}")), NET).unwrap_err();
        assert!(line.contains(word), "{line}");
    }
}

#[test]
fn dimensions_of_one_move_no_number() {
    let with = |w: &[usize], b: &[usize]| {
        said(&[made("0.weight", w), made("0.bias", b), made("2.weight", &[3, 2]), made("2.bias", &[3])], None, NET)
    };
    let want = with(&[2, 4], &[2]).unwrap();
    for (w, b) in [(&[2, 4, 1, 1][..], &[2, 1][..]), (&[2, 4], &[1, 2]), (&[2, 4], &[1, 2, 1, 1])] {
        let values = |list: &[Imported]| list.iter().map(|i| i.values.clone()).collect::<Vec<_>>();
        assert_eq!(values(&with(w, b).unwrap()), values(&want), "{w:?} {b:?}");
    }
    for (w, b, says) in [
        (
            &[4, 2][..],
            &[2][..],
            "0.weight is [4, 2] where W.in->b1 needs [2, 4]; give it `transpose = true` in the map",
        ),
        (&[2, 2, 2], &[2], "0.weight is [2, 2, 2] where W.in->b1 needs [2, 4]; set --arch"),
        (&[2, 2, 2, 1], &[2], "needs [2, 4]; set --arch"),
        (&[8], &[2], "0.weight is [8] where"),
        (&[2, 4], &[2, 2], "0.bias is [2, 2] where b.b1 needs [2]"),
    ] {
        let line = with(w, b).unwrap_err();
        assert!(line.contains(says), "{line}");
    }
}

#[test]
fn counters_of_batches_are_passed_over() {
    let counter: Made = ("1.num_batches_tracked", Dtype::I64, vec![], vec![7, 0, 0, 0, 0, 0, 0, 0]);
    let four = [made("0.weight", &[2, 4]), made("0.bias", &[2]), made("2.weight", &[3, 2]), made("2.bias", &[3])];
    let more = [&four[..], &[counter]].concat();
    assert_eq!(said(&more, None, NET).unwrap(), said(&four, None, NET).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let passed = |tensors: &[Made]| read(&write(dir.path(), tensors), None, &spec(NET)).unwrap().passed_over;
    assert_eq!(passed(&more), ["1.num_batches_tracked"]);
    assert!(passed(&four).is_empty());
}

#[test]
fn floats_of_every_width_are_read_and_nothing_else() {
    let values = [1.5_f64, -0.25, 0.0, -3.0, 0.5, 2.0, 0.125, 1.0];
    let file = |dtype, bytes: Vec<u8>| {
        let first: Made = ("0.weight", dtype, vec![2, 4], bytes);
        said(&[first, made("0.bias", &[2]), made("1.weight", &[3, 2]), made("1.bias", &[3])], None, NET)
    };
    let bytes = |each: &dyn Fn(f64) -> Vec<u8>| values.iter().flat_map(|&v| each(v)).collect::<Vec<u8>>();
    for (dtype, bytes) in [
        (Dtype::F64, bytes(&|v| v.to_le_bytes().to_vec())),
        (Dtype::F32, bytes(&|v| (v as f32).to_le_bytes().to_vec())),
        (Dtype::F16, bytes(&|v| f16::from_f64(v).to_le_bytes().to_vec())),
        (Dtype::BF16, bytes(&|v| bf16::from_f64(v).to_le_bytes().to_vec())),
    ] {
        assert_eq!(file(dtype, bytes).unwrap()[0].values, values, "{dtype:?}");
    }
    // Golden bits: 1/3 rounded to half and to bfloat16, by their formats.
    assert_eq!(f16::from_bits(0x3555).to_f64(), 0.333_251_953_125);
    assert_eq!(bf16::from_bits(0x3eab).to_f64(), 0.333_984_375);
    let line = file(Dtype::I32, vec![0; 32]).unwrap_err();
    assert!(line.contains("0.weight holds I32 numbers") && line.contains("BF16"), "{line}");
    for beyond in [f64::NAN, f64::INFINITY, 1e300] {
        let line = file(Dtype::F64, bytes(&|_| beyond.to_le_bytes().to_vec())).unwrap_err();
        assert!(line.contains("0.weight") && line.contains("not finite in float32"), "{line}");
    }
    let line = said(&[made("0.weight", &[2, 5]), made("1.weight", &[3, 2])], None, &format!("{NET}\nnet.bias=false"));
    assert!(line.unwrap_err().contains("0.weight is [2, 5] where W.in->b1 needs [2, 4]; set --arch"));
}

#[test]
fn a_model_of_ours_gives_what_its_evaluation_uses() {
    let dir = tempfile::tempdir().unwrap();
    for average in [0.0, 0.9] {
        let (spec, facts) = (spec(&format!("{NET}\noptim.average = {average}")), toy_facts("toy", 2, 3, 50, 5));
        let mut trained = learner(&spec, &[], Device::cpu(1)).unwrap();
        let fresh: Vec<_> = trained.parameters().into_iter().map(|p| (p.name.clone(), p.values())).collect();
        for _ in 0..5 {
            trained.step(&[0.1, 0.9, -0.3, 0.4], &[1]);
        }
        model::save(dir.path(), &spec, &facts, &trained).unwrap();
        let file = dir.path().join(model::FILE);
        assert_eq!(weights_of(dir.path(), &spec).unwrap(), weights_of(&file, &spec).unwrap());
        let weights = read(dir.path(), None, &spec).unwrap().tensors;
        let mut taken = learner(&spec, &weights, Device::cpu(1)).unwrap();
        let x = [0.3, 0.1, -0.5, 0.9];
        assert_eq!(taken.predict(&x), trained.predict(&x));
        assert_eq!(taken.steps(), 0);
        // E is that of a fresh start, and W is not.
        let of = |l: &Learner, c: char| -> Vec<_> {
            let all = l.parameters().into_iter().filter(|p| p.name.starts_with(c));
            all.map(|p| (p.name.clone(), p.values())).collect()
        };
        let own: Vec<_> = fresh.into_iter().filter(|(n, _)| n.starts_with('E')).collect();
        assert!(!own.is_empty());
        assert_eq!(of(&taken, 'E'), own);
        assert_ne!(of(&trained, 'E'), own);
    }
}
