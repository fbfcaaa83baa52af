//! Colour and the width of a terminal: what a person sees, and that no program gets it.

use crate::util::World;

/// A world with two snapshots that differ, in which commands see a terminal of a known type.
fn world() -> World {
    let mut world = World::new();
    world.set("TERM", "xterm");
    for (name, content) in [("a", "1"), ("b", "2"), ("c", "3")] {
        world.put(&format!("files/{name}"), content);
    }
    world.sh("snap-scan | snap-heapify | snap-write").ok();
    world.sh("rm files/a; printf 22 > files/b; touch files/d; snap-scan | snap-heapify | snap-write").ok();
    world
}

/// What a command prints on a terminal of 60 columns.
fn seen(world: &World, command: &str, status: i32) -> String {
    let done = world.sh(&format!("script -qec 'stty cols 60; {command}' /dev/null < /dev/null")).status(status);
    done.out().replace("\r\n", "\n")
}

const NAMES: &str = "\x1b[31m- a\x1b[0m\n\x1b[33m! b\x1b[0m\n\x1b[32m+ d\x1b[0m\n";

#[test]
fn a_terminal_has_colour_and_a_pipe_or_a_file_has_none() {
    let world = world();
    assert_eq!(seen(&world, "snap-diff -f names", 1), NAMES);
    let table = seen(&world, "snap-diff -f table", 1);
    assert!(table.starts_with("\x1b[1mSTATUS ") && table.contains("\n\x1b[31monly_left\x1b[0m   file "), "{table:?}");
    assert!(seen(&world, "snap-diff --stat", 1).contains(&format!("\x1b[32monly_right\x1b[0m  {:>10}  0 B\n", 1)));
    let path = seen(&world, "snap-list --limit 1", 0);
    assert!(path.starts_with("\x1b[2m/") && path.contains("/\x1b[0m20"), "{path:?}");
    for command in ["snap-diff -f names", "snap-diff -f table", "snap-diff --stat", "snap-list", "snap-list --plot", "snap-diff"]
    {
        let piped = world.sh(&format!("{command} | cat; {command} > file; {command} -o named; cat file named")).ok().out();
        assert!(!piped.contains('\x1b') && piped.len() > 30, "{command}: {piped:?}");
        // Also while another program has the terminal.
        let inside = seen(&world, &format!("{command} | cat; {command} -o named"), i32::from(command.starts_with("snap-diff")));
        assert!(!inside.contains('\x1b') && inside.len() > 10, "{command}: {inside:?}");
    }
}

#[test]
fn records_for_programs_are_never_coloured() {
    let world = world();
    assert!(!seen(&world, "snap-diff", 1).contains('\x1b'));
    assert!(!world.sh("snap-diff --color").status(1).out().contains('\x1b'));
    assert!(!seen(&world, "snap-list --json --color=always", 0).contains('\x1b'));
}

#[test]
fn the_user_has_the_last_word() {
    let mut world = world();
    let plain = "- a\n! b\n+ d\n";
    world.sh("snap-diff -f names --color").status(1).says(NAMES);
    world.sh("snap-diff -f names --color=always").status(1).says(NAMES);
    assert_eq!(seen(&world, "snap-diff -f names --color=never", 1), plain);
    assert_eq!(seen(&world, "TERM=dumb snap-diff -f names", 1), plain);
    assert_eq!(seen(&world, "NO_COLOR= snap-diff -f names", 1), NAMES, "an empty variable is not set");
    world.set("NO_COLOR", "1");
    assert_eq!(seen(&world, "snap-diff -f names", 1), plain);
    assert_eq!(seen(&world, "snap-diff -f names --color", 1), NAMES);
    assert!(!seen(&world, "snap-list; snap-list --plot", 0).contains('\x1b'));
}

#[test]
fn a_plot_has_the_numbers_of_the_list_and_the_width_of_the_terminal() {
    let mut world = world();
    world.sh("for n in 1 2 3 4 5 6; do touch files/more$n; done; snap-scan | snap-heapify | snap-write").ok();
    let width = |text: &str| text.lines().map(|line| line.trim_end().chars().count()).max().unwrap();
    let plot = world.sh("snap-list --plot").ok().silent().out();
    assert!((79..=80).contains(&width(&plot)), "{plot}");
    let lines: Vec<Vec<&str>> = plot.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["TIME", "RECORDS", "SIZE"]);
    let numbers: Vec<&str> = lines[1..].iter().map(|line| line[2]).collect();
    assert_eq!(numbers, ["9", "3", "3"], "newest first, as the list");
    let blocks: Vec<usize> = lines[1..].iter().map(|line| line[3].chars().count()).collect();
    assert!(blocks[1] == blocks[2] && blocks[0].abs_diff(3 * blocks[1]) <= 3, "{plot}");
    assert_eq!(world.sh("snap-list --plot --order asc --limit 2 | wc -l").ok().out().trim(), "3");
    world.set("NO_COLOR", "1");
    assert!((59..=60).contains(&width(&seen(&world, "snap-list --plot", 0))));
    world.set("COLUMNS", "100");
    assert!((99..=100).contains(&width(&seen(&world, "snap-list --plot", 0))));
    assert!((99..=100).contains(&width(&world.sh("snap-list --plot").ok().out())));
    world.sh("snap-list --plot --json").status(2);
    world.sh("mkdir none; snap-list --snap-root none --plot").ok().silent().says("");
}

#[test]
fn a_plot_tells_a_damaged_snapshot_and_does_not_know_the_records_of_the_python_tool() {
    let mut world = world();
    world.py("make-snapshot").ok();
    world.sh("echo damaged > $(snap-list --limit 1 --offset 1)").ok();
    let done = world.sh("snap-list --plot").status(1).complains("jsonl.gz");
    let lines = done.lines();
    assert!(lines.len() == 3 && lines[1].contains(" ? ") && lines[2].contains(" 3 █"), "{lines:?}");
}
