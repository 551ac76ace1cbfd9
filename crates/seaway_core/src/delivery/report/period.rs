//! Weeks, months, quarters and years of a time zone, numbered without gaps.

use super::model::Period;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// The Monday that week 0 starts with.
const FIRST_MONDAY: Date = date(1970, 1, 5);

/// All periods, finest first.
const FINEST_FIRST: [Period; 4] = [Period::Week, Period::Month, Period::Quarter, Period::Year];

impl Period {
    /// The finest period of which at most `points` cover the days from `first` to `last`; the
    /// year, where even years are more.
    pub(in crate::delivery) fn finest(first: Date, last: Date, points: i64) -> Self {
        let fits = |period: &Self| period.number(last) - period.number(first) < points;
        FINEST_FIRST.into_iter().find(fits).unwrap_or(Self::Year)
    }

    /// The number of the period that a day is in; the next period has the next number.
    pub(in crate::delivery) fn number(self, day: Date) -> i64 {
        let (year, month) = (i64::from(day.year()), i64::from(day.month()) - 1);
        match self {
            Self::Week => (day.duration_since(FIRST_MONDAY).as_hours() / 24).div_euclid(7),
            Self::Month => 12 * year + month,
            Self::Quarter => 4 * year + month / 3,
            Self::Year => year,
        }
    }

    /// The first day of a period; `None` outside the years that a calendar can say.
    pub(in crate::delivery) fn first_day(self, number: i64) -> Option<Date> {
        let of = |per_year: i64| {
            let year = i16::try_from(number.div_euclid(per_year)).ok()?;
            let month = number.rem_euclid(per_year) * (12 / per_year) + 1;
            Date::new(year, month as i8, 1).ok()
        };
        match self {
            Self::Week => {
                let days = Span::new().try_days(number.checked_mul(7)?).ok()?;
                FIRST_MONDAY.checked_add(days).ok()
            }
            Self::Month => of(12),
            Self::Quarter => of(4),
            Self::Year => of(1),
        }
    }

    /// What a period is called, by its first day: `2026-W48`, `2026-11`, `2026-Q4`, `2026`.
    pub(in crate::delivery) fn label(self, first_day: Date) -> String {
        let (year, month) = (first_day.year(), first_day.month());
        match self {
            Self::Week => {
                let week = first_day.iso_week_date();
                format!("{:04}-W{:02}", week.year(), week.week())
            }
            Self::Month => format!("{year:04}-{month:02}"),
            Self::Quarter => format!("{year:04}-Q{}", (month + 2) / 3),
            Self::Year => format!("{year:04}"),
        }
    }

    /// The period in a sentence.
    pub(in crate::delivery) fn noun(self) -> &'static str {
        match self {
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }
}

/// The local day of a moment; `None` outside the years that a calendar can say.
pub(in crate::delivery) fn day_of(moment: i64, time_zone: &TimeZone) -> Option<Date> {
    let moment = Timestamp::from_second(moment).ok()?;
    Some(time_zone.to_datetime(moment).date())
}

/// The first moment of a local day: midnight, or what follows where clocks skip it.
pub(in crate::delivery) fn midnight(day: Date, time_zone: &TimeZone) -> Option<i64> {
    let start = day.to_datetime(jiff::civil::Time::midnight());
    Some(time_zone.to_timestamp(start).ok()?.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(period: Period, day: Date) -> String {
        period.label(period.first_day(period.number(day)).unwrap())
    }

    #[test]
    fn weeks_around_new_year_belong_to_the_year_of_their_thursday() {
        for (day, week) in [
            (date(2020, 12, 31), "2020-W53"),
            (date(2021, 1, 3), "2020-W53"),
            (date(2021, 1, 4), "2021-W01"),
            (date(2024, 12, 29), "2024-W52"),
            (date(2024, 12, 30), "2025-W01"),
            (date(2026, 11, 23), "2026-W48"),
            (date(1970, 1, 4), "1970-W01"),
            (date(1969, 12, 28), "1969-W52"),
        ] {
            assert_eq!(label(Period::Week, day), week, "{day}");
        }
    }

    #[test]
    fn months_quarters_and_years_have_their_names() {
        let day = date(2026, 11, 23);
        assert_eq!(label(Period::Month, day), "2026-11");
        assert_eq!(label(Period::Quarter, day), "2026-Q4");
        assert_eq!(label(Period::Year, day), "2026");
        assert_eq!(label(Period::Quarter, date(2026, 3, 31)), "2026-Q1");
        assert_eq!(label(Period::Quarter, date(2026, 4, 1)), "2026-Q2");
        assert_eq!(label(Period::Year, date(33, 4, 1)), "0033");
    }

    #[test]
    fn numbers_have_no_gaps() {
        for period in FINEST_FIRST {
            let mut day = date(2019, 12, 25);
            for _ in 0..800 {
                let tomorrow = day.tomorrow().unwrap();
                let first = period.first_day(period.number(day)).unwrap();
                assert!(first <= day, "{period:?} {day}");
                let step = period.number(tomorrow) - period.number(day);
                let begins = period.first_day(period.number(tomorrow)) == Some(tomorrow);
                assert_eq!(step, i64::from(begins), "{period:?} {day}");
                day = tomorrow;
            }
        }
        assert_eq!(Period::Year.first_day(40_000), None);
        assert_eq!(Period::Week.first_day(i64::MAX), None);
    }

    #[test]
    fn the_finest_period_that_fits_is_taken() {
        let monday = date(2025, 1, 6);
        let after = |weeks: i64| monday.checked_add(Span::new().weeks(weeks)).unwrap();
        assert_eq!(Period::finest(monday, monday, 26), Period::Week);
        assert_eq!(Period::finest(monday, after(25), 26), Period::Week);
        // The 27th week: 26 weeks are half a year, so there are 7 months.
        assert_eq!(Period::finest(monday, after(26), 26), Period::Month);
        assert_eq!(Period::finest(monday, date(2027, 2, 28), 26), Period::Month);
        // The 27th month makes quarters, of which there are 9.
        assert_eq!(Period::finest(monday, date(2027, 3, 1), 26), Period::Quarter);
        assert_eq!(Period::finest(monday, date(2031, 6, 30), 26), Period::Quarter);
        assert_eq!(Period::finest(monday, date(2031, 7, 1), 26), Period::Year);
        assert_eq!(Period::finest(date(1900, 1, 1), monday, 26), Period::Year);
    }

    #[test]
    fn days_are_those_of_the_time_zone() {
        let new_york = TimeZone::posix("EST5EDT,M3.2.0,M11.1.0").unwrap();
        // 2026-11-23T03:00:00Z is still Sunday evening in New York: the week before.
        let moment = 1_795_402_800;
        assert_eq!(day_of(moment, &new_york), Some(date(2026, 11, 22)));
        assert_eq!(day_of(moment, &TimeZone::UTC), Some(date(2026, 11, 23)));
        assert_eq!(midnight(date(2026, 11, 23), &new_york), Some(moment + 2 * 3_600));
        // Summer time is an hour nearer to UTC.
        assert_eq!(midnight(date(2026, 7, 1), &new_york), Some(1_782_878_400));
        assert_eq!(day_of(i64::MAX, &new_york), None);
    }

    /// Clocks went from 00:00 to 01:00 on 2018-11-04 in São Paulo.
    #[test]
    fn a_day_without_midnight_starts_when_clocks_go_on() {
        let sao_paulo = TimeZone::posix("<-03>3<-02>,M11.1.0/0,M2.3.0/0").unwrap();
        let start = midnight(date(2018, 11, 4), &sao_paulo).unwrap();
        assert_eq!(day_of(start, &sao_paulo), Some(date(2018, 11, 4)));
        assert_eq!(day_of(start - 1, &sao_paulo), Some(date(2018, 11, 3)));
        assert_eq!(start, 1_541_300_400);
    }
}
