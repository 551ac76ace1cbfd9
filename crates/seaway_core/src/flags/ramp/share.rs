//! Shares of units.

use serde::{Serialize, Serializer};

/// A share of units, in thousandths of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u32);

impl Share {
    /// Into how many places units are spread: the sum of the weights of every ramp.
    pub const PLACES: u32 = 100_000;
    /// Nobody.
    pub const NONE: Self = Self(0);
    /// All.
    pub const ALL: Self = Self(Self::PLACES);

    /// The share of so many percent, 0 to 100; `None` outside of that, and where the percentage is
    /// finer than a thousandth.
    #[must_use]
    pub fn of_percent(percent: f64) -> Option<Self> {
        let places = percent * 1000.0;
        let whole = places.round();
        let usable = (0.0..=f64::from(Self::PLACES)).contains(&whole);
        // Within 0 and 100,000: the cast is exact.
        (usable && (places - whole).abs() < 1e-6).then_some(Self(whole as u32))
    }

    /// In percent.
    #[must_use]
    pub fn percent(self) -> f64 {
        f64::from(self.0) / 1000.0
    }

    /// How many of the places it has: its weight in `fractional`.
    #[must_use]
    pub fn places(self) -> u32 {
        self.0
    }
}

impl Serialize for Share {
    /// In percent, whole ones without a fraction.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(1000) {
            serializer.serialize_u32(self.0 / 1000)
        } else {
            serializer.serialize_f64(self.percent())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Share;

    #[test]
    fn every_share_survives_being_written() {
        for places in 0..=Share::PLACES {
            let share = Share(places);
            assert_eq!(Share::of_percent(share.percent()), Some(share));
            let text = serde_json::to_string(&share).unwrap();
            assert_eq!(Share::of_percent(text.parse().unwrap()), Some(share), "{text}");
        }
        assert_eq!(serde_json::to_string(&Share(12_500)).unwrap(), "12.5");
        assert_eq!(serde_json::to_string(&Share::ALL).unwrap(), "100");
    }

    #[test]
    fn what_is_no_share_is_none() {
        for percent in [-0.001, 100.001, 0.0005, f64::NAN, f64::INFINITY, 1e300, -1e300] {
            assert_eq!(Share::of_percent(percent), None, "{percent}");
        }
        assert_eq!(Share::of_percent(-0.0), Some(Share::NONE));
    }
}
