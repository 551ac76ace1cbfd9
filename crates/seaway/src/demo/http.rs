//! A client of HTTP/1.1 that costs little: one connection that is kept, whole requests, answers
//! with a length.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// A connection.
pub(super) struct Connection {
    stream: TcpStream,
    /// What was read; the answer to the last request stands at its start.
    buffer: Vec<u8>,
}

/// An answer.
pub(super) struct Answer<'a> {
    /// The status: 200.
    pub(super) status: u16,
    /// The body.
    pub(super) body: &'a [u8],
}

/// What each request says beside what it is for: the host, and the token where there is one.
#[derive(Debug, Clone)]
pub(super) struct Head(String);

impl Head {
    /// The head of requests to a server; `SEAWAY_TOKEN`, if it is set, goes with each.
    ///
    /// # Errors
    /// The token cannot be one, or would be sent in the clear to another machine.
    pub(super) fn to(server: SocketAddr) -> Result<Self, crate::error::Error> {
        let token = std::env::var("SEAWAY_TOKEN").unwrap_or_default();
        let token = token.trim();
        if token.is_empty() {
            return Ok(Self(format!("Host: {server}\r\n")));
        }
        if !token.bytes().all(|it| it.is_ascii_graphic()) {
            let what = "SEAWAY_TOKEN holds what no token can hold";
            return Err(crate::error::Error::input(what, "set it anew"));
        }
        match server.ip().is_loopback() || server.ip().is_unspecified() {
            true => Ok(Self(format!("Host: {server}\r\nAuthorization: Bearer {token}\r\n"))),
            false => Err(crate::error::Error::input(
                "the token would be sent in the clear",
                "send the demo to a server on this machine",
            )),
        }
    }

    /// A request to post a body of JSON.
    pub(super) fn post(&self, path: &str, kind: &str, body: &[u8]) -> Vec<u8> {
        let (head, length) = (&self.0, body.len());
        let head = format!(
            "POST {path} HTTP/1.1\r\n{head}Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
        );
        [head.as_bytes(), body].concat()
    }

    /// A request for what is at a path.
    pub(super) fn get(&self, path: &str) -> Vec<u8> {
        format!("GET {path} HTTP/1.1\r\n{}\r\n", self.0).into_bytes()
    }
}

impl Connection {
    pub(super) async fn open(server: SocketAddr) -> Result<Self, Error> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    /// Sends a request and waits for the answer.
    pub(super) async fn ask(&mut self, request: &[u8]) -> Result<Answer<'_>, Error> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let (status, body, end) = loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            match whole(&self.buffer) {
                Some(found) => break found?,
                None if self.buffer.len() > ANSWER_BYTES_MAX => return Err(strange()),
                None => {}
            }
        };
        Ok(Answer { status, body: &self.buffer[body..end] })
    }
}

/// Status, and where the body begins and ends, once all is there.
fn whole(bytes: &[u8]) -> Option<Result<(u16, usize, usize), Error>> {
    let head = bytes.windows(4).position(|end| end == b"\r\n\r\n")?;
    let Some((status, length)) = std::str::from_utf8(&bytes[..head]).ok().and_then(parse) else {
        return Some(Err(strange()));
    };
    let (begin, end) = (head + 4, (head + 4).saturating_add(length));
    (bytes.len() >= end).then_some(Ok((status, begin, end)))
}

fn parse(head: &str) -> Option<(u16, usize)> {
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())
    });
    Some((status, length??))
}

fn strange() -> Error {
    Error::new(ErrorKind::InvalidData, "the server answered something strange")
}
