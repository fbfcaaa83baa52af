//! Logins over HTTP. A user and a password are sent as the server asks for them: by Digest if it offers that, else by Basic.

use super::digest::{Challenge, Digest, challenges};
use super::{Place, fetch};
use crate::error::{Error, Result};
use crate::json;
use crate::parallel::lock;
use crate::storage::Options;
use crate::storage::retry::Policy;
use reqwest::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Client, Request, Response, StatusCode};
use serde_json::Value;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Mutex;

/// How often a request is sent again because of a challenge: for the first one, and for a nonce that has become too old.
const ROUNDS: u32 = 2;

/// A login, or none.
pub struct Login {
    /// The token of the user, for all requests.
    token: Option<HeaderValue>,
    pair: Option<Pair>,
    way: Mutex<Way>,
}

struct Pair {
    user: String,
    password: String,
    basic: HeaderValue,
}

/// How the login is sent.
#[derive(Clone)]
enum Way {
    /// Not before the server asks for it.
    Unasked,
    Basic,
    Digest(Digest),
}

/// What a request had.
#[derive(PartialEq, Eq)]
pub enum Sent {
    Nothing,
    Basic,
    /// An answer to the challenge with this nonce.
    Digest(String),
    /// A login that does not depend on what the server asks for.
    Token,
}

impl Login {
    /// Returns the login: from the option `token`, from `auth` (user and password), or from the URL. Over TLS (`is_secret`), the
    /// password is sent by Basic with the first request, as most clients do, unless the server then asks for Digest. Without TLS
    /// it is sent only after the server has asked for it.
    ///
    /// # Errors
    /// If the options have another form, or characters that no header can have.
    pub fn new(place: &Place, options: &Options, is_secret: bool) -> Result<Login> {
        let pair = match options.value("auth") {
            None => place.user.clone().map(|user| (user, place.password.clone().unwrap_or_default())),
            Some(value) => {
                match value.as_array().map(|pair| pair.iter().filter_map(Value::as_str).collect::<Vec<_>>()).as_deref() {
                    Some([user, password]) => Some((user.to_string(), password.to_string())),
                    _ => return Err(options.wrong("auth", "[USER, PASSWORD]")),
                }
            }
        };
        let header = |text: String| -> Result<HeaderValue> {
            let value = HeaderValue::from_str(&text);
            let mut value = value.map_err(|_| options.wrong("token", "characters that a header can have"))?;
            value.set_sensitive(true);
            Ok(value)
        };
        let token = options.text("token")?.map(|token| header(format!("Bearer {token}"))).transpose()?;
        let pair = pair.filter(|_| token.is_none()).map(|(user, password)| {
            let basic = header(format!("Basic {}", json::to_base64(format!("{user}:{password}").as_bytes())))?;
            Ok::<_, Error>(Pair { user, password, basic })
        });
        let way = if is_secret { Way::Basic } else { Way::Unasked };
        Ok(Login { token, pair: pair.transpose()?, way: Mutex::new(way) })
    }

    /// Adds the login to a request.
    ///
    /// # Errors
    /// If the challenge has characters that no header can have.
    pub fn sign(&self, request: &mut Request) -> io::Result<Sent> {
        let (value, sent) = match (&self.token, &self.pair, &mut *lock(&self.way)) {
            (Some(token), ..) => (token.clone(), Sent::Token),
            (None, None, _) | (None, _, Way::Unasked) => return Ok(Sent::Nothing),
            (None, Some(pair), Way::Basic) => (pair.basic.clone(), Sent::Basic),
            (None, Some(pair), Way::Digest(digest)) => {
                let url = request.url();
                let uri = url.query().map_or(url.path().to_string(), |query| format!("{}?{query}", url.path()));
                let answer = digest.answer((&pair.user, &pair.password), request.method().as_str(), &uri);
                let value = HeaderValue::from_bytes(answer.as_bytes()).map_err(io::Error::other)?;
                (value, Sent::Digest(digest.nonce.clone()))
            }
        };
        request.headers_mut().insert(AUTHORIZATION, value);
        Ok(sent)
    }

    /// Notes what the server asks for. Returns whether the request has to be sent again with another login than it had.
    pub fn learns(&self, answer: &Response, sent: &Sent, round: u32) -> bool {
        if self.pair.is_none() || *sent == Sent::Token || round >= ROUNDS {
            return false;
        }
        let asks = answer.status() == StatusCode::UNAUTHORIZED;
        // Some servers refuse without asking, or send to a login page.
        let refuses = answer.status() == StatusCode::FORBIDDEN || answer.status().is_redirection();
        if !(asks || refuses && *sent == Sent::Nothing) {
            return false;
        }
        let headers = answer.headers().get_all(WWW_AUTHENTICATE).iter();
        let all: Vec<Challenge> =
            headers.filter_map(|value| std::str::from_utf8(value.as_bytes()).ok()).flat_map(challenges).collect();
        let random = || RandomState::new().hash_one(std::time::SystemTime::now());
        let digest = Digest::strongest(&all, &format!("{:016x}{:016x}", random(), random()));
        let mut way = lock(&self.way);
        let known = if let Way::Digest(known) = &*way { Some(known.nonce.clone()) } else { None };
        match (digest, sent) {
            // Another request has brought another nonce meanwhile.
            (_, Sent::Digest(nonce)) if known.as_ref().is_some_and(|known| known != nonce) => true,
            (Some(digest), Sent::Digest(nonce)) => {
                // A nonce that was accepted before has become too old, even if the server does not say so.
                let again = digest.nonce != *nonce && (digest.is_stale || round == 0);
                if again {
                    *way = Way::Digest(digest);
                }
                again
            }
            (None, Sent::Digest(_)) => false,
            (Some(_), _) if known.is_some() => true,
            (Some(digest), _) => {
                *way = Way::Digest(digest);
                true
            }
            (None, Sent::Nothing) if all.is_empty() || all.iter().any(|challenge| challenge.scheme == "basic") => {
                *way = Way::Basic;
                true
            }
            (None, _) => false,
        }
    }

    /// Sends a request with the login, as [`fetch`] does, and again if the server asks for another login.
    ///
    /// # Errors
    /// Those of [`fetch`].
    pub async fn fetch(&self, client: &Client, request: Request, policy: &Policy, host: &str) -> io::Result<Response> {
        let mut next = Some(request);
        for round in 0.. {
            let Some(mut request) = next.take() else { break };
            next = request.try_clone();
            let sent = self.sign(&mut request)?;
            let answer = fetch(client, request, policy, host).await?;
            if next.is_none() || !self.learns(&answer, &sent, round) {
                return Ok(answer);
            }
        }
        Err(io::Error::other("a request that can't be sent again"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_come_from_options_or_the_url() {
        let place = Place::parse("http", "me:%C3%A4@host").unwrap();
        let header = |text: &str| {
            let options = Options::parse(text.as_ref(), "--options").unwrap();
            Login::new(&place, &options, true).map(|login| {
                let mut request = Request::new(reqwest::Method::GET, "https://host/".parse().unwrap());
                login.sign(&mut request).unwrap();
                request.headers().get(AUTHORIZATION).map(|value| value.to_str().unwrap().to_string())
            })
        };
        assert_eq!(header("{}").unwrap().as_deref(), Some("Basic bWU6w6Q="));
        assert_eq!(header("{\"auth\": [\"a\", \"b\"]}").unwrap().as_deref(), Some("Basic YTpi"));
        assert_eq!(header("{\"token\": \"t\"}").unwrap().as_deref(), Some("Bearer t"));
        for bad in ["{\"auth\": [\"secret\"]}", "{\"auth\": \"secret\"}", "{\"token\": \"secret\\n\"}"] {
            assert!(header(bad).is_err_and(|e| !e.to_string().contains("secret")), "{bad}");
        }
    }
}
