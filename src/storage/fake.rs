//! A service on this machine with prepared answers, for tests.

use super::retry::Policy;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

/// Sends prepared answers, one for each connection, and records the requests.
pub struct Service {
    /// Its address and port.
    pub host: String,
    /// The thread that serves. It returns the connections that have to stay open, and the requests.
    asked: JoinHandle<(Vec<TcpStream>, Vec<String>)>,
}

impl Service {
    /// Starts the service. An empty answer is a connection that breaks; `silence` is one that stays open without an answer.
    pub fn new(answers: Vec<String>) -> Service {
        let mut answers = answers.into_iter().peekable();
        match answers.peek() {
            None => Service { host: gone(), asked: std::thread::spawn(Default::default) },
            Some(_) => Service::when(move |_| (answers.next().unwrap(), answers.peek().is_none())),
        }
    }

    /// Starts the service. Its answers depend on the requests. `answer` also returns whether its answer is the last one.
    pub fn when(mut answer: impl FnMut(&str) -> (String, bool) + Send + 'static) -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let asked = std::thread::spawn(move || {
            let (mut open, mut asked) = (Vec::new(), Vec::new());
            loop {
                let mut stream = listener.accept().unwrap().0;
                let request = request(&mut stream);
                let (answer, is_last) = answer(&request);
                asked.push(request);
                match answer.as_str() {
                    "silence" => open.push(stream),
                    // The client may be gone.
                    answer => drop(stream.write_all(answer.as_bytes())),
                }
                if is_last {
                    return (open, asked);
                }
            }
        });
        Service { host, asked }
    }

    /// Waits for the last request, and returns all requests with their bodies.
    pub fn asked(self) -> Vec<String> {
        self.asked.join().unwrap().1
    }
}

/// Returns an address where no service listens.
fn gone() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

fn request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut piece = vec![0; 1 << 16];
    loop {
        if let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]);
            let len: usize =
                head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
            let is_whole = match head.contains("transfer-encoding: chunked") {
                true => bytes.ends_with(b"0\r\n\r\n"),
                false => bytes.len() >= end + 4 + len,
            };
            if is_whole {
                return String::from_utf8_lossy(&bytes).into_owned();
            }
        }
        match stream.read(&mut piece).unwrap_or(0) {
            0 => return String::from_utf8_lossy(&bytes).into_owned(),
            n => bytes.extend_from_slice(&piece[..n]),
        }
    }
}

/// Returns an answer with these lines as headers.
pub fn answer(status: &str, headers: &[&str], body: &str) -> String {
    cut(status, headers, body, body.len())
}

/// Returns an answer that promises `len` bytes.
pub fn cut(status: &str, headers: &[&str], body: &str, len: usize) -> String {
    let headers: String = headers.iter().map(|h| format!("{h}\r\n")).collect();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {len}\r\nConnection: close\r\n\r\n{body}")
}

/// Returns the answer of a busy service.
pub fn busy() -> String {
    answer("503 Slow Down", &["Retry-After: 0"], "<Error><Code>SlowDown</Code></Error>")
}

/// Returns a policy with the usual number of tries and with short waits.
pub fn policy() -> Policy {
    Policy { first: Duration::from_millis(1), ..Policy::default() }
}
