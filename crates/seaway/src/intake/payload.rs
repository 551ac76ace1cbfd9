//! Values of a webhook's body, taken as they come and made harmless.
//!
//! Forges change what they send. A value of an unexpected type reads as if it were not there; the
//! reader of the event says what it cannot do without.

use super::{Reader, Recorded};
use crate::pages::words;
use seaway_core::delivery::facts::{
    Entity, Fact, Latest, PATHS_MAX, Repository, Scope, repository_name,
};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Bytes of a name that is looked up: a branch, an environment, an identifier. A longer one is
/// left out and not cut, as two names could become one.
const NAME_BYTES_MAX: usize = 255;
/// Bytes of a URL, of the name of a repository and of a path.
const URL_BYTES_MAX: usize = 1_000;
/// Characters of a text for people.
const LINE_CHARS_MAX: usize = 200;

/// A text or a number; empty where it is null, missing or something else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The hash of a commit in lower case, of SHA-1 or SHA-256. The hash of zeros, with which
    /// forges say *none*, is none.
    pub(super) fn hash(&self) -> Option<String> {
        let text = self.as_str();
        let is_hash = matches!(text.len(), 40 | 64)
            && text.bytes().all(|byte| byte.is_ascii_hexdigit())
            && text.bytes().any(|byte| byte != b'0');
        is_hash.then(|| text.to_ascii_lowercase())
    }

    /// What follows the last slash.
    pub(super) fn last_segment(&self) -> Text<'_> {
        let text = self.as_str();
        Text(Cow::Borrowed(text.rsplit_once('/').map_or(text, |(_, last)| last)))
    }

    /// A name or an identifier, unless it is empty, too long, or holds control characters.
    pub(super) fn name(&self) -> Option<String> {
        let text = self.as_str();
        let is_name =
            (1..=NAME_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control);
        is_name.then(|| text.to_owned())
    }

    /// A branch of a reference, without `refs/heads/`; `None` for a tag.
    pub(super) fn branch(&self) -> Option<String> {
        Text(Cow::Borrowed(self.as_str().strip_prefix("refs/heads/")?)).name()
    }

    /// A number of things that somebody may have counted.
    pub(super) fn count(&self) -> Option<u64> {
        self.as_str().parse::<u32>().ok().map(u64::from)
    }

    /// A text for people on one line, cut to its bound.
    pub(super) fn line(&self) -> Option<String> {
        let line = words::clean(self.as_str(), LINE_CHARS_MAX);
        (!line.is_empty()).then_some(line)
    }

    /// A URL that may be shown as a link: http or https, without credentials.
    pub(super) fn link(&self) -> Option<String> {
        let url = self.as_str();
        let (scheme, rest) = url.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let is_link = (scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http"))
            && url.len() <= URL_BYTES_MAX
            && !authority.is_empty()
            && !authority.contains('@')
            && !url.contains(|c: char| c.is_control() || c.is_whitespace() || c == '"');
        is_link.then(|| url.to_owned())
    }

    /// The name by which all sources know the repository of this URL.
    pub(super) fn repository(&self) -> Option<String> {
        let url = self.as_str();
        if url.len() > URL_BYTES_MAX || url.contains(char::is_control) {
            return None;
        }
        let name = repository_name(url);
        name.contains('/').then_some(name)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor).map(Text)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Cow::Owned(number.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Cow::Owned(number.to_string()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(""))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(""))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(""))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Cow::Borrowed(""))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Cow::Borrowed(""))
    }
}

/// A moment in Unix seconds, from any of the forms that forges use: RFC 3339,
/// `2021-04-28 21:50:00 +0200`, `2016-08-12 15:23:28 UTC`, or Unix seconds. `None` where it is
/// null, missing or something else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(pub(super) Option<i64>);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::deserialize(deserializer).map(|text| Self(parse_moment(text.as_str())))
    }
}

pub(super) fn parse_moment(text: &str) -> Option<i64> {
    if text.len() > 40 {
        return None;
    }
    if let Ok(seconds) = text.parse::<i64>() {
        return Some(seconds);
    }
    let parse = |text: &str| Some(text.parse::<jiff::Timestamp>().ok()?.as_second());
    match text.rsplit_once(' ') {
        Some((time, "UTC")) => parse(&format!("{time}Z")),
        Some((time, offset)) if offset.starts_with(['+', '-']) => parse(&format!("{time}{offset}")),
        _ => parse(text),
    }
}

/// The paths of a commit, sorted; `None` where they are not told, too many, or too long. A commit
/// without paths is one whose paths are not told: hardly any commit touches nothing.
pub(super) fn paths<'a>(lists: [&[Text<'a>]; 3]) -> Option<Vec<String>> {
    let told = lists.iter().map(|list| list.len()).sum::<usize>();
    // A path may stand in several lists.
    if told == 0 || told > 3 * PATHS_MAX {
        return None;
    }
    let mut paths = Vec::with_capacity(told);
    for path in lists.into_iter().flatten() {
        let path = path.as_str();
        if path.is_empty() || path.len() > URL_BYTES_MAX {
            return None;
        }
        paths.push(path.to_owned());
    }
    paths.sort_unstable();
    paths.dedup();
    (paths.len() <= PATHS_MAX).then_some(paths)
}

/// The facts of one event about one repository, while they are gathered.
pub(super) struct Gathered<'a> {
    pub(super) reader: &'a Reader<'a>,
    pub(super) recorded: &'a Recorded,
    /// Whose facts they are, by [`repository_name`].
    pub(super) repository: String,
    pub(super) facts: Vec<Fact>,
}

impl<'a> Gathered<'a> {
    pub(super) fn new(reader: &'a Reader<'a>, recorded: &'a Recorded, repository: String) -> Self {
        Self { reader, recorded, repository, facts: Vec::new() }
    }

    pub(super) fn say(&mut self, entity: Entity) {
        let scope = Scope::Repository(self.repository.clone());
        self.facts.push(Fact { scope, entity });
    }

    /// Says what is known of the repository itself.
    pub(super) fn say_repository(&mut self, at: Moment, default_branch: &Text<'_>, url: &Text<'_>) {
        let known = Repository {
            default_branch: self.latest(at, default_branch.name()),
            url: self.latest(at, url.link()),
        };
        if known != Repository::default() {
            self.say(Entity::Repository(known));
        }
    }

    /// The moment, if it can be believed.
    pub(super) fn at(&self, moment: Moment) -> Option<i64> {
        self.recorded.believed(moment.0?)
    }

    /// A value as it was at a moment; nothing without a moment that can be believed, since the
    /// order of arrival must not matter.
    pub(super) fn latest<T>(&self, at: Moment, value: Option<T>) -> Latest<T> {
        match (self.at(at), value) {
            (Some(at), Some(value)) => Latest::at(at, value),
            _ => Latest::default(),
        }
    }

    /// Whether a label says that an issue is an incident.
    pub(super) fn is_incident<'t>(&self, mut labels: impl Iterator<Item = &'t str>) -> bool {
        let known = self.reader.incident_labels;
        labels.any(|label| known.iter().any(|it| it.to_lowercase() == label.to_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::slice::from_ref;

    fn text(text: &str) -> Text<'_> {
        Text(Cow::Borrowed(text))
    }

    #[test]
    fn all_forms_of_a_moment_are_read() {
        for (form, seconds) in [
            ("2021-04-28 21:50:00 +0200", Some(1_619_639_400)),
            ("2021-04-28T21:50:00+02:00", Some(1_619_639_400)),
            ("2021-04-28 19:50:00 UTC", Some(1_619_639_400)),
            ("2021-04-28T19:50:00.887Z", Some(1_619_639_400)),
            ("1619639400", Some(1_619_639_400)),
            ("2021-04-28", None),
            ("2021-04-28 25:50:00 UTC", None),
            ("yesterday", None),
            ("", None),
            ("+", None),
            (" ", None),
        ] {
            assert_eq!(parse_moment(form), seconds, "{form}");
        }
        assert_eq!(serde_json::from_str::<Moment>("1619639400").unwrap().0, Some(1_619_639_400));
        assert_eq!(serde_json::from_str::<Moment>("null").unwrap().0, None);
        assert_eq!(serde_json::from_str::<Moment>("[{}]").unwrap().0, None);
    }

    #[test]
    fn texts_take_what_comes() {
        let read = |json: &str| serde_json::from_str::<Text<'_>>(json).unwrap().0.into_owned();
        assert_eq!(read("\"a\\u0062\""), "ab");
        assert_eq!(read("12"), "12");
        assert_eq!(read("-12"), "-12");
        for nothing in ["null", "true", "1.5", "[[1]]", "{\"a\":{}}"] {
            assert_eq!(read(nothing), "", "{nothing}");
        }
    }

    #[test]
    fn only_what_is_harmless_is_taken() {
        assert_eq!(text(&"A".repeat(40)).hash(), Some("a".repeat(40)));
        assert_eq!(text(&"0".repeat(40)).hash(), None);
        assert_eq!(text("abc").hash(), None);
        assert_eq!(text("a\nb").name(), None);
        assert_eq!(text(&"x".repeat(256)).name(), None);
        assert_eq!(text("refs/heads/a/b").branch(), Some("a/b".to_owned()));
        assert_eq!(text("refs/tags/v1").branch(), None);
        assert_eq!(text("https://host/a").link(), Some("https://host/a".to_owned()));
        for bad in ["javascript:alert(1)", "https://u:p@host/", "https:///x", "ftp://host/", "//h"]
        {
            assert_eq!(text(bad).link(), None, "{bad}");
        }
        assert_eq!(text("https://Host/A/B.git").repository(), Some("host/a/b".to_owned()));
        assert_eq!(text("").repository(), None);
    }

    #[test]
    fn paths_are_all_or_nothing() {
        let (a, b) = (text("a"), text("b"));
        assert_eq!(
            paths([from_ref(&b), from_ref(&a), from_ref(&b)]),
            Some(vec!["a".to_owned(), "b".to_owned()])
        );
        assert_eq!(paths([&[], &[], &[]]), None);
        let names: Vec<String> = (0..=PATHS_MAX).map(|i| i.to_string()).collect();
        let many: Vec<Text<'_>> = names.iter().map(|name| text(name)).collect();
        assert_eq!(paths([&many, &[], &[]]), None);
        assert_eq!(paths([&many[1..], &[], &[]]).map(|it| it.len()), Some(PATHS_MAX));
    }
}
