//! Names of the environments that flags are for.

/// The longest name of an environment.
const CHARS_MAX: usize = 63;

/// Looks whether a text can be the name of an environment.
///
/// # Errors
/// Why not, for people.
pub(crate) fn check(name: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_fine = name.len() <= CHARS_MAX
        && name.bytes().all(|byte| plain(byte) || byte == b'-')
        && name.bytes().next().is_some_and(plain);
    match is_fine {
        true => Ok(()),
        false => Err("the name of an environment has 1 to 63 of a-z, 0-9 and -, and does not \
                      begin with -"
            .to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn names_are_short_and_plain() {
        for name in ["production", "a", "0", "eu-west-1", "a-", &"a".repeat(63)] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        for name in ["", "-a", "A", "a/b", "a b", "ü", "a_b", "a\0", &"a".repeat(64)] {
            assert!(check(name).is_err(), "{name}");
        }
    }
}
