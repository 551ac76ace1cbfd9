//! Forms of pages: what they send, and what the page that holds one says with it.

use crate::problem::Problem;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;

/// The largest form, in bytes.
pub(crate) const BYTES_MAX: usize = 16 << 10;
/// The largest form of a page for editors, in bytes: a definition may be in it, of which every byte may
/// be written as three.
pub(crate) const LONG_BYTES_MAX: usize = 1 << 20;
/// The field with the proof that a page of this server sent a form.
pub(crate) const FIELD: &str = "csrf";

/// The fields of a form; handlers find it among the extensions of a request, after it has proven that
/// a page of this server sent it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads the body of a form (`application/x-www-form-urlencoded`).
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn of(body: &[u8]) -> Result<Self, Problem> {
        let wrong = || Problem::bad_request("this is not a form that was filled in on a page");
        if !body.iter().all(u8::is_ascii_graphic) {
            return Err(wrong());
        }
        let text = std::str::from_utf8(body).map_err(|_| wrong())?;
        let decoded = |text: &str| {
            percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
        };
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let fields = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        });
        Ok(Self(fields.collect()))
    }

    /// The value of a field; `None` if it is not there, or several times.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut found = self.0.iter().filter(|(field, _)| field == name);
        let (_, value) = found.next()?;
        found.next().is_none().then_some(value.as_str())
    }
}

/// What a page of forms is bound to: the proof for the cookie of whoever sees it, and the header that
/// sets that cookie where there was none.
pub(crate) struct Bound {
    pub(crate) proof: String,
    pub(crate) set: Option<HeaderValue>,
}

impl Bound {
    /// The page, which nobody keeps.
    pub(crate) fn answer(self, page: impl IntoResponse) -> Response {
        let mut response = page.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(set) = self.set {
            headers.append(header::SET_COOKIE, set);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_browsers_write_them() {
        let form = Form::of(b"name=a+b%26c%C3%A9&next=%2Fx&twice=1&twice=2&empty=&alone").unwrap();
        assert_eq!(form.get("name"), Some("a b&c\u{e9}"));
        assert_eq!(form.get("next"), Some("/x"));
        assert_eq!(form.get("empty"), Some(""));
        assert_eq!(form.get("alone"), Some(""));
        assert_eq!(form.get("twice"), None);
        assert_eq!(form.get("none"), None);
        for wrong in [&b"\xff"[..], b"a=\r\n", b"a b"] {
            assert!(Form::of(wrong).is_err(), "{wrong:?}");
        }
        assert!(Form::of(b"").unwrap().get("a").is_none());
    }

    #[test]
    fn long_fields_are_read_whole() {
        let long = "%7B+%22".repeat(60_000);
        let form = Form::of(format!("definition={long}").as_bytes()).unwrap();
        assert_eq!(form.get("definition").unwrap(), "{ \"".repeat(60_000));
    }
}
