//! Objects of the API, written as events in the form of webhooks.

use crate::intake::github::SOURCE;
use crate::intake::payload::parse_moment;
use crate::intake::webhook::{fingerprint, host as host_of};
use crate::ledger::Event;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Bytes of the name of a host, with its port.
const HOST_BYTES_MAX: usize = 300;

/// A repository: what events of webhooks tell of it, and readers need.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Repository {
    pub(super) full_name: String,
    html_url: String,
    clone_url: Option<String>,
    default_branch: Option<String>,
    pushed_at: Option<String>,
    updated_at: Option<String>,
}

impl Repository {
    /// The repository itself as an event.
    pub(super) fn event(&self) -> Event {
        let state = [&self.updated_at, &self.pushed_at, &self.default_branch];
        let state: Vec<&str> = state.into_iter().flatten().map(String::as_str).collect();
        self.event_of("repository", &format!("repository@{}", state.join(",")), &[])
    }

    /// An event of the repository: `id` is what it tells of, and in which state.
    pub(super) fn event_of(&self, name: &str, id: &str, parts: &[(&str, &str)]) -> Event {
        let mut data = String::from("{");
        for (key, json) in parts {
            data.push_str(&format!("\"{key}\":{json},"));
        }
        // A struct of texts is always JSON.
        let repository = serde_json::to_string(self).unwrap_or_default();
        data.push_str(&format!("\"repository\":{repository}}}"));
        let id = format!("{}/{id}", self.full_name);
        // Identifiers are bounded; the fingerprint of another one tells it as well.
        let is_fit = id.len() <= 250 && !id.contains(char::is_control);
        let id = if is_fit { id } else { fingerprint(id.as_bytes()) };
        Event {
            source: self.host(),
            id,
            kind: format!("com.github.rest.{name}"),
            subject: None,
            time: None,
            content_type: "application/json".to_owned(),
            extensions: BTreeMap::new(),
            data: data.into(),
        }
    }

    /// Scheme and host of the URL that people use: the `source` of webhooks.
    fn host(&self) -> String {
        let named = self.html_url.split_once("://").and_then(|(scheme, rest)| {
            let host = rest.split('/').next().filter(|host| host.len() <= HOST_BYTES_MAX)?;
            let is_web =
                scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
            is_web.then_some(format!("{}://{}", scheme.to_ascii_lowercase(), host_of(host)?))
        });
        named.unwrap_or_else(|| SOURCE.to_owned())
    }
}

/// What is looked at in any listed object; the object itself is kept as it came.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Object {
    pub(super) id: u64,
    pub(super) number: u64,
    updated_at: Option<String>,
    created_at: Option<String>,
    pub(super) state: Option<String>,
    pub(super) status: Option<String>,
    user: Option<User>,
    html_url: Option<String>,
    head: Option<Head>,
    pub(super) labels: Vec<Label>,
    /// There for issues that are pull requests.
    pub(super) pull_request: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct User {
    login: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Head {
    sha: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Label {
    pub(super) name: String,
}

impl Object {
    pub(super) fn read(raw: &RawValue) -> Result<Self, String> {
        serde_json::from_str(raw.get()).map_err(|error| error.to_string())
    }

    /// The state in which it is, for its identifier.
    pub(super) fn state_at(&self) -> &str {
        self.updated_at.as_deref().unwrap_or_default()
    }

    /// When it changed last, Unix seconds. What does not say counts as just changed.
    pub(super) fn updated_at(&self) -> i64 {
        self.updated_at.as_deref().and_then(parse_moment).unwrap_or(i64::MAX)
    }

    /// When it was made, Unix seconds. What does not say counts as just made.
    pub(super) fn created_at(&self) -> i64 {
        self.created_at.as_deref().and_then(parse_moment).unwrap_or(i64::MAX)
    }

    /// The newest commit of a pull request.
    pub(super) fn head(&self) -> &str {
        self.head.as_ref().map_or("", |head| head.sha.as_str())
    }

    /// What its reviews and commits need to tell of a pull request, as JSON.
    pub(super) fn slim(&self) -> String {
        let slim = serde_json::json!({
            "number": self.number,
            "updated_at": self.updated_at,
            "created_at": self.created_at,
            "user": self.user,
            "html_url": self.html_url,
        });
        slim.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(html_url: &str, id: &str) -> Event {
        let html_url = html_url.to_owned();
        Repository { html_url, ..Repository::default() }.event_of("issues", id, &[])
    }

    #[test]
    fn a_source_is_a_host_and_nothing_else() {
        for (url, source) in [
            ("https://GitHub.com/acme/shop", "https://github.com"),
            ("http://ghe.example:8443/a/b", "http://ghe.example:8443"),
            ("https://ghe.example", "https://ghe.example"),
            ("", SOURCE),
            ("javascript://x/y/z", SOURCE),
            ("https://a\u{0}b/c/d", SOURCE),
            (&format!("https://{}/c", "h".repeat(301)), SOURCE),
        ] {
            assert_eq!(event(url, "1").source, source, "{url}");
        }
    }

    #[test]
    fn identifiers_are_short_and_can_be_kept() {
        assert_eq!(event("", "issues/1").id, "/issues/1");
        for odd in ["a\nb".to_owned(), "\0".to_owned(), "x".repeat(250)] {
            assert_eq!(event("", &odd).id, fingerprint(format!("/{odd}").as_bytes()), "{odd:?}");
        }
    }
}
