//! Preparing held against the formulas, on images whose answers are known.

use super::*;
use crate::data::{Labelled, MemoryImages, Normalise, Split, ready, with_prepare};

const SHAPE: ImageShape = ImageShape { channels: 3, height: 4, width: 5 };

/// Images of correlated noise: neighbours resemble each other. The test part is brighter.
fn toy(train: usize, shape: ImageShape) -> MemoryImages {
    let part = |count: usize, base: u64| {
        let mut state = 88_172_645_463_325_252_u64 ^ base;
        let mut draw = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state >> 40
        };
        let mut last = 100;
        let pixels = (0..count * shape.len()).map(|_| {
            last = (2 * last + draw() % 256) / 3;
            (last + base).min(255) as u8
        });
        Labelled { pixels: pixels.collect(), labels: (0..count).map(|i| (i % 3) as u16).collect() }
    };
    let names = ["a", "b", "c"].map(str::to_owned).to_vec();
    MemoryImages::new("toy", shape, names, 255, [part(train, 0), part(20, 40)], 10)
}

fn spec(normalise: Normalise, zca: Option<f64>) -> DataSpec {
    DataSpec { name: "toy".into(), normalise, zca, ..DataSpec::default() }
}

fn rows(data: &dyn Dataset, part: Part) -> Vec<f32> {
    let n = data.shape().len();
    let mut all = vec![0.0; data.len(part) * n];
    all.chunks_exact_mut(n).enumerate().for_each(|(i, row)| data.pixels(part, i, row).unwrap());
    all
}

#[test]
fn mean_and_deviation_are_those_of_the_training_images_alone() {
    let data = toy(200, SHAPE);
    let split = Split::new(&data, 50, 1).unwrap();
    let ready = ready(&data, &split, &spec(Normalise::MeanStd, None)).unwrap();
    let x = rows(ready.dataset(), Part::Train);
    for c in 0..3 {
        let of = |samples: &[u32]| {
            let pixels = samples.iter().flat_map(|&s| &x[s as usize * 60 + c * 20..s as usize * 60 + c * 20 + 20]);
            let all: Vec<f64> = pixels.map(|&v| f64::from(v)).collect();
            let mean = all.iter().sum::<f64>() / all.len() as f64;
            (mean, (all.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / all.len() as f64).sqrt())
        };
        let ((mean, std), (other, _)) = (of(split.train()), of(split.validation()));
        assert!(mean.abs() < 1e-5 && (std - 1.0).abs() < 1e-5, "{c}: {mean} {std}");
        assert!(other.abs() > 1e-4, "validation images had a part in it");
    }
}

#[test]
fn global_contrast_is_taken_out_image_by_image() {
    for (normalise, deviation) in [(Normalise::Gcn, false), (Normalise::GcnStd, true)] {
        let data = toy(30, SHAPE);
        let split = Split::new(&data, 5, 1).unwrap();
        let prepare = Prepare::fit(&data, split.train(), &spec(normalise, None), None).unwrap();
        let before = rows(&data, Part::Test);
        let mut after = before.clone();
        prepare.apply_all(&mut after);
        for (x, y) in before.chunks(60).zip(after.chunks(60)) {
            let centred: Vec<f32> =
                x.chunks(20).flat_map(|p| p.iter().map(|v| v - p.iter().sum::<f32>() / 20.0)).collect();
            let std = (centred.iter().map(|v| v * v).sum::<f32>() / 60.0).sqrt();
            let scale = if deviation { std } else { 1.0 };
            assert!(centred.iter().zip(y).all(|(c, y)| (c / scale - y).abs() < 1e-5));
        }
        // An image of one colour stays finite.
        let mut flat = vec![0.3; 60];
        prepare.apply(&mut flat);
        assert!(flat.iter().all(|v| v.abs() < 1e-3), "{flat:?}");
    }
}

#[test]
fn whitened_training_images_have_the_covariance_that_epsilon_leaves() {
    let data = toy(2000, SHAPE);
    let split = Split::new(&data, 100, 2).unwrap();
    let n = 60;
    for normalise in [Normalise::None, Normalise::Gcn] {
        let spec = spec(normalise, Some(1e-6));
        let prepare = Prepare::fit(&data, split.train(), &spec, None).unwrap();
        let ready = with_prepare(Arc::new(data.clone()), prepare.clone()).unwrap();
        let x = rows(&*ready, Part::Train);
        let count = split.train().len() as f64;
        let of = |i: usize, j: usize| {
            let products =
                split.train().iter().map(|&s| f64::from(x[s as usize * n + i]) * f64::from(x[s as usize * n + j]));
            products.sum::<f64>() / count
        };
        for (i, j) in (0..n).flat_map(|i| (0..n).map(move |j| (i, j))) {
            // Of what was centred image by image a direction is gone in each channel.
            let gone = if normalise == Normalise::Gcn && i / 20 == j / 20 { 1.0 / 20.0 } else { 0.0 };
            let want = if i == j { 1.0 } else { 0.0 } - gone;
            assert!((of(i, j) - want).abs() < 5e-3, "{normalise:?} {i} {j}: {} {want}", of(i, j));
        }
        // W is symmetric, one image alone comes out as among others.
        let Some(Kept { values: w, .. }) = prepare.tensors().pop() else { panic!() };
        assert!((0..n * n).all(|i| w[i] == w[(i % n) * n + i / n]));
        let mut one = rows(&data, Part::Test)[..n].to_vec();
        prepare.apply(&mut one);
        assert!(one.iter().zip(&rows(&*ready, Part::Test)).all(|(a, b)| (a - b).abs() < 1e-4));
    }
}

#[test]
fn a_whitening_is_kept_and_is_the_same_on_any_number_of_threads() {
    let shape = ImageShape { channels: 3, height: 9, width: 10 };
    let data = toy(400, shape);
    let samples: Vec<u32> = (0..300).collect();
    let spec = spec(Normalise::Gcn, Some(0.01));
    let cache = tempfile::tempdir().unwrap();
    let folder = cache.path().join("made");
    let first = Prepare::fit(&data, &samples, &spec, Some(&folder)).unwrap();
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|f| f.unwrap().path()).collect();
    assert_eq!(files.len(), 1);
    assert_eq!(Prepare::fit(&data, &samples, &spec, Some(&folder)).unwrap(), first);
    let other = Prepare::fit(&data, &samples[1..], &spec, Some(&folder)).unwrap();
    assert_ne!(other, first);
    // A damaged file is made anew.
    std::fs::write(&files[0], b"rubbish").unwrap();
    assert_eq!(Prepare::fit(&data, &samples, &spec, Some(&folder)).unwrap(), first);
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(|| Prepare::fit(&data, &samples, &spec, None)).unwrap(), first, "{threads} threads");
    }
}

#[test]
fn what_was_fitted_comes_back_from_its_line_and_tensors() {
    let data = toy(100, SHAPE);
    let samples: Vec<u32> = (0..80).collect();
    for normalise in Normalise::ALL {
        for zca in [None, Some(0.1)] {
            let prepare = Prepare::fit(&data, &samples, &spec(normalise, zca), None).unwrap();
            let tensors = prepare.tensors();
            let mut read = |name: &str, shape: &[usize]| {
                let found = tensors.iter().find(|t| t.name == name && t.shape == shape);
                found.map(|t| t.values.clone()).ok_or(name.to_owned())
            };
            assert_eq!(Prepare::restore(&prepare.line(), &mut read).unwrap(), Some(prepare.clone()));
            for line in ["", "gcn", "gcn zca 3 4 5", "odd none 3 4 5 x", "gcn none 3 0 5 x", "none zca 3 4 99999999 x"]
            {
                assert_eq!(Prepare::restore(line, &mut read), Ok(None), "{line}");
            }
        }
    }
}

#[test]
fn what_is_prepared_already_is_left_and_what_is_so_for_another_split_is_not() {
    let data: Arc<dyn Dataset> = Arc::new(toy(100, SHAPE));
    let spec = spec(Normalise::MeanStd, None);
    let [a, b] = [1, 2].map(|seed| Split::new(&*data, 30, seed).unwrap());
    let for_a = crate::data::ready_shared(data.clone(), &a, &spec).unwrap();
    assert!(matches!(ready(&*for_a, &a, &spec).unwrap(), crate::data::Ready::Same(_)));
    let again = ready(&*for_a, &b, &spec).unwrap();
    let fresh = ready(&*data, &b, &spec).unwrap();
    assert_eq!(rows(again.dataset(), Part::Train), rows(fresh.dataset(), Part::Train));
    assert_ne!(rows(again.dataset(), Part::Train), rows(&*for_a, Part::Train));
    // Nothing asked for: the bytes as they are.
    let bare = ready(&*for_a, &b, &DataSpec::default()).unwrap();
    assert_eq!(rows(bare.dataset(), Part::Train), rows(&*data, Part::Train));
    let shared = crate::data::ready_shared(for_a.clone(), &b, &spec).unwrap();
    assert_eq!(rows(&*shared, Part::Train), rows(fresh.dataset(), Part::Train));
}

#[test]
fn what_cannot_be_whitened_is_refused_in_one_line() {
    let data = toy(10, ImageShape { channels: 3, height: 64, width: 64 });
    let error = Prepare::fit(&data, &[0, 1], &spec(Normalise::None, Some(0.1)), None).unwrap_err().to_string();
    assert!(
        error.contains("data.zca = true: whitening is for images of at most 8192 numbers, these have 12288"),
        "{error}"
    );
}
