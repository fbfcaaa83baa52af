//! Buckets that keep versions: what was there at a time, and all that was ever there.

use crate::storages::emulators::{self, Emulator, Root, fake_gcs, installed};
use crate::util::{World, wait_for};
use snapshooter::internals::time::Time;

/// A bucket that keeps versions.
fn s3(world: &World) -> Option<Root> {
    let moto = emulators::moto()?;
    let root = moto.fresh();
    let keys = "aws_access_key_id='test', aws_secret_access_key='testtest', region_name='us-east-1'";
    let client = format!("boto3.client('s3', endpoint_url='http://127.0.0.1:{}', {keys})", moto.port());
    let enable = format!("put_bucket_versioning(Bucket='{}', VersioningConfiguration={{'Status': 'Enabled'}})", root.container);
    let python = installed("venv/bin/python").display().to_string();
    world.sh(&format!("no_proxy=127.0.0.1 {python} -c \"import boto3; {client}.{enable}\"")).ok();
    Some(root)
}

/// One of Google Cloud.
fn gcs(world: &World) -> Root {
    let root = fake_gcs().missing();
    let about = format!(r#"{{"name": "{}", "versioning": {{"enabled": true}}}}"#, root.container);
    let url = format!("http://127.0.0.1:{}/storage/v1/b?project=test", fake_gcs().port());
    world.sh(&format!("curl --noproxy '*' -sSf -d '{about}' -H 'content-type: application/json' '{url}'")).ok();
    root
}

/// Makes the bucket equal to the folder `local`. Returns a time after that; what follows is later, in whole seconds.
fn upload(world: &World) -> String {
    world.sh("mkdir -p heap; snap-scan --file-root local | snap-heapify --file-root local | snap-restore --delete").ok();
    let next_second = |after: Time| wait_for("the next second", || Time::now().sec > after.sec);
    next_second(Time::now());
    let between = Time::now();
    next_second(between);
    between.text()
}

#[test]
fn a_bucket_is_backed_up_as_it_was_at_a_time() {
    for kind in ["s3", "gcs"] {
        let mut world = World::new();
        let Some(root) = (if kind == "s3" { s3(&world) } else { Some(gcs(&world)) }) else { return };
        world.set("FILE_ROOT", &root.url);
        world.set("FILE_STORAGE_OPTIONS", &root.options);
        for (name, content) in [("a", "one\n"), ("b", "bee\n"), ("folder/gone", "gone\n")] {
            world.put(&format!("local/{name}"), content);
        }
        let first = upload(&world);
        world.put("local/a", "two\n");
        world.sh("rm -r local/folder").ok();
        let second = upload(&world);
        world.put("local/a", "three\n");
        upload(&world);

        let restored =
            "rm -rf back; snap-read | snap-restore --file-root back && cd back && find . -type f | sort | xargs tail -n +1 -v";
        for (time, expected) in [
            (first.as_str(), "==> ./a <==\none\n\n==> ./b <==\nbee\n\n==> ./folder/gone <==\ngone\n"),
            (&second, "==> ./a <==\ntwo\n\n==> ./b <==\nbee\n"),
            ("now", "==> ./a <==\nthree\n\n==> ./b <==\nbee\n"),
        ] {
            world.sh(&format!("snap-scan --at {time} | snap-heapify | snap-write --whole")).ok().silent();
            world.sh(restored).ok().says(expected);
        }
        let plain = "jq -c 'del(.version_id, .work) | select(.type == \"file\")'";
        let now = world.sh(&format!("snap-scan --at now | {plain}")).ok().out();
        world.sh(&format!("snap-scan | {plain}")).ok().says(&now);
        world.sh("snap-scan --at 2001-01-01 | jq -r .type").ok().says("end\n");

        // What changes after the scan is stored as it was listed.
        world.sh("snap-scan --at now -o list").ok();
        world.put("local/a", "four\n");
        upload(&world);
        world.sh("snap-heapify --no-base list | jq -c 'select(.name == \"a\")' | snap-cat").ok().says("three\n");

        world.sh("snap-scan --versions | jq -r '[.name, .type, .is_latest // false] | @tsv' | head -n -1").ok().says(concat!(
            "a\tfile\tfalse\na\tfile\tfalse\na\tfile\tfalse\na\tfile\ttrue\nb\tfile\ttrue\n",
            "folder/gone\tfile\tfalse\nfolder/gone\tgone\tfalse\n"
        ));
        world.sh("snap-scan --versions | snap-heapify -o versions").ok().silent();
        world.sh("jq -c 'select(.type == \"file\")' versions | snap-cat").ok().says("one\ntwo\nthree\nfour\nbee\ngone\n");
        world.sh("jq -c 'select(.type == \"file\")' versions | snap-verify").ok();
        world.sh("snap-write versions").status(2).complains("folder/gone: a list of changes, not of files");
        let refused = world.sh("jq -c 'select(.type != \"gone\")' versions | snap-write --partial").status(2);
        refused.complains("this name stands for two different things");
    }
}

#[test]
fn what_keeps_no_versions_is_refused() {
    let mut world = World::new();
    world.put("files/a", "");
    for option in ["--versions", "--at now"] {
        world.sh(&format!("snap-scan {option}")).status(2).complains("a folder keeps no versions of files");
    }
    world.sh("snap-scan --at soon").status(2).complains("not a time: use now, 2026-11-23");
    let gcs: &dyn Emulator = fake_gcs();
    for root in [Some(gcs.fresh()), emulators::moto().map(Emulator::fresh), emulators::azurite().map(Emulator::fresh)]
        .into_iter()
        .flatten()
    {
        world.set("FILE_ROOT", &root.url);
        world.set("FILE_STORAGE_OPTIONS", &root.options);
        world.sh("mkdir -p heap; snap-scan --file-root files | snap-heapify --file-root files | snap-restore").ok();
        world.sh("snap-scan --at now").status(2).complains("keeps no versions: they were");
    }
}

#[test]
fn an_inventory_is_completed_where_it_lacks_something() {
    let Some(moto) = emulators::moto() else { return };
    let mut world = World::new();
    let root = moto.fresh();
    world.set("FILE_ROOT", &root.url);
    world.set("FILE_STORAGE_OPTIONS", &root.options);
    for name in ["a", "b", "c.tmp", "d"] {
        world.put(&format!("local/{name}"), name);
    }
    world.sh("mkdir heap; snap-scan --file-root local | snap-heapify --file-root local | snap-restore").ok();
    world.sh("snap-scan -o listing").ok();
    let requests = "jq 'select(.type == \"end\") | .work.requests // 0'";
    let records = "jq -c 'select(.type == \"file\")'";
    world
        .sh(&format!("{records} listing > list; tac list | snap-scan --records - -o completed; {requests} completed"))
        .ok()
        .says("0\n");
    world.sh(&format!("{records} completed | cmp - list")).ok();
    world.sh("snap-heapify completed | snap-write --whole").status(2).complains("the stream is not whole");
    world.sh("snap-heapify completed | snap-write --complete").ok();
    // A whole listing stays whole.
    world.sh("snap-scan --records listing | snap-heapify | snap-write --whole").ok().silent();
    // The end record of another root says nothing about this one.
    world.sh("sed 's/\"root\":\"s3:[^\"]*\"/\"root\":\"s3:\\/\\/other\"/' listing | snap-scan --records - | tail -n 1 | jq .filtered").ok().says("true\n");
    // Only those that lack something are asked for, and excluded ones are not.
    let lacking = "jq -c 'if .name == \"a\" then . else {name, tags: {x: \"y\"}, metadata: {z: \"1\"}} end' list";
    let scan = format!("{lacking} | snap-scan --records - -e '*.tmp' -o completed; {requests} completed");
    world.sh(&scan).ok().says("2\n");
    world
        .sh("jq -r 'select(.type == \"file\") | [.name, .size, .metadata.z // \"none\"] | @tsv' completed")
        .ok()
        .says("a\t1\tnone\nb\t1\tnone\nd\t1\tnone\n");
    world
        .sh("echo '{\"name\":\"none\"}' | snap-scan --records - | jq -r .error")
        .status(1)
        .says("look at it: no such object\nnull\n");
    world
        .sh("echo '{\"name\":\"a\",\"status\":\"different\"}' | snap-scan --records -")
        .status(2)
        .complains("a row of snap-diff");
}
