//! Training on an image folder with broken pictures.

use image::{ImageFormat, Rgb, RgbImage};
use reclra::Device;
use reclra_train::fit::fit;
use reclra_train::run::prepare;
use reclra_train::spec::Settings;
use std::io::Cursor;
use std::sync::atomic::AtomicBool;

/// `count` pictures of each of two classes in a part; red tells the part and the place.
fn part(name: &str, count: u8, base: u8, size: (u32, u32)) -> Vec<(String, Vec<u8>)> {
    let one = |class: &str, i: u8, green: u8| {
        let mut png = Cursor::new(Vec::new());
        RgbImage::from_pixel(size.0, size.1, Rgb([base + i, green, 7])).write_to(&mut png, ImageFormat::Png).unwrap();
        (format!("{name}/{class}/{i:02}.png"), png.into_inner())
    };
    (0..count).flat_map(|i| [one("cat", i, 0), one("dog", i, 200)]).collect()
}

/// Error, loss and counts of what is judged do not depend on data.memory.
#[test]
fn a_broken_test_picture_is_left_out_whatever_the_memory() {
    let mut files = [part("train", 12, 0, (8, 8)), part("test", 5, 90, (8, 8))].concat();
    files.push(("test/dog/03.png".to_owned(), b"rubbish".to_vec()));
    files.push(("train/cat/05.png".to_owned(), b"rubbish".to_vec()));
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in &files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let run = |memory: u64| {
        let text = format!(
            "data.name = \"image-folder\"\ndata.dir = {:?}\ndata.memory = {memory}\ndata.validation = 6\nnet.arch = \"192-8-2\"\n\
             train.epochs = 3\ntrain.batch = 4\ndata.normalise = \"none\"",
            dir.path().display().to_string()
        );
        let prepared = prepare(&Settings::parse(&text, "spec").unwrap()).unwrap();
        assert_eq!(prepared.dataset.lazy(), memory == 0);
        let outcome =
            fit(&prepared.spec, &*prepared.dataset, Device::cpu(1), &mut (), &AtomicBool::new(false)).unwrap();
        let validation = outcome.epochs.last().unwrap().validation_error;
        (outcome.test.unwrap(), validation)
    };
    let ((kept, validation), (lazy, other)) = (run(1024), run(0));
    assert_eq!((kept.samples, kept.wrong, validation), (lazy.samples, lazy.wrong, other));
    assert_eq!(kept.samples, 9, "of ten one is broken");
    assert!((kept.loss - lazy.loss).abs() < 1e-5, "{kept:?} {lazy:?}");
}
