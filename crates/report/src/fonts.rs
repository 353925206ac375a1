//! The font of pictures. Pixels need glyphs, and a machine without any font draws all the same.

use plotters::style::{FontStyle, register_font};

/// DejaVu Sans, Latin, Greek and Cyrillic.
const SANS: &[u8] = include_bytes!("../data/font/DejaVuSans-Latin.ttf");

/// Makes the font known as `sans-serif`; to be called before anything is drawn, as often as one likes.
pub(crate) fn register() -> Result<(), String> {
    register_font("sans-serif", FontStyle::Normal, SANS).map_err(|_| "the embedded font is damaged".to_owned())
}
