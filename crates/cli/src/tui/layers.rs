//! The table of layers: what the error neurons of each region amount to, on logarithmic bars, and its angle.

use super::state::State;
use super::style::{BOLD, DIM, TRAIN, VALIDATION};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// Width of a number: `1.23e-4`.
const NUMBER: usize = 8;

/// A head and a line a region, as many as there is room for.
pub(super) fn lines(s: &State, width: usize, height: usize) -> Vec<Line<'static>> {
    let name = s.layers.iter().map(|l| l.region.chars().count()).max().unwrap_or(0).clamp(6, 16);
    let angle = if s.alignment.is_empty() { 0 } else { 6 };
    let bar = (width.saturating_sub(name + angle + 2 * NUMBER + 4) / 2).min(40);
    let (d, e): (Vec<f64>, Vec<f64>) = s.layers.iter().map(|l| (l.discrepancy, l.mean_error)).unzip();
    let scales = [scale(&d), scale(&e)];
    let room = bar + NUMBER + 1;
    let titles = ["discrepancy", "mean |e|"];
    let ranged = [0, 1].map(|i| match scales[i] {
        Some((a, b)) => format!("{} 1e{} to 1e{}", titles[i], a as i32, b as i32),
        None => titles[i].to_owned(),
    });
    let fits = ranged.iter().all(|t| t.len() < room);
    let mut head = format!(" {:name$} ", "region");
    for (title, ranged) in titles.into_iter().zip(&ranged) {
        head += &format!("{:room$}", cut(if fits { ranged } else { title }, room - 1));
    }
    if angle > 0 {
        head += "angle";
    }
    let mut lines = vec![Line::styled(head, BOLD)];
    let rows = height.saturating_sub(1);
    let shown = if s.layers.len() > rows { rows.saturating_sub(1) } else { s.layers.len() };
    for layer in &s.layers[..shown] {
        let mut spans = vec![Span::raw(format!(" {:name$} ", cut(&layer.region, name)))];
        for ((value, scale), colour) in
            [layer.discrepancy, layer.mean_error].into_iter().zip(scales).zip([TRAIN, VALIDATION])
        {
            spans.push(Span::styled(filled(value, scale, bar), Style::new().fg(colour)));
            spans.push(Span::raw(format!("{value:>NUMBER$.2e} ")));
        }
        if let Some(angle) = s.alignment.iter().find(|a| a.region == layer.region) {
            spans.push(Span::raw(format!("{:>4.0}°", angle.degrees)));
        }
        lines.push(Line::from(spans));
    }
    if shown < s.layers.len() {
        lines.push(Line::styled(format!(" and {} more", s.layers.len() - shown), DIM));
    }
    lines
}

/// The decades that hold all positive values, as exponents.
fn scale(values: &[f64]) -> Option<(f64, f64)> {
    let logs = values.iter().filter(|v| v.is_finite() && **v > 0.0).map(|v| v.log10());
    let (low, high) = logs.fold((f64::MAX, f64::MIN), |(a, b), l| (a.min(l), b.max(l)));
    (low <= high).then(|| (low.floor(), high.ceil().max(low.floor() + 1.0)))
}

/// A bar in eighths of a cell, padded to `width`.
fn filled(value: f64, scale: Option<(f64, f64)>, width: usize) -> String {
    let share = match scale {
        Some((low, high)) if value.is_finite() && value > 0.0 => ((value.log10() - low) / (high - low)).clamp(0.0, 1.0),
        _ => return " ".repeat(width),
    };
    // Something is there: it is seen.
    let eighths = ((share * 8.0 * width as f64).round() as usize).max(1);
    let part = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8];
    let bar = "█".repeat(eighths / 8) + &if part == ' ' { String::new() } else { part.to_string() };
    format!("{}{}", cut(&bar, width), " ".repeat(width.saturating_sub(bar.chars().count())))
}

fn cut(text: &str, width: usize) -> String {
    text.chars().take(width).collect()
}
