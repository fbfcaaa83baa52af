//! The servers that URLs name.

use super::percent::decode;
use crate::error::{Error, Result};

/// A server and a path on it, from the part of a URL after `scheme://`.
pub struct Place {
    /// The user, percent-decoded.
    pub user: Option<String>,
    /// The password, percent-decoded.
    pub password: Option<String>,
    /// The name or address, with the port.
    pub host: String,
    /// The path as it was given, with a `/` at its start and none at its end; empty for the root.
    pub path: String,
}

impl Place {
    /// Reads `[user[:password]@]HOST[:PORT][/path]`.
    ///
    /// # Errors
    /// If there is no host, or it has characters that no host can have.
    pub fn parse(scheme: &str, rest: &str) -> Result<Place> {
        let (server, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (login, host) = server.rsplit_once('@').map_or((None, server), |(login, host)| (Some(login), host));
        let is_odd = |c: char| !c.is_alphanumeric() && !matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
        // ssh could treat a host that starts with `-` as an option.
        if host.is_empty() || host.starts_with([':', '-']) || host.contains(is_odd) {
            return Err(Error::refused(format!("{scheme}://: the URL needs a host, as in {scheme}://HOST/PATH")));
        }
        let part = |text: &str| {
            String::from_utf8(decode(text)).map_err(|_| Error::refused(format!("{scheme}://: the user is not UTF-8")))
        };
        let (user, password) = match login.map(|login| login.split_once(':').map_or((login, None), |(u, p)| (u, Some(p)))) {
            Some((user, password)) => (Some(part(user)?), password.map(part).transpose()?),
            None => (None, None),
        };
        Ok(Place { user, password, host: host.to_string(), path: path.trim_end_matches('/').to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_a_host_and_hide_what_stands_before_it() {
        let place = Place::parse("webdavs", "me:s%40cret@host:81/a b/%20//").unwrap();
        assert_eq!((place.user.as_deref(), place.password.as_deref()), (Some("me"), Some("s@cret")));
        assert_eq!((place.host.as_str(), place.path.as_str()), ("host:81", "/a b/%20"));
        assert_eq!(Place::parse("sftp", "[::1]:22").map(|p| (p.host, p.path)).unwrap(), ("[::1]:22".into(), String::new()));
        for bad in ["", "/a", "user@/a", ":80/a", "-oProxyCommand=x/a", "a b/c", "h?q", "secret@ho st"] {
            let e = Place::parse("sftp", bad).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(e.contains("needs a host") && !e.contains("secret"), "{bad}: {e}");
        }
    }
}
