//! Encrypted heaps: who can read what, what damage and forgery do, and the rest of the tests on encrypted heaps.

// From plain to encrypted heaps and back, and to other recipients.
mod copies;
// Damaged, exchanged and forged objects.
mod damage;
// Files of keys that are wrong or missing, and encryption.json.
mod files;
// Deleting, and heaps with objects of both forms.
mod gc;
// Machines with and without an identity, SSH keys, stock tools.
mod machines;
// The Python tool, and our command with its options.
mod python;
// Keys are in no output.
mod secrets;
// Damaged, exchanged and forged snapshots.
mod snapshots;
// Heaps in object storage.
mod stored;
// Tests of other modules, with all heaps encrypted.
mod suite;

use crate::util::{Done, World};

/// A world whose commands have recipients, as a machine that writes; IDENTITY names the file that they do not have.
fn world() -> World {
    let mut world = World::new();
    world.give_keys();
    world.set("IDENTITY", world.path("keys/identity"));
    world.unset("HEAP_IDENTITY");
    world
}

/// A script of somebody who has the identity, too.
fn reading(world: &World, script: &str) -> Done {
    world.sh(&format!("export HEAP_IDENTITY=\"$IDENTITY\"; {script}"))
}

/// Makes the keys of another recipient, `keys/NAME.identity` and `keys/NAME.recipients`.
fn another(world: &World, name: &str) {
    world
        .sh(&format!(
            "age-keygen 2> /dev/null > keys/{name}.identity && age-keygen -y keys/{name}.identity > keys/{name}.recipients"
        ))
        .ok();
}

/// Asserts that a tool refused to work, in one line with a reason and one with advice at most.
#[track_caller]
fn refused(done: Done, why: &str) -> Done {
    let done = done.status(2).complains(why);
    assert!((1..=2).contains(&done.err().lines().count()), "more than one line{done}");
    assert!(!done.err().contains("panicked"), "{done}");
    done
}
