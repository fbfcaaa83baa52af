//! snap-verify: damage is found, and mends itself when the contents are stored again.

use crate::util::World;
use crate::util::heap::{BACKUP, column, md5_of, mixed, object, objects, text};
use crate::util::measure::{figure, many, state};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The ways in which objects are damaged.
const DAMAGES: [&str; 8] = ["missing", "empty", "truncated", "flipped", "swapped", "other content", "garbage", "header"];

fn damage(path: &Path, other: &Path, way: &str, seed: u64) {
    let good = fs::read(path).unwrap();
    let header = match good.windows(5).position(|bytes| bytes == b"\n--- ") {
        Some(end) if good.starts_with(b"age-encryption.org/") => end,
        _ => snapshooter::internals::codec::read_header(&mut &good[..]).unwrap().unwrap().bytes.len(),
    };
    match way {
        "missing" => fs::remove_file(path).unwrap(),
        "empty" => fs::write(path, b"").unwrap(),
        "truncated" => fs::write(path, &good[..(mixed(seed) as usize % (good.len() - 1)) + 1]).unwrap(),
        "flipped" => {
            let mut bad = good.clone();
            // Of the last byte of the deflated data some bits have no meaning.
            let at = header + mixed(seed) as usize % (good.len() - 9 - header);
            bad[at] ^= 1 << (mixed(seed + 1) % 8);
            fs::write(path, bad).unwrap();
        }
        "header" => {
            let mut bad = good.clone();
            bad[mixed(seed) as usize % header] ^= 1 << (mixed(seed + 1) % 8);
            fs::write(path, bad).unwrap();
        }
        "swapped" => {
            let theirs = fs::read(other).unwrap();
            fs::write(path, theirs).unwrap();
            fs::write(other, good).unwrap();
        }
        "other content" => {
            let mut encoder = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::fast());
            std::io::Write::write_all(&mut encoder, text(seed + 7).as_bytes()).unwrap();
            fs::write(path, encoder.finish().unwrap()).unwrap();
        }
        "garbage" => fs::write(path, [&good[..], b"garbage"].concat()).unwrap(),
        _ => unreachable!("{way}"),
    }
}

#[test]
fn all_damage_is_found_and_mends() {
    let world = World::new();
    let per_way = many(16, 136);
    let count = per_way * DAMAGES.len() as u64;
    for n in 0..count + 40 {
        world.put(&format!("files/{:02}/{n}", n % 20), text(n * 1000));
    }
    // One is larger than what is worked on in memory, and two have the same content.
    world.put("files/large", text(1).repeat(3000));
    world.put("files/again", text(0));
    world.settle();
    world.sh(BACKUP).ok();
    world.sh("snap-read | snap-verify | jq -c '[.type, .errors]'").ok().silent().says("[\"end\",0]\n");
    world.sh("snap-read | snap-verify --quick").ok().silent();
    let paths = objects(&world);
    let path = |n: u64| paths[&format!("{:02}/{n}", n % 20)].clone();
    let mut bad: BTreeMap<String, &str> = BTreeMap::new();
    for n in 0..count {
        let way = DAMAGES[n as usize % DAMAGES.len()];
        // The other one of a swap is damaged with it; it is one of the last forty, or left as it is where those are used up.
        let other = count + (n / 8) % 40;
        if way == "swapped" && n / 8 >= 40 {
            continue;
        }
        damage(&path(n), &path(other), way, n);
        bad.insert(format!("{:02}/{n}", n % 20), way);
        if way == "swapped" {
            bad.insert(format!("{:02}/{other}", other % 20), way);
        }
        if n == 0 {
            bad.insert("again".to_string(), way);
        }
    }
    let mut large = fs::read(&paths["large"]).unwrap();
    let middle = large.len() / 2;
    large[middle] ^= 0x40;
    fs::write(&paths["large"], large).unwrap();
    bad.insert("large".to_string(), "flipped");
    let before = state(&world.path("heap"));
    let found = world.sh("snap-read | snap-verify").status(1);
    let names = column(&found, "name", ("type", "error"));
    let missed: Vec<_> = bad.iter().filter(|(name, _)| !names.contains(*name)).collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
    assert_eq!(names.len(), bad.len(), "good ones were called bad");
    assert!(found.lines().iter().filter(|l| l.contains("\"error\"")).all(|l| l.contains("\"md5\":\"")), "{found}");
    let quick = column(&world.sh("snap-read | snap-verify --quick").status(1), "name", ("type", "error"));
    for (name, way) in bad.iter().filter(|(_, way)| !matches!(**way, "flipped" | "header" | "swapped" | "other content")) {
        assert!(quick.contains(name), "--quick did not find {way} {name}");
    }
    figure(15, &format!("damaged {}, found {}, found by --quick {}", bad.len(), names.len(), quick.len()));
    assert!(state(&world.path("heap")) == before, "snap-verify has changed something in the heap");
    let good: Vec<&PathBuf> = paths.iter().filter(|(name, _)| !bad.contains_key(*name)).map(|(_, path)| path).collect();
    let bytes = || good.iter().map(|p| (fs::metadata(p).unwrap().ino(), fs::read(p).unwrap())).collect::<Vec<_>>();
    let good_before = bytes();
    // An ordinary backup mends what shows from outside, and says nothing of it.
    world.sh(BACKUP).ok().silent();
    let left = column(&world.sh("snap-read | snap-verify; true"), "name", ("type", "error"));
    for name in &left {
        assert!(matches!(bad[name], "flipped" | "header" | "swapped" | "other content"), "not mended: {} {name}", bad[name]);
    }
    world.sh("snap-scan | snap-heapify --verify-existing | snap-write").ok().silent();
    world.sh("snap-read | snap-verify").ok().silent();
    figure(16, &format!("mended by the next backup {}, by --verify-existing {}", bad.len() - left.len(), left.len()));
    assert!(bytes() == good_before && !good.is_empty(), "healing has changed an object that was good");
    let (objects, good) = (before.len(), good.len());
    figure(17, &format!("verify changed 0 of {objects} files and folders of the heap; healing changed 0 of {good} good objects"));
}

#[test]
fn verify_is_a_filter_like_the_others() {
    let world = World::new();
    world.put("files/a", "a");
    world.put("files/b", "b");
    world.sh(BACKUP).ok();
    let md5 = md5_of(&world, "a");
    fs::remove_file(object(&world, &md5)).unwrap();
    let path = object(&world, &md5).strip_prefix(world.path("heap")).unwrap().display().to_string();
    let expected =
        format!("{{\"error\":\"heap object {path} is missing\",\"md5\":\"{md5}\",\"name\":\"a\",\"type\":\"error\"}}\n",);
    world.sh("snap-read --no-end | snap-verify").status(1).says(&expected).complains("a: heap object");
    let wrong = format!("{{\"name\":\"b\",\"md5\":\"{}\",\"size\":2}}\n", md5_of(&world, "b"));
    assert!(world.run(&["snap-verify"], wrong.as_bytes()).status(1).out().contains("1 bytes, not 2"));
    world.run(&["snap-verify"], b"{\"name\":\"x\"}\n").status(1).complains("no md5");
    world.run(&["snap-verify"], b"{\"name\":\"x\",\"error\":\"e\",\"type\":\"error\"}\n").ok();
    world.run(&["snap-verify"], b"").ok().silent().says("");
    world.run(&["snap-verify", "--heap-root", "none"], b"").status(2);
    world.run(&["snap-verify", "--quick"], b"{\"name\":\"a\",\"md5\":\"../../etc/passwd\"}\n").status(2);
}

#[test]
fn the_sha256_proves_a_content_and_both_digests_are_computed_on_request() {
    let world = World::new();
    world.put("files/a", "a");
    world.put("files/b", "b");
    world.sh(BACKUP).ok();
    let (a, b) = (md5_of(&world, "a"), md5_of(&world, "b"));
    // A record that has the md5 of b and all else of a, and an object that fits it.
    fs::copy(object(&world, &a), object(&world, &b)).unwrap();
    world.sh(&format!("snap-read | jq -c 'select(.name == \"a\") | .md5 = \"{b}\"' > list")).ok();
    world.sh("snap-verify list").ok().says("");
    world.sh("snap-verify --both list").status(1).complains(&format!("its content has the md5 {a}"));
    world.sh("jq -c 'del(.sha256)' list | snap-verify").status(1).complains(&format!("its content has the md5 {a}"));
}
