//! Tests against a service on this machine that sends prepared answers.

use super::super::Options;
use super::*;
use crate::digest::md5_of;
use crate::storage::store::Listing;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::ffi::OsStr;
use std::io::Read;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

/// A service that sends prepared answers, one for each connection, and records the requests.
struct Service {
    endpoint: String,
    store: Objects<Requests>,
    asked: JoinHandle<(Vec<String>, Vec<TcpStream>)>,
}

impl Service {
    fn new(answers: Vec<String>) -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap();
        let asked = std::thread::spawn(move || {
            // Connections that get no answer stay open.
            let mut open = Vec::new();
            let serve = |answer: String| {
                let mut stream = listener.accept().unwrap().0;
                let request = request(&mut stream);
                match answer.as_str() {
                    "silence" => open.push(stream),
                    answer => stream.write_all(answer.as_bytes()).unwrap(),
                }
                request
            };
            (answers.into_iter().map(serve).collect(), open)
        });
        let endpoint = format!("http://{host}/me");
        Service { store: store(&endpoint, r#""account_key": "a2V5""#), endpoint, asked }
    }

    /// Returns the requests, after the service has sent all its answers.
    fn asked(self) -> Vec<String> {
        self.asked.join().unwrap().0
    }
}

fn store(endpoint: &str, secret: &str) -> Objects<Requests> {
    with(endpoint, secret, Policy { first: Duration::from_millis(1), ..Policy::default() })
}

fn with(endpoint: &str, secret: &str, policy: Policy) -> Objects<Requests> {
    let options = format!(r#"{{"account_name": "me", "account_host": "{endpoint}", {secret}}}"#);
    let options = Options::parse(OsStr::new(&options), "--file-storage-options").unwrap();
    let config = config::config("az", "box/data", &options, &|_| None).unwrap();
    Objects::new(Requests::new(config, policy).unwrap())
}

fn request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let mut lengths = head.lines().filter_map(|l| l.strip_prefix("content-length: "));
            if body.len() >= lengths.next().map_or(0, |n| n.parse().unwrap()) {
                return text.into_owned();
            }
        }
        match stream.read(&mut piece).unwrap() {
            0 => return text.into_owned(),
            n => bytes.extend_from_slice(&piece[..n]),
        }
    }
}

fn answer(status: &str, headers: &[&str], body: &str) -> String {
    let headers: String = headers.iter().map(|h| format!("{h}\r\n")).collect();
    format!(
        "HTTP/1.1 {status}\r\nx-ms-request-id: 1\r\nx-ms-blob-type: BlockBlob\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn page(names: &[&str], marker: &str) -> String {
    let blob = |n: &&str| format!("<Blob><Name>{n}</Name><Properties><Content-Length>1</Content-Length></Properties></Blob>");
    let blobs: String = names.iter().map(blob).collect();
    let text = format!("<EnumerationResults><Blobs>{blobs}</Blobs><NextMarker>{marker}</NextMarker></EnumerationResults>");
    answer("200 OK", &[], &text)
}

fn keys(listing: Listing<'_>) -> io::Result<Vec<String>> {
    listing.map(|o| o.map(|o| String::from_utf8_lossy(&o.key).into_owned())).collect()
}

fn busy() -> String {
    answer("503 Server Busy", &["x-ms-error-code: ServerBusy", "Retry-After: 0"], "")
}

#[test]
fn what_may_pass_is_tried_again() {
    let service = Service::new(vec![busy(), String::new(), answer("500 Oops", &[], ""), page(&["data/a"], "")]);
    assert_eq!(keys(service.store.list(b"")).unwrap(), ["a"]);
    for request in service.asked() {
        assert!(
            request.starts_with("GET /me/box?restype=container&comp=list&prefix=data%2F&maxresults=5000&include=metadata HTTP")
        );
        assert!(request.contains("\r\nauthorization: SharedKey me:") && request.contains("\r\nx-ms-version: 2023-11-03\r\n"));
    }
}

#[test]
fn what_does_not_pass_ends() {
    let service = Service::new(vec![busy(); 6]);
    let e = service.store.stat(b"a").unwrap_err();
    assert_eq!(e.to_string(), "status 503 ServerBusy (tried 6 times)");
    assert_eq!(service.asked().len(), 6);
}

#[test]
fn a_service_that_says_nothing_is_given_up() {
    let service = Service::new(vec!["silence".to_string(); 2]);
    let policy = Policy { stall: Duration::from_millis(20), tries: 2, first: Duration::ZERO, ..Policy::default() };
    let e = with(&service.endpoint, r#""anon": true"#, policy).stat(b"a").unwrap_err();
    assert_eq!(e.kind(), io::ErrorKind::TimedOut, "{e}");
    assert_eq!(service.asked().len(), 2);
}

#[test]
fn listings_go_on_with_the_next_page_and_drop_what_is_no_object() {
    let service = Service::new(vec![page(&["data/a", "data/"], "2!x&amp;y"), page(&[], "3"), page(&["data/d e"], "")]);
    assert_eq!(keys(service.store.list(b"")).unwrap(), ["a", "d e"]);
    let asked = service.asked();
    assert!(asked[1].contains("&marker=2%21x%26y&") && asked[2].contains("&marker=3&"), "{asked:?}");
}

#[test]
fn versions_of_a_name_come_from_the_oldest_to_the_latest_across_pages() {
    let version = |name: &str, id: &str, is_current: &str| {
        format!(
            "<Blob><Name>{name}</Name><VersionId>{id}</VersionId>{is_current}<Properties><Content-Length>1</Content-Length>\
             </Properties></Blob>"
        )
    };
    let page = |blobs: &[String], marker: &str| {
        let text = format!(
            "<EnumerationResults><Blobs>{}</Blobs><NextMarker>{marker}</NextMarker></EnumerationResults>",
            blobs.concat()
        );
        answer("200 OK", &[], &text)
    };
    let [old, new] = ["2026-01-02T03:04:05.1234567Z", "2026-01-02T03:04:06.0000000Z"];
    let current = "<IsCurrentVersion>true</IsCurrentVersion>";
    let pages = vec![
        page(&[version("data/a", new, current)], "2"),
        page(&[version("data/a", old, ""), version("data/gone", old, "")], ""),
        answer("200 OK", &["ETag: \"0x1\""], "old"),
    ];
    let service = Service::new(pages);
    let found: Vec<_> = service.store.versions().unwrap().map(Result::unwrap).collect();
    let told: Vec<_> = found.iter().map(|v| (&v.object.key[..], v.id.as_deref().unwrap(), v.is_latest)).collect();
    assert_eq!(told, [(&b"a"[..], old, false), (b"a", new, true), (b"gone", old, false)]);
    assert_eq!(found[0].created.map(|time| time.nsec), Some(123_456_700));
    let mut content = String::new();
    let get = super::super::Get { version: Some(old), ..Default::default() };
    service.store.get(b"a", &get).unwrap().content.read_to_string(&mut content).unwrap();
    assert_eq!(content, "old");
    let asked = service.asked();
    assert!(asked[0].contains("include=metadata%2Cversions") && asked[1].contains("marker=2"), "{asked:?}");
    assert!(asked[2].contains("versionid=2026-01-02T03%3A04%3A05.1234567Z"), "{asked:?}");

    // An account that keeps none.
    let service = Service::new(vec![page(&[version("data/a", "", "")], "")]);
    let e = service.store.versions().unwrap().next().unwrap().unwrap_err();
    assert!(e.kind() == io::ErrorKind::Unsupported && e.to_string().contains("keeps no versions"), "{e}");
    service.asked();
}

#[test]
fn half_a_page_is_not_taken_for_the_end() {
    let half = page(&["data/a"], "").replace("</EnumerationResults>", "");
    let service = Service::new(vec![half.replace("Content-Length: ", "x-was: ")]);
    assert_eq!(keys(service.store.list(b"")).unwrap_err().kind(), io::ErrorKind::InvalidData);
    service.asked();
}

#[test]
fn broken_downloads_are_taken_up_where_they_broke() {
    let whole = answer("200 OK", &["ETag: \"0x1\""], "0123456789");
    let rest = |range: &str, body: &str| answer("206 Partial", &["ETag: \"0x1\"", range], body);
    let second = rest("Content-Range: bytes 4-9/10", "456789");
    let service = Service::new(vec![
        whole[..whole.len() - 6].to_string(),
        second[..second.len() - 3].to_string(),
        rest("Content-Range: bytes 7-9/10", "789"),
    ]);
    let mut content = String::new();
    service.store.open(b"a", 0, None, None).unwrap().read_to_string(&mut content).unwrap();
    assert_eq!(content, "0123456789");
    let asked = service.asked();
    for (request, range) in asked[1..].iter().zip(["bytes=4-", "bytes=7-"]) {
        assert!(
            request.contains(&format!("\r\nrange: {range}\r\n")) && request.contains("\r\nif-match: \"0x1\"\r\n"),
            "{request}"
        );
    }
}

#[test]
fn another_range_than_asked_for_is_an_error() {
    for other in [answer("200 OK", &[], "0123"), answer("206 Partial", &["Content-Range: bytes 0-3/10"], "0123")] {
        let service = Service::new(vec![other]);
        assert!(service.store.open(b"a", 4, Some(4), None).is_err());
        assert!(service.asked()[0].contains("range: bytes=4-7\r\n"));
    }
}

fn exists() -> String {
    answer("409 Conflict", &["x-ms-error-code: BlobAlreadyExists"], "")
}

#[test]
fn a_put_whose_answer_got_lost_is_no_lost_race() {
    let head = |content: &[u8]| {
        let md5 = BASE64_STANDARD.encode(md5_of(content).0);
        format!(
            "HTTP/1.1 200 OK\r\nx-ms-request-id: 1\r\nx-ms-blob-type: BlockBlob\r\nContent-Length: 5\r\nContent-MD5: {md5}\r\nConnection: close\r\n\r\n"
        )
    };
    let how = Put { if_absent: true, ..Put::default() };
    for (answers, ours) in [
        (vec![String::new(), exists(), head(b"hello")], true),
        (vec![busy(), exists(), head(b"other")], false),
        (vec![exists()], false),
    ] {
        let n = answers.len();
        let service = Service::new(answers);
        assert_eq!(service.store.put(b"a", Body::Bytes(b"hello".to_vec()), &how).unwrap(), ours);
        let asked = service.asked();
        assert_eq!(asked.len(), n);
        assert!(asked[0].starts_with("PUT /me/box/data/a HTTP") && asked[0].contains("\r\nif-none-match: *\r\n"));
        assert!(asked[0].contains("\r\ncontent-md5: XUFAKrxLKna5cZ2REBfFkg==\r\n") && asked[0].ends_with("hello"));
    }
}

#[test]
fn what_is_not_as_it_was_said_to_be_is_not_put() {
    let store = store("http://127.0.0.1:9/me", r#""anon": true"#);
    for how in [Put { md5: Some(md5_of(b"other")), ..Put::default() }, Put { size: Some(6), ..Put::default() }] {
        let e = store.put(b"a", Body::Stream(&mut &b"hello"[..]), &how).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::InvalidData);
    }
}

#[test]
fn where_batches_are_refused_blobs_are_deleted_one_by_one() {
    let gone = answer("404 Not Found", &["x-ms-error-code: BlobNotFound"], "");
    let refused = answer("403 Forbidden", &["x-ms-error-code: AuthorizationFailure"], "");
    let accepted = answer("202 Accepted", &[], "");
    let service = Service::new(vec![refused, accepted.clone(), gone, accepted.clone(), accepted]);
    let keys = [b"a".to_vec(), b"..".to_vec(), b"b".to_vec()];
    for _ in 0..2 {
        let done = service.store.delete(&keys);
        assert!(done[0].is_ok() && done[2].is_ok() && done[1].as_ref().is_err_and(|e| e.kind() == io::ErrorKind::InvalidInput));
    }
    let asked = service.asked();
    assert!(asked[0].starts_with("POST /me/box?restype=container&comp=batch HTTP"));
    assert!(asked[0].contains("\r\nDELETE /me/box/data/a HTTP/1.1\r\n") && asked[0].matches("x-ms-version").count() == 1);
    assert!(asked[1..].iter().all(|r| r.starts_with("DELETE /me/box/data/")), "{asked:?}");
}

#[test]
fn keys_that_would_be_other_keys_are_refused() {
    let store = store("http://127.0.0.1:9/me", r#""anon": true"#);
    for key in ["a\\b", "a/../b", "./a", "", "a\0"] {
        let e = store.stat(key.as_bytes()).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::InvalidInput, "{key}");
    }
}

#[test]
fn redirections_are_not_followed() {
    let service = Service::new(vec![answer("307 Temporary Redirect", &["Location: http://127.0.0.1:9/"], "")]);
    let e = service.store.stat(b"a").unwrap_err().to_string();
    assert_eq!(e, "status 307: redirections are not followed");
    service.asked();
}

#[test]
fn signatures_are_in_no_message() {
    let detail = "<Error><Code>AuthenticationFailed</Code><Message>no</Message><AuthenticationErrorDetail>Signature did not match. \
                  sv=1&amp;sig=c2VjcmV0 was used</AuthenticationErrorDetail></Error>";
    let service = Service::new(vec![answer("403 Forbidden", &[], detail)]);
    let signed = store(&service.endpoint, r#""sas_token": "?sv=1&sig=c2VjcmV0""#);
    let e = signed.list(b"").next().unwrap().unwrap_err();
    assert_eq!(e.kind(), io::ErrorKind::PermissionDenied);
    assert!(
        e.to_string().starts_with("status 403 AuthenticationFailed: Signature did not match.") && !e.to_string().contains("c2Vj")
    );
    assert!(service.asked()[0].contains("&sv=1&sig=c2VjcmV0 HTTP/1.1"));
    let nobody = store("http://127.0.0.1:9/me", r#""sas_token": "?sv=1&sig=c2VjcmV0""#);
    let e = nobody.stat(b"a").unwrap_err().to_string();
    assert!(e.starts_with("127.0.0.1:9: ") && !e.contains("sig="), "{e}");
    assert!(!format!("{nobody:?}").contains("c2Vj"));
}
