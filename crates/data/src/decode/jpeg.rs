//! JPEG files, by `zune-jpeg` in its strict mode: the `image` crate decodes them leniently, and what is missing becomes grey.

use super::limits::{CUT, LARGEST};
use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, RgbImage};
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// Decodes a JPEG file and turns it upright.
pub(super) fn decode(bytes: &[u8]) -> Result<DynamicImage, String> {
    if !ends(bytes) {
        return Err(format!("{CUT}: it has no end-of-image marker"));
    }
    let decoded = match decoded(bytes, true) {
        // Stray bytes between the segments before the picture, which every decoder skips. They do no harm.
        Err(Why::Decoder(DecodeErrors::FormatStatic(why))) if why.contains("Extra bytes between headers") => {
            decoded(bytes, false)
        }
        other => other,
    };
    decoded.map_err(|why| match why {
        Why::Decoder(e) => {
            let words = e.to_string();
            format!("is a damaged picture: {}", words.lines().find(|l| !l.trim().is_empty()).unwrap_or("?").trim())
        }
        Why::Large(width, height) => format!("is too large: it claims {width}x{height} pixels"),
    })
}

/// Reason why a file is not decoded.
enum Why {
    Decoder(DecodeErrors),
    Large(usize, usize),
}

impl From<DecodeErrors> for Why {
    fn from(e: DecodeErrors) -> Why {
        Why::Decoder(e)
    }
}

fn decoded(bytes: &[u8], strict: bool) -> Result<DynamicImage, Why> {
    let options = DecoderOptions::default()
        .set_strict_mode(strict)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX));
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers()?;
    let unknown = || DecodeErrors::FormatStatic("its size is not known");
    let (width, height) = decoder.dimensions().ok_or_else(unknown)?;
    let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let length = width * height * if grey { 1 } else { 3 };
    if length as u64 > LARGEST {
        return Err(Why::Large(width, height));
    }
    let wanted = if grey { ColorSpace::Luma } else { ColorSpace::RGB };
    let options = options.jpeg_set_out_colorspace(wanted);
    let mut pixels = vec![0; length];
    if !filled(bytes, options, &mut pixels, length / height.max(1))? {
        return Err(DecodeErrors::FormatStatic("its last rows are missing").into());
    }
    let (w, h) = (width as u32, height as u32);
    let picture = if grey {
        GrayImage::from_raw(w, h, pixels).map(DynamicImage::from)
    } else {
        RgbImage::from_raw(w, h, pixels).map(DynamicImage::from)
    };
    let mut picture = picture.ok_or_else(unknown)?;
    if let Some(orientation) = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif)) {
        picture.apply_orientation(orientation);
    }
    Ok(picture)
}

/// Decodes into `pixels`; false if the last row, of that many bytes, is not in the file. Rows after a scan that stops early are left
/// as they were, so marks in the last one show it: by chance a picture may have the first marks there, but not the second.
fn filled(bytes: &[u8], options: DecoderOptions, pixels: &mut [u8], row: usize) -> Result<bool, DecodeErrors> {
    let last = pixels.len() - row;
    for salt in [0x5a_u8, 0xa7] {
        let marks: Vec<u8> = (0..row).map(|i| salt ^ (i as u8).wrapping_mul(37)).collect();
        pixels[last..].copy_from_slice(&marks);
        JpegDecoder::new_with_options(ZCursor::new(bytes), options).decode_into(pixels)?;
        if pixels[last..] != marks {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns true if the file has an end-of-image marker where its segments lead to one: not that of a preview inside of a
/// segment. What follows it does not count.
fn ends(bytes: &[u8]) -> bool {
    let mut at = 2;
    loop {
        // The next marker: 0xff, perhaps several times, then its code. Within a scan 0xff00 is a byte, and restarts go on.
        let Some(found) = bytes.get(at..).and_then(|rest| rest.iter().position(|&b| b == 0xff)) else { return false };
        at += found;
        let Some(fill) = bytes[at..].iter().position(|&b| b != 0xff) else { return false };
        at += fill;
        let code = bytes[at];
        at += 1;
        match code {
            0x00 | 0x01 | 0xd0..=0xd8 => {}
            0xd9 => return true,
            _ => {
                let Some(length) = bytes.get(at..at + 2) else { return false };
                at += usize::from(u16::from_be_bytes([length[0], length[1]])).max(2);
            }
        }
    }
}
