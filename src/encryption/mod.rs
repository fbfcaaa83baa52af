//! Encryption to public keys: who stores needs recipients and a naming key, and only the owner of an identity can read.
//!
//! Files are [age](https://age-encryption.org/v1) files, which stock tools open. What is put together here is described in
//! `doc/format.md`: the names of objects, the note in their headers, `encryption.json`, and the code at the end of a snapshot.

mod cipher;
mod keyfile;
mod keys;
mod marker;
mod naming;
mod note;

pub use cipher::{Cipher, HEADER};
pub use keyfile::keep;
pub use keys::{Keys, given};
pub use marker::{FILE as MARKER, STOP};
pub use naming::Code;

#[cfg(test)]
mod tests;
