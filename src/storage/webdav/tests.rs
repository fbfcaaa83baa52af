//! Tests against a server that sends prepared answers.

use super::*;
use crate::storage::fake::{Service, answer, cut, policy};
use crate::storage::{Gap, LoginRefused};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Returns a root `/r` of a server. `told` gives its answers: it gets the first line of a request, and the number of earlier ones
/// with that line.
fn dav(mut told: impl FnMut(&str, usize) -> String + Send + 'static) -> WebDav {
    dav_that_sees(move |line, count, _| told(line, count))
}

/// Returns a root as [`dav`] does; `told` gets the whole head of the request, too.
fn dav_that_sees(mut told: impl FnMut(&str, usize, &str) -> String + Send + 'static) -> WebDav {
    let mut asked: std::collections::HashMap<String, usize> = Default::default();
    let service = Service::when(move |request| {
        let line = request.lines().next().unwrap_or_default().replace(" HTTP/1.1", "");
        let count = asked.entry(line.clone()).or_default();
        *count += 1;
        (told(&line, *count - 1, request), false)
    });
    WebDav {
        url: "webdav://h/r".to_string(),
        server: format!("http://{}", service.host),
        root: "/r".to_string(),
        host: "h".to_string(),
        client: web::client().unwrap(),
        login: Arc::new(Login::new(&Place::parse("http", "h").unwrap(), &Options::default(), false).unwrap()),
        policy: policy(),
        is_plain: false,
        folders: Arc::default(),
        moves: Arc::default(),
        has_two_etags: Arc::default(),
    }
}

fn multistatus(responses: &[String]) -> String {
    let body = format!("<D:multistatus xmlns:D=\"DAV:\">{}</D:multistatus>", responses.concat());
    answer("207 Multi-Status", &[], &body)
}

fn response(href: &str, properties: &str) -> String {
    format!(
        "<D:response><D:href>{href}</D:href><D:propstat><D:prop>{properties}</D:prop><D:status>HTTP/1.1 200 OK</D:status>\
         </D:propstat></D:response>"
    )
}

fn folder(href: &str) -> String {
    response(href, "<D:resourcetype><D:collection/></D:resourcetype>")
}

fn file(href: &str, size: usize, etag: &str) -> String {
    response(href, &format!("<D:resourcetype/><D:getcontentlength>{size}</D:getcontentlength><D:getetag>{etag}</D:getetag>"))
}

fn page() -> String {
    answer("200 OK", &["Content-Type: text/html"], "<html><body>Log in</body></html>")
}

/// Returns the listing: names, the reasons of gaps, and the error that ended it.
fn listed(dav: &WebDav) -> Vec<String> {
    let text = |e: io::Error| match Gap::of(&e) {
        Some(gap) => format!("gap {gap}"),
        None => format!("error {e}"),
    };
    dav.list(b"").map(|object| object.map_or_else(text, |o| String::from_utf8(o.key).unwrap())).collect()
}

/// Returns answers that do not list the requested folder, and the expected messages.
fn wrong(path: &str) -> Vec<(String, &'static str)> {
    let namespace = folder(path).replace("D:", "X:");
    vec![
        (page(), "200 OK"),
        (answer("204 No Content", &[], ""), "204"),
        (answer("207 Multi-Status", &[], "<html><body>Log in</body></html>"), "an HTML page"),
        (answer("207 Multi-Status", &[], ""), "an empty answer"),
        (answer("207 Multi-Status", &[], "<ListBucketResult/>"), "other XML (<ListBucketResult>)"),
        (answer("207 Multi-Status", &[], &format!("<X:multistatus xmlns:X=\"y\">{namespace}</X:multistatus>")), "other XML"),
        (multistatus(&[]), "not of the folder"),
        (multistatus(&[file(&format!("{path}a"), 1, "")]), "not of the folder"),
        (multistatus(&[folder("/elsewhere/")]), "from elsewhere"),
        (multistatus(&[file(path.trim_end_matches('/'), 1, "")]), "it is a file, not a folder"),
        (multistatus(&[response(path, "")]), "does not say"),
        (multistatus(&[format!("<D:response><D:href>{path}</D:href></D:response>")]), "does not say"),
        (answer("405 Method Not Allowed", &[], ""), "405"),
        (cut("207 Multi-Status", &[], "<D:multistatus xmlns:D=\"DAV:\">", 10_000), "end of file"),
    ]
}

#[test]
fn an_answer_that_is_no_listing_of_the_folder_is_an_error_that_says_what_came() {
    for (bad, told) in wrong("/r/") {
        let all = listed(&dav(move |_, _| bad.clone()));
        assert!(all.len() == 1 && all[0].starts_with("error ") && all[0].contains(told), "{told}: {all:?}");
    }
}

#[test]
fn such_an_answer_for_a_later_folder_is_a_gap_and_a_broken_connection_an_end() {
    for (bad, told) in wrong("/r/b/") {
        let all = listed(&dav(move |line, _| match line {
            "PROPFIND /r/" => multistatus(&[folder("/r/"), file("/r/a", 1, ""), folder("/r/b/"), file("/r/c", 1, "")]),
            _ => bad.clone(),
        }));
        match told {
            "end of file" => assert!(all.len() == 2 && all[1].starts_with("error "), "{all:?}"),
            told => assert!(all.len() == 3 && all[1].starts_with("gap b: ") && all[1].contains(told), "{told}: {all:?}"),
        }
    }
}

#[test]
fn what_is_refused_for_one_name_leaves_the_rest_and_what_is_refused_for_all_ends_it() {
    let root = || {
        let bare = "<D:response><D:href>/r/e</D:href><D:status>HTTP/1.1 403 Forbidden</D:status></D:response>".to_string();
        let no_size = response("/r/d", "<D:resourcetype/>");
        let odd = [file("/r/%2E%2E", 1, ""), file("/r/f%2Fg", 1, ""), file("/r/z", 1, "")];
        multistatus(&[&[folder("/r/"), file("/r/a", 1, ""), folder("/r/b/"), no_size, bare][..], &odd].concat())
    };
    let forbidden = || answer("403 Forbidden", &[], "");
    let all = listed(&dav(move |line, _| if line == "PROPFIND /r/" { root() } else { forbidden() }));
    let told = "look at it: the server lists a name that no entry of a folder can have";
    let gaps = [
        format!("gap ..: {told}"),
        "a".to_string(),
        "gap b: open the folder: the server says 403 Forbidden".to_string(),
        "gap d: look at it: the server does not say its size".to_string(),
        "gap e: look at it: the server says 403 Forbidden".to_string(),
        format!("gap f/g: {told}"),
        "z".to_string(),
    ];
    assert_eq!(all, gaps);
    // A login that has expired meanwhile affects more than one folder.
    for status in ["401 Unauthorized", "403 Forbidden", "503 Busy"] {
        let refused = answer(status, &["Retry-After: 0"], "");
        let dav = dav(move |line, n| if line == "PROPFIND /r/" && n == 0 { root() } else { refused.clone() });
        let all = listed(&dav);
        assert!(all.len() == 3 && all[2].starts_with("error webdav://h/r: the server says "), "{status}: {all:?}");
        let e = dav.list(b"").find_map(Result::err).unwrap();
        assert_eq!(LoginRefused::is(&e), status.starts_with("401"), "{status}");
    }
}

/// Reads all of `a` at the etag of a listing. Returns the content, and the numbers of PROPFINDs and GETs.
fn read(
    etag: &'static str,
    propfind: &'static [&'static str],
    get: &'static [&'static str],
) -> (io::Result<String>, usize, usize) {
    let counts: Arc<[AtomicUsize; 2]> = Arc::default();
    let counting = counts.clone();
    let dav = dav(move |line, n| {
        let is_get = line.starts_with("GET");
        counting[usize::from(is_get)].fetch_add(1, Ordering::Relaxed);
        match is_get {
            false => multistatus(&[file("/r/a", 3, propfind[n.min(propfind.len() - 1)])]),
            // A server in front compares the condition with its own etag.
            true => match get[n.min(get.len() - 1)] {
                "412" => answer("412 Precondition Failed", &[], ""),
                "" => answer("200 OK", &[], "abc"),
                etag => answer("200 OK", &[&format!("ETag: {etag}")], "abc"),
            },
        }
    });
    let mut text = String::new();
    let done = dav.open(b"a", 0, None, Some(etag)).and_then(|mut reader| reader.read_to_string(&mut text)).map(|_| text);
    (done, counts[0].load(Ordering::Relaxed), counts[1].load(Ordering::Relaxed))
}

#[test]
fn etags_of_a_listing_are_compared_with_those_of_listings() {
    // A server with one kind of etag gets one PROPFIND.
    for (told, get) in [("\"1\"", "\"1\""), ("W/\"1\"", "\"1\""), ("\"1\"", "W/\"1\"")] {
        let get: &'static [&'static str] = vec![get].leak();
        let (text, propfinds, gets) = read(told, &["\"1\""], get);
        assert_eq!((text.unwrap().as_str(), propfinds, gets), ("abc", 0, 1), "{told}");
    }
    // With another kind of etag, or none, it gets a PROPFIND before and after the GET.
    for get in [&["\"front\""][..], &[""], &["412", "\"front\""], &["412", ""]] {
        let (text, propfinds, gets) = read("\"1\"", &["W/\"1\""], get);
        assert_eq!((text.unwrap().as_str(), propfinds, gets), ("abc", 2, 2), "{get:?}");
    }
    for changing in [&["\"2\""][..], &["\"1\"", "\"2\""], &["\"1\"", ""], &[""]] {
        let (text, ..) = read("\"1\"", changing, &["\"front\""]);
        assert_eq!(text.unwrap_err().to_string(), "webdav://h/r: it has changed", "{changing:?}");
    }
}

#[test]
fn what_a_server_only_says_that_it_did_is_not_done() {
    let root = || multistatus(&[folder("/r/")]);
    let missing = || answer("404 Not Found", &[], "");
    let done = |line: &str| answer(if line.starts_with("DELETE") { "204 No Content" } else { "201 Created" }, &[], "");
    for (lie, said) in
        [("PUT", "to have the upload, but nothing"), ("MOVE", "to have put it there, but nothing"), ("cut", "but another size")]
    {
        for if_absent in [false, true] {
            let dav = dav(move |line, _| match line {
                "PROPFIND /r/" => root(),
                "PROPFIND /r/a" => missing(),
                line if line.starts_with("PROPFIND") && lie == "PUT" => missing(),
                line if line.starts_with("PROPFIND") => {
                    multistatus(&[file(line.trim_start_matches("PROPFIND "), if lie == "cut" { 2 } else { 3 }, "")])
                }
                line => done(line),
            });
            let e = dav.put(b"a", Body::Bytes(b"abc".to_vec()), &Put { if_absent, ..Put::default() }).unwrap_err();
            assert!(e.kind() == io::ErrorKind::InvalidData && e.to_string().contains(said), "{lie}: {e}");
        }
    }
    let dav = dav(move |line, _| match line {
        line if line.starts_with("PROPFIND") => multistatus(&[file("/r/a", 3, "")]),
        line => done(line),
    });
    let e = dav.delete(&[b"a".to_vec()]).pop().unwrap().unwrap_err();
    assert!(e.to_string().contains("still there"), "{e}");
}

#[test]
fn an_answer_about_another_path_tells_nothing_of_the_object() {
    for (told, is_error) in [
        (multistatus(&[file("/r/b", 3, "")]), true),
        (multistatus(&[]), true),
        (page(), true),
        (multistatus(&[response("/r/a", "")]), true),
        (multistatus(&["<D:response><D:href>/r/a</D:href><D:status>HTTP/1.1 404 No</D:status></D:response>".to_string()]), false),
        (multistatus(&[folder("/r/a/")]), false),
    ] {
        let found = dav(move |_, _| told.clone()).stat(b"a");
        assert!(found.as_ref().map_or(is_error, |found| !is_error && found.is_none()), "{found:?}");
    }
}

/// Returns the value of a header of a request.
fn header<'r>(request: &'r str, name: &str) -> Option<&'r str> {
    request.lines().filter_map(|line| line.split_once(": ")).find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn with_login(mut dav: WebDav, scheme: &str) -> WebDav {
    let place = Place::parse("http", "me:secret@h").unwrap();
    dav.login = Arc::new(Login::new(&place, &Options::default(), scheme == "webdavs").unwrap());
    dav
}

#[test]
fn digest_is_answered_with_one_nonce_until_the_server_wants_another() {
    for (algorithm, scheme) in [("MD5", "webdav"), ("SHA-256", "webdav"), ("SHA-256-sess", "webdavs")] {
        let sent: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = sent.clone();
        let mut nonce = 0;
        let dav = dav_that_sees(move |_, _, request| {
            let login = header(request, "authorization").unwrap_or("none").to_string();
            let challenge = |nonce, stale| {
                let digest =
                    format!("Digest realm=\"a \\\"b\", nonce=\"n{nonce}\", qop=\"auth,auth-int\", algorithm={algorithm}{stale}");
                answer("401 Unauthorized", &["WWW-Authenticate: Basic realm=\"x\"", &format!("WWW-Authenticate: {digest}")], "")
            };
            let told = match login.contains(&format!("nonce=\"n{nonce}\"")) && login.starts_with("Digest ") {
                // The third request with this nonce comes too late.
                true if nonce == 0 && login.contains("nc=00000003") => {
                    nonce = 1;
                    challenge(1, ", stale=TRUE")
                }
                true => multistatus(&[file("/r/a", 3, "")]),
                false => challenge(nonce, ""),
            };
            log.lock().unwrap().push(login);
            told
        });
        let dav = with_login(dav, scheme);
        for _ in 0..4 {
            assert_eq!(dav.stat(b"a").unwrap().unwrap().size, 3, "{algorithm}");
        }
        let sent = sent.lock().unwrap();
        let begins = |from: usize| sent.iter().skip(from).map(|login| login.split(' ').next().unwrap_or_default());
        // Without TLS, no password was sent by Basic.
        assert_eq!(begins(0).next(), Some(if scheme == "webdavs" { "Basic" } else { "none" }), "{sent:?}");
        assert!(sent.len() == 6 && begins(1).all(|scheme| scheme == "Digest"), "{sent:?}");
        assert!(sent[1].contains("uri=\"/r/a\"") && sent[1].contains("realm=\"a \\\"b\""), "{sent:?}");
        assert!(!sent.iter().any(|login| login.contains("secret")), "{sent:?}");
    }
}

#[test]
fn a_wrong_login_is_refused_and_not_sent_again_and_again() {
    for challenge in [
        "WWW-Authenticate: Digest realm=\"r\", nonce=\"always\", qop=\"auth\"",
        "WWW-Authenticate: Basic realm=\"r\"",
        "WWW-Authenticate: Bearer",
        "X-Nothing: here",
    ] {
        let count = Arc::new(AtomicUsize::new(0));
        let counting = count.clone();
        let dav = dav(move |_, _| {
            counting.fetch_add(1, Ordering::Relaxed);
            answer("401 Unauthorized", &[challenge], "")
        });
        let e = with_login(dav, "webdav").stat(b"a").unwrap_err();
        let wanted = if challenge.ends_with("Bearer") { 1 } else { 2 };
        assert!(LoginRefused::is(&e) && count.load(Ordering::Relaxed) == wanted, "{challenge}: {e}");
    }
}

#[test]
fn a_move_names_its_destination_as_the_server_wants_it_and_remembers_that() {
    type IsForm = fn(&str) -> bool;
    let forms: [(&str, IsForm); 3] = [
        ("502 Bad Gateway", |to| to.starts_with('/')),
        ("409 Conflict", |to| to.starts_with("https://")),
        ("400 Bad Request", |to| to.starts_with("http://")),
    ];
    for (status, accepts) in forms {
        let moves: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = moves.clone();
        let mut there = HashSet::new();
        let dav = dav_that_sees(move |line, _, request| match line.split_once(' ').unwrap() {
            ("PROPFIND", path) if there.contains(path) => multistatus(&[file(path, 3, "")]),
            ("PROPFIND", _) => answer("404 Not Found", &[], ""),
            ("MOVE", _) => {
                let to = header(request, "destination").unwrap();
                log.lock().unwrap().push(to.to_string());
                if !accepts(to) {
                    return answer(status, &[], "");
                }
                there.insert(to[to.find("/r/").unwrap()..].to_string());
                answer("201 Created", &[], "")
            }
            (_, path) => {
                there.insert(path.to_string());
                answer("201 Created", &[], "")
            }
        });
        for key in ["a", "b"] {
            assert!(dav.put(key.as_bytes(), Body::Bytes(b"abc".to_vec()), &Put::default()).unwrap(), "{status}");
        }
        let moves = moves.lock().unwrap();
        assert!(accepts(&moves[moves.len() - 1]) && accepts(&moves[moves.len() - 2]), "the second is right at once: {moves:?}");
    }
    // What is refused in every form is told as it was refused first.
    let dav = dav(|line, n| match line.split_once(' ').unwrap() {
        ("PROPFIND", path) if path.ends_with(".tmp") => multistatus(&[file(path, 3, "")]),
        ("PROPFIND", _) => answer("404 Not Found", &[], ""),
        ("MOVE", _) => answer(if n == 0 { "403 Forbidden" } else { "400 Bad Request" }, &[], ""),
        _ => answer("201 Created", &[], ""),
    });
    let e = dav.put(b"a", Body::Bytes(b"abc".to_vec()), &Put::default()).unwrap_err();
    assert_eq!(e.kind(), io::ErrorKind::PermissionDenied, "{e}");
}

#[test]
fn listings_in_other_forms_are_listings() {
    let folder = "<d:response xmlns:d=\"DAV:\"><d:href>http://inside:8080/r</d:href><d:propstat><d:prop><d:getcontentlength/>\
        </d:prop><d:status>HTTP/1.1 404 Not Found</d:status></d:propstat><d:propstat><d:prop><d:resourcetype><d:collection/>\
        </d:resourcetype></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>";
    let split = "<D:response><D:href>//r/b%2b</D:href><D:propstat><D:prop><D:resourcetype/></D:prop><D:status>HTTP/1.1 200 OK\
        </D:status></D:propstat><D:propstat><D:prop><D:getcontentlength>2</D:getcontentlength></D:prop><D:status>HTTP/1.1 200 OK\
        </D:status></D:propstat></D:response>";
    let all = [file("c%20d", 1, ""), split.to_string(), file("https://outside/r/a b", 1, ""), folder.to_string()];
    let body = format!("\u{feff}<D:multistatus xmlns:D=\"DAV:\">{}</D:multistatus>", all.concat());
    let dav = dav(move |_, _| answer("207 Multi-Status", &["Content-Type: text/xml"], &body));
    assert_eq!(listed(&dav), ["a b", "b+", "c d"]);
}
