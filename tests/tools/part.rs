//! Parts of a listing: --shard, --range, --split and --prefix of snap-scan and snap-read, and the whole that snap-merge makes of
//! them.

use crate::util::World;
use crate::util::trees::Tree;

/// A world with some hundred files, and the listing of all in `whole`.
fn world() -> World {
    let world = World::with(Tree::Tricky);
    for n in 0..400 {
        world.put(&format!("files/d{}/e{}/f-{n}", n % 7, n % 3), format!("{}", n % 50));
    }
    world.sh("snap-scan -o whole").ok();
    world
}

#[test]
fn all_shards_of_a_folder_are_the_whole() {
    let world = world();
    world.sh("for k in 1 2 3; do snap-scan --shard $k/3 -o shard.$k & done; wait; for k in 1 2 3; do test $(wc -l < shard.$k) -gt 80; done").ok();
    world.sh("snap-merge shard.3 shard.1 shard.2 | cmp - whole").ok().silent();
    world.sh("snap-heapify shard.1 -o 1; snap-heapify shard.2 -o 2; snap-heapify shard.3 -o 3; snap-merge 1 2 3 | snap-write --whole").ok();
    world.sh("snap-diff latest <(snap-scan | snap-heapify)").ok();
    // What is missing or came twice is named, and a backup that has to be whole is not published.
    world.sh("snap-merge 1 3 | snap-write --whole").status(2).complains("shard 2/3 is missing").complains("not whole");
    world.sh("snap-merge 1 2 3 2 | tee merged | snap-write --whole").ok().complains("shard 2/3 came twice");
    world.sh("snap-merge 1 2 3 | cmp - merged").ok();
    // A part that lost a record on the way is none.
    world.sh("sed 5d 2 > cut; snap-merge 1 cut 3 | snap-write --whole").status(2).complains("not whole");
    // Alone, a part is filtered.
    world.sh("snap-write --whole 1").status(2).complains("not whole");
    world.sh("snap-write 1 && snap-read latest | snap-restore --delete").status(2).complains("filtered");
    world.sh("snap-scan --shard 4/3").status(2).complains("K from 1 to N");
}

#[test]
fn ranges_and_prefixes_list_only_what_they_have() {
    let world = world();
    world.sh("snap-scan --split 5 | tee ranges | wc -l").ok().says("5\n");
    world
        .sh("n=0; while read -r range; do n=$((n+1)); snap-scan --range \"$range\" -o part.$n; done < ranges; wc -l < part.3")
        .ok();
    world.sh("sort -c <(for n in 1 2 3 4 5; do jq -r 'select(.type != \"end\") | .size' part.$n | wc -l; done | sort -n | tail -1)").ok();
    world.sh("snap-merge part.5 part.4 part.3 part.1 part.2 | cmp - whole").ok().silent();
    world.sh("snap-merge part.5 part.4 part.3 part.1 | snap-write --whole").status(2).complains("is missing");
    world
        .sh("snap-scan --prefix d3/e > prefix; test $(wc -l < prefix) -gt 50; jq -r .name prefix | grep -v '^d3/e'")
        .ok()
        .says("\n");
    world.sh("tail -n 1 prefix | jq -e '.filtered and .part.prefix == \"d3/e\"'").ok();
    world.sh("snap-scan --range '{\"after\":1}'").status(2).complains("--split");
    world.sh("snap-scan --shard 1/2 --prefix a").status(2).complains("cannot be used with");
}

#[test]
fn parts_of_lists_of_names_and_of_records_are_parts_too() {
    let world = world();
    world.sh("find files -mindepth 1 -printf '%P\\0' > names").ok();
    for k in 1..=2 {
        world.sh(&format!("snap-scan -0 --files-from names --shard {k}/2 -o names.{k}; snap-scan --records whole --shard {k}/2 -o records.{k}")).ok();
    }
    world.sh("snap-merge records.1 records.2 | cmp - whole").ok().silent();
    world.sh("snap-merge --no-end names.1 names.2 | cmp - <(grep -v '\"type\":\"end\"' whole)").ok().silent();
}

#[test]
fn a_snapshot_is_read_and_restored_in_parts() {
    let world = world();
    world.sh("snap-heapify whole | snap-write && snap-read -o all").ok();
    world.sh("snap-read --split 3 > ranges; wc -l < ranges").ok().says("3\n");
    world.sh("n=0; while read -r range; do n=$((n+1)); snap-read --range \"$range\" -o range.$n; snap-read --shard $n/3 -o shard.$n; done < ranges").ok();
    world.sh("snap-merge range.* | cmp - all && snap-merge shard.* | cmp - all").ok().silent();
    world.sh("snap-read --prefix d1/ | jq -r 'select(.type != \"end\").name' | cmp - <(jq -r .name all | grep ^d1/)").ok();
    // Each part is verified and restored by itself.
    world.sh("for n in 1 2 3; do snap-verify range.$n > /dev/null && snap-restore --file-root restored shard.$n || exit; done; rm range.*; snap-diff all <(export FILE_ROOT=restored; snap-scan | snap-heapify --no-store --no-base)").ok();
    // Parts of different snapshots are no whole.
    world.put("files/new", "new");
    world.sh("snap-scan | snap-heapify | snap-write && snap-read --shard 3/3 -o shard.3").ok();
    world.sh("snap-merge shard.1 shard.2 shard.3 > merged").ok().complains("different listings");
    world.sh("tail -n 1 merged | jq -e .filtered").ok();
}

#[test]
fn two_snapshots_are_compared_in_parts() {
    let world = world();
    world.sh("snap-heapify whole | snap-write").ok();
    world.put("files/d1/e1/f-1", "changed");
    world.sh("rm -r files/d2; snap-scan | snap-heapify | snap-write").ok();
    world.sh("snap-diff latest~1 latest > rows").status(1);
    world
        .sh("for k in 1 2 3; do snap-read latest~1 --shard $k/3 > left; snap-read --shard $k/3 > right; snap-diff left right > rows.$k; done")
        .status(1);
    world.sh("snap-merge rows.1 rows.2 rows.3 | cmp - rows").ok().silent();
    world.sh("snap-merge rows.1 rows.3 | snap-restore --side left --delete --dry-run").status(2).complains("filtered");
}

#[test]
fn more_parts_than_descriptors_are_merged() {
    let world = world();
    world.sh("for k in $(seq 100); do snap-scan --shard $k/100 -o part.$k; done").ok();
    world.sh("ulimit -n 20; snap-merge part.* | cmp - whole").ok().silent();
    // A part that came twice is one warning, not one for each name.
    world.sh("snap-merge part.* whole 2>&1 > merged | wc -l").ok().says("12\n");
}

#[test]
fn a_part_is_compared_with_its_part_of_a_long_base() {
    let world = World::new();
    // Digests that do not compress, so that the base is long.
    let records: String = (0..80_000u64)
        .map(|n| {
            let random = |salt: u64| (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15 ^ salt).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let md5 = format!("{:016x}{:016x}", random(0), random(1 << 40));
            format!("{{\"created\":1.5,\"ino\":{n},\"md5\":\"{md5}\",\"mtime\":1.5,\"name\":\"f{n:06}\",\"size\":{n},\"type\":\"file\"}}\n")
        })
        .collect();
    world.put("records", records);
    world.sh("snap-write --unterminated records > place && snap-read --split 5 | tail -n 1 > range").ok();
    world.sh("snap-read --range \"$(cat range)\" -o part && wc -l < part").ok().says("16001\n");
    // What comes before the part is damaged, and not read.
    world.sh("printf damaged | dd of=$(cat place) bs=1 seek=1000000 conv=notrunc status=none").ok();
    world.sh("snap-read > /dev/null").status(2).complains("damaged");
    world.sh("sed 's/\"md5\":\"[^\"]*\",//' part > bare && snap-reuse --base latest bare | cmp - part").ok().silent();
}
