//! `ExportLogsServiceRequest` in Protocol Buffers. The numbers of its fields are those of
//! opentelemetry-proto 1.x; messages may come in any order within another, as the format has it.

use super::Sink;
use super::record::{Origin, Record, Value};
use super::wire::{Fields, Malformed, Wire};
use std::borrow::Cow;

/// Reads a request, record by record.
pub(super) fn read(body: &[u8], sink: &mut Sink<'_, '_>) -> Result<(), Malformed> {
    for field in Fields(body) {
        if let (1, logs) = field? {
            resource_logs(logs.bytes()?, sink)?;
        }
    }
    Ok(())
}

fn resource_logs(logs: &[u8], sink: &mut Sink<'_, '_>) -> Result<(), Malformed> {
    let mut origin = Origin::default();
    for field in Fields(logs) {
        if let (1, resource) = field? {
            for field in Fields(resource.bytes()?) {
                if let (1, attribute) = field? {
                    let (key, value) = key_value(attribute.bytes()?)?;
                    let mut read = Ok(());
                    origin.attribute(key, || any_value(value, &mut read));
                    read?;
                }
            }
        }
    }
    for field in Fields(logs) {
        let (2, scope) = field? else { continue };
        for field in Fields(scope.bytes()?) {
            if let (2, record) = field? {
                let record = log_record(record.bytes()?)?;
                sink.take(&origin, &record);
            }
        }
        if sink.is_full() {
            return Ok(());
        }
    }
    Ok(())
}

fn log_record(bytes: &[u8]) -> Result<Record<'_>, Malformed> {
    let mut record = Record::default();
    for field in Fields(bytes) {
        match field? {
            (1, time) => record.time = time.fixed64()?,
            (6, attribute) => {
                let (key, value) = key_value(attribute.bytes()?)?;
                let mut read = Ok(());
                record.attribute(key, || any_value(value, &mut read));
                read?;
            }
            (11, observed) => record.observed = observed.fixed64()?,
            (12, event) => record.event = Cow::Borrowed(event.text()?),
            _ => {}
        }
    }
    Ok(record)
}

fn key_value(bytes: &[u8]) -> Result<(&str, &[u8]), Malformed> {
    let (mut key, mut value) = ("", &[][..]);
    for field in Fields(bytes) {
        match field? {
            (1, name) => key = name.text()?,
            (2, any) => value = any.bytes()?,
            _ => {}
        }
    }
    Ok((key, value))
}

/// Lists and maps are not looked into, so nothing here is as deep as a sender wants it.
fn any_value<'a>(bytes: &'a [u8], read: &mut Result<(), Malformed>) -> Value<'a> {
    let value = |field: Result<(u64, Wire<'a>), Malformed>| {
        Ok(match field? {
            (1, text) => Value::Text(Cow::Borrowed(text.text()?)),
            (2, value) => Value::Bool(value.varint()? != 0),
            (3, value) => Value::Int(value.varint()?.cast_signed()),
            (4, value) => Value::Double(f64::from_bits(value.fixed64()?)),
            _ => Value::Other,
        })
    };
    // Of several the last one holds.
    Fields(bytes).map(value).fold(Value::Other, |last, next| match next {
        Ok(next) => next,
        Err(malformed) => {
            *read = Err(malformed);
            last
        }
    })
}
