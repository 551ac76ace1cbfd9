//! How often somebody may fail, and how much somebody may ask.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

/// Seconds in which failures are counted together.
const WINDOW: i64 = 60;
/// Addresses whose failures are counted each by itself. All others are counted together, up to
/// [`SHARED`] times as many, so that the table does not grow with those who attack.
const ADDRESSES_MAX: usize = 10_000;
const SHARED: u32 = 100;
/// Tokens whose requests are counted.
const TOKENS_MAX: usize = 10_000;

/// A count that begins anew with each window of time.
#[derive(Debug, Default, Clone, Copy)]
struct Count {
    since: i64,
    count: u32,
}

impl Count {
    /// The count at a moment, for windows of so many seconds. A clock that is set back begins a
    /// new window.
    fn at(&mut self, now: i64, window: i64) -> &mut u32 {
        if !(self.since..self.since.saturating_add(window)).contains(&now) {
            *self = Self { since: now, count: 0 };
        }
        &mut self.count
    }

    /// Whether its window is over.
    fn is_over(&self, now: i64, window: i64) -> bool {
        !(self.since..self.since.saturating_add(window)).contains(&now)
    }
}

/// Failed authentications by address. Moments are Unix seconds.
#[derive(Debug)]
pub(crate) struct Failures {
    max: u32,
    by_address: HashMap<IpAddr, Count>,
    others: Count,
}

impl Failures {
    /// At most so many a minute.
    pub(crate) fn at_most(max: u32) -> Self {
        Self { max, by_address: HashMap::new(), others: Count::default() }
    }

    /// Seconds until an address may try again; `None` if it may now.
    pub(crate) fn wait(&mut self, address: IpAddr, now: i64) -> Option<u64> {
        let (max, has_room) = (self.max, self.by_address.len() < ADDRESSES_MAX);
        let (count, max) = match self.by_address.get_mut(&block(address)) {
            Some(count) => (count, max),
            None if has_room => return None,
            None => (&mut self.others, max.saturating_mul(SHARED)),
        };
        let is_full = *count.at(now, WINDOW) >= max;
        is_full.then(|| u64::try_from(count.since + WINDOW - now).unwrap_or(1).max(1))
    }

    /// Counts a failure.
    pub(crate) fn add(&mut self, address: IpAddr, now: i64) {
        let address = block(address);
        if !self.by_address.contains_key(&address) && self.by_address.len() >= ADDRESSES_MAX {
            self.by_address.retain(|_, count| !count.is_over(now, WINDOW));
        }
        let is_known = self.by_address.contains_key(&address);
        let count = match is_known || self.by_address.len() < ADDRESSES_MAX {
            true => self.by_address.entry(address).or_default(),
            false => &mut self.others,
        };
        let count = count.at(now, WINDOW);
        *count = count.saturating_add(1);
    }
}

/// What one customer of a network has: an address of IPv4, or the 2^64 addresses of IPv6 that come
/// together.
fn block(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

/// Requests by token within a second.
#[derive(Debug)]
pub(crate) struct Rates {
    max: u32,
    by_token: HashMap<String, Count>,
}

impl Rates {
    /// At most so many a second; 0: as many as anybody likes.
    pub(crate) fn at_most(max: u32) -> Self {
        Self { max, by_token: HashMap::new() }
    }

    /// Counts a request of a token at a moment (Unix seconds); tells whether it is one too many.
    pub(crate) fn is_too_many(&mut self, token: &str, now: i64) -> bool {
        if self.max == 0 {
            return false;
        }
        if self.by_token.len() >= TOKENS_MAX {
            self.by_token.retain(|_, count| !count.is_over(now, 1));
        }
        let count = match self.by_token.get_mut(token) {
            Some(count) => count,
            None => self.by_token.entry(token.to_owned()).or_default(),
        };
        let count = count.at(now, 1);
        *count = count.saturating_add(1);
        *count > self.max
    }
}

/// At most so many a minute, whoever it is.
#[derive(Debug)]
pub(crate) struct PerMinute {
    max: u32,
    count: Count,
}

impl PerMinute {
    pub(crate) fn at_most(max: u32) -> Self {
        Self { max, count: Count::default() }
    }

    /// Counts one at a moment (Unix seconds); tells whether there was room for it.
    pub(crate) fn has_room(&mut self, now: i64) -> bool {
        let count = self.count.at(now, WINDOW);
        *count = count.saturating_add(1);
        *count <= self.max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn who_fails_too_often_waits_for_the_end_of_the_minute() {
        let (mut failures, one) = (Failures::at_most(3), address("192.0.2.1"));
        for _ in 0..3 {
            assert_eq!(failures.wait(one, 100), None);
            failures.add(one, 100);
        }
        assert_eq!(failures.wait(one, 100), Some(60));
        assert_eq!(failures.wait(one, 159), Some(1));
        assert_eq!(failures.wait(address("192.0.2.2"), 159), None);
        assert_eq!(failures.wait(one, 160), None);
        // A clock that is set back locks nobody out for good.
        failures.add(one, 160);
        assert_eq!(failures.wait(one, 10), None);
    }

    #[test]
    fn addresses_that_come_together_are_counted_together() {
        let mut failures = Failures::at_most(1);
        failures.add(address("2001:db8::1"), 0);
        assert!(failures.wait(address("2001:db8::ffff:1"), 1).is_some());
        assert!(failures.wait(address("2001:db8:0:1::1"), 1).is_none());
        failures.add(address("::ffff:192.0.2.1"), 0);
        assert!(failures.wait(address("192.0.2.1"), 1).is_some());
    }

    #[test]
    fn the_table_is_bounded_whoever_attacks() {
        let mut failures = Failures::at_most(2);
        let all = |n: u32| IpAddr::from(std::net::Ipv4Addr::from(n));
        for n in 0..50_000 {
            failures.add(all(n), 100);
        }
        assert_eq!(failures.by_address.len(), ADDRESSES_MAX);
        assert!(failures.wait(all(49_999), 100).is_some(), "the others share a bound");
        // When their minute is over, there is room again.
        failures.add(all(60_000), 200);
        assert_eq!(failures.by_address.len(), 1);
        assert!(failures.wait(all(49_999), 200).is_none());
    }

    #[test]
    fn requests_are_counted_by_token_and_second() {
        let mut rates = Rates::at_most(2);
        let seen = ["a", "a", "b", "a"].map(|token| rates.is_too_many(token, 5));
        assert_eq!(seen, [false, false, false, true]);
        assert!(!rates.is_too_many("a", 6));
        assert!(!Rates::at_most(0).is_too_many("a", 6));
    }

    #[test]
    fn what_is_told_of_failures_is_bounded() {
        let mut told = PerMinute::at_most(2);
        assert_eq!([0, 1, 2, 60].map(|now| told.has_room(now)), [true, true, false, true]);
    }
}
