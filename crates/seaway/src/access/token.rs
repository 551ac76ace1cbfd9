//! Tokens: how they look, what is kept of them, and how long they are good for.

use super::Role;
use seaway_core::time::{DAY, HOUR, MINUTE, Time, WEEK, YEAR};
use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// What a token begins with, so that people and scanners for secrets know one when they see it. As
/// a pattern: `seaway_[0-9a-f]{64}`.
pub(crate) const PREFIX: &str = "seaway_";
/// What tokens begin with that evaluate flags: unlike others, they may stand in a page.
const EVALUATE_PREFIX: &str = "seaway_evaluate_";
const SYNC_PREFIX: &str = "seaway_sync_";
/// Random bytes of a secret.
const RANDOM_BYTES: usize = 32;
/// Characters of the name of a token.
pub(crate) const NAME_CHARS_MAX: usize = 80;
/// The longest time that a token may be good for.
const LIFE_MAX: i64 = 10 * YEAR;

/// What is kept of a secret: its SHA-256. Secrets have 256 random bits, so that nothing slower is
/// needed to keep them from being guessed.
pub(crate) type Fingerprint = [u8; 32];

/// Something that only its holder knows. It is not shown by accident.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// A new token.
    ///
    /// # Errors
    /// The operating system has no randomness to give.
    pub(crate) fn token(role: Role) -> Result<Self, getrandom::Error> {
        let prefix = match role {
            Role::Evaluate => EVALUATE_PREFIX,
            Role::Sync => SYNC_PREFIX,
            Role::Viewer | Role::Editor | Role::Admin => PREFIX,
        };
        Ok(Self(format!("{prefix}{}", random_hex::<RANDOM_BYTES>()?)))
    }

    /// A text that looks like a token that evaluates flags.
    pub(crate) fn of_evaluator(text: &str) -> Option<Self> {
        let sync = || text.strip_prefix(SYNC_PREFIX);
        let digits = text.strip_prefix(EVALUATE_PREFIX).or_else(sync)?;
        is_random(digits).then(|| Self(text.to_owned()))
    }

    /// A new secret for a cookie.
    ///
    /// # Errors
    /// The operating system has no randomness to give.
    pub(crate) fn cookie() -> Result<Self, getrandom::Error> {
        Ok(Self(random_hex::<RANDOM_BYTES>()?))
    }

    /// A text that looks like a token.
    pub(crate) fn of_token(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        is_random(digits).then(|| Self(text.to_owned()))
    }

    /// A text that looks like the value of a cookie.
    pub(crate) fn of_cookie(text: &str) -> Option<Self> {
        is_random(text).then(|| Self(text.to_owned()))
    }

    /// What is kept of it.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// The secret itself, for whoever it is made for.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

fn is_random(text: &str) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == 2 * RANDOM_BYTES && text.bytes().all(is_digit)
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Random bytes from the operating system, as hexadecimal digits.
pub(crate) fn random_hex<const BYTES: usize>() -> Result<String, getrandom::Error> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(hex(&bytes))
}

/// What is known of a token; never the token itself. Moments are Unix microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Token {
    /// What it is called by, to revoke it.
    pub(crate) id: String,
    /// What people call it; from outside.
    pub(crate) name: String,
    pub(crate) role: Role,
    /// The environment whose flags it evaluates, if it does.
    pub(crate) environment: Option<String>,
    #[serde(serialize_with = "moment")]
    pub(crate) created_at: i64,
    /// Who made it: the id of a token, or `local`.
    pub(crate) created_by: String,
    #[serde(serialize_with = "moment")]
    pub(crate) expires_at: i64,
    #[serde(serialize_with = "maybe_moment")]
    pub(crate) revoked_at: Option<i64>,
    /// About when it was used last: within the hour.
    #[serde(serialize_with = "maybe_moment")]
    pub(crate) used_at: Option<i64>,
}

fn moment<S: Serializer>(micros: &i64, out: S) -> Result<S::Ok, S::Error> {
    Time(micros.div_euclid(1_000_000)).serialize(out)
}

fn maybe_moment<S: Serializer>(micros: &Option<i64>, out: S) -> Result<S::Ok, S::Error> {
    micros.map(|micros| Time(micros.div_euclid(1_000_000))).serialize(out)
}

/// How a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Valid,
    Expired,
    Revoked,
}

impl State {
    /// In a word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl Token {
    /// How it is at a moment.
    pub(crate) fn state(&self, now: i64) -> State {
        match self.revoked_at {
            Some(_) => State::Revoked,
            None if self.expires_at <= now => State::Expired,
            None => State::Valid,
        }
    }
}

/// A name for a token, as it is kept.
///
/// # Errors
/// Why it cannot be one, for people.
pub(crate) fn checked_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() {
        return Err("a token has a name, so that people know which one to revoke".to_owned());
    }
    if name.chars().nth(NAME_CHARS_MAX).is_some() {
        return Err(format!("the name of a token has at most {NAME_CHARS_MAX} characters"));
    }
    match name.contains(char::is_control) {
        true => Err("the name of a token has no control characters".to_owned()),
        false => Ok(name.to_owned()),
    }
}

/// When a token ends (Unix microseconds) that is made now: a span (`90d`; s, min, h, d, wk or y), a
/// day, at whose beginning in UTC it ends (`2027-01-31`), or a moment (`2027-01-31T12:00:00Z`).
///
/// # Errors
/// Why it cannot be that, for people.
pub(crate) fn expiry(text: &str, now: i64) -> Result<i64, String> {
    let text = text.trim();
    let is_wrong = || {
        let shown = crate::pages::words::clean(text, 40);
        format!("{shown} is neither a span like 90d nor a day like 2027-01-31")
    };
    let end = span(text).map(|seconds| now.saturating_add(seconds.saturating_mul(1_000_000)));
    let end = end.or_else(|| day(text)).or_else(|| moment_of(text)).ok_or_else(is_wrong)?;
    if end <= now {
        return Err("a token ends in the future".to_owned());
    }
    match end - now > LIFE_MAX * 1_000_000 {
        true => Err("a token is good for at most 10 years".to_owned()),
        false => Ok(end),
    }
}

/// Seconds of a span.
fn span(text: &str) -> Option<i64> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit);
    let seconds = match unit.trim_start() {
        "s" => 1,
        "min" => MINUTE,
        "h" => HOUR,
        "d" => DAY,
        "w" | "wk" => WEEK,
        "y" => YEAR,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(seconds)
}

fn day(text: &str) -> Option<i64> {
    let is_day = text.len() == 10 && text.is_ascii();
    let day: jiff::civil::Date = text.parse().ok().filter(|_| is_day)?;
    Some(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_microsecond())
}

fn moment_of(text: &str) -> Option<i64> {
    let moment: jiff::Timestamp = text.parse().ok()?;
    Some(moment.as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2026-11-23T12:00:00Z.
    const NOW: i64 = 1_795_435_200_000_000;

    fn after(seconds: i64) -> Result<i64, String> {
        Ok(NOW + seconds * 1_000_000)
    }

    #[test]
    fn tokens_are_random_and_recognizable_and_their_fingerprint_is_sha_256() {
        let (one, other) =
            (Secret::token(Role::Admin).unwrap(), Secret::token(Role::Admin).unwrap());
        assert_ne!(one, other);
        assert_ne!(one.fingerprint(), other.fingerprint());
        assert_eq!(one.reveal().len(), PREFIX.len() + 64);
        assert_eq!(Secret::of_token(one.reveal()), Some(one.clone()));
        assert!(!format!("{one:?}").contains(&one.reveal()[PREFIX.len()..]));
        // From `printf abc | sha256sum`.
        assert!(hex(&Secret("abc".to_owned()).fingerprint()).starts_with("ba7816bf8f01cfea"));
    }

    #[test]
    fn tokens_that_evaluate_look_unlike_others() {
        for role in Role::ALL {
            let token = Secret::token(role).unwrap();
            let text = token.reveal();
            assert_eq!(Secret::of_token(text).is_some(), !role.evaluates(), "{text}");
            assert_eq!(Secret::of_evaluator(text).is_some(), role.evaluates(), "{text}");
            assert_eq!(Secret::of_evaluator(&text[1..]), None);
        }
    }

    #[test]
    fn what_does_not_look_like_a_token_is_none() {
        let good = format!("{PREFIX}{}", "0a".repeat(32));
        assert!(Secret::of_token(&good).is_some());
        let upper = good.to_uppercase();
        let long = format!("{good}0");
        for text in ["", PREFIX, &good[1..], &good[..70], &upper, &long, "seaway_é"] {
            assert_eq!(Secret::of_token(text), None, "{text}");
        }
        assert!(Secret::of_cookie(&"0a".repeat(32)).is_some());
        assert_eq!(Secret::of_cookie(&good), None);
    }

    #[test]
    fn names_are_short_and_printable() {
        assert_eq!(checked_name(" ci <b> é "), Ok("ci <b> é".to_owned()));
        for wrong in ["", "  ", "a\nb", "a\0b", "x\u{85}x", &"x".repeat(81)] {
            assert!(checked_name(wrong).is_err(), "{wrong:?}");
        }
        assert!(checked_name(&"é".repeat(80)).is_ok());
    }

    #[test]
    fn the_end_is_a_span_a_day_or_a_moment() {
        assert_eq!(expiry("90d", NOW), after(90 * DAY));
        assert_eq!(expiry("2 s", NOW), after(2));
        assert_eq!(expiry("15min", NOW), after(15 * MINUTE));
        assert_eq!(expiry("12h", NOW), after(12 * HOUR));
        assert_eq!(expiry("4wk", NOW), after(4 * WEEK));
        assert_eq!(expiry("1y", NOW), after(YEAR));
        assert_eq!(expiry("2026-11-24", NOW), after(12 * HOUR));
        assert_eq!(expiry("2026-11-23T12:00:01Z", NOW), after(1));
        assert_eq!(expiry("2026-11-23T13:00:01+01:00", NOW), after(1));
    }

    #[test]
    fn an_end_that_is_past_or_too_far_or_unclear_is_refused() {
        for wrong in [
            "",
            "90",
            "d",
            "-1d",
            "0d",
            "1m",
            "2026-11-23",
            "2020-01-01",
            "11y",
            "99999999999999999999d",
            "9223372036854775807y",
            "2026-13-01",
            "never",
            "1d1d",
            "²d",
        ] {
            assert!(expiry(wrong, NOW).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_token_is_revoked_before_it_is_expired() {
        let mut token = Token {
            id: String::new(),
            name: String::new(),
            role: Role::Viewer,
            environment: None,
            created_at: 0,
            created_by: String::new(),
            expires_at: 10,
            revoked_at: None,
            used_at: None,
        };
        assert_eq!([9, 10].map(|now| token.state(now)), [State::Valid, State::Expired]);
        token.revoked_at = Some(5);
        assert_eq!([9, 10].map(|now| token.state(now)), [State::Revoked; 2]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_fall_over(text in ".{0,60}") {
            if let Ok(end) = expiry(&text, NOW) {
                prop_assert!(end > NOW);
            }
            let _ = (checked_name(&text), Secret::of_token(&text), Secret::of_cookie(&text));
        }
    }
}
