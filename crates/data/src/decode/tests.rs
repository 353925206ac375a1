//! Whole files of all formats are read, files that were cut are not, wherever that was.

use super::*;
use image::{GrayImage, Luma, Rgb};

/// A picture whose pixels all differ.
fn colourful(width: u32, height: u32) -> DynamicImage {
    let pixel = |x: u32, y: u32| Rgb([(x * 37 + y * 11) as u8, (y * 53 + x * x) as u8, (x * y * 7) as u8]);
    RgbImage::from_fn(width, height, pixel).into()
}

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

#[test]
fn a_file_that_was_cut_anywhere_is_refused() {
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Pnm] {
        let whole = encoded(&colourful(40, 30), format);
        assert_eq!(decode(&whole).unwrap().width(), 40, "{format:?}");
        // Wherever it is cut: in the header, in the pixels, before the last bytes.
        for length in 1..whole.len() {
            let error = decode(&whole[..length]).expect_err(&format!("{format:?}, {length} of {} bytes", whole.len()));
            assert!(!error.contains('\n') && !error.is_empty(), "{format:?}: {error}");
        }
        let half = decode(&whole[..whole.len() / 2]).unwrap_err();
        assert!(half.starts_with("is cut short: "), "{format:?}: {half}");
        // What follows a whole file is no part of it.
        for garbage in [&[0; 100][..], &[0xff; 7], b"trailing text"] {
            let followed = [&whole[..], garbage].concat();
            assert_eq!(decode(&followed).unwrap(), decode(&whole).unwrap(), "{format:?}");
        }
    }
}

#[test]
fn a_cut_progressive_jpeg_is_refused_and_its_preview_does_not_count() {
    // Made by Pillow: 24x16, progressive; with a JPEG file as preview inside of its EXIF data.
    let whole = include_bytes!("progressive.jpg");
    assert_eq!((decode(whole).unwrap().width(), decode(whole).unwrap().height()), (24, 16));
    for length in 1..whole.len() {
        assert!(decode(&whole[..length]).is_err(), "{length} of {} bytes", whole.len());
    }
}

/// A scan with bits turned: the decoder cannot go on, and does not fill up with grey.
#[test]
fn a_scan_that_cannot_be_decoded_is_refused() {
    let mut bytes = encoded(&colourful(64, 64), ImageFormat::Jpeg);
    let middle = bytes.len() / 2;
    // A marker that belongs between segments.
    bytes[middle..middle + 4].copy_from_slice(&[0xff, 0xc4, 0, 2]);
    let error = decode(&bytes).unwrap_err();
    assert!(error.starts_with("is a damaged picture: ") && !error.contains('\n'), "{error}");
}

#[test]
fn stray_bytes_between_the_segments_of_a_jpeg_do_no_harm() {
    let whole = encoded(&colourful(16, 16), ImageFormat::Jpeg);
    let stray = [&whole[..2], &[0xff, 0xfe, 0, 4, b'h', b'i', 1, 2, 3, 4, 5, 6, 7, 8], &whole[2..]].concat();
    assert_eq!(decode(&stray).unwrap(), decode(&whole).unwrap());
}

/// EXIF data that hold the orientation alone.
fn exif(orientation: u8, big: bool) -> Vec<u8> {
    let (two, four) = (
        |v: u16| if big { v.to_be_bytes() } else { v.to_le_bytes() },
        |v: u32| if big { v.to_be_bytes() } else { v.to_le_bytes() },
    );
    let mut tiff = if big { b"MM".to_vec() } else { b"II".to_vec() };
    tiff.extend(two(42));
    tiff.extend(four(8));
    tiff.extend(two(1));
    tiff.extend([two(0x0112), two(3)].concat());
    tiff.extend(four(1));
    tiff.extend([two(u16::from(orientation)), two(0)].concat());
    tiff.extend(four(0));
    tiff
}

/// Where each orientation puts the letters of the picture
/// ```text
/// A B C
/// D E F
/// ```
/// as EXIF 2.32 defines it: the side of the scene that the first row, and the first column, of the stored picture is.
const TURNED: [(u8, &str); 8] = [
    (1, "ABC DEF"),
    (2, "CBA FED"),
    (3, "FED CBA"),
    (4, "DEF ABC"),
    (5, "AD BE CF"),
    (6, "DA EB FC"),
    (7, "FC EB DA"),
    (8, "CF BE AD"),
];

#[test]
fn all_eight_orientations_are_turned_upright() {
    // Each letter a block of 8x8 pixels, grey, far from the others: JPEG keeps them apart.
    let stored = GrayImage::from_fn(24, 16, |x, y| Luma([(40 * (x / 8 + 3 * (y / 8))) as u8]));
    for (orientation, want) in TURNED {
        let letters = |picture: &DynamicImage| {
            let grey = picture.to_luma8();
            let letter = |x: u32, y: u32| {
                let value = f64::from(grey.get_pixel(8 * x + 4, 8 * y + 4).0[0]);
                (b'A' + (value / 40.0).round() as u8) as char
            };
            let row = |y: u32| (0..grey.width() / 8).map(|x| letter(x, y)).collect::<String>();
            (0..grey.height() / 8).map(row).collect::<Vec<_>>().join(" ")
        };
        let jpeg = encoded(&stored.clone().into(), ImageFormat::Jpeg);
        for big in [false, true] {
            let tiff = exif(orientation, big);
            let mut with = jpeg[..2].to_vec();
            with.extend([0xff, 0xe1]);
            with.extend(((tiff.len() + 8) as u16).to_be_bytes());
            with.extend(b"Exif\0\0");
            with.extend(&tiff);
            with.extend(&jpeg[2..]);
            assert_eq!(letters(&decode(&with).unwrap()), want, "JPEG, orientation {orientation}");
        }
        let mut png = Cursor::new(Vec::new());
        let mut encoder = image::codecs::png::PngEncoder::new(&mut png);
        image::ImageEncoder::set_exif_metadata(&mut encoder, exif(orientation, true)).unwrap();
        stored.write_with_encoder(encoder).unwrap();
        assert_eq!(letters(&decode(png.get_ref()).unwrap()), want, "PNG, orientation {orientation}");
    }
}

/// `Image.new("RGB", (1, 1), colour).convert("L").getpixel((0, 0))` of Pillow.
#[test]
fn colour_is_weighted_as_pillow_weights_it() {
    for (colour, want) in [
        ([255, 0, 0], 76),
        ([0, 255, 0], 150),
        ([0, 0, 255], 29),
        ([255, 255, 255], 255),
        ([0, 0, 0], 0),
        ([77, 77, 77], 77),
        ([200, 100, 50], 124),
        ([10, 200, 30], 124),
    ] {
        let picture = RgbImage::from_pixel(1, 1, Rgb(colour));
        assert_eq!(grey(&picture).collect::<Vec<_>>(), [want], "{colour:?}");
    }
}

/// Kinds of pictures that need converting, as `Image.open(file).convert("RGB")` of Pillow gives them.
#[test]
fn pictures_of_every_mode_become_the_colours_that_pillow_makes_of_them() {
    let colours = |bytes: &[u8]| {
        let rgb = decode(bytes).unwrap().into_rgb8();
        rgb.pixels().map(|p| p.0).collect::<Vec<_>>()
    };
    // A palette of two bits, its second colour transparent.
    let palette = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x04\0\0\0\x01\x02\x03\0\0\0\x84R\xe7^\0\0\0\x0cPLTE\x0a\x14\x1e\xc8d\0\xff\xff\xff\
        \0\0\0\x5f\x8d\xbc\x45\0\0\0\x02tRNS\xff\0\xe5\xb7\x30\x4a\0\0\0\x0aIDATx\xdac\x90\x06\0\0\x1d\0\x1c#|\x8f\xac\0\0\0\0IEND\xaeB`\x82";
    assert_eq!(colours(palette), [[10, 20, 30], [200, 100, 0], [255; 3], [0; 3]]);
    let clear = image::GrayAlphaImage::from_pixel(1, 1, image::LumaA([90, 7]));
    assert_eq!(colours(&encoded(&clear.into(), ImageFormat::Png)), [[90; 3]]);
    // Of 16 bits the nearest of 8, where Pillow would cut off what is above 255.
    let deep = image::ImageBuffer::from_fn(3, 1, |x, _| Luma([[0_u16, 0x8080, 0xffff][x as usize]]));
    assert_eq!(colours(&encoded(&deep.into(), ImageFormat::Png)), [[0; 3], [128; 3], [255; 3]]);
    // Four inks, stored inverted as Adobe does; made by Pillow of two colours.
    let inks = colours(include_bytes!("cmyk.jpg"));
    let near = |a: [u8; 3], b: [u8; 3]| a.iter().zip(&b).all(|(&a, &b)| a.abs_diff(b) <= 3);
    assert!(near(inks[0], [200, 30, 60]) && near(inks[15], [20, 160, 220]), "{:?} {:?}", inks[0], inks[15]);
}
