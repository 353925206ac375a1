//! A frame: title, progress, curves of error and loss, layers, figures, keys; what does not fit is left out, the least needed first.

use super::state::State;
use super::style::{BOLD, DIM, TRAIN, VALIDATION};
use crate::output::grouped;
use crate::progress::{duration, percent};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType, Paragraph};

/// No error below this is drawn, in percent, and no loss.
const FLOOR: f64 = 0.001;
/// Lines that a chart needs.
const LEAST: u16 = 8;

pub(super) fn draw(frame: &mut Frame<'_>, s: &State) {
    let area = frame.area();
    // In a low terminal lines go in the order in which they are least needed.
    let row = |least: u16| u16::from(area.height >= least);
    let lines = [row(4), row(1), row(2), row(14), row(3)];
    let body = area.height.saturating_sub(lines.iter().sum());
    let [title, progress, errors, speeds, keys] = lines;
    let rows = [title, progress, body, errors, speeds, keys].map(Constraint::Length);
    let [title, progress, body, errors, speeds, keys] = Layout::vertical(rows).areas(area);
    let width = usize::from(area.width);
    frame.render_widget(Paragraph::new(Span::styled(format!(" {}", s.title), BOLD)), title);
    frame.render_widget(Paragraph::new(progress_line(s, width)), progress);
    frame.render_widget(Paragraph::new(figures(errors_of(s), width)), errors);
    frame.render_widget(Paragraph::new(figures(speeds_of(s), width)), speeds);
    frame.render_widget(Paragraph::new(keys_line(s)), keys);
    draw_body(frame, body, s);
}

fn draw_body(frame: &mut Frame<'_>, body: Rect, s: &State) {
    if body.height < 6 || body.width < 30 {
        return;
    }
    // The layers, their heads and a frame.
    let wanted = (s.layers.len() as u16).saturating_add(3);
    let (errors, losses, layers) = if body.width >= 90 {
        let [left, right] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas(body);
        // Below the layers the losses, where there is room for a chart.
        let below = body.height.saturating_sub(wanted);
        let [layers, losses] =
            Layout::vertical([Constraint::Fill(1), Constraint::Length(if below < LEAST { 0 } else { below })])
                .areas(right);
        (left, losses, layers)
    } else if body.height >= 12 {
        let [a, b] =
            Layout::vertical([Constraint::Min(6), Constraint::Length(wanted.min(body.height / 2))]).areas(body);
        (a, Rect::ZERO, b)
    } else {
        (body, Rect::ZERO, Rect::ZERO)
    };
    draw_curves(frame, errors, s, &Curves::errors(s));
    if losses.height >= LEAST {
        draw_curves(frame, losses, s, &Curves::losses(s));
    }
    if layers.height > 2 {
        let block = Block::bordered().title(" layers, on logarithmic bars ").border_style(DIM);
        let inside = block.inner(layers);
        frame.render_widget(block, layers);
        let lines = super::layers::lines(s, usize::from(inside.width), usize::from(inside.height));
        frame.render_widget(Paragraph::new(lines), inside);
    }
}

fn progress_line(s: &State, width: usize) -> Line<'static> {
    let Some(at) = s.at else { return Line::raw(" the first step is being made") };
    let share = (at.done() / s.epochs.max(1) as f64).clamp(0.0, 1.0);
    let step = if s.judging() { "being judged".to_owned() } else { format!("step {}/{}", at.step, at.steps) };
    let before = format!(" epoch {}/{}  {step}  ", at.epoch, s.epochs);
    let percent = format!(" {:>3.0} %", 100.0 * share);
    let left = at.left.map_or("-".to_owned(), |l| format!("{} left", duration(l)));
    let tails = [format!("{percent}  {}, {left}", duration(s.elapsed)), format!("{percent}  {left}"), percent];
    let fits = |tail: &&String| before.chars().count() + tail.chars().count() <= width;
    let after = tails.iter().find(fits).unwrap_or(&tails[2]).clone();
    let room = width.saturating_sub(before.chars().count() + after.chars().count() + 1).min(60);
    if before.chars().count() + after.chars().count() > width {
        return Line::raw(format!(" epoch {}/{}{after}", at.epoch, s.epochs));
    }
    if room < 8 {
        return Line::raw(format!("{}{after}", before.trim_end()));
    }
    let full = (share * room as f64).round() as usize;
    Line::from(vec![
        Span::raw(before),
        Span::styled("━".repeat(full), Style::new().fg(TRAIN)),
        Span::styled("─".repeat(room - full), DIM),
        Span::raw(after),
    ])
}

/// As many as fit, whole.
fn figures(all: Vec<(&'static str, String)>, width: usize) -> Line<'static> {
    let (mut spans, mut used) = (vec![Span::raw(" ")], 1);
    for (name, value) in all {
        used += name.chars().count() + value.chars().count() + 3;
        if used > width + 2 {
            break;
        }
        spans.extend([Span::styled(name, DIM), Span::raw(format!(" {value}  "))]);
    }
    Line::from(spans)
}

fn errors_of(s: &State) -> Vec<(&'static str, String)> {
    let last = |points: &[(f64, f64)]| percent(points.last().map(|p| p.1));
    let best = s.best().map(|(epoch, error)| ("best", format!("{} in epoch {epoch:.0}", percent(Some(error)))));
    let mut all = vec![("validation", last(&s.validation))];
    all.extend(best);
    all.extend([("train", last(&s.train)), ("in this epoch", last(&s.within))]);
    all
}

fn speeds_of(s: &State) -> Vec<(&'static str, String)> {
    let Some(at) = s.at else { return Vec::new() };
    let speed = at.speed.map_or("-".to_owned(), |s| grouped(s.round() as usize));
    vec![
        ("loss", format!("{:.4}", at.loss)),
        ("discrepancy", format!("{:.4}", at.discrepancy)),
        ("samples/s", speed),
        ("learning rate", format!("{:.2e}", at.rate)),
    ]
}

fn keys_line(s: &State) -> Line<'static> {
    if s.stopping {
        let text = " stopping after this step; Ctrl-C again: at once";
        Line::styled(text, Style::new().fg(VALIDATION).add_modifier(Modifier::BOLD))
    } else {
        Line::styled(" q or Ctrl-C: stop after this step", DIM)
    }
}

/// What a chart of curves over epochs shows, on a logarithmic axis.
struct Curves<'a> {
    name: &'static str,
    within: &'a [(f64, f64)],
    train: &'a [(f64, f64)],
    validation: &'a [(f64, f64)],
    /// What values are multiplied by to be shown.
    unit: f64,
    /// The logarithm above which the axis does not reach.
    most: f64,
}

impl<'a> Curves<'a> {
    fn errors(s: &'a State) -> Curves<'a> {
        let (within, train, validation) = (&s.within, &s.train, &s.validation);
        Curves { name: "error in %", within, train, validation, unit: 100.0, most: 2.0 }
    }

    fn losses(s: &'a State) -> Curves<'a> {
        let (within, train, validation) = (&s.within_loss, &s.train_loss, &s.validation_loss);
        Curves { name: "loss", within, train, validation, unit: 1.0, most: f64::INFINITY }
    }

    /// Values as logarithms; zero, which has none, as `floor`.
    fn logs(&self, points: &[(f64, f64)], floor: f64) -> Vec<(f64, f64)> {
        let finite = points.iter().filter(|(_, y)| y.is_finite());
        finite.map(|&(x, y)| (x, (self.unit * y).max(floor).log10())).collect()
    }
}

fn draw_curves(frame: &mut Frame<'_>, area: Rect, s: &State, c: &Curves<'_>) {
    // The first steps of an epoch are few samples: whole epochs decide what there is to see.
    let known = if c.train.is_empty() { [c.within, &[]] } else { [c.train, c.validation] };
    let shown = known.into_iter().flatten().map(|p| c.unit * p.1).filter(|y| y.is_finite() && *y > 0.0);
    let floor = (shown.fold(2.0, f64::min) / 2.0).max(FLOOR);
    let whole: Vec<f64> = known.into_iter().flat_map(|points| c.logs(points, floor)).map(|p| p.1).collect();
    let (low, high) = whole.iter().fold((f64::MAX, f64::MIN), |(a, b), y| (a.min(*y), b.max(*y)));
    let (low, high) =
        if low > high { (0.0, 2.0) } else { (low - 0.05, (high + 0.05).min(high.max(c.most)).max(low + 0.3)) };
    let (train, validation, mut within) =
        (c.logs(c.train, floor), c.logs(c.validation, floor), c.logs(c.within, floor));
    within.iter_mut().for_each(|p| p.1 = p.1.clamp(low, high));
    let curve = |data, marker, kind, style| Dataset::default().data(data).marker(marker).graph_type(kind).style(style);
    let sets = vec![
        curve(&within, Marker::Braille, GraphType::Line, Style::new().fg(TRAIN).add_modifier(Modifier::DIM)),
        curve(&train, Marker::Braille, GraphType::Line, Style::new().fg(TRAIN)),
        curve(&validation, Marker::Dot, GraphType::Scatter, Style::new().fg(VALIDATION)),
    ];
    let ticks = usize::from((area.height / 4).clamp(2, 6));
    let height = |i: usize| low + (high - low) * i as f64 / (ticks - 1) as f64;
    let names: Vec<String> = (0..ticks).map(|i| tick(10f64.powf(height(i)))).collect();
    let end = reach(s);
    let middle = end.is_multiple_of(2).then_some(end / 2);
    let epochs: Vec<String> = [Some(0), middle, Some(end)].into_iter().flatten().map(|e| e.to_string()).collect();
    let title = Line::from(vec![
        Span::raw(format!(" {}: ", c.name)),
        Span::styled("── train", Style::new().fg(TRAIN)),
        Span::raw("  "),
        Span::styled("• validation ", Style::new().fg(VALIDATION)),
    ]);
    let chart = Chart::new(sets)
        .block(Block::bordered().title(title).border_style(DIM))
        .x_axis(Axis::default().bounds([0.0, end as f64]).labels(epochs).style(DIM))
        .y_axis(Axis::default().bounds([low, high]).labels(names).style(DIM))
        .legend_position(None);
    frame.render_widget(chart, area);
}

/// Epochs that the curves are drawn over: all, or so many that the part done is not squeezed into a corner.
fn reach(s: &State) -> u64 {
    let told = s.train.last().map_or(0.0, |t| t.0);
    let room = (1.25 * s.at.map_or(0.0, |at| at.done()).max(told)).max(4.0);
    let mut end = s.epochs.max(1);
    while end.div_ceil(2) as f64 >= room {
        end = end.div_ceil(2);
    }
    end
}

fn tick(value: f64) -> String {
    match value {
        10.0.. => format!("{value:.0}"),
        1.0.. => format!("{value:.1}"),
        0.1.. => format!("{value:.2}"),
        0.01.. => format!("{value:.3}"),
        _ => format!("{value:.0e}"),
    }
}
