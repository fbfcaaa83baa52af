//! Services that are busy, broken, or send clients elsewhere.

use super::front::Front;
use crate::storages::conformance::{bytes, get, is_clear, list};
use crate::storages::emulators::httpd::Answer;
use crate::storages::emulators::{self, Emulator};
use crate::util::measure::figure;
use snapshooter::internals::storage::{Body, Put, Store};
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

/// Those that speak HTTP.
fn services() -> Vec<&'static dyn Emulator> {
    emulators::all().into_iter().filter(|e| e.name() != "sshd").collect()
}

/// Puts, stats, lists, reads and deletes.
fn work(store: &dyn Store) -> io::Result<()> {
    for (key, content) in [("folder/small", bytes(1, 100)), ("folder/large", bytes(2, 9 << 20))] {
        let how = Put { md5: Some(snapshooter::internals::digest::md5_of(&content)), ..Put::default() };
        store.put(key.as_bytes(), Body::Bytes(content.clone()), &how)?;
        store.put(key.as_bytes(), Body::Stream(&mut &content[..]), &Put::default())?;
        assert!(store.stat(key.as_bytes())?.is_some());
        assert!(get(store, key.as_bytes()) == content);
    }
    assert_eq!(list(store, b"").len(), 2);
    store.delete(&[b"folder/small".to_vec(), b"folder/large".to_vec()]).into_iter().collect::<io::Result<()>>()?;
    assert!(list(store, b"").is_empty());
    Ok(())
}

/// Each call alone, and what it says.
fn calls(store: &dyn Store) -> Vec<(&'static str, io::Result<()>)> {
    vec![
        ("list", store.list(b"").try_for_each(|object| object.map(drop))),
        ("stat", store.stat(b"x").map(drop)),
        ("open", store.open(b"x", 0, None, None).and_then(|mut r| io::copy(&mut r, &mut io::sink())).map(drop)),
        ("put", store.put(b"x", Body::Bytes(b"x".to_vec()), &Put::default()).map(drop)),
        ("delete", store.delete(&[b"x".to_vec()]).pop().expect("one answer")),
    ]
}

/// Runs something for all services side by side.
fn for_all(test: impl Fn(&'static dyn Emulator) + Sync) {
    let test = &test;
    std::thread::scope(|scope| {
        for emulator in services() {
            scope.spawn(move || test(emulator));
        }
    });
}

#[test]
fn what_fails_now_and_then_is_tried_again() {
    for_all(|emulator| {
        let name = emulator.name();
        for status in [429, 500, 503] {
            let front = Front::before(emulator.port(), move |n, _| (n % 3 == 2).then(|| Answer::new(status, "busy")));
            let store = emulator.fresh().through(emulator, front.port).open();
            let done = work(&*store);
            assert!(done.is_ok(), "{name}: every third request {status}: {done:?}");
            figure(20, &format!("{name}: every third of {} requests answered with {status}, all done", front.seen().len()));
        }
    });
}

#[test]
fn as_long_as_services_ask_for_is_waited() {
    for_all(|emulator| {
        let name = emulator.name();
        let wait = Answer::new(429, "slow down").with("retry-after", 1);
        let front = Front::before(emulator.port(), move |n, _| (n == 0).then(|| wait.clone()));
        let store = emulator.fresh().through(emulator, front.port).open();
        assert!(store.stat(b"x").unwrap_or_else(|e| panic!("{name}: {e}")).is_none());
        let seen = front.seen();
        let waited = seen[1].0 - seen[0].0;
        assert!(waited >= Duration::from_millis(950) && waited < Duration::from_secs(20), "{name}: it waited {waited:?}");
    });
}

#[test]
fn what_always_fails_ends_with_an_error() {
    for_all(|emulator| {
        let name = emulator.name();
        for status in [500, 503] {
            let front = Front::before(emulator.port(), move |_, _| Some(Answer::new(status, "broken\nfor ever")));
            let store = emulator.fresh().through(emulator, front.port).open();
            for (call, done) in calls(&*store) {
                let start = Instant::now();
                let e = done.err().unwrap_or_else(|| panic!("{name}: {call} was done with nothing but {status}"));
                is_clear(&e);
                assert!(start.elapsed() < Duration::from_secs(120), "{name}: {call} took {:?}", start.elapsed());
            }
            assert!(front.seen().len() > 5, "{name}: nothing was tried again");
        }
    });
}

#[test]
fn who_is_refused_does_not_insist() {
    for_all(|emulator| {
        let name = emulator.name();
        for status in [401, 403] {
            let front = Front::before(emulator.port(), move |_, _| Some(Answer::new(status, "who are you?")));
            let store = emulator.fresh().through(emulator, front.port).open();
            for (call, done) in calls(&*store) {
                let e = done.err().unwrap_or_else(|| panic!("{name}: {call} was done with nothing but {status}"));
                is_clear(&e);
                assert_eq!(e.kind(), ErrorKind::PermissionDenied, "{name}: {call}, {status}: {e}");
            }
            assert!(front.seen().len() <= 12, "{name}: {} requests for five calls, with {status}", front.seen().len());
        }
    });
}

#[test]
fn credentials_do_not_follow_to_other_servers() {
    for_all(|emulator| {
        let name = emulator.name();
        let elsewhere = Front::before(emulator.port(), |_, _| Some(Answer::new(200, "from elsewhere")));
        for status in [301, 302, 307, 308] {
            // Another name of the same machine is another server.
            let to = format!("http://localhost:{}/elsewhere", elsewhere.port);
            let front = Front::before(emulator.port(), move |_, _| Some(Answer::new(status, "").with("location", &to)));
            let store = emulator.fresh().through(emulator, front.port).open();
            for (call, done) in calls(&*store) {
                // Who trusts a service may read where it says, but nothing is written or deleted there.
                let is_reading = matches!(call, "list" | "stat" | "open");
                assert!(done.is_err() || is_reading, "{name}: {call} was done with nothing but {status}");
                done.err().iter().for_each(is_clear);
            }
        }
        for (_, request) in elsewhere.seen() {
            let secret = request.headers.iter().find(|(name, _)| name == "authorization" || name.contains("token"));
            assert!(secret.is_none(), "{name}: credentials were sent elsewhere: {request:?}");
            assert!(matches!(request.method.as_str(), "GET" | "HEAD" | "PROPFIND"), "{name}: sent elsewhere: {request:?}");
        }
    });
}
