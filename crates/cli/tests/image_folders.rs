//! Image folders, archives of them and pictures to be classified, as the binary reads them.

mod common;

use common::{bad, good, objects, reclra, text, texts};
use image::{ImageFormat, Luma, Rgb, RgbImage};
use safetensors::SafeTensors;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

fn encoded(picture: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A picture in which every pixel has a colour of its own.
fn colourful(salt: u8, format: ImageFormat) -> Vec<u8> {
    encoded(&RgbImage::from_fn(8, 8, |x, y| Rgb([(30 * x) as u8, (25 * y) as u8, salt])), format)
}

/// The same as a Windows bitmap and as a PPM file.
fn bitmap(salt: u8) -> Vec<u8> {
    let mut bytes = b"BM".to_vec();
    for word in [54 + 192, 0, 54, 40, 8, 8, 1 | 24 << 16, 0, 192, 0, 0, 0, 0_u32] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend((0..64_u8).flat_map(|i| [salt, 25 * (i / 8), 30 * (i % 8)]));
    bytes
}

fn pixmap(salt: u8) -> Vec<u8> {
    let mut bytes = b"P6 8 8 255\n".to_vec();
    bytes.extend((0..64_u8).flat_map(|i| [30 * (i % 8), 25 * (i / 8), salt]));
    bytes
}

fn write(at: &Path, bytes: &[u8]) {
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    fs::write(at, bytes).unwrap();
}

/// Four pictures of each of two classes to train on, two to test with, in `format` and of its ending.
fn folder(at: &Path, ending: &str, picture: &dyn Fn(u8) -> Vec<u8>) {
    for (part, count) in [("train", 4_u8), ("test", 2)] {
        for (n, class) in ["a", "b"].into_iter().enumerate() {
            for i in 0..count {
                write(&at.join(part).join(class).join(format!("{i}.{ending}")), &picture(100 * n as u8 + i));
            }
        }
    }
}

fn training<'a>(folder: &'a Path, run: &'a Path) -> Vec<&'a str> {
    let data = ["train", "--data", "image-folder", "--data-dir", text(folder), "--out", text(run)];
    [&data[..], &["--arch", "192-4-2", "--epochs", "1", "--batch", "2", "--threads", "1"]].concat()
}

/// What `data info --json` says of an image folder: measured alone.
fn info(place: &Path) -> serde_json::Value {
    let (out, _) = good(&["data", "info", "image-folder", "--data-dir", text(place), "--json"]);
    objects(&out)[0]["measured"].clone()
}

fn notes(place: &Path) -> Vec<String> {
    info(place)["notes"].as_array().unwrap().iter().map(|n| n.as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_picture_that_was_cut_is_refused_in_training_judging_and_predicting() {
    let dir = tempfile::tempdir().unwrap();
    type Encode<'a> = &'a dyn Fn(u8) -> Vec<u8>;
    let kinds: [(&str, Encode<'_>); 4] = [
        ("jpg", &|salt| colourful(salt, ImageFormat::Jpeg)),
        ("png", &|salt| colourful(salt, ImageFormat::Png)),
        ("bmp", &bitmap),
        ("ppm", &pixmap),
    ];
    for (ending, picture) in kinds {
        let (data, run) = (dir.path().join(ending), dir.path().join(format!("{ending}-run")));
        folder(&data, ending, picture);
        good(&training(&data, &run));
        let whole = picture(0);
        // In the last bytes, in the pixels, in the header.
        for length in [whole.len() - 1, whole.len() * 2 / 3, 12] {
            let name = format!("train/a/0.{ending}");
            fs::write(data.join(&name), &whole[..length]).unwrap();
            for memory in ["1024", "0"] {
                let setting = format!("data.memory={memory}");
                let strict = ["--set", "data.broken=0", "--set", &setting, "--overwrite", "-q"];
                let again = dir.path().join("again");
                let line = bad(&[&training(&data, &again)[..], &strict].concat(), 1);
                assert!(
                    line.contains(&format!("of 12 pictures cannot be used: {}", data.join(&name).display())),
                    "{line}"
                );
                assert!(
                    line.contains("is cut short") || line.contains("is a damaged picture"),
                    "{ending} {length}: {line}"
                );
            }
            let line = bad(&["predict", text(&run), text(&data.join(&name))], 1);
            assert!(line.contains(&format!("0.{ending}: is ")), "{line}");
            // Judged: left out, and named.
            let tested = data.join(format!("test/b/1.{ending}"));
            fs::copy(data.join(&name), &tested).unwrap();
            let output = reclra(&["eval", text(&run), "--json"]).output().unwrap();
            let (out, err) = texts(&output);
            assert_eq!(objects(&out)[0]["samples"], 3, "{ending}");
            assert!(err.contains("2 broken pictures") && err.contains(&format!("0.{ending} is ")), "{err}");
            fs::write(&tested, picture(101)).unwrap();
            fs::write(data.join(&name), &whole).unwrap();
        }
        // What follows the picture in its file does no harm.
        fs::write(data.join(format!("train/a/0.{ending}")), [&whole[..], b"more"].concat()).unwrap();
        good(&[&training(&data, &run)[..], &["--set", "data.broken=0", "--overwrite"]].concat());
    }
}

/// Mean and deviation of a trained network.
fn prepared(run: &Path) -> [Vec<f32>; 2] {
    let bytes = fs::read(run.join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    ["prepare.mean", "prepare.std"].map(|name| {
        let data = file.tensor(name).unwrap().data().to_vec();
        data.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    })
}

#[test]
fn mean_and_deviation_come_from_all_training_pictures_whatever_the_memory() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("d");
    // Of every two neighbours by name one is black and one is bright: every second one would be all of one kind.
    for i in 0..1200 {
        let value = if i % 2 == 0 { 40 } else { 200 };
        let mut picture = b"P6 4 4 255\n".to_vec();
        picture.extend([value; 48]);
        write(&data.join(format!("train/{}/{i:04}.ppm", if i < 600 { "a" } else { "b" })), &picture);
        if i < 4 {
            write(&data.join(format!("test/{}/{i}.ppm", if i < 2 { "a" } else { "b" })), &picture);
        }
    }
    let all = ["1024", "0"].map(|memory| {
        let run = dir.path().join(memory);
        let setting = format!("data.memory={memory}");
        let shape = ["--arch", "48-4-2", "--epochs", "1", "--batch", "50", "--threads", "1", "-q"];
        let more = ["--set", "data.validation=0", "--set", &setting, "--out", text(&run)];
        good(&[&["train", "--data", "image-folder", "--data-dir", text(&data)], &shape[..], &more].concat());
        prepared(&run)
    });
    assert_eq!(all[0], all[1], "to the bit");
    let [mean, std] = &all[0];
    assert!(mean.iter().all(|m| (m - 120.0 / 255.0).abs() < 1e-6), "{mean:?}");
    assert!(std.iter().all(|s| (s - 80.0 / 255.0).abs() < 1e-6), "{std:?}");
}

/// Members of an archive: type, path, and bytes or where it leads.
fn archive(at: &Path, members: &[(tar::EntryType, &str, &[u8])]) -> PathBuf {
    let mut builder = tar::Builder::new(fs::File::create(at).unwrap());
    for &(kind, name, what) in members {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        if kind == tar::EntryType::Regular {
            header.set_size(what.len() as u64);
            builder.append_data(&mut header, name, what).unwrap();
        } else {
            header.set_size(0);
            builder.append_link(&mut header, name, std::str::from_utf8(what).unwrap()).unwrap();
        }
    }
    builder.finish().unwrap();
    at.to_owned()
}

#[test]
fn an_archive_gives_what_it_unpacks_to() {
    use tar::EntryType::{Link, Regular, Symlink};
    let dir = tempfile::tempdir().unwrap();
    let [one, two, three, four] = [1, 20, 90, 200].map(pixmap);
    let packed = archive(
        &dir.path().join("d.tar"),
        &[
            (Regular, "train/a/1.ppm", &one),
            (Link, "train/a/2.ppm", b"train/a/1.ppm"),
            (Symlink, "train/a/3.ppm", b"../b/1.ppm"),
            (Regular, "train/b/1.ppm", &two),
            (Regular, "train/b/deep/er/2.ppm", &three),
            (Regular, "train/b/1.ppm", &four),
            (Regular, "test/a/1.ppm", &one),
            (Regular, "test/b/1.ppm", &two),
        ],
    );
    let unpacked = dir.path().join("unpacked");
    tar::Archive::new(fs::File::open(&packed).unwrap()).unpack(&unpacked).unwrap();
    let (inside, outside) = (info(&packed), info(&unpacked));
    assert_eq!(inside, outside);
    assert_eq!((&inside["train"], &inside["test"]), (&5.into(), &2.into()));
    let runs = [&packed, &unpacked].map(|data| {
        let run = dir.path().join(format!("run-{}", data.extension().is_some()));
        good(&[&training(data, &run)[..], &["-q", "--set", "data.validation=0"]].concat());
        prepared(&run)
    });
    assert_eq!(runs[0], runs[1]);
    // To a folder: refused, as the classes would lack it.
    let odd = archive(
        &dir.path().join("odd.tar"),
        &[(Regular, "train/a/1.ppm", &one), (Symlink, "train/b", b"../pool"), (Regular, "pool/1.ppm", &two)],
    );
    let line = bad(&training(&odd, &dir.path().join("none")), 1);
    assert!(line.contains("odd.tar: holds a link to a folder: train/b -> ../pool; make it anew with tar -h"), "{line}");
}

#[test]
fn parts_by_other_names_are_read_or_named() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("d");
    folder(&data, "ppm", &pixmap);
    for name in ["val", "valid", "validation"] {
        fs::remove_dir_all(data.join("validation")).ok();
        write(&data.join(name).join("a/1.ppm"), &pixmap(7));
        assert_eq!(notes(&data), [format!("validation images are those of {name}, test images those of test")]);
        let next = if name == "val" { "valid" } else { "validation" };
        if name != "validation" {
            fs::create_dir(data.join(next)).unwrap();
            let line = bad(&training(&data, &dir.path().join("none")), 1);
            assert!(line.contains(&format!("has both {name} and {next}")), "{line}");
            fs::remove_dir(data.join(next)).unwrap();
            fs::remove_dir_all(data.join(name)).unwrap();
        }
    }
    // No labels: named wherever notes are.
    fs::rename(data.join("validation/a/1.ppm"), data.join("validation/1.ppm")).unwrap();
    fs::rename(data.join("test"), data.join("testing")).unwrap();
    write(&data.join("README.md"), b"about");
    let want = [
        "no val or test has class folders: a fifth of each class of train is set aside as test images",
        "passed over 1 file, hidden or not JPEG, PNG, BMP or PNM by name: README.md",
        "passed over 1 picture, in no class folder: validation/1.ppm",
        "passed over 1 folder, not one of train, val, valid, validation, test: testing/",
        "passed over 1 class folder, without pictures: validation/a/",
    ];
    assert_eq!(notes(&data), want);
    let (out, _) = good(&["data", "info", "image-folder", "--data-dir", text(&data)]);
    let (_, err) = good(&training(&data, &dir.path().join("run")));
    assert!(want.iter().all(|w| out.contains(w) && err.contains(w)), "{out}{err}");

    // Class folders alone.
    let alone = data.join("train");
    let found = info(&alone);
    assert_eq!(
        (&found["train"], &found["test"], &found["classes"]),
        (&6.into(), &2.into(), &serde_json::json!(["a", "b"]))
    );
    assert!(notes(&alone)[0].starts_with("there is no train folder, so the folders are the classes"), "{found}");
}

#[cfg(unix)]
#[test]
fn a_link_to_a_folder_around_it_ends_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    folder(dir.path(), "ppm", &pixmap);
    std::os::unix::fs::symlink("..", dir.path().join("train/a/up")).unwrap();
    let (_, err) = good(&training(dir.path(), &dir.path().join("run")));
    assert!(err.contains("passed over 1 link, to a folder around it: train/a/up"), "{err}");
}

/// Probabilities by picture.
fn probabilities(args: &[&str]) -> Vec<(String, Vec<f64>)> {
    let (out, _) = good(&[args, &["--json"]].concat());
    let numbers = |v: &serde_json::Value| v.as_array().unwrap().iter().map(|p| p.as_f64().unwrap()).collect();
    let one = |v: &serde_json::Value| (v["image"].as_str().unwrap().to_owned(), numbers(&v["probabilities"]));
    objects(&out).iter().map(one).collect()
}

#[test]
fn orientation_is_applied_and_colour_weighted_as_other_programs_do() {
    let dir = tempfile::tempdir().unwrap();
    let (data, run) = (dir.path().join("d"), dir.path().join("run"));
    folder(&data, "ppm", &pixmap);
    good(&training(&data, &run));
    // Stored turned by 180 degrees, and saying so.
    let upright = RgbImage::from_fn(8, 8, |x, y| Rgb([(30 * x) as u8, (25 * y) as u8, 9]));
    let turned = image::imageops::rotate180(&upright);
    let tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x03\0\0\0\0\0\0\0";
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = image::codecs::png::PngEncoder::new(&mut bytes);
    image::ImageEncoder::set_exif_metadata(&mut encoder, tiff.to_vec()).unwrap();
    turned.write_with_encoder(encoder).unwrap();
    let [a, b, c] = ["upright.png", "turned.png", "plain.png"].map(|n| dir.path().join(n));
    fs::write(&a, encoded(&upright, ImageFormat::Png)).unwrap();
    fs::write(&b, bytes.into_inner()).unwrap();
    fs::write(&c, encoded(&turned, ImageFormat::Png)).unwrap();
    let found = probabilities(&["predict", text(&run), text(&a), text(&b), text(&c)]);
    assert_eq!(found[0].1, found[1].1);
    assert_ne!(found[0].1, found[2].1);

    // Red, green and blue are what Pillow makes of them: 76, 150 and 29.
    let digits = dir.path().join("digits");
    good(&["train", "--arch", "64-8-10", "--epochs", "1", "--threads", "1", "--out", text(&digits)]);
    let colours = RgbImage::from_fn(8, 8, |x, _| Rgb([[255, 0, 0], [0, 255, 0], [0, 0, 255]][x as usize % 3]));
    let greys = image::GrayImage::from_fn(8, 8, |x, _| Luma([[76, 150, 29][x as usize % 3]]));
    fs::write(&a, encoded(&colours, ImageFormat::Png)).unwrap();
    greys.save(&b).unwrap();
    let found = probabilities(&["predict", text(&digits), text(&a), text(&b)]);
    assert_eq!(found[0].1, found[1].1);
}

#[test]
fn predict_takes_a_folder_of_pictures() {
    let dir = tempfile::tempdir().unwrap();
    let (data, run) = (dir.path().join("d"), dir.path().join("run"));
    folder(&data, "ppm", &pixmap);
    good(&training(&data, &run));
    write(&data.join("test/notes.txt"), b"not a picture");
    let (out, err) = good(&["predict", text(&run), text(&data.join("test"))]);
    let named: Vec<&str> = out.lines().map(|l| l.split(": ").next().unwrap()).collect();
    let want = ["a/0.ppm", "a/1.ppm", "b/0.ppm", "b/1.ppm"].map(|n| data.join("test").join(n).display().to_string());
    assert_eq!(named, want);
    assert!(err.contains("passed over 1 file, hidden or not JPEG, PNG, BMP or PNM by name: notes.txt"), "{err}");
    let one = probabilities(&["predict", text(&run), &want[2]]);
    assert_eq!(probabilities(&["predict", text(&run), text(&data.join("test"))])[2], one[0]);
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let line = bad(&["predict", text(&run), text(&empty)], 1);
    assert!(line.contains("empty: is a folder without a picture (JPEG, PNG, BMP or PNM); name a picture"), "{line}");
}

#[test]
fn a_packed_archive_is_refused_with_the_command_that_unpacks_it() {
    let dir = tempfile::tempdir().unwrap();
    for (name, command, then) in [
        ("d.tar.xz", "xz -dk", "d.tar"),
        ("d.tar.gz", "gunzip -k", "d.tar"),
        ("d.tgz", "gunzip -k", "d.tar"),
        ("d.zip", "unzip", "d"),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, "packed").unwrap();
        let line = bad(&training(&path, &dir.path().join("run")), 1);
        let want = format!("is packed, and pictures are read in place; unpack it: `{command} {}", path.display());
        assert!(
            line.contains(&want) && line.contains(&format!("then name {}", dir.path().join(then).display())),
            "{line}"
        );
    }
}
