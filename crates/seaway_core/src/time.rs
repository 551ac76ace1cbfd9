//! Moments and spans of time, as the whole project writes them.

use serde::{Serialize, Serializer};

/// Seconds in a minute.
pub const MINUTE: i64 = 60;
/// Seconds in an hour.
pub const HOUR: i64 = 60 * MINUTE;
/// Seconds in a day.
pub const DAY: i64 = 24 * HOUR;
/// Seconds in a week.
pub const WEEK: i64 = 7 * DAY;
/// Seconds in the 30 days that stand for a month where a span is compared with "a month".
pub const MONTH: i64 = 30 * DAY;
/// Seconds in the 365 days that stand for a year.
pub const YEAR: i64 = 365 * DAY;

/// A moment: whole seconds since 1970-01-01T00:00:00Z, as git keeps them.
///
/// Serializes as RFC 3339 in UTC, or as `null` where the moment is outside what RFC 3339 can say
/// (years 0000 to 9999).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

impl Time {
    /// The moment in RFC 3339, UTC: `2026-11-23T09:00:00Z`. `None` outside the years 0000 to 9999.
    #[must_use]
    pub fn rfc3339(self) -> Option<String> {
        let moment = jiff::Timestamp::from_second(self.0).ok()?;
        let year = jiff::tz::TimeZone::UTC.to_datetime(moment).year();
        (0..=9999).contains(&year).then(|| moment.to_string())
    }

    /// The day in UTC: `2026-11-23`. `None` outside the years 0000 to 9999.
    #[must_use]
    pub fn day(self) -> Option<String> {
        self.rfc3339().map(|text| text.chars().take(10).collect())
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.rfc3339().serialize(serializer)
    }
}

/// A span in people's units, its two largest non-zero ones: `2 d 4 h`, `35 min`, `3 wk 2 d`.
///
/// Seconds are shown below a minute only; weeks from two weeks on; years (of 365 days) from two
/// years on. What is cut off is rounded to the smaller unit shown, never just dropped.
#[must_use]
pub fn humanize(seconds: f64) -> String {
    if !seconds.is_finite() {
        return "not known".to_owned();
    }
    let sign = if seconds < -0.5 { "-" } else { "" };
    let seconds = seconds.abs();
    let scale: [(f64, i64, i64, &str, &str); 5] = [
        // up to, larger unit, smaller unit, their names
        (59.5, 1, 0, "s", ""),
        (3570.0, MINUTE, 0, "min", ""),
        (86_370.0, HOUR, MINUTE, "h", "min"),
        ((14 * DAY - HOUR / 2) as f64, DAY, HOUR, "d", "h"),
        ((2 * YEAR - DAY / 2) as f64, WEEK, DAY, "wk", "d"),
    ];
    let (large, small, large_name, small_name) = scale
        .iter()
        .find(|(limit, ..)| seconds < *limit)
        .map_or((YEAR, WEEK, "y", "wk"), |&(_, large, small, l, s)| (large, small, l, s));
    if small == 0 {
        return format!("{sign}{} {large_name}", (seconds / large as f64).round());
    }
    let smaller = (seconds / small as f64).round() as i64;
    let per_large = large / small;
    let (whole, rest) = (smaller / per_large, smaller % per_large);
    match rest {
        0 => format!("{sign}{whole} {large_name}"),
        _ => format!("{sign}{whole} {large_name} {rest} {small_name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_people_say_them() {
        for (seconds, text) in [
            (0.0, "0 s"),
            (59.0, "59 s"),
            (59.6, "1 min"),
            (90.0, "2 min"),
            (3_580.0, "1 h"),
            (3_660.0, "1 h 1 min"),
            (86_380.0, "1 d"),
            (187_200.0, "2 d 4 h"),
            (13.99 * 86_400.0, "2 wk"),
            (23.0 * 86_400.0, "3 wk 2 d"),
            (3.0 * 365.0 * 86_400.0, "3 y"),
            (-90.0, "-2 min"),
            (f64::NAN, "not known"),
        ] {
            assert_eq!(humanize(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn years_hold_a_whole_number_of_weeks_and_a_bit() {
        assert_eq!(humanize((2 * YEAR + 3 * WEEK) as f64), "2 y 3 wk");
        assert_eq!(humanize((2 * YEAR + 52 * WEEK) as f64), "3 y");
    }

    #[test]
    fn moments_outside_rfc_3339_are_unknown_not_wrong() {
        assert_eq!(Time(0).rfc3339().as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(Time(-1).rfc3339().as_deref(), Some("1969-12-31T23:59:59Z"));
        assert_eq!(Time(i64::MAX).rfc3339(), None);
        assert_eq!(Time(i64::MIN).rfc3339(), None);
        assert_eq!(Time(1_795_424_400).day().as_deref(), Some("2026-11-23"));
    }
}
