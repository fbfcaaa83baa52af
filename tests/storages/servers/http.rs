//! Web servers that compress what nobody wants compressed, keep compressed files, or know little about a file.

use super::names;
use crate::storages::emulators::httpd::{Answer, Request, serve_raw};
use crate::util::World;
use std::io::Write;

const TEXT: &str = "hello world, hello world, hello world";

fn gzip(text: &str) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(text.as_bytes()).expect("compress");
    out.finish().expect("compress")
}

/// An answer whose length only its end tells.
fn chunked(request: &Request, coding: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ntransfer-encoding: chunked\r\n\r\n");
    let body = match request.method.as_str() {
        "HEAD" => Vec::new(),
        _ => [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n0\r\n\r\n"].concat(),
    };
    [head.into_bytes(), body].concat()
}

fn answer(request: &Request) -> Vec<u8> {
    let is_head = request.method == "HEAD";
    let plain = || Answer::new(200, TEXT).with("last-modified", "Sunday, 06-Nov-94 08:49:37 GMT");
    match request.path() {
        "/kept.gz" => plain_gz().bytes(is_head),
        "/on-the-fly" if is_head => plain().bytes(true),
        "/on-the-fly" | "/unsized" => chunked(request, "gzip", &gzip(TEXT)),
        "/broken" if !is_head => chunked(request, "gzip", &gzip(TEXT)[..20]),
        "/other" if !is_head => chunked(request, "br", b"whatever"),
        "/other-size" if !is_head => Answer::new(200, gzip(TEXT)).with("content-encoding", "gzip").bytes(false),
        "/no-head" if is_head => Answer::new(405, "no").bytes(true),
        "/summed" => plain().with("repr-digest", "sha-256=:AAAA:, md5=:lM1056alvxJAWSIVyl/mtQ==:").bytes(is_head),
        _ => plain().bytes(is_head),
    }
}

fn plain_gz() -> Answer {
    Answer::new(200, gzip(TEXT)).with("content-encoding", "x-gzip")
}

#[test]
fn what_is_compressed_on_the_way_is_stored_as_it_was_and_what_is_kept_compressed_as_it_is() {
    let port = serve_raw(answer);
    let mut world = World::new();
    world.set("FILE_ROOT", format!("http://127.0.0.1:{port}"));
    let scan = |names: &str| format!("printf '%s\\n' {names} | snap-scan --files-from -");
    let good = scan("kept.gz on-the-fly unsized no-head plain");
    world.sh(&format!("{good} | snap-heapify >list")).ok().silent();
    for name in ["on-the-fly", "unsized", "no-head", "plain"] {
        let done = world.sh(&format!("jq -c 'select(.type == \"end\" or .name == \"{name}\")' list | snap-cat"));
        assert_eq!(done.ok().out(), TEXT, "{name}");
    }
    let kept = "jq -c 'select(.type == \"end\" or .name == \"kept.gz\")' list";
    assert_eq!(world.sh(&format!("{kept} | snap-cat | gzip -dc")).ok().out(), TEXT);
    let record = world.sh(&format!("{kept} | head -n 1 | jq -r .content_settings.content_encoding")).ok();
    assert_eq!(record.out(), "x-gzip\n");
    let old = world.sh("jq -r 'select(.name == \"plain\") | .modified' list").ok();
    assert!(old.out().starts_with("1994-11-06T08:49:37"), "{old}");

    let done = world.sh(&format!("{} | snap-heapify", scan("broken other other-size")));
    assert_eq!(names(&done, "error"), ["broken", "other", "other-size"], "{done}");
    assert!(done.err().contains("compressed (br), although it was asked not to"), "{done}");
    let summed = world.sh(&format!("{} | jq -r '.md5 // empty'", scan("summed"))).ok();
    assert_eq!(summed.out(), "94cd74e7a6a5bf1240592215ca5fe6b5\n");
}
