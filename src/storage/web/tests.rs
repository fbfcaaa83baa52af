//! Tests against a service that sends prepared answers.

use super::*;
use crate::storage::Options;
use crate::storage::fake::{Service, answer, busy, cut, policy};
use crate::storage::runtime::block_on;
use crate::storage::store::Get;
use reqwest::{Method, Url};
use std::io::Read;
use std::sync::Arc;

fn content(host: &str, policy: Policy) -> Content {
    let request = Request::new(Method::GET, Url::parse(&format!("http://{host}/a")).unwrap());
    let place = Place::parse("http", "h").unwrap();
    let login = Arc::new(Login::new(&place, &Options::default(), false).unwrap());
    Content { request, login, what: "a".to_string(), host: "h".to_string(), policy, size: None }
}

/// Reads from a service with these answers. Returns the content, and the ranges and conditions of the requests.
fn read(answers: Vec<String>, from: u64, len: Option<u64>, etag: Option<&str>) -> (io::Result<String>, Vec<String>) {
    let service = Service::new(answers);
    let mut text = String::new();
    let outcome = get(client().unwrap(), content(&service.host, policy()), &Get { from, len, etag, version: None })
        .and_then(|mut reader| reader.read_to_string(&mut text))
        .map(|_| text);
    let told = |request: String| {
        let lines = request.lines().filter(|l| l.starts_with("range:") || l.starts_with("if-match:")).collect::<Vec<_>>();
        lines.join(" ")
    };
    (outcome, service.asked().into_iter().map(told).collect())
}

const ETAG: &[&str] = &["ETag: \"1\""];

fn part(range: &str, body: &str) -> String {
    answer("206 Partial Content", &["ETag: \"1\"", &format!("Content-Range: bytes {range}/10")], body)
}

#[test]
fn a_content_that_breaks_off_is_taken_up_where_it_was_if_it_is_the_same() {
    let (text, asked) = read(vec![cut("200 OK", ETAG, "0123", 10), busy(), part("4-9", "456789")], 0, None, None);
    assert_eq!(text.unwrap(), "0123456789");
    assert_eq!(asked, ["", "range: bytes=4- if-match: \"1\"", "range: bytes=4- if-match: \"1\""]);

    let changed = answer("412 Precondition Failed", &[], "");
    let (text, _) = read(vec![cut("200 OK", ETAG, "0123", 10), changed], 0, None, None);
    assert_eq!(text.unwrap_err().to_string(), "a: it has changed");

    // Without an etag, the rest could be of another version, so it is not requested.
    let (text, _) = read(vec![cut("200 OK", &[], "0123", 10)], 0, None, None);
    assert_eq!(text.unwrap_err().to_string(), "a: the connection broke");
}

#[test]
fn ranges_are_right_from_servers_that_know_none() {
    for (from, len, text) in
        [(0, None, "0123456789"), (3, Some(4), "3456"), (8, Some(9), "89"), (10, None, ""), (99, Some(1), "")]
    {
        assert_eq!(read(vec![answer("200 OK", &[], "0123456789")], from, len, None).0.unwrap(), text);
    }
    let (text, asked) = read(vec![part("3-6", "3456")], 3, Some(4), None);
    assert_eq!((text.unwrap().as_str(), asked[0].as_str()), ("3456", "range: bytes=3-6"));
    assert_eq!(read(vec![answer("416 Range Not Satisfiable", &[], "")], 10, Some(1), None).0.unwrap(), "");
    assert_eq!(read(vec![], 3, Some(0), None).0.unwrap(), "");
    let other = read(vec![part("0-3", "0123")], 3, Some(4), None).0.unwrap_err();
    assert_eq!(other.kind(), io::ErrorKind::InvalidData);
}

#[test]
fn a_content_with_another_etag_is_not_read() {
    let (text, asked) = read(vec![answer("200 OK", ETAG, "x")], 0, None, Some("\"2\""));
    assert_eq!((text.unwrap_err().to_string().as_str(), asked[0].as_str()), ("a: it has changed", "if-match: \"2\""));
    // Weak etags are compared on our side.
    let (text, asked) = read(vec![answer("200 OK", &["ETag: W/\"1\""], "x")], 0, None, Some("W/\"1\""));
    assert_eq!((text.unwrap().as_str(), asked[0].as_str()), ("x", ""));
    assert!(read(vec![answer("200 OK", &[], "x")], 0, None, Some("\"1\"")).0.is_err());
}

#[test]
fn what_may_pass_is_tried_again_until_it_is_enough() {
    let (text, _) = read(vec![busy(), String::new(), answer("429 Too Many", &[], ""), answer("200 OK", &[], "x")], 0, None, None);
    assert_eq!(text.unwrap(), "x");
    let (text, asked) = read(vec![busy(); 6], 0, None, None);
    assert_eq!((text.unwrap_err().to_string().as_str(), asked.len()), ("a: the server says 503 Service Unavailable", 6));
    for (status, kind) in [("403 Forbidden", io::ErrorKind::PermissionDenied), ("404 Not Found", io::ErrorKind::NotFound)] {
        assert_eq!(read(vec![answer(status, &[], "")], 0, None, None).0.unwrap_err().kind(), kind);
    }
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let service = Service::new(vec!["silence".to_string(); 2]);
    let impatient = Policy { tries: 2, stall: Duration::from_millis(50), ..policy() };
    let e = get(client().unwrap(), content(&service.host, impatient), &Get::default()).err().unwrap();
    assert_eq!((e.kind(), e.to_string().as_str()), (io::ErrorKind::TimedOut, "h: no answer"));
    service.asked();
}

#[test]
fn small_answers_have_a_limit() {
    let service = Service::new(vec![answer("200 OK", &[], "0123456789")]);
    let request = content(&service.host, policy()).request;
    let e = block_on(async {
        let answer = fetch(client().unwrap(), request, &policy(), "h").await.unwrap();
        whole(answer, 9, &policy(), "h").await.unwrap_err()
    });
    assert_eq!(e.unwrap().kind(), io::ErrorKind::InvalidData);
}

#[test]
fn what_can_not_be_reached_is_told_without_the_url() {
    let gone = Service::new(vec![]).host;
    let request = Request::new(Method::GET, Url::parse(&format!("http://{gone}/a?sig=secret")).unwrap());
    let e = block_on(fetch(client().unwrap(), request, &Policy { tries: 1, ..policy() }, "h")).unwrap().unwrap_err();
    assert_eq!((e.kind(), e.to_string().as_str()), (io::ErrorKind::ConnectionRefused, "h: Connection refused"));
}
