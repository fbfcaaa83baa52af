//! Records that come in any order go out in the same, with all that a base knows of them.

use crate::util::World;

#[test]
fn records_in_random_order_keep_it_and_the_base_is_found_for_every_one() {
    let world = World::new();
    for i in 0..300 {
        world.put(&format!("files/{}/{i}", i % 7), i.to_string());
    }
    world.settle();
    world.sh("snap-scan | snap-heapify | snap-write").ok();
    world.sh("snap-scan --no-end > sorted; tac sorted > 0; (tail -n +100 sorted; head -n 99 sorted) > 1").ok();
    world.sh("for i in 2 3 4 5 6; do shuf --random-source=<(yes $i) sorted > $i; done").ok();
    for order in 0..7 {
        for tool in ["snap-reuse", "snap-heapify", "snap-heapify --no-store"] {
            let script = format!(
                "{tool} {order} > out; jq -c .name {order} > want; jq -c .name out | cmp - want && jq -r 'select(.type == \"file\" and (.md5 | not)) | .name' out"
            );
            world.sh(&script).ok().says("");
        }
    }
}

#[test]
fn an_error_record_and_a_name_that_comes_twice_stay_where_they_are() {
    let world = World::new();
    for name in ["a", "b", "c", "d"] {
        world.put(&format!("files/{name}"), name);
    }
    world.settle();
    world.sh("snap-scan | snap-heapify | snap-write").ok();
    let script = r#"
        snap-scan --no-end > s
        (sed -n 3p s; sed -n 1p s; echo '{"name":"x","type":"error","error":"gone"}'; sed -n 4p s; sed -n 2p s; sed -n 3p s) | snap-reuse | jq -r '.name + " " + (.md5 // "-")[0:2]'
    "#;
    let said = world.sh(script).ok().lines();
    let names: Vec<&str> = said.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, ["c", "a", "x", "d", "b", "c"]);
    assert!(said[..2].iter().chain(&said[3..5]).all(|line| !line.ends_with('-')), "{said:?}");
}
