//! Services whose listings have no order, another version or another spelling.

use super::{BACKUP, point, works, world};
use crate::storages::emulators::fake_s3::{FakeS3, Form, Lists, Oddities};
use crate::util::World;

const FORMS: [Form; 6] = [Form::Plain, Form::Prefixed, Form::Marked, Form::ObjectsFirst, Form::Encoded, Form::NeverEncoded];

/// Names that XML or URLs can change.
const NAMES: [&str; 10] =
    ["a b", "a%20b", "a%2Bb", "a&b", "a+b", "control\u{1}", "line\nbreak", "return\r", "z\u{7f}/\t", "ä<>\"'"];

fn listed(world: &World) -> Vec<String> {
    let done = world.sh("snap-scan --no-end").ok().silent();
    let name = |line: &String| serde_json::from_str::<serde_json::Value>(line).expect("a record")["name"].clone();
    done.lines().iter().map(|line| name(line).as_str().expect("a name").to_string()).collect()
}

fn with(odd: Oddities, names: &[&str]) -> (FakeS3, World) {
    let fake = FakeS3::that(odd);
    for name in names {
        fake.plant(name, format!("content of {name}"));
    }
    let mut world = World::new();
    point(&mut world, &fake, "FILE", "");
    (fake, world)
}

#[test]
fn all_spellings_of_a_listing_are_understood() {
    for form in FORMS {
        for lists in [Lists::Two, Lists::One { next: true }, Lists::One { next: false }, Lists::Refused] {
            let (_fake, world) = with(Oddities { form, lists, page: 3, ..Oddities::default() }, &NAMES);
            assert_eq!(listed(&world), NAMES);
            let script = "snap-scan | snap-heapify | snap-write && snap-read | snap-verify";
            world.sh(script).ok().silent();
        }
    }
}

#[test]
fn everything_works_with_listings_of_the_first_version() {
    for lists in [Lists::One { next: true }, Lists::One { next: false }, Lists::Refused] {
        works(Oddities { lists, page: 2, ..Oddities::default() });
    }
}

#[test]
fn the_version_of_listings_is_remembered() {
    let names: Vec<String> = (0..9).map(|n| format!("name {n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for (lists, second) in [(Lists::Refused, 1), (Lists::One { next: false }, 1), (Lists::Two, 6)] {
        let (fake, _world) = with(Oddities { lists, page: 3, ..Oddities::default() }, &names);
        let store = fake.root("", "").open();
        for _ in 0..2 {
            assert_eq!(store.list(b"").filter(Result::is_ok).count(), 9);
        }
        assert_eq!(fake.count("GET", "list-type=2"), second);
    }
}

#[test]
fn encoded_names_are_asked_for_only_where_names_need_it() {
    for (names, expected) in [(&["a b", "a+b"][..], 0), (&NAMES, 2)] {
        let (fake, _world) = with(Oddities::default(), names);
        let store = fake.root("", "").open();
        for _ in 0..2 {
            assert_eq!(store.list(b"").filter(Result::is_ok).count(), names.len());
        }
        assert_eq!(fake.count("GET", "encoding-type"), expected);
    }
}

#[test]
fn a_listing_without_order_is_sorted_if_one_says_so() {
    let odd = Oddities { disorder: true, page: 2, ..Oddities::default() };
    let (fake, mut world) = with(odd, &["a", "b", "c", "d/e", "f"]);
    let done = world.sh("snap-scan > /dev/null").status(2);
    assert!(done.err().contains("the listing is not in the order of names; the option listing_order: false sorts it"), "{done}");
    assert_eq!(done.err().lines().count(), 1, "{done}");
    world.set("FILE_STORAGE_OPTIONS", fake.root("", ", \"listing_order\": false").options);
    assert_eq!(listed(&world), ["a", "b", "c", "d/e", "f"]);
}

#[test]
fn everything_works_without_order() {
    let fake = FakeS3::that(Oddities { disorder: true, page: 2, ..Oddities::default() });
    let mut world = world(&fake);
    for (root, prefix) in [("HEAP", "heap"), ("SNAP", "snap")] {
        world.set(&format!("{root}_STORAGE_OPTIONS"), fake.root(prefix, ", \"listing_order\": false").options);
    }
    world.sh(super::ALL).ok();
    // A bucket with such a name needs no option.
    let fake = FakeS3::that(Oddities { disorder: true, page: 2, named: Some("zone--x-s3"), ..Oddities::default() });
    for name in ["a", "b", "c", "d"] {
        fake.plant(name, name);
    }
    let mut world = World::new();
    world.set("FILE_ROOT", "s3://zone--x-s3");
    world.set("FILE_STORAGE_OPTIONS", fake.root("", "").options);
    assert_eq!(listed(&world), ["a", "b", "c", "d"]);
    world.sh(BACKUP).ok().silent();
    let amazon = r#"{"key": "k", "secret": "wrongsecret", "region": "eu-1"}"#;
    world.set("FILE_STORAGE_OPTIONS", amazon);
    world.sh("snap-scan").status(2).complains("a directory bucket (S3 Express) needs a session of its own");
}

#[test]
fn a_name_that_is_listed_twice_is_an_error() {
    for (disorder, names, more) in [(false, &["a"][..], ""), (true, &["a", "b", "c"], ", \"listing_order\": false")] {
        let (fake, mut world) = with(Oddities { doubles: true, disorder, page: 1, ..Oddities::default() }, names);
        world.set("FILE_STORAGE_OPTIONS", fake.root("", more).options);
        let done = world.sh("snap-scan | snap-heapify | snap-write").status(2);
        let told = done.err().lines().filter(|line| line.contains("the listing has ") && line.contains(" twice")).count();
        assert_eq!(told, 1, "{done}");
        assert!(world.files_below("snap").is_empty());
    }
}
