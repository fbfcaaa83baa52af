//! What the services are asked, by kind of request, and what they are never to be asked to mean.

use crate::storages::emulators::httpd::{Answer, Request};

/// What is done with a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    List,
    Stat,
    Get,
    Range,
    Put,
    PutIfAbsent,
    PutLarge,
    Delete,
    DeleteMany,
}

/// A kind of request: its name, what it is asked for, and whether one is of it.
pub struct Kind {
    pub name: &'static str,
    pub act: Act,
    pub is: fn(&Request) -> bool,
}

/// A service: its kinds of requests, and its documents.
pub struct Service {
    pub kinds: Vec<Kind>,
    /// A page of a listing that has one object and is not the last, and a header that all answers have.
    pub first_page: &'static str,
    pub header: (&'static str, &'static str),
    /// An error, and the answer to something that we never ask.
    pub error: &'static str,
    pub other: &'static str,
}

fn has(request: &Request, name: &str) -> bool {
    request.query().contains_key(name)
}

fn is(request: &Request, method: &str) -> bool {
    request.method == method
}

fn kind(name: &'static str, act: Act, is: fn(&Request) -> bool) -> Kind {
    Kind { name, act, is }
}

/// Amazon S3.
pub fn s3() -> Service {
    let kinds = vec![
        kind("list, page 1", Act::List, |r| is(r, "GET") && has(r, "list-type") && !has(r, "continuation-token")),
        kind("list, page 2", Act::List, |r| is(r, "GET") && has(r, "continuation-token")),
        kind("head", Act::Stat, |r| is(r, "HEAD")),
        kind("get", Act::Get, |r| is(r, "GET") && !has(r, "list-type") && r.header("range").is_none()),
        kind("ranged get", Act::Range, |r| is(r, "GET") && r.header("range").is_some()),
        kind("put", Act::Put, |r| is(r, "PUT") && !has(r, "partNumber")),
        kind("put if absent", Act::PutIfAbsent, |r| is(r, "PUT") && !has(r, "partNumber")),
        kind("multipart init", Act::PutLarge, |r| is(r, "POST") && has(r, "uploads")),
        kind("multipart part", Act::PutLarge, |r| is(r, "PUT") && has(r, "partNumber")),
        kind("multipart complete", Act::PutLarge, |r| is(r, "POST") && has(r, "uploadId")),
        kind("delete", Act::Delete, |r| is(r, "DELETE") && !has(r, "uploadId")),
        kind("batch delete", Act::DeleteMany, |r| is(r, "POST") && has(r, "delete")),
    ];
    Service {
        kinds,
        first_page: "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken><Contents>\
            <Key>dir/a</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;1&quot;</ETag><Size>1</Size></Contents>\
            </ListBucketResult>",
        header: ("x-amz-request-id", "1"),
        error: "<?xml version=\"1.0\"?><Error><Code>Oops</Code><Message>Something</Message></Error>",
        other: "<?xml version=\"1.0\"?><LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>",
    }
}

/// Google Cloud Storage.
pub fn gcs() -> Service {
    let kinds = vec![
        kind("list, page 1", Act::List, |r| is(r, "GET") && r.path().ends_with("/o") && !has(r, "pageToken")),
        kind("list, page 2", Act::List, |r| is(r, "GET") && has(r, "pageToken")),
        kind("stat", Act::Stat, |r| is(r, "GET") && r.path().contains("/o/") && !has(r, "alt")),
        kind("get", Act::Get, |r| has(r, "alt") && r.header("range").is_none()),
        kind("ranged get", Act::Range, |r| has(r, "alt") && r.header("range").is_some()),
        kind("put", Act::Put, |r| is(r, "POST") && r.target.contains("uploadType=m")),
        kind("put if absent", Act::PutIfAbsent, |r| is(r, "POST") && r.target.contains("ifGenerationMatch=0")),
        kind("beginning of a large upload", Act::PutLarge, |r| is(r, "POST") && r.target.contains("uploadType=resumable")),
        kind("piece of a large upload", Act::PutLarge, |r| is(r, "PUT") && r.header("content-range").is_some()),
        kind("delete", Act::Delete, |r| is(r, "DELETE")),
        kind("batch delete", Act::DeleteMany, |r| is(r, "POST") && r.path().contains("/batch")),
    ];
    Service {
        kinds,
        first_page: r#"{"kind": "storage#objects", "nextPageToken": "t", "items": [{"kind": "storage#object", "name": "dir/a",
            "size": "1", "updated": "2026-01-01T00:00:00Z", "etag": "1"}]}"#,
        header: ("x-guploader-uploadid", "1"),
        error: r#"{"error": {"code": 400, "message": "Something"}}"#,
        other: r#"{"kind": "storage#buckets", "items": []}"#,
    }
}

/// Azure Blob Storage.
pub fn azure() -> Service {
    let kinds = vec![
        kind("list, page 1", Act::List, |r| is(r, "GET") && r.target.contains("comp=list") && !has(r, "marker")),
        kind("list, page 2", Act::List, |r| is(r, "GET") && has(r, "marker")),
        kind("head", Act::Stat, |r| is(r, "HEAD")),
        kind("get", Act::Get, |r| is(r, "GET") && !has(r, "comp") && r.header("range").is_none()),
        kind("ranged get", Act::Range, |r| is(r, "GET") && r.header("range").is_some()),
        kind("put", Act::Put, |r| is(r, "PUT") && !has(r, "comp")),
        kind("put if absent", Act::PutIfAbsent, |r| is(r, "PUT") && !has(r, "comp")),
        kind("put block", Act::PutLarge, |r| is(r, "PUT") && r.query().get("comp").is_some_and(|c| c == "block")),
        kind("put block list", Act::PutLarge, |r| is(r, "PUT") && r.target.contains("comp=blocklist")),
        kind("delete", Act::Delete, |r| is(r, "DELETE")),
        kind("batch delete", Act::DeleteMany, |r| is(r, "POST")),
    ];
    Service {
        kinds,
        first_page: "<EnumerationResults><Blobs><Blob><Name>dir/a</Name><Properties><Content-Length>1</Content-Length></Properties>\
            </Blob></Blobs><NextMarker>t</NextMarker></EnumerationResults>",
        header: ("x-ms-request-id", "1"),
        error: "<?xml version=\"1.0\"?><Error><Code>Oops</Code><Message>Something</Message></Error>",
        other: "<EnumerationResults ServiceEndpoint=\"x\"><Containers/><NextMarker/></EnumerationResults>",
    }
}

/// WebDAV.
pub fn webdav() -> Service {
    let kinds = vec![
        kind("PROPFIND of a folder", Act::List, |r| is(r, "PROPFIND") && r.header("depth") != Some("0")),
        kind("PROPFIND of a file", Act::Stat, |r| is(r, "PROPFIND") && r.header("depth") == Some("0")),
        kind("GET", Act::Get, |r| is(r, "GET")),
        kind("ranged GET", Act::Range, |r| is(r, "GET")),
        kind("MKCOL", Act::Put, |r| is(r, "MKCOL")),
        kind("PUT", Act::Put, |r| is(r, "PUT")),
        kind("MOVE", Act::Put, |r| is(r, "MOVE")),
        kind("MOVE if absent", Act::PutIfAbsent, |r| is(r, "MOVE")),
        kind("large PUT", Act::PutLarge, |r| is(r, "PUT")),
        kind("DELETE", Act::Delete, |r| is(r, "DELETE")),
    ];
    Service {
        kinds,
        first_page: "",
        header: ("dav", "1"),
        error: "<?xml version=\"1.0\"?><d:error xmlns:d=\"DAV:\"><d:lock-token-submitted/></d:error>",
        other: "<?xml version=\"1.0\"?><d:prop xmlns:d=\"DAV:\"><d:lockdiscovery/></d:prop>",
    }
}

/// The answers that are none: a page for people, an error, something of another kind, nothing, the answer to another question, a
/// page elsewhere, and a status alone.
pub fn wrong(service: &Service, port: u16) -> Vec<(&'static str, Answer)> {
    let (name, value) = service.header;
    let xml = |body: &str| Answer::new(200, body).with("content-type", "application/xml").with(name, value);
    let json = Answer::new(200, r#"{"status": "ok", "items": []}"#).with("content-type", "application/json");
    vec![
        ("a page", page()),
        ("an error", xml(service.error)),
        ("JSON", json),
        ("nothing", Answer::new(200, "")),
        ("another answer", xml(service.other)),
        ("a page elsewhere", Answer::new(302, "").with("location", format!("http://127.0.0.1:{port}/login"))),
        ("204", Answer::new(204, "")),
    ]
}

/// A login page.
pub fn page() -> Answer {
    Answer::new(200, "<!DOCTYPE html>\n<html><head><title>Log in</title></head><body><br>Welcome!</body></html>\n")
        .with("content-type", "text/html; charset=utf-8")
}
