//! Other programs read what we write: snapshots of many members with long labels and an index of some levels, and heap objects.

use crate::util::World;
use snapshooter::internals::name::Name;
use snapshooter::internals::record::Record;
use snapshooter::internals::snapshot::{Index, Label, Publisher};
use snapshooter::internals::storage::Location;
use snapshooter::internals::time::Time;
use std::fs;
use std::path::{Path, PathBuf};

/// A gzip file of ours, and a file with its content, which is lines of JSON.
struct Sample {
    what: &'static str,
    gzip: PathBuf,
    plain: PathBuf,
    lines: usize,
}

fn lines(count: usize) -> String {
    (0..count).map(|n| format!("{{\"name\":\"folder/of/some/length/{n:06}\",\"size\":{n},\"type\":\"directory\"}}\n")).collect()
}

/// A snapshot with that label, members of so many bytes, and so many records.
fn snapshot(world: &World, what: &'static str, label: &Label, member: usize, count: usize) -> Sample {
    let root = Location::Folder(world.path(what));
    let time = Time { sec: 1_700_000_000, nsec: 0 };
    let mut publisher = Publisher::default().with_members_of(member);
    let text = lines(count);
    for line in text.lines() {
        publisher.push(&Record::parse(line.as_bytes()).expect("a record")).expect("room");
    }
    let place = publisher.finish(&root, time, label, 0).expect("a snapshot");
    assert!(Index::of(&place).expect("an index").is_some());
    let plain = world.put(&format!("{what}.jsonl"), &text);
    Sample { what, gzip: place.as_given().into(), plain, lines: count }
}

/// A heap object with so many lines.
fn object(world: &World, what: &'static str, count: usize) -> Sample {
    let text = lines(count);
    let plain = world.put(&format!("files/{what}"), &text);
    let stored =
        world.sh(&format!("printf '{what}\\n' | snap-scan --files-from - | snap-heapify --no-base | jq -r '.md5 // empty'"));
    let md5 = stored.ok().out().trim().to_string();
    Sample { what, gzip: world.path(format!("heap/{}/{md5}.gz", &md5[..2])), plain, lines: count }
}

fn samples(world: &World) -> Vec<Sample> {
    let label = |tag: usize| {
        let kept_out = vec![Name::new(&b"mnt\xff"[..])];
        Label { v: 1, host: Some("alder".into()), tags: vec!["t".repeat(tag)], kept_out, ..Label::default() }
    };
    let samples = vec![
        snapshot(world, "one-member", &label(10), 1 << 20, 100),
        snapshot(world, "long-label", &label(700), 4000, 1000),
        snapshot(world, "label-of-16-kb", &label(16_000), 4000, 1000),
        snapshot(world, "longest-label", &label(59_900), 4000, 1000),
        snapshot(world, "index-by-levels", &label(10), 1, 3000),
        snapshot(world, "empty", &label(10), 1, 0),
        object(world, "object", 100),
        object(world, "object-of-members", 60_000),
    ];
    let members = |sample: &Sample| memchr_count(&fs::read(&sample.gzip).expect(sample.what), b"SN\x08\0");
    let counts: Vec<usize> = samples.iter().map(members).collect();
    assert!(counts[0] == 2 && counts[3] > 10 && counts[4] > 3002 && counts[6] == 0 && counts[7] > 4, "{counts:?}");
    samples
}

fn memchr_count(all: &[u8], part: &[u8]) -> usize {
    all.windows(part.len()).filter(|w| *w == part).count()
}

/// Asserts that a command, which has the path as its last argument, prints the content of every sample.
#[track_caller]
fn all_read_by(command: &str) {
    read_by(command, |_| true);
}

#[track_caller]
fn read_by(command: &str, takes: impl Fn(&Sample) -> bool) {
    let world = World::new();
    for sample in samples(&world).into_iter().filter(takes) {
        let (gzip, plain) = (sample.gzip.display(), sample.plain.display());
        let done = world.sh(&format!("{command} '{gzip}' > read && cmp read '{plain}'"));
        assert!(done.code() == Some(0), "{}{done}", sample.what);
    }
}

/// Asserts that a script of Python counts the lines of every sample, with the packages of `tests/readers.txt`.
#[track_caller]
fn all_counted_by(script: &str) {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".readers/bin/python");
    assert!(python.exists(), "{} is missing: run `tests/setup.sh`", python.display());
    let world = World::new();
    world.put("script.py", script);
    // These take no file without a line.
    for sample in samples(&world).iter().filter(|sample| sample.lines > 0) {
        // They tell what a file is by its name.
        world.sh(&format!("cp '{}' file.jsonl.gz", sample.gzip.display())).ok();
        let done = world.sh(&format!("{} script.py file.jsonl.gz", python.display()));
        assert!(done.code() == Some(0) && done.out() == format!("{}\n", sample.lines), "{}{done}", sample.what);
    }
}

#[test]
fn gzip_reads_what_we_write() {
    all_read_by("gzip -dc");
    all_read_by("f() { gzip -t \"$1\" && zcat \"$1\"; }; f");
}

#[test]
fn busybox_reads_what_we_write() {
    // It takes no longer extra field than 16 KiB, and its status is 0 though it says that the data is corrupted.
    let takes = |sample: &Sample| sample.what != "longest-label";
    read_by("busybox zcat", takes);
    read_by("f() { busybox gunzip -c < \"$1\"; }; f", takes);
}

#[test]
fn pigz_reads_what_we_write() {
    all_read_by("pigz -dc");
}

#[test]
fn python_reads_what_we_write() {
    all_read_by("python3 -c 'import gzip, shutil, sys; shutil.copyfileobj(gzip.open(sys.argv[1]), sys.stdout.buffer)'");
}

#[test]
fn perl_reads_what_we_write() {
    all_read_by("perl -MIO::Uncompress::Gunzip=gunzip -e 'gunzip $ARGV[0] => \"-\", MultiStream => 1 or die'");
}

#[test]
fn node_reads_what_we_write() {
    if World::new().sh("command -v node").code() != Some(0) && std::env::var_os("SNAPSHOOTER_LOCAL_ONLY").is_some() {
        eprintln!("not run: node is not installed");
        return;
    }
    all_read_by(
        "node -e 'require(\"fs\").createReadStream(process.argv[1]).pipe(require(\"zlib\").createGunzip()).pipe(process.stdout)'",
    );
}

#[test]
fn java_reads_what_we_write() {
    const PROGRAM: &str = "import java.io.*; import java.util.zip.*;
public class Read { public static void main(String[] a) throws Exception {
    for (int i = 0; i < a.length; i += 2)
        try (InputStream in = new GZIPInputStream(new FileInputStream(a[i])); OutputStream out = new FileOutputStream(a[i + 1])) {
            in.transferTo(out);
        }
} }";
    let world = World::new();
    if world.sh("java -version").code() != Some(0) {
        eprintln!("not run: java is not installed");
        return;
    }
    world.put("Read.java", PROGRAM);
    let samples = samples(&world);
    let pair = |sample: &Sample| format!("'{}' {}.read", sample.gzip.display(), sample.what);
    let pairs: Vec<String> = samples.iter().map(pair).collect();
    world.sh(&format!("java Read.java {}", pairs.join(" "))).ok();
    for sample in samples {
        world.sh(&format!("cmp {}.read '{}'", sample.what, sample.plain.display())).ok();
    }
}

#[test]
fn duckdb_reads_what_we_write() {
    all_counted_by(
        "import duckdb, sys; print(duckdb.sql(f\"select count(distinct name) from read_json('{sys.argv[1]}')\").fetchall()[0][0])",
    );
}

#[test]
fn polars_reads_what_we_write() {
    all_counted_by("import polars, sys; print(polars.read_ndjson(sys.argv[1])[\"name\"].n_unique())");
}
