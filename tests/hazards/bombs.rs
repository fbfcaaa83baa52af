//! Input that is small on disk and endless when read: it is stopped in time and in little memory.

use crate::util::measure::{Measured, figure, many, measured, well_behaved};
use crate::util::{Done, World};
use flate2::{Compress, Compression, FlushCompress};
use snapshooter::internals::codec;
use std::time::Duration;

/// The most memory that a tool may take, in KiB, and the longest time.
const MEMORY: u64 = 200 << 10;
const TIME: Duration = Duration::from_secs(5);

/// A gzip member that inflates to `count` times `chunk`; the end of it is never reached, so it has none.
fn endless(chunk: &[u8], count: usize, extra: &[u8]) -> Vec<u8> {
    let mut block = Vec::with_capacity(chunk.len());
    let mut deflate = Compress::new(Compression::best(), false);
    deflate.compress_vec(chunk, &mut block, FlushCompress::Full).expect("deflate");
    let flags = if extra.is_empty() { 0 } else { 4 };
    let mut all = vec![0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 255];
    all.extend_from_slice(extra);
    for _ in 0..count {
        all.extend_from_slice(&block);
    }
    all
}

/// As many whole members.
fn members(chunk: &[u8], count: usize, sized: bool) -> Vec<u8> {
    codec::member(chunk, 9, None, sized).repeat(count)
}

struct Most {
    memory: u64,
    time: Duration,
    runs: u32,
}

impl Most {
    #[track_caller]
    fn take(&mut self, run: Measured, what: &str) -> Done {
        well_behaved(&run.done);
        assert!(run.memory < MEMORY, "{what}: {} KiB{}", run.memory, run.done);
        assert!(run.time < TIME, "{what}: {:?}{}", run.time, run.done);
        self.memory = self.memory.max(run.memory);
        self.time = self.time.max(run.time);
        self.runs += 1;
        run.done
    }
}

#[test]
fn bombs_in_the_heap() {
    const MD5: &str = "0123456789abcdef0123456789abcdef";
    let mut most = Most { memory: 0, time: Duration::ZERO, runs: 0 };
    let world = World::new();
    let zeros = vec![0; 16 << 20];
    let lie = |member: u32, content: u32| {
        let field = [&[12, 0, b'S', b'N', 8, 0][..], &member.to_le_bytes(), &content.to_le_bytes()].concat();
        endless(&zeros, 640, &field)
    };
    let extra = |fields: &[u8]| [&(fields.len() as u16).to_le_bytes(), fields].concat();
    let name = [&[0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 255][..], &vec![b'n'; 64 << 20]].concat();
    let comment = [&[0x1f, 0x8b, 8, 16, 0, 0, 0, 0, 0, 255][..], &vec![b'n'; 64 << 20]].concat();
    let bombs = [
        ("10 GiB in a member", endless(&zeros, 640, b"")),
        ("10 GiB in 640 members", members(&zeros, 640, false)),
        ("10 GiB in 640 members of ours", members(&zeros, 640, true)),
        ("wrong lengths", lie(1 << 20, 100)),
        ("lengths of 4 GiB", lie(u32::MAX, u32::MAX)),
        ("lengths of nothing", lie(0, 0)),
        ("lengths at the limit", lie(16 << 20, 16 << 20)),
        ("as many subfields as there is room for", endless(&zeros, 640, &extra(&b"SN\0\0".repeat(16_383)))),
        ("subfields that do not add up", endless(&zeros, 640, &extra(b"SN\x08\0\xff\xff\xff\xff\xff\xff\xff\xffSH\xff\xff"))),
        ("a sha256 of two bytes", endless(&zeros, 640, &extra(b"SH\x02\0ab"))),
        ("an extra field without end", [&[0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 0xff, 0xff][..], b"SH\x20\0"].concat()),
        ("a name without end", name),
        ("a comment without end", comment),
    ];
    for (what, bomb) in &bombs {
        world.put(&format!("heap/01/{MD5}.gz"), bomb);
        for size in [0, 1000, 2 << 20, 3 << 20] {
            let line = format!("{{\"name\":\"f\",\"md5\":\"{MD5}\",\"size\":{size}}}\n");
            for tool in ["snap-restore", "snap-cat"] {
                let run = measured(&world, &[tool], line.as_bytes());
                let done = most.take(run, &format!("{what}, size {size}, {tool}")).status(1).complains(": f: ");
                assert!(done.bytes().len() as u64 <= size, "more than the size came out of {what}");
            }
            assert!(world.files_below("files").is_empty(), "{what} left something");
        }
    }
    let ratio = (10u64 << 30) / bombs[0].1.len() as u64;
    figure(
        23,
        &format!(
            "objects of 10 GiB (1:{ratio}) and worse: {} runs stopped at the size, at most {} MB and {:.1} s",
            most.runs,
            most.memory >> 10,
            most.time.as_secs_f64()
        ),
    );
}

#[test]
fn several_members_are_read_and_garbage_behind_them_is_not() {
    let content = b"one content in several members\n".repeat(50);
    let md5 = snapshooter::internals::digest::md5_of(&content);
    let world = World::new();
    let path = format!("heap/{}/{md5}.gz", &md5.to_string()[..2]);
    let line = format!("{{\"name\":\"f\",\"md5\":\"{md5}\",\"size\":{}}}\n", content.len());
    let (head, tail) = content.split_at(700);
    let two = [codec::member(head, 6, None, false), codec::member(tail, 6, None, false)].concat();
    let whole = codec::member(&content, 6, None, false);
    let good = [
        two.clone(),
        whole.clone(),
        [codec::member(head, 6, None, true), codec::member(tail, 6, None, false)].concat(),
        [&whole[..], &codec::member(b"", 6, None, false)].concat(),
    ];
    for gzip in &good {
        world.put(&path, gzip);
        assert_eq!(world.run(&["snap-cat"], line.as_bytes()).ok().bytes(), content);
    }
    let mut bad: Vec<Vec<u8>> = [&b"x"[..], b"garbage behind it", &[0x1f], &[0x1f, 0x8b, 8, 0, 0, 0], &two[..two.len() / 3]]
        .iter()
        .flat_map(|garbage| [[&whole[..], garbage].concat(), [&two[..], garbage].concat()])
        .collect();
    bad.extend((0..two.len()).step_by(many(13, 1)).map(|at| two[..at].to_vec()));
    bad.push([&whole[..], &codec::member(b"more", 6, None, false)].concat());
    bad.push(codec::member(b"something else", 6, None, false));
    bad.push(b"not gzip at all, but of some length".to_vec());
    for gzip in &bad {
        world.put(&path, gzip);
        let done = world.run(&["snap-cat"], line.as_bytes()).status(1).complains("f: heap object");
        assert!(done.bytes().is_empty() || content.starts_with(done.bytes()), "{done}");
        world.run(&["snap-restore"], line.as_bytes()).status(1);
        assert!(world.files_below("files").is_empty());
    }
    figure(23, &format!("{} ways of several members read, {} cuts and garbage behind members refused", good.len(), bad.len()));
}

#[test]
fn bombs_as_streams_and_snapshots() {
    let mut most = Most { memory: 0, time: Duration::ZERO, runs: 0 };
    let world = World::new();
    std::fs::create_dir_all(world.path("heap")).unwrap();
    std::fs::create_dir_all(world.path("files")).unwrap();
    let snapshot = "snap/2026/11/2026-11-23_05-09-09_997153Z.jsonl.gz";
    let letters = vec![b'a'; 16 << 20];
    let open = b"{\"name\":\"x\",\"x\":\"".to_vec();
    let label = b"{\"v\":1,\"root\":\"/r\"}\0";
    let labelled = |body: Vec<u8>| {
        let mut all = vec![0x1f, 0x8b, 8, 16, 0, 0, 0, 0, 0, 255];
        all.extend_from_slice(label);
        all.extend_from_slice(&body[10..]);
        all
    };
    let deep = |n: usize| [b"{\"name\":\"x\",\"x\":".to_vec(), b"[".repeat(n), b"]".repeat(n), b"}\n".to_vec()].concat();
    let deep_open = [b"{\"name\":\"x\",\"x\":".to_vec(), b"[{\"a\":".repeat(200_000)].concat();
    let snapshots = [
        ("one line of 10 GiB", endless(&letters, 640, b"")),
        ("one line of 10 GiB, labelled", labelled(endless(&letters, 640, b""))),
        ("one line in members", [codec::member(&open, 6, None, true), members(&letters, 640, true)].concat()),
        ("a deep record", codec::member(&deep(1_000_000), 6, None, false)),
        ("no UTF-8", codec::member(b"{\"name\":\"\xff\"}\n", 6, None, false)),
        ("garbage behind", [codec::member(b"{\"name\":\"a\"}\n", 6, None, false), b"garbage".to_vec()].concat()),
        ("a member cut off", [codec::member(b"{\"name\":\"a\"}\n", 6, None, false), vec![0x1f, 0x8b, 8, 0]].concat()),
        ("a label in a subfield that is deep", {
            let json = [b"{\"v\":1,\"x\":".to_vec(), vec![b'['; 60_000]].concat();
            codec::member(b"{\"name\":\"a\"}\n", 6, [(codec::LABEL, &json[..])], true)
        }),
        ("totals and an index of anything", {
            let label = (codec::LABEL, &b"{\"v\":1}"[..]);
            let noise = vec![0xff; 60_000];
            let fields = [(codec::TOTALS, &b"{"[..]), (codec::INDEX, &noise[..]), (codec::LAST, &[0xff; 4][..])];
            [codec::member(b"{\"name\":\"a\"}\n", 6, [label], true), codec::member(b"", 6, fields, true)].concat()
        }),
        ("a million empty members", {
            let label = (codec::LABEL, &b"{\"v\":1}"[..]);
            [codec::member(b"", 6, [label], true), codec::member(b"", 6, None, true).repeat(1 << 20)].concat()
        }),
        ("a label that is deep", {
            let mut all = vec![0x1f, 0x8b, 8, 16, 0, 0, 0, 0, 0, 255];
            all.extend_from_slice(&b"{\"v\":1,\"x\":".iter().copied().chain(vec![b'['; 900_000]).collect::<Vec<u8>>());
            all.push(0);
            all.extend_from_slice(&codec::member(b"", 6, None, false)[10..]);
            all
        }),
    ];
    for (what, bytes) in &snapshots {
        world.put(snapshot, bytes);
        for command in [&["snap-read"][..], &["snap-diff", "latest", "latest"], &["snap-list", "--json"]] {
            let done = most.take(measured(&world, command, b""), &format!("{what}: {command:?}"));
            let harmless = command[0] == "snap-list" || *what == "a label that is deep";
            assert!(harmless || done.code() == Some(2), "{what}{done}");
        }
    }
    std::fs::remove_file(world.path(snapshot)).unwrap();
    let lines = [
        ("1e6 deep", deep(1_000_000)),
        ("1e6 deep, open", deep_open),
        ("1e6 deep in a row", {
            let mut row = b"{\"name\":\"x\",\"status\":\"different\",\"left\":null,\"right\":".to_vec();
            row.extend(deep(1_000_000).strip_suffix(b"\n").unwrap());
            row.extend(b"}\n");
            row
        }),
        (
            "deep types of an end record",
            [b"{\"name\":\"\",\"type\":\"end\",\"types\":".to_vec(), b"[".repeat(500_000), b"]".repeat(500_000), b"}\n".to_vec()]
                .concat(),
        ),
        ("no UTF-8", b"{\"name\":\"a\"}\n{\"name\":\"\xc3\x28\"}\n".to_vec()),
        ("a million keys", {
            let mut all = b"{\"name\":\"x\"".to_vec();
            (0..900_000).for_each(|n| all.extend(format!(",\"k{n}\":1").into_bytes()));
            all.extend(b"}\n");
            all
        }),
    ];
    let tools = [
        &["snap-heapify", "--no-base"][..],
        &["snap-write", "--unterminated"],
        &["snap-restore"],
        &["snap-cat"],
        &["snap-diff", "-", "empty.jsonl.gz"],
    ];
    world.put("empty.jsonl.gz", codec::member(b"", 6, None, false));
    for (what, bytes) in &lines {
        for tool in tools {
            let done = most.take(measured(&world, tool, bytes), &format!("{what}: {tool:?}"));
            assert!(done.code() != Some(0), "{what} was taken{done}");
        }
    }
    // 1 GB on one line, and records as long as a line may be, by a pipe.
    for tool in ["snap-heapify --no-base", "snap-write", "snap-restore", "snap-cat", "snap-diff - empty.jsonl.gz"] {
        for (what, from) in [
            ("a line of 1 GB", "head -c 1000000000 /dev/zero | tr '\\0' a"),
            ("a record of 1 GB", "{ printf '{\"name\":\"x\",\"x\":\"'; head -c 1000000000 /dev/zero | tr '\\0' a; }"),
        ] {
            let start = std::time::Instant::now();
            let script = format!("{from} 2>&- | /usr/bin/time -q -f %M -o measure {tool}; exit ${{PIPESTATUS[@]: -1}}");
            let done = world.sh(&script).status(2).complains("longer than");
            let time = start.elapsed();
            let memory = std::fs::read_to_string(world.path("measure")).unwrap().trim().parse().unwrap();
            most.take(Measured { done, memory, time }, what);
        }
    }
    figure(
        23,
        &format!(
            "snapshots and streams, lines of 1 GB and 10 GiB, 1e6 deep, no UTF-8: {} runs stopped, at most {} MB and {:.1} s",
            most.runs,
            most.memory >> 10,
            most.time.as_secs_f64()
        ),
    );
}

#[test]
fn many_long_records_take_little_memory() {
    let world = World::new();
    std::fs::create_dir_all(world.path("heap")).unwrap();
    std::fs::create_dir_all(world.path("files")).unwrap();
    let md5 = crate::hazards::hostile::store(&world, b"x");
    let count = many(300, 2000);
    let mut most = 0;
    for tool in ["snap-restore", "snap-restore -o -", "snap-heapify --no-base", "snap-cat", "snap-write --unterminated"] {
        let script = format!(
            "for i in $(seq -w {count}); do printf '{{\"name\":\"f%s\",\"md5\":\"{md5}\",\"size\":1,\"x\":\"' $i; cat long; printf '\"}}\\n'; done \
             | /usr/bin/time -q -f %M -o measure {tool} > /dev/null"
        );
        world.put("long", vec![b'a'; snapshooter::internals::stream::LINE_LIMIT - 200]);
        world.sh(&script).ok();
        let memory: u64 = std::fs::read_to_string(world.path("measure")).unwrap().trim().parse().unwrap();
        println!("{tool}: {} MB", memory >> 10);
        most = most.max(memory);
    }
    assert!(most < MEMORY, "{most} KiB");
    figure(23, &format!("{count} records as long as a line may be: at most {} MB", most >> 10));
}
