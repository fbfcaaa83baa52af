//! The proxies of the environment, for messages. The client finds them by itself, by the same rules.

use super::LoginRefused;
use crate::display::printable;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{Response, StatusCode, Url};
use std::io;
use std::sync::OnceLock;

/// Returns the proxy for an address, without its login; None if requests are sent there directly.
pub fn of(address: &str) -> Option<String> {
    static MATCHER: OnceLock<Matcher> = OnceLock::new();
    let proxy = MATCHER.get_or_init(Matcher::from_env).intercept(&address.parse().ok()?)?;
    let authority = proxy.uri().authority()?.as_str();
    Some(printable(authority.rsplit('@').next().unwrap_or_default().as_bytes()))
}

/// Refuses an answer that comes from the proxy for this address, which asks for a login.
///
/// # Errors
/// [`asks_for_login`].
pub fn passed(answer: Response, address: &Url) -> io::Result<Response> {
    let is_asking = answer.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED;
    match is_asking.then(|| of(address.as_str())).flatten() {
        Some(proxy) => Err(asks_for_login(&proxy)),
        None => Ok(answer),
    }
}

/// Returns the error for a proxy that asks for a login.
pub fn asks_for_login(proxy: &str) -> io::Error {
    let how = "give it in the variable that names the proxy, as in HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT";
    LoginRefused(format!("the proxy {proxy} asks for a login (407): it is missing or wrong; {how}")).into()
}
