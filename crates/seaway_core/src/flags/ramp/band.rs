//! On which side of a comparison a unit is.

use super::share::Share;
use super::state::Reach;
use crate::flags::bucket::{Bucketing, place_of};
use crate::flags::ramp::plan::Audience;
use crate::flags::value::Value;

/// A side of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Band {
    /// Units that get the ramped variant, if no other rule of the flag decides for them.
    Treatment,
    /// As many that do not.
    Control,
}

/// How the units of a ramp are spread. All that tells on which side a unit is, once the plan fits the
/// flag: see [`super::Ramp::spread`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spread {
    pub(super) key: String,
    pub(super) salt: Option<String>,
    pub(super) bucketing: Bucketing,
}

impl Spread {
    /// How the units of the flag of this key are spread, with the salt of the plan.
    #[must_use]
    pub fn new(key: &str, salt: Option<&str>, bucketing: Bucketing) -> Self {
        Self { key: key.to_owned(), salt: salt.map(str::to_owned), bucketing }
    }

    /// The version of the hash.
    #[must_use]
    pub fn bucketing(&self) -> Bucketing {
        self.bucketing
    }

    /// The place of a unit, below [`Share::PLACES`]: the same as in the compiled definition. `None`
    /// without a name, which is nobody who could be compared.
    pub(super) fn place(&self, unit: &str) -> Option<u32> {
        if unit.is_empty() {
            return None;
        }
        let hash = match &self.salt {
            None => self.bucketing.of_unit(&self.key, unit),
            Some(salt) => {
                self.bucketing.of_value(&Value::made(&format!("{salt}{}{unit}", self.key)))
            }
        };
        hash.map(|hash| place_of(hash, Share::PLACES))
    }

    /// The band of a unit, where it is in one. Only among everyone are there bands: a team is too
    /// small to be compared with itself.
    #[must_use]
    pub fn band(&self, reach: Reach, unit: &str) -> Option<Band> {
        let Reach::Share(Audience::Everyone, share) = reach else { return None };
        let treated = share.places();
        let compared = treated.min(Share::PLACES - treated);
        let place = self.place(unit)?;
        if place < compared {
            Some(Band::Treatment)
        } else if place >= Share::PLACES - compared {
            Some(Band::Control)
        } else {
            None
        }
    }
}
