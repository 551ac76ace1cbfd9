//! `ExportLogsServiceRequest` in JSON, as OTLP has it: names in camelCase, numbers of 64 bits as
//! numbers or texts, members that nobody knows passed over. Lists are read item by item.

use super::Sink;
use super::record::{Origin, Record, Value};
use crate::flags::exposures::api::{Text, each};
use serde::Deserialize;
use serde_json::Error;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow)]
    resource_logs: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceLogs<'a> {
    #[serde(borrow)]
    resource: Option<Resource<'a>>,
    #[serde(borrow)]
    scope_logs: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Resource<'a> {
    #[serde(borrow)]
    attributes: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScopeLogs<'a> {
    #[serde(borrow)]
    log_records: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogRecord<'a> {
    #[serde(borrow)]
    time_unix_nano: Option<Number<'a>>,
    #[serde(borrow)]
    observed_time_unix_nano: Option<Number<'a>>,
    #[serde(borrow)]
    event_name: Option<Text<'a>>,
    #[serde(borrow)]
    attributes: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct KeyValue<'a> {
    #[serde(borrow)]
    key: Option<Text<'a>>,
    #[serde(borrow)]
    value: Option<AnyValue<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnyValue<'a> {
    #[serde(borrow)]
    string_value: Option<Text<'a>>,
    bool_value: Option<bool>,
    #[serde(borrow)]
    int_value: Option<Number<'a>>,
    #[serde(borrow)]
    double_value: Option<Number<'a>>,
}

/// A number, or a text with one in it.
#[derive(Deserialize)]
#[serde(transparent)]
struct Number<'a>(#[serde(borrow)] &'a RawValue);

impl Number<'_> {
    fn digits(&self) -> &str {
        self.0.get().trim_matches('"')
    }

    fn whole<T: std::str::FromStr>(&self) -> Result<T, Error> {
        let number = self.digits().parse();
        number.map_err(|_| serde::de::Error::custom("a whole number is none"))
    }

    /// Protocol Buffers write `NaN`, `Infinity` and `-Infinity`, and Rust reads them.
    fn double(&self) -> Result<f64, Error> {
        let number = self.digits().parse();
        number.map_err(|_| serde::de::Error::custom("a number is none"))
    }
}

impl<'a> AnyValue<'a> {
    fn value(self) -> Result<Value<'a>, Error> {
        Ok(if let Some(text) = self.string_value {
            Value::Text(text.0)
        } else if let Some(value) = self.bool_value {
            Value::Bool(value)
        } else if let Some(value) = self.int_value {
            Value::Int(value.whole()?)
        } else if let Some(value) = self.double_value {
            Value::Double(value.double()?)
        } else {
            Value::Other
        })
    }
}

/// Reads a request, record by record.
pub(super) fn read(body: &[u8], sink: &mut Sink<'_, '_>) -> Result<(), Error> {
    let request: Request<'_> = serde_json::from_slice(body)?;
    each_of(request.resource_logs, |logs| {
        let logs: ResourceLogs<'_> = serde_json::from_str(logs)?;
        let mut origin = Origin::default();
        each_attribute(logs.resource.and_then(|it| it.attributes), |key, value| {
            let mut read = Ok(());
            origin.attribute(key, || kept(value, &mut read));
            read
        })?;
        each_of(logs.scope_logs, |scope| {
            let scope: ScopeLogs<'_> = serde_json::from_str(scope)?;
            each_of(scope.log_records, |record| {
                if !sink.is_full() {
                    let record = log_record(record)?;
                    sink.take(&origin, &record);
                }
                Ok(())
            })
        })
    })
}

/// The value of an attribute that is looked at; whether it could be read is told beside it.
fn kept<'a>(value: Option<AnyValue<'a>>, read: &mut Result<(), Error>) -> Value<'a> {
    match value.map_or(Ok(Value::Other), AnyValue::value) {
        Ok(value) => value,
        Err(error) => {
            *read = Err(error);
            Value::Other
        }
    }
}

fn log_record(json: &str) -> Result<Record<'_>, Error> {
    let read: LogRecord<'_> = serde_json::from_str(json)?;
    let number = |number: Option<Number<'_>>| number.map_or(Ok(0), |number| number.whole());
    let mut record = Record::default();
    record.time = number(read.time_unix_nano)?;
    record.observed = number(read.observed_time_unix_nano)?;
    record.event = read.event_name.map(|text| text.0).unwrap_or_default();
    each_attribute(read.attributes, |key, value| {
        let mut read = Ok(());
        record.attribute(key, || kept(value, &mut read));
        read
    })?;
    Ok(record)
}

fn each_of<'a>(
    list: Option<&'a RawValue>,
    mut call: impl FnMut(&'a str) -> Result<(), Error>,
) -> Result<(), Error> {
    // In JSON of Protocol Buffers, null is the default: an empty list.
    match list.filter(|list| list.get() != "null") {
        Some(list) => each(list, |item| call(item.get()))?,
        None => Ok(()),
    }
}

fn each_attribute<'a>(
    list: Option<&'a RawValue>,
    mut call: impl FnMut(&str, Option<AnyValue<'a>>) -> Result<(), Error>,
) -> Result<(), Error> {
    each_of(list, |attribute| {
        let KeyValue { key, value } = serde_json::from_str(attribute)?;
        call(key.as_ref().map_or("", |key| &key.0), value)
    })
}
