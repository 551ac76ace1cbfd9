//! The language of tests of who may: tokens, and browsers that hold cookies.

use crate::serve_lang::{Answer, Data, Server};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

/// Settings with which a server asks for tokens on loopback, too.
pub(crate) const ALWAYS: &str = "[access]\ntokens = \"always\"";

/// Makes a token beside whatever uses the data.
pub(crate) fn token(data: &Data, role: &str, expires: &str) -> String {
    let name = format!("a {role}");
    let arguments = ["token", "create", "--name", &name, "--role", role, "--expires", expires];
    let printed = data.run(&arguments);
    let token = printed.trim().to_owned();
    assert!(token.starts_with("seaway_") && token.len() == 71, "{printed}");
    token
}

/// The id of the newest token.
pub(crate) fn newest_id(data: &Data) -> String {
    let all: serde_json::Value =
        serde_json::from_str(&data.run(&["token", "list", "--format", "json"])).unwrap();
    all[0]["id"].as_str().unwrap().to_owned()
}

/// Data, a server that asks for tokens, and the token of an admin.
pub(crate) fn asking(data: Data) -> (Data, Server, String) {
    let admin = token(&data, "admin", "1d");
    let server = data.serve();
    (data, server, admin)
}

/// What a request with a token is answered.
pub(crate) fn with(server: &Server, token: &str, method: &str, path: &str) -> Answer {
    server.send(method, path, &[("Authorization", &format!("Bearer {token}"))], b"")
}

/// Sends bytes as they are, and reads the head of the answer; `None` if there is none.
pub(crate) fn raw(server: &Server, request: &[u8]) -> Option<String> {
    let mut stream = server.connect();
    // The server may refuse before it has read all.
    let _ = stream.write_all(request);
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => break,
        }
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    head.starts_with("http/1.1 ").then_some(head)
}

/// The status of a head.
pub(crate) fn status(head: &str) -> u16 {
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

/// The values of a header.
pub(crate) fn values<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(found, _)| *found == name).map(|(_, value)| value).collect()
}

/// A browser: it keeps cookies, and follows nothing by itself.
pub(crate) struct Browser<'a> {
    server: &'a Server,
    pub(crate) cookies: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(server: &'a Server) -> Self {
        Self { server, cookies: BTreeMap::new() }
    }

    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        let cookies = cookies.collect::<Vec<_>>().join("; ");
        let mut headers = vec![("Accept", "text/html")];
        if !cookies.is_empty() {
            headers.push(("Cookie", &cookies));
        }
        headers.extend(more);
        let answer = self.server.send(method, path, &headers, body);
        for set in values(&answer.head, "set-cookie") {
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            match set.contains("max-age=0") {
                true => self.cookies.remove(name),
                false => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        answer
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    /// Sends a form as it is.
    pub(crate) fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let kind = [("Content-Type", "application/x-www-form-urlencoded")];
        self.send("POST", path, &kind, form(fields).as_bytes())
    }

    /// Sends a form with the proof that a page has.
    pub(crate) fn submit(&mut self, page: &Answer, path: &str, fields: &[(&str, &str)]) -> Answer {
        let proof = proof(page);
        self.post(path, &[fields, &[("csrf", &proof)]].concat())
    }

    /// Signs in from the page that asks for it.
    pub(crate) fn sign_in(&mut self, token: &str, next: &str) -> Answer {
        let page = self.get("/sign-in");
        assert_eq!(page.status, 200, "{}", page.body);
        self.submit(&page, "/sign-in", &[("token", token), ("next", next)])
    }
}

/// Fields as a form sends them.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    let escaped = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let pairs = fields.iter().map(|(name, value)| format!("{name}={}", escaped(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// The proof that the forms of a page carry.
pub(crate) fn proof(page: &Answer) -> String {
    let after = page.body.split("name=\"csrf\" value=\"").nth(1).expect("a form");
    after.split('"').next().unwrap().to_owned()
}
