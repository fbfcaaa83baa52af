//! The rules for the source that CONTRIBUTING names: import circles, lengths, places that ask for a root's kind, public names.

use std::path::Path;
use std::process::Command;

#[test]
fn the_source_keeps_the_rules_of_the_house() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let done = Command::new("python3").arg("tests/tools/house.py").arg("src").current_dir(project).output().expect("run python3");
    let said = String::from_utf8_lossy(&done.stdout);
    println!("{said}");
    assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
}
