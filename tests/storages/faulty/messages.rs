//! Which bytes of a connection are those of bodies of HTTP/1.1, so that no head is garbled: what a request asks for may
//! change in nobody's hands.

use super::proxy::Way;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// The messages of one way of a connection.
pub struct Messages<'a> {
    way: Way,
    /// Those that were asked and not answered yet: answers to HEAD have no body.
    methods: &'a Mutex<VecDeque<String>>,
    state: State,
}

enum State {
    Head(Vec<u8>),
    Body(u64),
    /// Of unknown length: the last bytes, which tell its end.
    Chunks(Vec<u8>),
}

const CHUNKS_END: &[u8] = b"0\r\n\r\n";

impl<'a> Messages<'a> {
    /// At the beginning of a connection.
    pub fn new(way: Way, methods: &'a Mutex<VecDeque<String>>) -> Messages<'a> {
        Messages { way, methods, state: State::Head(Vec::new()) }
    }

    /// The indexes of those of the next bytes that are of bodies.
    pub fn bodies(&mut self, bytes: &[u8]) -> Vec<usize> {
        let mut out = Vec::new();
        for (index, byte) in bytes.iter().enumerate() {
            let next = match &mut self.state {
                State::Head(head) => {
                    head.push(*byte);
                    if !head.ends_with(b"\r\n\r\n") {
                        continue;
                    }
                    let head = String::from_utf8_lossy(head).into_owned();
                    self.after(&head)
                }
                State::Body(left) => {
                    out.push(index);
                    *left -= 1;
                    if *left > 0 {
                        continue;
                    }
                    State::Head(Vec::new())
                }
                State::Chunks(last) => {
                    out.push(index);
                    last.push(*byte);
                    if last.len() > CHUNKS_END.len() {
                        last.remove(0);
                    }
                    if last != CHUNKS_END {
                        continue;
                    }
                    State::Head(Vec::new())
                }
            };
            self.state = next;
        }
        out
    }

    fn after(&self, head: &str) -> State {
        let mut methods = self.methods.lock().unwrap_or_else(PoisonError::into_inner);
        let first = head.split(' ').next().unwrap_or_default().to_string();
        let status = head.split(' ').nth(1).unwrap_or_default();
        let asked = match self.way {
            Way::Up => {
                methods.push_back(first);
                String::new()
            }
            // Asks for the body; the answer is yet to come.
            Way::Down if status == "100" => "HEAD".to_string(),
            Way::Down => methods.pop_front().unwrap_or_default(),
        };
        if asked == "HEAD" {
            return State::Head(Vec::new());
        }
        let lower = head.to_ascii_lowercase();
        let header = |name: &str| lower.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if header("transfer-encoding:").is_some_and(|v| v.contains("chunked")) {
            return State::Chunks(Vec::new());
        }
        match header("content-length:").and_then(|v| v.parse().ok()) {
            None | Some(0) => State::Head(Vec::new()),
            Some(length) => State::Body(length),
        }
    }
}

#[test]
fn bodies_are_told_from_heads() {
    let methods = Mutex::default();
    let mut up = Messages::new(Way::Up, &methods);
    let text = |messages: &mut Messages, bytes: &str| -> String {
        let found = messages.bodies(bytes.as_bytes());
        found.into_iter().map(|index| bytes.as_bytes()[index] as char).collect()
    };
    assert_eq!(text(&mut up, "PUT /a HTTP/1.1\r\nContent-Length: 4\r\n\r\nbo"), "bo");
    assert_eq!(text(&mut up, "dyHEAD /b HTTP/1.1\r\n\r\nPUT /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), "dy");
    assert_eq!(text(&mut up, "2\r\nhi\r\n0\r\n\r\nGET /d HTTP/1.1\r\n\r\n"), "2\r\nhi\r\n0\r\n\r\n");
    let mut down = Messages::new(Way::Down, &methods);
    assert_eq!(text(&mut down, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: 1\r\n\r\nx"), "x");
    assert_eq!(text(&mut down, "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nHTTP/1.1 204 None\r\n\r\n"), "");
    assert_eq!(text(&mut down, "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcd"), "abc");
}
