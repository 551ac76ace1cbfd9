//! The form of a CDEvent, in all versions: context, subject, custom data.
//!
//! Text points into the JSON that it was read from, and what no reader looks into stays JSON. So
//! all that an event says survives being read and written again.

use crate::intake::text::Text;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A CDEvent.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CdEvent<'a> {
    #[serde(borrow)]
    pub(super) context: Context<'a>,
    #[serde(borrow)]
    pub(super) subject: Subject<'a>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) custom_data: Option<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    custom_data_content_type: Option<Text<'a>>,
}

/// Who tells it, when, and what kind of event it is.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Context<'a> {
    /// The version of the standard up to 0.4.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    version: Option<Text<'a>>,
    /// The version of the standard from 0.5 on.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    specversion: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) source: Text<'a>,
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    pub(super) timestamp: Text<'a>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    schema_uri: Option<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    chain_id: Option<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    links: Option<&'a RawValue>,
}

/// What it is about.
#[derive(Serialize, Deserialize)]
pub(super) struct Subject<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<Text<'a>>,
    /// The kind of thing that it is: up to 0.4.
    #[serde(borrow, rename = "type", default, skip_serializing_if = "Option::is_none")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) content: &'a RawValue,
}

/// A thing named within another one's content.
#[derive(Deserialize)]
pub(super) struct Reference<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) source: Option<Text<'a>>,
}

/// What a sender adds to a standard event in its custom data, as the standard has no place for it.
#[derive(Default)]
pub(super) struct CustomData<'a> {
    pub(super) repository: Option<Text<'a>>,
    pub(super) revision: Option<Text<'a>>,
    pub(super) pipeline: Option<Text<'a>>,
}

impl<'a> CustomData<'a> {
    /// Custom data belong to their sender: members that are something else are passed over, and so
    /// are custom data that are no object.
    pub(super) fn of(json: &'a RawValue) -> Self {
        #[derive(Default, Deserialize)]
        struct Members<'a> {
            #[serde(borrow, default)]
            repository: Option<&'a RawValue>,
            #[serde(borrow, default)]
            revision: Option<&'a RawValue>,
            #[serde(borrow, default)]
            pipeline: Option<&'a RawValue>,
        }
        let text = |json: Option<&'a RawValue>| {
            let text: Option<Text<'a>> = serde_json::from_str(json?.get()).ok()?;
            text.filter(|text| !text.as_str().trim().is_empty())
        };
        let members: Members<'a> = serde_json::from_str(json.get()).unwrap_or_default();
        Self {
            repository: text(members.repository),
            revision: text(members.revision),
            pipeline: text(members.pipeline),
        }
    }
}
