//! A small HTTP/1.1 server for fakes and faults: a thread for each connection, requests whole in memory.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

/// A request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    /// As it came, with its query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// With this status and body.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Answer {
        Answer { status, headers: Vec::new(), body: body.into() }
    }

    /// With one header more.
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Answer {
        self.headers.push((name, value.to_string()));
        self
    }

    /// As it is sent; without the body where it answers HEAD.
    pub fn bytes(&self, head: bool) -> Vec<u8> {
        let mut out = format!("HTTP/1.1 {} Whatever\r\n", self.status);
        for (name, value) in &self.headers {
            out.push_str(&format!("{name}: {value}\r\n"));
        }
        // 204 has no body, and HEAD tells the length of what it does not send.
        if self.status != 204 && !self.headers.iter().any(|(name, _)| *name == "content-length") {
            out.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        out.push_str("\r\n");
        let mut out = out.into_bytes();
        if !head {
            out.extend_from_slice(&self.body);
        }
        out
    }
}

impl Request {
    /// Reads the next one of a connection; None at its end.
    ///
    /// # Errors
    /// If the connection breaks, or what comes is no HTTP.
    pub fn read(input: &mut impl BufRead) -> io::Result<Option<Request>> {
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace().map(str::to_string);
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return Err(io::ErrorKind::InvalidData.into()) };
        let mut request = Request { method, target, ..Request::default() };
        loop {
            line.clear();
            input.read_line(&mut line)?;
            let Some((name, value)) = line.split_once(':') else { break };
            request.headers.push((name.to_ascii_lowercase(), value.trim().to_string()));
        }
        if request.header("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
            request.body = chunked(input)?;
        } else if let Some(length) = request.header("content-length") {
            let length = length.parse().map_err(|_| io::ErrorKind::InvalidData)?;
            request.body = vec![0; length];
            input.read_exact(&mut request.body)?;
        }
        Ok(Some(request))
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The path, still encoded.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The parts of the query, decoded.
    pub fn query(&self) -> BTreeMap<String, String> {
        let query = self.target.split_once('?').map_or("", |(_, q)| q);
        let pairs = query.split('&').filter(|p| !p.is_empty()).map(|p| p.split_once('=').unwrap_or((p, "")));
        pairs.map(|(k, v)| (decode(k), decode(&v.replace('+', " ")))).collect()
    }
}

/// What `%xx` stands for. What is no UTF-8 then gets lost, which the tests notice.
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%').and_then(|h| u8::from_str_radix(h, 16).ok());
        out.push(hex.unwrap_or(bytes[at]));
        at += if hex.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn chunked(input: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let size = line.trim().split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(size, 16).map_err(|_| io::ErrorKind::InvalidData)?;
        let start = body.len();
        body.resize(start + size, 0);
        input.read_exact(&mut body[start..])?;
        input.read_line(&mut line)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

/// Serves until the process ends. Gives the port.
pub fn serve(handle: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> u16 {
    serve_raw(move |request| handle(request).bytes(request.method == "HEAD"))
}

/// The same with answers as they are sent, head and all.
pub fn serve_raw(handle: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("listen");
    let port = listener.local_addr().expect("an address").port();
    let handle = Arc::new(handle);
    std::thread::spawn(move || {
        for connection in listener.incoming().filter_map(Result::ok) {
            let handle = Arc::clone(&handle);
            // Whoever goes away in the middle of a request is no failure of the server.
            std::thread::spawn(move || drop(talk(&connection, &*handle)));
        }
    });
    port
}

fn talk(connection: &TcpStream, handle: &dyn Fn(&Request) -> Vec<u8>) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let (mut input, mut output) = (BufReader::new(connection.try_clone()?), connection);
    while let Some(request) = Request::read(&mut input)? {
        let answer = handle(&request);
        output.write_all(&answer)?;
        if request.header("connection").is_some_and(|v| v.eq_ignore_ascii_case("close")) {
            return connection.shutdown(std::net::Shutdown::Both);
        }
        // What another server sent may say that its connection ends; then so does this one.
        let head = answer.windows(4).position(|w| w == b"\r\n\r\n").map_or(&answer[..], |end| &answer[..end]);
        if String::from_utf8_lossy(head).to_ascii_lowercase().contains("connection: close") || head.starts_with(b"HTTP/1.0") {
            return connection.shutdown(std::net::Shutdown::Both);
        }
    }
    Ok(())
}

/// Sends a request to a server of this machine, on a connection of its own, and gives the answer as it comes, head and all.
///
/// # Errors
/// If the connection breaks.
pub fn forward(request: &Request, port: u16) -> io::Result<Vec<u8>> {
    let mut connection = TcpStream::connect(("127.0.0.1", port))?;
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
    let hop = ["connection", "transfer-encoding", "content-length", "expect"];
    for (name, value) in request.headers.iter().filter(|(name, _)| !hop.contains(&name.as_str())) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\nconnection: close\r\n\r\n", request.body.len()));
    connection.write_all(head.as_bytes())?;
    connection.write_all(&request.body)?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer)?;
    Ok(answer)
}
