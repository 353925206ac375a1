//! Images to be classified: picture files and rows of idx files, brought to the shape a network was trained on.

use super::config::DataSpec;
use super::decode::limits::LARGEST;
use super::decode::{decode, grey};
use super::error::{DataError, Result};
use super::facts::DataFacts;
use super::idx;
use super::memory::scale_to;
use super::prepare::Prepare;
use super::shape::ImageShape;
use super::tree::names::bad;
use super::tree::walk::pictures_below;
use super::view::{Source, Window, show};
use crate::files;
use image::DynamicImage;
use image::imageops::FilterType;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// An image ready for a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Its file, for an idx file with the row.
    pub name: String,
    /// Pixels, channel by channel, row by row, scaled as the network's data set is.
    pub pixels: Vec<f32>,
    /// What was done to it, if anything: a person should know that a photograph was shrunk to 28x28.
    pub changed: Option<String>,
}

/// The pictures below a folder, in order of their names, and what was passed over, a line for each kind.
///
/// # Errors
/// If there is none, or the folder cannot be read.
pub fn pictures_in(folder: &Path) -> Result<(Vec<PathBuf>, Vec<String>)> {
    let (pictures, notes) = pictures_below(folder)?;
    if pictures.is_empty() {
        let what = "is a folder without a picture (JPEG, PNG, BMP or PNM)".to_owned();
        return Err(bad(folder, what, "name a picture, or a folder of pictures"));
    }
    Ok((pictures, notes))
}

/// Reads a picture (PNG, JPEG, BMP, PNM) or the rows `rows` of an idx file (all without it). `invert` turns dark on
/// light into light on dark, which is how the digits and clothes were stored.
///
/// # Errors
/// Names the file and the remedy.
pub fn pictures(path: &Path, facts: &DataFacts, rows: Option<Range<usize>>, invert: bool) -> Result<Vec<Picture>> {
    read(path, facts, false, rows, invert)
}

/// The same for a network that was trained on images read and prepared so: of photographs that were brought to one size
/// the centre is shown, as it is when they are judged, and every image is prepared.
///
/// # Errors
/// As [`pictures`].
pub fn pictures_for(
    path: &Path,
    (facts, spec): (&DataFacts, &DataSpec),
    prepare: Option<&Prepare>,
    rows: Option<Range<usize>>,
    invert: bool,
) -> Result<Vec<Picture>> {
    let mut list = read(path, facts, spec.opening.size > 0, rows, invert)?;
    if let Some(prepare) = prepare {
        list.iter_mut().for_each(|p| prepare.apply(&mut p.pixels));
    }
    Ok(list)
}

fn read(
    path: &Path,
    facts: &DataFacts,
    centre: bool,
    rows: Option<Range<usize>>,
    invert: bool,
) -> Result<Vec<Picture>> {
    let remedy = "give a PNG, JPEG, BMP or PNM picture, or an idx file of images";
    let bad = |what: String| DataError::Content { path: path.to_owned(), what, remedy: remedy.to_owned() };
    let bytes = files::read(path, LARGEST, remedy)?;
    let idx_begins = [&[0x1f, 0x8b][..], &[0, 0, 8]];
    let mut list = if idx_begins.iter().any(|b| bytes.starts_with(b)) {
        let decoded = idx::decode(bytes).map_err(bad)?;
        from_idx(&decoded, path, facts, rows, remedy)?
    } else {
        if let Some(rows) = rows {
            let want = format!("{} is a picture, and has no rows; leave out --rows", path.display());
            return Err(DataError::Setting { key: "--rows", value: format!("{}..{}", rows.start, rows.end), want });
        }
        let picture = decode(&bytes).map_err(bad)?;
        let (pixels, changed) = fit(&picture, facts.shape, centre);
        vec![Picture { name: path.display().to_string(), pixels, changed }]
    };
    if invert {
        list.iter_mut().flat_map(|p| &mut p.pixels).for_each(|v| *v = 1.0 - *v);
    }
    Ok(list)
}

fn from_idx(
    bytes: &[u8],
    path: &Path,
    facts: &DataFacts,
    rows: Option<Range<usize>>,
    remedy: &str,
) -> Result<Vec<Picture>> {
    let (bytes, height, width) = idx::parse_images(bytes, path, remedy)?;
    let shape = ImageShape { channels: 1, height, width };
    let bad =
        |what: String, remedy: &str| DataError::Content { path: path.to_owned(), what, remedy: remedy.to_owned() };
    if shape != facts.shape {
        let (h, w) = (facts.shape.height, facts.shape.width);
        let what = format!("holds images of {height}x{width} pixels, the network wants {h}x{w}");
        return Err(bad(what, "give images like those it was trained on"));
    }
    let n = shape.len();
    let there = bytes.len() / n;
    let rows = rows.unwrap_or(0..there);
    if rows.end > there || rows.is_empty() {
        let what = format!("has rows 0..{there}, not {}..{}", rows.start, rows.end);
        return Err(bad(what, "name rows that are there with --rows"));
    }
    let scale = scale_to(facts.white);
    let one = |row: usize| Picture {
        name: format!("{}[{row}]", path.display()),
        pixels: bytes[row * n..(row + 1) * n].iter().map(|&v| scale[usize::from(v)]).collect(),
        changed: None,
    };
    Ok(rows.map(one).collect())
}

/// Brings a picture to a shape: grey or colour, stretched to the size, or the `centre` of colour at that size.
fn fit(picture: &DynamicImage, shape: ImageShape, centre: bool) -> (Vec<f32>, Option<String>) {
    if centre && shape.channels == 3 {
        let (height, width) = (picture.height() as usize, picture.width() as usize);
        let (rgb, mut pixels) = (picture.to_rgb8(), vec![0.0; shape.len()]);
        let source = Source { bytes: rgb.as_raw(), height, width, interleaved: true };
        show(source, Window::centre(height, width, shape), shape, 255, &mut pixels);
        let changed = format!("its centre brought from {width}x{height} to {}x{}", shape.width, shape.height);
        return (pixels, Some(changed));
    }
    let (w, h) = (shape.width as u32, shape.height as u32);
    let from = (picture.width(), picture.height());
    let sized = if from == (w, h) { picture.clone() } else { picture.resize_exact(w, h, FilterType::Triangle) };
    let mut changes = Vec::new();
    if from != (w, h) {
        changes.push(format!("resized from {}x{} to {w}x{h}", from.0, from.1));
    }
    if picture.color().has_color() && shape.channels == 1 {
        changes.push("turned grey".to_owned());
    }
    let pixels = if shape.channels == 1 {
        grey(&sized.to_rgb8()).map(|v| f32::from(v) / 255.0).collect()
    } else {
        let rgb = sized.to_rgb8();
        (0..shape.channels).flat_map(|c| rgb.pixels().map(move |p| f32::from(p.0[c % 3]) / 255.0)).collect()
    };
    (pixels, (!changes.is_empty()).then(|| changes.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::toy_facts;
    use std::io::Cursor;

    fn written(name: &str, bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        (dir, path)
    }

    #[test]
    fn a_png_of_the_right_size_is_read_pixel_by_pixel_and_another_is_resized_and_says_so() {
        let facts = toy_facts("toy", 4, 2, 10, 1);
        let grey = image::GrayImage::from_fn(4, 4, |x, y| image::Luma([(16 * y + x) as u8 * 4]));
        let mut png = Cursor::new(Vec::new());
        grey.write_to(&mut png, image::ImageFormat::Png).unwrap();
        let (_dir, path) = written("a.png", png.get_ref());
        let read = pictures(&path, &facts, None, false).unwrap().remove(0);
        let want: Vec<f32> = (0..16).map(|i| ((16 * (i / 4) + i % 4) * 4) as f32 / 255.0).collect();
        assert_eq!((read.pixels, read.changed), (want, None));
        let other = pictures(&path, &toy_facts("toy", 2, 2, 10, 1), None, true).unwrap().remove(0);
        assert_eq!((other.pixels.len(), other.changed.as_deref()), (4, Some("resized from 4x4 to 2x2")));
    }

    #[test]
    fn a_photograph_is_shown_and_prepared_as_when_it_is_judged() {
        let facts =
            DataFacts { shape: ImageShape { channels: 3, height: 7, width: 7 }, ..toy_facts("toy", 7, 2, 10, 1) };
        let photograph = image::RgbImage::from_fn(24, 16, |x, y| image::Rgb([(10 * x) as u8, (12 * y) as u8, 50]));
        let mut png = Cursor::new(Vec::new());
        photograph.write_to(&mut png, image::ImageFormat::Png).unwrap();
        let (_dir, path) = written("a.png", png.get_ref());
        let mut spec = DataSpec::default();
        spec.opening.size = 7;
        let read = pictures_for(&path, (&facts, &spec), None, None, false).unwrap().remove(0);
        // Of 16 rows the 14 in the middle, two to a row; of 24 columns the 14 in the middle.
        let red = |x: usize| read.pixels[x] * 255.0;
        assert!((red(3) - 115.0).abs() < 0.1 && (red(4) - red(3) - 20.0).abs() < 0.1, "{} {}", red(3), red(4));
        assert!((read.pixels[49 + 7 * 3] * 255.0 - 90.0).abs() < 0.1, "{}", read.pixels[49 + 21]);
        assert_eq!(read.changed.as_deref(), Some("its centre brought from 24x16 to 7x7"));
        let gcn = DataSpec { normalise: crate::Normalise::Gcn, ..spec };
        let toy = crate::digits().unwrap();
        let mut prepare = Prepare::fit(&toy, &[0], &gcn, None).unwrap();
        prepare =
            Prepare::restore::<()>(&prepare.line().replace(" 1 8 8 ", " 3 7 7 "), |_, _| Err(())).unwrap().unwrap();
        let prepared = pictures_for(&path, (&facts, &gcn), Some(&prepare), None, false).unwrap().remove(0);
        let mean = read.pixels[..49].iter().sum::<f32>() / 49.0;
        assert!((prepared.pixels[3] - (read.pixels[3] - mean)).abs() < 1e-6);
    }

    #[test]
    fn rows_of_an_idx_file_are_scaled_like_the_data_set() {
        let facts = DataFacts { white: 16, ..toy_facts("toy", 2, 2, 10, 1) };
        let mut idx = vec![0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2];
        idx.extend(0..12_u8);
        let (_dir, path) = written("rows", &idx);
        let read = pictures(&path, &facts, Some(1..3), false).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].pixels, [0.25, 0.3125, 0.375, 0.4375]);
        assert!(read[1].name.ends_with("rows[2]"), "{}", read[1].name);
        let error = pictures(&path, &facts, Some(1..4), false).unwrap_err().to_string();
        assert!(error.contains("has rows 0..3, not 1..4; name rows that are there with --rows"), "{error}");
        let error = pictures(&path, &toy_facts("toy", 3, 2, 10, 1), None, false).unwrap_err().to_string();
        assert!(error.contains("holds images of 2x2 pixels, the network wants 3x3"), "{error}");
    }

    #[test]
    fn what_is_no_picture_is_refused_in_one_line() {
        let facts = toy_facts("toy", 4, 2, 10, 1);
        let bomb = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\0\0\0\0\x31\xa2\x54\xba\0\0\0\0IEND\xae\x42\x60\x82";
        for (bytes, want) in [
            (&b""[..], "is empty"),
            (b"hello, I am a text", "is neither a picture nor an idx file"),
            (b"\x89PNG\r\n\x1a\n\0\0", "is cut short: it has no end-of-image chunk"),
            (bomb, "is a damaged picture"),
        ] {
            let (_dir, path) = written("x", bytes);
            let error = pictures(&path, &facts, None, false).unwrap_err().to_string();
            assert!(error.contains(want) && !error.contains('\n'), "{error}");
        }
        let error = pictures(Path::new("/nowhere/x.png"), &facts, None, false).unwrap_err().to_string();
        assert!(error.contains("there is no such file"), "{error}");
    }
}
