//! Addresses: buckets in paths and in names of hosts, endpoints with paths, names of buckets, and regions.

use super::{BACKUP, works, world};
use crate::storages::emulators::fake_s3::{FakeS3, Oddities};
use crate::storages::emulators::httpd::{forward, serve_raw};
use crate::util::World;

/// A world whose file root is that bucket.
fn bucket(name: &str, endpoint: &str, more: &str) -> World {
    let mut world = World::new();
    world.set("FILE_ROOT", format!("s3://{name}"));
    let options = format!(r#"{{"key": "k", "secret": "wrongsecret", "endpoint_url": "{endpoint}"{more}}}"#);
    world.set("FILE_STORAGE_OPTIONS", options);
    world
}

const VIRTUAL: &str = r#", "config_kwargs": {"s3": {"addressing_style": "virtual"}}"#;
const AUTO: &str = r#", "config_kwargs": {"s3": {"addressing_style": "auto"}}"#;

#[test]
fn buckets_have_all_names_that_services_allow() {
    for name in ["Upper_Case", "with.dots", "127-0", "a"] {
        for more in ["", AUTO] {
            let fake = FakeS3::that(Oddities { named: Some(name), ..Oddities::default() });
            fake.plant("a", "content");
            for end in ["", "/"] {
                let world = bucket(name, &format!("http://127.0.0.1:{}{end}", fake.port), more);
                world.sh(BACKUP).ok().silent();
                assert!(fake.seen().iter().all(|r| r.path().starts_with(&format!("/{name}"))), "another address was asked");
            }
        }
    }
}

#[test]
fn an_endpoint_may_have_a_path() {
    let fake = FakeS3::that(Oddities { base: "/gate/s3", ..Oddities::default() });
    fake.plant("a b", "content");
    for end in ["", "/"] {
        let world = bucket("bucket", &format!("http://127.0.0.1:{}/gate/s3{end}", fake.port), "");
        world.sh(BACKUP).ok().silent();
    }
    assert!(fake.seen().iter().all(|r| r.path().starts_with("/gate/s3/bucket")));
}

#[test]
fn a_bucket_is_in_the_name_of_the_host_if_one_says_so() {
    for (name, base) in [("bucket", ""), ("with.dots", ""), ("bucket", "/gate")] {
        let fake = FakeS3::that(Oddities { named: Some(name), host: Some("s3.test"), base, ..Oddities::default() });
        fake.plant("docs/a b", "content");
        fake.plant("empty", "");
        // No such host is known here, but a proxy knows it.
        let port = fake.port;
        let proxy = serve_raw(move |request| forward(request, port).expect("an answer"));
        let mut world = bucket(name, &format!("http://s3.test{base}/"), VIRTUAL);
        world.set("HTTP_PROXY", format!("http://127.0.0.1:{proxy}"));
        world.sh(BACKUP).ok().silent();
        world.sh("snap-read | snap-verify").ok();
        let host = format!("{name}.s3.test");
        assert!(fake.seen().iter().all(|r| r.header("host") == Some(&host)), "{:?}", fake.seen());
    }
}

#[test]
fn a_bucket_that_no_host_can_have_in_its_name_is_refused() {
    for (name, endpoint) in [
        ("Upper", "http://s3.test"),
        ("under_score", "http://s3.test"),
        ("bucket", "http://127.0.0.1:9"),
        ("bucket", "http://[::1]:9"),
        ("with.dots", "https://s3.eu-1.amazonaws.com"),
    ] {
        let done = bucket(name, endpoint, VIRTUAL).sh("snap-scan").status(2);
        assert!(
            done.err().contains("expected an addressing_style of path, because") && done.err().lines().count() == 1,
            "{done}"
        );
    }
}

#[test]
fn the_region_is_that_of_the_service() {
    for (status, in_header) in [(301, true), (400, true), (400, false)] {
        let fake = works(Oddities { region: Some(("other-2", status, in_header)), ..Oddities::default() });
        let wrong = |r: &&_| {
            !crate::storages::emulators::httpd::Request::header(r, "authorization").unwrap_or_default().contains("other-2")
        };
        let seen = fake.seen();
        // One for each store and request that was under way.
        assert!(seen.iter().filter(wrong).count() * 4 < seen.len(), "the region is asked for again and again");
    }
}

#[test]
fn a_region_that_a_service_tells_without_end_is_named() {
    let fake = FakeS3::that(Oddities { region: Some(("UPPER", 301, true)), ..Oddities::default() });
    let done = world(&fake).sh("snap-list").status(2);
    assert_eq!(done.err().lines().count(), 1, "{done}");
    let fake = FakeS3::that(Oddities { region: Some(("other-2", 301, true)), ..Oddities::default() });
    let mut anonymous = world(&fake);
    anonymous.set("SNAP_STORAGE_OPTIONS", format!(r#"{{"anon": true, "endpoint_url": "http://127.0.0.1:{}"}}"#, fake.port));
    let done = anonymous.sh("snap-list").status(2);
    assert!(done.err().contains("the bucket is in the region other-2: set AWS_REGION") && fake.seen().len() == 1, "{done}");
}
