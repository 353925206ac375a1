//! Preparing held against the formulas, on images whose answers are known.

use super::fit::cache_home;
use super::*;
use crate::memory::Labelled;
use crate::{DataSpec, Dataset, Part, Result};
use crate::{MemoryImages, Normalise, Split, ready, with_prepare};

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
fn a_channel_without_contrast_is_only_centred() {
    let shape = ImageShape { channels: 2, height: 1, width: 2 };
    // The first channel is 51 everywhere, the second 0 and 255.
    let part = |count: usize| Labelled { pixels: [51, 51, 0, 255].repeat(count), labels: vec![0; count] };
    let data = MemoryImages::new("toy", shape, vec!["a".to_owned()], 255, [part(4), part(1)], 0);
    let prepare = Prepare::fit(&data, &[0, 1, 2], &spec(Normalise::MeanStd, None), None).unwrap();
    let mut image = [0.2, 0.7, 0.0, 0.75];
    prepare.apply(&mut image);
    assert!(image.iter().zip([0.0, 0.5, -1.0, 0.5]).all(|(a, b)| (a - b).abs() < 1e-6), "{image:?}");
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
fn what_cannot_have_been_fitted_is_not_restored() {
    let restore = |line: &str, [centre, mean, std, zca]: [Vec<f32>; 4]| {
        let read = |name: &str, _: &[usize]| -> Result<Vec<f32>, ()> {
            let of = [(CENTRE, &centre), (MEAN, &mean), (STD, &std), (ZCA, &zca)];
            Ok(of.into_iter().find(|(n, _)| *n == name).unwrap().1.clone())
        };
        Prepare::restore(line, read).unwrap()
    };
    let (both, line) = ("mean-std zca 1 1 2 x", "mean-std none 1 1 2 x");
    let with = |change: fn(&mut [Vec<f32>; 4])| {
        let mut all = [vec![0.0; 2], vec![0.5], vec![0.25], vec![1.0, 0.0, 0.0, 1.0]];
        change(&mut all);
        all
    };
    let good = restore(both, with(|_| {})).unwrap();
    assert_eq!((good.line(), good.normalisation(), good.whitens()), (both.to_owned(), Normalise::MeanStd, true));
    assert_eq!(restore(line, with(|_| {})).unwrap().line(), line);
    let bad: [fn(&mut [Vec<f32>; 4]); 8] = [
        |all| all[0].push(0.0),
        |all| all[1].push(0.5),
        |all| all[1].clear(),
        |all| all[2].push(0.25),
        |all| all[2].clear(),
        |all| all[2][0] = 0.0,
        |all| all[2][0] = f32::NAN,
        |all| all[3].push(1.0),
    ];
    for (n, change) in bad.into_iter().enumerate() {
        assert_eq!(restore(both, with(change)), None, "{n}");
    }
}

#[test]
fn a_preparation_is_told_in_words() {
    let data = toy(20, SHAPE);
    let words = |normalise, zca| Prepare::fit(&data, &[0, 1, 2], &spec(normalise, zca), None).unwrap().words();
    assert_eq!(words(Normalise::None, None), "pixels from 0 to 1");
    assert_eq!(words(Normalise::Gcn, None), "less the image's own mean of each channel");
    let contrast = "less the image's own mean of each channel, divided by its deviation; then whitened (ZCA)";
    assert_eq!(words(Normalise::GcnStd, Some(0.1)), contrast);
    let first = "less the mean of each channel, divided by its standard deviation: (0.";
    assert!(words(Normalise::MeanStd, None).starts_with(first), "{}", words(Normalise::MeanStd, None));
}

#[test]
fn what_is_prepared_already_is_left_and_what_is_so_for_another_split_is_not() {
    let data: Arc<dyn Dataset> = Arc::new(toy(100, SHAPE));
    let spec = spec(Normalise::MeanStd, None);
    let [a, b] = [1, 2].map(|seed| Split::new(&*data, 30, seed).unwrap());
    let for_a = crate::ready_shared(data.clone(), &a, &spec).unwrap();
    assert!(matches!(ready(&*for_a, &a, &spec).unwrap(), crate::Ready::Same(_)));
    let again = ready(&*for_a, &b, &spec).unwrap();
    let fresh = ready(&*data, &b, &spec).unwrap();
    assert_eq!(rows(again.dataset(), Part::Train), rows(fresh.dataset(), Part::Train));
    assert_ne!(rows(again.dataset(), Part::Train), rows(&*for_a, Part::Train));
    // Nothing asked for: the bytes as they are.
    let bare = ready(&*for_a, &b, &DataSpec::default()).unwrap();
    assert_eq!(rows(bare.dataset(), Part::Train), rows(&*data, Part::Train));
    let shared = crate::ready_shared(for_a.clone(), &b, &spec).unwrap();
    assert_eq!(rows(&*shared, Part::Train), rows(fresh.dataset(), Part::Train));
}

/// Images that are decoded when they are read.
struct Lazy(MemoryImages);

impl Dataset for Lazy {
    fn name(&self) -> &str {
        "lazy"
    }

    fn shape(&self) -> ImageShape {
        self.0.shape()
    }

    fn class_names(&self) -> &[String] {
        self.0.class_names()
    }

    fn len(&self, part: Part) -> usize {
        self.0.len(part)
    }

    fn label(&self, part: Part, index: usize) -> u32 {
        self.0.label(part, index)
    }

    fn pixels(&self, part: Part, index: usize, out: &mut [f32]) -> Result<()> {
        self.0.pixels(part, index, out)
    }

    fn lazy(&self) -> bool {
        true
    }
}

#[test]
fn a_prepared_data_set_is_the_one_it_was_made_from_but_for_its_pixels() {
    let mut data = toy(30, SHAPE);
    data.stored = 7;
    data.published = Some(true);
    data.notes = vec!["a note".to_owned()];
    let prepare = Prepare::fit(&data, &[0, 1, 2], &spec(Normalise::Gcn, None), None).unwrap();
    let sets: [Arc<dyn Dataset>; 2] = [Arc::new(Lazy(data.clone())), Arc::new(data)];
    for inner in sets {
        let outer = with_prepare(inner.clone(), prepare.clone()).unwrap();
        let facts = |d: &dyn Dataset| {
            let labels: Vec<Vec<u32>> =
                [Part::Train, Part::Test].map(|part| (0..d.len(part)).map(|i| d.label(part, i)).collect()).to_vec();
            let counts = [d.validation(), d.stored_validation(), d.white().into()];
            (
                d.name().to_owned(),
                d.class_names().to_vec(),
                d.shape(),
                labels,
                counts,
                d.lazy(),
                d.published(),
                d.notes(),
            )
        };
        assert_eq!(facts(&*outer), facts(&*inner));
        assert!(outer.memory().is_none() && outer.raw().is_some());
        assert_eq!(outer.prepared(), Some(&prepare));
        // A random part of a picture is prepared too.
        let zoom = || crate::Zoom { least: 0.3, key: reclra_compute::rng::Key::new(5) };
        let [mut part, mut whole] = [vec![0.0; SHAPE.len()], vec![0.0; SHAPE.len()]];
        inner.zoomed(Part::Train, 4, zoom(), &mut part).unwrap();
        prepare.apply(&mut part);
        outer.zoomed(Part::Train, 4, zoom(), &mut whole).unwrap();
        assert_eq!(part, whole);
    }
}

#[test]
fn only_a_preparation_that_leaves_images_as_they_are_is_none() {
    let data = toy(30, SHAPE);
    let fit = |normalise, zca| Prepare::fit(&data, &[0, 1, 2], &spec(normalise, zca), None).unwrap();
    assert!(Prepare::none(SHAPE).is_none() && fit(Normalise::None, None).is_none());
    let others = [fit(Normalise::Gcn, None), fit(Normalise::None, Some(0.1)), fit(Normalise::GcnStd, Some(0.1))];
    assert!(others.iter().all(|prepare| !prepare.is_none()));
    let raw: Arc<dyn Dataset> = Arc::new(data);
    assert!(Arc::ptr_eq(&raw, &with_prepare(raw.clone(), Prepare::none(SHAPE)).unwrap()));
}

/// The environment of a process is read, so each case is a process of its own: this test alone.
#[test]
fn the_cache_lies_where_the_environment_says() {
    const WANTED: &str = "RECLRA_TEST_CACHE_HOME";
    if let Some(wanted) = std::env::var_os(WANTED) {
        return assert_eq!(cache_home(), Some(wanted.into()));
    }
    let with = |cache: &str, wanted: &std::ffi::OsStr| {
        let mut this = std::process::Command::new(std::env::current_exe().unwrap());
        this.args(["--exact", "data::prepare::tests::the_cache_lies_where_the_environment_says"]);
        let done = this.env("RECLRA_CACHE", cache).env(WANTED, wanted).output().unwrap();
        assert!(done.status.success(), "RECLRA_CACHE={cache}: {}", String::from_utf8_lossy(&done.stdout));
    };
    with("there", "there".as_ref());
    if let Some(home) = dirs::cache_dir() {
        with("", home.join("reclra").as_ref());
    }
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
