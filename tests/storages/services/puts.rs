//! Services that refuse or ignore the condition that no object exists, and services whose etags are no md5s.

use super::{BACKUP, large, works, world};
use crate::storages::emulators::fake_s3::{Conditions, Etags, FakeS3, Oddities};
use snapshooter::internals::storage::{Body, Put};
use std::io::ErrorKind;

const REFUSALS: [Conditions; 4] = [
    Conditions::Refused(501, "NotImplemented", "A header you provided implies functionality that is not implemented"),
    Conditions::Refused(501, "", ""),
    Conditions::Refused(400, "InvalidArgument", "If-None-Match is not supported"),
    Conditions::Refused(405, "", ""),
];

#[test]
fn a_service_that_refuses_conditions_is_looked_at_before_each_put() {
    for conditions in [REFUSALS[0], REFUSALS[2]] {
        works(Oddities { conditions, ..Oddities::default() });
    }
}

#[test]
fn a_refused_condition_costs_one_request() {
    for conditions in REFUSALS {
        let fake = FakeS3::that(Oddities { conditions, ..Oddities::default() });
        let store = fake.root("", "").open();
        let how = Put { if_absent: true, ..Put::default() };
        for (key, expected) in [(&b"a"[..], true), (b"b", true), (b"a", false)] {
            assert_eq!(store.put(key, Body::Bytes(key.to_vec()), &how).expect("a put"), expected);
        }
        let large = large();
        assert!(store.put(b"large", Body::Stream(&mut &large[..]), &how).expect("a put"));
        assert!(!store.put(b"large", Body::Stream(&mut &large[..]), &how).expect("a put"));
        assert!(!store.puts_if_absent());
        assert_eq!(fake.there().keys().collect::<Vec<_>>(), ["a", "b", "large"]);
        let refused = fake.count("PUT", "if-none-match") + fake.count("POST", "if-none-match");
        assert_eq!(refused, 1, "the condition was sent again");
    }
}

#[test]
fn another_refusal_is_not_taken_for_one_of_the_condition() {
    let fake = FakeS3::that(Oddities {
        conditions: Conditions::Refused(400, "InvalidArgument", "the name is too odd"),
        ..Oddities::default()
    });
    let done = world(&fake).sh(BACKUP).status(2);
    assert!(done.err().lines().any(|line| line.contains("InvalidArgument: the name is too odd")), "{done}");
    assert!(fake.there().is_empty());
}

#[test]
fn a_snapshot_is_not_overwritten_where_conditions_are_ignored() {
    for conditions in [Conditions::Kept, Conditions::Ignored, REFUSALS[0]] {
        let fake = FakeS3::that(Oddities { conditions, ..Oddities::default() });
        let world = world(&fake);
        let place = world.sh("snap-scan | snap-heapify | snap-write --time 2026-01-02T03:04:05Z").ok().out();
        let name = place.trim().split_once("bucket/").expect("a URL").1.to_string();
        let first = fake.there()[&name].clone();
        let again = "echo new > files/new && snap-scan | snap-heapify | snap-write --time 2026-01-02T03:04:05Z";
        let done = world.sh(again).status(2);
        assert!(done.err().lines().filter(|line| line.contains("2026-01-02_03-04-05")).count() == 1, "{done}");
        assert!(fake.there()[&name] == first, "the first snapshot was overwritten");
        assert!(fake.count("HEAD", &name) > 0);
    }
}

#[test]
fn etags_may_be_written_without_quotes_or_say_nothing() {
    for etags in [Etags::Bare, Etags::Random, Etags::Opaque] {
        works(Oddities { etags, ..Oddities::default() });
    }
}

#[test]
fn an_etag_that_looks_like_another_md5_is_proven_once() {
    let fake = FakeS3::that(Oddities { etags: Etags::Random, ..Oddities::default() });
    let store = fake.root("", "").open();
    for key in ["a", "b", "c"] {
        assert!(store.put(key.as_bytes(), Body::Bytes(b"content".to_vec()), &Put::default()).expect("a put"));
    }
    assert_eq!((fake.count("GET", ""), fake.count("DELETE", "")), (1, 0));
    // That of a part tells nothing either.
    let (fake, large) = (FakeS3::that(Oddities { etags: Etags::Random, ..Oddities::default() }), large());
    let store = fake.root("", "").open();
    for key in ["a", "b"] {
        assert!(store.put(key.as_bytes(), Body::Stream(&mut &large[..]), &Put::default()).expect("a put"));
    }
    assert_eq!((fake.count("GET", ""), fake.count("DELETE", "")), (1, 0));
    assert!(fake.there()["b"] == large);
}

#[test]
fn a_content_that_is_not_what_was_sent_is_deleted_only_if_it_was_read() {
    for content in [b"content".to_vec(), large()] {
        let fake = FakeS3::that(Oddities { etags: Etags::Random, corrupts: true, ..Oddities::default() });
        let store = fake.root("", "").open();
        let e = store.put(b"a", Body::Stream(&mut &content[..]), &Put::default()).expect_err("another content is there");
        assert_eq!((e.kind(), e.to_string().lines().count()), (ErrorKind::InvalidData, 1));
        assert!(fake.there().is_empty() && fake.count("GET", "") == 1);
    }
}
