//! Other programs read what we write: snapshots of many members with long labels and an index of some levels, and heap objects.

use crate::util::{Done, World};
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

/// Runs a script of Python with the packages of `tests/readers.txt`, and with these arguments.
#[track_caller]
fn python(world: &World, script: &str, arguments: &str) -> Done {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".readers/bin/python");
    assert!(python.exists(), "{} is missing: run `tests/setup.sh`", python.display());
    world.put("script.py", script);
    world.sh(&format!("{} script.py {arguments}", python.display()))
}

/// Asserts that a script of Python counts the lines of every sample. It has `count`, which takes the path of a file.
#[track_caller]
fn all_counted_by(script: &str) {
    let world = World::new();
    // These programs accept no file without a line.
    let samples: Vec<Sample> = samples(&world).into_iter().filter(|sample| sample.lines > 0).collect();
    for sample in &samples {
        // They recognize the format by the name.
        world.sh(&format!("cp '{}' {}.jsonl.gz", sample.gzip.display(), sample.what)).ok();
    }
    let names: Vec<String> = samples.iter().map(|sample| format!("{}.jsonl.gz", sample.what)).collect();
    let script = format!("import sys\n{script}\nfor path in sys.argv[1:]:\n    print(path, count(path))");
    let expected: String = samples.iter().map(|sample| format!("{}.jsonl.gz {}\n", sample.what, sample.lines)).collect();
    python(&world, &script, &names.join(" ")).ok().says(&expected);
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
        "import duckdb
def count(path):
    return duckdb.sql(f\"select count(distinct name) from read_json('{path}')\").fetchall()[0][0]",
    );
}

#[test]
fn the_command_of_duckdb_reads_what_we_write() {
    all_counted_by(
        "import subprocess
def count(path):
    query = f\"select count(distinct name) from read_json('{path}')\"
    return subprocess.check_output([sys.prefix + '/bin/duckdb', '-csv', '-noheader', '-c', query], text=True).strip()",
    );
}

#[test]
fn polars_reads_what_we_write() {
    all_counted_by(
        "import polars
def count(path):
    return polars.read_ndjson(path)['name'].n_unique()",
    );
}

#[test]
fn pandas_reads_what_we_write() {
    all_counted_by(
        "import pandas
def count(path):
    return pandas.read_json(path, lines=True)['name'].nunique()",
    );
}

#[test]
fn pyarrow_reads_what_we_write() {
    all_counted_by(
        "import pyarrow.json
def count(path):
    return len(pyarrow.json.read_json(path)['name'].unique())",
    );
}

#[test]
fn spark_reads_what_we_write() {
    all_counted_by(
        "from pyspark.sql import SparkSession
spark = SparkSession.builder.master('local[1]').getOrCreate()
def count(path):
    return spark.read.json(path).select('name').distinct().count()",
    );
}

/// Names and a link target that are not UTF-8, in the heap, and a snapshot of them.
fn odd_names() -> World {
    let world = World::new();
    world.put("files/plain", "plain");
    world.sh("cd files && printf odd > $'caf\\xe9' && ln -s $'t\\xff' link && mkdir $'\\xfe' && printf in > $'\\xfe/in'").ok();
    world.sh("snap-scan | snap-heapify | snap-write").ok();
    world
}

#[test]
fn names_that_are_not_utf_8_pass_through_jq_and_every_data_frame_and_are_restored() {
    let world = odd_names();
    world.sh("snap-read --no-end | jq -c . > records.jsonl").ok();
    let snapshot = world.sh("snap-list").ok().out();
    for (what, script) in [
        ("duckdb", "import duckdb\nduckdb.sql(\"copy (from 'records.jsonl') to 'out.jsonl'\")"),
        ("polars", "import polars\npolars.read_ndjson('records.jsonl', infer_schema_length=None).write_ndjson('out.jsonl')"),
        (
            "pandas",
            "import pandas\npandas.read_json('records.jsonl', lines=True, dtype=False)\\
                .to_json('out.jsonl', orient='records', lines=True, double_precision=15)",
        ),
        (
            "pyarrow",
            "import json, pyarrow.json\nwith open('out.jsonl', 'w') as out:
    out.writelines(json.dumps(row) + '\\n' for row in pyarrow.json.read_json('records.jsonl').to_pylist())",
        ),
        (
            "spark",
            "import sys\nfrom pyspark.sql import SparkSession
spark = SparkSession.builder.master('local[1]').getOrCreate()
# It reads the snapshot itself, too, with question marks.
assert spark.read.json(sys.argv[1]).where(\"name = 'caf?'\").count() == 1
records = spark.read.json('records.jsonl')
with open('out.jsonl', 'w') as out:
    out.writelines(row[0] + '\\n' for row in records.selectExpr('to_json(struct(*))').collect())",
        ),
    ] {
        python(&world, script, &snapshot).ok();
        world.sh(&format!("snap-restore --file-root {what} out.jsonl")).ok().silent();
        world.sh(&format!("snap-diff latest <(snap-scan --file-root {what} | snap-heapify --file-root {what} --no-store)")).ok();
        world.sh(&format!("[ \"$(cat {what}/$'caf\\xe9' {what}/$'\\xfe/in')\" = oddin ]")).ok();
    }
}

#[test]
fn a_snapshot_with_a_name_that_is_not_utf_8_is_an_error_for_data_frames_and_never_a_shorter_table() {
    let world = odd_names();
    let path = world.sh("snap-list").ok().out();
    for (script, said) in [
        ("import duckdb; duckdb.sql(f\"select name from read_json('{path}')\").fetchall()", "surrogate"),
        ("import polars; polars.read_ndjson(path)", "InvalidUnicodeCodepoint"),
        ("import pandas; pandas.read_json(path, lines=True)", "surrogates not allowed"),
        ("import pyarrow.json; pyarrow.json.read_json(path)", "surrogate"),
    ] {
        python(&world, &format!("import sys; path = sys.argv[1]; {script}"), &path).status(1).complains(said);
    }
}

#[test]
fn columns_that_are_stated_are_found_even_if_only_the_last_record_has_them() {
    let world = World::new();
    let mut records = lines(60_000);
    records.push_str(
        "{\"destination\":\"x\",\"md5\":\"9dd4e461268c8034f5c8564e155c67a6\",\"name\":\"z\",\"size\":1,\"type\":\"link\"}\n",
    );
    world.put("records.jsonl", records);
    let path = world.sh("snap-write --unterminated records.jsonl").ok().out();
    for script in [
        "import duckdb; print(duckdb.sql(f\"from read_json('{path}', columns={{destination: 'VARCHAR'}})\").df()['destination'].dropna().tolist())",
        "import polars; print(polars.read_ndjson(path, schema={'destination': polars.String})['destination'].drop_nulls().to_list())",
        "import polars; print(polars.read_ndjson(path, infer_schema_length=None)['destination'].drop_nulls().to_list())",
        "import pandas; print(pandas.read_json(path, lines=True, dtype=False)['destination'].dropna().tolist())",
        "import pyarrow.json as p, pyarrow; print(p.read_json(path, parse_options=p.ParseOptions(
            explicit_schema=pyarrow.schema({'destination': pyarrow.string()}), unexpected_field_behavior='ignore')
            )['destination'].drop_null().to_pylist())",
    ] {
        python(&world, &format!("import sys; path = sys.argv[1]; {script}"), &path).ok().says("['x']\n");
    }
}

#[test]
fn texts_that_pandas_took_for_numbers_are_refused_and_nothing_is_restored() {
    let world = World::new();
    world.put("files/2023", "a");
    world.put("files/2024", "b");
    let path = world.sh("snap-scan | snap-heapify | snap-write").ok().out();
    let script = |options| {
        format!(
            "import pandas, sys\nrecords = pandas.read_json(sys.argv[1], lines=True{options})
records.drop(columns='modified').to_json('out.jsonl', orient='records', lines=True)"
        )
    };
    python(&world, &script(""), &path).ok();
    world.sh("snap-restore --file-root restored out.jsonl").status(2).complains("name: expected a string, got 2023");
    world.sh("[ ! -e restored/2023 ]").ok();
    python(&world, &script(", dtype=False"), &path).ok();
    world.sh("snap-restore --file-root restored out.jsonl && cat restored/*").ok().says("ab");
}
