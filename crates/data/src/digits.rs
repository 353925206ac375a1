//! The digits that are embedded in the binary: source and licence in `data/digits/README.md`.

use super::error::Result;
use super::idx;
use super::memory::{Labelled, MemoryImages};
use super::shape::ImageShape;
use reclra_compute::rng::Key;
use std::path::Path;

const IMAGES: &[u8] = include_bytes!("../data/digits/digits-images-idx3-ubyte.gz");
const LABELS: &[u8] = include_bytes!("../data/digits/digits-labels-idx1-ubyte.gz");
/// The embedded files by name.
pub const EMBEDDED: [(&str, &[u8]); 2] =
    [("digits-images-idx3-ubyte.gz", IMAGES), ("digits-labels-idx1-ubyte.gz", LABELS)];
/// Seed of the split, which is the same for all runs.
const SPLIT: u64 = 0x00d1_9175;

/// 1,797 digits of 8x8 pixels, of each class a fifth for testing. Pixel values 0..16 are divided by 16.
///
/// # Errors
/// None, unless the binary itself is damaged.
pub fn digits() -> Result<MemoryImages> {
    let remedy = "the program file is damaged, install it again";
    let unpack = |raw: &[u8], name: &str| {
        let path = Path::new(name);
        let bad = |what| super::DataError::Content { path: path.to_owned(), what, remedy: remedy.to_owned() };
        idx::decode(raw.to_vec()).map_err(bad)
    };
    let (images, labels) = (Path::new("embedded digits"), Path::new("embedded labels"));
    let (pixels, height, width) = idx::parse_images(&unpack(IMAGES, "embedded digits")?, images, remedy)?;
    let labels = idx::parse_labels(&unpack(LABELS, "embedded labels")?, labels, 10, remedy)?;
    let mut parts = [Labelled::default(), Labelled::default()];
    for class in 0..10_u8 {
        let members: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] == class).collect();
        let tested = (members.len() + 2) / 5;
        for (n, &m) in Key::new(SPLIT).child(u64::from(class)).permutation(members.len()).iter().enumerate() {
            let (part, i) = (&mut parts[usize::from(n < tested)], members[m as usize]);
            part.pixels.extend(&pixels[i * height * width..(i + 1) * height * width]);
            part.labels.push(u16::from(labels[i]));
        }
    }
    let names = (0..10).map(|c| c.to_string()).collect();
    let shape = ImageShape { channels: 1, height, width };
    Ok(MemoryImages::new("digits", shape, names, 16, parts, 144))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dataset, Part};

    #[test]
    fn the_split_is_stratified_and_loses_nothing() {
        let d = digits().unwrap();
        assert_eq!(d.len(Part::Train) + d.len(Part::Test), 1797);
        let count = |part: Part, c: u32| (0..d.len(part)).filter(|&i| d.label(part, i) == c).count();
        for c in 0..10 {
            let (train, test) = (count(Part::Train, c), count(Part::Test, c));
            let fifth = (train + test) as f64 / 5.0;
            assert!((test as f64 - fifth).abs() <= 1.0, "class {c}: {test} of {}", train + test);
        }
        // The published counts of the ten classes.
        let total: Vec<usize> = (0..10).map(|c| count(Part::Train, c) + count(Part::Test, c)).collect();
        assert_eq!(total, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    }

    #[test]
    fn pixels_lie_between_zero_and_one() {
        let d = digits().unwrap();
        let (mut x, mut sum, mut top) = ([0.0; 64], 0.0, 0.0_f32);
        for i in 0..d.len(Part::Train) {
            d.pixels(Part::Train, i, &mut x).unwrap();
            sum += x.iter().sum::<f32>();
            top = x.iter().fold(top, |m, &v| m.max(v));
            assert!(x.iter().all(|v| (0.0..=1.0).contains(v)));
        }
        let mean = sum / (64 * d.len(Part::Train)) as f32;
        assert!(top == 1.0 && (mean - 0.305).abs() < 0.01, "{top} {mean}");
    }
}
