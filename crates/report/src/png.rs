//! Small pictures as PNG inside the page: samples in grey or colour, weights in colours that part at zero.

use base64::Engine;
use image::{ColorType, ImageEncoder, codecs::png::PngEncoder};
use reclra_data::ImageShape;

/// Blue for the most negative, white for zero, vermilion for the most positive (Okabe and Ito).
const ENDS: [[f32; 3]; 2] = [[0.0, 114.0, 178.0], [213.0, 94.0, 0.0]];

/// A sample whose pixels lie in [0, 1], channel by channel, as a data URI.
pub(super) fn sample(pixels: &[f32], shape: ImageShape) -> Option<String> {
    let byte = |v: f32| (v.clamp(0.0, 1.0) * 255.0).round() as u8;
    let plane = shape.height * shape.width;
    let channel = |c: usize, i: usize| byte(pixels.get(c * plane + i).copied().unwrap_or(0.0));
    let rgb = (0..plane).flat_map(|i| (0..3).map(move |c| channel(if shape.channels == 3 { c } else { 0 }, i)));
    uri(&rgb.collect::<Vec<u8>>(), shape)
}

/// Weights as large as an image, white at zero, in full colour at plus and minus `most`; channels are added up.
pub(super) fn weights(row: &[f32], most: f32, shape: ImageShape) -> Option<String> {
    let plane = shape.height * shape.width;
    let sum = |i: usize| (0..shape.channels).filter_map(|c| row.get(c * plane + i)).sum::<f32>();
    let rgb = (0..plane).flat_map(|i| diverging(sum(i) / most.max(f32::MIN_POSITIVE)));
    uri(&rgb.collect::<Vec<u8>>(), shape)
}

/// The colour of a number in [-1, 1].
fn diverging(v: f32) -> [u8; 3] {
    let end = ENDS[usize::from(v > 0.0)];
    let share = v.abs().min(1.0);
    end.map(|c| (255.0 + (c - 255.0) * share).round() as u8)
}

/// None for a picture without pixels.
fn uri(rgb: &[u8], shape: ImageShape) -> Option<String> {
    let mut png = Vec::new();
    let (width, height) = (u32::try_from(shape.width).ok()?, u32::try_from(shape.height).ok()?);
    PngEncoder::new(&mut png).write_image(rgb, width, height, ColorType::Rgb8.into()).ok()?;
    Some(format!("data:image/png;base64,{}", base64::engine::general_purpose::STANDARD.encode(png)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(uri: &str) -> image::RgbImage {
        let data = uri.strip_prefix("data:image/png;base64,").unwrap();
        let bytes = base64::engine::general_purpose::STANDARD.decode(data).unwrap();
        image::load_from_memory(&bytes).unwrap().to_rgb8()
    }

    #[test]
    fn pictures_come_back() {
        let grey = ImageShape { channels: 1, height: 1, width: 3 };
        let picture = decoded(&sample(&[0.0, 0.5, 1.0], grey).unwrap());
        assert_eq!(picture.into_raw(), [0, 0, 0, 128, 128, 128, 255, 255, 255]);
        let colour = ImageShape { channels: 3, height: 1, width: 1 };
        assert_eq!(decoded(&sample(&[1.0, 0.0, 0.5], colour).unwrap()).into_raw(), [255, 0, 128]);
    }

    #[test]
    fn weights_are_white_at_zero_and_part_evenly() {
        let shape = ImageShape { channels: 1, height: 3, width: 1 };
        let picture = decoded(&weights(&[-2.0, 0.0, 2.0], 2.0, shape).unwrap());
        assert_eq!(picture.into_raw(), [0, 114, 178, 255, 255, 255, 213, 94, 0]);
        assert_eq!(weights(&[], 1.0, ImageShape { channels: 1, height: 0, width: 0 }), None);
    }
}
