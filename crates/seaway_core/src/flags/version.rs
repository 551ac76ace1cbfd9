//! `sem_ver`: comparing semantic versions as flagd does.

use semver::Version;
use std::cmp::Ordering;

/// Whether versions can be compared like this.
pub(super) fn is_comparison(name: &str) -> bool {
    matches!(name, "=" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "^")
}

/// Whether the comparison holds; `None` where it is none, or where one side is no version.
///
/// `^` compares the major version, `~` the major and the minor one.
pub(super) fn compare(version: &str, comparison: &str, target: &str) -> Option<bool> {
    let (version, target) = (parse(version)?, parse(target)?);
    let order = version.cmp_precedence(&target);
    let major = version.major == target.major;
    Some(match comparison {
        "=" => order == Ordering::Equal,
        "!=" => order != Ordering::Equal,
        "<" => order == Ordering::Less,
        "<=" => order != Ordering::Greater,
        ">" => order == Ordering::Greater,
        ">=" => order != Ordering::Less,
        "^" => major,
        "~" => major && version.minor == target.minor,
        _ => return None,
    })
}

/// A version: `v` may stand before it, and `1` and `1.2` mean `1.0.0` and `1.2.0`.
fn parse(text: &str) -> Option<Version> {
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let partial = !text.contains(['-', '+']);
    match text.bytes().filter(|byte| *byte == b'.').count() {
        0 if partial => Version::parse(&format!("{text}.0.0")).ok(),
        1 if partial => Version::parse(&format!("{text}.0")).ok(),
        _ => Version::parse(text).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::compare;

    #[test]
    fn precedence_is_that_of_semver_org() {
        let order = [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1",
            "v1.0.1+build",
        ];
        for pair in order.windows(2) {
            assert_eq!(compare(pair[0], "<", pair[1]), Some(true), "{pair:?}");
            assert_eq!(compare(pair[1], ">=", pair[0]), Some(true), "{pair:?}");
        }
    }

    #[test]
    fn what_is_no_version_compares_with_nothing() {
        for text in ["", "v", "1.", "1.0-alpha", "01.0.0", "1.0.0.0", "99999999999999999999.0.0"] {
            assert_eq!(compare(text, "=", text), None, "{text}");
        }
        assert_eq!(compare("1.0.0", "==", "1.0.0"), None);
    }
}
