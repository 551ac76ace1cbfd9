//! Which files of a repository a pattern of paths means: for `measure --path`, and for services
//! that are a part of a repository.

/// Patterns of paths, as git reads a plain pathspec from the root of the repository.
///
/// - `services/a` and `services/a/` match everything under that folder, `services/a` also a file
///   of that name. `.` and the empty pattern match everything.
/// - `*` matches any run of bytes and `?` any single one, a slash included; `[…]` is a set and
///   `\` takes the special meaning from the next byte. Such a pattern matches whole paths:
///   `*.rs` means every such file in every folder, `services/*` everything below.
/// - Case counts. Magic words (`:(exclude)`) have no meaning here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Globs(Vec<Glob>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Glob {
    pattern: Vec<u8>,
    /// How many bytes at the start mean just themselves.
    literal: usize,
}

impl Globs {
    /// Reads patterns; a path matches if any of them does.
    pub fn new<T: AsRef<[u8]>>(patterns: impl IntoIterator<Item = T>) -> Self {
        Self(patterns.into_iter().map(|pattern| Glob::new(pattern.as_ref())).collect())
    }

    /// Whether a file's path matches. The cost of a pattern is at most its length times that of
    /// the path.
    #[must_use]
    pub fn matches(&self, path: &[u8]) -> bool {
        self.0.iter().any(|glob| glob.matches(path))
    }

    /// Whether a path in `folder` may match; `folder` ends with a slash.
    #[must_use]
    pub fn may_match_under(&self, folder: &[u8]) -> bool {
        self.0.iter().any(|glob| {
            let literal = glob.pattern.get(..glob.literal).unwrap_or_default();
            literal.iter().zip(folder).all(|(one, two)| one == two)
        })
    }
}

impl Glob {
    fn new(pattern: &[u8]) -> Self {
        let mut pattern = pattern;
        while let Some(rest) = pattern.strip_prefix(b"./") {
            pattern = rest;
        }
        if pattern == b"." {
            pattern = b"";
        }
        let special = |byte: &u8| b"*?[\\".contains(byte);
        let literal = pattern.iter().position(special).unwrap_or(pattern.len());
        Self { pattern: pattern.to_vec(), literal }
    }

    fn matches(&self, path: &[u8]) -> bool {
        self.holds(path) || self.literal < self.pattern.len() && wild(&self.pattern, path)
    }

    /// Whether the path is the pattern, byte by byte, or in a folder of that name.
    fn holds(&self, path: &[u8]) -> bool {
        match path.strip_prefix(self.pattern.as_slice()) {
            Some(rest) => {
                rest.is_empty()
                    || rest.starts_with(b"/")
                    || self.pattern.is_empty()
                    || self.pattern.ends_with(b"/")
            }
            None => false,
        }
    }
}

/// Whether a pattern with wildcards matches all of `text`.
///
/// As `*` matches whatever is there, only the last star met ever needs to take more: what an
/// earlier one would take instead, the last one can take as well.
fn wild(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            star = Some((p, t));
            continue;
        }
        let next = match text.get(t) {
            None if p == pattern.len() => return true,
            None => return false,
            Some(&byte) => one(pattern.get(p..).unwrap_or_default(), byte),
        };
        match (next, star) {
            (Some(length), _) => {
                p += length;
                t += 1;
            }
            (None, Some((after, taken))) => {
                star = Some((after, taken + 1));
                (p, t) = (after, taken + 1);
            }
            (None, None) => return false,
        }
    }
}

/// The length of what starts the pattern, if it is not a star and matches this byte.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match *pattern.first()? {
        b'?' => Some(1),
        b'[' => set(pattern, byte),
        b'\\' => (pattern.get(1) == Some(&byte)).then_some(2),
        literal => (literal == byte).then_some(1),
    }
}

/// The length of the set that starts the pattern, if it holds this byte. A set that does not end
/// matches nothing.
fn set(pattern: &[u8], byte: u8) -> Option<usize> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let first = if negated { 2 } else { 1 };
    let mut at = first;
    let mut holds = false;
    let mut previous = None;
    while at == first || pattern.get(at) != Some(&b']') {
        let member = *pattern.get(at)?;
        if member == b'-'
            && let Some(low) = previous
            && pattern.get(at + 1).is_some_and(|&next| next != b']')
        {
            let (high, length) = escaped(pattern, at + 1)?;
            holds |= (low..=high).contains(&byte);
            previous = None;
            at += 1 + length;
        } else if pattern.get(at..at + 2) == Some(b"[:") {
            let rest = pattern.get(at + 2..)?;
            let length = rest.iter().position(|&c| c == b']')?;
            let Some(name) = rest.get(..length)?.strip_suffix(b":") else {
                // `[:` that no `:]` ends means just these bytes.
                holds |= byte == b'[';
                previous = Some(b'[');
                at += 1;
                continue;
            };
            holds |= class(name, byte)?;
            previous = None;
            at += 2 + length + 1;
        } else {
            let (member, length) = escaped(pattern, at)?;
            holds |= member == byte;
            previous = Some(member);
            at += length;
        }
    }
    (holds != negated).then_some(at + 1)
}

/// The byte that a pattern means at a place, and how many bytes say so.
fn escaped(pattern: &[u8], at: usize) -> Option<(u8, usize)> {
    match *pattern.get(at)? {
        b'\\' => Some((*pattern.get(at + 1)?, 2)),
        byte => Some((byte, 1)),
    }
}

/// Whether a byte is of a POSIX class; `None` where nobody knows the class.
fn class(name: &[u8], byte: u8) -> Option<bool> {
    Some(match name {
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"alpha" => byte.is_ascii_alphabetic(),
        b"blank" => byte == b' ' || byte == b'\t',
        b"cntrl" => byte.is_ascii_control(),
        b"digit" => byte.is_ascii_digit(),
        b"graph" => byte.is_ascii_graphic(),
        b"lower" => byte.is_ascii_lowercase(),
        b"print" => byte.is_ascii_graphic() || byte == b' ',
        b"punct" => byte.is_ascii_punctuation(),
        b"space" => byte.is_ascii_whitespace() || byte == 0x0b,
        b"upper" => byte.is_ascii_uppercase(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Tries all that a star can take.
    fn naive(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|taken| naive(rest, &text[taken..])),
            Some(_) => match text.split_first() {
                Some((&byte, text)) => {
                    one(pattern, byte).is_some_and(|length| naive(&pattern[length..], text))
                }
                None => false,
            },
        }
    }

    proptest! {
        #[test]
        fn stars_take_all_that_they_can(pattern in "[ab/*?\\[\\]!-]{0,10}", text in "[ab/]{0,12}") {
            prop_assert_eq!(
                wild(pattern.as_bytes(), text.as_bytes()),
                naive(pattern.as_bytes(), text.as_bytes())
            );
        }

        #[test]
        fn no_pattern_breaks_it(pattern in prop::collection::vec(any::<u8>(), 0..40),
                                text in prop::collection::vec(any::<u8>(), 0..40)) {
            let globs = Globs::new([&pattern]);
            let _ = globs.matches(&text);
            let _ = globs.may_match_under(&text);
        }
    }

    #[test]
    fn many_stars_cost_little() {
        let pattern = "*a".repeat(500);
        let path = "a".repeat(4_000) + "b";
        assert!(!Globs::new([pattern]).matches(path.as_bytes()));
    }

    #[test]
    fn sets_hold_ranges_classes_and_what_is_escaped() {
        let matches = |glob: &str, path: &str| Globs::new([glob]).matches(path.as_bytes());
        for (glob, path, expected) in [
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("[]x]", "]", true),
            ("[a-]", "-", true),
            ("[\\]]", "]", true),
            ("[[:digit:]_]", "7", true),
            ("[[:digit:]_]", "_", true),
            ("[[:nothing:]]", "n", false),
            ("[a", "a", false),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("a\\", "a", false),
        ] {
            assert_eq!(matches(glob, path), expected, "{glob} on {path}");
        }
        // A file may be called as a pattern that means something else.
        assert!(matches("[a", "[a"));
    }
}
