//! Local days, by number.

use jiff::Timestamp;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use std::fmt;

const FIRST_DAY: Date = date(1970, 1, 1);

/// A calendar day without a time zone: days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i32);

impl Day {
    /// 1970-01-01.
    pub const FIRST: Self = Self(0);

    /// 2099-12-31.
    pub const LAST: Self = Self(47_481);

    /// The day with this date.
    #[must_use]
    pub fn of(date: Date) -> Self {
        Self((date.duration_since(FIRST_DAY).as_hours() / 24) as i32)
    }

    /// Its date; `None` outside the years that a calendar can say (-9999 to 9999).
    #[must_use]
    pub fn date(self) -> Option<Date> {
        let span = jiff::Span::new().try_days(self.0).ok()?;
        FIRST_DAY.checked_add(span).ok()
    }

    /// The day of this number, where it is one.
    #[must_use]
    pub fn of_number(number: i64) -> Option<Self> {
        i32::try_from(number).ok().map(Self)
    }

    /// The day after it.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Day {
    /// `2026-11-23`.
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.date() {
            Some(date) => write!(to, "{date}"),
            None => write!(to, "day {}", self.0),
        }
    }
}

/// The days of a time zone: which moments, in Unix seconds, each of them holds.
///
/// The days from [`Day::FIRST`] to [`Day::LAST`] are looked up in a table; others are computed one by one.
#[derive(Debug, Clone)]
pub struct Days {
    time_zone: TimeZone,
    /// The first moments of these days and of the one after them.
    starts: Vec<i64>,
}

impl Days {
    /// The days of a time zone. Building the table takes some milliseconds: keep it.
    #[must_use]
    pub fn new(time_zone: TimeZone) -> Self {
        let table = Day::FIRST.0..=Day::LAST.next().0;
        let mut starts: Vec<i64> =
            table.map(|day| start_of(Day(day), &time_zone).unwrap_or(i64::MAX)).collect();
        // A day that a time zone left out (Samoa's 2011-12-30) starts and ends at one moment.
        for later in (1..starts.len()).rev() {
            starts[later - 1] = starts[later - 1].min(starts[later]);
        }
        Self { time_zone, starts }
    }

    /// The time zone.
    #[must_use]
    pub fn time_zone(&self) -> &TimeZone {
        &self.time_zone
    }

    /// The day that a moment is in.
    #[must_use]
    pub fn of(&self, moment: i64) -> Day {
        let (first, last) = (self.starts[0], self.starts[self.starts.len() - 1]);
        if !(first..last).contains(&moment) {
            return self.compute(moment);
        }
        // Days have 86,400 seconds but for clock changes, so the guess is off by a day at most.
        let mut day = ((moment - first) / crate::time::DAY) as usize;
        while self.starts.get(day + 1).is_some_and(|&next| next <= moment) {
            day += 1;
        }
        while self.starts.get(day).is_none_or(|&start| start > moment) {
            day -= 1;
        }
        Day(day as i32)
    }

    fn compute(&self, moment: i64) -> Day {
        match Timestamp::from_second(moment) {
            Ok(at) => Day::of(self.time_zone.to_datetime(at).date()),
            // Past all calendars the time zone no longer matters.
            Err(_) => Day(i32::try_from(moment.div_euclid(crate::time::DAY))
                .unwrap_or(if moment < 0 { i32::MIN } else { i32::MAX })),
        }
    }

    /// The first moment of a day: midnight, or what follows where clocks skip it.
    #[must_use]
    pub fn start(&self, day: Day) -> i64 {
        let place = usize::try_from(day.0).ok();
        place.and_then(|place| self.starts.get(place).copied()).unwrap_or_else(|| {
            let start = start_of(day, &self.time_zone);
            start.unwrap_or(i64::from(day.0) * crate::time::DAY)
        })
    }
}

fn start_of(day: Day, time_zone: &TimeZone) -> Option<i64> {
    crate::delivery::report::midnight(day.date()?, time_zone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::LazyLock;

    /// UTC, summer time at midnight, and a quarter hour east of everybody.
    static ZONES: LazyLock<[Days; 3]> = LazyLock::new(|| {
        let posix = |rule| Days::new(TimeZone::posix(rule).unwrap());
        [
            Days::new(TimeZone::UTC),
            posix("<-03>3<-02>,M11.1.0/0,M2.3.0/0"),
            posix("<+1245>-12:45<+1345>,M9.5.0/2:45,M4.1.0/3:45"),
        ]
    });

    #[test]
    fn days_have_their_dates() {
        for (day, text) in [(0, "1970-01-01"), (-1, "1969-12-31"), (20_780, "2026-11-23")] {
            assert_eq!(Day(day).to_string(), text);
            assert_eq!(Day::of(text.parse().unwrap()), Day(day));
        }
        assert_eq!(Day::LAST.to_string(), "2099-12-31");
        assert_eq!(Day(i32::MAX).to_string(), "day 2147483647");
        assert_eq!(Day(i32::MAX).next(), Day(i32::MAX));
    }

    /// Samoa went over the date line: 2011-12-29 was followed by 2011-12-31. As RFC 9636 has it:
    /// one transition (at 2011-12-30T10:00:00Z), two types, eight characters.
    fn samoa() -> TimeZone {
        let mut file = b"TZif".to_vec();
        file.extend([0; 16]);
        let counts = [0_i32, 0, 0, 1, 2, 8];
        file.extend(counts.into_iter().chain([1_325_239_200]).flat_map(i32::to_be_bytes));
        file.push(1);
        for (offset, name) in [(-36_000_i32, 0), (50_400, 4)] {
            file.extend(offset.to_be_bytes());
            file.extend([0, name]);
        }
        file.extend(b"-10\0+14\0");
        TimeZone::tzif("Samoa", &file).unwrap()
    }

    #[test]
    fn a_day_that_was_left_out_holds_nothing() {
        let samoa = Days::new(samoa());
        let left_out = Day::of(date(2011, 12, 30));
        assert_eq!(samoa.start(left_out), 1_325_239_200);
        assert_eq!(samoa.start(left_out), samoa.start(left_out.next()));
        assert_eq!(samoa.of(samoa.start(left_out)), left_out.next());
        assert_eq!(samoa.of(samoa.start(left_out) - 1), Day(left_out.0 - 1));
    }

    #[test]
    fn any_moment_has_a_day() {
        for moment in [i64::MIN, i64::MAX, -1, 4_102_444_800, 1 << 40] {
            for days in &*ZONES {
                let _ = days.start(days.of(moment));
            }
        }
        assert_eq!(ZONES[0].of(-1), Day(-1));
        assert_eq!(ZONES[0].start(Day(-1)), -86_400);
        assert_eq!(ZONES[0].of(i64::MAX), Day(i32::MAX));
    }

    proptest! {
        #[test]
        fn a_day_holds_its_moments(zone in 0..3_usize, moment in -9_i64 << 30..5 << 30) {
            let days = &ZONES[zone];
            let day = days.of(moment);
            let at = Timestamp::from_second(moment).unwrap();
            prop_assert_eq!(day.date(), Some(days.time_zone().to_datetime(at).date()));
            prop_assert!(days.start(day) <= moment && moment < days.start(day.next()));
            prop_assert_eq!(days.of(days.start(day)), day);
        }
    }
}
