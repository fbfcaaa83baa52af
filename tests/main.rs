//! The tools as a user meets them: the built binaries, in folders of their own, with nothing of the caller's environment.
//!
//! - `tools`: what each tool promises; a change to a tool starts there
//! - `hazards`: crashes, races, damage, hostile input, full disks
//! - `machines`: backups that several machines share
//! - `storages`: the contract of a storage, emulators, faulty services
//! - `python`: the Python tool beside ours
//! - `util`: a world for each test, trees, figures
//!
//! Each folder's `mod.rs` names its modules, a line each.

mod hazards;
mod machines;
mod python;
mod storages;
mod tools;
mod util;
