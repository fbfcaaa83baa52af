//! Who one is and whom one trusts: options before the environment, certificates, logins that a service does not take; and etags
//! that are written differently from request to request.

use super::front::Front;
use crate::storages::emulators::httpd::{Answer, Request};
use crate::storages::emulators::{self, Emulator, Planted, Root};
use crate::util::World;
use std::process::{Child, Command, Stdio};

/// The URL and the options of a root, for a tool's environment.
fn point(world: &mut World, root: &Root) {
    world.set("FILE_ROOT", &root.url);
    world.set("FILE_STORAGE_OPTIONS", &root.options);
}

#[test]
fn an_option_of_s3_beats_the_environment() {
    let Some(moto) = emulators::moto() else { return };
    let root = moto.fresh();
    moto.plant(&root, &[Planted::new("a", "content")]);
    let front = Front::before(moto.port(), |_, _| None);
    let endpoint = format!("http://127.0.0.1:{}", front.port);
    let mut world = World::new();
    world.put("home/.aws/credentials", "[other]\naws_access_key_id = ofprofile\naws_secret_access_key = s\n");
    world.put("home/.aws/config", format!("[profile other]\nregion = eu-profile-1\nendpoint_url = {endpoint}\n"));
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "ofenvironment"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        ("AWS_SESSION_TOKEN", "tokenofenvironment"),
        ("AWS_REGION", "eu-environment-1"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
    ] {
        world.set(name, value);
    }
    for (options, credential) in [
        (r#"{"profile": "other"}"#.to_string(), "Credential=ofprofile/DATE/eu-profile-1/"),
        (r#"{"profile": "other", "region": "eu-option-1"}"#.to_string(), "Credential=ofprofile/DATE/eu-option-1/"),
        (
            format!(r#"{{"key": "ofoption", "secret": "s", "endpoint_url": "{endpoint}"}}"#),
            "Credential=ofoption/DATE/eu-environment-1/",
        ),
        (format!(r#"{{"endpoint_url": "{endpoint}"}}"#), "Credential=ofenvironment/DATE/eu-environment-1/"),
    ] {
        point(&mut world, &Root { options: options.clone(), ..root.clone() });
        let met = front.seen().len();
        world.sh("snap-scan").ok().silent();
        let seen = front.seen();
        let (_, request) = seen.get(met).unwrap_or_else(|| panic!("{options}: nothing was asked"));
        let login = request.header("authorization").unwrap_or_default();
        let (before, after) = credential.split_once("DATE").expect("a date");
        assert!(login.contains(before) && login.contains(after), "{options}: {login}");
        let of_environment = request.header("x-amz-security-token") == Some("tokenofenvironment");
        assert_eq!(of_environment, credential.contains("ofenvironment/"), "{options}: the token of other keys");
    }
}

#[test]
fn a_login_that_is_not_taken_is_told_once() {
    let Some(moto) = emulators::moto() else { return };
    let root = moto.fresh();
    let many: Vec<_> = (0..120).map(|n| Planted::new(&format!("f{n:03}"), format!("content {n}"))).collect();
    moto.plant(&root, &many);
    let expired = "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>";
    let front = Front::before(moto.port(), move |_, r: &Request| {
        let is_content = r.method == "GET" && !r.target.contains("list-type");
        is_content.then(|| Answer::new(400, expired).with("content-type", "application/xml"))
    });
    let mut world = World::new();
    point(&mut world, &root.through(moto, front.port));
    let done = world.sh("snap-scan | snap-heapify >out").status(2);
    let said = done.err();
    assert!(said.lines().count() == 1 && said.contains("ExpiredToken: The provided token has expired"), "{done}");
    assert!(front.seen().len() < 110, "{} requests", front.seen().len());
}

#[test]
fn a_login_that_expires_while_contents_are_read_is_told_once() {
    let Some(moto) = emulators::moto() else { return };
    let root = moto.fresh();
    let mut world = World::new();
    for n in 0..40 {
        world.put(&format!("files/{n}"), format!("content {n}"));
    }
    let heap = |world: &mut World, root: &Root| {
        world.set("HEAP_ROOT", &root.url);
        world.set("HEAP_STORAGE_OPTIONS", &root.options);
    };
    heap(&mut world, &root);
    world.sh("snap-scan | snap-heapify | snap-write > /dev/null").ok();
    let expired = "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>";
    let front = Front::before(moto.port(), move |_, r: &Request| {
        let is_content = r.method == "GET" && r.target.contains(".gz");
        is_content.then(|| Answer::new(400, expired).with("content-type", "application/xml"))
    });
    heap(&mut world, &root.through(moto, front.port));
    for tool in ["snap-restore --file-root out", "snap-cat", "snap-verify"] {
        let done = world.sh(&format!("snap-read | {tool}")).status(2).complains("ExpiredToken");
        assert_eq!(done.err().lines().count(), 1, "{tool}: {done}");
    }
}

#[test]
fn a_refusal_without_a_reason_says_so() {
    let Some(moto) = emulators::moto() else { return };
    let root = moto.fresh();
    moto.plant(&root, &[Planted::new("a", "content")]);
    let front = Front::before(moto.port(), |_, r: &Request| (r.method == "HEAD").then(|| Answer::new(403, "")));
    let e = root.through(moto, front.port).open().stat(b"a").expect_err("it was refused");
    assert_eq!(e.kind(), std::io::ErrorKind::PermissionDenied);
    assert!(e.to_string().contains("403 Forbidden: access denied"), "{e}");
}

#[test]
fn a_service_whose_contents_have_another_etag_than_its_listings_can_be_backed_up() {
    let Some(moto) = emulators::moto() else { return };
    let root = moto.fresh();
    moto.plant(&root, &[Planted::new("a", "one"), Planted::new("b", "two")]);
    let failed = "<Error><Code>PreconditionFailed</Code><Message>no</Message></Error>";
    let front = Front::before(moto.port(), move |_, r: &Request| {
        r.header("if-match").is_some().then(|| Answer::new(412, failed).with("content-type", "application/xml"))
    });
    let mut world = World::new();
    point(&mut world, &root.through(moto, front.port));
    world.sh("snap-scan | snap-heapify | snap-write").ok();
    let read = |front: &Front| front.seen().iter().filter(|(_, r)| r.method == "GET" && !r.target.contains("list-type")).count();
    let first = read(&front);
    world.sh("snap-scan | snap-heapify | snap-write").ok();
    assert_eq!((first, read(&front)), (4, 4), "what did not change is not read again");
    world.unset("FILE_STORAGE_OPTIONS");
    world.set("FILE_ROOT", world.path("back"));
    world.sh("snap-read latest | snap-restore").ok();
    assert_eq!(std::fs::read(world.path("back/b")).expect("a file"), b"two");
}

/// A server with TLS on this machine, which refuses everything as S3 does, unless a federated identity asks for a container.
pub struct Tls(Child);

impl Drop for Tls {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const SERVER: &str = r#"
import http.server, os, ssl, sys
class Refuses(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"<Error><Code>AccessDenied</Code><Message>Not you</Message></Error>"
        federated = self.headers.get("authorization") == "Bearer offederation"
        if federated:
            body = b"<EnumerationResults ContainerName='box'><Blobs/><NextMarker/></EnumerationResults>"
        self.send_response(200 if federated else 403)
        self.send_header("x-ms-request-id", "1")
        self.send_header("content-type", "application/xml")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuses)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True)
open(sys.argv[3] + ".new", "w").write(str(server.server_address[1]))
os.rename(sys.argv[3] + ".new", sys.argv[3])
server.serve_forever()
"#;

pub fn serve(world: &World, certificate: &str) -> (Tls, String) {
    let at = |name: String| world.path(name).display().to_string();
    let port = at(format!("{certificate}.port"));
    let arguments = ["-c", SERVER, &at(format!("{certificate}.pem")), &at(format!("{certificate}.key")), &port];
    let server = Command::new("python3").args(arguments).stderr(Stdio::null()).spawn().expect("start a server");
    crate::util::wait_for("the server", || std::path::Path::new(&port).exists());
    (Tls(server), std::fs::read_to_string(&port).expect("its port"))
}

/// An authority, a certificate that it has signed, and one that has signed itself.
pub const CERTIFICATES: &str = r#"
    own='openssl req -x509 -newkey rsa:2048 -nodes -days 2'
    names='subjectAltName=DNS:localhost,IP:127.0.0.1'
    $own -keyout ca.key -out ca.pem -subj /CN=authority &&
    openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout good.key -out good.csr &&
    printf "$names\nbasicConstraints=CA:FALSE\n" >ext &&
    openssl x509 -req -in good.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out good.pem &&
    $own -subj /CN=localhost -addext "$names" -keyout self.key -out self.pem"#;

#[test]
fn a_certificate_is_trusted_or_the_reason_is_told_in_words() {
    let mut world = World::new();
    world.sh(CERTIFICATES).ok();
    let (_good, good) = serve(&world, "good");
    let (_own, own) = serve(&world, "self");
    for (port, variables, expected) in [
        (&good, "", "the certificate is not trusted: no authority that this machine trusts has signed it"),
        (&good, "AWS_CA_BUNDLE=ca.pem", "AccessDenied: Not you"),
        (&good, "SSL_CERT_FILE=ca.pem", "AccessDenied: Not you"),
        (&good, "REQUESTS_CA_BUNDLE=ca.pem", "AccessDenied: Not you"),
        (&good, "AWS_CA_BUNDLE=nowhere.pem", "AWS_CA_BUNDLE: nowhere.pem: No such file or directory"),
        (&good, "AWS_CA_BUNDLE=ca.key", "AWS_CA_BUNDLE: ca.key: no certificates in PEM"),
        (&own, "AWS_CA_BUNDLE=self.pem", "the certificate is not trusted: it is that of an authority"),
        (&own, "", "the certificate is not trusted: "),
    ] {
        let options = format!(r#"{{"key": "k", "secret": "s", "endpoint_url": "https://127.0.0.1:{port}"}}"#);
        point(&mut world, &Root { url: "s3://bucket".to_string(), options, container: String::new(), prefix: String::new() });
        let done = world.sh(&format!("{variables} snap-scan")).status(2);
        let said = done.err();
        assert!(said.contains(expected) && said.lines().count() <= 2, "{variables}: expected {expected}{done}");
        assert!(!["Issuer", "OtherError", "os error", "CaUsed"].iter().any(|word| said.contains(word)), "{done}");
    }
}
