//! The picture of one or more maps side by side: a panel a run, points coloured by class, one legend.

use super::method::{Method, Panel};
use super::neighbours::K;
use crate::fonts;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Ten colours that stay apart on white, for the colour-blind too (Petroff, arXiv 2107.02270).
const COLOURS: [(u8, u8, u8); 10] = [
    (63, 144, 218),
    (255, 169, 14),
    (189, 31, 1),
    (148, 164, 162),
    (131, 45, 182),
    (169, 107, 89),
    (231, 99, 0),
    (185, 172, 112),
    (113, 117, 129),
    (146, 218, 221),
];
/// Side of a panel's square.
const SIDE: u32 = 600;
/// Room above it for two lines of title.
const TITLE: u32 = 72;
/// Room around panels.
const MARGIN: u32 = 20;
/// Radius of a point.
const RADIUS: i32 = 3;
/// How much of a point covers what is below it.
const OPACITY: f64 = 0.65;
/// How far text has to go down in pixels to stand centred as in SVG, as a share of its size.
const LOWERED: f64 = 0.2;
/// Sizes of letters.
const LARGE: i32 = 22;
const SMALL: i32 = 17;

type Failed<DB> = DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>;

/// The picture as SVG.
pub(super) fn svg(panels: &[Panel], classes: &[String]) -> Result<String, String> {
    fonts::register()?;
    let layout = Layout::new(panels.len(), classes);
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, layout.size()).into_drawing_area();
        draw(&root, &layout, panels, classes).map_err(|e| e.to_string())?;
    }
    Ok(text)
}

/// The picture as pixels, three bytes each, and its width and height.
pub(super) fn pixels(panels: &[Panel], classes: &[String]) -> Result<(Vec<u8>, (u32, u32)), String> {
    fonts::register()?;
    let layout = Layout { lowered: LOWERED, ..Layout::new(panels.len(), classes) };
    let (width, height) = layout.size();
    let mut buffer = vec![255; 3 * width as usize * height as usize];
    {
        let root = BitMapBackend::with_buffer(&mut buffer, (width, height)).into_drawing_area();
        draw(&root, &layout, panels, classes).map_err(|e| e.to_string())?;
    }
    Ok((buffer, (width, height)))
}

/// Where everything is.
struct Layout {
    columns: u32,
    rows: u32,
    legend: u32,
    /// How far text goes down, as a share of its size.
    lowered: f64,
}

impl Layout {
    fn new(panels: usize, classes: &[String]) -> Layout {
        let panels = panels.max(1) as u32;
        // Up to three in a row, more in a square.
        let columns = if panels <= 3 { panels } else { f64::from(panels).sqrt().ceil() as u32 };
        let widest = classes.iter().map(|c| width(&shown(c), SMALL)).max().unwrap_or(0);
        Layout { columns, rows: panels.div_ceil(columns), legend: 30 + widest.min(SIDE / 2) + MARGIN, lowered: 0.0 }
    }

    fn size(&self) -> (u32, u32) {
        (self.columns * (SIDE + MARGIN) + MARGIN + self.legend, self.rows * (TITLE + SIDE) + MARGIN)
    }

    /// Text whose middle (or left end, with `HPos::Left`) is at a place.
    fn text(
        &self,
        line: String,
        (x, y): (i32, i32),
        size: i32,
        align: HPos,
        colour: RGBColor,
    ) -> Text<'static, (i32, i32), String> {
        let style = ("sans-serif", size).into_font().color(&colour).pos(Pos::new(align, VPos::Center));
        Text::new(line, (x, y + (self.lowered * f64::from(size)).round() as i32), style)
    }

    /// Upper left corner of a panel's square.
    fn corner(&self, panel: usize) -> (i32, i32) {
        let (row, column) = (panel as u32 / self.columns, panel as u32 % self.columns);
        ((MARGIN + column * (SIDE + MARGIN)) as i32, (TITLE + row * (TITLE + SIDE)) as i32)
    }
}

fn draw<DB: DrawingBackend>(
    root: &DrawingArea<DB, Shift>,
    layout: &Layout,
    panels: &[Panel],
    classes: &[String],
) -> Result<(), Failed<DB>> {
    root.fill(&WHITE)?;
    for (n, panel) in panels.iter().enumerate() {
        let corner = layout.corner(n);
        title(root, layout, corner, panel)?;
        points(root, corner, panel, classes.len())?;
        names(root, layout, corner, panel, classes)?;
    }
    legend(root, layout, classes)?;
    root.present()
}

/// The run on one line; layer, method and how well classes separate on the next.
fn title<DB: DrawingBackend>(
    root: &DrawingArea<DB, Shift>,
    layout: &Layout,
    (left, top): (i32, i32),
    panel: &Panel,
) -> Result<(), Failed<DB>> {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let method = match panel.method {
        Method::Tsne { .. } => "t-SNE",
        Method::Pca => "PCA",
    };
    let (map, layer) = (percent(panel.map.map_error), percent(panel.map.layer_error));
    let below = format!("{}, {method}; {K}-NN error: map {map}, layer {layer}", shown(&panel.layer));
    let middle = left + SIDE as i32 / 2;
    root.draw(&layout.text(fitting(&shown(&panel.run), LARGE), (middle, top - 52), LARGE, HPos::Center, BLACK))?;
    root.draw(&layout.text(fitting(&below, SMALL), (middle, top - 22), SMALL, HPos::Center, BLACK))
}

/// Where a map lies in its square: both axes have one scale, and the map is centred.
fn place(panel: &Panel, (left, top): (i32, i32)) -> impl Fn(&[f32]) -> (i32, i32) {
    let range = |axis: usize| {
        let all = (0..panel.map.points.rows()).map(|i| f64::from(panel.map.points.row(i)[axis]));
        all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    };
    let (x, y) = (range(0), range(1));
    let extent = (x.1 - x.0).max(y.1 - y.0).max(f64::MIN_POSITIVE);
    let inner = f64::from(SIDE) - 8.0 * f64::from(RADIUS);
    let centred = move |v: f32, (low, high): (f64, f64)| {
        let share = (f64::from(v) - (low + high) / 2.0) / extent;
        (f64::from(SIDE) / 2.0, share * inner)
    };
    move |point: &[f32]| {
        let ((middle, dx), (_, dy)) = (centred(point[0], x), centred(point[1], y));
        (left + (middle + dx).round() as i32, top + (middle - dy).round() as i32)
    }
}

/// Points in the order of the samples, so that no class lies over all others.
fn points<DB: DrawingBackend>(
    root: &DrawingArea<DB, Shift>,
    corner: (i32, i32),
    panel: &Panel,
    classes: usize,
) -> Result<(), Failed<DB>> {
    let (left, top) = corner;
    let square = [(left, top), (left + SIDE as i32, top + SIDE as i32)];
    root.draw(&Rectangle::new(square, RGBColor(190, 190, 190).stroke_width(1)))?;
    let at = place(panel, corner);
    for (i, &label) in panel.labels.iter().enumerate() {
        let style = colour(label as usize, classes).mix(OPACITY).filled();
        root.draw(&Circle::new(at(panel.map.points.row(i)), RADIUS, style))?;
    }
    Ok(())
}

/// The name of every class at the median of its points, where names are as short as digits: colour is not all.
fn names<DB: DrawingBackend>(
    root: &DrawingArea<DB, Shift>,
    layout: &Layout,
    corner: (i32, i32),
    panel: &Panel,
    classes: &[String],
) -> Result<(), Failed<DB>> {
    if classes.iter().any(|c| c.chars().count() > 2) {
        return Ok(());
    }
    let at = place(panel, corner);
    for (label, name) in classes.iter().enumerate() {
        let own = (0..panel.labels.len()).filter(|&i| panel.labels[i] as usize == label);
        let places: Vec<(i32, i32)> = own.map(|i| at(panel.map.points.row(i))).collect();
        if places.is_empty() {
            continue;
        }
        let median = |axis: fn(&(i32, i32)) -> i32| {
            let mut all: Vec<i32> = places.iter().map(axis).collect();
            all.sort_unstable();
            all[all.len() / 2]
        };
        let (x, y) = (median(|p| p.0), median(|p| p.1));
        // A white edge, so that it is read over points of any colour.
        for (dx, dy) in [(-2, 0), (2, 0), (0, -2), (0, 2), (-1, -1), (-1, 1), (1, -1), (1, 1)] {
            root.draw(&layout.text(shown(name), (x + dx, y + dy), LARGE, HPos::Center, WHITE))?;
        }
        root.draw(&layout.text(shown(name), (x, y), LARGE, HPos::Center, BLACK))?;
    }
    Ok(())
}

/// Colours and names on the right, closer together where there are many classes.
fn legend<DB: DrawingBackend>(
    root: &DrawingArea<DB, Shift>,
    layout: &Layout,
    classes: &[String],
) -> Result<(), Failed<DB>> {
    let left = (layout.size().0 - layout.legend) as i32 + 8;
    let step = (SIDE as usize / classes.len().max(1)).min(28) as i32;
    let size = SMALL.min(step.max(2));
    for (label, name) in classes.iter().enumerate() {
        let middle = TITLE as i32 + 12 + step * label as i32;
        let dot = colour(label, classes.len()).filled();
        root.draw(&Circle::new((left, middle), (size / 3).max(1), dot))?;
        root.draw(&layout.text(cut(&shown(name), size), (left + 14, middle), size, HPos::Left, BLACK))?;
    }
    Ok(())
}

/// The colour of a class: one of ten, or round the circle of hues where there are more.
fn colour(label: usize, classes: usize) -> RGBColor {
    if classes <= COLOURS.len() {
        let (r, g, b) = COLOURS[label % COLOURS.len()];
        return RGBColor(r, g, b);
    }
    // Neighbours in number differ in lightness too.
    let lightness = [0.35, 0.5, 0.65][label % 3];
    let (r, g, b) = HSLColor(label as f64 / classes as f64, 0.75, lightness).rgb();
    RGBColor(r, g, b)
}

fn width(text: &str, size: i32) -> u32 {
    ("sans-serif", size).into_font().box_size(text).map_or(0, |b| b.0)
}

/// A name without what no picture can show: control characters are not even allowed in SVG.
fn shown(name: &str) -> String {
    name.chars().map(|c| if reclra_data::files::unruly(c) { '\u{fffd}' } else { c }).collect()
}

/// The beginning of a name that is wider than the legend.
fn cut(name: &str, size: i32) -> String {
    let mut kept = name;
    while width(kept, size) > SIDE / 2 && !kept.is_empty() {
        kept = &kept[..kept.len() - kept.chars().next_back().map_or(0, char::len_utf8)];
    }
    if kept.len() == name.len() { name.to_owned() } else { format!("{kept}…") }
}

/// The end of a line that is wider than a panel, which is what tells two paths apart.
fn fitting(line: &str, size: i32) -> String {
    let mut rest = line;
    while width(rest, size) > SIDE && !rest.is_empty() {
        rest = &rest[rest.chars().next().map_or(0, char::len_utf8)..];
    }
    if rest.len() == line.len() { line.to_owned() } else { format!("…{}", rest.trim_start_matches('/')) }
}
