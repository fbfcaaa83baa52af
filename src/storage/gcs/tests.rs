//! Tests of options and names, and tests against a service that sends prepared answers.

use super::*;
use crate::digest::md5_of;
use crate::storage::fake::{Service, answer, cut, policy};
use crate::storage::web::md5_base64;

#[test]
fn a_bucket_is_needed() {
    for (scheme, bad) in [("gs", "/a"), ("gcs", "../x"), ("gs", "u:secret@b/x")] {
        let e = open(scheme, bad, &Options::default()).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(e.contains("the URL needs a bucket") && !e.contains("secret"), "{bad}: {e}");
    }
    let options = Options::parse("{\"token\": \"anon\"}".as_ref(), "--options").unwrap();
    assert_eq!(open("gs", "b/p//q /", &options).unwrap().url(), "gs://b/p//q ");
}

/// Returns a bucket of that service.
fn bucket(host: &str) -> Objects<Gcs> {
    let options = format!("{{\"endpoint_url\": \"http://{host}\", \"token\": \"anon\"}}");
    let client = web::client().unwrap();
    let config = config::config("gs", &Options::parse(options.as_ref(), "--options").unwrap(), client).unwrap();
    Objects::new(Gcs::new(Bucket::parse("gs", "b").unwrap(), config, client.clone(), policy()))
}

fn object(content: &[u8], claimed: &[u8]) -> String {
    let md5 = md5_base64(md5_of(claimed));
    let size = content.len();
    let json = format!(
        "{{\"kind\": \"storage#object\", \"bucket\": \"b\", \"name\": \"a\", \"size\": \"{size}\", \"md5Hash\": \"{md5}\", \"etag\": \"e\"}}"
    );
    answer("200 OK", &[], &json)
}

fn taken() -> String {
    answer("412 Precondition Failed", &[], "{\"error\": {\"code\": 412, \"errors\": [{\"reason\": \"conditionNotMet\"}]}}")
}

fn methods(asked: &[String]) -> String {
    asked.iter().map(|r| r.split(' ').next().unwrap()).collect::<Vec<_>>().join(" ")
}

#[test]
fn names_have_no_line_breaks() {
    let store = bucket("h");
    assert_eq!(store.api.name(b" a//b\t").unwrap(), " a//b\t");
    assert!(store.api.name(b"a\nb").is_err() && store.api.name(b"a\r").is_err());
}

#[test]
fn google_is_asked_for_generation_0_and_its_md5_is_compared() {
    let put = |answers: Vec<String>| {
        let service = Service::new(answers);
        let how = Put { if_absent: true, ..Put::default() };
        let done = bucket(&service.host).put(b"a", Body::Bytes(b"content".to_vec()), &how);
        let asked = service.asked();
        assert!(asked[0].starts_with("POST /upload/storage/v1/b/b/o?uploadType=multipart&name=a&ifGenerationMatch=0 HTTP"));
        assert!(asked[0].contains("\"md5Hash\":\"mgNkuembtIDdJeHwKEyFVQ==\"") && asked[0].contains("\r\n\r\ncontent\r\n--"));
        (done.map_err(|e| e.kind()), methods(&asked))
    };
    let gone = || "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_string();
    assert_eq!(put(vec![object(b"content", b"content")]), (Ok(true), "POST".to_string()));
    assert_eq!(put(vec![taken()]), (Ok(false), "POST".to_string()));
    let altered = (Err(io::ErrorKind::InvalidData), "POST DELETE".to_string());
    assert_eq!(put(vec![object(b"content", b"kontent"), gone()]), altered);
    // The answer to the first try was lost.
    assert_eq!(put(vec![String::new(), taken(), object(b"content", b"content")]), (Ok(true), "POST POST GET".to_string()));
    assert_eq!(put(vec![String::new(), taken(), object(b"content", b"kontent")]), (Ok(false), "POST POST GET".to_string()));
}

#[test]
fn a_large_upload_goes_in_chunks_to_an_address_of_its_own() {
    let content = vec![7; (8 << 20) + 5];
    let put = |last: Vec<String>| {
        let uploads = Service::new(last);
        let session = answer("200 OK", &[&format!("Location: http://{}/session", uploads.host)], "");
        let service = Service::new(vec![session]);
        let done = bucket(&service.host).put(b"a", Body::Bytes(content.clone()), &Put::default());
        assert!(service.asked()[0].starts_with("POST /upload/storage/v1/b/b/o?uploadType=resumable&name=a HTTP"));
        let range = |r: &String| r.lines().find_map(|l| l.strip_prefix("content-range: bytes ")).unwrap_or("none").to_string();
        let ranges: Vec<_> = uploads.asked().iter().map(range).collect();
        (done.map_err(|e| e.kind()), ranges.join(" "))
    };
    let more = |range: &str| answer("308 Resume Incomplete", &[range], "");
    let (first, last) = ("0-8388607/*", "8388608-8388612/8388613");
    let whole = "Range: bytes=0-8388607";
    assert_eq!(put(vec![more(whole), object(&content, &content)]), (Ok(true), format!("{first} {last}")));
    // Bytes that the service has not stored are sent again.
    let short = vec![more("Range: bytes=0-262143"), more(whole), object(&content, &content)];
    assert_eq!(put(short), (Ok(true), format!("{first} {first} {last}")));
    // The service reports the end of the object too early: the upload is given up.
    let closed = || answer("499 Client Closed Request", &[], "");
    assert_eq!(put(vec![object(&content, &content), closed()]), (Err(io::ErrorKind::InvalidData), format!("{first} none")));
}

#[test]
fn a_batch_is_answered_by_number() {
    let part = |n: usize, status: &str| format!("--x\r\nContent-ID: <response-{n}>\r\n\r\nHTTP/1.1 {status}\r\n\r\n\r\n");
    let body = [part(1, "404 Not Found"), part(0, "204 No Content"), "--x--".to_string()].concat();
    let gone = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_string();
    let service = Service::new(vec![answer("200 OK", &["Content-Type: multipart/mixed; boundary=x"], &body), gone]);
    let keys = [b"a/b".to_vec(), b"c".to_vec(), b"d".to_vec()];
    assert!(bucket(&service.host).delete(&keys).iter().all(Result::is_ok));
    let asked = service.asked();
    assert!(
        asked[0].starts_with("POST /batch/storage/v1 HTTP")
            && asked[0].contains("\r\nDELETE /storage/v1/b/b/o/a%2Fb HTTP/1.1\r\n")
    );
    assert!(asked[1].starts_with("DELETE /storage/v1/b/b/o/d HTTP"), "{asked:?}");
}

#[test]
fn a_content_is_asked_for_as_it_is_stored() {
    let service = Service::new(vec![cut("200 OK", &["ETag: \"1\""], "0123", 10), taken()]);
    let mut content = bucket(&service.host).open(b"a/b", 0, None, None).unwrap();
    assert!(crate::etag::is_changed(&io::copy(&mut content, &mut io::sink()).unwrap_err()));
    let asked = service.asked();
    assert!(
        asked[0].starts_with("GET /storage/v1/b/b/o/a%2Fb?alt=media HTTP") && asked[0].contains("\r\naccept-encoding: gzip\r\n")
    );
    assert!(asked[1].contains("\r\nif-match: \"1\"\r\n"));
}
