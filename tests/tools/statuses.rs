//! Exit statuses of all tools, and what names may not do to a terminal.

use crate::util::World;
use crate::util::measure::{figure, well_behaved};
use crate::util::trees::Tree;
use std::fs;
use std::os::unix::fs::symlink;

/// 0 done, 1 a negative answer or some records failed, 2 trouble; a signal is 128 and its number.
const CASES: [(i32, &str); 69] = [
    (0, "snap-scan"),
    (0, "snap-scan | head -n 1"),
    (0, "snap-scan --type f -o list2"),
    (0, "snap-scan --help"),
    (0, "snap-scan --version"),
    (2, "snap-scan nowhere"),
    (2, "snap-scan files/a.txt"),
    (2, "snap-scan --frobnicate"),
    (2, "snap-scan > /dev/full"),
    (2, "snap-scan -o nowhere/list"),
    (0, "printf 'a.txt\\n' | snap-scan --files-from -"),
    (2, "printf '../a\\n' | snap-scan --files-from -"),
    (1, "printf 'missing\\n' | snap-scan --files-from -"),
    (0, "snap-heapify list"),
    (0, "snap-heapify < /dev/null"),
    (1, "snap-heapify --no-base gone"),
    (2, "snap-heapify nowhere"),
    (2, "echo hello | snap-heapify"),
    (2, "snap-heapify --no-base --heap-root files/a.txt list"),
    (2, "snap-heapify --no-base --heap-root /dev/full list"),
    (0, "snap-write whole"),
    (2, "head -n 3 whole | snap-write"),
    (0, "head -n 3 whole | snap-write --unterminated"),
    (2, "snap-write list"),
    (2, "snap-write errors"),
    (2, "snap-write --partial errors"),
    (0, "snap-write --partial --allow-empty errors"),
    (2, "snap-write < /dev/null"),
    (0, "snap-list"),
    (0, "snap-list | head -n 1"),
    (2, "snap-list --snap-root nowhere"),
    (2, "snap-list --limit x"),
    (0, "snap-read"),
    (0, "snap-read latest~1"),
    (0, "snap-read | head -n 1"),
    (2, "snap-read latest~99"),
    (2, "snap-read damaged.jsonl.gz"),
    (2, "snap-read @then"),
    (0, "snap-diff one.jsonl.gz - < whole"),
    (0, "snap-diff one.jsonl.gz one.jsonl.gz"),
    (1, "snap-diff one.jsonl.gz - < other"),
    (1, "snap-diff one.jsonl.gz two.jsonl.gz --stat"),
    (2, "snap-diff one.jsonl.gz nowhere"),
    (2, "snap-diff one.jsonl.gz damaged.jsonl.gz"),
    (2, "snap-diff one.jsonl.gz list"),
    (0, "snap-restore --file-root back whole"),
    (0, "snap-restore --file-root back --dry-run whole"),
    (0, "snap-restore --file-root back --delete whole"),
    (2, "head -n 3 whole | snap-restore --file-root back --delete"),
    (1, "snap-restore --file-root back lacking"),
    (2, "snap-restore --file-root back --heap-root nowhere whole"),
    (2, "snap-restore --file-root files/a.txt whole"),
    (2, "echo '[]' | snap-restore --file-root back"),
    (0, "snap-cat whole"),
    (0, "snap-cat whole | head -c 1"),
    (1, "snap-cat lacking"),
    (1, "snap-cat lacking -o cat; s=$?; test ! -e cat && exit $s"),
    (2, "snap-cat nowhere"),
    (2, "snap-cat whole > /dev/full"),
    (0, "snap-to-tar whole | snap-from-tar"),
    (0, "snap-to-tar whole | snap-from-tar -n | head -n 1"),
    (0, "snap-to-tar whole | head -c 1"),
    (1, "snap-to-tar lacking"),
    (1, "snap-to-tar lacking -o tar; s=$?; test ! -e tar && exit $s"),
    (2, "snap-to-tar nowhere"),
    (2, "snap-to-tar whole > /dev/full"),
    (1, "tar -cP $PWD/list 2> /dev/null | snap-from-tar"),
    (2, "snap-from-tar whole"),
    (2, "snap-from-tar < /dev/null"),
];

#[test]
fn every_tool_ends_with_the_status_that_is_documented() {
    let world = World::with(Tree::Files);
    world.sh("snap-scan > list; snap-scan --type d > list2; snap-heapify --no-base list > whole; cp $(snap-write whole) one.jsonl.gz; snap-write whole").ok();
    world.sh("sed 's/a.txt/missing.txt/' list > gone; jq -c 'select(.name != \"B\")' whole > other; cp $(snap-write --unterminated other) two.jsonl.gz").ok();
    let lacking = "{\"md5\":\"0123456789abcdef0123456789abcdef\",\"name\":\"lacking\",\"size\":3,\"type\":\"file\"}\n";
    world.put("lacking", lacking);
    let end = "{\"errors\":1,\"name\":\"\",\"records\":0,\"type\":\"end\"}\n";
    world.put("errors", format!("{{\"error\":\"no\",\"name\":\"e\",\"type\":\"error\"}}\n{end}"));
    world.put("damaged.jsonl.gz", "no gzip");
    for (status, script) in CASES {
        // What is behind a `|` ends with the tool's own status or that of head; pipefail passes the tool's on.
        well_behaved(&world.sh(script).status(status));
    }
    let mut all = CASES.len();
    for (signal, status) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        for tool in ["snap-heapify", "snap-write", "snap-restore", "snap-cat", "snap-diff - one.jsonl.gz"] {
            // It waits for input that never comes, and what it has begun has to go. The handlers are there when the mask of
            // caught signals has 1, 2 and 15.
            let script = format!(
                "mkfifo -m 600 fifo; exec 3<> fifo; head -n 3 whole >&3; {tool} <&3 > /dev/null & \
                 until grep -qs '^SigCgt:.*[4-7c-f]..[37bf]$' /proc/$!/status; do :; done; kill -{signal} $!; wait $!"
            );
            let _ = fs::remove_file(world.path("fifo"));
            let done = world.sh(&script);
            well_ended(&done, status);
            all += 1;
        }
    }
    let left = [world.files_below("tmp"), world.files_below("heap/temp")].concat();
    assert!(left.is_empty(), "temporary files were left: {left:?}");
    figure(30, &format!("{all} of {all} cases end with the documented status"));
}

#[track_caller]
fn well_ended(done: &crate::util::Done, status: i32) {
    assert!(done.code() == Some(status), "expected status {status}{done}");
    assert!(done.err().is_empty(), "{done}");
}

/// Names that would move the cursor, ring, colour, turn or end a line.
const NAMES: [&[u8]; 14] = [
    b"\x1b[2J\x1b[31mred",
    b"new\nline",
    b"new\nsnap-restore: all is well",
    b"cr\roverwritten",
    b"bell\x07",
    b"back\x08\x08space",
    b"\x9b31mC1 alone",
    "\u{9b}31mC1".as_bytes(),
    "\u{202e}turned".as_bytes(),
    "\u{2028}separated".as_bytes(),
    "\u{85}next line".as_bytes(),
    b"\x1b]0;title\x07",
    b"del\x7f",
    b"\xff\xfe\x1b[0m",
];

#[test]
fn names_do_nothing_to_a_terminal() {
    use std::os::unix::ffi::OsStrExt;
    let world = World::new();
    for name in NAMES {
        let path = world.path("files").join(std::ffi::OsStr::from_bytes(name));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "content\n").unwrap();
    }
    let dir = world.path("files").join("folder\x1b[31m\nwith/");
    fs::create_dir_all(&dir).unwrap();
    symlink("to\x1b[31m\nthere", dir.join("link\x07")).unwrap();
    let count = NAMES.len() + 2;
    let mut checks = 0;
    let mut check = |script: &str, one_line_each: bool| {
        let done = world.sh(script);
        well_behaved(&done);
        let out = done.out();
        assert!(!out.chars().any(|c| c != '\n' && c.is_control() && !('\u{80}'..='\u{9f}').contains(&c)), "raw on stdout{done}");
        if one_line_each {
            assert_eq!(done.out().lines().count(), count + 1, "a record is a line{done}");
        }
        checks += 1;
    };
    check("snap-scan", true);
    check("snap-scan > list; snap-heapify --no-base list | tee whole", true);
    check("snap-write whole > url", false);
    check("snap-read", true);
    for format in ["jsonl", "table", "names", "stat"] {
        check(&format!("snap-diff --status equal,different -f {format} latest latest"), false);
        check(&format!("head -n 0 list | snap-diff -f {format} latest - || test $? = 1"), false);
    }
    // All of them fail, in every tool.
    check("rm -rf files; mkdir files; snap-heapify --no-base list", true);
    check("snap-heapify --no-base list > failed; snap-write failed", false);
    check("mv heap heap2; mkdir heap; snap-restore whole", false);
    check("snap-cat whole", false);
    check("snap-restore --dry-run --delete whole", false);
    check("rm -rf heap; mv heap2 heap; snap-restore whole; snap-restore -o - whole", true);
    // Paths and arguments that people or scripts pass on.
    let odd = "$'odd\\e[31m\\nname\\x9b'";
    for script in [
        "snap-scan ODD",
        "snap-scan a ODD",
        "snap-scan --ODD",
        "snap-scan -o ODD/x",
        "snap-scan -o ODD",
        "snap-scan --exclude-from ODD",
        "snap-scan --files-from ODD",
        "snap-scan --file-root ftp://ODD",
        "snap-heapify ODD",
        "snap-heapify --heap-root whole/ODD whole",
        "snap-heapify --base ODD whole",
        "snap-heapify --level ODD",
        "snap-write --snap-root whole/ODD whole",
        "snap-list --snap-root ODD",
        "snap-read ODD",
        "snap-read @ODD",
        "snap-read latest~ODD",
        "snap-read --snap-root ODD",
        "snap-diff ODD ODD",
        "snap-diff -f ODD",
        "snap-restore ODD",
        "snap-restore --file-root whole/ODD whole",
        "snap-restore --heap-root ODD whole",
        "snap-cat ODD",
        "snap-cat whole -o ODD/x",
        "snap-to-tar ODD",
        "snap-from-tar ODD",
        "snap-heapify --heap-cache-file whole/ODD list",
    ] {
        well_behaved(&world.sh(&script.replace("ODD", odd)));
        checks += 1;
    }
    let record = "{\"name\":\"a\\u001b[31m\",\"type\":\"error\",\"error\":\"\\u001b[31m\\nred\"}\n{\"name\":\"b\",\"type\":\"\\u001b[31m\"}\n";
    let record = [record, "{\"name\":\"c\",\"md5\":\"\\u001b[31m\"}\n"].concat();
    for tool in ["snap-heapify", "snap-write --unterminated --partial", "snap-restore", "snap-cat", "snap-diff latest -"] {
        let words: Vec<&str> = tool.split(' ').collect();
        for part in [record.as_str(), record.lines().next().unwrap(), record.lines().nth(1).unwrap()] {
            well_behaved(&world.run(&words, part.as_bytes()));
            checks += 1;
        }
    }
    figure(28, &format!("{count} names in {checks} runs of all tools: 0 raw control bytes on stderr, a record is a line"));
}
