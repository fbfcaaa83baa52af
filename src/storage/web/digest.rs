//! Digest authentication: RFC 7616, and the older forms of RFC 2617 and RFC 2069.

use md5::Md5;
use sha2::{Digest as _, Sha256, Sha512_256};

/// A challenge of a header `WWW-Authenticate`.
#[derive(Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The scheme, in lower case.
    pub scheme: String,
    /// The parameters, their names in lower case.
    params: Vec<(String, String)>,
}

impl Challenge {
    fn get(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// Returns the challenges of a header, which can have several, with commas between them and between their parameters.
pub fn challenges(header: &str) -> Vec<Challenge> {
    let mut all: Vec<Challenge> = Vec::new();
    let mut rest = header.trim_start_matches(is_between);
    while !rest.is_empty() {
        let (word, behind) = rest.split_at(rest.find(|c| is_between(c) || c == '=').unwrap_or(rest.len()));
        let word = word.to_ascii_lowercase();
        match (behind.trim_start().strip_prefix('='), all.last_mut()) {
            (Some(value), Some(challenge)) => {
                let (value, behind) = value_of(value.trim_start());
                challenge.params.push((word, value));
                rest = behind;
            }
            // A `=` without a scheme before it.
            (Some(behind), None) => rest = behind,
            (None, _) => {
                all.push(Challenge { scheme: word, params: Vec::new() });
                rest = behind;
            }
        }
        rest = rest.trim_start_matches(is_between);
    }
    all
}

fn is_between(c: char) -> bool {
    c == ',' || c.is_ascii_whitespace()
}

/// Returns a value, which can be quoted, and what is behind it.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at(text.find(is_between).unwrap_or(text.len()));
        return (value.to_string(), rest);
    };
    let (mut value, mut chars) = (String::new(), quoted.chars());
    loop {
        match chars.next() {
            None | Some('"') => return (value, chars.as_str()),
            Some('\\') => value.extend(chars.next()),
            Some(c) => value.push(c),
        }
    }
}

/// The algorithms, the strongest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Algorithm {
    Md5,
    Sha256,
    Sha512Half,
}

impl Algorithm {
    fn of(self, text: &str) -> String {
        fn hex(bytes: impl AsRef<[u8]>) -> String {
            bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
        }
        match self {
            Algorithm::Md5 => hex(Md5::digest(text)),
            Algorithm::Sha256 => hex(Sha256::digest(text)),
            Algorithm::Sha512Half => hex(Sha512_256::digest(text)),
        }
    }
}

/// A challenge of the scheme Digest, and the number of requests that have answered it.
#[derive(Clone, Debug)]
pub struct Digest {
    realm: String,
    /// The server's token, for which it accepts answers for some time.
    pub nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    /// The name of the algorithm, if the server gave one.
    named: Option<String>,
    is_session: bool,
    has_qop: bool,
    hashes_user: bool,
    /// Whether only the nonce was too old, not the login wrong.
    pub is_stale: bool,
    cnonce: String,
    count: u32,
}

impl Digest {
    /// Returns the strongest challenge that can be answered; `cnonce` is a random text.
    pub fn strongest(all: &[Challenge], cnonce: &str) -> Option<Digest> {
        let mut best: Option<Digest> = None;
        for found in all.iter().filter_map(|challenge| Digest::of(challenge, cnonce)) {
            if best.as_ref().is_none_or(|best| best.algorithm < found.algorithm) {
                best = Some(found);
            }
        }
        best
    }

    fn of(challenge: &Challenge, cnonce: &str) -> Option<Digest> {
        if challenge.scheme != "digest" {
            return None;
        }
        let is_true = |name| challenge.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let named = challenge.get("algorithm").map(str::to_string);
        let name = named.as_deref().unwrap_or("MD5").to_ascii_uppercase();
        let algorithm = match name.strip_suffix("-SESS").unwrap_or(&name) {
            "MD5" => Algorithm::Md5,
            "SHA-256" => Algorithm::Sha256,
            "SHA-512-256" => Algorithm::Sha512Half,
            _ => return None,
        };
        let has_qop = challenge.get("qop").is_some_and(|qop| !qop.trim().is_empty());
        // The other kind needs the whole body before the first byte of it is sent.
        if has_qop && !challenge.get("qop")?.split(',').any(|qop| qop.trim().eq_ignore_ascii_case("auth")) {
            return None;
        }
        Some(Digest {
            realm: challenge.get("realm")?.to_string(),
            nonce: challenge.get("nonce")?.to_string(),
            opaque: challenge.get("opaque").map(str::to_string),
            algorithm,
            is_session: name.ends_with("-SESS"),
            named,
            has_qop,
            hashes_user: is_true("userhash"),
            is_stale: is_true("stale"),
            cnonce: cnonce.to_string(),
            count: 0,
        })
    }

    /// Returns the value of the header `Authorization` for one request. `uri` is the path and the query, as the request has them.
    pub fn answer(&mut self, (user, password): (&str, &str), method: &str, uri: &str) -> String {
        self.count = self.count.wrapping_add(1);
        let (realm, nonce, cnonce, count) = (&self.realm, &self.nonce, &self.cnonce, format!("{:08x}", self.count));
        let hash = |text: String| self.algorithm.of(&text);
        let mut secret = hash(format!("{user}:{realm}:{password}"));
        if self.is_session {
            secret = hash(format!("{secret}:{nonce}:{cnonce}"));
        }
        let request = hash(format!("{method}:{uri}"));
        let response = match self.has_qop {
            true => hash(format!("{secret}:{nonce}:{count}:{cnonce}:auth:{request}")),
            false => hash(format!("{secret}:{nonce}:{request}")),
        };
        let user = if self.hashes_user { hash(format!("{user}:{realm}")) } else { user.to_string() };
        let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let mut parts = vec![
            format!("username={}", quoted(&user)),
            format!("realm={}", quoted(realm)),
            format!("nonce={}", quoted(nonce)),
            format!("uri={}", quoted(uri)),
            format!("response=\"{response}\""),
        ];
        parts.extend(self.named.as_ref().map(|name| format!("algorithm={name}")));
        parts.extend(self.opaque.as_ref().map(|opaque| format!("opaque={}", quoted(opaque))));
        if self.has_qop {
            parts.push(format!("qop=auth, nc={count}"));
        }
        if self.has_qop || self.is_session {
            parts.push(format!("cnonce={}", quoted(cnonce)));
        }
        if self.hashes_user {
            parts.push("userhash=true".to_string());
        }
        format!("Digest {}", parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CNONCE: &str = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
    const NONCE: &str = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
    const OPAQUE: &str = "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS";

    fn response(header: &str) -> Option<String> {
        let mut digest = Digest::strongest(&challenges(header), CNONCE)?;
        let answer = digest.answer(("Mufasa", "Circle of Life"), "GET", "/dir/index.html");
        challenges(&answer)[0].get("response").map(str::to_string)
    }

    #[test]
    fn the_examples_of_rfc_7616_come_out() {
        let header = |algorithm: &str| {
            format!(
                "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, nonce=\"{NONCE}\", \
                 opaque=\"{OPAQUE}\""
            )
        };
        assert_eq!(response(&header("MD5")).as_deref(), Some("8ca523f5e9506fed4657c9700eebdbec"));
        let sha = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";
        assert_eq!(response(&header("SHA-256")).as_deref(), Some(sha));
        // The strongest of several is answered, whatever the order.
        let both = format!("Basic realm=\"x, y\", {}, {}", header("SHA-256"), header("MD5"));
        assert_eq!(response(&both).as_deref(), Some(sha));
        assert_eq!(challenges(&both).iter().map(|c| c.scheme.as_str()).collect::<Vec<_>>(), ["basic", "digest", "digest"]);
        let session = response(&header("MD5-sess")).unwrap();
        assert!(session != response(&header("MD5")).unwrap() && session.len() == 32);
    }

    #[test]
    fn what_can_not_be_answered_is_passed_over() {
        for header in [
            "",
            "Basic realm=\"x\"",
            "Digest realm=\"x\"",
            "Digest realm=\"x\", nonce=\"y\", qop=\"auth-int\"",
            "Digest realm=\"x\", nonce=\"y\", algorithm=token",
            "Negotiate abc==",
            "=\"",
            "Digest realm=\"é",
        ] {
            assert_eq!(response(header), None, "{header}");
        }
        assert!(response("digest REALM=é, nonce = \"a\\\"b\"").is_some(), "no qop, as in RFC 2069");
    }
}
