//! What may go wrong, by hazard: nothing is lost, believed or changed that should not be.

// Small input that is endless when inflated.
mod bombs;
// Files that change while they are read.
mod changing;
// Clocks that were wrong.
mod clocks;
// Two contents with one md5.
pub mod collide;
// Processes killed at random moments.
mod crash;
// What `--delete` may delete.
pub mod deleting;
// Records in any order.
mod disorder;
// System calls that fail, power cuts, full disks, writers at once.
mod faults;
// Repositories of the first form.
mod first_form;
// The fuzz targets over their corpora.
mod fuzz_corpus;
// Files that only grow, files of the kernel.
mod growing;
// A system that gives less than usual.
mod hardships;
// Snapshots and streams made to do harm.
pub mod hostile;
// Heap, snapshots and outputs inside the file root.
mod kept;
// Snapshots of a later version.
mod later;
// All interleavings of writers and gc.
mod model;
// The same for a heap in a service.
mod services;
// What a dry run says is what the run does.
mod plans;
// Who may read what roots hold.
mod private;
// Other programs read our files.
mod readers;
// Mode, owner and time of the root folder.
mod rootfacts;
// Random trees come back.
mod roundtrip;
// Set-user-id and set-group-id.
mod setid;
// Files swapped for links while a tool works.
mod swapper;
// Times of any year.
mod times;
// Extended attributes and ACLs.
mod xattrs;
