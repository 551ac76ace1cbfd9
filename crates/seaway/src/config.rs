//! The configuration: `default.toml`, and what a file of the user sets anew.

use crate::error::Error;
use crate::git::commit::AuthorPatterns;
use crate::intake::backfill::What;
use regex::Regex;
use regex::bytes::RegexSet;
use seaway_core::delivery::facts::repository_name;
use seaway_core::flags::mentions::Style;
use seaway_core::time::DAY;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

const DEFAULTS: &str = include_str!("default.toml");

/// The configuration, checked.
pub(crate) struct Config {
    pub(crate) time_zone: jiff::tz::TimeZone,
    pub(crate) release: Regex,
    pub(crate) unfinished: Regex,
    pub(crate) patterns: AuthorPatterns,
    /// The text of everything that changes what is kept of a commit: part of the cache's name.
    pub(crate) patterns_text: String,
    /// Labels that say of an issue that it is an incident.
    pub(crate) incident_labels: Vec<String>,
    /// How long after a deployment an incident may open that belongs to it, in seconds.
    pub(crate) incident_window_seconds: i64,
    /// Folders and repositories of the catalog.
    pub(crate) catalog_folders: Vec<PathBuf>,
    /// How often repositories of the catalog that are named by a URL are fetched.
    pub(crate) catalog_every: Duration,
    /// Where repositories are read: a path or a URL by name (`facts::repository_name`).
    pub(crate) repositories: BTreeMap<String, String>,
    /// Whether repositories that the catalog names are read over https.
    pub(crate) mirror_catalogued: bool,
    /// What is filled from GitHub on a schedule.
    pub(crate) github: GitHub,
    /// The environment whose flags are evaluated where neither a token nor a header names one.
    pub(crate) default_environment: String,
    /// Who is let in.
    pub(crate) access: Access,
    /// How repositories are searched for flags.
    pub(crate) flag_refs: FlagRefs,
}

/// How repositories are searched for flags.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FlagRefs {
    /// Other ways in which code writes a key.
    pub(crate) styles: Vec<Style>,
    /// Files and folders that are passed over, as patterns of paths.
    pub(crate) except: Vec<String>,
}

/// Who is let in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Access {
    pub(crate) tokens: AskForTokens,
    /// Whether `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub(crate) behind_proxy: bool,
    /// Whether badges are shown to whoever asks for them.
    pub(crate) public_badges: bool,
    /// How long a person is signed in at most.
    pub(crate) session_hours: u16,
    /// Failed authentications by address.
    pub(crate) failures_per_minute: u32,
    /// Requests with one token; 0 is no bound.
    pub(crate) requests_per_second: u32,
}

/// When requests need a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AskForTokens {
    /// Unless the server listens on a loopback address.
    Auto,
    Always,
}

/// What is filled from GitHub on a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GitHub {
    /// `OWNER` or `OWNER/REPO`.
    pub(crate) backfill: Vec<String>,
    /// Minutes between two runs.
    pub(crate) every_minutes: u32,
    /// How far back a run looks, in days.
    pub(crate) days: u16,
    /// Where the API is.
    pub(crate) api_url: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    organization: Organization,
    deployments: Deployments,
    bots: Bots,
    assistance: Assistance,
    incidents: Incidents,
    catalog: Catalog,
    repositories: BTreeMap<String, String>,
    mirrors: Mirrors,
    github: GitHub,
    flags: Flags,
    access: Access,
    flag_refs: FlagRefs,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Flags {
    default_environment: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mirrors {
    catalogued: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Organization {
    time_zone: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deployments {
    release: String,
    unfinished: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bots {
    authors: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Assistance {
    authors: Vec<String>,
    co_author_trailers: Vec<String>,
    trailers: Vec<String>,
    lines: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Incidents {
    labels: Vec<String>,
    window_days: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalog {
    folders: Vec<PathBuf>,
    every_seconds: u32,
}

impl Config {
    /// What readers of events need to know.
    pub(crate) fn reader_settings(&self) -> crate::intake::Settings {
        crate::intake::Settings {
            patterns: self.patterns.clone(),
            incident_labels: self.incident_labels.clone(),
        }
    }

    /// Reads the defaults and, over them, the file of the user.
    pub(crate) fn load(path: Option<&Path>) -> Result<Self, Error> {
        let Some(path) = path else { return Self::of(None) };
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::input(format!("{name} cannot be read: {error}"), "check the path of --config")
        })?;
        Self::of(Some((&name, &text)))
    }

    /// The defaults and, over them, a file's name and text.
    pub(crate) fn of(file: Option<(&str, &str)>) -> Result<Self, Error> {
        let mut table = parse(DEFAULTS, "the built-in defaults")?;
        if let Some((name, text)) = file {
            for (section, value) in parse(text, name)? {
                match (table.get_mut(&section), value) {
                    (Some(toml::Value::Table(known)), toml::Value::Table(new)) => known.extend(new),
                    (_, value) => drop(table.insert(section, value)),
                }
            }
        }
        let file: File = table.try_into().map_err(|error: toml::de::Error| {
            Error::input(format!("the configuration does not fit: {}", error.message()), HINT)
        })?;
        file.check()
    }
}

const HINT: &str = "docs/measure.md shows all keys with their defaults";

fn parse(text: &str, name: &str) -> Result<toml::Table, Error> {
    text.parse().map_err(|error: toml::de::Error| {
        Error::input(format!("{name} is not TOML: {error}"), HINT)
    })
}

impl File {
    fn check(self) -> Result<Config, Error> {
        self.check_github()?;
        self.check_access()?;
        crate::environment::check(&self.flags.default_environment)
            .map_err(|why| Error::input(format!("flags.default_environment: {why}"), HINT))?;
        let pattern = |key: &str, error: regex::Error| {
            Error::input(format!("a pattern of `{key}` cannot be used: {error}"), HINT)
        };
        let patterns_text = format!("{:?}{:?}", self.bots, self.assistance);
        let lower = |words: Vec<String>| words.into_iter().map(|w| w.to_lowercase()).collect();
        Ok(Config {
            time_zone: jiff::tz::TimeZone::get(&self.organization.time_zone).map_err(|_| {
                let zone = &self.organization.time_zone;
                Error::input(
                    format!("there is no time zone {zone}"),
                    "use a name like Europe/Berlin or UTC for organization.time_zone",
                )
            })?,
            release: Regex::new(&self.deployments.release)
                .map_err(|error| pattern("deployments.release", error))?,
            unfinished: Regex::new(&self.deployments.unfinished)
                .map_err(|error| pattern("deployments.unfinished", error))?,
            patterns: AuthorPatterns {
                bots: RegexSet::new(&self.bots.authors)
                    .map_err(|error| pattern("bots.authors", error))?,
                assistants: RegexSet::new(&self.assistance.authors)
                    .map_err(|error| pattern("assistance.authors", error))?,
                co_author_keys: lower(self.assistance.co_author_trailers),
                assisted_keys: lower(self.assistance.trailers),
                assisted_lines: self.assistance.lines,
            },
            patterns_text,
            incident_labels: self.incidents.labels,
            incident_window_seconds: i64::from(self.incidents.window_days) * DAY,
            catalog_folders: self.catalog.folders,
            catalog_every: Duration::from_secs(self.catalog.every_seconds.max(1).into()),
            repositories: self
                .repositories
                .into_iter()
                .map(|(name, source)| (repository_name(&name), source))
                .collect(),
            mirror_catalogued: self.mirrors.catalogued,
            github: self.github,
            default_environment: self.flags.default_environment,
            access: self.access,
            flag_refs: self.flag_refs,
        })
    }

    fn check_access(&self) -> Result<(), Error> {
        match self.access.session_hours == 0 || self.access.failures_per_minute == 0 {
            true => Err(Error::input(
                "access.session_hours and access.failures_per_minute are at least 1",
                "leave them out for the defaults",
            )),
            false => Ok(()),
        }
    }

    fn check_github(&self) -> Result<(), Error> {
        let GitHub { backfill, every_minutes, days, .. } = &self.github;
        if let Some(wrong) = backfill.iter().find(|text| What::parse(text, 0, &[]).is_none()) {
            return Err(Error::input(
                format!("github.backfill has {wrong}, which is neither OWNER nor OWNER/REPO"),
                "write for instance backfill = [\"acme\", \"octo/shop\"]",
            ));
        }
        match *every_minutes == 0 || *days == 0 {
            true => Err(Error::input(
                "github.every_minutes and github.days are at least 1",
                "leave them out for the defaults",
            )),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_tags_are_told_from_others() {
        let config = Config::load(None).unwrap();
        let is_release =
            |name: &str| config.release.is_match(name) && !config.unfinished.is_match(name);
        for name in [
            "v1.2.3",
            "1.2",
            "release_1074",
            "1.1.0-release",
            "v1487",
            "app@2.0.0",
            "web/v3.1.4",
            "release-2026-11-23",
            "2026.11.23",
            "deploy-20261123-1200",
            "jq-1.6",
            "v5.4.0-p1",
            "foo-bar-1.0.0.Final",
            "prod-2026-01-02-abc1234",
            "v1.0.0+5a3f9e1",
            "r12",
        ] {
            assert!(is_release(name), "{name}");
        }
        for name in [
            "v1.2.3-rc1",
            "1.0.0-beta.2",
            "v2.0.0-alpha",
            "nightly-2026-11-23",
            "before-refactor",
            "latest",
            "v2.0rc1",
            "v1.0.0-SNAPSHOT",
            "junio-gpg-pub",
            "v3.0.0-preview.4",
        ] {
            assert!(!is_release(name), "{name}");
        }
    }

    #[test]
    fn bots_and_assistants_are_told_from_people() {
        let patterns = Config::load(None).unwrap().patterns;
        for author in [
            "dependabot[bot] <49699333+dependabot[bot]@users.noreply.github.com>",
            "Renovate Bot <bot@renovateapp.com>",
            "bors <bors@rust-lang.org>",
            "build-bot <ci@example.com>",
        ] {
            assert!(patterns.bots.is_match(author.as_bytes()), "{author}");
        }
        for author in ["Abbot Smith <abbot@example.com>", "Robot Ic <ric@example.com>"] {
            assert!(!patterns.bots.is_match(author.as_bytes()), "{author}");
        }
        assert!(patterns.assistants.is_match(b"Claude <noreply@anthropic.com>"));
        assert!(
            patterns.assistants.is_match(b"Copilot <198982749+Copilot@users.noreply.github.com>")
        );
        assert!(!patterns.assistants.is_match(b"Claudette Cursorson <c@example.com>"));
    }
}
