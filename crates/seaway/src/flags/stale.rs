//! Flags whose time is over, by what is known of them here.

use super::snapshot::Entry;
use seaway_core::flags::stale::{Facts, Purpose, Staleness, staleness};
use seaway_core::time::{DAY, Time};

/// Why a flag is stale; nothing where it is not.
pub(crate) fn reasons(entry: &Entry, now: Time) -> Vec<Staleness> {
    let facts = Facts {
        purpose: entry.metadata("purpose").and_then(Purpose::named),
        expires: expires(entry),
        ..Facts::default()
    };
    staleness(&facts, now)
}

/// When a flag should be gone: at a moment in RFC 3339, or at the end of a day in UTC.
pub(crate) fn expires(entry: &Entry) -> Option<Time> {
    moment(entry.metadata("expires")?)
}

fn moment(text: &str) -> Option<Time> {
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return Some(Time(moment.as_second()));
    }
    let day: jiff::civil::Date = text.parse().ok()?;
    let start = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Time(start.timestamp().as_second().saturating_add(DAY)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_end_in_utc() {
        assert_eq!(moment("2026-11-23T12:00:00Z"), Some(Time(1_795_435_200)));
        assert_eq!(moment("2026-11-22"), Some(Time(1_795_435_200 - DAY / 2)));
        for wrong in ["", "soon", "2026-13-01", "9999999-01-01"] {
            assert_eq!(moment(wrong), None, "{wrong}");
        }
    }
}
