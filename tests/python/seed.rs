//! `snapshooter` side by side with the Python tool of that name: what is wrong there is right here. The tests are named after
//! the numbers of the table in snapshooter(1); where the defect can be shown, the same script runs with both tools.

mod defects;
mod history;
mod options;

use crate::util::{Done, World, python_tool};

/// Whose `$SN` it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Tool {
    Python,
    Ours,
}

/// Functions and variables for scripts: `$SN` is the tool with three roots, `$LOW` takes the superuser's right to read and
/// write everything away.
const PRELUDE: &str = r#"
SN="$TOOL --file-root f --heap-root h --snap-root s"
mkdir -p f h
latest() { ls s/*/*/*.gz | tail -n 1; }
snapshots() { ls s/*/*/*.gz 2>/dev/null | wc -l; }
object() { m=$(printf "$1" | md5sum | cut -c 1-32); echo "h/${m:0:2}/$m.gz"; }
[ "$(id -u)" = 0 ] && LOW="setpriv --bounding-set=-dac_override,-dac_read_search" || LOW=
"#;

fn world(tool: Tool) -> World {
    let mut world = World::new();
    for root in ["FILE_ROOT", "HEAP_ROOT", "SNAP_ROOT"] {
        world.unset(root);
    }
    match tool {
        Tool::Python => world.set("TOOL", python_tool()),
        Tool::Ours => world.set("TOOL", env!("CARGO_BIN_EXE_snapshooter")),
    }
    world
}

fn run_in(world: &World, script: &str) -> Done {
    world.sh(&format!("{PRELUDE}\n{script}"))
}

fn run(tool: Tool, script: &str) -> Done {
    run_in(&world(tool), script)
}

/// Runs a script with both tools: the Python tool shows the defect, ours does what is right.
#[track_caller]
fn both(script: &str, defect: &str, right: &str) -> [Done; 2] {
    [run(Tool::Python, script).says(defect), run(Tool::Ours, script).says(right)]
}
