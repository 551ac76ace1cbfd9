//! An event as it is kept: the attributes of CloudEvents 1.0 and the data as they came.

use bytes::Bytes;
use std::collections::BTreeMap;

/// An event that somebody sent. `source` and `id` together name it: what is sent again under the
/// same name is the same event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// Who tells it: CloudEvents `source`.
    pub(crate) source: String,
    /// Its name within `source`: CloudEvents `id`, or the delivery identifier of a webhook.
    pub(crate) id: String,
    /// What kind of event it is: CloudEvents `type`; `com.github.push` for webhooks.
    pub(crate) kind: String,
    /// CloudEvents `subject`.
    pub(crate) subject: Option<String>,
    /// When it says that it happened, Unix microseconds; `None` where it does not say so.
    pub(crate) time: Option<i64>,
    /// The media type of `data`: CloudEvents `datacontenttype`.
    pub(crate) content_type: String,
    /// The other attributes, as JSON values: what CloudEvents calls extensions, and `dataschema`.
    pub(crate) extensions: BTreeMap<String, serde_json::Value>,
    /// The data exactly as they came.
    pub(crate) data: Bytes,
}

/// An event on the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// Its place on the log: grows by the order of arrival; there may be gaps.
    pub(crate) position: i64,
    /// When it arrived, Unix microseconds.
    pub(crate) received_at: i64,
    /// What arrived.
    pub(crate) event: Event,
}
