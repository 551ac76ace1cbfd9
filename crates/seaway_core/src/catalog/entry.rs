//! An entry of the catalog, ready to be pasted, for what the catalog does not have yet.

use super::reference::{NAME_MAX, is_name};

/// The name of a service for which no better one is known.
const NAMELESS: &str = "new-service";
/// Bytes of a repository or a name that an entry repeats.
const TEXT_MAX: usize = 400;

/// The YAML of a component for a repository that no component names, or for a service that
/// deployments name and the catalog does not know; either may be missing.
///
/// The reader of the catalog takes it as it is, and finds it by this repository and name. Left out
/// are a repository that no URL can have, a name with a comma, and what is longer than 400 bytes or
/// has control characters. The owner is left to the person who pastes it: a comment says so.
///
/// `repository` is a name by [`repository_name`].
///
/// [`repository_name`]: crate::delivery::facts::repository_name
#[must_use]
pub fn entry(repository: Option<&str>, service: Option<&str>) -> String {
    let repository = repository.filter(|it| is_plain(it) && !it.contains(char::is_whitespace));
    let service = service.map(str::trim).filter(|it| is_plain(it));
    let last = repository.and_then(|it| it.rsplit('/').next());
    let name = name_of(service.or(last).unwrap_or_default());
    let mut text = format!(
        "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: {}\n",
        quoted(&name)
    );
    let alias = service.filter(|it| !it.eq_ignore_ascii_case(&name) && !it.contains(','));
    let annotations =
        [repository.map(annotation), alias.map(|alias| ("seaway.dev/service", alias.to_owned()))];
    if annotations.iter().any(Option::is_some) {
        text.push_str("  annotations:\n");
    }
    for (key, value) in annotations.into_iter().flatten() {
        text.push_str(&format!("    {key}: {}\n", quoted(&value)));
    }
    text.push_str(
        "spec:\n  type: service\n  lifecycle: production\n  \
         owner: change-me # the group that owns it\n",
    );
    text
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.len() <= TEXT_MAX && !text.chars().any(char::is_control)
}

/// The annotation that names a repository: a slug where the forge has one.
fn annotation(repository: &str) -> (&'static str, String) {
    let slug = |host: &str| {
        let slug = repository.strip_prefix(host)?;
        let plain = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c))
        };
        (slug.contains('/') && slug.split('/').all(plain)).then(|| slug.to_owned())
    };
    if let Some(slug) = slug("github.com/").filter(|slug| slug.matches('/').count() == 1) {
        return ("github.com/project-slug", slug);
    }
    if let Some(slug) = slug("gitlab.com/") {
        return ("gitlab.com/project-slug", slug);
    }
    let scheme = if repository.starts_with('/') { "file://" } else { "https://" };
    ("backstage.io/source-location", format!("url:{scheme}{repository}"))
}

/// The nearest name that an entity can have.
fn name_of(text: &str) -> String {
    let mut name = String::new();
    for c in text.chars() {
        match c {
            c if c.is_ascii_alphanumeric() || c == '_' || c == '.' => name.push(c),
            _ if name.ends_with('-') => {}
            _ => name.push('-'),
        }
        if name.len() >= NAME_MAX {
            break;
        }
    }
    let name = name.trim_matches(['-', '_', '.']);
    if is_name(name) { name.to_owned() } else { NAMELESS.to_owned() }
}

/// The text as a string of YAML. A string of JSON is one, once it says by their numbers which
/// characters it has that YAML forbids, or that would hide or turn the text around them.
fn quoted(text: &str) -> String {
    let plain = text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-./".contains(&c));
    if plain && text.starts_with(|c: char| c.is_ascii_alphabetic()) && !is_keyword(text) {
        return text.to_owned();
    }
    let mut shown = String::new();
    for c in serde_json::Value::from(text).to_string().chars() {
        match u32::from(c) {
            _ if c.is_ascii() || c.is_alphanumeric() => shown.push(c),
            number @ 0..=0xffff => shown.push_str(&format!("\\u{number:04X}")),
            number => shown.push_str(&format!("\\U{number:08X}")),
        }
    }
    shown
}

/// Whether YAML 1.1 or 1.2 reads the word as something else than a string.
fn is_keyword(text: &str) -> bool {
    ["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
        .iter()
        .any(|word| word.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_as_a_person_would_write_it() {
        assert_eq!(
            entry(Some("github.com/acme/shop"), None),
            "apiVersion: backstage.io/v1alpha1\n\
             kind: Component\n\
             metadata:\n\
             \x20 name: shop\n\
             \x20 annotations:\n\
             \x20   github.com/project-slug: acme/shop\n\
             spec:\n\
             \x20 type: service\n\
             \x20 lifecycle: production\n\
             \x20 owner: change-me # the group that owns it\n"
        );
        let text = entry(None, Some("/apis/v1/Shop \"<script>\""));
        assert!(text.contains("  name: apis-v1-Shop-script\n"), "{text}");
        assert!(
            text.contains("    seaway.dev/service: \"/apis/v1/Shop \\\"<script>\\\"\"\n"),
            "{text}"
        );
    }

    #[test]
    fn names_that_entities_cannot_have_become_some_that_they_can() {
        for (text, name) in [
            ("shop", "shop"),
            ("a b//c", "a-b-c"),
            ("_x_", "x"),
            ("", NAMELESS),
            ("***", NAMELESS),
            ("größe", "gr-e"),
        ] {
            assert_eq!(name_of(text), name, "{text}");
        }
        assert_eq!(name_of(&"x-".repeat(200)).len(), NAME_MAX);
        assert_eq!(quoted("yes"), "\"yes\"");
        assert_eq!(quoted("1.5"), "\"1.5\"");
        assert_eq!(quoted("é\u{202e}\u{1f600}"), "\"é\\u202E\\U0001F600\"");
    }
}
