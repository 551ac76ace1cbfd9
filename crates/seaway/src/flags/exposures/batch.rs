//! Batches of exposures and of outcomes, as they stand on the log: one event each.
//!
//! Exposures are put together by what they have in common, so that one takes 15 bytes: the unit,
//! its position, and the moment within its hour. Those that repeat what is known already are told
//! by their number alone.

use super::audience::Audience;
use super::codec::{Damaged, Reader, Writer, u32_at, u64_at};
use std::collections::{BTreeMap, HashMap};

/// The kinds of the two events, and their source. `/events` takes neither from outside.
pub(crate) const EXPOSURES_KIND: &str = "dev.seaway.exposures";
pub(crate) const OUTCOMES_KIND: &str = "dev.seaway.outcomes";
pub(super) const SOURCE: &str = "seaway/exposures";
/// The media types of their data.
pub(super) const EXPOSURES_TYPE: &str = "application/vnd.seaway.exposures";
pub(super) const OUTCOMES_TYPE: &str = "application/vnd.seaway.outcomes";

/// What the data begin with.
const VERSION: u8 = 1;
const EXPOSURE_BYTES: usize = 15;
const OUTCOME_BYTES: usize = 19;
const HOUR_MILLIS: i64 = 3_600_000;
pub(super) const HOUR_SECONDS: u32 = 3_600;
/// The last hour whose seconds since 1970 fit into 32 bits.
const HOUR_MAX: u32 = u32::MAX / HOUR_SECONDS - 1;

/// A unit as it is known here: the first eight bytes of its HMAC, and where it falls for a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Placed {
    pub(super) unit: u64,
    /// `seaway_core::flags::position`.
    pub(super) position: u32,
}

/// A side of the comparison of a ramp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    Treatment,
    Control,
}

/// What exposures have to do with the ramp of their flag, as whoever takes them in knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Tag {
    /// The revision with which the attempt began that was under way then; 0 for none.
    pub(super) attempt: u64,
    /// What was served then, and had been for a while: the number of the turn in the attempt; 0 where
    /// clients may not have learned of it yet.
    pub(super) turn: u16,
    /// The side that their units were on.
    pub(super) side: Option<Side>,
}

/// What exposures of a group have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Series<'a> {
    pub(super) environment: &'a str,
    pub(super) flag: &'a str,
    pub(super) variant: &'a str,
    pub(super) audience: Audience,
    pub(super) tag: Tag,
}

impl Tag {
    fn write(self, writer: &mut Writer) {
        let side = match self.side {
            None => 0,
            Some(Side::Treatment) => 1,
            Some(Side::Control) => 2,
        };
        writer.number(self.attempt).number(self.turn.into()).byte(side);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let (attempt, turn) = (reader.number()?, reader.small()?);
        let side = match reader.byte()? {
            0 => None,
            1 => Some(Side::Treatment),
            2 => Some(Side::Control),
            _ => return Err(Damaged("there is no such side")),
        };
        Ok(Self { attempt, turn, side })
    }
}

/// A moment: the hour since 1970, and the milliseconds within it.
fn hour_of(micros: i64) -> (u32, u32) {
    let millis = micros.div_euclid(1_000).max(0);
    let hour = u32::try_from(millis / HOUR_MILLIS).unwrap_or(HOUR_MAX).min(HOUR_MAX);
    (hour, (millis % HOUR_MILLIS) as u32)
}

/// Texts, each once.
#[derive(Debug, Default)]
struct Names {
    all: Vec<Box<str>>,
    numbers: HashMap<Box<str>, u32>,
}

impl Names {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.all.push(name.into());
        self.numbers.insert(name.into(), number);
        number
    }

    fn write(&self, writer: &mut Writer) {
        writer.number(self.all.len() as u64);
        for name in &self.all {
            writer.text(name);
        }
    }
}

fn read_names<'a>(reader: &mut Reader<'a>) -> Result<Vec<&'a str>, Damaged> {
    (0..reader.count(1)?).map(|_| reader.text()).collect()
}

fn name<'a>(names: &[&'a str], reader: &mut Reader<'a>) -> Result<&'a str, Damaged> {
    let number: usize = reader.small()?;
    names.get(number).copied().ok_or(Damaged("there is no such name"))
}

/// Environment, flag and variant by their numbers, audience, tag, hour.
type Key = (u32, u32, u32, Audience, Tag, u32);

#[derive(Debug, Default)]
struct Group {
    /// All exposures, with those that have no row.
    received: u64,
    first: u32,
    last: u32,
    rows: Vec<(Placed, u32)>,
}

/// Exposures that are put together for the log.
#[derive(Debug, Default)]
pub(super) struct Exposures {
    names: Names,
    groups: BTreeMap<Key, Group>,
    count: usize,
}

impl Exposures {
    /// How many were added.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Adds one. Without a unit it is one of a unit that is known already, or of nobody who can be
    /// told from others: it only counts.
    pub(super) fn add(&mut self, series: &Series<'_>, micros: i64, unit: Option<Placed>) {
        let (hour, millis) = hour_of(micros);
        let Self { names, groups, count } = self;
        let [environment, flag, variant] =
            [series.environment, series.flag, series.variant].map(|name| names.number(name));
        let key = (environment, flag, variant, series.audience, series.tag, hour);
        let new = || Group { first: millis, last: millis, ..Group::default() };
        let group = groups.entry(key).or_insert_with(new);
        group.received += 1;
        group.first = group.first.min(millis);
        group.last = group.last.max(millis);
        group.rows.extend(unit.map(|unit| (unit, millis)));
        *count += 1;
    }

    /// The data of its event.
    pub(super) fn encode(self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.names.write(writer.byte(VERSION));
        writer.number(self.groups.len() as u64);
        for (key, mut group) in self.groups {
            let (environment, flag, variant, audience, tag, hour) = key;
            for number in [environment, flag, variant] {
                writer.number(number.into());
            }
            tag.write(writer.byte(audience.index() as u8));
            writer.number(hour.into());
            writer.number(group.received).number(group.first.into()).number(group.last.into());
            // Of one unit only the first is of use.
            group.rows.sort_unstable();
            group.rows.dedup_by_key(|(unit, _)| unit.unit);
            writer.number(group.rows.len() as u64);
            for (Placed { unit, position }, millis) in group.rows {
                writer.0.extend_from_slice(&unit.to_le_bytes());
                writer.0.extend_from_slice(&position.to_le_bytes());
                writer.0.extend_from_slice(&millis.to_le_bytes()[..3]);
            }
        }
        writer.0
    }
}

/// Exposures that have much in common, as they were read from the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct ExposureGroup<'a> {
    pub(super) series: Series<'a>,
    /// Hours since 1970.
    pub(super) hour: u32,
    pub(super) received: u64,
    /// The first and the last one, Unix milliseconds.
    pub(super) span: [i64; 2],
    rows: &'a [u8],
}

impl<'a> ExposureGroup<'a> {
    /// Units that may be new, and when, in seconds since 1970.
    pub(super) fn rows(&self) -> impl ExactSizeIterator<Item = (Placed, u32)> + use<'a> {
        let hour = self.hour;
        self.rows.chunks_exact(EXPOSURE_BYTES).map(move |row| {
            let placed = Placed { unit: u64_at(row, 0), position: u32_at(row, 8) };
            (placed, second(hour, [row[12], row[13], row[14]]))
        })
    }
}

fn second(hour: u32, [a, b, c]: [u8; 3]) -> u32 {
    hour * HOUR_SECONDS + (u32::from_le_bytes([a, b, c, 0]) / 1_000).min(HOUR_SECONDS - 1)
}

fn hour(reader: &mut Reader<'_>) -> Result<u32, Damaged> {
    let hour = reader.small()?;
    if hour <= HOUR_MAX { Ok(hour) } else { Err(Damaged("an hour is beyond 2106")) }
}

fn version(reader: &mut Reader<'_>) -> Result<(), Damaged> {
    match reader.byte()? {
        VERSION => Ok(()),
        _ => Err(Damaged("they have a version that this program does not know")),
    }
}

fn rows<'a>(reader: &mut Reader<'a>, bytes: usize) -> Result<&'a [u8], Damaged> {
    let count = reader.count(bytes)?;
    reader.bytes(count * bytes)
}

/// Reads the data of an event of exposures.
///
/// # Errors
/// They are damaged.
pub(super) fn read_exposures(data: &[u8]) -> Result<Vec<ExposureGroup<'_>>, Damaged> {
    let mut reader = Reader(data);
    version(&mut reader)?;
    let names = read_names(&mut reader)?;
    let mut groups = Vec::new();
    for _ in 0..reader.count(12)? {
        let [environment, flag, variant] =
            [name(&names, &mut reader)?, name(&names, &mut reader)?, name(&names, &mut reader)?];
        let audience =
            Audience::of_index(reader.byte()?).ok_or(Damaged("there is no such audience"))?;
        let tag = Tag::read(&mut reader)?;
        let hour = hour(&mut reader)?;
        let received = reader.number()?;
        let begin = i64::from(hour) * HOUR_MILLIS;
        let span =
            [begin + i64::from(reader.small::<u32>()?), begin + i64::from(reader.small::<u32>()?)];
        let rows = rows(&mut reader, EXPOSURE_BYTES)?;
        let series = Series { environment, flag, variant, audience, tag };
        groups.push(ExposureGroup { series, hour, received, span, rows });
    }
    reader.end()?;
    Ok(groups)
}

type OutcomeRow = (u64, u32, f64);

/// Outcomes that are put together for the log.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    names: Names,
    /// By environment, metric and hour: units, milliseconds and values.
    groups: BTreeMap<(u32, u32, u32), Vec<OutcomeRow>>,
    count: usize,
}

impl Outcomes {
    /// How many were added.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Adds one: what a metric was for a unit at a moment (Unix microseconds).
    pub(super) fn add(
        &mut self,
        environment: &str,
        metric: &str,
        unit: u64,
        micros: i64,
        value: f64,
    ) {
        let (hour, millis) = hour_of(micros);
        let key = (self.names.number(environment), self.names.number(metric), hour);
        self.groups.entry(key).or_default().push((unit, millis, value));
        self.count += 1;
    }

    /// The data of its event.
    pub(super) fn encode(self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.names.write(writer.byte(VERSION));
        writer.number(self.groups.len() as u64);
        for ((environment, metric, hour), rows) in self.groups {
            writer.number(environment.into()).number(metric.into()).number(hour.into());
            writer.number(rows.len() as u64);
            for (unit, millis, value) in rows {
                writer.0.extend_from_slice(&unit.to_le_bytes());
                writer.0.extend_from_slice(&millis.to_le_bytes()[..3]);
                writer.0.extend_from_slice(&value.to_le_bytes());
            }
        }
        writer.0
    }
}

/// Outcomes of one metric within an hour, as they were read from the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct OutcomeGroup<'a> {
    pub(super) environment: &'a str,
    pub(super) metric: &'a str,
    hour: u32,
    rows: &'a [u8],
}

impl<'a> OutcomeGroup<'a> {
    /// Units, when (seconds since 1970), and values.
    pub(super) fn rows(&self) -> impl ExactSizeIterator<Item = (u64, u32, f64)> + use<'a> {
        let hour = self.hour;
        self.rows.chunks_exact(OUTCOME_BYTES).map(move |row| {
            let second = second(hour, [row[8], row[9], row[10]]);
            (u64_at(row, 0), second, f64::from_bits(u64_at(row, 11)))
        })
    }
}

/// Reads the data of an event of outcomes.
///
/// # Errors
/// They are damaged.
pub(super) fn read_outcomes(data: &[u8]) -> Result<Vec<OutcomeGroup<'_>>, Damaged> {
    let mut reader = Reader(data);
    version(&mut reader)?;
    let names = read_names(&mut reader)?;
    let mut groups = Vec::new();
    for _ in 0..reader.count(4)? {
        let [environment, metric] = [name(&names, &mut reader)?, name(&names, &mut reader)?];
        let hour = hour(&mut reader)?;
        let rows = rows(&mut reader, OUTCOME_BYTES)?;
        groups.push(OutcomeGroup { environment, metric, hour, rows });
    }
    reader.end()?;
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_790_000_000_123_456;

    fn series(flag: &str) -> Series<'_> {
        let environment = "production";
        let (audience, tag) = (Audience::Unknown, Tag::default());
        Series { environment, flag, variant: "on", audience, tag }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut batch = Exposures::default();
        for unit in (0..1_000).rev() {
            let placed = Placed { unit, position: unit as u32 * 7 };
            batch.add(&series("a"), NOW + unit as i64 * 1_000, Some(placed));
        }
        batch.add(&series("a"), NOW - 5_000, None);
        batch.add(&series("a"), NOW + 5_000_000, Some(Placed { unit: 3, position: 21 }));
        let tag = Tag { attempt: 7, turn: 1_000, side: Some(Side::Control) };
        let released = Series { audience: Audience::Team, tag, ..series("b") };
        batch.add(&released, NOW, Some(Placed { unit: u64::MAX, position: u32::MAX }));
        assert_eq!(batch.len(), 1_003);
        let data = batch.encode();
        assert!(data.len() < 1_003 * EXPOSURE_BYTES + 80, "{}", data.len());
        let groups = read_exposures(&data).unwrap();
        assert_eq!(groups.iter().map(|it| it.series).collect::<Vec<_>>(), [series("a"), released]);
        assert_eq!(groups[0].received, 1_002);
        assert_eq!(groups[0].span, [(NOW - 5_000) / 1_000, (NOW + 5_000_000) / 1_000]);
        let rows: Vec<_> = groups[0].rows().collect();
        assert_eq!(rows.len(), 1_000, "one for each unit, the first");
        assert_eq!(rows[3], (Placed { unit: 3, position: 21 }, 1_790_000_000));
        let last = groups[1].rows().next().unwrap();
        assert_eq!(last.0, Placed { unit: u64::MAX, position: u32::MAX });
    }

    #[test]
    fn outcomes_that_are_written_are_read() {
        let mut batch = Outcomes::default();
        for (unit, value) in [(1, 0.0), (2, -1.5), (1, 1.0)] {
            batch.add("production", "errors", unit, NOW, value);
        }
        batch.add("staging", "errors", 1, NOW - 3_600_000_000, f64::MAX);
        assert_eq!(batch.len(), 4);
        let data = batch.encode();
        let groups = read_outcomes(&data).unwrap();
        assert_eq!((groups[0].environment, groups[0].metric), ("production", "errors"));
        let rows: Vec<_> = groups[0].rows().collect();
        assert_eq!(
            rows,
            [(1, 1_790_000_000, 0.0), (2, 1_790_000_000, -1.5), (1, 1_790_000_000, 1.0)]
        );
        assert_eq!(groups[1].rows().next(), Some((1, 1_789_996_400, f64::MAX)));
    }

    #[test]
    fn moments_that_no_clock_tells_are_within_bounds() {
        let mut batch = Exposures::default();
        for micros in [i64::MIN, -1, 0, i64::MAX] {
            batch.add(&series("a"), micros, Some(Placed { unit: 1, position: 1 }));
        }
        let data = batch.encode();
        let groups = read_exposures(&data).unwrap();
        assert_eq!(groups.iter().map(|it| it.hour).collect::<Vec<_>>(), [0, HOUR_MAX]);
        assert!(groups.iter().all(|group| group.rows().count() == 1));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, begin in 0_u8..3) {
            let bytes = [&[begin][..], &bytes].concat();
            for group in read_exposures(&bytes).unwrap_or_default() {
                prop_assert!(group.rows().count() <= bytes.len());
            }
            for group in read_outcomes(&bytes).unwrap_or_default() {
                prop_assert!(group.rows().count() <= bytes.len());
            }
        }

        #[test]
        fn damage_is_found_or_harmless(at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
            let mut batch = Exposures::default();
            for unit in 0..20 {
                batch.add(&series("a"), NOW, Some(Placed { unit, position: 0 }));
            }
            let mut data = batch.encode();
            let at = at.index(data.len());
            data[at] = byte;
            for group in read_exposures(&data).unwrap_or_default() {
                prop_assert!(group.rows().count() <= 20);
            }
            data.truncate(cut.index(data.len()));
            prop_assert!(read_exposures(&data).is_err());
        }
    }
}
