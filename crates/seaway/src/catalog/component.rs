//! Components: what annotations say of services.

use super::common::{Document, Header, quoted};
use super::yaml::Value;
use seaway_core::catalog::{Architecture, Kind, Runtime, Service, Tier};
use seaway_core::delivery::facts::repository_name;
use std::collections::{BTreeMap, BTreeSet};

/// The longest value of an annotation, in bytes.
const VALUE_MAX: usize = 16 * 1024;
/// Entries of a list in an annotation.
const LIST_MAX: usize = 200;
/// The longest entry of a list in an annotation, and the longest repository, in bytes.
const ENTRY_MAX: usize = 500;

const OWN: &str = "seaway.dev/";
const PATHS: &str = "seaway.dev/paths";
const ENVIRONMENTS: &str = "seaway.dev/environments";
const SERVICE: &str = "seaway.dev/service";
const ARCHITECTURE: &str = "seaway.dev/architecture";
const RUNTIME: &str = "seaway.dev/runtime";
const TIER: &str = "seaway.dev/tier";
const TRAITS: &str = "seaway.dev/traits";
const KNOWN: [&str; 7] = [PATHS, ENVIRONMENTS, SERVICE, ARCHITECTURE, RUNTIME, TIER, TRAITS];

const GITHUB: &str = "github.com/project-slug";
const GITLAB: &str = "gitlab.com/project-slug";
const SOURCE: &str = "backstage.io/source-location";
const MANAGED_BY: &str = "backstage.io/managed-by-location";

/// The service that a document defines; `None` where it is wrong, which the problems say.
pub(super) fn read(document: &mut Document<'_>, header: Header) -> Option<Service> {
    document.check_annotations();
    let namespace = header.entity.namespace().to_owned();
    let owner = document.reference(
        "spec.owner",
        &[Kind::Group, Kind::User],
        &namespace,
        Some("name the group that owns this component"),
    );
    let service = Service {
        system: document.reference("spec.system", &[Kind::System], &namespace, None),
        lifecycle: document.words("spec.lifecycle"),
        form: document.words("spec.type"),
        repositories: document.repositories(),
        paths: document.paths(),
        environments: document.list(ENVIRONMENTS).into_iter().collect(),
        aliases: document.list(SERVICE).into_iter().collect(),
        architecture: document.word(ARCHITECTURE, &Architecture::WORDS),
        runtime: document.word(RUNTIME, &Runtime::WORDS),
        tier: document.tier(),
        traits: document.traits(),
        owner: owner?,
        entity: header.entity,
        name: header.name,
        title: header.title,
        description: header.description,
    };
    Some(service)
}

impl<'a> Document<'a> {
    fn check_annotations(&mut self) {
        let Some(node) = self.at("metadata.annotations") else { return };
        let Value::Map(entries) = &node.value else {
            self.wrong(node.line, "metadata.annotations must be a map of texts");
            return;
        };
        for (key, value) in entries {
            if key.starts_with(OWN) && !KNOWN.contains(&key.as_str()) {
                let known = KNOWN.join(", ");
                let key = quoted(key);
                self.note(value.line, format!("{key} is not known here; known are {known}"));
            }
        }
    }

    /// The value of an annotation, with its line.
    fn annotation(&mut self, key: &str) -> Option<(&'a str, usize)> {
        let node = self.at("metadata.annotations")?.get(key)?;
        match &node.value {
            Value::Text(text) if text.len() <= VALUE_MAX => Some((text.trim(), node.line)),
            Value::Text(_) => {
                self.wrong(node.line, format!("{key} is longer than {VALUE_MAX} bytes"));
                None
            }
            _ => {
                self.wrong(node.line, format!("{key} must be a text"));
                None
            }
        }
    }

    /// The entries of an annotation that lists them, with commas or on lines of their own.
    fn list(&mut self, key: &str) -> Vec<String> {
        let Some((text, line)) = self.annotation(key) else { return Vec::new() };
        let entries: Vec<&str> =
            text.split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty()).collect();
        if entries.len() > LIST_MAX {
            self.wrong(line, format!("{key} has more than {LIST_MAX} entries"));
            return Vec::new();
        }
        let is_bad = |entry: &&&str| entry.len() > ENTRY_MAX || entry.contains(char::is_control);
        if let Some(bad) = entries.iter().find(is_bad) {
            let bad = quoted(bad);
            self.wrong(
                line,
                format!("{key}: {bad} is longer than {ENTRY_MAX} bytes or has control characters"),
            );
            return Vec::new();
        }
        entries.into_iter().map(str::to_owned).collect()
    }

    /// Patterns from the root of the repository; a slash at the start says no more than that.
    fn paths(&mut self) -> Vec<String> {
        let from_root = |path: String| match path.trim_start_matches('/') {
            "" => ".".to_owned(),
            rest => rest.to_owned(),
        };
        self.list(PATHS).into_iter().map(from_root).collect()
    }

    /// One of a few words.
    fn word<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let (text, line) = self.annotation(key)?;
        let meant = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
        if meant.is_none() {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let (text, words) = (quoted(text), words.join(", "));
            self.wrong(line, format!("{key} {text} is none of {words}"));
        }
        meant.map(|(_, value)| *value)
    }

    fn tier(&mut self) -> Option<Tier> {
        let (text, line) = self.annotation(TIER)?;
        let tier = Tier::of(text);
        if tier.is_none() {
            let (text, words) = (quoted(text), Tier::WORDS.join(", "));
            self.wrong(line, format!("{TIER} {text} is none of 0 to 4, {words}"));
        }
        tier
    }

    fn traits(&mut self) -> BTreeMap<String, String> {
        let line = self.annotation(TRAITS).map_or(0, |(_, line)| line);
        let mut traits = BTreeMap::new();
        for entry in self.list(TRAITS) {
            let pair = entry.split_once('=').map(|(key, value)| (key.trim(), value.trim()));
            let Some((key, value)) =
                pair.filter(|(key, value)| !key.is_empty() && !value.is_empty())
            else {
                let entry = quoted(&entry);
                self.wrong(line, format!("{TRAITS}: {entry} has not the form key=value"));
                continue;
            };
            if traits.insert(key.to_owned(), value.to_owned()).is_some() {
                let key = quoted(key);
                self.wrong(line, format!("{TRAITS} tells {key} a second time"));
            }
        }
        traits
    }

    /// The repositories of a component: those of its slugs and of its source location, and only
    /// where there are none, the one that the entity itself comes from.
    fn repositories(&mut self) -> BTreeSet<String> {
        let source = self.location(SOURCE);
        let managed = self.location(MANAGED_BY);
        let mut repositories = BTreeSet::new();
        for (key, host) in [(GITHUB, "github.com"), (GITLAB, "gitlab.com")] {
            let Some(slug) = self.slug(key) else { continue };
            // The slug does not say which forge it is of, where a company runs its own.
            let elsewhere = [&source, &managed].into_iter().flatten().find(|repository| {
                repository.split_once('/').is_some_and(|(_, path)| path == slug)
            });
            repositories.insert(elsewhere.cloned().unwrap_or_else(|| format!("{host}/{slug}")));
        }
        repositories.extend(source);
        if repositories.is_empty() {
            repositories.extend(managed);
        }
        repositories
    }

    /// `owner/name` in lower case.
    fn slug(&mut self, key: &str) -> Option<String> {
        let (text, line) = self.annotation(key)?;
        let plain = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c))
        };
        if text.len() > ENTRY_MAX || !text.contains('/') || !text.split('/').all(plain) {
            let text = quoted(text);
            self.wrong(line, format!("{key} {text} is not of the form owner/name"));
            return None;
        }
        Some(text.to_lowercase())
    }

    /// The repository of a location; `None` for locations that are not in one.
    fn location(&mut self, key: &str) -> Option<String> {
        let (text, line) = self.annotation(key)?;
        if text.contains(|c: char| c.is_control() || c.is_whitespace()) || text.len() > ENTRY_MAX {
            let text = quoted(text);
            self.wrong(line, format!("{key} {text} is no location"));
            return None;
        }
        let url = text.strip_prefix("url:").unwrap_or(text);
        url.contains("://").then(|| repository_of(url)).filter(|name| !name.is_empty())
    }
}

/// The name of the repository that a URL leads into: what comes before the branch and the path
/// that forges write into URLs of folders and files.
fn repository_of(url: &str) -> String {
    const VIEWS: [&str; 6] = ["tree", "blob", "edit", "raw", "src", "browse"];
    if !(url.starts_with("https://") || url.starts_with("http://")) {
        return repository_name(url);
    }
    let url = url.split(['?', '#']).next().unwrap_or_default();
    // `https:`, nothing, the host, and then the path: an owner and a name at least.
    let parts: Vec<&str> = url.split('/').collect();
    let end = parts.iter().enumerate().skip(5).position(|(at, part)| {
        *part == "-" || VIEWS.contains(part) && parts.get(at + 1).is_some_and(|it| !it.is_empty())
    });
    repository_name(
        &parts.get(..end.map_or(parts.len(), |end| end + 5)).unwrap_or_default().join("/"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_lead_into_repositories() {
        for (url, name) in [
            ("https://github.com/Acme/Shop", "github.com/acme/shop"),
            ("https://github.com/acme/shop/", "github.com/acme/shop"),
            ("https://github.com/acme/shop/tree/main/", "github.com/acme/shop"),
            ("https://github.com/acme/shop/blob/main/a/b.yaml", "github.com/acme/shop"),
            ("https://github.com/acme/tree", "github.com/acme/tree"),
            ("https://gitlab.com/a/b/c/-/blob/main/x.yaml", "gitlab.com/a/b/c"),
            ("https://bitbucket.org/acme/shop/src/main/x", "bitbucket.org/acme/shop"),
            ("https://dev.azure.com/o/p/_git/shop?path=/x.yaml", "dev.azure.com/o/p/_git/shop"),
            ("https://host:8443/a/b.git#x", "host:8443/a/b"),
            ("file:///srv/src/git/src/shop", "/srv/src/git/src/shop"),
            ("https://", ""),
        ] {
            assert_eq!(repository_of(url), name, "{url}");
        }
    }
}
