//! Tests of other modules, run again in a process of their own in which every heap is an encrypted one.
//!
//! Left out are groups that read or write a plain heap or snapshot by hand (`bombs`, `readers`, `first_form`, `tar`, `copy`,
//! `statuses`, `bad_input`, parts of `collide`), that need the Python tool (`python`, `seed`, `snapshooter` with its options),
//! that wait for a file of a large content in the heap (`put`; here it has no name, and is in TMPDIR), that work in the process of the
//! tests (`model`, `services`, `storages`), and that measure no heap at all.

use crate::util::encrypted;
use std::process::Command;

/// Runs these tests, each of which has to pass.
#[track_caller]
fn pass_encrypted(tests: &[&str]) {
    assert!(!encrypted::is_on(), "the tests of this module are not among those that they run");
    let mut command = Command::new(std::env::current_exe().expect("the test binary"));
    let run = command.args(["--exact", "--test-threads=2"]).args(tests).env("SNAP_TEST_ENCRYPTED", "1");
    let done = run.output().expect("run the test binary");
    let said = [done.stdout, done.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    let all = format!("test result: ok. {} passed", tests.len());
    assert!(done.status.success() && said.contains(&all), "of {tests:?}, on an encrypted heap:\n{said}");
}

#[test]
fn what_was_backed_up_comes_back() {
    pass_encrypted(&[
        "hazards::roundtrip::random_trees_come_back_as_they_were",
        "hazards::roundtrip::paths_as_long_as_linux_has_them_and_deep_trees_come_back",
        "hazards::disorder::records_in_random_order_keep_it_and_the_base_is_found_for_every_one",
        "hazards::disorder::an_error_record_and_a_name_that_comes_twice_stay_where_they_are",
        "hazards::changing::a_changing_file_is_recorded_as_one_state_or_reported",
        "hazards::changing::a_change_that_leaves_size_and_time_as_they_were_is_seen_by_the_next_backup",
        "hazards::growing::a_log_that_is_appended_to_is_stored_as_it_was_when_it_was_opened",
        "hazards::times::times_before_and_after_the_years_of_rfc_3339_come_back_to_the_nanosecond",
        "hazards::xattrs::attributes_of_links_come_back",
        "hazards::setid::with_owner_they_come_back",
        "hazards::private::new_roots_and_all_in_them_are_private",
        "hazards::private::what_is_made_in_a_root_is_as_open_as_the_root_whatever_the_umask_says",
        "hazards::kept::a_heap_that_is_not_there_yet_is_left_out_of_the_first_backup",
        "hazards::hardships::a_tmpdir_that_is_not_there_is_named",
        "hazards::hardships::a_system_without_proc_can_back_up_and_restore",
        "tools::cat::contents_come_in_the_order_of_the_records_and_links_have_none",
        "tools::diff::snapshots_are_compared_by_content",
        "tools::diff::a_difference_is_restored_by_either_side",
        "tools::heapify::files_that_did_not_change_are_not_read_unless_all_are",
        "tools::log::each_version_has_the_snapshot_and_the_time_that_it_has_and_ends_with_the_first_without_it",
        "tools::log::a_part_of_a_snapshot_restores_and_deletes_in_that_part_only",
    ]);
}

#[test]
fn damage_is_found_and_mends() {
    pass_encrypted(&[
        "tools::verify::all_damage_is_found_and_mends",
        "tools::verify::verify_is_a_filter_like_the_others",
        "tools::log::a_damaged_snapshot_is_told_and_the_others_are_read",
        "hazards::collide::the_second_content_of_an_md5_is_refused",
    ]);
}

#[test]
fn faults_of_the_system_publish_and_lose_nothing() {
    pass_encrypted(&[
        "hazards::faults::inject::a_call_that_fails_anywhere_publishes_nothing_wrong",
        "hazards::faults::inject::writes_that_are_cut_short_publish_nothing_wrong",
        "hazards::faults::others::a_call_that_fails_anywhere_is_an_error_or_changes_nothing",
        "hazards::faults::order::every_name_is_given_after_the_sync_and_told_after_the_folders",
        "hazards::faults::race::writers_of_the_same_new_objects_store_each_once",
        "hazards::faults::disk::a_full_store_keeps_what_it_has",
    ]);
}

#[test]
fn gc_deletes_what_nobody_refers_to_and_nothing_else() {
    pass_encrypted(&[
        "tools::gc::gc_says_first_and_deletes_what_nobody_refers_to",
        "tools::gc::gc_does_both_at_once_if_nobody_else_is_there",
        "tools::gc::gc_makes_room_on_a_full_disk",
        "tools::gc::what_is_condemned_stays_if_somebody_comes_to_need_it",
        "tools::gc::a_writer_that_is_overtaken_by_a_gc_finds_out",
        "tools::gc::what_a_crash_of_gc_left_aside_comes_back",
        "tools::gc::leftovers_go_when_they_are_old",
        "tools::gc::what_is_new_in_a_list_counts_from_when_the_list_is_there",
        "tools::gc::clocks_that_are_wrong_delete_nothing_young",
        "tools::gc::two_writers_and_a_gc_lose_nothing",
        "tools::references::references_of_several_processes_give_what_one_finds",
        "tools::references::what_a_part_does_not_cover_is_read",
        "tools::references::references_that_are_not_what_was_printed_are_refused",
        "tools::references::a_shard_deletes_nothing_and_prints_all_or_nothing",
        "tools::references::what_could_be_replaced_within_a_second_is_read",
        "tools::references::a_root_that_is_given_twice_is_one",
    ]);
}

#[test]
fn killed_processes_publish_and_lose_nothing() {
    pass_encrypted(&[
        "hazards::crash::killed_anywhere_nothing_bad_is_published",
        "hazards::crash::killing_gc_loses_nothing",
        "hazards::crash::killing_restore_or_verify_harms_nothing",
    ]);
}

#[test]
fn hostile_records_and_links_change_nothing_outside() {
    pass_encrypted(&[
        "hazards::hostile::nothing_outside_the_root_is_changed",
        "hazards::swapper::restore_never_changes_a_file_with_a_name_outside_that_is_swapped_in",
        "hazards::swapper::restore_never_follows_a_link_that_is_swapped_in",
        "hazards::swapper::scan_and_heapify_never_read_through_a_link_that_is_swapped_in",
        "hazards::deleting::random::nothing_is_deleted_that_the_backup_did_not_see_and_find_gone",
        "hazards::deleting::the_heap_and_the_snapshots_are_never_deleted_wherever_they_lie",
        "hazards::deleting::a_stream_that_does_not_say_what_was_listed_is_not_taken_for_whole",
        "hazards::deleting::the_state_after_a_partial_restore_is_not_taken_for_the_whole_folder",
    ]);
}
