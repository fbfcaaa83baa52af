//! Extended attributes and ACLs are compared before they are set.

use crate::util::World;

#[test]
fn attributes_that_are_right_are_left_alone_and_a_dry_run_says_so() {
    let world = World::new();
    world.put("files/d/a", "1");
    world.sh("setfattr -n user.k -v v files/d/a; setfattr -n user.e files/d/a; setfattr -n user.d -v d files/d; ln files/d/a files/b; setfacl -m u:1:r files/d/a").ok();
    world.sh("snap-scan --xattrs | snap-heapify | snap-write").ok();
    world.sh("snap-read | snap-restore --xattrs --dry-run").ok().says("");
    world.sh("stat -c %i files/b files/d/a > before; snap-read | snap-restore --xattrs; stat -c %i files/b files/d/a | cmp - before").ok();
    for (change, names) in [
        ("setfattr -n user.k -v w files/d/a", "b\nd/a\n"),
        ("setfattr -x user.e files/d/a", "b\nd/a\n"),
        ("setfattr -n user.d -v longer files/d", "d\n"),
        ("setfattr -x user.d files/d", "d\n"),
    ] {
        world.sh(&format!("{change}; snap-read | snap-restore --xattrs --dry-run | jq -r .name")).ok().says(names);
        world.sh("snap-read | snap-restore --xattrs").ok();
        world.sh("snap-read | snap-restore --xattrs --dry-run").ok().says("");
    }
    world
        .sh("getfattr -d --absolute-names files/d/a files/d | grep user. ; getfacl -c files/d/a 2>/dev/null | grep -c user:[^:]")
        .ok()
        .says("user.e=\"\"\nuser.k=\"v\"\nuser.d=\"d\"\n1\n");
}

/// The system lets links have attributes of the classes trusted and security alone, and lets the superuser alone set them.
#[test]
fn attributes_of_links_come_back() {
    let world = World::new();
    world.put("files/a", "1");
    world.sh("ln -s a files/l; ln -s nowhere files/n").ok();
    if world.sh("setfattr -h -n trusted.k -v 1 files/l && setfattr -h -n trusted.k -v 2 files/n").code() != Some(0) {
        return;
    }
    world.sh("snap-scan --xattrs | snap-heapify | snap-write").ok();
    world.sh("snap-read | snap-restore --xattrs --dry-run").ok().says("");
    world
        .sh("setfattr -h -n trusted.k -v 7 files/l; rm files/n; snap-read | snap-restore --xattrs -n | jq -r .name")
        .ok()
        .says("l\nn\n");
    world
        .sh("snap-read | snap-restore --xattrs; getfattr -h -m - -d --only-values --absolute-names files/l files/n")
        .ok()
        .says("12");
    world.sh("getfattr -m - files/a").ok().says("");
    world.sh("snap-read | snap-restore --xattrs --dry-run").ok().says("");
}

/// Objects of other storages have none that could be recorded, and their file systems are not told apart: an option that would be
/// without effect is refused, also where the names are given.
#[test]
fn options_that_only_folders_of_this_machine_have_are_refused_for_other_roots() {
    for (option, told) in
        [("--xattrs", "extended attributes are not recorded in memory://a"), ("-x", "memory://a has no file systems to stay on")]
    {
        World::new().sh(&format!("snap-scan {option} memory://a")).status(2).says("").complains(told);
    }
    World::new().sh("echo f | snap-scan --xattrs --files-from - memory://a").status(2).says("").complains("leave --xattrs off");
}
