//! The oddities, one for each way in which services differ from Amazon's.

use super::{BUCKET, error};
use crate::storages::emulators::httpd::{Answer, Request};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use snapshooter::internals::digest::md5_of;
use std::io::Write;

/// When every object was written.
pub const MODIFIED: &str = "Fri, 02 Jan 2026 03:04:05 GMT";

/// What a service does otherwise than Amazon's.
#[derive(Clone, Copy, Default)]
pub struct Oddities {
    /// Its bucket, if it has another name.
    pub named: Option<&'static str>,
    /// What it does with `If-None-Match: *`.
    pub conditions: Conditions,
    /// What it does with `If-Match` of a deletion.
    pub deletions: Conditions,
    /// What its etags are.
    pub etags: Etags,
    /// It stores another content than the one that it has checked.
    pub corrupts: bool,
    /// How it lists.
    pub lists: Lists,
    /// How it writes listings.
    pub form: Form,
    /// How it sends contents.
    pub bodies: Bodies,
    /// The names of a page; 0 for a thousand.
    pub page: usize,
    /// The names of a listing come in no order.
    pub disorder: bool,
    /// The first name comes again at the end.
    pub doubles: bool,
    /// Its region, if it refuses others: with this status, and the region in a header, or else in the body.
    pub region: Option<(&'static str, u16, bool)>,
    /// A path before those of the buckets.
    pub base: &'static str,
    /// The bucket is in the name of the host, before this one.
    pub host: Option<&'static str>,
}

/// What is done with a condition.
#[derive(Clone, Copy, Default)]
pub enum Conditions {
    #[default]
    Kept,
    Ignored,
    /// Refused with this status, code and message; without a code, with no body.
    Refused(u16, &'static str, &'static str),
}

/// What etags are.
#[derive(Clone, Copy, Default)]
pub enum Etags {
    #[default]
    Md5,
    /// Md5s without quotes.
    Bare,
    /// Other 32 hex digits each time.
    Random,
    /// No digits at all.
    Opaque,
}

/// How listings go on.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Lists {
    #[default]
    Two,
    /// `list-type=2` is ignored, and the answer is of version 1, with or without NextMarker.
    One { next: bool },
    /// `list-type=2` is refused.
    Refused,
}

/// How listings are written.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    #[default]
    Plain,
    /// Every element has a prefix of its namespace.
    Prefixed,
    /// A byte order mark comes first.
    Marked,
    /// Objects come before everything else.
    ObjectsFirst,
    /// Names are encoded as in URLs, asked or not.
    Encoded,
    /// It does not know that names can be encoded.
    NeverEncoded,
}

/// How contents are sent.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Bodies {
    #[default]
    Whole,
    /// In chunks, without a length.
    Chunked,
    /// In chunks, and the first answer breaks off after the first one.
    Broken,
    /// Without a length, until the connection ends.
    UntilClosed,
    /// Until the connection ends, which it does early.
    Short,
    /// Compressed by a proxy, which nobody has asked for.
    Compressed,
}

impl Oddities {
    pub(super) fn bucket(&self) -> &'static str {
        self.named.unwrap_or(BUCKET)
    }

    /// The bucket in the name of the host.
    pub(super) fn virtual_host(&self, request: &Request) -> Option<String> {
        let host = request.header("host")?;
        Some(host.strip_suffix(self.host?)?.trim_end_matches('.').to_string())
    }

    /// The refusal of another region than the right one.
    pub(super) fn region_refused(&self, request: &Request) -> Option<Answer> {
        let (region, status, in_header) = self.region?;
        let signed = request.header("authorization").unwrap_or_default();
        if signed.contains(&format!("/{region}/s3/")) {
            return None;
        }
        let code = if status == 301 { "PermanentRedirect" } else { "AuthorizationHeaderMalformed" };
        if in_header {
            return Some(error(status, code, "the region is wrong").with("x-amz-bucket-region", region));
        }
        let body = format!("<Error><Code>{code}</Code><Message>expecting it</Message><Region>{region}</Region></Error>");
        Some(Answer::new(status, body).with("content-type", "application/xml"))
    }
}

impl Conditions {
    pub(super) fn refused(&self, request: &Request, is_there: bool) -> Option<Answer> {
        request.header("if-none-match")?;
        self.failed(is_there)
    }

    /// The answer to a request whose condition fails, or is refused whether it fails or not.
    pub(super) fn failed(&self, fails: bool) -> Option<Answer> {
        match *self {
            Conditions::Kept => fails.then(|| error(412, "PreconditionFailed", "the condition does not hold")),
            Conditions::Ignored => None,
            Conditions::Refused(status, "", _) => Some(Answer::new(status, "")),
            Conditions::Refused(status, code, message) => Some(error(status, code, message)),
        }
    }
}

impl Etags {
    pub(super) fn of(&self, content: &[u8], count: &mut u64) -> String {
        *count += 1;
        match self {
            Etags::Md5 => format!("\"{}\"", md5_of(content)),
            Etags::Bare => md5_of(content).to_string(),
            Etags::Random => format!("\"{}\"", md5_of(&count.to_be_bytes())),
            Etags::Opaque => format!("\"v{count}\""),
        }
    }
}

impl Bodies {
    /// An answer as it is sent.
    pub(super) fn sent(&self, request: &Request, answer: &Answer) -> Vec<u8> {
        let is_head = request.method == "HEAD";
        let is_content = matches!(answer.status, 200 | 206) && answer.headers.iter().any(|(n, _)| *n == "last-modified");
        if *self == Bodies::Whole || !is_content {
            return answer.bytes(is_head);
        }
        let (mut headers, mut body) = (format!("HTTP/1.1 {} Whatever\r\n", answer.status), answer.body.clone());
        for (name, value) in &answer.headers {
            headers += &format!("{name}: {value}\r\n");
        }
        let is_broken = *self == Bodies::Broken && answer.status == 200 && !answer.body.is_empty();
        match self {
            Bodies::Chunked | Bodies::Broken => {
                headers += if is_broken && !is_head { "connection: close\r\n" } else { "" };
                headers += "transfer-encoding: chunked\r\n";
                body = chunks(&body, is_broken);
            }
            Bodies::Compressed => {
                headers += "content-encoding: gzip\r\ntransfer-encoding: chunked\r\n";
                let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                gzip.write_all(&body).expect("memory");
                body = chunks(&gzip.finish().expect("memory"), false);
            }
            Bodies::Short => body.truncate(body.len() / 2),
            Bodies::Whole | Bodies::UntilClosed => {}
        }
        if matches!(self, Bodies::Short | Bodies::UntilClosed) {
            headers += "connection: close\r\n";
        }
        let head = format!("{headers}\r\n").into_bytes();
        if is_head { head } else { [head, body].concat() }
    }
}

fn chunks(body: &[u8], is_broken: bool) -> Vec<u8> {
    let chunk = |part: &[u8]| [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat();
    let mut chunks: Vec<Vec<u8>> = body.chunks(body.len().div_ceil(2).max(1)).map(chunk).collect();
    if is_broken {
        chunks.truncate(1)
    } else {
        chunks.push(b"0\r\n\r\n".to_vec())
    }
    chunks.concat()
}

pub(super) fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// A text for XML. Amazon writes even those control characters as references that XML forbids.
pub(super) fn escaped(text: &str) -> String {
    let one = |c: char| match c {
        '&' => "&amp;".to_string(),
        '<' => "&lt;".to_string(),
        '>' => "&gt;".to_string(),
        c if c.is_control() => format!("&#x{:X};", u32::from(c)),
        c => c.to_string(),
    };
    text.chars().map(one).collect()
}

/// A text of XML.
pub(super) fn plain(text: &str) -> String {
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")]
        .iter()
        .fold(text.to_string(), |text, (from, to)| text.replace(from, to))
}
