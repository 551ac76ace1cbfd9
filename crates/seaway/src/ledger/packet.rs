//! Many events of the log read as one row.
//!
//! With SQLite, each row goes from its thread to the reader's through a channel and is copied value
//! by value, which takes several times as long as SQLite needs to find it. So SQLite itself puts
//! the events of a stretch together, and here they are taken apart again.

use super::event::{Event, Recorded};
use super::row;
use bytes::Bytes;

/// How many events are read as one row.
pub(super) const EVENTS: u32 = 256;
/// Events with more bytes of data together are read one by one, so that no row is too long for
/// memory or for SQLite.
pub(super) const BYTES_MAX: i64 = 8 << 20;

/// How many events come after a position, at most so many, the bytes of their data, and the
/// position of the last.
pub(super) const EXTENT: &str = "\
    SELECT COUNT(*), COALESCE(SUM(LENGTH(data)), 0), COALESCE(MAX(position), 0) FROM \
    (SELECT position, data FROM events WHERE position > $1 ORDER BY position LIMIT $2)";

/// The events from after a position up to another: of each its numbers, with commas after them,
/// its texts, which hold no NUL, with a NUL after them, and its data. Data are no text, but SQLite
/// takes any bytes as one, and joins nothing else.
pub(super) const READ: &str = "\
    SELECT CAST(GROUP_CONCAT( \
        position || ',' || received_at || ',' || COALESCE(time, '') || ',' || LENGTH(data) || ',' \
        || source || CHAR(0) || id || CHAR(0) || kind || CHAR(0) || COALESCE('=' || subject, '') \
        || CHAR(0) || content_type || CHAR(0) || extensions || CHAR(0) || CAST(data AS TEXT), \
    '') AS BLOB) FROM events WHERE position > $1 AND position <= $2";

/// Takes the events of a row apart, in the order of their positions. Their data stay where they
/// are.
///
/// # Errors
/// It is no such row: some event of it is damaged.
pub(super) fn take_apart(packet: Vec<u8>) -> Result<Vec<Recorded>, String> {
    let packet = Bytes::from(packet);
    let mut rest = Rest { packet: &packet, at: 0 };
    let mut events = Vec::with_capacity(EVENTS as usize);
    while rest.at < packet.len() {
        events.push(rest.event()?);
    }
    // SQLite reads them in this order, but does not promise it.
    events.sort_by_key(|recorded| recorded.position);
    Ok(events)
}

/// What is not taken apart yet.
struct Rest<'a> {
    packet: &'a Bytes,
    at: usize,
}

impl<'a> Rest<'a> {
    fn event(&mut self) -> Result<Recorded, String> {
        let position = self.number()?.ok_or("no position")?;
        let received_at = self.number()?.ok_or("no moment of arrival")?;
        let time = self.number()?;
        let bytes = self.number()?.and_then(|it| usize::try_from(it).ok()).ok_or("no length")?;
        let [source, id, kind] = [self.text()?, self.text()?, self.text()?];
        let subject = self.text()?;
        let [content_type, extensions] = [self.text()?, self.text()?];
        let end = self.at.checked_add(bytes).filter(|&end| end <= self.packet.len());
        let end = end.ok_or("data that end too early")?;
        let data = self.packet.slice(self.at..end);
        self.at = end;
        let event = Event {
            source: source.to_owned(),
            id: id.to_owned(),
            kind: kind.to_owned(),
            subject: subject.strip_prefix('=').map(str::to_owned),
            time,
            content_type: content_type.to_owned(),
            extensions: row::extensions(extensions)?,
            data,
        };
        row::believable(Recorded { position, received_at, event })
    }

    fn number(&mut self) -> Result<Option<i64>, String> {
        match self.until(b',')? {
            "" => Ok(None),
            digits => digits.parse().map(Some).map_err(|error| format!("{digits}: {error}")),
        }
    }

    fn text(&mut self) -> Result<&'a str, String> {
        self.until(0)
    }

    fn until(&mut self, end: u8) -> Result<&'a str, String> {
        let rest = self.packet.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|&byte| byte == end).ok_or("an end that is missing")?;
        self.at += length + 1;
        std::str::from_utf8(&rest[..length]).map_err(|error| error.to_string())
    }
}
