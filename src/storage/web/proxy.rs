//! The proxies of the environment, for messages. The client finds them by itself, by the same rules.

use super::LoginRefused;
use crate::display::printable;
use hyper_util::client::proxy::matcher::Matcher;
use std::io;
use std::sync::OnceLock;

/// Returns the proxy for an address, without its login; None if requests are sent there directly.
pub fn of(address: &str) -> Option<String> {
    static MATCHER: OnceLock<Matcher> = OnceLock::new();
    let proxy = MATCHER.get_or_init(Matcher::from_env).intercept(&address.parse().ok()?)?;
    let authority = proxy.uri().authority()?.as_str();
    Some(printable(authority.rsplit('@').next().unwrap_or_default().as_bytes()))
}

/// Returns the error for a proxy that asks for a login.
pub fn asks_for_login(proxy: &str) -> io::Error {
    let how = "give it in the variable that names the proxy, as in HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT";
    LoginRefused(format!("the proxy {proxy} asks for a login (407): it is missing or wrong; {how}")).into()
}
