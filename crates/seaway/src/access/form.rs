//! How forms prove that a page of this server sent them.

use super::token::hex;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

pub(super) use crate::form::{BYTES_MAX, FIELD, Form, LONG_BYTES_MAX};

/// What the proof is a proof of.
const PURPOSE: &[u8] = b"seaway form";

fn mac(cookie: &str) -> Option<Hmac<Sha256>> {
    // HMAC takes keys of any length: there always is one.
    let mut mac = Hmac::<Sha256>::new_from_slice(cookie.as_bytes()).ok()?;
    mac.update(PURPOSE);
    Some(mac)
}

/// What a form carries so that it is known to be of a page that was made for the holder of a
/// cookie. Other sites can send the cookie, and cannot read it or this.
pub(crate) fn proof(cookie: &str) -> String {
    mac(cookie).map(|mac| hex(&mac.finalize().into_bytes())).unwrap_or_default()
}

/// Whether it is the proof for a cookie. Takes as long whether it is nearly right or not at all.
pub(crate) fn is_proof(given: &str, cookie: &str) -> bool {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let pairs = given.as_bytes().chunks(2);
    let bytes: Option<Vec<u8>> = pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? * 16 + digit(*low)?),
            _ => None,
        })
        .collect();
    let (Some(bytes), Some(mac)) = (bytes, mac(cookie)) else { return false };
    mac.verify_slice(&bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_for_one_cookie() {
        let good = proof("one");
        assert_eq!(good.len(), 64);
        assert!(is_proof(&good, "one"));
        assert!(!is_proof(&good, "other"));
        let cut = &good[..62];
        for wrong in ["", "zz", "é", cut, &good[1..], &format!("{good}00")] {
            assert!(!is_proof(wrong, "one"), "{wrong}");
        }
    }
}
