//! What is sent, checked item by item and put together for the log.

use super::Shared;
use super::audience::Audience;
use super::batch::{
    EXPOSURES_KIND, EXPOSURES_TYPE, Exposures, OUTCOMES_KIND, OUTCOMES_TYPE, Outcomes, Placed,
    SOURCE, Series,
};
use super::state::State;
use super::unit::UNIT_BYTES_MAX;
use crate::ledger::{self, Event, Refusal};
use crate::problem::Problem;
use seaway_core::flags::position;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::RwLockReadGuard;

/// Items of a batch.
pub(super) const ITEMS_MAX: usize = 100_000;
/// The longest key of a flag, and the longest name of a variant or a metric, in bytes.
const NAME_BYTES_MAX: usize = 256;
/// How far ahead of this server's clock a sender's may be: what is later is refused, and what is
/// ahead within that counts as now.
const AHEAD_MAX: i64 = 3_600_000_000;
/// How late something may come, in microseconds.
const LATE_MAX: i64 = 31 * 86_400_000_000;
/// Items after which others may have the state.
const ITEMS_AT_ONCE: usize = 1_000;

/// An exposure as it was sent.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Exposure<'a> {
    pub(super) environment: Option<&'a str>,
    pub(super) flag: &'a str,
    pub(super) variant: &'a str,
    pub(super) unit: Option<&'a str>,
    pub(super) audience: Option<Audience>,
    /// Unix microseconds.
    pub(super) time: Option<i64>,
}

/// An outcome as it was sent.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Outcome<'a> {
    pub(super) environment: Option<&'a str>,
    pub(super) unit: &'a str,
    pub(super) metric: &'a str,
    pub(super) value: f64,
    /// Unix microseconds.
    pub(super) time: Option<i64>,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// Items that are on the log now.
    pub(super) accepted: usize,
    /// Items of a batch that was sent before.
    pub(super) known: usize,
    /// The newest place on the log that they have.
    pub(super) position: Option<i64>,
}

/// Items of one request.
pub(super) struct Intake<'s> {
    shared: &'s Shared,
    state: Option<RwLockReadGuard<'s, State>>,
    now: i64,
    items: usize,
    exposures: Exposures,
    outcomes: Outcomes,
    /// Whether an item has no time of its own: sent again, it is another one.
    has_timeless: bool,
}

/// What is to be put on the log.
pub(super) struct Batch {
    exposures: Exposures,
    outcomes: Outcomes,
    /// What names it: the same request has the same name.
    id: String,
    now: i64,
}

/// Why an item is not taken.
pub(super) type Wrong = std::borrow::Cow<'static, str>;

fn check_name(name: &str, what: &'static str) -> Result<(), Wrong> {
    if name.is_empty() {
        return Err(format!("the {what} is empty").into());
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(format!("the {what} is longer than {NAME_BYTES_MAX} bytes").into());
    }
    match name.chars().any(char::is_control) {
        true => Err(format!("the {what} has control characters in it").into()),
        false => Ok(()),
    }
}

fn check_unit(unit: &str) -> Result<(), Wrong> {
    match unit.len() {
        0 => Err("the unit is empty".into()),
        1..=UNIT_BYTES_MAX => Ok(()),
        _ => Err(format!("the unit is longer than {UNIT_BYTES_MAX} bytes").into()),
    }
}

/// Whether it is a name that an environment can have.
pub(super) fn is_environment(name: &str) -> bool {
    let is_letter = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit();
    (1..=63).contains(&name.len())
        && name.bytes().next().is_some_and(is_letter)
        && name.bytes().all(|it| is_letter(it) || it == b'-')
}

fn environment(name: Option<&str>) -> Result<&str, Wrong> {
    let name = name.ok_or("no environment is told")?;
    match is_environment(name) {
        true => Ok(name),
        false => Err("the environment is not of 1 to 63 of a to z, 0 to 9 and -".into()),
    }
}

impl<'s> Intake<'s> {
    pub(super) fn new(shared: &'s Shared, now: i64) -> Self {
        Self {
            shared,
            state: None,
            now,
            items: 0,
            exposures: Exposures::default(),
            outcomes: Outcomes::default(),
            has_timeless: false,
        }
    }

    fn state(&mut self) -> &RwLockReadGuard<'s, State> {
        if self.items.is_multiple_of(ITEMS_AT_ONCE) {
            self.state = None;
        }
        self.items += 1;
        self.state.get_or_insert_with(|| self.shared.read())
    }

    fn time(&mut self, told: Option<i64>) -> Result<i64, Wrong> {
        let Some(told) = told else {
            self.has_timeless = true;
            return Ok(self.now);
        };
        if told > self.now.saturating_add(AHEAD_MAX) {
            return Err("the time is more than an hour ahead".into());
        }
        if told < self.now.saturating_sub(LATE_MAX) {
            return Err("the time is more than 31 days ago".into());
        }
        Ok(told.min(self.now))
    }

    /// Adds an exposure.
    ///
    /// # Errors
    /// Why it is not taken, for people.
    pub(super) fn expose(&mut self, sent: &Exposure<'_>) -> Result<(), Wrong> {
        let environment = environment(sent.environment)?;
        check_name(sent.flag, "flag")?;
        check_name(sent.variant, "variant")?;
        sent.unit.map_or(Ok(()), check_unit)?;
        let time = self.time(sent.time)?;
        let placed = sent.unit.map(|unit| Placed {
            unit: self.shared.key.unit(environment, unit),
            position: position(sent.flag, unit),
        });
        let state = self.state();
        let place = state.place(environment, sent.flag, sent.variant);
        if let Some(why) = state.refuses(&place) {
            return Err(why.into());
        }
        let audience = sent.audience.or_else(|| place.audience(sent.variant, time));
        let series = Series {
            environment,
            flag: sent.flag,
            variant: sent.variant,
            audience: audience.unwrap_or(Audience::Unknown),
            tag: place.tag(sent.unit, time),
        };
        let second = u32::try_from(time.div_euclid(1_000_000)).unwrap_or(0);
        let new = placed.filter(|it| !place.is_known(it.unit, second, series.tag));
        self.exposures.add(&series, time, new);
        Ok(())
    }

    /// Adds an outcome.
    ///
    /// # Errors
    /// Why it is not taken, for people.
    pub(super) fn conclude(&mut self, sent: &Outcome<'_>) -> Result<(), Wrong> {
        let environment = environment(sent.environment)?;
        check_unit(sent.unit)?;
        check_name(sent.metric, "metric")?;
        if !sent.value.is_finite() {
            return Err("the value is not a finite number".into());
        }
        let time = self.time(sent.time)?;
        let unit = self.shared.key.unit(environment, sent.unit);
        if !self.state().takes_metric(environment, sent.metric) {
            return Err("there are too many metrics".into());
        }
        self.outcomes.add(environment, sent.metric, unit, time, sent.value);
        Ok(())
    }

    /// What is to be put on the log, named by the request: `sent` are all parts of it that say what
    /// it means.
    ///
    /// # Errors
    /// The operating system has no randomness to give.
    pub(super) fn done(self, sent: &[&[u8]]) -> Result<Batch, Problem> {
        let mut hash = Sha256::new();
        for part in sent {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        if self.has_timeless {
            hash.update(random::<16>()?);
        }
        let id = hex(&hash.finalize()[..16]);
        let Self { exposures, outcomes, now, .. } = self;
        Ok(Batch { exposures, outcomes, id, now })
    }
}

impl Batch {
    /// A batch that nobody sends again.
    ///
    /// # Errors
    /// The operating system has no randomness to give.
    pub(super) fn of_own(exposures: Exposures, now: i64) -> Result<Self, Problem> {
        Ok(Self { exposures, outcomes: Outcomes::default(), id: hex(&random::<16>()?), now })
    }

    /// Its events, with the numbers of items in them.
    pub(super) fn events(self) -> Vec<(Event, usize)> {
        let Self { exposures, outcomes, id, now } = self;
        let counts = [exposures.len(), outcomes.len()];
        let event = |kind: &str, what: &str, content_type: &str, data: Vec<u8>| Event {
            source: SOURCE.to_owned(),
            id: format!("{what}/{id}"),
            kind: kind.to_owned(),
            subject: None,
            time: Some(now),
            content_type: content_type.to_owned(),
            extensions: BTreeMap::new(),
            data: data.into(),
        };
        let all = [
            (counts[0] > 0)
                .then(|| event(EXPOSURES_KIND, "exposures", EXPOSURES_TYPE, exposures.encode())),
            (counts[1] > 0)
                .then(|| event(OUTCOMES_KIND, "outcomes", OUTCOMES_TYPE, outcomes.encode())),
        ];
        all.into_iter().zip(counts).filter_map(|(event, count)| Some((event?, count))).collect()
    }
}

impl Shared {
    /// Puts a batch on the log, and answers when it is durable.
    pub(super) async fn append(&self, batch: Batch) -> Result<Taken, Refusal> {
        let now = batch.now;
        let events = tokio::task::block_in_place(|| batch.events());
        self.append_events(events, now).await
    }

    /// Puts the events of a batch on the log.
    pub(super) async fn append_events(
        &self,
        events: Vec<(Event, usize)>,
        now: i64,
    ) -> Result<Taken, Refusal> {
        let (events, counts): (Vec<_>, Vec<_>) = events.into_iter().unzip();
        let outcomes = self.ledger.append(events, now).await?;
        let mut taken = Taken::default();
        for (outcome, count) in outcomes.into_iter().zip(counts) {
            match outcome {
                ledger::Outcome::New(position) => {
                    taken.accepted += count;
                    taken.position = taken.position.max(Some(position));
                }
                ledger::Outcome::Known => taken.known += count,
            }
        }
        Ok(taken)
    }
}

fn random<const BYTES: usize>() -> Result<[u8; BYTES], Problem> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|error| {
        tracing::error!(%error, "the operating system has no randomness to give");
        Problem::failed("the operating system has no randomness to give")
    })?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
