//! The colours and letters of the view.

use ratatui::style::{Color, Modifier, Style};

pub(super) const TRAIN: Color = Color::Cyan;
pub(super) const VALIDATION: Color = Color::Yellow;
pub(super) const DIM: Style = Style::new().add_modifier(Modifier::DIM);
pub(super) const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
