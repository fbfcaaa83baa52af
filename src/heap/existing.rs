//! What the heap has of a content already.

use super::object::{self, Health};
use super::opened::Heap;
use super::path::{StoreError, Stored, collision};
use super::proof;
use super::store_lease::Claim;
use crate::codec;
use crate::digest::{Md5, Sha256};
use crate::encryption::{Cipher, HEADER};
use crate::error::{OrFailed, Result};
use crate::storage::Cold;
use std::io::{self, Read};

/// What the heap has of a content.
pub(super) enum Existing {
    None,
    Bad,
    Good(u64),
}

/// Two contents with the same md5 are the same content only if they have the same sha256.
pub(super) fn same(md5: &Md5, ours: Sha256, other: Sha256) -> Result<(), StoreError> {
    if ours == other { Ok(()) } else { Err(StoreError::Collision(collision(md5))) }
}

impl Heap {
    /// Returns what the heap has of a content that was just read.
    pub(super) fn existing(&self, content: &Stored, verify: bool) -> Result<Existing, StoreError> {
        let Stored { md5, sha256, size, .. } = content;
        if let Some((stored_size, other)) = self.new_object(md5) {
            return same(md5, *sha256, other).map(|()| Existing::Good(stored_size));
        }
        let is_noted = self.names.cipher.is_some() && !verify;
        let health = if verify { self.verify(md5, Some(*size))? } else { self.check_both_ends(md5, Some(*size))? };
        let stored_size = match health {
            Health::Missing => return Ok(Existing::None),
            // Nothing is known against it, and what can't be read is never replaced.
            Health::Cold { stored_size } => Some(stored_size),
            Health::Good { stored_size, sha256: Some(named) } if named == *sha256 => Some(stored_size),
            // There is no identity to read more of it, or it is for other recipients.
            Health::Good { stored_size, sha256: None } if is_noted => Some(stored_size),
            Health::Bad if is_noted => None,
            // An object of another writer, or one that does not fit: only its content can tell. One that has the md5 of its name
            // is another content with this md5, of any size; one that has not is damaged, whatever its header names.
            _ => self.intact(md5, Some(*sha256))?,
        };
        let Some(stored_size) = stored_size else { return Ok(Existing::Bad) };
        let claim = match &self.store_lease {
            // The content is at hand: it need not be read from the heap.
            Some(lease) => lease.claim(&self.names.id(md5))?,
            None if self.renew(md5)? => Claim::Kept,
            None => Claim::Gone,
        };
        Ok(match claim {
            Claim::Kept => Existing::Good(stored_size),
            Claim::Condemned => Existing::Bad,
            Claim::Gone => Existing::None,
        })
    }

    /// Verifies an object, and returns its size in bytes; None if it is damaged or missing. One in an archive counts as intact. Its content has to have the sha256,
    /// where that is known.
    pub(super) fn intact(&self, md5: &Md5, sha256: Option<Sha256>) -> Result<Option<u64>, StoreError> {
        match (self.check_changed(md5, None)?, sha256) {
            (Health::Good { stored_size, sha256: Some(other) }, Some(ours)) => same(md5, ours, other).map(|()| Some(stored_size)),
            (Health::Good { stored_size, .. } | Health::Cold { stored_size }, _) => Ok(Some(stored_size)),
            (Health::Bad | Health::Missing, _) => Ok(None),
        }
    }

    /// Checks an object that is not as large as it was said to be. Its content is inflated, or, if there is no identity to decrypt it,
    /// its note is looked at.
    ///
    /// # Errors
    /// If the heap can't be read.
    pub fn check_changed(&self, md5: &Md5, size: Option<u64>) -> Result<Health> {
        match &self.names.cipher {
            Some(cipher) if !cipher.can_read() => self.check_note(cipher, md5),
            _ => self.verify(md5, size),
        }
    }

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

    /// Like [`Heap::check_note`]. With an identity, it also reports the sha256 that the object names.
    pub(super) fn check_note_and_name(&self, cipher: &Cipher, md5: &Md5) -> Result<Health> {
        match self.check_note(cipher, md5)? {
            Health::Good { stored_size, .. } if cipher.can_read() => Ok(Health::Good { stored_size, sha256: self.named(md5)? }),
            health => Ok(health),
        }
    }

    /// Returns the sha256 that an object names. None if it names none, its start is damaged, or it is for other recipients.
    fn named(&self, md5: &Md5) -> Result<Option<Sha256>> {
        let head = || -> io::Result<Vec<u8>> {
            let mut head = Vec::new();
            self.fetch(md5)?.into_iter().try_for_each(|object| object.take(object::HEAD).read_to_end(&mut head).map(drop))?;
            Ok(head)
        };
        match head() {
            Ok(head) => Ok(codec::read_header(&mut &head[..]).ok().flatten().as_ref().and_then(proof::named_sha256)),
            Err(e) if Cold::is(&e) || !proof::cant_read(&e) => Ok(None),
            Err(e) => Err(e).or_failed(|| self.object_of(md5)),
        }
    }
}
