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
