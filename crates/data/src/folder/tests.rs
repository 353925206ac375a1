//! Image folders made in the test: what is read, in which order, and what is said of what is wrong.

use super::super::tree::tests::{as_folder, as_tar};
use super::*;
use crate::DataFacts;
use crate::entry::IMAGE_FOLDER;
use crate::{Augment, Batch, Loader, Part, Split, Zoom, gather, open_with};
use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use std::io::Cursor;

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    picture.write_to(&mut out, format).unwrap();
    out.into_inner()
}

/// A picture of one colour.
fn flat(width: u32, height: u32, colour: [u8; 3]) -> DynamicImage {
    RgbImage::from_pixel(width, height, Rgb(colour)).into()
}

fn png(width: u32, height: u32, colour: [u8; 3]) -> Vec<u8> {
    encoded(&flat(width, height, colour), ImageFormat::Png)
}

/// `count` pictures of each of two classes in a part; red tells the part and the place.
fn part(name: &str, count: u8, base: u8, size: (u32, u32)) -> Vec<(String, Vec<u8>)> {
    let one = |class: &str, i: u8, green: u8| {
        (format!("{name}/{class}/{i:02}.png"), png(size.0, size.1, [base + i, green, 7]))
    };
    (0..count).flat_map(|i| [one("cat", i, 0), one("dog", i, 200)]).collect()
}

fn opened(files: &[(String, Vec<u8>)], opening: &Opening) -> Result<Arc<dyn Dataset>> {
    let dir = tempfile::tempdir().unwrap();
    as_folder(dir.path(), files);
    let data = open_with(IMAGE_FOLDER, Some(dir.path()), opening);
    // What is decoded later is still needed.
    if data.as_ref().is_ok_and(|d| d.lazy()) {
        std::mem::forget(dir);
    }
    data
}

/// First byte of red, and label, of every sample of a part.
fn reds(data: &dyn Dataset, part: Part) -> Vec<(u8, u32)> {
    let mut x = vec![0.0; data.shape().len()];
    let one = |i: usize| {
        data.pixels(part, i, &mut x).unwrap();
        ((x[0] * 255.0).round() as u8, data.label(part, i))
    };
    (0..data.len(part)).map(one).collect()
}

const LAZY: Opening = Opening { size: 0, broken: 0.01, memory: 0 };

#[test]
fn memory_and_decoding_give_the_same_pixels_whatever_the_kind_of_file() {
    let jpeg =
        encoded(&RgbImage::from_fn(6, 4, |x, y| Rgb([(40 * x) as u8, (60 * y) as u8, 90])).into(), ImageFormat::Jpeg);
    let grey = encoded(&GrayImage::from_pixel(6, 4, Luma([77])).into(), ImageFormat::Png);
    let clear = encoded(&RgbaImage::from_pixel(6, 4, Rgba([9, 8, 7, 128])).into(), ImageFormat::Png);
    let deep =
        encoded(&DynamicImage::from(image::ImageBuffer::from_pixel(6, 4, Rgb([65535_u16, 0, 257]))), ImageFormat::Png);
    let ppm = encoded(&flat(6, 4, [1, 2, 3]), ImageFormat::Pnm);
    let bmp = encoded(&flat(6, 4, [4, 5, 6]), ImageFormat::Bmp);
    let kinds = [("a.jpg", jpeg), ("b.png", grey), ("c.png", clear), ("d.png", deep), ("e.ppm", ppm), ("f.BMP", bmp)];
    let mut files: Vec<_> = kinds.map(|(name, bytes)| (format!("train/one/{name}"), bytes)).into();
    files.push(("test/one/x.png".to_owned(), png(6, 4, [3, 3, 3])));
    files.push(("train/two/y.png".to_owned(), png(6, 4, [3, 3, 3])));
    let (kept, lazy) = (opened(&files, &Opening::default()).unwrap(), opened(&files, &LAZY).unwrap());
    assert_eq!(
        (kept.lazy(), lazy.lazy(), kept.memory().is_some(), lazy.memory().is_some()),
        (false, true, true, false)
    );
    let shape = ImageShape { channels: 3, height: 4, width: 6 };
    assert_eq!((kept.shape(), lazy.shape(), kept.len(Part::Train), kept.len(Part::Test)), (shape, shape, 7, 1));
    let (mut a, mut b) = (vec![0.0; shape.len()], vec![0.0; shape.len()]);
    for i in 0..6 {
        kept.pixels(Part::Train, i, &mut a).unwrap();
        lazy.pixels(Part::Train, i, &mut b).unwrap();
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-6), "{i}");
        let first: Vec<u8> = (0..3).map(|c| (a[24 * c] * 255.0).round() as u8).collect();
        let want: [u8; 3] = [[0; 3], [77; 3], [9, 8, 7], [255, 0, 1], [1, 2, 3], [4, 5, 6]][i];
        assert!(i == 0 || first == want, "{i}: {first:?}");
        let zoom = Zoom { least: 0.3, key: Key::new(3).child(i as u64) };
        kept.zoomed(Part::Train, i, zoom, &mut a).unwrap();
        lazy.zoomed(Part::Train, i, zoom, &mut b).unwrap();
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-6), "zoomed {i}");
    }
}

#[test]
fn val_validates_where_there_is_a_test_part_and_tests_where_there_is_none() {
    let (train, val, test) = (part("train", 10, 0, (3, 3)), part("val", 3, 100, (3, 3)), part("test", 2, 200, (3, 3)));
    for opening in [Opening::default(), LAZY] {
        let all = opened(&[train.clone(), val.clone(), test.clone()].concat(), &opening).unwrap();
        assert_eq!(
            (all.len(Part::Train), all.len(Part::Test), all.stored_validation(), all.validation()),
            (26, 4, 6, 6)
        );
        let split = Split::new(&*all, 6, 3).unwrap();
        assert_eq!((split.train().len(), split.validation()), (20, &[20, 21, 22, 23, 24, 25][..]));
        assert!(reds(&*all, Part::Train)[20..].iter().all(|(red, _)| *red >= 100));
        // Fewer: drawn from val alone, and nothing of val is trained on.
        let few = Split::new(&*all, 2, 3).unwrap();
        assert!(few.train().len() == 20 && few.validation().iter().all(|v| *v >= 20), "{few:?}");
        assert_eq!(
            Split::new(&*all, 7, 3).unwrap_err().to_string(),
            "data.validation = 7: must be at most the 6 images of val"
        );

        let tested = opened(&[train.clone(), val.clone()].concat(), &opening).unwrap();
        assert_eq!((tested.len(Part::Train), tested.len(Part::Test), tested.stored_validation()), (20, 6, 0));
        assert!(tested.notes()[0].contains("test images are those of val"), "{:?}", tested.notes());
        assert_eq!(reds(&*tested, Part::Test), [(100, 0), (101, 0), (102, 0), (100, 1), (101, 1), (102, 1)]);

        let drawn = opened(&train, &opening).unwrap();
        assert_eq!((drawn.len(Part::Train), drawn.len(Part::Test)), (16, 4));
        let mut both = [reds(&*drawn, Part::Train), reds(&*drawn, Part::Test)].concat();
        both.sort_unstable();
        both.dedup();
        assert_eq!(both.len(), 20, "none twice, none lost");
        assert!(drawn.notes()[0].contains("a fifth of each class"), "{:?}", drawn.notes());
        assert_eq!(drawn.class_names(), ["cat", "dog"]);
    }
}

#[test]
fn tar_files_give_what_folders_give() {
    let files = [part("train", 5, 0, (4, 3)), part("test", 2, 50, (4, 3))].concat();
    let folder = opened(&files, &Opening::default()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    as_tar(&dir.path().join("train.tar"), "train", &files);
    as_tar(&dir.path().join("test.tar"), "test", &files);
    let one = tempfile::tempdir().unwrap();
    as_tar(&one.path().join("all.tar"), "", &files);
    for (place, opening) in [
        (dir.path().to_owned(), LAZY),
        (one.path().join("all.tar"), LAZY),
        (one.path().join("all"), Opening::default()),
    ] {
        let data = open_with(IMAGE_FOLDER, Some(&place), &opening).unwrap();
        assert_eq!(
            [Part::Train, Part::Test].map(|p| reds(&*data, p)),
            [Part::Train, Part::Test].map(|p| reds(&*folder, p))
        );
    }
}

#[test]
fn broken_pictures_are_named_and_borne_up_to_a_limit() {
    let mut files = [part("train", 8, 0, (3, 3)), part("test", 2, 50, (3, 3))].concat();
    for i in [2, 5] {
        files.push((format!("train/cat/{i:02}.png"), b"\x89PNG\r\n\x1a\nrubbish".to_vec()));
    }
    let kept = opened(&files, &Opening::default()).unwrap();
    let lazy = opened(&files, &LAZY).unwrap();
    for data in [&*kept, &*lazy] {
        assert_eq!((data.len(Part::Train), data.len(Part::Test)), (16, 4));
        let all: Vec<u32> = (0..16).collect();
        let (mut x, mut labels) = (Vec::new(), Vec::new());
        let left = gather(data, Part::Train, &all, &mut x, &mut labels).unwrap();
        assert_eq!(left, [0, 1, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        let red: Vec<u8> = x.chunks_exact(27).map(|p| (p[0] * 255.0).round() as u8).collect();
        assert_eq!((&red[..6], &labels[4..8]), (&[0, 1, 3, 4, 6, 7][..], &[0, 0, 1, 1][..]));
        let note = data.notes().pop().unwrap();
        let begins =
            "2 broken pictures are left out of what is judged, in training others of the same class stand in: ";
        assert!(note.starts_with(begins) && note.contains("02.png is cut short"), "{note}");
    }
    // None may be.
    for memory in [0, 1024] {
        let strict = Opening { broken: 0.0, memory, ..Opening::default() };
        let error = match opened(&files, &strict) {
            Err(e) => e,
            Ok(data) => (0..16).find_map(|i| data.pixels(Part::Train, i, &mut [0.0; 27]).err()).unwrap(),
        };
        let line = error.to_string();
        let count = if memory == 0 { ": at least 1 of 20 pictures cannot" } else { ": 2 of 20 pictures cannot" };
        let wanted = [count, "train/cat/02.png", "raise data.broken"];
        assert!(wanted.iter().all(|w| line.contains(w)) && !line.contains('\n'), "{line}");
    }
}

/// One class is always guessed rightly: nothing to learn.
#[test]
fn one_class_is_refused() {
    let mut files = part("train", 3, 0, (3, 3));
    files.retain(|(name, _)| name.contains("cat"));
    // A folder without pictures is no class.
    files.push(("train/dog/notes.txt".to_owned(), b"none yet".to_vec()));
    for opening in [Opening::default(), LAZY] {
        let Err(error) = opened(&files, &opening) else { panic!("one class") };
        let line = error.to_string();
        assert!(
            line.contains("has one class in train, `cat` (3 pictures), and at least two are needed; put"),
            "{line}"
        );
        assert!(!line.contains('\n'), "{line}");
    }
}

/// In training the next of the class that is trained on stands in, never one that validates.
#[test]
fn what_stands_in_is_the_same_whatever_the_memory_and_never_validates() {
    let mut files = [part("train", 12, 0, (3, 3)), part("val", 4, 100, (3, 3)), part("test", 2, 50, (3, 3))].concat();
    files.push(("train/cat/11.png".to_owned(), b"rubbish".to_vec()));
    files.push(("val/dog/01.png".to_owned(), Vec::new()));
    for stored in [true, false] {
        files.retain(|(name, _)| stored || !name.starts_with("val"));
        let (kept, lazy) = (opened(&files, &Opening::default()).unwrap(), opened(&files, &LAZY).unwrap());
        assert_eq!(DataFacts::of(&*kept), DataFacts::of(&*lazy));
        for seed in 0..8 {
            let split = Split::new(&*kept, 8, seed).unwrap();
            assert_eq!(split, Split::new(&*lazy, 8, seed).unwrap());
            let of = |data: &dyn Dataset, zoom: f64| {
                let mut batch = Batch::default();
                let varied = Augment { zoom, ..Augment::default() };
                Loader::new(data, &split, 64, 0, seed).augmented(varied).fill(1, 0, &mut batch).unwrap();
                let reds: Vec<u8> = batch.x.chunks_exact(27).map(|p| (p[0] * 255.0).round() as u8).collect();
                (reds, batch.labels, batch.samples)
            };
            let (reds, _, samples) = of(&*kept, 1.0);
            assert_eq!(of(&*kept, 1.0), of(&*lazy, 1.0));
            assert_eq!(of(&*kept, 0.5).0, of(&*lazy, 0.5).0);
            // The validating samples' red is in no row but that of another class's picture of the same place.
            let mut x = vec![0.0; 27];
            for (red, &sample) in reds.iter().zip(&samples) {
                if kept.pixels(Part::Train, sample as usize, &mut x).is_err() {
                    let of_class =
                        |s: &&u32| kept.label(Part::Train, **s as usize) == kept.label(Part::Train, sample as usize);
                    let mut own = vec![0.0; 27];
                    let shown = split.train().iter().filter(of_class).any(|&s| {
                        kept.pixels(Part::Train, s as usize, &mut own).is_ok() && (own[0] * 255.0).round() as u8 == *red
                    });
                    assert!(shown, "{red} stands in for {sample}");
                }
            }
        }
    }
}

#[test]
fn pictures_of_many_sizes_want_a_size() {
    let files = [part("train", 3, 0, (8, 6)), part("test", 2, 50, (20, 10))].concat();
    for opening in [Opening::default(), LAZY] {
        let error = match opened(&files, &opening) {
            Err(e) => e,
            Ok(data) => data.pixels(Part::Test, 0, &mut [0.0; 144]).unwrap_err(),
        };
        let line = error.to_string();
        assert!(line.contains("is 20x10, others are 8x6; set data.size = 224"), "{line}");
    }
    let sized = opened(&files, &Opening { size: 5, ..Opening::default() }).unwrap();
    assert_eq!((sized.shape(), sized.lazy()), (ImageShape { channels: 3, height: 5, width: 5 }, true));
    // One colour stays it.
    assert_eq!(reds(&*sized, Part::Test), [(50, 0), (51, 0), (50, 1), (51, 1)]);
    // All of one size, but another one.
    let other = opened(&part("train", 3, 0, (8, 8)), &Opening { size: 4, ..Opening::default() }).unwrap();
    assert!(other.lazy() && other.shape().height == 4);
    let same = opened(&part("train", 3, 0, (8, 8)), &Opening { size: 8, ..Opening::default() }).unwrap();
    assert!(!same.lazy());
}

#[test]
fn batches_of_decoded_pictures_are_those_of_pictures_in_memory() {
    let files = [part("train", 20, 0, (4, 4)), part("test", 2, 50, (4, 4))].concat();
    let (kept, lazy) = (opened(&files, &Opening::default()).unwrap(), opened(&files, &LAZY).unwrap());
    let split = Split::new(&*kept, 4, 9).unwrap();
    let [mut a, mut b] = [Batch::default(), Batch::default()];
    for (epoch, position) in [(0, 0), (3, 1), (0, 2)] {
        Loader::new(&*kept, &split, 15, 1, 9).fill(epoch, position, &mut a).unwrap();
        Loader::new(&*lazy, &split, 15, 1, 9).fill(epoch, position, &mut b).unwrap();
        assert_eq!((&a.labels, &a.samples), (&b.labels, &b.samples));
        assert!(a.x.iter().zip(&b.x).all(|(a, b)| (a - b).abs() < 1e-6));
    }
    assert!(sources(None).unwrap_err().to_string().contains("--data-dir"));
}
