//! Decoding pictures strictly: a file that was cut short is refused, never filled up with grey, and the orientation that EXIF
//! data name is applied.

mod jpeg;
pub(super) mod limits;
#[cfg(test)]
mod tests;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};
use limits::{CUT, LARGEST};
use std::io::{Cursor, ErrorKind};

/// Decodes a picture and turns it upright; the error is a few words on what is wrong with it.
pub(super) fn decode(bytes: &[u8]) -> Result<DynamicImage, String> {
    if bytes.is_empty() {
        return Err("is empty".to_owned());
    }
    let reader =
        ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| format!("cannot be read: {e}"))?;
    let picture = match reader.format() {
        None => return Err("is neither a picture nor an idx file".to_owned()),
        Some(ImageFormat::Jpeg) => jpeg::decode(bytes)?,
        Some(format) => {
            if format == ImageFormat::Png && !png_ends(bytes) {
                return Err(format!("{CUT}: it has no end-of-image chunk"));
            }
            by_image(reader).map_err(|e| why(&e))?
        }
    };
    if picture.width() == 0 || picture.height() == 0 {
        return Err("is a picture without pixels".to_owned());
    }
    Ok(picture)
}

/// Decodes every format but JPEG.
fn by_image(mut reader: ImageReader<Cursor<&[u8]>>) -> Result<DynamicImage, ImageError> {
    let mut limits = Limits::default();
    limits.max_alloc = Some(LARGEST);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder()?;
    limits.reserve(decoder.total_bytes())?;
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// Describes an error of a decoder in one line.
fn why(error: &ImageError) -> String {
    let ends = |e: &std::io::Error| e.kind() == ErrorKind::UnexpectedEof;
    match error {
        ImageError::IoError(e) if ends(e) => format!("{CUT}: its last rows are missing"),
        other => format!("is a damaged picture: {}", other.to_string().lines().next().unwrap_or("?")),
    }
}

/// Returns true if a PNG file has all its chunks, up to the one that ends it. What follows that does not count.
fn png_ends(bytes: &[u8]) -> bool {
    let mut at = 8;
    // Length, type, data, checksum.
    while let Some(head) = bytes.get(at..at + 8) {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let Some(next) = at.checked_add(12).and_then(|n| n.checked_add(length)) else { return false };
        if next > bytes.len() {
            return false;
        }
        if &head[4..] == b"IEND" {
            return true;
        }
        at = next;
    }
    false
}

/// Brightness of the pixels of a picture from 0 to 255: ITU-R BT.601, L = 0.299 R + 0.587 G + 0.114 B, rounded as Pillow does.
pub(super) fn grey(picture: &RgbImage) -> impl Iterator<Item = u8> {
    let weighted = |[r, g, b]: [u32; 3]| (r * 19_595 + g * 38_470 + b * 7_471 + 0x8000) >> 16;
    picture.pixels().map(move |p| weighted(p.0.map(u32::from)) as u8)
}
