//! Listings of buckets with many objects.

use super::emulators::httpd::{Answer, Request, serve};
use crate::util::World;
use crate::util::measure::measured;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a service does with `start-after`.
#[derive(Clone, Copy, PartialEq)]
enum Starts {
    Right,
    /// It lists from the beginning.
    Ignored,
    /// It answers with an error.
    Refused,
}

/// A bucket of S3 with as many objects: `data/0000000`, `data/0000001`, and so on. `fails` answers instead, by the number of the
/// request.
struct Bucket {
    world: World,
    requests: Arc<AtomicUsize>,
}

fn bucket(count: usize, starts: Starts, fails: fn(usize) -> Option<Answer>) -> Bucket {
    let requests = Arc::new(AtomicUsize::new(0));
    let number = requests.clone();
    let port = serve(move |request| {
        let number = number.fetch_add(1, Ordering::Relaxed);
        fails(number).unwrap_or_else(|| page(request, count, starts, |n| format!("data/{n:07}")))
    });
    let mut world = World::new();
    world.set("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"));
    world.set("AWS_ACCESS_KEY_ID", "k");
    world.set("AWS_SECRET_ACCESS_KEY", "s");
    world.set("AWS_DEFAULT_REGION", "us-east-1");
    world.set("FILE_ROOT", "s3://b/data");
    Bucket { world, requests }
}

impl Bucket {
    /// The number of requests since the last call.
    fn asked(&self) -> usize {
        self.requests.swap(0, Ordering::Relaxed)
    }
}

/// Returns a page of the names that start with the prefix that is asked for. `name` gives them in order, by number.
fn page(request: &Request, count: usize, starts: Starts, name: impl Fn(usize) -> String) -> Answer {
    let query = request.query();
    let behind = query.get("start-after").filter(|_| starts != Starts::Ignored);
    if starts == Starts::Refused && behind.is_some() {
        return Answer::new(400, "<Error><Code>InvalidArgument</Code><Message>start-after</Message></Error>");
    }
    // The number of names at the beginning for which this is true.
    let number = |is: &dyn Fn(&str) -> bool| {
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = (low + high) / 2;
            if is(&name(middle)) { low = middle + 1 } else { high = middle }
        }
        low
    };
    let prefix = query.get("prefix").map_or("", String::as_str);
    let first = match query.get("continuation-token") {
        Some(token) => token.parse().expect("a token of this server"),
        None => number(&|name| name < prefix || behind.is_some_and(|behind| name <= behind.as_str())),
    };
    let all = number(&|name| name < prefix || name.starts_with(prefix));
    let end = (first + 1000).min(all);
    let object = |n| {
        format!(
            "<Contents><Key>{}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>\
             <ETag>&quot;9a0364b9e99bb480dd25e1f0284c8555&quot;</ETag><Size>7</Size><StorageClass>STANDARD</StorageClass></Contents>",
            name(n)
        )
    };
    let objects: String = (first..end).map(object).collect();
    let next = match end < all {
        true => format!("<IsTruncated>true</IsTruncated><NextContinuationToken>{end}</NextContinuationToken>"),
        false => "<IsTruncated>false</IsTruncated>".to_string(),
    };
    Answer::new(200, format!("<ListBucketResult><Name>b</Name><Prefix>{prefix}</Prefix>{next}{objects}</ListBucketResult>"))
        .with("content-type", "application/xml")
}

/// Checks that a stream has these names, each once, in order.
fn is_whole(stream: &[u8], count: usize) {
    let mut n = 0;
    for line in stream.split(|b| *b == b'\n') {
        let name = format!("\"name\":\"{n:07}\"");
        n += usize::from(memchr::memmem::find(line, name.as_bytes()).is_some());
    }
    let lines = stream.iter().filter(|b| **b == b'\n').count();
    assert_eq!((n, lines), (count, count + 1), "the names, and all records with that of the end");
    let last = stream.trim_ascii_end().rsplit(|b| *b == b'\n').next().unwrap_or_default();
    let end: serde_json::Value = serde_json::from_slice(last).expect("JSON");
    assert_eq!((&end["type"], &end["records"]), (&"end".into(), &count.into()));
}

#[test]
fn a_million_objects_are_listed_in_order_and_in_constant_memory() {
    let bucket = bucket(1_000_000, Starts::Right, |_| None);
    let run = measured(&bucket.world, &["snap-scan"], b"");
    let listed = run.done.ok();
    is_whole(listed.bytes(), 1_000_000);
    println!("{} MiB, {:?}", run.memory >> 10, run.time);
    assert!(run.memory < 64 << 10, "{} KiB of memory", run.memory);
    let asked = bucket.asked();
    assert!((1000..=1300).contains(&asked), "{asked} requests for 1000 pages");
}

#[test]
fn a_heap_of_more_objects_than_memory_has_room_for_is_verified_in_constant_memory() {
    // More than a quick check remembers.
    const COUNT: usize = 500_000;
    // The md5s are spread evenly, and in order.
    let md5 = |n: usize| format!("{:032x}", u128::MAX / COUNT as u128 * n as u128 + 1);
    let object = move |n: usize| format!("heap/{}/{}.gz", &md5(n)[..2], md5(n));
    let mut bucket = bucket(0, Starts::Right, |_| None);
    // There is no content, and so no encryption.json.
    let port = serve(move |request| match request.query().contains_key("list-type") {
        true => page(request, COUNT, Starts::Right, object),
        false => Answer::new(404, "<Error><Code>NoSuchKey</Code></Error>"),
    });
    bucket.world.set("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"));
    bucket.world.set("HEAP_ROOT", "s3://b/heap");
    // One content is missing.
    let file =
        |n: usize| format!("{{\"md5\":\"{}\",\"name\":\"{n:07}\",\"size\":9,\"stored_size\":7,\"type\":\"file\"}}\n", md5(n));
    let missing = file(0).replace("0001\"", "0002\"");
    let input = (0..COUNT).map(file).chain([missing]).collect::<String>()
        + "{\"errors\":0,\"name\":\"\",\"records\":500001,\"type\":\"end\"}\n";
    let run = measured(&bucket.world, &["snap-verify", "--quick"], input.as_bytes());
    let failed = run.done.status(1);
    println!("{} MiB, {:?}", run.memory >> 10, run.time);
    assert!(run.memory < 64 << 10, "{} KiB of memory", run.memory);
    assert_eq!(failed.out().matches("is missing").count(), 1, "{failed}");
}

#[test]
fn a_service_that_can_not_start_behind_a_name_is_listed_page_after_page() {
    for starts in [Starts::Ignored, Starts::Refused] {
        let bucket = bucket(9_500, starts, |_| None);
        is_whole(bucket.world.sh("snap-scan").ok().bytes(), 9_500);
        let asked = bucket.asked();
        // The first pages are requested twice.
        assert!(asked <= 20, "{asked} requests for 10 pages");
    }
}

#[test]
fn a_listing_of_up_to_four_pages_takes_no_request_in_vain() {
    for (count, requests) in [(1, 1), (1000, 1), (1001, 2), (2000, 2), (4000, 4)] {
        let bucket = bucket(count, Starts::Right, |_| None);
        is_whole(bucket.world.sh("snap-scan").ok().bytes(), count);
        assert_eq!(bucket.asked(), requests, "{count} objects");
    }
}

#[test]
fn a_page_that_fails_ends_the_listing() {
    let denied = |n| (n == 20).then(|| Answer::new(403, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"));
    let bucket = bucket(100_000, Starts::Right, denied);
    let listed = bucket.world.sh("snap-scan").status(2);
    assert!(!listed.out().contains("\"end\""), "{listed}");
    listed.complains("AccessDenied");
}
