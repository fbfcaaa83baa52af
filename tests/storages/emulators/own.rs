//! The emulators themselves: that they start, tell the truth behind our back, and leave nothing.

use super::{Emulator, Planted, all, sshd};
use crate::util::wait_for;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn what_is_planted_is_there_behind_our_back() {
    for emulator in all() {
        let root = emulator.fresh();
        assert!(emulator.there(&root).is_empty(), "{}", emulator.name());
        let bytes: Vec<u8> = (0..=255).collect();
        let below = root.below("folder");
        emulator.plant(&root, &[Planted::new("folder/a b", &bytes), Planted::new("other", "text")]);
        let there = emulator.there(&root);
        let names: Vec<_> = there.keys().map(|k| String::from_utf8_lossy(k).into_owned()).collect();
        assert_eq!(names, ["folder/a b", "other"], "{}", emulator.name());
        assert_eq!(emulator.there(&below), [(b"a b".to_vec(), bytes)].into(), "{}", emulator.name());
    }
}

/// What the next test runs in a process of its own.
#[test]
#[ignore = "a part of another test"]
fn start_sshd_and_wait() {
    let sshd = sshd().expect("an emulator");
    println!("started {} {}", sshd.port(), sshd.fresh().url);
    std::thread::park();
}

#[test]
fn nothing_stays_behind_when_the_tests_are_killed() {
    if super::local_only("sshd") {
        return;
    }
    let tests = std::env::current_exe().expect("this program");
    let mut command = Command::new(tests);
    command.args(["--exact", "storages::emulators::own::start_sshd_and_wait", "--ignored", "--nocapture"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("start it again");
    let output = BufReader::new(child.stdout.take().expect("its output"));
    let line = output.lines().map_while(Result::ok).find_map(|l| l.split_once("started ").map(|(_, rest)| rest.to_string()));
    let line = line.expect("a line that it started");
    let (port, url) = line.split_once(' ').expect("a port and a URL");
    let port: u16 = port.parse().expect("a port");
    let folder = &url[url.find("/tmp").or_else(|| url.rfind("//").map(|at| at + 1)).expect("a path")..];
    let folder = Path::new(folder).ancestors().find(|p| p.join("config").is_file()).expect("the emulator's folder");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    child.kill().expect("kill it");
    child.wait().expect("wait for it");
    wait_for("the port to be free", || TcpStream::connect(("127.0.0.1", port)).is_err());
    wait_for("the folder to be gone", || !folder.exists());
}
