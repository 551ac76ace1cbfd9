//! Script in every string that comes from outside is shown as text.

use crate::serve_lang::{Data, Server};
use crate::serve_openapi::{event, hash};
use serde_json::{Value, json};

const EVIL: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>\u{202e}{{7*7}}";

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn events() -> Vec<Value> {
    let repository = "https://github.com/example/evil";
    let commit = |number: u32, parents: &[u32], day: u32| {
        json!({
            "hash": hash(number), "parents": parents.iter().map(|it| hash(*it)).collect::<Vec<_>>(),
            "authoredAt": format!("2026-03-{day:02}T08:00:00Z"),
            "committedAt": format!("2026-03-{day:02}T08:05:00Z"),
            "author": { "name": EVIL, "email": "javascript:alert(1)" }, "message": EVIL,
        })
    };
    let deployment = |id: &str, name: &str, environment: &str, revision: u32, day: u32| {
        event(
            id,
            "deployment.finished",
            name,
            json!({
                "service": EVIL, "environment": environment, "name": name, "repository": repository,
                "revision": hash(revision), "startedAt": format!("2026-03-{day:02}T10:00:00Z"),
                "finishedAt": format!("2026-03-{day:02}T10:00:00Z"), "outcome": "success",
                "url": "javascript:alert(3)",
            }),
        )
    };
    vec![
        event(
            "push",
            "commit.pushed",
            &hash(3),
            json!({
                "repository": repository, "branch": "main", "default": true, "after": hash(5),
                "pushedAt": "2026-03-04T09:00:00Z",
                "commits": [
                    commit(1, &[], 1), commit(2, &[1], 2), commit(3, &[2], 3), commit(4, &[3], 3),
                    commit(5, &[3, 4], 4),
                ],
            }),
        ),
        event(
            "build",
            "build.finished",
            "build",
            json!({
                "repository": repository, "revision": hash(5), "pipeline": EVIL,
                "finishedAt": "2026-03-04T09:30:00Z", "outcome": "failure",
            }),
        ),
        deployment("d4", EVIL, "staging", 5, 7),
        deployment("d1", "first", "production", 1, 5),
        deployment("d2", EVIL, "production", 2, 6),
        deployment("d3", EVIL, EVIL, 77, 6),
        event(
            "inc",
            "incident.reported",
            EVIL,
            json!({
                "service": EVIL, "incident": EVIL, "environment": "production", "title": EVIL,
                "reportedAt": "2026-03-06T11:00:00Z",
            }),
        ),
        event(EVIL, "deployment.finished", EVIL, json!({ "service": 7 })),
        json!({ "specversion": "1.0", "id": "u", "source": EVIL, "type": "com.example.x" }),
    ]
}

/// The URLs of this server that a page leads to.
pub(crate) fn links(body: &str) -> Vec<String> {
    let parts = body.split("href=\"").skip(1);
    let urls = parts.filter_map(|rest| rest.split('"').next());
    urls.filter(|url| url.starts_with('/')).map(|url| url.replace("&amp;", "&")).collect()
}

fn visit(server: &Server, path: &str) -> String {
    let answer = server.send("GET", path, &[("Accept", "text/html")], b"");
    let page = &answer.body;
    let is_page = answer.head.contains("content-type: text/html");
    assert!(answer.status == 200 || is_page, "{path}: {} {page}", answer.status);
    assert!(answer.head.contains("content-security-policy: default-src 'none'"), "{path}");
    if !is_page {
        return String::new();
    }
    for wrong in ["<script>", "<img", "href=\"javascript", "\u{202e}"] {
        assert!(!page.contains(wrong), "{wrong} is on {path}: {page}");
    }
    answer.body
}

/// Every page that can be reached from these is visited, as far as such names lead.
#[test]
fn script_from_outside_is_text_on_every_page() {
    let data = Data::new();
    let server = data.serve();
    server.events(&events());
    server.settle();
    let service = escaped(EVIL);
    let mut open = vec![
        "/".to_owned(),
        "/quality".to_owned(),
        "/quality?kind=unknown_revision".to_owned(),
        format!("/quality?kind={service}"),
        format!("/compare?by=service&since=2026-01-01&of={service}"),
        format!("/compare?by={service}"),
        format!("/compare?group={service}"),
        format!("/search?q={service}"),
        "/search?q=script".to_owned(),
        "/search?q=0000".to_owned(),
        format!("/services/{service}/changes/{}", hash(2)),
        format!("/services/{service}/changes/{}", hash(3)),
        format!("/services/{service}/changes/{}", hash(5)),
        format!("/services/{service}/changes/{service}"),
        format!("/services/{service}/deployments/production/{service}"),
        format!("/services/{service}/deployments/{service}/{service}"),
    ];
    let mut seen = std::collections::BTreeSet::new();
    let mut shown = 0;
    while let Some(path) = open.pop() {
        if !seen.insert(path.clone()) || seen.len() > 200 || path.starts_with("/assets/") {
            continue;
        }
        let page = visit(&server, &path);
        shown += usize::from(page.contains("&lt;script&gt;"));
        open.extend(links(&page));
    }
    let merge = visit(&server, &format!("/services/{service}/changes/{}", hash(5)));
    for id in ["commits", "builds", "delivery"] {
        let (_, section) = merge.split_once(&format!("<section id=\"{id}\"")).unwrap();
        let section = section.split("</section>").next().unwrap();
        assert!(section.contains("&lt;script&gt;"), "{id}: {section}");
    }
    assert!(shown >= 8, "the text was on {shown} pages only: {seen:?}");
}
