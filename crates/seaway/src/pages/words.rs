//! Numbers and foreign text as every page writes them.

use maud::{Markup, html};
use seaway_core::delivery::report::Estimate;
use seaway_core::time::{Time, humanize};

/// The longest subject or message of a history that a page shows, in characters.
pub(crate) const LINE: usize = 140;
/// The longest name (repository, tag, path) that a page shows, in characters.
pub(crate) const NAME: usize = 80;
/// The length of a shortened hash, in characters.
pub(crate) const HASH: usize = 10;

/// Text from outside, made harmless to look at: at most `limit` characters, control characters
/// and characters that turn or hide text are made visible. It is *not* escaped; maud does that.
pub(crate) fn clean(text: &str, limit: usize) -> String {
    let text = text.trim();
    let cut = text.chars().nth(limit).is_some();
    let mut shown = String::new();
    for c in text.chars().take(if cut { limit.saturating_sub(1) } else { limit }) {
        match c {
            '\t' | '\n' | '\r' => shown.push(' '),
            _ if c.is_control() || misleads(c) => {
                shown.push_str(&format!("[U+{:04X}]", u32::from(c)))
            }
            _ => shown.push(c),
        }
    }
    if cut {
        shown.push('…');
    }
    shown
}

/// Marks and overrides of the direction of text, invisible separators and tags.
pub(crate) fn misleads(c: char) -> bool {
    matches!(c,
        '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Text from outside as markup: [`clean`], and isolated so that it cannot turn what follows.
pub(crate) fn outside(text: &str, limit: usize) -> Markup {
    html! { bdi { (clean(text, limit)) } }
}

/// A whole number with its thousands set apart: `18,908`.
pub(crate) fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with its noun: `1 change`, `37 changes`, `no changes`.
pub(crate) fn counted(n: usize, one: &str, many: &str) -> String {
    match n {
        0 => format!("no {many}"),
        1 => format!("1 {one}"),
        _ => format!("{} {many}", count(n)),
    }
}

/// A number of lines: `1 line`, `3,125 lines`.
pub(crate) fn lines(n: u64) -> String {
    counted(usize::try_from(n).unwrap_or(usize::MAX), "line", "lines")
}

/// A share of 0 to 1 in percent; what is not quite nothing or all never reads as if it were.
pub(crate) fn percent(share: f64) -> String {
    let value = share * 100.0;
    if !value.is_finite() {
        "not known".to_owned()
    } else if value > 0.0 && value < 0.1 {
        "< 0.1 %".to_owned()
    } else if value < 100.0 && value > 99.9 {
        "> 99.9 %".to_owned()
    } else if value.fract().abs() < 1e-9 || (10.0..90.0).contains(&value) {
        format!("{value:.0} %")
    } else {
        format!("{value:.1} %")
    }
}

/// A rate or mean in three significant digits at most: `0.42`, `12.4`, `1,240`.
pub(crate) fn decimal(value: f64) -> String {
    match value.abs() {
        size if !size.is_finite() => "not known".to_owned(),
        size if size >= 99.95 => count(value.round() as usize),
        size if size >= 9.995 => format!("{value:.1}").trim_end_matches(".0").to_owned(),
        _ => format!("{value:.2}").trim_end_matches('0').trim_end_matches('.').to_owned(),
    }
}

/// A quantile: its value, or `more than` its lower bound where it is not reached.
pub(crate) fn estimate(estimate: &Estimate) -> String {
    match (estimate.seconds, estimate.low) {
        (Some(seconds), _) => humanize(seconds),
        (None, Some(low)) => format!("more than {}", humanize(low)),
        (None, None) => "not reached".to_owned(),
    }
}

/// The sentence with its numbers tied to their units, the parts of a span to each other, and both
/// sides of `n = 5`, by spaces that do not break.
pub(crate) fn unbroken(sentence: &str) -> String {
    let is_unit = |word: &str| {
        let word = word.trim_end_matches([',', ';', '.', ':', ')']);
        ["s", "min", "h", "d", "wk", "mo", "y", "%"].contains(&word)
    };
    let is_sign = |word: &str| ["=", "<", ">"].contains(&word);
    let words: Vec<&str> = sentence.split(' ').collect();
    let mut text = String::new();
    for (i, word) in words.iter().enumerate() {
        text.push_str(word);
        let next = words.get(i + 1);
        let quantity =
            |w: Option<&&str>| w.is_some_and(|w| w.ends_with(|c: char| c.is_ascii_digit()));
        let before_unit = quantity(Some(word)) && next.is_some_and(|next| is_unit(next));
        let between_parts = i > 0
            && is_unit(word)
            && word.ends_with(char::is_alphabetic)
            && quantity(next)
            && words.get(i + 2).is_some_and(|unit| is_unit(unit));
        let around_sign = is_sign(word) || next.is_some_and(|next| is_sign(next));
        if next.is_some() {
            text.push(if before_unit || between_parts || around_sign { '\u{a0}' } else { ' ' });
        }
    }
    text
}

/// The bounds of an interval in words; `None` where neither is known.
pub(crate) fn interval(
    low: Option<f64>,
    high: Option<f64>,
    write: impl Fn(f64) -> String,
) -> Option<String> {
    match (low, high) {
        (Some(low), Some(high)) => Some(format!("{} to {}", write(low), write(high))),
        (Some(low), None) => Some(format!("from {}, no upper bound yet", write(low))),
        (None, Some(high)) => Some(format!("up to {}", write(high))),
        (None, None) => None,
    }
}

/// A moment in UTC to the minute: `2026-11-23 09:00`.
pub(crate) fn moment(time: Option<Time>) -> String {
    time.and_then(Time::rfc3339).map_or_else(
        || "not known".to_owned(),
        |text| text.chars().take(16).collect::<String>().replace('T', " "),
    )
}

/// The day of a moment in UTC: `2026-11-23`.
pub(crate) fn day(time: Option<Time>) -> String {
    time.and_then(Time::day).unwrap_or_else(|| "not known".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_bounded_and_cannot_hide_or_turn() {
        assert_eq!(clean("  a\u{1b}[31mb\tc ", 40), "a[U+001B][31mb c");
        assert_eq!(clean("x\u{202e}y\u{85}z", 40), "x[U+202E]y[U+0085]z");
        assert_eq!(clean(&"é".repeat(1_000_000), 5), "éééé…");
        assert_eq!(outside("<b>&", 9).into_string(), "<bdi>&lt;b&gt;&amp;</bdi>");
    }

    #[test]
    fn text_that_just_fits_is_whole() {
        assert_eq!(clean("abcde", 5), "abcde");
        assert_eq!(clean("abcdef", 5), "abcd…");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 1, 2].map(|n| counted(n, "x", "xs")), ["no xs", "1 x", "2 xs"]);
        assert_eq!(
            [0.0, 0.000_4, 0.034, 0.621, 0.934, 0.999_6, 1.0].map(percent),
            ["0 %", "< 0.1 %", "3.4 %", "62 %", "93.4 %", "> 99.9 %", "100 %"]
        );
        assert_eq!(
            [0.0, 0.421, 2.0, 12.37, 20.0, 1_240.4].map(decimal),
            ["0", "0.42", "2", "12.4", "20", "1,240"]
        );
    }

    #[test]
    fn spans_are_not_torn_apart() {
        assert_eq!(
            unbroken("Half within 2 d 4 h; 5 % take 3 wk, and 12 h 7 changes (p < 0.1)"),
            "Half within 2\u{a0}d\u{a0}4\u{a0}h; 5\u{a0}% take 3\u{a0}wk, and 12\u{a0}h 7 changes (p\u{a0}<\u{a0}0.1)"
        );
    }

    #[test]
    fn what_is_not_reached_is_never_zero() {
        let reached = Estimate { seconds: Some(3_600.0), low: None, high: None };
        let open = Estimate { seconds: None, low: Some(7_200.0), high: None };
        assert_eq!(estimate(&reached), "1 h");
        assert_eq!(estimate(&open), "more than 2 h");
        assert_eq!(estimate(&Estimate::default()), "not reached");
        assert_eq!(interval(Some(60.0), None, humanize).unwrap(), "from 1 min, no upper bound yet");
        assert_eq!(interval(None, None, humanize), None);
    }
}
