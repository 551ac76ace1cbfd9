//! What pages say, word by word, of a short history whose times are fixed.

use crate::pages_rows::words;
use crate::serve_lang::{Answer, Server};
use crate::serve_openapi::{filled, hash, with_catalog};

fn text(server: &Server, path: &str) -> String {
    let page = server.get(path);
    assert_eq!(page.status, 200, "{path}: {}", page.body);
    lines(&page)
}

/// A page as people read it, a line for each sentence and each number that stands alone.
pub(crate) fn lines(page: &Answer) -> String {
    // What a browser does not show, and what tells blocks apart.
    let (_, body) = page.body.split_once("<body>").unwrap();
    let mut shown = String::new();
    for (place, part) in body.split("<script").enumerate() {
        let part = if place == 0 { part } else { part.split_once("</script>").unwrap().1 };
        shown.push_str(part);
    }
    let blocks = [
        "</p>",
        "</h1>",
        "</h2>",
        "</h3>",
        "</tr>",
        "</li>",
        "</dd>",
        "</summary>",
        "</label>",
        "</button>",
    ];
    for block in blocks {
        shown = shown.replace(block, "\n");
    }
    let lines = shown
        .split('\n')
        .map(|line| words(&Answer { status: 200, head: String::new(), body: line.to_owned() }));
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

#[test]
fn pages_say_what_they_said() {
    let data = with_catalog();
    let server = filled(&data);
    for (name, path) in [
        ("overview", "/".to_owned()),
        ("service", "/services/shop".to_owned()),
        ("change", format!("/services/shop/changes/{}", hash(4))),
        ("change_that_waits", format!("/services/shop/changes/{}", hash(6))),
        ("deployment", "/services/shop/deployments/production/third".to_owned()),
        ("in_flight", "/in-flight".to_owned()),
        ("compare", "/compare?by=service".to_owned()),
        ("quality", "/quality".to_owned()),
    ] {
        insta::assert_snapshot!(name, text(&server, &path));
    }
}
