//! Proxies between the tools and a service.

use super::{BACKUP, world};
use crate::storages::emulators::fake_s3::{FakeS3, Oddities};
use crate::storages::emulators::httpd::{Answer, Request, forward, serve_raw};
use crate::util::World;
use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};

/// `Basic` with `me:wrongsecret`.
const LOGIN: &str = "Basic bWU6d3JvbmdzZWNyZXQ=";

/// A proxy before a service, which wants a login.
fn proxy(to: u16) -> u16 {
    serve_raw(move |request| match request.header("proxy-authorization") {
        Some(LOGIN) if request.target.starts_with("http://") => forward(request, to).expect("an answer"),
        _ => Answer::new(407, "Who are you?").with("proxy-authenticate", "Basic").bytes(request.method == "HEAD"),
    })
}

/// A proxy that connects whoever logs in.
fn tunnel(status: u16) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("listen");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for client in listener.incoming().filter_map(Result::ok) {
            std::thread::spawn(move || connect(client, status));
        }
    });
    port
}

fn connect(mut client: TcpStream, status: u16) {
    let mut input = BufReader::new(client.try_clone().expect("another handle"));
    let Ok(Some(request)) = Request::read(&mut input) else { return };
    if request.method != "CONNECT" || request.header("proxy-authorization") != Some(LOGIN) || status != 200 {
        let status = if status == 200 { 407 } else { status };
        return drop(client.write_all(&Answer::new(status, "").bytes(false)));
    }
    let Ok(mut server) = TcpStream::connect(&request.target) else { return };
    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").expect("an answer");
    let (mut back, mut from) = (client.try_clone().expect("another handle"), server.try_clone().expect("another handle"));
    std::thread::spawn(move || drop(std::io::copy(&mut from, &mut back)));
    drop(std::io::copy(&mut client, &mut server));
}

/// A world with nothing in between yet.
fn plain(endpoint: &str) -> World {
    let mut world = World::new();
    world.set("FILE_ROOT", "s3://bucket");
    world.set("FILE_STORAGE_OPTIONS", format!(r#"{{"key": "k", "secret": "s", "endpoint_url": "{endpoint}"}}"#));
    world
}

#[test]
fn a_proxy_gets_the_login_in_its_address() {
    let fake = FakeS3::that(Oddities::default());
    let proxy = proxy(fake.port);
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        let mut world = world(&fake);
        world.set(variable, format!("http://me:wrongsecret@127.0.0.1:{proxy}"));
        let seen = fake.seen().len();
        world.sh(BACKUP).ok().silent();
        let seen = &fake.seen()[seen..];
        assert!(!seen.is_empty() && seen.iter().all(|r| r.target.starts_with("http://")), "{variable} was not obeyed");
        assert!(seen.iter().all(|r| !r.target.contains("wrongsecret")));
        world.set("NO_PROXY", "localhost,127.0.0.1");
        let before = fake.seen().len();
        world.sh("snap-list").ok();
        assert!(fake.seen()[before..].iter().all(|r| r.target.starts_with('/')), "NO_PROXY was not obeyed");
    }
}

#[test]
fn a_proxy_that_asks_for_a_login_is_named_once_and_shows_no_secret() {
    let fake = FakeS3::that(Oddities::default());
    let (proxy, tunnel) = (proxy(fake.port), tunnel(200));
    for (variable, login, port, endpoint) in [
        ("HTTP_PROXY", "", proxy, format!("http://127.0.0.1:{}", fake.port)),
        ("HTTP_PROXY", "me:othersecret@", proxy, format!("http://127.0.0.1:{}", fake.port)),
        ("HTTPS_PROXY", "", tunnel, "https://s3.test".to_string()),
        ("ALL_PROXY", "me:othersecret@", tunnel, "https://s3.test".to_string()),
    ] {
        let mut world = plain(&endpoint);
        world.set(variable, format!("http://{login}127.0.0.1:{port}"));
        let done = world.sh("snap-scan").status(2);
        let expected = format!("the proxy 127.0.0.1:{port} asks for a login (407)");
        assert!(done.err().contains(&expected) && done.err().lines().count() == 1, "{done}");
        assert!(!done.err().contains("secret"), "{done}");
    }
    assert!(fake.seen().is_empty());
}

#[test]
fn a_proxy_that_does_not_connect_is_named() {
    let refusing = tunnel(403);
    let gone = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).expect("an address").port();
    for (variable, port, endpoint, expected) in [
        ("HTTPS_PROXY", refusing, "https://s3.test", "does not connect"),
        ("HTTPS_PROXY", gone, "https://s3.test", "Connection refused"),
        ("HTTP_PROXY", gone, "http://s3.test", "Connection refused"),
    ] {
        let mut world = plain(endpoint);
        world.set(variable, format!("http://me:wrongsecret@127.0.0.1:{port}"));
        let done = world.sh("snap-scan").status(2);
        assert!(done.err().contains(&format!("the proxy 127.0.0.1:{port}")) && done.err().contains(expected), "{done}");
        assert!(!done.err().contains("secret") && done.err().lines().count() == 1, "{done}");
    }
}
