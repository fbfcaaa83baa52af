//! Tests of options and names, and tests against a service that sends prepared answers.

use super::*;
use crate::digest::md5_of;
use crate::storage::fake::{Service, answer, busy, cut, policy};
use std::io::Read;
use std::time::{Duration, Instant};

fn opened(url: &str, options: &str) -> Result<Arc<dyn Store>> {
    let (scheme, rest) = url.split_once("://").unwrap();
    open(scheme, rest, &Options::parse(options.as_ref(), "--options").unwrap())
}

#[test]
fn a_bucket_is_needed() {
    for bad in ["s3://", "s3:///a", "s3://a b/c", "s3://../x", "s3://u:secret@b/x"] {
        let e = opened(bad, "{}").err().map(|e| e.to_string()).unwrap_or_default();
        assert!(e.contains("the URL needs a bucket") && !e.contains("secret"), "{bad}: {e}");
    }
    assert!(opened("s3://b/a/../c", "{\"region\": \"r\"}").is_err());
    let store = opened("s3://b/a b/%20//", "{\"region\": \"r\"}").unwrap();
    assert_eq!(store.url(), "s3://b/a b/%20");
}

#[test]
fn names_are_those_that_were_given() {
    for prefix in ["", "p//q "] {
        let place = bucket("h", prefix).api;
        let start = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        for key in ["trail ", " lead", "a//b", "/x", "//x", "tab\there", "pct%2Fx", "q?x#y", "ä", "..x", "x..", "a/..b", "a/"] {
            assert_eq!(place.name(key.as_bytes()).unwrap(), format!("{start}{key}"));
        }
        assert_eq!(place.name(b"/").is_ok(), !prefix.is_empty(), "nothing but a / is the bucket to some servers");
        for key in [&b""[..], b"a/../b", b"./a", b"..", b"a\0", b"\xff", &[b'x'; 1025]] {
            assert_eq!(place.name(key).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{key:?}");
        }
    }
}

/// Returns a bucket of that service, at a prefix.
fn bucket(host: &str, prefix: &str) -> Objects<S3> {
    with(host, prefix, policy())
}

fn with(host: &str, prefix: &str, policy: Policy) -> Objects<S3> {
    let options = format!("{{\"endpoint_url\": \"http://{host}\", \"key\": \"k\", \"secret\": \"s\"}}");
    let options = Options::parse(options.as_ref(), "--options").unwrap();
    let bucket = Bucket::parse("s3", &format!("b/{prefix}")).unwrap();
    // Messages are shorter without the prefix.
    let bucket = Bucket { url: "s3://b".to_string(), ..bucket };
    let client = web::client().unwrap();
    Objects::new(S3::new(bucket, config::config("b", &options, client).unwrap(), client.clone(), policy))
}

fn page(names: &[&str]) -> String {
    let one = |name: &&str| {
        format!(
            "<Contents><Key>{name}</Key><LastModified>2026-01-01T00:00:00.5Z</LastModified><ETag>&quot;1&quot;</ETag><Size>{}</Size></Contents>",
            u8::from(!name.ends_with('/'))
        )
    };
    let all: String = names.iter().map(one).collect();
    answer("200 OK", &[], &format!("<ListBucketResult><IsTruncated>false</IsTruncated>{all}</ListBucketResult>"))
}

fn keys(bucket: &Objects<S3>) -> io::Result<Vec<String>> {
    bucket.list(b"").map(|o| o.map(|o| String::from_utf8(o.key).unwrap())).collect()
}

fn head(etag: &str, len: usize) -> String {
    cut("200 OK", &[&format!("ETag: \"{etag}\"")], "", len)
}

fn refusal(status: &str, code: &str) -> String {
    answer(status, &[], &format!("<Error><Code>{code}</Code><Message>said\nso</Message><RequestId>secret</RequestId></Error>"))
}

#[test]
fn listings_keep_a_first_slash_and_leave_folders_out() {
    let service = Service::new(vec![busy(), page(&["!", "//y", "/x", "a", "a/", "a//b", "a b ", "b/c"])]);
    // The order of bytes, except for the space, which comes before the slash.
    let found: Vec<_> = bucket(&service.host, "").list(b"").collect();
    let found: Vec<_> =
        found.into_iter().map(|o| o.map(|o| String::from_utf8(o.key).unwrap()).map_err(|e| e.to_string())).collect();
    let out_of_order =
        Err("s3://b: the listing is not in the order of names; the option listing_order: false sorts it".to_string());
    assert_eq!(found, [Ok("!".into()), Ok("//y".into()), Ok("/x".into()), Ok("a".into()), Ok("a//b".into()), out_of_order]);
    let asked = service.asked();
    assert!(
        asked.iter().all(|request| request.starts_with("GET /b?list-type=2 HTTP") && request.contains("\r\nauthorization: AWS4"))
    );
    let service = Service::new(vec![page(&["p/q/", "p/q/a", "p/q//b"])]);
    assert!(keys(&bucket(&service.host, "p/q")).is_err());
    let service = Service::new(vec![page(&["p/q/", "p/q//b", "p/q/a"])]);
    assert_eq!(keys(&bucket(&service.host, "p/q")).unwrap(), ["/b", "a"]);
    assert!(service.asked()[0].starts_with("GET /b?list-type=2&prefix=p%2Fq%2F HTTP"));
}

#[test]
fn a_name_from_elsewhere_ends_a_listing() {
    let service = Service::new(vec![page(&["p/a", "q/b"])]);
    let found: Vec<_> = bucket(&service.host, "p").list(b"").map(|o| o.map(|o| o.key).map_err(|e| e.kind())).collect();
    assert_eq!(found, [Ok(b"a".to_vec()), Err(io::ErrorKind::InvalidData)]);
}

#[test]
fn refusals_are_told_apart_in_one_line_without_the_request() {
    for (status, code, kind, text) in [
        ("404 Not Found", "NoSuchBucket", io::ErrorKind::NotFound, "s3://b: there is no bucket b"),
        ("403 Forbidden", "AccessDenied", io::ErrorKind::PermissionDenied, "s3://b: AccessDenied: said"),
        ("403 Forbidden", "SignatureDoesNotMatch", io::ErrorKind::PermissionDenied, "s3://b: SignatureDoesNotMatch: said"),
        ("400 Bad Request", "Oops", io::ErrorKind::Other, "s3://b: Oops: said"),
    ] {
        let service = Service::new(vec![refusal(status, code)]);
        let e = keys(&bucket(&service.host, "")).unwrap_err();
        assert_eq!((e.kind(), e.to_string().as_str()), (kind, text));
    }
    let service = Service::new(vec![busy(); 6]);
    let e = keys(&bucket(&service.host, "")).unwrap_err().to_string();
    assert!(e.contains("the service says 503 Service Unavailable SlowDown") && !e.contains("secret"), "{e}");
    assert_eq!(service.asked().len(), 6);
}

#[test]
fn uploads_carry_their_md5_and_what_is_there_is_compared() {
    let put = |answers| {
        let service = Service::new(answers);
        let how = Put { if_absent: true, ..Put::default() };
        let done = bucket(&service.host, "p").put(b"a", Body::Bytes(b"content".to_vec()), &how);
        let asked = service.asked();
        assert!(asked[0].starts_with("PUT /b/p/a HTTP") && asked[0].ends_with("\r\n\r\ncontent"));
        assert!(
            asked[0].contains("\r\ncontent-md5: mgNkuembtIDdJeHwKEyFVQ==\r\n") && asked[0].contains("\r\nif-none-match: *\r\n")
        );
        (done.map_err(|e| e.kind()), asked.iter().map(|r| r.split(' ').next().unwrap().to_string()).collect::<Vec<_>>().join(" "))
    };
    let good = md5_of(b"content").to_string();
    let stored = |etag: &str| answer("200 OK", &[&format!("ETag: \"{etag}\"")], "");
    // The etag is the md5 of what was sent, which only a service that has it all can tell; or it says nothing.
    assert_eq!(put(vec![stored(&good)]), (Ok(true), "PUT".to_string()));
    assert_eq!(put(vec![stored("opaque"), head("opaque", 7)]), (Ok(true), "PUT HEAD".to_string()));
    assert_eq!(put(vec![refusal("412 Precondition Failed", "PreconditionFailed")]), (Ok(false), "PUT".to_string()));
    // A wrong object is deleted if it was read, or has another size.
    let deleted = || answer("204 No Content", &[], "").replace("Content-Length: 0\r\n", "");
    let altered = || Err(io::ErrorKind::InvalidData);
    let other = md5_of(b"kontent").to_string();
    let read = |content: &str| answer("200 OK", &[&format!("ETag: \"{other}\"")], content);
    let answers = vec![stored(&other), head(&other, 7), read("kontent"), deleted()];
    assert_eq!(put(answers), (altered(), "PUT HEAD GET DELETE".to_string()));
    // The content is right, so etags of this service say nothing.
    assert_eq!(put(vec![stored(&other), head(&other, 7), read("content")]), (Ok(true), "PUT HEAD GET".to_string()));
    assert_eq!(put(vec![stored("opaque"), head("opaque", 6), deleted()]), (altered(), "PUT HEAD DELETE".to_string()));
    // The service has not stored a content that it refused. An object that exists may be an earlier one, so it is not deleted.
    assert_eq!(put(vec![refusal("400 Bad Request", "BadDigest")]), (altered(), "PUT".to_string()));
}

#[test]
fn nothing_is_sent_of_what_is_not_what_it_was_said_to_be() {
    let gone = Service::new(vec![]).host;
    let store = bucket(&gone, "");
    let how = Put { md5: Some(md5_of(b"other")), ..Put::default() };
    assert_eq!(store.put(b"a", Body::Bytes(b"content".to_vec()), &how).unwrap_err().kind(), io::ErrorKind::InvalidData);
    let mut breaks = b"con".chain(Breaks);
    let e = store.put(b"a", Body::Stream(&mut breaks), &Put::default()).unwrap_err();
    assert_eq!(e.to_string(), "it broke");
}

struct Breaks;

impl Read for Breaks {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("it broke"))
    }
}

const BEGUN: &str = "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>";

#[test]
fn an_upload_in_parts_has_a_limit_of_its_own_to_be_finished() {
    let service = Service::when(move |request| match request.split(' ').next() {
        Some("HEAD") => (cut("404 Not Found", &[], "", 0), false),
        Some("POST") if request.contains("?uploads") => (answer("200 OK", &[], BEGUN), false),
        Some("POST") => ("silence".to_string(), false),
        Some("DELETE") => ("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_string(), true),
        _ => (answer("200 OK", &["ETag: \"opaque\""], ""), false),
    });
    let policy = Policy { finish: Duration::from_millis(20), tries: 1, ..policy() };
    let (start, stall) = (Instant::now(), policy.stall);
    let mut body = io::repeat(7).take((8 << 20) + 5);
    let e = with(&service.host, "", policy).put(b"a", Body::Stream(&mut body), &Put::default()).unwrap_err();
    assert_eq!((e.kind(), start.elapsed() < stall), (io::ErrorKind::TimedOut, true), "{e}");
    assert!(service.asked().last().unwrap().starts_with("DELETE /b/a?uploadId=u"));
}

#[test]
fn an_upload_in_parts_that_fails_is_taken_back() {
    // When the source breaks, the first part may be sent, partly sent or not sent.
    let service = Service::when(move |request| match request.split(' ').next() {
        Some("HEAD") => (cut("404 Not Found", &[], "", 0), false),
        Some("POST") => (answer("200 OK", &[], BEGUN), false),
        Some("DELETE") => ("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_string(), true),
        _ => (answer("200 OK", &["ETag: \"opaque\""], ""), false),
    });
    let mut breaks = io::repeat(7).take((16 << 20) + 5).chain(Breaks);
    let how = Put { if_absent: true, ..Put::default() };
    let e = bucket(&service.host, "").put(b"a", Body::Stream(&mut breaks), &how).unwrap_err();
    assert_eq!(e.to_string(), "it broke");
    let asked = service.asked();
    let first: Vec<_> =
        asked.iter().map(|r| r.split(" HTTP").next().unwrap()).filter(|r| !r.is_empty() && !r.starts_with("PUT")).collect();
    assert_eq!(first, ["HEAD /b/a", "POST /b/a?uploads", "DELETE /b/a?uploadId=u"]);
}

#[test]
fn a_content_that_breaks_off_is_taken_up_where_it_was() {
    let rest = answer("206 Partial Content", &["ETag: \"1\"", "Content-Range: bytes 4-9/10"], "456789");
    let service = Service::new(vec![cut("200 OK", &["ETag: \"1\""], "0123", 10), busy(), rest]);
    let mut text = String::new();
    bucket(&service.host, "").open(b"a", 0, None, None).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "0123456789");
    let asked = service.asked();
    assert!(!asked[0].contains("\r\nrange:") && asked[0].contains("\r\naccept-encoding: identity\r\n"));
    assert!(asked[2].contains("\r\nrange: bytes=4-\r\n") && asked[2].contains("\r\nif-match: \"1\"\r\n"), "{}", asked[2]);
}

#[test]
fn what_no_batch_has_deleted_is_deleted_alone() {
    let batch =
        "<DeleteResult><Deleted><Key>a&amp;</Key></Deleted><Error><Key>b</Key><Code>AccessDenied</Code></Error></DeleteResult>";
    let mut left = 4;
    let service = Service::when(move |request| {
        left -= 1;
        let answer = match request.split(' ').collect::<Vec<_>>()[..2] {
            ["POST", "/b?delete"] => answer("200 OK", &[], batch),
            ["DELETE", "/b/b"] => refusal("403 Forbidden", "AccessDenied"),
            _ => "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_string(),
        };
        (answer, left == 0)
    });
    let keys = [b"a&".to_vec(), b"b".to_vec(), b"./c".to_vec(), b"c".to_vec(), b"d\t".to_vec()];
    let done: Vec<_> = bucket(&service.host, "").delete(&keys).into_iter().map(|r| r.map_err(|e| e.kind())).collect();
    assert_eq!(done, [Ok(()), Err(io::ErrorKind::PermissionDenied), Err(io::ErrorKind::InvalidInput), Ok(()), Ok(())]);
    let mut asked: Vec<_> = service.asked().iter().map(|r| r.split(" HTTP").next().unwrap().to_string()).collect();
    asked.sort();
    assert_eq!(asked, ["DELETE /b/b", "DELETE /b/c", "DELETE /b/d%09", "POST /b?delete"]);
}

#[test]
fn an_upload_whose_answer_got_lost_is_no_lost_race() {
    let taken = || refusal("412 Precondition Failed", "PreconditionFailed");
    let good = md5_of(b"content").to_string();
    let how = Put { if_absent: true, ..Put::default() };
    for (answers, ours) in [
        (vec![String::new(), taken(), head(&good, 7)], true),
        (vec![busy(), taken(), head("other", 7)], false),
        (vec![taken()], false),
    ] {
        let n = answers.len();
        let service = Service::new(answers);
        assert_eq!(bucket(&service.host, "").put(b"a", Body::Bytes(b"content".to_vec()), &how).unwrap(), ours);
        assert_eq!(service.asked().len(), n);
    }
}

#[test]
fn a_bucket_may_stand_in_the_name_of_the_host() {
    let options = r#"{"region": "r", "anon": true, "config_kwargs": {"s3": {"addressing_style": "virtual"}}}"#;
    let client = web::client().unwrap();
    let config = config::config("b", &Options::parse(options.as_ref(), "--options").unwrap(), client).unwrap();
    let store = S3::new(Bucket::parse("s3", "b/p").unwrap(), config, client.clone(), policy());
    assert_eq!(store.address("p/a b"), "https://b.s3.r.amazonaws.com/p/a%20b");
    assert_eq!(store.whole("delete"), "https://b.s3.r.amazonaws.com/?delete");
}

#[test]
fn an_object_with_bytes_is_no_folder_whatever_its_name() {
    let one =
        "<Contents><Key>p/docs/</Key><LastModified>2026-01-01T00:00:00Z</LastModified><ETag>1</ETag><Size>5</Size></Contents>";
    let listed = || {
        let inner = format!(
            "<IsTruncated>false</IsTruncated>{one}<Contents><Key>p/docs/e/</Key><LastModified>2026-01-01T00:00:00Z</LastModified><Size>0</Size></Contents>"
        );
        answer("200 OK", &[], &format!("<ListBucketResult>{inner}</ListBucketResult>"))
    };
    let service = Service::new(vec![listed(), head("1", 5), answer("200 OK", &["ETag: \"1\""], "bytes")]);
    let store = bucket(&service.host, "p");
    assert_eq!(keys(&store).unwrap(), ["docs/"]);
    assert_eq!(store.stat(b"docs/").unwrap().map(|o| (o.key, o.size)), Some((b"docs/".to_vec(), 5)));
    let mut text = String::new();
    store.open(b"docs/", 0, None, Some("1")).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "bytes");
    let asked = service.asked();
    assert!(asked[1].starts_with("HEAD /b/p/docs/ ") && asked[2].starts_with("GET /b/p/docs/ "), "{asked:?}");
    let e = store.put(b"docs/", Body::Bytes(Vec::new()), &Put::default()).unwrap_err();
    assert_eq!(e.kind(), io::ErrorKind::InvalidInput);
}
