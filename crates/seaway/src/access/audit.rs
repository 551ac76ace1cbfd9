//! What people changed, as events on the log.

use super::Role;
use super::token::Token;
use crate::author::Author;
use crate::ledger::{AUDIT_KIND, Event, FLAG_KIND, Recorded};
use seaway_core::time::Time;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Who tells such events.
const SOURCE: &str = "seaway/access";

/// What somebody did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Action {
    TokenCreated,
    TokenRevoked,
    SignedIn,
    SignedOut,
    SignInFailed,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::TokenCreated => "token-created",
            Self::TokenRevoked => "token-revoked",
            Self::SignedIn => "signed-in",
            Self::SignedOut => "signed-out",
            Self::SignInFailed => "sign-in-failed",
        }
    }
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Actor {
    /// The id of a token; `local` for whoever uses the machine itself; null where nobody knows.
    pub(crate) id: Option<String>,
    /// The name of that token.
    pub(crate) name: Option<String>,
    pub(crate) role: Option<Role>,
}

/// The id of whoever uses the machine itself, where that needs no token.
pub(crate) const LOCAL: &str = "local";

impl Actor {
    /// Whoever uses the machine itself.
    pub(crate) fn local() -> Self {
        Self { id: Some(LOCAL.to_owned()), name: None, role: Some(Role::Admin) }
    }

    /// The holder of a token.
    pub(crate) fn of(token: &Token) -> Self {
        Self { id: Some(token.id.clone()), name: Some(token.name.clone()), role: Some(token.role) }
    }

    /// Nobody that is known.
    pub(crate) fn unknown() -> Self {
        Self { id: None, name: None, role: None }
    }
}

impl From<&Actor> for Author {
    fn from(actor: &Actor) -> Self {
        let role = actor.role.map(|role| role.name().to_owned());
        Self { id: actor.id.clone(), name: actor.name.clone(), role }
    }
}

/// Which token it was done to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Subject {
    id: String,
    name: String,
    role: Role,
    /// The environment whose flags it evaluates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    environment: Option<String>,
    /// RFC 3339.
    expires_at: Value,
}

/// Which flag it was done to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Flag {
    environment: String,
    key: String,
    /// The revision that was made.
    revision: u64,
    /// Why, in the words of who did it.
    reason: String,
}

/// A revision of a flag, as far as it tells what was done.
#[derive(Deserialize)]
struct FlagData {
    action: String,
    by: Author,
    from: String,
    #[serde(flatten)]
    flag: Flag,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Data {
    action: Action,
    by: Actor,
    /// The address that it came from, or `command line`.
    from: String,
    token: Option<Subject>,
}

/// What somebody did, from where.
#[derive(Debug, Clone)]
pub(crate) struct Deed<'a> {
    pub(crate) action: Action,
    pub(crate) by: Actor,
    /// `None`: on the command line.
    pub(crate) from: Option<IpAddr>,
    /// The token that it was done to.
    pub(crate) token: Option<&'a Token>,
    /// What it happens to once: the same deed told again is one.
    pub(crate) once: String,
}

impl Deed<'_> {
    /// The event that keeps it, at a moment (Unix microseconds).
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub(crate) fn event(&self, now: i64) -> Result<Event, serde_json::Error> {
        let subject = |token: &Token| {
            Ok::<_, serde_json::Error>(Subject {
                id: token.id.clone(),
                name: token.name.clone(),
                role: token.role,
                environment: token.environment.clone(),
                expires_at: serde_json::to_value(Time(token.expires_at.div_euclid(1_000_000)))?,
            })
        };
        let data = Data {
            action: self.action,
            by: self.by.clone(),
            from: self.from.map_or("command line".to_owned(), |from| from.to_string()),
            token: self.token.map(subject).transpose()?,
        };
        Ok(Event {
            source: SOURCE.to_owned(),
            id: format!("{}-{}", self.action.name(), self.once),
            kind: AUDIT_KIND.to_owned(),
            subject: self.token.map(|token| token.id.clone()),
            time: Some(now),
            content_type: "application/json".to_owned(),
            extensions: BTreeMap::new(),
            data: serde_json::to_vec(&data)?.into(),
        })
    }
}

/// A deed as lists tell it.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    /// The place of the event on the log.
    position: i64,
    /// The id of the event; its source is `seaway/access` or `seaway/flags`.
    id: String,
    at: Time,
    /// What was done; of a flag with `flag-` before it.
    action: String,
    by: Author,
    /// The address that it came from, or `command line`; empty for what Seaway does by itself.
    from: String,
    token: Option<Subject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flag: Option<Flag>,
}

impl Entry {
    /// The deed that an event keeps; `None` if it cannot be read.
    pub(crate) fn of(recorded: &Recorded) -> Option<Self> {
        let Recorded { position, received_at, event } = recorded;
        let (position, id) = (*position, event.id.clone());
        let at = Time(event.time.unwrap_or(*received_at).div_euclid(1_000_000));
        if event.kind == FLAG_KIND {
            let FlagData { action, by, from, flag } = serde_json::from_slice(&event.data).ok()?;
            let (action, flag) = (format!("flag-{action}"), Some(flag));
            return Some(Self { position, id, at, action, by, from, token: None, flag });
        }
        let Data { action, by, from, token } = serde_json::from_slice(&event.data).ok()?;
        let (action, by) = (action.name().to_owned(), (&by).into());
        Some(Self { position, id, at, action, by, from, token, flag: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_told() {
        let token = Token {
            id: "0a".to_owned(),
            name: "\"<b>".to_owned(),
            role: Role::Editor,
            environment: None,
            created_at: 0,
            created_by: LOCAL.to_owned(),
            expires_at: 1_795_435_200_000_000,
            revoked_at: None,
            used_at: None,
        };
        let deed = Deed {
            action: Action::TokenCreated,
            by: Actor::local(),
            from: Some("192.0.2.1".parse().unwrap()),
            token: Some(&token),
            once: token.id.clone(),
        };
        let event = deed.event(5_000_000).unwrap();
        assert_eq!((event.source.as_str(), event.id.as_str()), (SOURCE, "token-created-0a"));
        let recorded = Recorded { position: 7, received_at: 6_000_000, event };
        let entry = serde_json::to_value(Entry::of(&recorded).unwrap()).unwrap();
        let expected = serde_json::json!({
            "position": 7, "id": "token-created-0a", "at": "1970-01-01T00:00:05Z",
            "action": "token-created",
            "by": { "id": "local", "name": null, "role": "admin" },
            "from": "192.0.2.1",
            "token": {
                "id": "0a", "name": "\"<b>", "role": "editor", "expires_at": "2026-11-23T12:00:00Z",
            },
        });
        assert_eq!(entry, expected);
        let event = Event { data: b"{}".to_vec().into(), ..recorded.event };
        assert!(Entry::of(&Recorded { event, ..recorded }).is_none());
    }
}
