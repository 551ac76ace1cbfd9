//! What all pages of the server share: the document, its files, errors, and what headers say.

use crate::serve_lang::{Answer, Data, Server};

const POLICY: &str = "content-security-policy: default-src 'none'; script-src 'self'; \
     style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

fn is_page(answer: &Answer) -> bool {
    answer.head.contains("content-type: text/html; charset=utf-8")
        && answer.body.starts_with("<!DOCTYPE html>")
}

/// The URLs of a page that begin in some way.
fn urls<'a>(page: &'a Answer, begin: &str) -> Vec<&'a str> {
    let at = |(place, _): (usize, _)| page.body[place + 1..].split('"').next().unwrap_or_default();
    page.body.match_indices(&format!("\"{begin}")).map(at).collect()
}

#[test]
fn an_empty_server_has_an_overview_with_its_frame() {
    let data = Data::new();
    let server = data.serve();
    let page = server.get("/");
    assert_eq!(page.status, 200);
    assert!(is_page(&page), "{}", page.head);
    for head in [POLICY, "x-content-type-options: nosniff", "referrer-policy: same-origin"] {
        assert!(page.head.contains(head), "{head} is not in {}", page.head);
    }
    for url in ["\"/compare\"", "\"/in-flight\"", "\"/quality\"", "action=\"/search\""] {
        assert!(page.body.contains(url), "{url}");
    }
    assert!(page.body.contains("aria-current=\"page\">Overview"), "{}", page.body);
    assert!(page.body.contains("There are no data yet"));
    assert!(!page.body.contains("onclick") && !page.body.contains("<script>"));
}

#[test]
fn files_of_pages_are_kept_for_good_and_others_are_not_there() {
    let data = Data::new();
    let server = data.serve();
    let page = server.get("/");
    let files = urls(&page, "/assets/");
    assert!(!files.is_empty());
    for file in files {
        let plain = server.get(file);
        assert_eq!(plain.status, 200, "{file}");
        assert!(plain.head.contains("cache-control: public, max-age=31536000, immutable"));
        assert!(!plain.head.contains("content-encoding"), "{}", plain.head);
        let zipped = server.send("GET", file, &[("Accept-Encoding", "br, gzip;q=0.8")], b"");
        assert!(zipped.head.contains("content-encoding: gzip"), "{}", zipped.head);
    }
    for file in ["/assets/style.0000000000000000.css", "/assets/..%2Fstyle.css", "/assets/x"] {
        assert_eq!(server.get(file).status, 404, "{file}");
    }
}

#[test]
fn pages_are_compressed_for_those_who_take_it() {
    let data = Data::new();
    let server = data.serve();
    let zipped = server.send("GET", "/", &[("Accept-Encoding", "gzip")], b"");
    assert!(zipped.head.contains("content-encoding: gzip"), "{}", zipped.head);
    let plain = server.get("/");
    assert!(!plain.head.contains("content-encoding"), "{}", plain.head);
}

fn browsed(server: &Server, path: &str) -> Answer {
    server.send("GET", path, &[("Accept", "text/html,application/xhtml+xml")], b"")
}

#[test]
fn errors_of_pages_are_pages_and_those_of_the_api_are_not() {
    let data = Data::new();
    let server = data.serve();
    let wrong = server.get("/?since=%3Cscript%3E");
    assert_eq!(wrong.status, 400);
    assert!(is_page(&wrong), "{}", wrong.head);
    assert!(wrong.body.contains("since=&lt;script&gt; is not a day"), "{}", wrong.body);
    let missing = browsed(&server, "/no/such/page");
    assert_eq!(missing.status, 404);
    assert!(is_page(&missing) && missing.body.contains("Nothing is at /no/such/page"));
    server.get("/no/such/page").problem();
    server.get("/api/v1/organization?since=x").problem();
}
