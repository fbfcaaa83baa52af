//! WebDAV, behind a server in front.

use super::{complaints, end, names};
use crate::storages::emulators::httpd::{Answer, Request};
use crate::storages::emulators::{self, Emulator, Planted};
use crate::storages::faulty::front::Front;
use crate::util::World;

/// A world whose file root has a few files behind a server in front with this rule.
fn behind(rule: impl Fn(usize, &Request) -> Option<Answer> + Send + Sync + 'static) -> Option<World> {
    let dav = emulators::wsgidav()?;
    let root = dav.fresh();
    let names = ["a", "docs/b", "private/c", "private/deep/d", "z"];
    dav.plant(&root, &names.map(|name| Planted::new(name, format!("content of {name}"))));
    let front = Front::before(dav.port(), rule);
    let root = root.through(dav, front.port);
    let mut world = World::new();
    world.set("FILE_ROOT", root.url);
    world.set("FILE_STORAGE_OPTIONS", root.options);
    Some(world)
}

#[test]
fn a_folder_that_is_refused_is_an_error_record_and_the_rest_is_backed_up() {
    let refused = |request: &Request| request.method == "PROPFIND" && request.path().ends_with("/private/");
    let Some(world) = behind(move |_, request| refused(request).then(|| Answer::new(403, "no"))) else { return };
    let done = world.sh("snap-scan").status(1).complains("private: open the folder: the server says 403 Forbidden");
    assert_eq!(
        (names(&done, "file"), names(&done, "error")),
        (["a", "docs/b", "z"].map(String::from).to_vec(), vec!["private".into()])
    );
    assert_eq!((end(&done, "errors"), complaints(&done)), (1.into(), 1));
    world.sh("snap-scan | snap-heapify | snap-write").status(2).complains("1 record failed");
    assert_eq!(world.sh("snap-scan | snap-heapify | snap-write --partial").code(), Some(1));
    assert_eq!(world.sh("snap-read | snap-cat").ok().out(), "content of acontent of docs/bcontent of z");
    for exclude in ["private", "/private/", "priv*"] {
        let done = world.sh(&format!("snap-scan -e '{exclude}'")).ok().silent();
        assert_eq!((end(&done, "errors"), end(&done, "filtered")), (0.into(), true.into()), "{exclude}");
    }
}

#[test]
fn a_login_that_expires_is_told_once() {
    for (method, after) in [("PROPFIND", 2), ("GET", 0), ("GET", 1)] {
        let seen = std::sync::atomic::AtomicUsize::new(0);
        let rule = move |_: usize, request: &Request| {
            let count = || seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            (request.method == method && count() >= after).then(|| Answer::new(401, "who are you?"))
        };
        let Some(world) = behind(rule) else { return };
        let done = world.sh("snap-scan | snap-heapify >/dev/null").complains("401 Unauthorized");
        assert!(!matches!(done.code(), Some(0 | 1)), "{method}: {done}");
        let told = done.err().lines().filter(|line| line.contains("401")).count();
        assert_eq!(told, 1, "{method}: {done}");
    }
}

#[test]
fn a_server_in_front_with_etags_of_its_own_or_none_changes_nothing() {
    for etag in [Some("\"of-the-front\""), None] {
        let Some(dav) = emulators::wsgidav() else { return };
        let port = dav.port();
        let rule = move |_: usize, request: &Request| {
            if request.method != "GET" {
                return None;
            }
            if request.header("if-match").is_some_and(|asked| Some(asked) != etag) {
                return Some(Answer::new(412, ""));
            }
            let answer = emulators::httpd::forward(request, port).ok()?;
            let body = answer.windows(4).position(|w| w == b"\r\n\r\n").map(|at| answer[at + 4..].to_vec())?;
            let answer = Answer::new(200, body);
            Some(match etag {
                Some(etag) => answer.with("etag", etag),
                None => answer,
            })
        };
        let Some(world) = behind(rule) else { return };
        world.sh("snap-scan | snap-heapify | snap-write").ok().silent();
        assert_eq!(names(&world.sh("snap-read").ok(), "file").len(), 5);
    }
}

#[test]
fn deletes_and_moves_that_are_only_said_are_errors() {
    for lie in ["MOVE", "DELETE"] {
        let Some(dav) = emulators::wsgidav() else { return };
        let front = Front::before(dav.port(), move |_, request| (request.method == lie).then(|| Answer::new(204, "")));
        let (root, mut world) = (dav.fresh(), World::new());
        world.put("files/a", "a");
        world.set("HEAP_ROOT", root.through(dav, front.port).url);
        world.set("HEAP_STORAGE_OPTIONS", &root.options);
        if lie == "MOVE" {
            let done = world.sh("snap-scan | snap-heapify | snap-write").status(2);
            done.complains("the server claims to have put it there, but nothing is there");
            assert!(world.files_below("snap").is_empty());
            continue;
        }
        world.sh("snap-scan | snap-heapify | snap-write").ok();
        dav.plant(&root, &[Planted::new("ab/ab000000000000000000000000000000.gz", "nobody's")]);
        let done = world.sh("snap-gc --delete --exclusive").status(2).says("");
        done.complains("the server claims to have deleted it, with an empty body, but it is still there");
    }
}

/// A world with heap and snapshots behind a server in front of a WebDAV server, and files, one of which is sent as a stream.
fn stores(dav: &impl Emulator, rule: impl Fn(usize, &Request) -> Option<Answer> + Send + Sync + 'static) -> World {
    let mut world = World::new();
    let front = Front::before(dav.port(), rule);
    let root = dav.fresh().through(dav, front.port);
    for name in ["HEAP", "SNAP"] {
        world.set(&format!("{name}_ROOT"), format!("{}/{name}", root.url));
        world.set(&format!("{name}_STORAGE_OPTIONS"), &root.options);
    }
    world.put("files/a", "a");
    world.sh("head -c 6000000 /dev/urandom >files/large").ok();
    world
}

const THERE_AND_BACK: &str = "snap-scan | snap-heapify | snap-write && mv files before && mkdir files && \
    snap-read | snap-restore && diff -r files before";

#[test]
fn a_server_that_wants_digest_gets_it_and_never_the_password() {
    let Some(dav) = emulators::wsgidav_with_digest() else { return };
    let has_basic = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let uploads = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let (seen, sent) = (has_basic.clone(), uploads.clone());
    let world = stores(dav, move |_, request| {
        let login = request.header("authorization").unwrap_or_default();
        seen.fetch_or(login.starts_with("Basic"), std::sync::atomic::Ordering::Relaxed);
        if request.method == "PUT" {
            sent.lock().expect("a list").push(login.starts_with("Digest "));
        }
        None
    });
    world.sh(THERE_AND_BACK).ok();
    assert!(!has_basic.load(std::sync::atomic::Ordering::Relaxed));
    let uploads = uploads.lock().expect("a list");
    assert!(uploads.len() >= 3 && uploads.iter().all(|has_login| *has_login), "no upload was sent in vain: {uploads:?}");
    let wrong = world.sh("export HEAP_STORAGE_OPTIONS='{\"auth\": [\"someone\", \"wrongsecret\"]}'; snap-read | snap-cat");
    assert!(
        wrong.code() == Some(2) && wrong.err().contains("401 Unauthorized") && !wrong.err().contains("wrongsecret"),
        "{wrong}"
    );
}

#[test]
fn a_server_behind_a_proxy_that_refuses_urls_as_destinations_gets_paths() {
    for status in [400, 409, 502] {
        let Some(dav) = emulators::wsgidav() else { return };
        let refuses = |request: &Request| request.header("destination").is_some_and(|to| to.contains("://"));
        let world = stores(dav, move |_, request| refuses(request).then(|| Answer::new(status, "Destination host")));
        world.sh(THERE_AND_BACK).ok();
    }
}

#[test]
fn a_server_that_can_not_move_gets_files_under_their_names() {
    for status in [405, 501] {
        let Some(dav) = emulators::wsgidav() else { return };
        let world = stores(dav, move |_, request| (request.method == "MOVE").then(|| Answer::new(status, "no")));
        world.sh(THERE_AND_BACK).ok();
        world.sh("snap-read | snap-verify && snap-gc").ok();
    }
}
