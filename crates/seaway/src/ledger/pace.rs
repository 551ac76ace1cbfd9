//! How the writer keeps pace with the one who follows the log.
//!
//! Writing takes less work than following. Where both share the processors of a machine, a flood of
//! events would be on the log long before it is in the reports. So when they fall behind, events
//! are written no faster than both can be done, and whoever sends them waits that much longer for
//! the answer. It is a bound on the rate, never a stop: nothing waits for somebody who follows no
//! more.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// Events that may be on the log and not in the reports before the rate is bounded: they take some
/// tenths of a second to follow.
const BEHIND_MAX: i64 = 12_000;
/// The bounded rate is one event in this time: 52,000 in a second, somewhat above what the design
/// asks of two processors.
const PER_EVENT: Duration = Duration::from_nanos(19_200);

/// The position that has been followed up to.
#[derive(Debug, Clone)]
pub(super) struct Followed(Arc<AtomicI64>);

impl Default for Followed {
    /// Nobody follows, so nothing is behind.
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(i64::MAX)))
    }
}

impl Followed {
    /// All up to a position is in the reports.
    pub(super) fn up_to(&self, position: i64) {
        self.0.store(position, Ordering::Relaxed);
    }

    fn is_behind(&self, newest: i64) -> bool {
        newest.saturating_sub(self.0.load(Ordering::Relaxed)) > BEHIND_MAX
    }
}

/// When the next events may be written.
#[derive(Debug)]
pub(super) struct Pace {
    followed: Followed,
    next: Option<Instant>,
}

impl Pace {
    pub(super) fn new(followed: Followed) -> Self {
        Self { followed, next: None }
    }

    /// How long the next events have to wait, `newest` being the newest position and `now` the
    /// moment.
    pub(super) fn pause(&mut self, newest: i64, now: Instant) -> Option<Duration> {
        if !self.followed.is_behind(newest) {
            self.next = None;
        }
        let pause = self.next?.saturating_duration_since(now);
        (!pause.is_zero()).then_some(pause)
    }

    /// So many events are written, beginning at a moment.
    pub(super) fn wrote(&mut self, events: usize, begun: Instant) {
        let takes = PER_EVENT.saturating_mul(u32::try_from(events).unwrap_or(u32::MAX));
        // What a pause took too long is made up for, what was idle time is not.
        let planned = self.next.filter(|&next| begun.saturating_duration_since(next) < takes);
        self.next = planned.unwrap_or(begun).checked_add(takes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Microseconds that the writer would wait before each of some groups, and in all, if writing
    /// itself took no time.
    fn pauses(pace: &mut Pace, newest: i64, groups: &[usize]) -> (Vec<u128>, Duration) {
        let begin = Instant::now();
        let mut now = begin;
        let pause = |&events: &usize| {
            let pause = pace.pause(newest, now).unwrap_or_default();
            now += pause;
            pace.wrote(events, now);
            pause.as_micros()
        };
        (groups.iter().map(pause).collect(), now - begin)
    }

    #[test]
    fn nothing_waits_for_nobody_or_for_a_few() {
        let followed = Followed::default();
        let mut pace = Pace::new(followed.clone());
        assert_eq!(pauses(&mut pace, i64::MAX, &[4_096; 9]).1, Duration::ZERO);
        followed.up_to(100);
        assert_eq!(pauses(&mut pace, 100 + BEHIND_MAX, &[4_096; 9]).1, Duration::ZERO);
    }

    #[test]
    fn who_is_behind_is_waited_for_at_a_bounded_rate() {
        let followed = Followed::default();
        followed.up_to(0);
        let mut pace = Pace::new(followed.clone());
        let (each, all) = pauses(&mut pace, BEHIND_MAX + 1, &[500, 1, 2_000, 500]);
        assert_eq!(each, [0, 9_600, 19, 38_400]);
        assert_eq!(all, PER_EVENT * 2_501);
        // As soon as the reports have caught up nothing waits, whatever was planned.
        followed.up_to(10_000);
        assert_eq!(pauses(&mut pace, BEHIND_MAX + 1, &[500]).1, Duration::ZERO);
    }

    #[test]
    fn idle_time_is_not_saved_up() {
        let followed = Followed::default();
        followed.up_to(0);
        let mut pace = Pace::new(followed);
        let begin = Instant::now();
        pace.wrote(1_000, begin);
        let later = begin + Duration::from_secs(60);
        assert_eq!(pace.pause(i64::MAX, later), None);
        pace.wrote(1_000, later);
        assert_eq!(pace.pause(i64::MAX, later), Some(PER_EVENT * 1_000));
    }

    #[test]
    fn a_late_start_is_made_up_for() {
        let followed = Followed::default();
        followed.up_to(0);
        let mut pace = Pace::new(followed);
        let begin = Instant::now();
        pace.wrote(1_000, begin);
        pace.wrote(1_000, begin + Duration::from_millis(20));
        let then = begin + Duration::from_millis(20);
        assert_eq!(pace.pause(i64::MAX, then), Some(PER_EVENT * 2_000 - Duration::from_millis(20)));
    }
}
