//! Who may read what a heap and a snap root hold: roots that we make are private, and what is in a root is as open as the root.

use crate::util::World;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

const BACKUP: &str = "snap-scan | snap-heapify | snap-write";

fn world() -> World {
    let world = World::new();
    world.put("files/secret", "secret");
    // One that goes through the heap in pieces.
    world.put("files/large", vec![7u8; 3 << 20]);
    fs::set_permissions(world.path("files/secret"), Permissions::from_mode(0o600)).expect("set a mode");
    world
}

/// All modes below a root, those of folders and those of files.
fn modes(world: &World, root: &str) -> (Vec<u32>, Vec<u32>) {
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for entry in walkdir::WalkDir::new(world.path(root)).min_depth(1) {
        let meta = entry.and_then(|e| e.metadata()).expect("look at the root");
        let modes = if meta.is_dir() { &mut folders } else { &mut files };
        modes.push(meta.permissions().mode() & 0o7777);
    }
    for modes in [&mut folders, &mut files] {
        modes.sort_unstable();
        modes.dedup();
    }
    (folders, files)
}

fn mode(world: &World, path: &str) -> u32 {
    world.path(path).metadata().expect(path).permissions().mode() & 0o7777
}

#[test]
fn new_roots_and_all_in_them_are_private() {
    for umask in ["022", "077", "002", "000"] {
        let mut world = world();
        world.set("HEAP_ROOT", world.path("new/heap"));
        world.sh(&format!("umask {umask}; {BACKUP}; snap-gc")).ok();
        for root in ["new/heap", "snap"] {
            assert_eq!(mode(&world, root), 0o700, "{root} with umask {umask}");
            assert_eq!(modes(&world, root), (vec![0o700], vec![0o600]), "{root} with umask {umask}");
        }
        // The folder above is any folder.
        assert_eq!(mode(&world, "new"), 0o777 & !u32::from_str_radix(umask, 8).expect("octal"));
    }
}

#[test]
fn what_is_made_in_a_root_is_as_open_as_the_root_whatever_the_umask_says() {
    for (root_mode, folder, file) in
        [(0o755, 0o755, 0o644), (0o750, 0o750, 0o640), (0o2770, 0o2770, 0o660), (0o775, 0o775, 0o664), (0o700, 0o700, 0o600)]
    {
        for umask in ["022", "077", "002"] {
            let world = world();
            for root in ["heap", "snap"] {
                fs::create_dir(world.path(root)).expect("make a root");
                fs::set_permissions(world.path(root), Permissions::from_mode(root_mode)).expect("set a mode");
            }
            world
                .sh(&format!(
                    "umask {umask}; {BACKUP}; echo new >files/new; {BACKUP}; snap-forget --keep-last 1 --delete; snap-gc"
                ))
                .ok();
            for root in ["heap", "snap"] {
                assert_eq!(mode(&world, root), root_mode);
                let got = modes(&world, root);
                assert_eq!(got, (vec![folder], vec![file]), "{root} of {root_mode:o} with umask {umask}");
            }
        }
    }
}

#[test]
fn the_command_of_the_python_tool_makes_private_roots_too() {
    let world = world();
    world.sh("umask 022; snapshooter --file-root files --heap-root heap --snap-root snap make-snapshot").ok();
    for root in ["heap", "snap"] {
        assert_eq!((mode(&world, root), modes(&world, root)), (0o700, (vec![0o700], vec![0o600])), "{root}");
    }
}
