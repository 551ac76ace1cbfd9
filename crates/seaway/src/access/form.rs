//! Forms of pages: what they send, and how they prove that a page of this server sent it.

use super::token::hex;
use crate::problem::Problem;
use axum::extract::Query;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The largest form, in bytes.
pub(crate) const BYTES_MAX: usize = 16 << 10;
/// The field with the proof.
pub(crate) const FIELD: &str = "csrf";
/// What the proof is a proof of.
const PURPOSE: &[u8] = b"seaway form";

/// The fields of a form.
#[derive(Debug, Clone, Default)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads the body of a form (`application/x-www-form-urlencoded`).
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn of(body: &[u8]) -> Result<Self, Problem> {
        let wrong = || Problem::bad_request("this is not a form that was filled in on a page");
        let text = std::str::from_utf8(body).map_err(|_| wrong())?;
        let uri = format!("/?{text}").parse().map_err(|_| wrong())?;
        let Query(fields) = Query::try_from_uri(&uri).map_err(|_| wrong())?;
        Ok(Self(fields))
    }

    /// The value of a field; `None` if it is not there, or several times.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut found = self.0.iter().filter(|(field, _)| field == name);
        let (_, value) = found.next()?;
        found.next().is_none().then_some(value.as_str())
    }
}

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

    #[test]
    fn fields_are_read_as_browsers_write_them() {
        let form = Form::of(b"name=a+b%26c%C3%A9&next=%2Fx&twice=1&twice=2&empty=").unwrap();
        assert_eq!(form.get("name"), Some("a b&c\u{e9}"));
        assert_eq!(form.get("next"), Some("/x"));
        assert_eq!(form.get("empty"), Some(""));
        assert_eq!(form.get("twice"), None);
        assert_eq!(form.get("none"), None);
        for wrong in [&b"\xff"[..], b"a=\r\n", b"a b"] {
            assert!(Form::of(wrong).is_err(), "{wrong:?}");
        }
        assert!(Form::of(b"").unwrap().get("a").is_none());
    }
}
