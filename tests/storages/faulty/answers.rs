//! Services, and what stands before them, that answer with something else than what was asked for: each kind of request in turn,
//! with each of the answers that are none. Whatever a storage says then is so; and the tools publish, count, list and delete
//! nothing for it.

use super::front::Front;
use super::services::{self, Act, Kind, Service};
use crate::storages::conformance::{bytes, is_clear};
use crate::storages::emulators::httpd::{Answer, Request};
use crate::storages::emulators::{self, Emulator, Planted, Root};
use crate::util::World;
use crate::util::measure::figure;
use snapshooter::internals::storage::{Body, Put, Store};
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

const OLD: &[u8] = b"0123456789";
const LARGE: usize = (8 << 20) + 5;

#[test]
fn no_answer_of_s3_counts_for_its_status() {
    let Some(moto) = emulators::moto() else { return };
    Suite::of(moto, services::s3()).run();
}

#[test]
fn no_answer_of_google_counts_for_its_status() {
    Suite::of(emulators::fake_gcs(), services::gcs()).run();
}

#[test]
fn no_answer_of_azure_counts_for_its_status() {
    let Some(azurite) = emulators::azurite() else { return };
    Suite::of(azurite, services::azure()).run();
}

#[test]
fn no_answer_of_webdav_counts_for_its_status() {
    let Some(wsgidav) = emulators::wsgidav() else { return };
    Suite::of(wsgidav, services::webdav()).run();
}

/// A page that a web server answers with itself may be the file that was asked for. One that lies elsewhere is not.
#[test]
fn a_page_that_lies_elsewhere_is_no_file_of_a_web_server() {
    let root = emulators::http_server().with(&[Planted::new("a", OLD), Planted::new("moved/a", OLD)]);
    let port = emulators::http_server().port();
    let own = Arc::new(AtomicU16::new(0));
    let known = own.clone();
    let front = Front::before(port, move |_, request: &Request| {
        let at = |path: &str| {
            let to = format!("http://127.0.0.1:{}{path}", known.load(Ordering::Relaxed));
            Some(Answer::new(302, "").with("location", to))
        };
        match request.path() {
            path if path.starts_with("/login") => Some(services::page()),
            path if path.ends_with("moved/a") => None,
            path if path.ends_with("/a") => at("/login?then=a"),
            path if path.ends_with("/b") => Some(Answer::new(204, "")),
            path if path.ends_with("/c") => at(&path.replace("/c", "/moved/a")),
            _ => None,
        }
    });
    own.store(front.port, Ordering::Relaxed);
    let away = Root { url: root.url.replace(&format!(":{port}"), &format!(":{}", front.port)), ..root.clone() };
    let store = away.open();
    for key in [&b"a"[..], b"b"] {
        let e = store.stat(key).expect_err("no file");
        assert!(e.to_string().contains(&away.url) && (key == b"b" || e.to_string().contains("HTML page")), "{e}");
        assert!(store.open(key, 0, None, None).map(drop).is_err(), "no content");
    }
    let mut content = Vec::new();
    store.open(b"c", 0, None, None).expect("a file elsewhere").read_to_end(&mut content).expect("its content");
    assert_eq!(content, OLD);
}

/// All kinds of requests to a service, and all answers.
struct Suite {
    emulator: &'static dyn Emulator,
    service: Service,
    root: Root,
}

impl Suite {
    fn of(emulator: &'static dyn Emulator, service: Service) -> Suite {
        Suite { emulator, service, root: emulator.fresh() }
    }

    fn run(&self) {
        let clean = self.root.open();
        let (mut wrong, mut cases) = (Vec::new(), 0);
        for kind in &self.service.kinds {
            for (name, _) in services::wrong(&self.service, 0) {
                // A large content is worth fewer of them.
                if kind.act == Act::PutLarge && !matches!(name, "a page" | "an error" | "another answer") {
                    continue;
                }
                // So a deletion is answered that was done: of a status alone nobody can tell whose it is.
                let is_right =
                    matches!((name, self.emulator.name()), ("204", "moto" | "fake-gcs" | "wsgidav") | ("nothing", "fake-gcs"));
                if kind.act == Act::Delete && is_right {
                    continue;
                }
                self.prepare(&*clean);
                cases += 1;
                if let Err(reason) = self.case(&*clean, kind, name) {
                    wrong.push(format!("{} answered with {name}: {reason}", kind.name));
                }
            }
        }
        let name = self.emulator.name();
        assert!(wrong.is_empty(), "{name}:\n  {}", wrong.join("\n  "));
        figure(32, &format!("{name}: {cases} wrong answers to {} kinds of request: 0 believed", self.service.kinds.len()));
    }

    fn prepare(&self, clean: &dyn Store) {
        for key in [&b"dir/a"[..], b"dir/b"] {
            if clean.stat(key).expect("a look").is_none() {
                clean.put(key, Body::Bytes(OLD.to_vec()), &Put::default()).expect("an object");
            }
        }
        for done in clean.delete(&[b"dir/new".to_vec(), b"fresh/new".to_vec()]) {
            done.expect("a deletion");
        }
    }

    /// Does something while one kind of request is answered wrongly. What is said to be done has to be.
    fn case(&self, clean: &dyn Store, kind: &Kind, name: &'static str) -> Result<(), String> {
        let front = front(self.emulator.port(), &self.service, kind, name);
        let store = self.root.through(self.emulator, front.front.port).open();
        let done = act(&*store, kind.act);
        if front.met.load(Ordering::Relaxed) == 0 {
            return Err("it was never asked".to_string());
        }
        match done {
            Ok(said) if said == truth(clean, kind.act).map_err(|e| format!("what is there: {e}"))? => Ok(()),
            Ok(said) => Err(format!("it was taken for an answer: {said}")),
            Err(e) => {
                is_clear(&e);
                let text = e.to_string();
                // HEAD and MOVE have no bodies that tell; and a listing of folders may be followed to the end of a redirect.
                let tells = text.contains("HTML page") || !matches!(name, "a page");
                match tells && (text.contains("://") || text.contains("127.0.0.1")) {
                    true => Ok(()),
                    false => Err(format!("the message does not say what came from where: {text}")),
                }
            }
        }
    }
}

/// What was said of it: of listings and contents all, of other things that they were done.
fn act(store: &dyn Store, act: Act) -> io::Result<String> {
    let get = |from, len| -> io::Result<String> {
        let mut out = String::new();
        store.open(b"dir/a", from, len, None)?.read_to_string(&mut out)?;
        Ok(out)
    };
    let how = |if_absent| Put { if_absent, ..Put::default() };
    let put = |key: &[u8], how: &Put| store.put(key, Body::Bytes(b"new".to_vec()), how);
    Ok(match act {
        Act::List => {
            let keys: io::Result<Vec<_>> =
                store.list(b"").map(|o| o.map(|o| String::from_utf8_lossy(&o.key).into_owned())).collect();
            let mut keys = keys?;
            keys.sort();
            keys.join(" ")
        }
        Act::Stat => format!("{:?}", store.stat(b"dir/a")?.map(|o| o.size)),
        Act::Get => get(0, None)?,
        Act::Range => get(2, Some(3))?,
        Act::Put => format!("new: {}", put(b"fresh/new", &how(false))?),
        Act::PutIfAbsent => format!("new: {}", put(b"dir/new", &how(true))?),
        Act::PutLarge => {
            let content = bytes(3, LARGE);
            format!("new: {}", store.put(b"dir/new", Body::Stream(&mut &content[..]), &how(false))?)
        }
        Act::Delete => format!("{:?}", store.delete(&[b"dir/a".to_vec()]).into_iter().collect::<io::Result<Vec<()>>>()?.len()),
        Act::DeleteMany => {
            format!(
                "{:?}",
                store.delete(&[b"dir/a".to_vec(), b"dir/b".to_vec()]).into_iter().collect::<io::Result<Vec<()>>>()?.len()
            )
        }
    })
}

/// What would have been right to say.
fn truth(clean: &dyn Store, what: Act) -> io::Result<String> {
    let there = |key: &[u8]| Ok::<_, io::Error>(clean.stat(key)?.is_some());
    Ok(match what {
        Act::List | Act::Stat | Act::Get | Act::Range => act(clean, what)?,
        Act::Put => format!("new: {}", there(b"fresh/new")?),
        Act::PutIfAbsent | Act::PutLarge => format!("new: {}", there(b"dir/new")?),
        Act::Delete => usize::from(!there(b"dir/a")?).to_string(),
        Act::DeleteMany => (usize::from(!there(b"dir/a")?) + usize::from(!there(b"dir/b")?)).to_string(),
    })
}

/// A front that answers one kind of request wrongly, and how often it did.
struct Wrong {
    front: Front,
    met: Arc<AtomicUsize>,
}

fn front(port: u16, service: &Service, kind: &Kind, name: &'static str) -> Wrong {
    let (met, own) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU16::new(0)));
    let (count, known) = (met.clone(), own.clone());
    let all = services::wrong(service, 0);
    let answer = all.into_iter().find(|(n, _)| *n == name).map(|(_, answer)| answer).expect("one of them");
    let is = kind.is;
    let second = (kind.act == Act::List && kind.name.ends_with('2')).then(|| {
        let (name, value) = service.header;
        Answer::new(200, service.first_page).with(name, value)
    });
    let front = Front::before(port, move |_, request: &Request| {
        if request.path().starts_with("/login") {
            return Some(services::page());
        }
        if is(request) {
            count.fetch_add(1, Ordering::Relaxed);
            let mut answer = answer.clone();
            for (name, value) in &mut answer.headers {
                if *name == "location" {
                    *value = format!("http://127.0.0.1:{}/login", known.load(Ordering::Relaxed));
                }
            }
            return Some(answer);
        }
        let is_first = |_: &Answer| {
            request.method == "GET" && !request.path().contains("/o/") && request.target.contains("list")
                || request.path().ends_with("/o")
        };
        second.clone().filter(is_first)
    });
    own.store(front.port, Ordering::Relaxed);
    Wrong { front, met }
}

/// The tools themselves, each root in turn on a service whose answers are none.
#[test]
fn nothing_is_published_or_deleted_for_an_answer_that_is_none() {
    let mut all: Vec<(&'static dyn Emulator, Service)> = vec![(emulators::fake_gcs(), services::gcs())];
    all.extend(emulators::moto().map(|e| (e as &'static dyn Emulator, services::s3())));
    all.extend(emulators::azurite().map(|e| (e as &'static dyn Emulator, services::azure())));
    std::thread::scope(|scope| {
        for (emulator, service) in all {
            scope.spawn(move || {
                for name in ["a page", "nothing", "another answer"] {
                    tools(emulator, &service, name);
                }
            });
        }
    });
}

fn tools(emulator: &'static dyn Emulator, service: &Service, name: &'static str) {
    let list = &service.kinds[0];
    let listing = front(emulator.port(), service, list, name);
    // A heap puts what is not there.
    let put = service.kinds.iter().find(|kind| kind.act == Act::PutIfAbsent).expect("one of them");
    let putting = front(emulator.port(), service, put, name);
    let what = format!("{}, {name}", emulator.name());
    let mut world = World::new();
    world.put("files/a", "content");
    // The heap is not to know its snap root, which is another one in each case.
    world.sh("snap-scan | snap-heapify | snap-write && rm -r heap/roots").ok();
    let before = |world: &World| (world.files_below("files"), world.files_below("heap"), world.files_below("snap"));
    let kept = before(&world);
    let cases = [
        ("FILE", &listing, "snap-scan | snap-heapify | snap-write"),
        ("FILE", &listing, "snap-read latest | snap-restore --delete"),
        ("SNAP", &listing, "snap-scan | snap-heapify | snap-write"),
        ("SNAP", &listing, "snap-list"),
        ("SNAP", &listing, "snap-read latest | snap-restore --delete"),
        ("SNAP", &listing, "snap-gc --delete --exclusive"),
        ("SNAP", &listing, "snap-forget --keep-last 1 --delete"),
        ("HEAP", &listing, "snap-read latest | snap-verify --quick"),
        ("HEAP", &listing, "snap-gc --delete --exclusive"),
        ("HEAP", &putting, "snap-scan | snap-heapify --no-base | snap-write"),
    ];
    for (root, wrong, script) in cases {
        let fresh = emulator.fresh();
        let away = fresh.through(emulator, wrong.front.port);
        let (key, options) = (format!("{root}_ROOT"), format!("{root}_STORAGE_OPTIONS"));
        world.set(&key, &away.url);
        world.set(&options, &away.options);
        let met = wrong.met.load(Ordering::Relaxed);
        let done = world.sh(script);
        assert!(done.code().is_some_and(|code| code != 0), "{what}: {root}: it was taken for an answer{done}");
        assert!(wrong.met.load(Ordering::Relaxed) > met, "{what}: {root}: it was never asked{done}");
        assert!(before(&world) == kept, "{what}: {root}: something was changed{done}");
        assert!(emulator.there(&fresh).is_empty(), "{what}: {root}: something was put{done}");
        if name == "a page" {
            let said = done.err();
            let lines: Vec<_> = said.lines().filter(|line| line.contains("HTML page")).collect();
            assert!(lines.len() == 1 && lines[0].contains(&away.url), "{what}: {root}: not one clear line{done}");
        }
        world.set(
            &key,
            world.path(match root {
                "FILE" => "files",
                "HEAP" => "heap",
                _ => "snap",
            }),
        );
        world.unset(&options);
    }
}
