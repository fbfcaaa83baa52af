//! Checking encrypted objects where they can't be decrypted.

use super::object::Health;
use super::opened::Heap;
use crate::digest::Md5;
use crate::encryption::{Cipher, HEADER};
use crate::error::Result;

impl Heap {
    /// Checks an encrypted object by the note in its header, without decrypting it: it has to be the object of this content and to
    /// have the size that was noted.
    pub(super) fn check_note(&self, cipher: &Cipher, md5: &Md5) -> Result<Health> {
        let Some(stored_size) = self.stored_size(md5)? else { return Ok(Health::Missing) };
        let head = match self.part(md5, 0, HEADER.min(stored_size))? {
            Ok(head) => head,
            Err(health) => return Ok(health),
        };
        let noted = cipher.noted_size(&self.names.id(md5), &head);
        Ok(if noted == Some(stored_size) { Health::Good { stored_size, sha256: None } } else { Health::Bad })
    }

    /// Does what [`Heap::verify`] does, but checks only the header of an encrypted object if there is no identity.
    ///
    /// # Errors
    /// If the heap can't be read.
    pub fn recheck(&self, md5: &Md5, size: Option<u64>) -> Result<Health> {
        match &self.names.cipher {
            Some(cipher) if !cipher.can_read() => self.check_note(cipher, md5),
            _ => self.verify(md5, size),
        }
    }
}
