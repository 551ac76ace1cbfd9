//! An event as a row of the log.

use super::event::{Event, Recorded};
use super::many::Values;
use sha2::{Digest, Sha256};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use std::collections::BTreeMap;

/// The columns of a row that is read, in the order that [`decode`] expects.
pub(super) const COLUMNS: &str = "position, received_at, time, source, id, kind, subject, \
                                  content_type, extensions, data, key";

/// Names of attributes that an event has fields for, or that an export uses itself. An extension
/// cannot have them.
const RESERVED: [&str; 10] = [
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "data",
    "data_base64",
    super::line::RECEIVED_AT,
];

/// What names an event, in 16 bytes: the first half of the SHA-256 of source, NUL and id. No text
/// on the log holds a NUL, so no two pairs are hashed as the same bytes. Among 10¹² events, two of
/// the same key by chance have a probability of 10⁻¹⁵; to make two on purpose takes 2⁶⁴ hashes, and
/// would only keep an event of one's own off the log.
pub(super) fn key(source: &str, id: &str) -> [u8; 16] {
    let hash = Sha256::new().chain_update(source).chain_update([0]).chain_update(id).finalize();
    let mut key = [0; 16];
    key.copy_from_slice(&hash[..16]);
    key
}

/// An event that can be written: all that can be computed before it is its turn.
pub(super) struct Row {
    key: [u8; 16],
    received_at: i64,
    extensions: String,
    event: Event,
}

impl Row {
    /// Checks that every database can keep the event and every export can tell it.
    ///
    /// # Errors
    /// Why not, for people.
    pub(super) fn of(event: Event, received_at: i64) -> Result<Self, String> {
        let texts = [
            ("source", Some(&event.source)),
            ("id", Some(&event.id)),
            ("type", Some(&event.kind)),
            ("subject", event.subject.as_ref()),
            ("datacontenttype", Some(&event.content_type)),
        ];
        for (name, text) in texts {
            if text.is_some_and(|text| text.contains('\0')) {
                return Err(format!("the {name} has a NUL character in it"));
            }
        }
        if event.time.is_some_and(|time| !is_moment(time)) || !is_moment(received_at) {
            return Err("the time is not between the years 0 and 9999".to_owned());
        }
        if let Some(name) = RESERVED.iter().find(|&&name| event.extensions.contains_key(name)) {
            return Err(format!("{name} cannot be the name of an extension"));
        }
        let extensions = match event.extensions.is_empty() {
            true => "{}".to_owned(),
            false => serde_json::to_string(&event.extensions).map_err(|error| error.to_string())?,
        };
        Ok(Self { key: key(&event.source, &event.id), received_at, extensions, event })
    }

    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        let event = &self.event;
        let texts = [&event.source, &event.id, &event.kind, &event.content_type, &self.extensions];
        let texts: usize = texts.iter().map(|text| text.len()).sum();
        texts + event.subject.as_ref().map_or(0, String::len) + event.data.len() + 64
    }

    /// As it is read from the log, once it is there.
    pub(super) fn recorded(self, position: i64) -> Recorded {
        Recorded { position, received_at: self.received_at, event: self.event }
    }

    /// Adds its values, in the order of [`super::writer::INSERT`].
    pub(super) fn values(&self, position: i64, values: &mut Values) {
        let event = &self.event;
        values
            .int(position)
            .bytes(&self.key)
            .int(self.received_at)
            .maybe_int(event.time)
            .text(&event.source)
            .text(&event.id)
            .text(&event.kind)
            .maybe_text(event.subject.as_deref())
            .text(&event.content_type)
            .text(&self.extensions)
            .bytes(&event.data);
    }
}

/// Whether RFC 3339 can tell a moment, so that an export can. Unix microseconds.
fn is_moment(micros: i64) -> bool {
    /// 0000-01-01T00:00:00Z and 9999-12-30T22:00:00Z, the latest that jiff knows.
    const RANGE: std::ops::Range<i64> = -62_167_219_200_000_000..253_402_207_200_000_000;
    RANGE.contains(&micros)
}

/// A row as it was read.
///
/// # Errors
/// What of it cannot be read, for people.
pub(super) fn decode(row: &AnyRow) -> Result<Recorded, String> {
    let recorded = columns(row).map_err(|error| error.to_string())?;
    let text: &str = row.try_get(8).map_err(|error| error.to_string())?;
    let event = Event { extensions: extensions(text)?, ..recorded.event };
    believable(Recorded { event, ..recorded })
}

/// The extensions of an event as they are stored.
pub(super) fn extensions(text: &str) -> Result<BTreeMap<String, serde_json::Value>, String> {
    match text {
        "{}" => Ok(BTreeMap::new()),
        text => serde_json::from_str(text).map_err(|error| format!("extensions: {error}")),
    }
}

/// An event that was read, if its times are such as an event can have.
pub(super) fn believable(recorded: Recorded) -> Result<Recorded, String> {
    match recorded.event.time.is_none_or(is_moment) && is_moment(recorded.received_at) {
        true => Ok(recorded),
        false => Err("a time that no event can have".to_owned()),
    }
}

fn columns(row: &AnyRow) -> Result<Recorded, sqlx::Error> {
    let event = Event {
        time: row.try_get(2)?,
        source: row.try_get(3)?,
        id: row.try_get(4)?,
        kind: row.try_get(5)?,
        subject: row.try_get(6)?,
        content_type: row.try_get(7)?,
        extensions: BTreeMap::new(),
        data: row.try_get::<Vec<u8>, _>(9)?.into(),
    };
    Ok(Recorded { position: row.try_get(0)?, received_at: row.try_get(1)?, event })
}

/// Whether the key of a row that was read is the one of its source and id.
pub(super) fn has_its_key(row: &AnyRow, event: &Event) -> bool {
    let expected = key(&event.source, &event.id);
    row.try_get::<&[u8], _>(10).is_ok_and(|found| found == expected)
}
