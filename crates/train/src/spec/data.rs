//! The section `[data]`: which images, how they are read, prepared and varied.

use super::error::{Result, SpecError};
use super::preset::small;
use super::read::{Reader, Settings};
use reclra_data::{Augment, DataFacts, DataSpec, Fold, Normalise, Opening};
use toml::Value;

/// Reads from the settings how a data set is opened: what has to be known before it is, and so before a spec is resolved.
///
/// # Errors
/// One line that names the key and the remedy.
pub fn opening(settings: &Settings) -> Result<Opening> {
    read_opening(&mut Reader::new(settings))
}

/// Largest height and width that pictures are brought to.
const LARGEST: u64 = 2048;

fn read_opening(r: &mut Reader<'_>) -> Result<Opening> {
    let default = Opening::default();
    let size = r.count("data.size", default.size as u64)?;
    if size > LARGEST {
        let want = format!("must be at most {LARGEST} pixels, or 0 for the pictures' own size");
        return Err(SpecError::bad("data.size", &Value::Integer(size as i64), want));
    }
    let broken = r.number("data.broken", default.broken)?;
    if !(0.0..=1.0).contains(&broken) {
        return Err(SpecError::bad("data.broken", &Value::Float(broken), "must be a share from 0 to 1".into()));
    }
    let memory = r.count("data.memory", default.memory as u64)?.min(1 << 32);
    Ok(Opening { size: size as usize, broken, memory: memory as usize })
}

pub(super) fn read(r: &mut Reader<'_>, facts: &DataFacts) -> Result<DataSpec> {
    let name = r.text("data.name", &facts.name)?;
    let dir = Some(r.text("data.dir", "")?).filter(|d| !d.is_empty());
    let embedded = name == "digits" && facts.name == "digits";
    r.unread(
        "data.dir",
        "",
        !embedded,
        "data sets of files only, digits is part of the program; name another data.name",
    )?;
    let opening = read_opening(r)?;
    let fold = fold(r, facts)?;
    // Of made-up images, too, the size is asked for.
    let folder = name == "image-folder" || facts.name == "random";
    let (default, by) = (Opening::default(), "image-folder only; set data.name = \"image-folder\"");
    r.unread("data.size", default.size as i64, folder, by)?;
    r.unread("data.broken", default.broken, folder, by)?;
    r.unread("data.memory", default.memory as i64, folder, by)?;
    let drawn = fold.map_or(facts.validation, |f| f.range(facts.train).len());
    let validation = r.count("data.validation", drawn as u64)? as usize;
    if let Some(fold) = fold.filter(|_| validation != drawn) {
        let want = format!("is the {drawn} images of data.fold = \"{fold}\"; remove one of the two");
        return Err(SpecError::bad("data.validation", &Value::Integer(validation as i64), want));
    }
    if validation >= facts.train {
        let want = format!("must be below the {} training images of {}", facts.train, facts.name);
        return Err(SpecError::bad("data.validation", &Value::Integer(validation as i64), want));
    }
    let shift = pixels(r, facts, "data.shift", u64::from(small(facts) && facts.shape.channels == 1))?;
    let crop = pixels(r, facts, "data.crop", 0)?;
    // Photographs that are brought to one size are varied unless told otherwise.
    let photographs = opening.size > 0 && name == "image-folder";
    let flip = r.flag("data.flip", photographs)?;
    let zoom = r.number("data.zoom", if photographs { 0.08 } else { 1.0 })?;
    if !(zoom > 0.0 && zoom <= 1.0) {
        let want = "must be a share of the area above 0, or 1 for none".to_owned();
        return Err(SpecError::bad("data.zoom", &Value::Float(zoom), want));
    }
    let colour = facts.shape.channels > 1;
    let known = Normalise::ALL.map(|n| (n.name(), n));
    let normalise = r.pick("data.normalise", if colour { "mean-std" } else { "none" }, &known)?;
    let zca = r.flag("data.zca", false)?;
    let epsilon = r.number("data.zca_epsilon", 1e-3)?;
    if epsilon <= 0.0 {
        return Err(SpecError::bad("data.zca_epsilon", &Value::Float(epsilon), "must be a positive number".into()));
    }
    r.unread("data.zca_epsilon", 1e-3, zca, "whitening only; set data.zca = true")?;
    if zca && zoom < 1.0 {
        let want =
            "cannot be had with data.zoom below 1, whitening is for images as they are stored; set data.zoom = 1";
        return Err(SpecError::bad("data.zca", &Value::Boolean(true), want.into()));
    }
    let augment = Augment { crop, flip, zoom };
    Ok(DataSpec { name, dir, opening, validation, fold, shift, augment, normalise, zca: zca.then_some(epsilon) })
}

/// The part that validates in cross-validation, if one is named.
fn fold(r: &mut Reader<'_>, facts: &DataFacts) -> Result<Option<Fold>> {
    let text = r.text("data.fold", "")?;
    if text.is_empty() {
        return Ok(None);
    }
    let fold = Fold::parse(&text).filter(|f| f.of <= facts.train);
    fold.map(Some).ok_or_else(|| {
        let want = format!(
            "must be written PART/PARTS, such as \"2/5\" for the second of five, with 2 to {} parts, the training images",
            facts.train
        );
        SpecError::bad("data.fold", &Value::String(text), want)
    })
}

/// A number of pixels that an image may move by: a part of it is left.
fn pixels(r: &mut Reader<'_>, facts: &DataFacts, key: &'static str, default: u64) -> Result<usize> {
    let (height, width) = (facts.shape.height, facts.shape.width);
    let most = height.min(width).saturating_sub(1).min(32) as u64;
    let value = r.count(key, default.min(most))?;
    if value > most {
        let want = format!("must be at most {most} pixels: images are {height}x{width}");
        return Err(SpecError::bad(key, &Value::Integer(value as i64), want));
    }
    Ok(value as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{RunSpec, toy_facts};
    use reclra_data::ImageShape;

    fn resolved(text: &str, channels: usize) -> Result<DataSpec> {
        let mut facts = toy_facts("toy", 32, 10, 50_000, 5_000);
        facts.shape = ImageShape { channels, ..facts.shape };
        Ok(RunSpec::resolve(&Settings::parse(text, "spec")?, &facts)?.data)
    }

    #[test]
    fn grey_images_are_left_alone_and_colour_is_normalised() {
        let grey = resolved("", 1).unwrap();
        let left = DataSpec { name: "toy".into(), validation: 5_000, ..DataSpec::default() };
        assert_eq!(grey, left);
        assert_eq!(resolved("", 3).unwrap(), DataSpec { normalise: Normalise::MeanStd, ..left });
        let photographs = resolved("data.name = \"image-folder\"\ndata.size = 224", 3).unwrap();
        assert_eq!(photographs.augment, Augment { crop: 0, flip: true, zoom: 0.08 });
        assert_eq!(photographs.opening.size, 224);
    }

    #[test]
    fn a_fold_sets_the_number_of_validation_images() {
        let spec = resolved("data.fold = \"3/7\"", 1).unwrap();
        assert_eq!((spec.fold, spec.validation), (Some(Fold { part: 3, of: 7 }), 7143));
        // A resolved spec holds both.
        assert_eq!(resolved("data.fold = \"3/7\"\ndata.validation = 7143", 1).unwrap(), spec);
    }

    #[test]
    fn every_key_is_read() {
        let text = "data.name = \"image-folder\"\ndata.size = 0\ndata.broken = 0\ndata.memory = 7\ndata.shift = 1\ndata.crop = 4\ndata.flip = true\n\
                    data.normalise = \"gcn\"\ndata.zca = true\ndata.zca_epsilon = 0.1";
        let spec = resolved(text, 3).unwrap();
        assert_eq!(spec.opening, Opening { size: 0, broken: 0.0, memory: 7 });
        assert_eq!((spec.shift, spec.augment), (1, Augment { crop: 4, flip: true, zoom: 1.0 }));
        assert_eq!((spec.normalise, spec.zca), (Normalise::Gcn, Some(0.1)));
        assert_eq!(super::opening(&Settings::parse(text, "spec").unwrap()).unwrap(), spec.opening);
    }

    #[test]
    fn a_whitening_of_few_images_is_warned_of() {
        let mut facts = toy_facts("toy", 8, 10, 100, 36);
        let spec = DataSpec { validation: 36, zca: Some(1e-3), ..DataSpec::default() };
        let line = spec.warning(&facts).unwrap();
        assert!(line.contains("64 training images of 64 pixels") && line.contains("rank 63"), "{line}");
        assert!(line.contains("data.zca_epsilon = 0.001") && !line.contains('\n'), "{line}");
        assert_eq!(DataSpec { zca: None, ..spec.clone() }.warning(&facts), None);
        facts.train += 1;
        assert_eq!(spec.warning(&facts), None);
    }

    #[test]
    fn mistakes_name_key_and_remedy() {
        for (text, want) in [
            ("data.size = 9000", "data.size = 9000: must be at most 2048 pixels"),
            ("data.broken = 2", "data.broken = 2.0: must be a share from 0 to 1"),
            ("data.crop = 40", "data.crop = 40: must be at most 31 pixels: images are 32x32"),
            ("data.shift = 32", "data.shift = 32: must be at most 31 pixels: images are 32x32"),
            ("data.fold = \"6/5\"", "data.fold = \"6/5\": must be written PART/PARTS, such as \"2/5\""),
            ("data.fold = \"1/50001\"", "with 2 to 50000 parts"),
            ("data.fold = 2", "data.fold = 2: must be text in quotes"),
            (
                "data.fold = \"1/5\"\ndata.validation = 9",
                "data.validation = 9: is the 10000 images of data.fold = \"1/5\"",
            ),
            ("data.zoom = 0", "data.zoom = 0.0: must be a share of the area"),
            ("data.normalise = \"mean_std\"", "must be one of none, mean-std, gcn, gcn-std, did you mean `mean-std`?"),
            ("data.zca_epsilon = 0", "data.zca_epsilon = 0.0: must be a positive number"),
            ("data.zca = true\ndata.zoom = 0.5", "data.zca = true: cannot be had with data.zoom below 1"),
            ("data.flipp = true", "unknown key `data.flipp`, did you mean `data.flip`?"),
        ] {
            let error = resolved(text, 3).unwrap_err().to_string();
            assert!(error.contains(want) && !error.contains('\n'), "{error}");
        }
    }
}
