//! The paths in answers. Servers write them in many forms.

use super::propfind::Found;
use crate::storage::{tree, web};

/// Returns the encoded path in an answer to a request for the path `asked`, without doubled slashes. Some servers send whole URLs,
/// even of another host, as when they do not know the proxy in front of them; some send paths, and some only the part below the
/// folder of `asked`.
fn path_of(found: &Found, asked: &str) -> String {
    let href = &found.href;
    let path = match href.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => rest.find('/').map_or("/", |at| &rest[at..]).to_string(),
        _ if href.starts_with('/') => href.clone(),
        _ if href.is_empty() => web::encode(asked),
        _ => format!("{}/{}", web::encode(tree::folder_of(asked)), href.strip_prefix("./").unwrap_or(href)),
    };
    let mut out = String::with_capacity(path.len());
    out.extend(path.chars().zip(std::iter::once(' ').chain(path.chars())).filter(|pair| *pair != ('/', '/')).map(|(c, _)| c));
    out
}

/// Whether an answer is about this path. A `/` at the end makes no difference.
pub fn is_at(found: &Found, path: &str) -> bool {
    let decoded = web::decode(&path_of(found, path));
    decoded.strip_suffix(b"/").unwrap_or(&decoded) == path.strip_suffix('/').unwrap_or(path).as_bytes()
}

/// Returns the name of an entry in a folder, whose path ends with `/`. None if the entry is elsewhere.
pub fn name_in(found: &Found, folder: &str) -> Option<Vec<u8>> {
    let href = path_of(found, folder);
    let href = href.strip_suffix('/').unwrap_or(&href);
    let (above, name) = href.split_at(href.rfind('/')? + 1);
    (web::decode(above) == folder.as_bytes() && !name.is_empty()).then(|| web::decode(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_path_in_other_forms_is_found() {
        let found = |href: &str| Found { href: href.to_string(), ..Found::default() };
        let forms = ["/r/%c3%a9/", "/r/%C3%A9", "/r/é/", "http://inside:8080/r/%C3%A9/", "//r//%C3%A9/", "", ".", "./"];
        for href in forms {
            assert!(is_at(&found(href), "/r/é/") || href == ".", "{href}");
        }
        for href in ["/r/é/a%20b", "/r/é/a b/", "https://h/r/é/a%20b", "/r/é//a%20b", "a%20b", "./a b/", "//r/é/a b"] {
            assert_eq!(name_in(&found(href), "/r/é/").as_deref(), Some(&b"a b"[..]), "{href}");
        }
        for href in ["/r/a", "/r/é/a/b", "/é/a", "http://h", "../a", "/"] {
            assert_eq!(name_in(&found(href), "/r/é/"), None, "{href}");
        }
        // Below the topmost folder.
        assert!(is_at(&found("//"), "/") && name_in(&found("//a"), "/") == Some(b"a".to_vec()));
        // An object is asked for by its own path.
        assert!(is_at(&found("a"), "/r/a") && !is_at(&found("b"), "/r/a"));
    }
}
