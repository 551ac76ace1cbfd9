//! A calendar of years, a square a day.

use super::words::counted;
use jiff::civil::{Date, Weekday};
use maud::{Markup, html};

/// One day on which something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Day {
    /// The day.
    pub(crate) date: Date,
    /// How often it happened; at least 1.
    pub(crate) count: usize,
    /// Whether the day is to be marked, whatever its count.
    pub(crate) marked: bool,
}

/// Years of squares, the newest year first; days are in order. Darker is more: the shades part
/// the days with something at their quartiles.
pub(crate) fn calendar(days: &[Day], one: &str, many: &str, mark: &str) -> Markup {
    let mut counts: Vec<usize> = days.iter().map(|day| day.count).collect();
    counts.sort_unstable();
    let quartiles = [1, 2, 3].map(|q| counts.get(counts.len() * q / 4).copied().unwrap_or(0));
    // Where all days are alike, none is "fewer": the palest shade would hardly be seen.
    let alike = counts.first() == counts.last();
    let shade = |n: usize| match alike {
        true => 3,
        false => quartiles.iter().filter(|limit| n > **limit).count() + 1,
    };
    let years: Vec<&[Day]> = days.chunk_by(|a, b| a.date.year() == b.date.year()).collect();
    html! {
        div.calendar { @for year in years.iter().rev() { (year_of(year, &shade, one, many, mark)) } }
        p.legend {
            span { "fewer " @for level in 1..=4 { (key(level)) } " more a day" }
            @if days.iter().any(|day| day.marked) { span { (key_marked()) " with a " (mark) } }
        }
    }
}

fn year_of(
    days: &[Day],
    shade: &impl Fn(usize) -> usize,
    one: &str,
    many: &str,
    mark: &str,
) -> Markup {
    let year = days.first().map_or(0, |day| day.date.year());
    let sum: usize = days.iter().map(|day| day.count).sum();
    let first = Date::new(year, 1, 1).map_or(Weekday::Monday, Date::weekday);
    let offset = i32::from(first.to_monday_zero_offset());
    let place = |date: Date| {
        let at = i32::from(date.day_of_year()) - 1 + offset;
        (at / 7 * 10, at % 7 * 10)
    };
    let months = (1..=12).filter_map(|month| Date::new(year, month, 1).ok());
    html! {
        div.year {
            p { strong { (year) } " " span.muted { (counted(sum, one, many)) } }
            svg viewBox="0 0 540 84" role="img" aria-label={ (year) ": " (counted(sum, one, many)) } {
                @for start in months {
                    @let (x, _) = place(start);
                    text x=(x) y="82" { (start.strftime("%b")) }
                }
                rect.ground width="540" height="69" rx="2" {}
                @for day in days {
                    @let (x, y) = place(day.date);
                    rect class={ "s" (shade(day.count)) @if day.marked { " marked" } }
                        x=(x) y=(y) {
                        title {
                            (day.date) ": " (counted(day.count, one, many))
                            @if day.marked { ", with a " (mark) }
                        }
                    }
                }
            }
        }
    }
}

fn key(level: usize) -> Markup {
    html! { svg.key viewBox="0 0 9 9" aria-hidden="true" { rect class={ "s" (level) } width="9" height="9" rx="1.5" {} } }
}

fn key_marked() -> Markup {
    html! { svg.key viewBox="0 0 9 9" aria-hidden="true" { rect.s2.marked width="9" height="9" rx="1.5" {} } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_stands_in_its_week_and_weekday() {
        // 2026 begins on a Thursday: 5 January is the Monday of the second column.
        let day = Day { date: Date::constant(2026, 1, 5), count: 2, marked: true };
        let markup = calendar(&[day], "deployment", "deployments", "rollback").into_string();
        assert!(markup.contains("marked\" x=\"10\" y=\"0\""), "{markup}");
        assert!(markup.contains("2026-01-05: 2 deployments, with a rollback"), "{markup}");
    }

    #[test]
    fn years_come_newest_first() {
        let days = [2024, 2026].map(|year| Day {
            date: Date::constant(year, 12, 31),
            count: 1,
            marked: false,
        });
        let markup = calendar(&days, "x", "xs", "y").into_string();
        assert!(markup.find("2026").unwrap() < markup.find("2024").unwrap());
    }
}
