//! Where requests come from, as far as a browser tells: what other sites cannot make it say.

use axum::http::{HeaderMap, Uri, header};
use std::net::IpAddr;

/// Characters of a path that is gone back to after signing in.
const NEXT_CHARS_MAX: usize = 2_000;

/// Whether a host with or without its port is this machine, by a name that no name server of
/// others can point here.
pub(super) fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((name, port)) if is_port(port) => name,
            _ => return false,
        },
        None => match host.split_once(':') {
            Some((name, port)) if port.bytes().all(|it| it.is_ascii_digit()) => name,
            Some(_) => return false,
            None => host,
        },
    };
    let is_bracketed = host.starts_with('[');
    match name.parse::<IpAddr>() {
        Ok(address) => address.is_ipv6() == is_bracketed && address.is_loopback(),
        Err(_) => !is_bracketed && name.eq_ignore_ascii_case("localhost"),
    }
}

fn is_port(text: &str) -> bool {
    let port = text.strip_prefix(':').unwrap_or(text);
    (text.is_empty() || port.len() < text.len()) && port.bytes().all(|it| it.is_ascii_digit())
}

/// Whether a request names this machine as its host. A page of another site whose name was pointed
/// here (DNS rebinding) sends that name.
pub(crate) fn is_for_this_machine(uri: &Uri, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok());
    let is_one = hosts.next().is_none();
    is_one
        && host.is_some_and(is_local)
        && uri.authority().is_none_or(|authority| is_local(authority.as_str()))
}

/// Whether a request was sent by a page of another site, as far as the browser says so. Programs
/// say nothing of it.
pub(crate) fn is_of_another_site(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return true;
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    match (origin, host) {
        (Some((scheme, origin)), Some(host)) => {
            !matches!(scheme, "http" | "https") || !origin.eq_ignore_ascii_case(host)
        }
        _ => true,
    }
}

/// A path of this server that is gone to after signing in, if the text is one and nothing that
/// leads elsewhere: browsers take `//host` and `/\host` for other sites, and pass over control
/// characters.
pub(crate) fn local_path(text: &str) -> Option<&str> {
    let is_plain = text.bytes().all(|it| it.is_ascii_graphic() && it != b'\\');
    let is_local = text.starts_with('/') && !text.starts_with("//");
    let is_back = text == "/sign-in" || text.starts_with("/sign-in?") || text == "/sign-out";
    (is_plain && is_local && !is_back && text.len() <= NEXT_CHARS_MAX).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    fn headers(all: &[(&'static str, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    #[test]
    fn this_machine_has_few_names() {
        for host in [
            "localhost",
            "LocalHost:7700",
            "127.0.0.1",
            "127.0.0.1:80",
            "127.9.8.7:1",
            "[::1]",
            "[::1]:7700",
        ] {
            assert!(is_local(host), "{host}");
        }
        for host in [
            "",
            "example.com",
            "localhost.example.com",
            "127.0.0.1.example.com",
            "192.168.0.1",
            "::1",
            "[::1",
            "[::1]x",
            "[::2]:1",
            "[127.0.0.1]",
            "[localhost]",
            "evil@localhost",
            "localhost@evil.example",
            "localhost:80:90",
            "localhost:x",
            "0.0.0.0",
            "2130706433",
            "127.1",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }

    #[test]
    fn a_host_is_named_once_and_is_text() {
        let root: Uri = "/".parse().unwrap();
        let is_ours = |all: &[(&'static str, &[u8])]| is_for_this_machine(&root, &headers(all));
        assert!(is_ours(&[("host", b"localhost:1")]));
        assert!(!is_ours(&[]));
        assert!(!is_ours(&[("host", b"localhost"), ("host", b"evil.example")]));
        assert!(!is_ours(&[("host", b"\xff\xfe")]));
        let absolute: Uri = "http://evil.example/".parse().unwrap();
        assert!(!is_for_this_machine(&absolute, &headers(&[("host", b"localhost")])));
    }

    #[test]
    fn other_sites_are_told_from_this_one() {
        let host: (&'static str, &[u8]) = ("host", b"localhost:7700");
        let is_other = |more: (&'static str, &[u8])| is_of_another_site(&headers(&[host, more]));
        assert!(!is_of_another_site(&headers(&[host])));
        for site in ["same-origin", "none"] {
            assert!(!is_other(("sec-fetch-site", site.as_bytes())), "{site}");
        }
        for site in ["cross-site", "same-site", "", "x"] {
            assert!(is_other(("sec-fetch-site", site.as_bytes())), "{site}");
        }
        assert!(!is_other(("origin", b"http://localhost:7700")));
        assert!(!is_other(("origin", b"https://LOCALHOST:7700")));
        for origin in [
            &b"null"[..],
            b"http://localhost",
            b"http://localhost:7701",
            b"http://evil.example",
            b"ftp://localhost:7700",
            b"localhost:7700",
            b"\xff",
            b"",
        ] {
            assert!(is_other(("origin", origin)), "{origin:?}");
        }
    }

    #[test]
    fn only_paths_of_this_server_are_gone_to() {
        for path in ["/", "/services/a%2Fb?since=2026-01-01", "/compare?of=a&of=b", "/a//b"] {
            assert_eq!(local_path(path), Some(path));
        }
        for path in [
            "",
            "x",
            "//evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "https://evil.example/",
            "javascript:alert(1)",
            "/\t/evil.example",
            "/ /evil.example",
            "/a\r\nSet-Cookie: x=1",
            "/é",
            "/sign-in",
            "/sign-in?next=/",
            "/sign-out",
        ] {
            assert_eq!(local_path(path), None, "{path:?}");
        }
        assert_eq!(local_path(&format!("/{}", "a".repeat(2_000))), None);
    }

    proptest! {
        /// Held against how browsers read URLs.
        #[test]
        fn no_path_leads_to_another_site(text in "[/\\\\a-c.:?#@%;\t\n\r \\[\\]-]{0,24}") {
            let here = reqwest::Url::parse("http://here.example:7700/sign-in").unwrap();
            if let Some(path) = local_path(&text) {
                let there = here.join(path).unwrap();
                prop_assert_eq!(there.origin(), here.origin(), "{:?} leads to {}", path, there);
            }
        }

        #[test]
        fn hosts_that_pass_are_this_machine(text in "(127\\.[0-9.]{1,9}|localhost|\\[::1?\\]?|[a-c@.]{0,4})(:[0-9a-c@/]{0,6})?") {
            if is_local(&text) && let Ok(url) = reqwest::Url::parse(&format!("http://{text}/")) {
                let host = url.host_str().unwrap().trim_matches(['[', ']']).to_owned();
                let is_here = host.parse::<IpAddr>().is_ok_and(|it| it.is_loopback());
                prop_assert!(is_here || host == "localhost", "{} is {}", text, host);
            }
        }
    }
}
