//! The files of a map: coordinates as CSV, the picture as SVG and PNG.

use super::draw;
use super::error::EmbedError;
use super::method::Panel;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use reclra_data::files::write_atomically;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The files of a map.
pub const FILES: [&str; 3] = ["embed.csv", "embed.svg", "embed.png"];

/// Writes `embed.csv` (run, sample, label, class, x, y), `embed.svg` and `embed.png` into `folder`, each whole or not at
/// all. `classes` are names by label. Their paths.
///
/// # Errors
/// Names the file that could not be written.
pub fn write(folder: &Path, panels: &[Panel], classes: &[String]) -> Result<Vec<PathBuf>, EmbedError> {
    let svg = draw::svg(panels, classes).map_err(EmbedError::Picture)?;
    let png = png(panels, classes).map_err(EmbedError::Picture)?;
    let csv = csv(panels, classes);
    let mut written = Vec::new();
    for (name, bytes) in FILES.into_iter().zip([csv.as_bytes(), svg.as_bytes(), &png]) {
        let path = folder.join(name);
        write_atomically(&path, bytes)?;
        written.push(path);
    }
    Ok(written)
}

/// One line a sample of a run. Numbers read back to the same bits.
pub(super) fn csv(panels: &[Panel], classes: &[String]) -> String {
    let mut text = String::from("run,sample,label,class,x,y\n");
    for panel in panels {
        let run = quoted(&panel.run);
        for (i, (sample, &label)) in panel.samples.iter().zip(&panel.labels).enumerate() {
            let class = classes.get(label as usize).map_or(String::new(), |c| quoted(c));
            let point = panel.map.points.row(i);
            let _ = writeln!(text, "{run},{sample},{label},{class},{},{}", point[0], point[1]);
        }
    }
    text
}

/// A field as RFC 4180 wants it: in quotes where it needs them.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

fn png(panels: &[Panel], classes: &[String]) -> Result<Vec<u8>, String> {
    let (pixels, (width, height)) = draw::pixels(panels, classes)?;
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(&pixels, width, height, ExtendedColorType::Rgb8)
        .map_err(|e| e.to_string())?;
    Ok(bytes)
}
