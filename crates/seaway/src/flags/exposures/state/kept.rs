//! A state as it is kept in the database, in parts: one for each flag and metric, and one for each
//! piece of its units. Only parts that have changed are written.

use super::attempt::Attempt;
use super::flag::{Count, Flag, Hour, Span, Variant};
use super::metric::Metric;
use super::{Limits, State};
use crate::flags::exposures::codec::{Damaged, Reader, Writer};

/// Changes whenever parts are written in another way: older ones are computed anew from the log.
pub(in crate::flags::exposures) const FORMAT: i64 = 2;

/// What a part is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::flags::exposures) enum Kind {
    Flag,
    Metric,
}

impl Kind {
    /// As it is kept.
    pub(in crate::flags::exposures) fn number(self) -> i64 {
        match self {
            Self::Flag => 0,
            Self::Metric => 1,
        }
    }
}

/// A part that has changed.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::flags::exposures) struct Part {
    pub(in crate::flags::exposures) kind: Kind,
    /// The number of the flag or the metric.
    pub(in crate::flags::exposures) number: usize,
    /// 0 for itself, then its units.
    pub(in crate::flags::exposures) part: usize,
    pub(in crate::flags::exposures) body: Vec<u8>,
}

/// What has changed since it was taken before.
#[derive(Debug)]
pub(in crate::flags::exposures) struct Kept {
    pub(in crate::flags::exposures) position: i64,
    pub(in crate::flags::exposures) parts: Vec<Part>,
    /// Of flags and metrics that have changed, how many parts there are: others are to be deleted.
    pub(in crate::flags::exposures) counts: Vec<(Kind, usize, usize)>,
}

impl State {
    /// Takes what has changed since the last time.
    pub(in crate::flags::exposures) fn take_changes(&mut self) -> Kept {
        let mut kept = Kept { position: self.position, parts: Vec::new(), counts: Vec::new() };
        for (number, flag) in self.flags.iter_mut().enumerate() {
            if std::mem::take(&mut flag.is_dirty) {
                kept.add(Kind::Flag, number, write_flag(flag), flag.exposed.take_dirty());
            }
        }
        for (number, metric) in self.metrics.iter_mut().enumerate() {
            if std::mem::take(&mut metric.is_dirty) {
                kept.add(Kind::Metric, number, write_metric(metric), metric.failed.take_dirty());
            }
        }
        kept
    }

    /// All counts as changed: what is kept may be of another server, or older.
    pub(in crate::flags::exposures) fn soil(&mut self) {
        for flag in &mut self.flags {
            flag.is_dirty = true;
            flag.exposed.soil();
        }
        for metric in &mut self.metrics {
            metric.is_dirty = true;
            metric.failed.soil();
        }
    }

    /// Begins to read a state that was kept.
    pub(in crate::flags::exposures) fn at(limits: Limits, position: i64) -> Self {
        Self { position, ..Self::new(limits) }
    }

    /// Reads a part. They come by kind, by number and in order.
    ///
    /// # Errors
    /// It is damaged, or not the next one.
    pub(in crate::flags::exposures) fn read_part(
        &mut self,
        kind: i64,
        number: i64,
        part: i64,
        body: &[u8],
    ) -> Result<(), Damaged> {
        // A part of units belongs to the one that was read last.
        let is_next =
            |count: usize| number == i64::try_from(count).unwrap_or(i64::MAX) - i64::from(part > 0);
        match kind {
            0 if part == 0 && is_next(self.flags.len()) => {
                let flag = read_flag(body)?;
                self.newest = self.newest.max(flag.newest);
                let environment = self.environments.entry(flag.environment.clone()).or_default();
                environment.flags.insert(flag.key.clone(), self.flags.len());
                if flag.is_ramping() {
                    self.ramping.push(self.flags.len());
                }
                self.flags.push(flag);
            }
            0 if is_next(self.flags.len()) => {
                let last = self.flags.last_mut().ok_or(ORDER)?;
                let before = last.exposed.len();
                last.exposed.read_piece(body)?;
                self.exposed += last.exposed.len() - before;
            }
            1 if part == 0 && is_next(self.metrics.len()) => {
                let metric = read_metric(body)?;
                let environment = self.environments.entry(metric.environment.clone()).or_default();
                environment.metrics.insert(metric.name.clone(), self.metrics.len());
                self.tell_ramps(&metric.environment, &metric.name, self.metrics.len());
                self.metrics.push(metric);
            }
            1 if is_next(self.metrics.len()) => {
                let last = self.metrics.last_mut().ok_or(ORDER)?;
                let before = last.failed.len();
                last.failed.read_piece(body)?;
                self.failed += last.failed.len() - before;
            }
            _ => return Err(ORDER),
        }
        Ok(())
    }
}

const ORDER: Damaged = Damaged("a part is missing");

impl Kept {
    fn add(
        &mut self,
        kind: Kind,
        number: usize,
        body: Vec<u8>,
        (pieces, count): (Vec<(usize, Vec<u8>)>, usize),
    ) {
        self.parts.push(Part { kind, number, part: 0, body });
        let part = |(at, body)| Part { kind, number, part: at + 1, body };
        self.parts.extend(pieces.into_iter().map(part));
        self.counts.push((kind, number, count + 1));
    }
}

fn write_span(writer: &mut Writer, span: Option<Span>) {
    match span {
        None => {
            writer.byte(0);
        }
        Some(Span { first, last, received }) => {
            writer.byte(1).signed(first).signed(last).number(received);
        }
    }
}

fn read_span(reader: &mut Reader<'_>) -> Result<Option<Span>, Damaged> {
    match reader.byte()? {
        0 => Ok(None),
        _ => Ok(Some(Span {
            first: reader.signed()?,
            last: reader.signed()?,
            received: reader.number()?,
        })),
    }
}

fn write_flag(flag: &Flag) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.text(&flag.environment).text(&flag.key);
    writer.number(flag.in_two).number(flag.forgotten).number(flag.left_out);
    writer.number(flag.newest.into()).number(flag.attempts.into());
    writer.text(&flag.attempt.as_ref().map(|attempt| attempt.write()).unwrap_or_default());
    writer.number(flag.variants.len() as u64);
    for Variant { name, audiences, hours, before } in &flag.variants {
        writer.text(name);
        audiences.iter().for_each(|span| write_span(&mut writer, *span));
        writer.number(before.units).number(before.received).number(hours.len() as u64);
        for Hour { hour, units, received } in hours {
            writer.number((*hour).into()).number((*units).into()).number(*received);
        }
    }
    writer.0
}

fn read_flag(body: &[u8]) -> Result<Flag, Damaged> {
    let mut reader = Reader(body);
    let mut flag = Flag {
        environment: reader.text()?.into(),
        key: reader.text()?.into(),
        in_two: reader.number()?,
        forgotten: reader.number()?,
        left_out: reader.number()?,
        newest: reader.small()?,
        ..Flag::default()
    };
    flag.attempts = reader.small()?;
    let attempt = Some(reader.text()?).filter(|text| !text.is_empty());
    let attempt = attempt.map(|text| Attempt::read(&flag.key, text)).transpose()?;
    flag.attempt = attempt.map(Box::new);
    for _ in 0..reader.count(8)? {
        let mut variant = Variant::named(reader.text()?);
        for audience in &mut variant.audiences {
            *audience = read_span(&mut reader)?;
        }
        variant.before = Count { units: reader.number()?, received: reader.number()? };
        for _ in 0..reader.count(3)? {
            let [hour, units] = [reader.small()?, reader.small()?];
            variant.hours.push_back(Hour { hour, units, received: reader.number()? });
        }
        if let Some(attempt) = &mut flag.attempt {
            attempt.hear_of_variant(&variant.name, flag.variants.len() as u16);
        }
        flag.variants.push(variant);
    }
    reader.end()?;
    Ok(flag)
}

fn write_metric(metric: &Metric) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.text(&metric.environment).text(&metric.name).number(metric.left_out);
    write_span(&mut writer, metric.span);
    writer.0
}

fn read_metric(body: &[u8]) -> Result<Metric, Damaged> {
    let mut reader = Reader(body);
    let metric = Metric {
        environment: reader.text()?.into(),
        name: reader.text()?.into(),
        left_out: reader.number()?,
        span: read_span(&mut reader)?,
        ..Metric::default()
    };
    reader.end()?;
    Ok(metric)
}
