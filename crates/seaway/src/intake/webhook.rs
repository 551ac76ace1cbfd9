//! What taking in the webhooks of any forge has in common.

use axum::http::HeaderMap;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of a header's value that are looked at.
const HEADER_BYTES_MAX: usize = 200;

/// Why a delivery is not taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// It does not prove that it comes from whom it says.
    #[error("{0}")]
    Unproven(&'static str),
    /// It is not what the forge sends.
    #[error("{0}")]
    Malformed(String),
}

/// The value of a header, if it is there, not empty, not too long, and printable ASCII.
pub(super) fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let value = headers.get(name)?.to_str().ok()?.trim();
    (1..=HEADER_BYTES_MAX).contains(&value.len()).then_some(value)
}

/// The value of a header that must be there.
pub(super) fn required<'h>(headers: &'h HeaderMap, name: &str) -> Result<&'h str, Refused> {
    header(headers, name).ok_or_else(|| {
        Refused::Malformed(format!("the header {name} is missing or longer than it can be"))
    })
}

/// The host of a header, with its port; `None` where it is no host.
pub(super) fn host(text: &str) -> Option<String> {
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    (!text.is_empty() && text.chars().all(is_host)).then(|| text.to_ascii_lowercase())
}

/// The word of an event as it stands in its kind: small letters, digits and underlines, at most
/// 64; `None` where nothing of it is left.
pub(super) fn word(text: &str) -> Option<String> {
    let mut word: String = text.trim().chars().take(64).collect();
    word.make_ascii_lowercase();
    let word = word.replace(|c: char| !c.is_ascii_alphanumeric() && c != '_', "_");
    word.contains(|c: char| c != '_').then_some(word)
}

fn mac(key: &[u8]) -> Option<Hmac<Sha256>> {
    // HMAC takes keys of any length: there always is one.
    Hmac::<Sha256>::new_from_slice(key).ok()
}

/// Whether `tag` is the HMAC-SHA-256 of `body` under one of the secrets, of which an empty one is
/// none. Takes as long whether it
/// is nearly right or not at all; a tag that was cut is wrong.
pub(super) fn is_signed(body: &[u8], tag: &[u8], secrets: &[String]) -> bool {
    let secrets = secrets.iter().filter(|secret| !secret.is_empty());
    secrets.filter_map(|secret| mac(secret.as_bytes())).any(|mut mac| {
        mac.update(body);
        mac.verify_slice(tag).is_ok()
    })
}

/// Whether `token` is one of the secrets, of which an empty one is none. Compares fingerprints, so that the time that it takes
/// tells nothing of how much of it is right.
pub(super) fn is_secret(token: &[u8], secrets: &[String]) -> bool {
    secrets.iter().filter(|secret| !secret.is_empty()).any(|secret| {
        let Some(mut known) = mac(b"seaway token") else { return false };
        known.update(secret.as_bytes());
        is_fingerprint(token, &known.finalize().into_bytes())
    })
}

fn is_fingerprint(token: &[u8], known: &[u8]) -> bool {
    mac(b"seaway token").is_some_and(|mut given| {
        given.update(token);
        given.verify_slice(known).is_ok()
    })
}

/// The bytes of an even number of hexadecimal digits.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| (byte as char).to_digit(16);
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let pairs = text.as_bytes().chunks_exact(2);
    pairs.map(|pair| Some((digit(pair[0])? * 16 + digit(pair[1])?) as u8)).collect()
}

/// The fingerprint of a body, in hexadecimal.
pub(super) fn fingerprint(body: &[u8]) -> String {
    use sha2::Digest;
    Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect()
}
