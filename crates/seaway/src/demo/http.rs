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

/// A request to post a body of JSON.
pub(super) fn post(path: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: seaway\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A request for what is at a path.
pub(super) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: seaway\r\n\r\n").into_bytes()
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
