//! Numbers as people read them.

/// Where there is nothing.
pub const NONE: &str = "\u{2013}";

/// `1234567` as `1,234,567`.
#[must_use]
pub fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// A number of things, `1 image`, `2,000 images`.
#[must_use]
pub fn count(n: usize, thing: &str) -> String {
    format!("{} {thing}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// Three digits that matter, and no more zeros than needed.
#[must_use]
pub fn short(x: f64) -> String {
    if x == 0.0 {
        return "0".to_owned();
    }
    if !x.is_finite() {
        return "not finite".to_owned();
    }
    let magnitude = x.abs().log10().floor() as i32;
    if (-4..6).contains(&magnitude) { trimmed(&format!("{x:.*}", (2 - magnitude).max(0) as usize)) } else { power(x) }
}

/// The same with a power of ten, `1.5e-4`.
#[must_use]
pub fn power(x: f64) -> String {
    if x == 0.0 {
        return "0".to_owned();
    }
    let text = format!("{x:.2e}");
    text.split_once('e').map_or(text.clone(), |(digits, power)| format!("{}e{power}", trimmed(digits)))
}

/// Without zeros after the last digit that matters.
fn trimmed(text: &str) -> String {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    }
}

/// `2.50 %`, or a dash.
#[must_use]
pub fn percent(percents: Option<f64>) -> String {
    percents.map_or_else(|| NONE.to_owned(), |v| format!("{v:.2} %"))
}

/// `4.2 ms`, `0.8 s`, `12 s`, `3 min 05 s`, `2 h 10 min`.
#[must_use]
pub fn duration(seconds: f64) -> String {
    let s = seconds.round() as u64;
    match s {
        0 if seconds > 0.0 && seconds < 0.1 => format!("{} ms", short(1000.0 * seconds)),
        0..10 => format!("{seconds:.1} s"),
        10..60 => format!("{s} s"),
        60..3600 => format!("{} min {:02} s", s / 60, s % 60),
        _ => format!("{} h {:02} min", s / 3600, s % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        let shown = [0.0, 0.0002, 0.012_345, 1.0, 12.345, 250.0, 123_456.0, 1e7, 3.2e-7, -0.5].map(short);
        assert_eq!(shown, ["0", "0.0002", "0.0123", "1", "12.3", "250", "123456", "1e7", "3.2e-7", "-0.5"]);
        assert_eq!([0.44, 59.0, 61.0, 7800.0].map(duration), ["0.4 s", "59 s", "1 min 01 s", "2 h 10 min"]);
        assert_eq!([0.0, 0.0042, 0.0523].map(duration), ["0.0 s", "4.2 ms", "52.3 ms"]);
        assert_eq!((percent(Some(1.5)), count(1, "image")), ("1.50 %".to_owned(), "1 image".to_owned()));
    }
}
