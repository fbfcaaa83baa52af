//! Files that change while they are read: what is recorded is one state of the file, or the file is reported.

use crate::util::World;
use crate::util::measure::{figure, many, well_behaved};
use snapshooter::internals::digest;
use snapshooter::internals::record::{Kind, Record};
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const SIZE: usize = 6 << 20;

/// What a file of one letter looks like. Every state that a writer leaves behind is of one letter alone.
fn full(letter: u8, size: usize) -> Vec<u8> {
    vec![letter; size]
}

/// Ways to change a file, again and again until told to stop.
fn change(how: usize, path: &Path, stop: &AtomicBool) {
    let temp = path.with_extension("new");
    let mut n = 0u8;
    while !stop.load(Ordering::Relaxed) {
        n = n.wrapping_add(1);
        let letter = b'a' + n % 26;
        match how {
            // It grows without end.
            0 => File::options().append(true).open(path).unwrap().write_all(&full(b'z', 1 << 16)).unwrap(),
            // It shrinks and grows.
            1 => File::options().write(true).open(path).unwrap().set_len((SIZE - usize::from(n) * 8192) as u64).unwrap(),
            // It is written over in place, with the same size.
            2 => {
                let mut file = File::options().write(true).open(path).unwrap();
                file.seek(SeekFrom::Start(u64::from(n) * 4096)).unwrap();
                file.write_all(&full(letter, 4096)).unwrap();
            }
            // The same, and its time is put back to what it was.
            3 => {
                let file = File::options().write(true).open(path).unwrap();
                let time = file.metadata().unwrap().modified().unwrap();
                (&file).write_all(&full(letter, 4096)).unwrap();
                file.set_modified(time).unwrap();
            }
            // Another file takes its name.
            4 => {
                fs::write(&temp, full(letter, SIZE)).unwrap();
                fs::rename(&temp, path).unwrap();
            }
            // A link to a secret, and the file again.
            5 => {
                symlink("../secret", &temp).unwrap();
                fs::rename(&temp, path).unwrap();
                fs::write(&temp, full(letter, SIZE)).unwrap();
                fs::rename(&temp, path).unwrap();
            }
            // A fifo, which must not be waited for, and the file again.
            6 => {
                rustix::fs::mknodat(rustix::fs::CWD, &temp, rustix::fs::FileType::Fifo, 0o644.into(), 0).unwrap();
                fs::rename(&temp, path).unwrap();
                fs::write(&temp, full(letter, SIZE)).unwrap();
                fs::rename(&temp, path).unwrap();
            }
            // It goes, and comes back.
            7 => {
                fs::remove_file(path).unwrap();
                fs::write(path, full(letter, SIZE)).unwrap();
            }
            // It is emptied and filled.
            _ => {
                File::options().write(true).truncate(true).open(path).unwrap().write_all(&full(letter, SIZE)).unwrap();
            }
        }
        if how == 0 {
            // The disk is not to be filled.
            let file = File::options().write(true).open(path).unwrap();
            if file.metadata().unwrap().len() > 64 << 20 {
                file.set_len(SIZE as u64).unwrap();
            }
        }
    }
}

const HOW: [&str; 9] =
    ["grows", "shrinks", "in place", "in place, time put back", "replaced", "by a link", "by a fifo", "removed", "emptied"];

#[test]
fn a_changing_file_is_recorded_as_one_state_or_reported() {
    let rounds = many(27, 108);
    let (mut reported, mut kept) = ([0; 9], [0; 9]);
    let world = World::new();
    world.put("secret", full(b'S', SIZE));
    let secret = digest::md5_of(&full(b'S', SIZE)).to_string();
    for round in 0..rounds {
        let how = round % HOW.len();
        let path = world.put("files/f", full(b'a', SIZE));
        // A file that is a link or a fifo most of the time is none to a scan beside it: every other time the list is there first.
        let list = world.sh("snap-scan --type f").ok();
        world.put("list.jsonl", list.bytes());
        let scan = if (round / HOW.len()).is_multiple_of(2) { "snap-scan --type f --exclude '*.new'" } else { "cat list.jsonl" };
        let stop = Arc::new(AtomicBool::new(false));
        let (seen, at) = (stop.clone(), path.clone());
        let writer = std::thread::spawn(move || change(how, &at, &seen));
        let done = world.sh(&format!("{scan} | timeout 60 snap-heapify --no-base"));
        stop.store(true, Ordering::Relaxed);
        writer.join().unwrap();
        assert!(done.code() != Some(124), "{}: it hung{done}", HOW[how]);
        well_behaved(&done);
        for line in done.lines() {
            let record = Record::parse(line.as_bytes()).expect("a record");
            match record.kind() {
                Kind::Error => reported[how] += 1,
                Kind::File => {
                    kept[how] += 1;
                    consistent(&world, &record, HOW[how]);
                    assert!(!line.contains(&secret), "a link was followed{done}");
                }
                _ => {}
            }
        }
        assert!(!world.path(format!("heap/{}/{secret}.gz", &secret[..2])).exists(), "a link was followed{done}");
        fs::remove_dir_all(world.path("files")).unwrap();
        let _ = fs::remove_dir_all(world.path("heap"));
        // A machine remembers where an encrypted heap was.
        let _ = fs::remove_dir_all(world.path("home/.local/state/snapshooter/roots"));
    }
    let told = reported.iter().zip(kept).all(|(r, k)| r + k > 0);
    assert!(told, "a way of changing that no run met: {HOW:?}, reported {reported:?}, recorded {kept:?}");
    let each: Vec<String> = HOW.iter().zip(reported.iter().zip(kept)).map(|(h, (r, k))| format!("{h} {r}/{k}")).collect();
    figure(26, &format!("{rounds} runs (reported/recorded): {}; 0 inconsistent, 0 links followed, 0 hung", each.join(", ")));
}

/// What is stored has the record's md5, sha256 and size; and the record is not to be trusted as a base.
#[track_caller]
fn consistent(world: &World, record: &Record, how: &str) {
    let fields = record.fields();
    let line = [record.text(), b"\n"].concat();
    let content = world.run(&["snap-cat"], &line).ok();
    let content = content.bytes();
    assert_eq!(Some(content.len() as u64), fields.size, "{how}");
    let (md5, sha256) = digest::Digests::of(content);
    assert!(Some(md5) == fields.md5 && Some(sha256) == fields.sha256, "{how}: digests of another content");
    // Where whole states follow each other, what was read is one of them and no mixture of two.
    if ["replaced", "by a link", "by a fifo"].contains(&how) {
        assert!(content.iter().all(|b| *b == content[0]), "{how}: a mixture of two states");
    }
    assert!(fields.racy, "{how}: a file that was just changed would be taken over unread next time");
}

#[test]
fn a_change_that_leaves_size_and_time_as_they_were_is_seen_by_the_next_backup() {
    let rounds = many(5, 50);
    for round in 0..rounds {
        let world = World::new();
        let path = world.put("files/f", "before\n");
        world.sh("snap-scan | snap-heapify | snap-write").ok();
        let file = File::options().write(true).open(&path).unwrap();
        let time = file.metadata().unwrap().modified().unwrap();
        (&file).write_all(b"behind\n").unwrap();
        file.set_modified(time).unwrap();
        let done = world.sh("snap-scan | snap-heapify | snap-write && snap-read latest | snap-cat").ok();
        assert!(done.out().contains("behind\n"), "round {round}{done}");
    }
    figure(26, &format!("same size and time put back right after a backup: {rounds} of {rounds} seen by the next one"));
}
